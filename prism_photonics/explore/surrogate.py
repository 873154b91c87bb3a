"""Stand-in for a whole calibration: the die itself, its resonances known but for an error.

A calibration by photocurrents takes seconds to minutes of a die, and leaves the weights wrong by what it does not know.
A stand-in leaves them as wrong in no time. How wrong it has to be is measured: ``prism yield --verify`` calibrates
dies of the study in full, and holds the errors of both against each other.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration, blank_calibration
from prism_photonics.calibration.unknowns import RowModel
from prism_photonics.chip.fabricate import Die
from prism_photonics.codec.modulation import modulate
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec


def known_rows(
    spec: ChipSpec, die: Die, offset_error_pm: Float[ndarray, "rows rings"] | float = 0.0
) -> tuple[RowModel, Float[ndarray, " rings"]]:
    """The rows of a die that is known but for its resonances' errors, and the light that evens its lines out.

    Args:
        spec: The chip.
        die: The die.
        offset_error_pm: Known minus true resonance of every ring, in pm.

    Returns:
        The rows, and the modulators' transmission that stands for full light.
    """
    modelled, light_scale = _known(spec, die, offset_error_pm)
    return modelled, light_scale[0]


def known_calibration(
    spec: ChipSpec, die: Die, offset_error_pm: Float[ndarray, "rows rings"] | float = 0.0
) -> Calibration:
    """The calibration that a fit would leave of one die; the arguments are those of `known_rows`."""
    rows, light_scale = known_rows(spec, die, offset_error_pm)
    unit_A = (rows.gain_A.reshape(len(rows.gain_A), -1) * light_scale).mean(-1)
    return dataclasses.replace(
        _blank(spec), rows=rows, light_scale=light_scale, unit_A=unit_A, leak=np.asarray(spec.modulator_design.leak)
    )


class Units(NamedTuple):
    """What turns the photocurrents of dies into weights, of one die or of several: see `Calibration`.

    Attributes:
        light_scale: Modulators' transmission that stands for full light, (rings) or (dies, rings).
        unit_A: Photocurrent of weight 1, (rows) or (dies, rows).
        leak: Dark transmission of the modulators.
    """

    light_scale: Float[ndarray, "*dies rings"]
    unit_A: Float[ndarray, "*dies rows"]
    leak: float

    @property
    def weight_leak(self) -> float:
        """Of one die, as `Calibration.weight_leak`."""
        return self.leak * float(np.mean(1.0 / self.light_scale))

    def weight_of_current(self, current_A: Float[ndarray, "... rows"]) -> Float[ndarray, "... rows"]:
        """Of one die, as `Calibration.weight_of_current`."""
        return current_A / self.unit_A

    def one(self, die: int) -> "Units":
        """Those of one die of several."""
        return Units(self.light_scale[die], self.unit_A[die], self.leak)


def side_by_side(
    spec: ChipSpec, dies: Die, offset_error_pm: Float[ndarray, "all_rows rings"]
) -> tuple[Calibration, Units]:
    """The calibrations of several dies of one spec as one with all their rows, to be programmed in one go.

    Each die evens its lines out for itself, so that goes into the gains.

    Args:
        spec: The chip.
        dies: The dies as one with all their rows: `chip.fabricate.Dies.together`, or `dies_side_by_side`.
        offset_error_pm: Known minus true resonance of every ring, in pm.

    Returns:
        The calibration, and each die's units.
    """
    shape, rows = dies.bank.shape, spec.chip.rows
    modelled, light_scale = _known(spec, dies, offset_error_pm)
    count, buses, channels = shape
    gain_A = modelled.gain_A.reshape(-1, rows, buses * channels)
    units = Units(light_scale, (gain_A * light_scale[:, None]).mean(-1), spec.modulator_design.leak)
    evened_A = (gain_A * light_scale[:, None]).reshape(shape)
    stacked = {
        "rows": dataclasses.replace(modelled, gain_A=evened_A),
        "unit_A": units.unit_A.ravel(),
        "light_scale": np.ones(buses * channels),
        "leak": np.asarray(spec.modulator_design.leak),
        "dark_A": np.zeros(count),
        "residual_rms": np.zeros((count, buses)),
        "chi2": np.ones((count, buses)),
        "excluded": np.zeros((count, buses * channels), dtype=bool),
        "channel_of_ring": np.broadcast_to(np.arange(channels), (count, buses, channels)),
    }
    return dataclasses.replace(_blank(spec), **stacked), units


def dies_side_by_side(dies: Sequence[Die]) -> Die:
    """Several dies of one spec, without what is beyond their model, as one with all their rows, to be solved at once.

    Their lines' powers and their drivers are the first die's: what reads them is asked die by die.
    """
    banks = [die.bank for die in dies]
    rings, buses, feed = (
        jax.tree.map(lambda *leaves: np.concatenate(leaves), *(getattr(bank, name) for bank in banks))
        for name in ("rings", "buses", "feed")
    )
    return dataclasses.replace(
        dies[0],
        bank=dataclasses.replace(banks[0], rings=rings, buses=buses, feed=feed),
        feed_change=np.concatenate([die.feed_change for die in dies]),
        full_A=np.concatenate([die.full_A for die in dies], 1),
        crosstalk=np.concatenate([die.crosstalk for die in dies]),
        heater_share=np.concatenate([die.heater_share for die in dies]),
    )


def _known(
    spec: ChipSpec, dies: Die, offset_error_pm: Float[ndarray, "all_rows rings"] | float
) -> tuple[RowModel, Float[ndarray, "dies rings"]]:
    """Rows that are known but for their resonances' errors, of all dies, and each die's light that evens its lines."""
    shape, rows = dies.bank.shape, spec.chip.rows
    error_pm = np.broadcast_to(offset_error_pm, (shape[0], spec.chip.rings)).reshape(shape)
    rings = dataclasses.replace(dies.bank.rings, offset_pm=dies.bank.rings.offset_pm + error_pm)
    swing_A = dies.full_A.reshape(2, *shape) / (1.0 + spec.modulator_design.leak)
    line_A = np.exp(np.log(dies.full_A[0]).reshape(-1, rows, spec.chip.rings).mean(1))
    light_scale = modulate(line_A.min(1, keepdims=True) / line_A, spec.modulator.dac_bits)
    ratio = (swing_A[1] / swing_A[0])[..., 0]
    return RowModel(rings, dies.bank.buses, dies.crosstalk, swing_A[0], ratio), light_scale


@cached_by_spec
def _blank(spec: ChipSpec) -> Calibration:
    """The design's calibration as NumPy arrays: JAX's, one by one, would take longer than a die."""
    return jax.tree.map(np.asarray, blank_calibration(spec, triggers=0))
