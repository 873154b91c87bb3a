"""Correction of thermal crosstalk: with all heaters on, powers are corrected until each ring stands as designed.

One line after the other is lit alone, and the ring that serves it in each row is moved across it by its heater, all
rows at once, all other rings heated. From where its current dips, it is brought as far beside the line as designed.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.assign import inverse
from prism_photonics.calibration.survey import averages_for
from prism_photonics.calibration.unknowns import designed_gain_A
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.heaters import own_shift_pm, shift_by_others_pm
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.neighbours import heater_share

# Design choices: a step of the sweep and how far it goes, in linewidths; what is near enough; most sweeps of a line.
STEP_WIDTHS, REACH_WIDTHS, FAR_WIDTHS = 0.5, 2.0, 4.0
NEAR_WIDTHS = 0.03
MOST_ROUNDS = 10
# The warmth that the spec foretells is believed to this share; a ring not found there is looked for so much further.
UNSURE, FURTHER = 0.5, 4.0
# A dip is at least this share of a line's designed swing; noise of a reading in shares of a line.
LEAST_DIP, SEARCH_NOISE = 0.2, 1e-3


@dataclass(frozen=True)
class HeaterCorrection:
    """Heater powers corrected for thermal crosstalk.

    Attributes:
        power_mW: Heater powers, by place along the row.
        corrected_pm: By how much they differ from what each ring alone would need, red positive.
        left_pm: The last correction of all: what a further one may be off by.
        share: Share of a heater's shift that a ring one pitch away was found to see.
        share_std: Its standard error.
        triggers: Readings taken, those of the search before included.
        averages: Converter samples of each.
    """

    power_mW: Float[ndarray, "rows rings"]
    corrected_pm: Float[ndarray, "rows rings"]
    left_pm: Float[ndarray, "rows rings"]
    share: float
    share_std: float
    triggers: int
    averages: int


def correct_heater_crosstalk(
    chip: AbstractChip,
    spec: ChipSpec,
    *,
    channel_of_ring: Int[ndarray, "rows buses channels"],
    tuning_pm: Float[ndarray, "rows buses channels"],
    alive: Bool[ndarray, "rows buses channels"],
    width_pm: Float[ndarray, " channels"],
    fsr_pm: Float[ndarray, " channels"],
    beside_pm: Float[ndarray, " channels"],
    triggers: int = 0,
) -> HeaterCorrection:
    """Heat all rings, and correct their powers until each stands at its line as designed.

    Args:
        chip: The chip, its rings at 0 V. Its heaters stay on.
        spec: Its spec.
        channel_of_ring: The channel that the ring at each place along its bus serves.
        tuning_pm: How far its own heater has to move each, as far as known.
        alive: Rings that answer; the heaters of others stay cold.
        width_pm: Linewidths along a bus.
        fsr_pm: Free spectral ranges along a bus.
        beside_pm: How far from its line each rests by design, red positive.
        triggers: Readings taken before.

    Returns:
        The powers.
    """
    shape = tuning_pm.shape
    by_ring = lambda array: np.broadcast_to(array, shape).reshape(shape[0], -1)  # noqa: E731
    line = _Line(
        chip,
        spec,
        place_of_channel=inverse(channel_of_ring),
        width_pm=by_ring(width_pm),
        fsr_pm=by_ring(fsr_pm),
        beside_pm=by_ring(beside_pm),
    )
    alone_pm, used = by_ring(tuning_pm), by_ring(alive)
    given_pm, left_pm = alone_pm, np.zeros(used.shape)
    warmed_pm = heater_share(spec) * shift_by_others_pm(spec, given_pm)
    narrow, whole = REACH_WIDTHS, float((0.5 * line.fsr_pm / line.width_pm).max())
    reach = max(narrow, UNSURE * float((warmed_pm / line.width_pm).max()))
    for _ in range(MOST_ROUNDS):
        left_pm, seen = line.look(given_pm, used, reach=reach)
        given_pm = given_pm + own_shift_pm(spec, left_pm)
        # Heat moves to the red alone: what would have to cool comes from one order further.
        given_pm = np.where(given_pm < 0.0, given_pm + line.fsr_pm, given_pm)
        # What does not answer stays cold, whatever would undo its neighbours' heat in it.
        given_pm = np.where(by_ring(alive), given_pm, 0.0)
        if (seen | ~used).all():
            if (np.abs(left_pm) < NEAR_WIDTHS * line.width_pm).all():
                break
            reach = narrow
        elif reach < whole:
            reach = min(FURTHER * reach, whole)
        else:
            # Not found anywhere: it stays where it is expected.
            used, reach = used & seen, narrow
    corrected_pm = given_pm - alone_pm
    corrected_pm = corrected_pm - line.fsr_pm * np.round(corrected_pm / line.fsr_pm)
    share, share_std = crosstalk_share(spec, alone_pm=alone_pm, given_pm=given_pm, corrected_pm=corrected_pm, used=used)
    return HeaterCorrection(
        line.power_mW(given_pm), corrected_pm, left_pm, share, share_std, triggers + line.triggers, line.averages
    )


def search_plan(spec: ChipSpec) -> MeasurementPlan:
    """Cost of one reading of the search: new heater powers, at most one new light."""
    return MeasurementPlan(heatings=1, lights=1, triggers=1, samples=averages_for(spec, noise=SEARCH_NOISE))


def crosstalk_share(
    spec: ChipSpec,
    *,
    alone_pm: Float[ndarray, "rows rings"],
    given_pm: Float[ndarray, "rows rings"],
    corrected_pm: Float[ndarray, "rows rings"],
    used: Bool[ndarray, "rows rings"],
) -> tuple[float, float]:
    """Least-squares share of thermal crosstalk that explains the corrections, and its standard error."""
    whole_pm = shift_by_others_pm(spec, given_pm)[used]
    warmed_pm = heater_share(spec) * shift_by_others_pm(spec, alone_pm)[used] - corrected_pm[used]
    power = float((whole_pm**2).sum())
    if used.sum() < 2 or not power:
        return heater_share(spec), heater_share(spec)
    share = float((whole_pm * warmed_pm).sum()) / power
    left_pm = warmed_pm - share * whole_pm
    return share, float(np.sqrt((left_pm**2).sum() / (used.sum() - 1) / power))


class _Line:
    """One lit line of a bus, and in each row the ring that serves it.

    Attributes:
        width_pm: Linewidths.
        fsr_pm: Free spectral ranges.
        averages: Converter samples of a reading.
        triggers: Readings taken.
    """

    def __init__(
        self,
        chip: AbstractChip,
        spec: ChipSpec,
        *,
        place_of_channel: Int[ndarray, "rows buses channels"],
        width_pm: Float[ndarray, "rows rings"],
        fsr_pm: Float[ndarray, "rows rings"],
        beside_pm: Float[ndarray, "rows rings"],
    ) -> None:
        self.width_pm, self.fsr_pm, self._beside_pm = width_pm, fsr_pm, beside_pm
        self.averages = averages_for(spec, noise=SEARCH_NOISE)
        self.triggers = 0
        self._chip, self._mW_pm = chip, spec.trim.heater_mW_nm * 1e-3
        first = spec.chip.channels * np.arange(spec.chip.buses)
        self._ring_of_line = (place_of_channel + first[:, None]).reshape(chip.rows, -1)
        self._least_A = LEAST_DIP * designed_gain_A(spec).reshape(chip.rows, -1)

    def power_mW(self, given_pm: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
        """Heater powers for a wanted shift of each heater's own ring."""
        return np.clip(given_pm * self._mW_pm, 0.0, self._chip.max_heater_mW)

    def look(
        self, given_pm: Float[ndarray, "rows rings"], used: Bool[ndarray, "rows rings"], *, reach: float
    ) -> tuple[Float[ndarray, "rows rings"], Bool[ndarray, "rows rings"]]:
        """Remaining shift of each ring in pm, 0 for rings not found, and which rings were found at their lines.

        Args:
            given_pm: Present shift of each heater's own ring in pm.
            used: Rings that are looked for.
            reach: How far from where they are expected, in linewidths.
        """
        moved_pm, seen = np.zeros(used.shape), np.zeros(used.shape, dtype=bool)
        rows = np.arange(len(used))
        for number, ring in enumerate(self._ring_of_line.T):
            if not used[rows, ring].any():
                continue
            width_pm, expected_pm = self.width_pm[rows, ring], (given_pm - self._beside_pm)[rows, ring]
            # Rows move alike, so that near the end what their heaters do to each other is as it will be.
            steps = np.arange(-reach, reach + STEP_WIDTHS, STEP_WIDTHS)
            far = reach + FAR_WIDTHS
            at_pm = expected_pm + np.concatenate([[-far], steps, [far]])[:, None] * width_pm
            at_pm = np.clip(at_pm, 0.0, self._chip.max_heater_mW / self._mW_pm)
            light = np.where(np.arange(self._chip.channels) == number, 1.0, 0.0)
            current_A = np.stack([self._read(given_pm, rows=rows, ring=ring, at_pm=pm, light=light) for pm in at_pm])
            for n in np.flatnonzero(used[rows, ring]):
                found_pm = _dip(at_pm[:, n], current_A[:, n], float(self._least_A[n, number]))
                if found_pm is not None:
                    moved_pm[n, ring[n]], seen[n, ring[n]] = found_pm - expected_pm[n], True
        return moved_pm, seen

    def _read(
        self,
        given_pm: Float[ndarray, "rows rings"],
        *,
        rows: Int[ndarray, " rows"],
        ring: Int[ndarray, " rows"],
        at_pm: Float[ndarray, " rows"],
        light: Float[ndarray, " channels"],
    ) -> Float[ndarray, " rows"]:
        heated_pm = given_pm.copy()
        heated_pm[rows, ring] = at_pm
        self._chip.heat(self.power_mW(heated_pm))
        self.triggers += 1
        current_A = self._chip.measure(light, averages=self.averages)
        # A meter that gives no numbers shows no dip.
        return np.where(np.isfinite(current_A), current_A, 0.0)


def _dip(at_pm: Float[ndarray, " points"], current_A: Float[ndarray, " points"], least_A: float) -> float | None:
    """Position of the minimum: over a Lorentzian dip 1/depth is a parabola. None without a dip."""
    at_pm, first = np.unique(at_pm, return_index=True)
    depth_A = current_A.max() - current_A[first]
    deepest = int(depth_A.argmax())
    if not depth_A[deepest] > least_A or not 0 < deepest < len(at_pm) - 1:
        return None
    near = slice(deepest - 1, deepest + 2)
    inverse_depth = 1.0 / np.maximum(depth_A[near], 0.05 * depth_A[deepest])
    square, slope, _ = np.polyfit(at_pm[near] - at_pm[deepest], inverse_depth, 2)
    return float(at_pm[deepest] - 0.5 * slope / square)
