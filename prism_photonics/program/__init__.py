"""Weights in, voltages out, within limits: a target out of reach is reported, never clipped in silence."""

from prism_photonics.program.scale import NoiseLevel, ScaleChoice, choose_scale
from prism_photonics.program.solve import OutOfReach, Programmed, program, reachable_weights
from prism_photonics.program.validate import Validation, validate

__all__ = [
    "NoiseLevel",
    "OutOfReach",
    "Programmed",
    "ScaleChoice",
    "Validation",
    "choose_scale",
    "program",
    "reachable_weights",
    "validate",
]
