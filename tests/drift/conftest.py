"""The survey of a small die, and benches with something broken, as for calibration."""

from ..calibration.conftest import spoiled, survey

__all__ = ["spoiled", "survey"]
