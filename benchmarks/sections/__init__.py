"""Sections of the benchmarks page, by subject, and the README's table."""
