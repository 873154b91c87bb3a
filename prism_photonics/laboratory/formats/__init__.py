"""Formats that instruments and laboratory software write, one family a file."""
