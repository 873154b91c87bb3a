"""Feasibility, link budget, noise, latency and energy of a spec."""
