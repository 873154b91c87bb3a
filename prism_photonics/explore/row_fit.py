"""Plain rings that stand for a die's rings beside TM in its own rows, as a calibration by photocurrents finds them.

What a ring turns into TM runs on along the buses and meets the rings behind it, so the plain ring that is nearest to
one alone is not the nearest in its row. One Gauss-Newton step from there, on weights of the whole row at random
voltages, takes offset, coupling and loss of every ring about as far as a fit does: on a die of `circles_8x8` with TM
at three places it left 4e-3, 1e-2 and 3e-3 where rings fitted alone left 9e-3, 4e-2 and 5e-3.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.chip.fabricate import Die, Light, exit_powers
from prism_photonics.circuit.polarized import PreparedPolarizedRow, detected_powers
from prism_photonics.explore.tm_crossings import depth_of
from prism_photonics.lightpath.ring.model import (
    RingParams,
    electrode_volts,
    fwhm_pm,
    half_turn,
    rad_per_pm,
    resonance_shift_pm,
    ring_terms,
)
from prism_photonics.spec import ChipSpec

SETTINGS = 12
"""Voltage settings, each of all rings at once; design choice: four readings for each of a ring's unknowns."""
STEP_PM, STEP = 1e-2, 1e-4
"""Steps of the differences by which a ring's slopes are taken: of its offset, and of angles and loss, relative."""
PRIOR = 1e-6
"""Of a fit's curvature, which keeps what hardly shows where it was."""


def fitted_in_row(
    spec: ChipSpec, full: Die, fitted: Die, *, left_out: Bool[ndarray, "rows buses channels"], rng: np.random.Generator
) -> Die:
    """A die of plain rings, one step nearer to a die's weights.

    Args:
        spec: The chip.
        full: The die.
        fitted: Plain rings to start from.
        left_out: Rings of which no plain ring is near; they stay as they are.
        rng: Draws the voltages.
    """
    rings = fitted.bank.rings
    normal, right = np.zeros((*fitted.bank.shape, 3, 3)), np.zeros((*fitted.bank.shape, 3))
    for _ in range(SETTINGS):
        volts = _in_use(spec, fitted, rng.uniform(-1.0, 1.0, fitted.bank.shape))
        missing = _weights(full, volts) - _weights(fitted, volts)
        shift_pm = resonance_shift_pm(rings, electrode_volts(volts.reshape(fitted.bank.shape), fitted.crosstalk))
        slopes = _slopes(fitted.bank.wl_um, rings, shift_pm)
        normal += slopes[..., :, None] * slopes[..., None, :]
        right += slopes * missing[..., None]
    step = _step(normal + PRIOR * np.eye(3), right)
    offset_pm, coupling, loss = np.moveaxis(np.where(left_out[..., None], 0.0, step), -1, 0)
    moved = dataclasses.replace(_scaled(rings, coupling, loss), offset_pm=rings.offset_pm + offset_pm)
    return dataclasses.replace(fitted, bank=dataclasses.replace(fitted.bank, rings=moved))


def _in_use(spec: ChipSpec, die: Die, share: Float[ndarray, "rows buses channels"]) -> Float[ndarray, "rows rings"]:
    """Voltages in V, within the drive's limit, at which rings about hold such shares of the weight limit."""
    rings, top_V = die.bank.rings, spec.drive.max_voltage_V
    beyond = np.maximum(depth_of(rings) / (1.0 - spec.ranking.weight_limit * share) - 1.0, 0.0)
    rests_pm = np.angle(half_turn(die.bank.wl_um, rings, rings.offset_pm) ** 2) / rad_per_pm(rings)
    # A ring is used on the side of its line on which it rests.
    wanted_pm = np.copysign(0.5 * fwhm_pm(rings) * np.sqrt(beyond), rests_pm)
    volts = (wanted_pm - rests_pm) / rings.slope_pm_V
    return np.clip(volts, -top_V, top_V).reshape(spec.chip.rows, spec.chip.rings)


def _step(normal: Float[ndarray, "... 3 3"], right: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3"]:
    """Offset, coupling and loss of least squares, of a ring that would gain light those that are best without loss."""
    free = np.linalg.solve(normal, right[..., None])[..., 0]
    lossless = np.linalg.solve(normal[..., :2, :2], (right[..., :2] + normal[..., :2, 2])[..., None])[..., 0]
    bound = np.concatenate([lossless, np.full((*lossless.shape[:-1], 1), -1.0)], -1)
    return np.where(free[..., 2:] < -1.0, bound, free)


def _weights(die: Die, volts: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows buses channels"]:
    """Share of each line that a row's photodiodes see, through less drop."""
    shift_pm = die.shift_pm(volts, np.zeros(volts.shape))
    through, drop = _powers(die.light, shift_pm)
    return through - drop


def _powers(light: Light, shift_pm: Float[ndarray, "rows buses channels"]) -> Float[ndarray, "2 rows buses channels"]:
    # Slopes with wavelength are asked for by no fit.
    return (
        detected_powers(light, shift_pm) if isinstance(light, PreparedPolarizedRow) else exit_powers(light, shift_pm)[0]
    )


def _slopes(
    wl_um: Float[ndarray, " channels"], rings: RingParams, shift_pm: Float[ndarray, "rows buses channels"]
) -> Float[ndarray, "rows buses channels 3"]:
    """Slopes of each ring's weight, alone, with its offset in pm and with its angles and its loss, relative."""
    zero = np.zeros(shift_pm.shape)
    before = _alone(wl_um, rings, shift_pm)
    after = (
        (_alone(wl_um, rings, shift_pm + STEP_PM), STEP_PM),
        (_alone(wl_um, _scaled(rings, zero + STEP, zero), shift_pm), STEP),
        (_alone(wl_um, _scaled(rings, zero, zero + STEP), shift_pm), STEP),
    )
    return np.stack([(weight - before) / step for weight, step in after], -1)


def _alone(wl_um: Float[ndarray, " channels"], rings: RingParams, shift_pm: ndarray) -> ndarray:
    terms = ring_terms(wl_um, rings, shift_pm)
    return (np.abs(terms.through) ** 2 - np.abs(terms.drop) ** 2) / np.abs(terms.denominator) ** 2


def _scaled(rings: RingParams, coupling: ndarray, loss: ndarray) -> RingParams:
    """Rings with both couplers' angles and the loss so much larger, relative."""
    t1, t2 = (np.cos(np.arccos(t) * (1.0 + coupling)) for t in (rings.t1, rings.t2))
    return dataclasses.replace(rings, t1=t1, t2=t2, a=rings.a ** (1.0 + loss))
