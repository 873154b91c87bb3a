"""How good a calibrated chip is: accuracy, closed-loop trim, stability, drift of programmed weights."""
