"""The main job and the long commands, as functions."""
