"""Drift of a chip: its state and model, the process that draws it, its estimate from readings, and its tracker."""
