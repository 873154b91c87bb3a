"""Faults of a chip in its survey: dead rings, lines and detectors, stuck channels, saturation, shared resonances.

A fault leaves its rings out of fit, programming and validation; the rest of the chip is calibrated as ever.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.budget.rules_light import least_swing_A
from prism_photonics.calibration.assign import by_place, inverse
from prism_photonics.files.datasets import Dataset
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# Share of the median swing below which a ring counts as dead. One that stands still is moved by its neighbours by 2 %
# on the demo; design choice.
LIVE_SHARE = 0.1
# Noise averaged at the converter's rail reads slightly below it.
RAIL = 0.999
# A row whose readings of several lines end at one level, this often and this closely, clips there; design choices.
CLIPPED_SHARE = 0.06
CLIPPED_SIGMA = 6.0
# Readings that are no numbers are left out one by one; beyond this share their detector is.
LOST_SHARE = 0.1
# Chance gives such a share of explained variance to one pair of rings in 500 at 32 settings; with fewer than so many,
# silent rings are moved alone instead.
SHARED_R2 = 0.5
TELLING_SETTINGS = 24
DEGREE = 4


@dataclass(frozen=True)
class Fault:
    """One fault, and the rings that are lost by it.

    Attributes:
        rings: (row, ring) of each ring that is left out.
        says: The fault, its evidence, and what to check, in one sentence.
        stuck: The rings stand still: their voltages do nothing.
    """

    rings: tuple[tuple[int, int], ...]
    says: str
    stuck: bool = False

    def __str__(self) -> str:
        """The sentence."""
        return self.says


@dataclass(frozen=True)
class Usable:
    """The readings of a survey that a fit may use.

    Attributes:
        excluded: Rings that are left out.
        stuck: Those of them that stand still.
        readings: Readings that carry weight.
        whole_rows: Rows whose detectors all work.
    """

    excluded: Bool[ndarray, "rows rings"]
    stuck: Bool[ndarray, "rows rings"]
    readings: Bool[ndarray, "settings rings rows"]
    whole_rows: Bool[ndarray, " rows"]


def find_faults(survey: Dataset, spec: ChipSpec) -> tuple[Fault, ...]:
    """The faults that a survey shows, each ring named once by the line that it serves; rows and lines come first.

    Args:
        survey: Result of `take_survey`.
        spec: The chip's spec.
    """
    lit_A = lit_currents_A(survey)
    volts_V = by_place(survey.volts_V.values, inverse(survey.channel_of_ring.values))
    probes = int(survey.attrs.get("probes", 0))
    lost = np.isnan(lit_A)
    railed = ~lost & (np.abs(survey.current_A.values) >= RAIL * spec.detector_design.adc_full_scale_A)
    railed = railed.any(0).T
    level_A = np.moveaxis(lit_A, 2, 1)
    swing_A = np.where(lost, -np.inf, lit_A).max(0) - np.where(lost, np.inf, lit_A).min(0)
    swing_A = np.maximum(swing_A.T, 0.0)
    floor_A = max(
        least_swing_A(spec),
        LIVE_SHARE * float(np.median(swing_A)),
    )
    clipped = _clipped(np.where(lost, np.nan, survey.current_A.values), _flat_noise_A(survey), spec)
    faults: list[Fault] = []
    taken = np.zeros(swing_A.shape, dtype=bool)

    def blame(where: Bool[ndarray, "rows rings"], says: str, *, stuck: bool = False) -> None:
        rings = tuple((int(n), int(c)) for n, c in np.argwhere(where & ~taken))
        taken[where] = True
        if rings:
            faults.append(Fault(rings, says, stuck))

    for n, rings in _pairs(spec):
        here = np.zeros_like(taken)
        here[n, rings] = True
        whose = f"the detector of row {n}" + (f", bus {rings.start // spec.chip.channels}" * (spec.chip.buses > 1))
        share = float(lost[:, rings, n].mean())
        if share > LOST_SHARE:
            blame(here, f"{whose}: {share:.0%} of its readings are no numbers; check the current meter's channel {n}")
        elif railed[here].all():
            full_uA = spec.detector_design.adc_full_scale_A * 1e6
            blame(
                here,
                f"{whose} is saturated: readings stick at the converter's full scale of {full_uA:.4g} µA; raise "
                "detector.adc_full_scale_uA or lower comb.line_power_dBm",
            )
        elif (at_A := clipped[n][rings.start // spec.chip.channels]) is not None:
            blame(here, f"{whose} is saturated: readings of several lines end at {at_A * 1e6:.4g} µA; lower the light")
        elif (swing_A[here] < floor_A).all():
            blame(
                here,
                f"{whose} is dead: no line swings by more than {swing_A[here].max():.2g} A, below {floor_A:.2g} A; "
                f"check its photodiodes and the current meter's channel {n}",
            )
    for c in range(swing_A.shape[1]):
        rest = ~taken[:, c]
        here = np.zeros_like(taken)
        here[:, c] = True
        # A weak line's level may stay within the floor on both sides, and swing through twice as much.
        seen_A = np.maximum(np.nan_to_num(np.abs(level_A[:, rest, c])).max(0), swing_A[rest, c])
        if rest.sum() > 1 and (seen_A < floor_A).all():
            blame(here, f"line {c} is dark in all rows: a dead line; check the light on that channel")
    for n, c in np.argwhere((swing_A < floor_A) & ~taken):
        here = np.zeros_like(taken)
        here[n, c] = True
        if probes:
            other = _moved_with(int(n), int(c), level_A=level_A[-probes:], floor_A=floor_A, spec=spec)
        else:
            other = _driven_by(int(n), int(c), level_A=level_A, volts_V=volts_V, spec=spec)
        if other is not None:
            here[n, other] = True
            blame(here, f"rings {c} and {other} of row {n} share a resonance: line {other} answers to both; trim one")
        else:
            blame(
                here,
                f"ring {c} of row {n} does not answer to its voltage: line {c} swings by {swing_A[n, c]:.2g} A, below "
                f"{floor_A:.2g} A; a dead ring, a stuck driver channel, or a resonance out of the drive's reach",
                stuck=True,
            )
    for n, c in np.argwhere(railed & ~taken):
        here = np.zeros_like(taken)
        here[n, c] = True
        blame(here, f"ring {c} of row {n}: its line sticks at the converter's full scale; lower that line's power")
    return tuple(faults)


def lit_currents_A(survey: Dataset) -> Float[ndarray, "settings rings rows"]:
    """Readings less their dark level in A; NaN where either is no number."""
    current_A, dark_A = survey.current_A.values, survey.dark_A.values[:, None]
    seen = np.isfinite(current_A) & np.isfinite(dark_A)
    return np.where(seen, np.where(seen, current_A, 0.0) - np.where(seen, dark_A, 0.0), np.nan)


def usable(survey: Dataset, faults: tuple[Fault, ...], spec: ChipSpec) -> Usable:
    """The readings of a survey without those that its faults spoil.

    A ring that stands still is left out of what is programmed, but its readings tell where it stands: its neighbours
    interfere with it.
    """
    excluded = np.zeros((spec.chip.rows, spec.chip.rings), dtype=bool)
    stuck = np.zeros_like(excluded)
    for fault in faults:
        for ring in fault.rings:
            excluded[ring] = True
            stuck[ring] = fault.stuck
    by_bus = excluded.reshape(spec.chip.rows, spec.chip.buses, spec.chip.channels)
    return Usable(excluded, stuck, np.isfinite(lit_currents_A(survey)) & ~(excluded & ~stuck).T, ~by_bus.all(2).any(1))


def require_some_alive(faults: tuple[Fault, ...], spec: ChipSpec) -> None:
    """Refuse a chip without a usable ring.

    Raises:
        InputError: Every ring is out.
    """
    count = spec.chip.rows * spec.chip.rings
    if sum(len(fault.rings) for fault in faults) == count:
        raise InputError(
            f"calibrate: none of the {count} rings can be used; first of {len(faults)} faults: {faults[0]}"
        )


def _pairs(spec: ChipSpec) -> list[tuple[int, slice]]:
    """Every detector pair: its row, and the rings of its bus."""
    d = spec.chip.channels
    return [(n, slice(b * d, (b + 1) * d)) for n in range(spec.chip.rows) for b in range(spec.chip.buses)]


def _flat_noise_A(survey: Dataset) -> Float[ndarray, "settings rings rows"]:
    """Noise of a reading that does not answer to the wavelength: a laser that misses its line does nothing to it."""
    if "spectrum_noise_A" not in survey:
        return survey.noise_A.values
    about_line = survey.spectrum_noise_A.values
    return about_line[:, :, about_line.shape[2] // 2]


def _clipped(
    current_A: Float[ndarray, "settings rings rows"], noise_A: Float[ndarray, "settings rings rows"], spec: ChipSpec
) -> list[list[float | None]]:
    """The level at which each pair clips, if it does: where readings of several lines, as read, pile up at an end."""
    found: list[list[float | None]] = [[] for _ in range(spec.chip.rows)]
    for n, rings in _pairs(spec):
        readings, level = current_A[:, rings, n], None
        seen = np.isfinite(readings)
        near_A = CLIPPED_SIGMA * float(np.median(noise_A[:, rings, n][seen])) if seen.any() else 0.0
        for end in (np.nanmax, np.nanmin) if seen.any() else ():
            at = np.abs(readings - end(readings)) < near_A
            moving = np.ptp(np.nan_to_num(readings)) > 20.0 * near_A
            if moving and at.mean() > CLIPPED_SHARE and at.any(0).sum() > 1:
                level = float(end(readings))
        found[n].append(level)
    return found


def _others(ring: int, spec: ChipSpec) -> list[int]:
    """The other rings of a bus."""
    d = spec.chip.channels
    return [c for c in range(ring // d * d, ring // d * d + d) if c != ring]


def _moved_with(
    row: int, ring: int, *, level_A: Float[ndarray, "settings rows rings"], floor_A: float, spec: ChipSpec
) -> int | None:
    """Another ring of the bus whose line moves most while silent rings are moved alone, if it moves like a live one."""
    swing_A = np.ptp(np.nan_to_num(level_A[:, row]), axis=0)
    moved = max(_others(ring, spec), key=lambda c: swing_A[c], default=None)
    return moved if moved is not None and swing_A[moved] > floor_A else None


def _driven_by(
    row: int,
    ring: int,
    *,
    level_A: Float[ndarray, "settings rows rings"],
    volts_V: Float[ndarray, "settings rows rings"],
    spec: ChipSpec,
) -> int | None:
    """Another ring of the bus whose line a silent ring's voltage moves: the share of variance beyond the line's own."""
    if volts_V.shape[0] < TELLING_SETTINGS:
        return None
    others = _others(ring, spec)

    def polynomials(c: int) -> Float[ndarray, "settings terms"]:
        return np.polynomial.legendre.legvander(volts_V[:, row, c] / spec.drive.max_voltage_V, DEGREE)[:, 1:]

    def left(line_A: Float[ndarray, " settings"], *rings: int) -> float:
        terms = np.concatenate([np.ones((line_A.size, 1)), *map(polynomials, rings)], axis=1)
        return float(np.square(line_A - terms @ np.linalg.lstsq(terms, line_A)[0]).sum())

    def share(c: int) -> float:
        line_A = np.nan_to_num(level_A[:, row, c])
        own = left(line_A, c)
        return 1.0 - left(line_A, c, ring) / own if own > 0.0 else 0.0

    driven = max(others, key=share, default=None)
    return driven if driven is not None and share(driven) > SHARED_R2 else None
