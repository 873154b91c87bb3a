"""What moves on a chip with time: the process, its estimate from readings, and the voltages that follow it."""
