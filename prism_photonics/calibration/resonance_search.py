"""Resonance search: heaters sweep the rings of an untrimmed die over the comb, ring by ring, all rows at once.

With all lines of a bus lit, a row's current dips wherever the swept ring meets a line. Each dip is named by lighting
half of the lines at a time, on it and beside it. Where the ring rests without heat, and how far its heater moves it,
follow from all its dips together. What heaters do to each other's rings is corrected by
`heater_crosstalk` with all of them on.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.assign import Assignment, assign
from prism_photonics.calibration.heater_crosstalk import (
    SEARCH_NOISE,
    HeaterCorrection,
    correct_heater_crosstalk,
    search_plan,
)
from prism_photonics.calibration.stages import SCHEMA
from prism_photonics.calibration.survey import averages_for
from prism_photonics.calibration.unknowns import designed_gain_A
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.heaters import own_shift_pm, require_heaters, shift_by_others_pm
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.files.datasets import Dataset, dataset_of
from prism_photonics.lightpath.ring.model import fsr_um, fwhm_pm
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.neighbours import heater_share
from prism_photonics.units import PM_PER_UM, InputError

# Design choices: points per linewidth of the sweep, and the share of the converter's range that all lines of a bus
# together may fill.
STEPS_PER_WIDTH = 2.0
FILL = 0.6
# A dip is at least this share of the deepest one and of a line's designed swing; a dip further from the ring's other
# dips than so many linewidths is a neighbour's doing.
SHALLOWEST, LEAST_SWEPT_DIP = 0.2, 0.15
ASTRAY_WIDTHS = 3.0
# Linewidths from a dip to where light is read for comparison.
BESIDE_WIDTHS = 4.0
# Design choices: how well a heater's effect is known beforehand, and a dip's place in linewidths.
GAIN_SIGMA, DIP_SIGMA = 0.02, 0.02
# Rounds in which assignment and warmth settle.
WARM_ROUNDS = 20


@dataclass(frozen=True)
class Search:
    """Resonances of a die's rings without heat, and the heater power that brings each to a channel.

    Attributes:
        power_mW: Heater power that brings each ring to its channel, by place along the row.
        offset_pm: Resonance minus design without heat, by place along the bus, of the order nearest to design.
        std_pm: Its standard error, from how far a ring's dips disagree.
        gain: Ratio of a ring's heater efficiency to the spec's.
        dips: Lines that each ring was seen to meet, or dips of a spectrum that its voltage moved; none: a dead ring,
            that stays cold and counts as designed.
        fwhm_pm: Linewidth as designed, for plots.
        assignment: Which ring serves which channel.
        heaters: How the powers were corrected with all heaters on, and what was read for all of it.
        spec_hash: The chip's spec.
        plan: What was done for it, in operations of a bench.
    """

    power_mW: Float[ndarray, "rows rings"]
    offset_pm: Float[ndarray, "rows buses channels"]
    std_pm: Float[ndarray, "rows buses channels"]
    gain: Float[ndarray, "rows buses channels"]
    dips: Int[ndarray, "rows buses channels"]
    fwhm_pm: float
    assignment: Assignment
    heaters: HeaterCorrection
    spec_hash: str
    plan: MeasurementPlan

    def dataset(self) -> Dataset:
        """The search as a stage's record."""
        by_ring = lambda array: np.asarray(array, dtype=float).reshape(len(array), -1)  # noqa: E731
        arrays = {
            "offset_pm": (self.offset_pm, "pm", "resonance minus design without heat, of the order nearest to design"),
            "offset_std_pm": (self.std_pm, "pm", "its standard error"),
            "gain": (self.gain, "1", "what its heater does over what the spec says"),
            "dips": (self.dips, "1", "lines that it was seen to meet, or dips of a spectrum that its voltage moved"),
            "channel": (self.assignment.channel_of_ring, "1", "wavelength that it is to serve, within its bus"),
            "tuning_pm": (self.assignment.tuning_pm, "pm", "how far heat moves it"),
            "power_mW": (self.power_mW, "mW", "heater power that does"),
        }
        return dataset_of(
            {name: (("row", "ring"), by_ring(a), {"units": u, "long_name": t}) for name, (a, u, t) in arrays.items()},
            attrs={
                "schema": SCHEMA, "stage": "search", "spec_hash": self.spec_hash, "fwhm_pm": self.fwhm_pm,
                "crosstalk": self.heaters.share, "crosstalk_std": self.heaters.share_std,
                "triggers": self.heaters.triggers, "averages": self.heaters.averages,
            },
        )  # fmt: skip


def search(chip: AbstractChip, spec: ChipSpec) -> Search:
    """Find every ring of an untrimmed die by its heater, and assign rings to channels at the least total heat.

    Args:
        chip: The chip, its rings at 0 V and its heaters off; they are off again afterwards.
        spec: Its spec, with ``trim.method = "heater"``.

    Returns:
        Positions, assignment and powers. Nothing is heated yet: `AbstractChip.assign` does.

    Raises:
        InputError: The chip has no heaters.
    """
    require_heaters(spec)
    bank = designed_bank(spec, xp=np)
    rings = jax.tree.map(lambda leaf: leaf[0, 0], bank.rings)
    crossing_pm = designed_crossings_pm(bank)[0, 0]
    fsr_pm, width_pm = fsr_um(rings) * PM_PER_UM, fwhm_pm(rings)
    mW_pm = spec.trim.heater_mW_nm * 1e-3
    require_reach(chip, spec)
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    chip.set(np.zeros((chip.rows, chip.channels)))
    offset_pm, std_pm, gain, dips = np.empty(shape), np.empty(shape), np.ones(shape), np.empty(shape, dtype=int)
    triggers = 0
    for bus in range(shape[1]):
        for place in range(shape[2]):
            sweep = _Sweep(chip, spec, bus=bus, place=place, mW_pm=mW_pm, width_pm=float(width_pm[place]))
            named = sweep.named(float(fsr_pm[place]))
            triggers += sweep.triggers
            for n, found in enumerate(named):
                rest = _rest(
                    found,
                    crossing_pm[place],
                    fsr_pm=float(fsr_pm[place]),
                    width_pm=float(width_pm[place]),
                    expected=sweep.gain[n],
                )
                if rest is None:
                    # Dead, or its heater or detector is: it stays cold, and the survey will name it.
                    offset_pm[n, bus, place], dips[n, bus, place], std_pm[n, bus, place] = 0.0, 0, spec.fabricated_pm
                    continue
                offset_pm[n, bus, place], std_pm[n, bus, place] = rest.offset_pm, rest.std_pm
                gain[n, bus, place], dips[n, bus, place] = rest.gain / sweep.gain[n], rest.dips
    chip.heat(np.zeros((chip.rows, chip.channels)))
    # As far from its line as each was designed to rest from its own.
    target_pm = crossing_pm - np.diagonal(crossing_pm)[:, None]
    alive = dips > 0
    assignment = assign_warm(spec, offset_pm, target_pm=target_pm, fsr_pm=fsr_pm, alive=alive)
    tuning_pm = np.where(alive, assignment.tuning_pm / gain, 0.0)
    heaters = correct_heater_crosstalk(
        chip, spec, channel_of_ring=assignment.channel_of_ring, tuning_pm=tuning_pm, alive=alive, width_pm=width_pm,
        fsr_pm=fsr_pm, beside_pm=-np.diagonal(crossing_pm), triggers=triggers,
    )  # fmt: skip
    chip.heat(np.zeros((chip.rows, chip.channels)))
    return Search(
        heaters.power_mW, offset_pm, std_pm, gain, dips, float(width_pm.mean()), assignment, heaters, spec.hash,
        search_plan(spec) * heaters.triggers,
    )  # fmt: skip


def require_reach(chip: AbstractChip, spec: ChipSpec) -> None:
    """Refuse heaters that do not move a ring over its FSR.

    Raises:
        InputError: The bench's heaters go less far.
    """
    rings = designed_bank(spec, xp=np).rings
    widest_mW = float((fsr_um(rings) * PM_PER_UM + 2.0 * fwhm_pm(rings)).max()) * spec.trim.heater_mW_nm * 1e-3
    if 0.0 < chip.max_heater_mW < widest_mW:
        raise InputError(
            f"search: a ring is swept over its FSR by {widest_mW:.4g} mW, the bench's heaters go to "
            f"{chip.max_heater_mW:.4g}; raise heater_source.max_power_mW, or heat with less power per nm"
        )


def assign_warm(
    spec: ChipSpec,
    offset_pm: Float[ndarray, "rows buses channels"],
    *,
    target_pm: Float[ndarray, "places channels"],
    fsr_pm: Float[ndarray, " places"],
    alive: Bool[ndarray, "rows buses channels"],
) -> Assignment:
    """The assignment of least total heat, where every ring is warmed by all others as the spec says.

    Warmth moves the least order a little; after a few rounds it stays.
    """

    def assigned(warmed_pm: ndarray) -> tuple[Assignment, ndarray, ndarray]:
        assignment = assign(offset_pm + warmed_pm, target_pm, fsr_pm=fsr_pm, direction="red")
        wanted_pm = np.where(alive, assignment.tuning_pm + warmed_pm, 0.0)
        own_pm = own_shift_pm(spec, wanted_pm.reshape(len(wanted_pm), -1)).reshape(wanted_pm.shape)
        return assignment, own_pm, np.where(alive, wanted_pm - own_pm, 0.0)

    before_pm = np.zeros(offset_pm.shape)
    assignment, own_pm, warmed_pm = assigned(before_pm)
    for _ in range(1, WARM_ROUNDS):
        if np.abs(warmed_pm - before_pm).max() < 1.0:
            break
        before_pm = warmed_pm
        assignment, own_pm, warmed_pm = assigned(before_pm)
    return dataclasses.replace(assignment, tuning_pm=np.where(own_pm < 0.0, own_pm + fsr_pm, own_pm))


class _Sweep:
    """One ring of every row, moved by its heater while all others rest.

    Attributes:
        gain: What moving all rows alike does to each over what its own heater does, as the spec says.
        triggers: Readings taken.
    """

    def __init__(
        self, chip: AbstractChip, spec: ChipSpec, *, bus: int, place: int, mW_pm: float, width_pm: float
    ) -> None:
        self._chip, self._mW_pm, self._width_pm = chip, mW_pm, width_pm
        self._ring = bus * spec.chip.channels + place
        self._lines = np.arange(spec.chip.channels) + bus * spec.chip.channels
        line_A = designed_gain_A(spec)[:, bus].max()
        level = min(1.0, FILL * spec.detector_design.adc_full_scale_A / (line_A * spec.chip.channels))
        # A few digits: an instrument is told the same number, however many its commands carry.
        self._level = round(float(level), 3)
        self._averages = averages_for(spec, noise=SEARCH_NOISE)
        self._least_A = LEAST_SWEPT_DIP * float(line_A) * self._level
        alike_pm = np.zeros((chip.rows, chip.channels))
        alike_pm[:, self._ring] = 1.0
        self.gain = 1.0 + heater_share(spec) * shift_by_others_pm(spec, alike_pm)[:, self._ring]
        self.triggers = 0

    def named(self, fsr_pm: float) -> list[list[tuple[int, float]]]:
        """For every row its dips as (line, shift in pm).

        All rows move alike, so that what their heaters do to each other is the same at a dip and when it is named: the
        lines that are lit count in binary, and where a dip is seen spells its line.
        """
        # A little more than one FSR, so that a dip at its ends is seen whole.
        grid_pm = np.arange(0.0, fsr_pm + 2.0 * self._width_pm, self._width_pm / STEPS_PER_WIDTH)
        every = np.arange(len(self._lines)) + 1
        current_A = np.stack([self._at(pm, every > 0) for pm in grid_pm])
        depth_A = np.median(current_A, axis=0) - current_A
        dips = [_centres(grid_pm, depth, self._least_A) for depth in depth_A.T]
        on = [np.abs(grid_pm[:, None] - row).argmin(0) for row in dips]
        away = round(BESIDE_WIDTHS * STEPS_PER_WIDTH)
        beside = [np.where(row + away < len(grid_pm), row + away, row - away) for row in on]
        asked = np.unique(np.concatenate([*on, *beside]))
        number = np.zeros((len(grid_pm), self._chip.rows), dtype=int)
        for bit in range(int(every[-1]).bit_length()):
            lit_A = np.full(current_A.shape, np.nan)
            for i in asked:
                lit_A[i] = self._at(float(grid_pm[i]), (every >> bit) % 2 > 0)
            for n, (i, j) in enumerate(zip(on, beside, strict=True)):
                seen = lit_A[j, n] - lit_A[i, n] > 0.5 * (current_A[j, n] - current_A[i, n])
                number[i, n] += seen << bit
        # A number of no line is of two dips on one place: it names neither.
        return [
            [
                (int(number[i, n]) - 1, float(pm))
                for i, pm in zip(on[n], dips[n], strict=True)
                if 0 < number[i, n] <= len(every)
            ]
            for n in range(self._chip.rows)
        ]

    def _at(self, shift_pm: float, lit: Bool[ndarray, " channels"]) -> Float[ndarray, " rows"]:
        power_mW = np.zeros((self._chip.rows, self._chip.channels))
        power_mW[:, self._ring] = shift_pm * self._mW_pm
        light = np.zeros(self._chip.channels)
        light[self._lines[lit]] = self._level
        self._chip.heat(power_mW)
        current_A = self._chip.measure(light, averages=self._averages)
        self.triggers += 1
        # A meter that gives no numbers shows no dip.
        return np.where(np.isfinite(current_A), current_A, 0.0)


def _centres(
    grid_pm: Float[ndarray, " points"], depth_A: Float[ndarray, " points"], least_A: float
) -> Float[ndarray, " dips"]:
    """Centres of gravity of the stretches that are deep enough."""
    deep = depth_A > max(SHALLOWEST * depth_A.max(), least_A)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], deep, [False]])))
    return np.array(
        [np.average(grid_pm[a:b], weights=depth_A[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    )


class _Rest(NamedTuple):
    """Resonance of a ring without heat, its standard error, its heater's gain, and the number of dips that agree."""

    offset_pm: float
    std_pm: float
    gain: float
    dips: int


def _rest(
    named: list[tuple[int, float]],
    crossing_pm: Float[ndarray, " channels"],
    *,
    fsr_pm: float,
    width_pm: float,
    expected: float,
) -> _Rest | None:
    """Resonance without heat on which most dips agree, modulo the FSR: ``crossing = rest + gain·shift``."""
    if not named:
        return None
    lines, shift_pm = (np.array(part) for part in zip(*named, strict=True))

    def agreed(gain: float) -> tuple[Float[ndarray, " dips"], Bool[ndarray, " dips"]]:
        """Resonance without heat by each dip, in the order on which most agree, and which dips agree."""
        at_pm = crossing_pm[lines] - gain * shift_pm
        away = at_pm[:, None] - at_pm
        away -= fsr_pm * np.round(away / fsr_pm)
        # The dip with which most others agree is the centre.
        centre = (np.abs(away) < ASTRAY_WIDTHS * width_pm).sum(0).argmax()
        return at_pm[centre] + away[:, centre], np.abs(away[:, centre]) < ASTRAY_WIDTHS * width_pm

    def badness(gain: float) -> tuple[int, float]:
        at_pm, kept = agreed(gain)
        return -int(kept.sum()), float(at_pm[kept].std())

    gain = min(expected * (1.0 + GAIN_SIGMA * np.linspace(-3.0, 3.0, 25)), key=badness)
    at_pm, kept = agreed(gain)
    count, at_pm, shift_pm = int(kept.sum()), at_pm[kept], shift_pm[kept]
    # Least squares for rest and gain; what was known of the gain counts as one more reading.
    spread_pm = float(np.hypot(DIP_SIGMA * width_pm, at_pm.std()))
    slopes = np.stack([np.append(np.ones(count), 0.0), np.append(shift_pm, spread_pm / GAIN_SIGMA / expected)], 1)
    wanted = np.append(at_pm - at_pm[0], spread_pm * (expected - gain) / GAIN_SIGMA / expected)
    rest_pm, more = np.linalg.lstsq(slopes, wanted)[0]
    rest_pm += at_pm[0]
    std_pm = spread_pm * float(np.sqrt(np.linalg.inv(slopes.T @ slopes)[0, 0]))
    return _Rest(float(rest_pm - fsr_pm * np.round(rest_pm / fsr_pm)), std_pm, float(gain + more), count)
