"""Characterization of a calibrated chip: accuracy, closed-loop trim, stability, drift of programmed weights."""
