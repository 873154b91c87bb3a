"""Programming of weights as voltages within the drive limit; a target out of reach is reported, never clipped."""

from prism_photonics.extras import asked_by

with asked_by("prism_photonics.programming"):
    from prism_photonics.programming.solve import OutOfReach, Programmed, program, reachable_weights

__all__ = ["OutOfReach", "Programmed", "program", "reachable_weights"]
