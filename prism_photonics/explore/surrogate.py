"""Stand-in for a whole calibration: the die itself, its resonances known but for an error.

A calibration by photocurrents takes seconds to minutes of a die, and leaves the weights wrong by what it does not know.
A stand-in leaves them as wrong in no time. How wrong it has to be is measured: ``prism yield --verify`` calibrates
dies of the study in full, and holds the errors of both against each other.
"""

import dataclasses
from collections.abc import Sequence

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
    shape = die.bank.shape
    error_pm = np.broadcast_to(offset_error_pm, (shape[0], spec.chip.rings)).reshape(shape)
    rings = dataclasses.replace(die.bank.rings, offset_pm=die.bank.rings.offset_pm + error_pm)
    swing_A = die.full_A.reshape(2, *shape) / (1.0 + spec.modulator_design.leak)
    line_A = np.exp(np.log(die.full_A[0]).mean(0))
    light_scale = modulate(line_A.min() / line_A, spec.modulator.dac_bits)
    ratio = (swing_A[1] / swing_A[0])[..., 0]
    return RowModel(rings, die.bank.buses, die.crosstalk, swing_A[0], ratio), light_scale


def known_calibration(
    spec: ChipSpec, die: Die, offset_error_pm: Float[ndarray, "rows rings"] | float = 0.0
) -> Calibration:
    """The calibration that a fit would leave of one die; the arguments are those of `known_rows`."""
    rows, light_scale = known_rows(spec, die, offset_error_pm)
    unit_A = (rows.gain_A.reshape(len(rows.gain_A), -1) * light_scale).mean(-1)
    return dataclasses.replace(
        _blank(spec), rows=rows, light_scale=light_scale, unit_A=unit_A, leak=np.asarray(spec.modulator_design.leak)
    )


def side_by_side(calibrations: Sequence[Calibration]) -> Calibration:
    """Several dies of one spec as one with all their rows, to be programmed in one go.

    Each die evens its lines out for itself, so that goes into the gains.
    """
    first = calibrations[0]
    evened = [
        dataclasses.replace(
            one.rows, gain_A=one.rows.gain_A * np.asarray(one.light_scale).reshape(one.rows.gain_A.shape[1:])
        )
        for one in calibrations
    ]
    rows, buses, channels = first.rows.gain_A.shape
    count = rows * len(calibrations)
    stacked = {
        "rows": jax.tree.map(lambda *leaves: np.concatenate(leaves), *evened),
        "unit_A": np.concatenate([one.unit_A for one in calibrations]),
        "light_scale": np.ones(buses * channels),
        "dark_A": np.zeros(count),
        "residual_rms": np.zeros((count, buses)),
        "chi2": np.ones((count, buses)),
        "excluded": np.zeros((count, buses * channels), dtype=bool),
        "channel_of_ring": np.broadcast_to(np.arange(channels), (count, buses, channels)),
    }
    return dataclasses.replace(first, **stacked)


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
        full_A=np.concatenate([die.full_A for die in dies], 1),
        crosstalk=np.concatenate([die.crosstalk for die in dies]),
        heater_share=np.concatenate([die.heater_share for die in dies]),
    )


@cached_by_spec
def _blank(spec: ChipSpec) -> Calibration:
    """The design's calibration as NumPy arrays: JAX's, one by one, would take longer than a die."""
    return jax.tree.map(np.asarray, blank_calibration(spec, triggers=0))
