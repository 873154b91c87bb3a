"""Numbers to light and back: encodings of signed values, tiles of a bank, quantised readings. NumPy alone is enough."""
