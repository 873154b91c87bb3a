"""Calibration: fit of all rings, with error bars, to photocurrents alone."""

from prism_photonics.extras import asked_by

with asked_by("prism_photonics.calibration"):
    from prism_photonics.calibration.calibration import Calibration, calibrate
    from prism_photonics.calibration.record import read_record, write_record

__all__ = ["Calibration", "calibrate", "read_record", "write_record"]
