"""The frequency comb: one line per channel."""
