"""Weights in, voltages out, within limits: a target out of reach is reported, never clipped in silence."""
