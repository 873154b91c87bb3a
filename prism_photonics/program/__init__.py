"""Weights in, voltages out, within limits: a target out of reach is reported, never clipped in silence."""

from prism_photonics.program.solve import OutOfReach, Programmed, program, reachable_weights
from prism_photonics.program.validate import Validation, validate

__all__ = ["OutOfReach", "Programmed", "Validation", "program", "reachable_weights", "validate"]
