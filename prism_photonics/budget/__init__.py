"""Feasibility, link and score signal-to-noise ratio: what a spec promises before anything is drawn."""
