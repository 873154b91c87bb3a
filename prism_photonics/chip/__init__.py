"""What can be measured: set ring voltages, send light, read currents. A virtual chip, or instruments."""

from prism_photonics.chip.abstract import AbstractChip

__all__ = ["AbstractChip"]
