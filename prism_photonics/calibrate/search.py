"""Resonance search: heaters sweep the rings of an untrimmed die over the comb, ring by ring, all rows at once.

With all lines of a bus lit, a row's current dips wherever the swept ring meets a line. Each dip is named by lighting
the lines one by one on it and beside it. Where the ring rests without heat follows from all its dips together.
"""

from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibrate.assign import Assignment, assign
from prism_photonics.calibrate.stages import SCHEMA
from prism_photonics.calibrate.survey import averages_for
from prism_photonics.calibrate.unknowns import designed_gain_A
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import fsr_um, fwhm_pm
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, InputError

# Design choices: points per linewidth of the sweep, noise of a reading in shares of a line, and the share of the
# converter's range that all lines of a bus together may fill.
STEPS_PER_WIDTH = 2.0
READING_NOISE = 1e-3
FILL = 0.6
# A dip is at least this share of the deepest one and of a line's designed swing; a dip further from the ring's other
# dips than so many linewidths is a neighbour's doing.
SHALLOWEST, LEAST_SWING = 0.4, 0.2
ASTRAY_WIDTHS = 3.0
# Linewidths from a dip to where its lines are read for comparison.
BESIDE_WIDTHS = 4.0


@dataclass(frozen=True)
class Search:
    """Where the rings of a die rest, and the heat that brings each to a channel.

    Attributes:
        power_mW: Heater power that brings each ring to its channel, by place along the row.
        offset_pm: Resonance minus design without heat, by place along the bus, of the order nearest to design.
        std_pm: Its standard error, from how far a ring's dips disagree.
        dips: Lines that each ring was seen to meet; none: a dead ring, that stays cold and counts as designed.
        fwhm_pm: Linewidth as designed, for plots.
        assignment: Which ring serves which channel.
        spec_hash: The chip's spec.
    """

    power_mW: Float[ndarray, "rows rings"]
    offset_pm: Float[ndarray, "rows buses channels"]
    std_pm: Float[ndarray, "rows buses channels"]
    dips: Int[ndarray, "rows buses channels"]
    fwhm_pm: float
    assignment: Assignment
    spec_hash: str

    def dataset(self) -> xr.Dataset:
        """The search as a stage's record."""
        by_ring = lambda array: np.asarray(array, dtype=float).reshape(len(array), -1)  # noqa: E731
        arrays = {
            "offset_pm": (self.offset_pm, "pm", "resonance minus design without heat, of the order nearest to design"),
            "offset_std_pm": (self.std_pm, "pm", "its standard error"),
            "dips": (self.dips, "1", "lines that the ring was seen to meet"),
            "channel": (self.assignment.channel_of_ring, "1", "wavelength that it is to serve, within its bus"),
            "tuning_pm": (self.assignment.tuning_pm, "pm", "how far heat moves it"),
            "power_mW": (self.power_mW, "mW", "heater power that does"),
        }
        return xr.Dataset(
            {name: (("row", "ring"), by_ring(a), {"units": u, "long_name": t}) for name, (a, u, t) in arrays.items()},
            attrs={"schema": SCHEMA, "stage": "search", "spec_hash": self.spec_hash, "fwhm_pm": self.fwhm_pm},
        )


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
    if spec.trim.method != "heater" or spec.trim.heater_mW_nm <= 0.0:
        raise InputError(
            f"search: trim.method = '{spec.trim.method}' with {spec.trim.heater_mW_nm:g} mW/nm; rings are searched by "
            "their heaters: want 'heater' and a power above 0"
        )
    bank = designed_bank(spec)
    rings = jax.tree.map(lambda leaf: leaf[0, 0], bank.rings)
    crossing_pm = np.asarray(designed_crossings_pm(bank))[0, 0]
    fsr_pm, width_pm = np.asarray(fsr_um(rings)) * PM_PER_UM, np.asarray(fwhm_pm(rings))
    mW_pm = spec.trim.heater_mW_nm * 1e-3
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    chip.set(np.zeros((chip.rows, chip.channels)))
    offset_pm, std_pm, dips = np.empty(shape), np.empty(shape), np.empty(shape, dtype=int)
    for bus in range(shape[1]):
        for place in range(shape[2]):
            sweep = _Sweep(chip, spec, bus=bus, place=place, mW_pm=mW_pm, width_pm=float(width_pm[place]))
            found = sweep.dips(float(fsr_pm[place]))
            for n, shifts_pm in enumerate(sweep.named(found)):
                if not shifts_pm:
                    # Dead, or its heater or detector is: it stays cold, and the survey will name it.
                    offset_pm[n, bus, place], dips[n, bus, place], std_pm[n, bus, place] = 0.0, 0, spec.fabricated_pm
                    continue
                at_pm = np.array([crossing_pm[place, line] - shift for line, shift in shifts_pm])
                kept, rest_pm = _agreed(at_pm, float(fsr_pm[place]), ASTRAY_WIDTHS * float(width_pm[place]))
                offset_pm[n, bus, place], dips[n, bus, place] = rest_pm, len(kept)
                spread = kept.std(ddof=1) if len(kept) > 1 else float(width_pm[place]) / STEPS_PER_WIDTH
                std_pm[n, bus, place] = spread / np.sqrt(len(kept))
    chip.heat(np.zeros((chip.rows, chip.channels)))
    # As far from its line as each was designed to rest from its own.
    target_pm = crossing_pm - np.diagonal(crossing_pm)[:, None]
    assignment = assign(offset_pm, target_pm, fsr_pm=fsr_pm, direction="red")
    power_mW = np.where(dips > 0, assignment.power_mW(spec.trim.heater_mW_nm), 0.0).reshape(chip.rows, chip.channels)
    return Search(power_mW, offset_pm, std_pm, dips, float(width_pm.mean()), assignment, spec.hash)


class _Sweep:
    """One ring of every row, moved by its heater while all others rest."""

    def __init__(
        self, chip: AbstractChip, spec: ChipSpec, *, bus: int, place: int, mW_pm: float, width_pm: float
    ) -> None:
        self._chip, self._mW_pm, self._width_pm = chip, mW_pm, width_pm
        self._ring = bus * spec.chip.channels + place
        self._lines = np.arange(spec.chip.channels) + bus * spec.chip.channels
        line_A = np.asarray(designed_gain_A(spec))[:, bus].max()
        self._level = min(1.0, FILL * spec.detector_design.adc_full_scale_A / (line_A * spec.chip.channels))
        self._averages = averages_for(spec, noise=READING_NOISE)
        self._least_A = LEAST_SWING * float(line_A) * self._level

    def dips(self, fsr_pm: float) -> list[Float[ndarray, " dips"]]:
        """For every row the shifts in pm at which some line is dropped."""
        light = np.zeros(self._chip.channels)
        light[self._lines] = self._level
        # A little more than one FSR, so that a dip at its ends is seen whole.
        grid_pm = np.arange(0.0, fsr_pm + 2.0 * self._width_pm, self._width_pm / STEPS_PER_WIDTH)
        current_A = np.stack([self._at(np.full(self._chip.rows, pm), light) for pm in grid_pm])
        depth_A = np.median(current_A, axis=0) - current_A
        return [_centres(grid_pm, depth, self._least_A) for depth in depth_A.T]

    def named(self, dips: list[Float[ndarray, "..."]]) -> list[list[tuple[int, float]]]:
        """For every row its dips as (line, shift in pm)."""
        named: list[list[tuple[int, float]]] = [[] for _ in dips]
        for m in range(max(map(len, dips), default=0)):
            # All rows at once: one with fewer dips is read at its last one again, or at rest, for nothing.
            on_pm = np.array([row[min(m, len(row) - 1)] if len(row) else 0.0 for row in dips])
            beside_pm = on_pm + BESIDE_WIDTHS * self._width_pm
            drop_A = np.stack(
                [self._alone(beside_pm, line) - self._alone(on_pm, line) for line in self._lines.tolist()]
            )
            for n, row in enumerate(dips):
                if m < len(row):
                    named[n].append((int(drop_A[:, n].argmax()), float(row[m])))
        return named

    def _alone(self, shift_pm: Float[ndarray, " rows"], line: int) -> Float[ndarray, " rows"]:
        return self._at(shift_pm, np.where(np.arange(self._chip.channels) == line, 1.0, 0.0))

    def _at(self, shift_pm: Float[ndarray, " rows"], light: Float[ndarray, " channels"]) -> Float[ndarray, " rows"]:
        power_mW = np.zeros((self._chip.rows, self._chip.channels))
        power_mW[:, self._ring] = shift_pm * self._mW_pm
        self._chip.heat(power_mW)
        current_A = self._chip.measure(light, averages=self._averages)
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


def _agreed(at_pm: Float[ndarray, " dips"], fsr_pm: float, astray_pm: float) -> tuple[Float[ndarray, " kept"], float]:
    """What most dips say of one resting place, counted modulo the FSR: those that agree, and their mean."""

    def beside(centre_pm: float) -> Float[ndarray, " dips"]:
        away = at_pm - centre_pm
        return away - fsr_pm * np.round(away / fsr_pm)

    # The dip with which most others agree is the centre.
    centre = max(at_pm, key=lambda pm: (np.abs(beside(pm)) < astray_pm).sum())
    away = beside(centre)
    kept = centre + away[np.abs(away) < astray_pm]
    mean = float(kept.mean())
    return kept, mean - fsr_pm * round(mean / fsr_pm)
