"""Chips to be measured, virtual or on instruments: set ring voltages, send light, read currents."""

from prism_photonics.chip.abstract import AbstractChip

__all__ = ["AbstractChip"]
