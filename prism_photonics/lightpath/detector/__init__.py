"""The balanced photodetector pair, its amplifier and converter."""
