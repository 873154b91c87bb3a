"""Resonance search by one tunable laser: rings of an untrimmed die are told apart by which dip their voltage moves.

The laser is swept over one FSR and a little more, with all rings at 0 V, and then with one ring of every row at the
drive limit, to either side. What changes is that ring's doing alone: its dip goes from where it rests, and comes up
beside it. Of D± = I(±V) − I(0) and the dip d of a ring as designed, the three correlations

    c0 = ½(D₊ + D₋) ⋆ d,   c₊ = −D₊ ⋆ d,   c₋ = −D₋ ⋆ d

peak at the ring's resonance λ, and at λ + s₊ and λ − s₋ with s the shift by the drive limit, each with about 1. Where
another ring of the row rests on the same place, c0 vanishes and the other two still tell. All heaters on, the same
search says what they do to each other's rings, and sweeps at 0 V alone are enough for the corrections after it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.heater_crosstalk import MOST_ROUNDS, NEAR_WIDTHS, HeaterCorrection, crosstalk_share
from prism_photonics.calibration.resonance_search import GAIN_SIGMA, Search, assign_warm, require_reach
from prism_photonics.calibration.survey import averages_for
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.heaters import own_shift_pm, require_heaters, shift_by_others_pm
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import RingParams, fsr_um, fwhm_pm
from prism_photonics.lightpath.waveguide.model import path_phase
from prism_photonics.spec import ChipSpec
from prism_photonics.units import NM_PER_UM, PM_PER_NM, PM_PER_UM, InputError

# Design choices: points per linewidth, how far the dip of a ring is looked at, in linewidths, and noise of a point over
# a line.
STEPS_PER_WIDTH, DIP_WIDTHS, POINT_NOISE = 8.0, 3.0, 1e-3
# A dip that comes up lies so near to where slope and drive limit put it, in linewidths: slopes scatter by some percent,
# and curvature adds as much. Design choice.
ASTRAY_WIDTHS = 1.0
# Correlations of 1 are expected: a single one is believed from the first on, and their sum of 3 from the second on
# (design choices).
LEAST_SINGLE, LEAST_SUM = 0.4, 1.2
# The drive moves a ring by so many linewidths at least, or spectra do not tell rings apart (design choice).
LEAST_MOVED_WIDTHS = 0.5
# Near its line a ring is looked for within so many linewidths (design choice).
NEAR_LINE_WIDTHS = 3.0
# How far the place of one dip is off by neighbours, in linewidths (design choice).
DIP_SIGMA = 0.02
# The fields of two rings interfere, which pulls their dips: by so many linewidths on one place, further apart by as
# much less as the one's field is at the other's dip. A bound (design choice); looks near the lines mend it.
PULL = 1.0


def search_by_laser(chip: AbstractChip, spec: ChipSpec, *, tell: Callable[[str], None] = lambda line: None) -> Search:
    """Find every ring of an untrimmed die by one laser, and assign rings to channels at the least total heat.

    Args:
        chip: The chip, its heaters off; they are off again afterwards.
        spec: Its spec, with ``trim.method = "heater"``.
        tell: Told of progress in a line now and then.

    Returns:
        Positions, assignment and powers. Nothing is heated yet: `AbstractChip.assign` does.

    Raises:
        InputError: No laser or one that does not reach over an FSR, no heaters, or none that reach as far.
    """
    require_heaters(spec)
    if chip.laser is None:
        raise InputError("search: a comb lights this bench, want a tunable laser; search by the heaters alone")
    require_reach(chip, spec)
    spectra = _Spectra(chip, spec)
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    cold = np.zeros((chip.rows, chip.channels))
    spectra.heat(cold)
    found = spectra.search()
    alive = found.dips > 0
    tell(f"search: {alive.sum()} of {alive.size} rings found by {spectra.plan.sweeps} sweeps")
    crossing_pm = designed_crossings_pm(designed_bank(spec, xp=np))[0, 0]
    # As far from its line as each was designed to rest from its own.
    target_pm = crossing_pm - np.diagonal(crossing_pm)[:, None]
    fsr_pm, width_pm = spectra.fsr_pm, spectra.width_pm
    assignment = assign_warm(spec, found.offset_pm, target_pm=target_pm, fsr_pm=fsr_pm, alive=alive)
    want_pm = np.take_along_axis(
        np.broadcast_to(target_pm, (*shape, shape[2])), assignment.channel_of_ring[..., None], -1
    )[..., 0]
    given_pm = np.where(alive, assignment.tuning_pm, 0.0).reshape(cold.shape)
    alone_pm, used = given_pm, alive.reshape(cold.shape)
    by_ring = lambda array: np.broadcast_to(array, shape).reshape(cold.shape)  # noqa: E731
    left_pm = np.zeros(cold.shape)
    for turn in range(MOST_ROUNDS):
        spectra.heat(given_pm)
        at = spectra.search() if turn == 0 else spectra.look(want_pm)
        miss_pm = want_pm - at.offset_pm
        miss_pm -= fsr_pm * np.round(miss_pm / fsr_pm)
        left_pm = np.where(used & (at.dips > 0).reshape(cold.shape), miss_pm.reshape(cold.shape), 0.0)
        tell(f"search: heated, round {turn + 1}: rings stand up to {np.abs(left_pm).max():.3g} pm off")
        given_pm = np.where(used, given_pm + own_shift_pm(spec, left_pm), 0.0)
        # Heat moves to the red alone: what would have to cool comes from one order further.
        given_pm = np.where(given_pm < 0.0, given_pm + by_ring(fsr_pm), given_pm)
        if (np.abs(left_pm) < NEAR_WIDTHS * by_ring(width_pm)).all():
            break
    spectra.heat(cold)
    corrected_pm = given_pm - alone_pm
    corrected_pm = corrected_pm - by_ring(fsr_pm) * np.round(corrected_pm / by_ring(fsr_pm))
    share, share_std = crosstalk_share(spec, alone_pm=alone_pm, given_pm=given_pm, corrected_pm=corrected_pm, used=used)
    heaters = HeaterCorrection(
        spectra.power_mW(given_pm), corrected_pm, left_pm, share, share_std, spectra.plan.sweeps, spectra.averages
    )
    gain = _gain(
        spec,
        moved_pm=(want_pm - found.offset_pm).reshape(cold.shape),
        std_pm=found.std_pm.reshape(cold.shape),
        given_pm=given_pm,
        heaters=heaters,
        fsr_pm=by_ring(fsr_pm),
        used=used,
    )
    return Search(
        heaters.power_mW, found.offset_pm, found.std_pm, gain.reshape(shape), found.dips, float(width_pm.mean()),
        assignment, heaters, spec.hash, spectra.plan,
    )  # fmt: skip


def find_by_laser(chip: AbstractChip, spec: ChipSpec) -> "tuple[Found, MeasurementPlan]":
    """Find every ring of an untrimmed die by one laser and the rings' voltages alone.

    Args:
        chip: The chip; its rings are at 0 V afterwards.
        spec: Its spec; heaters are not asked for.

    Returns:
        Where the rings rest, and what finding them cost.

    Raises:
        InputError: No laser, one that does not reach over an FSR, or a drive that does not tell rings apart.
    """
    if chip.laser is None:
        raise InputError("search: a comb lights this bench, want a tunable laser: rings are found by its spectra")
    spectra = _Spectra(chip, spec)
    found = spectra.search()
    chip.set(np.zeros((chip.rows, chip.channels)))
    return found, spectra.plan


@dataclass(frozen=True)
class Found:
    """Where rings rest.

    Attributes:
        offset_pm: Resonance minus design, of the order nearest to design; 0 of a ring that was not found.
        std_pm: Its standard error.
        dips: Dips that told it, up to three; none: it was not found.
    """

    offset_pm: Float[ndarray, "rows buses channels"]
    std_pm: Float[ndarray, "rows buses channels"]
    dips: Int[ndarray, "rows buses channels"]


class _Spectra:
    """Sweeps of the laser over one FSR of every bus, and what they say of its rings.

    Attributes:
        fsr_pm: Free spectral ranges along a bus, as designed.
        width_pm: Linewidths.
        averages: Converter samples of a point.
        plan: What was done.
    """

    def __init__(self, chip: AbstractChip, spec: ChipSpec) -> None:
        self._chip, self._spec = chip, spec
        rings: RingParams = jax.tree.map(lambda leaf: leaf[0, 0], designed_bank(spec, xp=np).rings)
        self._rings = rings
        self.fsr_pm, self.width_pm = np.asarray(fsr_um(rings)) * PM_PER_UM, np.asarray(fwhm_pm(rings))
        self.averages = averages_for(spec, noise=POINT_NOISE)
        self.plan = MeasurementPlan()
        self._step_pm = float(self.width_pm.min()) / STEPS_PER_WIDTH
        # Half of the dip that everything is compared with, and how far the drive limit moves a ring.
        reach_pm = np.arange(0.0, DIP_WIDTHS * float(self.width_pm.mean()), self._step_pm)
        apart_pm = np.concatenate([-reach_pm[:0:-1], reach_pm])
        self._dip = _dip(rings, apart_pm)
        self._moved_pm = float(np.abs(rings.slope_pm_V).mean()) * spec.drive.max_voltage_V
        # Where the drive moves a ring by little, its two dips overlap, and so much of each is seen.
        self._seen = 1.0 - float((self._dip * _dip(rings, apart_pm - self._moved_pm)).sum() / (self._dip**2).sum())
        if self._moved_pm < LEAST_MOVED_WIDTHS * self.width_pm.max():
            raise InputError(
                f"search: the drive limit of {spec.drive.max_voltage_V:g} V moves a ring by {self._moved_pm:.3g} pm, a "
                f"line is {self.width_pm.max():.3g} pm wide; want {LEAST_MOVED_WIDTHS:g} of it to tell rings apart; "
                "raise drive.max_voltage_V"
            )
        self._sign = float(np.sign(np.mean(rings.slope_pm_V)))
        self._astray = round(ASTRAY_WIDTHS * STEPS_PER_WIDTH)
        # So far beyond one FSR that what is moved is seen whole.
        self._margin = round(self._moved_pm / self._step_pm) + self._astray + len(self._dip) // 2 + 1
        lines_nm = np.asarray(spec.comb_design.wl_um) * NM_PER_UM
        points = int(np.ceil(self.fsr_pm.max() / self._step_pm)) + 2 * self._margin
        begin_nm = 0.5 * (lines_nm[0] + lines_nm[-1]) - 0.5 * points * self._step_pm / PM_PER_NM
        self._nm = begin_nm + np.arange(points) * self._step_pm / PM_PER_NM
        assert chip.laser is not None
        chip.laser.require_within(self._nm, where="search")

    def heat(self, given_pm: Float[ndarray, "rows rings"]) -> None:
        """Move each heater's own ring by a wanted shift."""
        self._chip.heat(self.power_mW(given_pm))
        self.plan = self.plan + MeasurementPlan(heatings=1)

    def power_mW(self, given_pm: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
        """Heater powers for a wanted shift of each heater's own ring."""
        return np.clip(given_pm * self._spec.trim.heater_mW_nm * 1e-3, 0.0, self._chip.max_heater_mW)

    def search(self) -> Found:
        """Find all rings by what their voltages move."""
        by_bus = []
        for bus in range(self._spec.chip.buses):
            rest = self._swept(np.zeros((self._chip.rows, self._chip.channels)), bus)
            by_place = []
            for place in range(self._spec.chip.channels):
                moved = []
                for sign in (self._sign, -self._sign):
                    volts = np.zeros((self._chip.rows, self._chip.channels))
                    volts[:, bus * self._spec.chip.channels + place] = sign * self._chip.max_voltage_V
                    moved.append(self._swept(volts, bus) - rest)
                by_place.append(self._told(moved[0], moved[1], place))
            by_bus.append(by_place)
        found = _joined(by_bus)
        return replace(found, std_pm=np.hypot(found.std_pm, self._pulled_pm(found)))

    def _pulled_pm(self, found: Found) -> Float[ndarray, "rows buses channels"]:
        """By how much the nearest other ring of a bus may pull each one's dip, in pm."""
        from_first_pm = found.offset_pm - designed_crossings_pm(designed_bank(self._spec, xp=np))[0, 0][:, 0]
        apart_pm = np.abs(_wrapped(from_first_pm[..., None] - from_first_pm[..., None, :], float(self.fsr_pm.mean())))
        apart_pm = np.where(np.eye(apart_pm.shape[-1], dtype=bool), np.inf, apart_pm)
        apart_pm = np.where(found.dips[..., None, :] > 0, apart_pm, np.inf)
        return PULL * self.width_pm / np.hypot(1.0, 2.0 * apart_pm.min(-1) / self.width_pm)

    def look(self, want_pm: Float[ndarray, "rows buses channels"]) -> Found:
        """Find rings at 0 V that rest near their lines, where each stands alone."""
        by_bus, near = [], round(NEAR_LINE_WIDTHS * STEPS_PER_WIDTH)
        for bus in range(self._spec.chip.buses):
            rest = self._swept(np.zeros((self._chip.rows, self._chip.channels)), bus)
            seen = -self._correlated(rest - np.median(rest, axis=0))
            by_place = []
            for place in range(self._spec.chip.channels):
                offset_pm = self._offset_pm(place)
                off_pm = np.abs(_wrapped(offset_pm[:, None] - want_pm[:, bus, place], self.fsr_pm[place]))
                off_pm[: self._margin], off_pm[-self._margin :] = np.inf, np.inf
                around = off_pm <= near * self._step_pm
                found = np.where(around, seen, -np.inf)
                at = found.argmax(0)
                ok = found[at, np.arange(found.shape[1])] > LEAST_SINGLE
                dips = np.where(ok, 1, 0)
                pm = np.where(ok, self._at_pm(seen, at, place), 0.0)
                by_place.append((pm, np.full(pm.shape, DIP_SIGMA * self.width_pm[place]), dips))
            by_bus.append(by_place)
        return _joined(by_bus)

    def _swept(self, volts: Float[ndarray, "rows rings"], bus: int) -> Float[ndarray, "points rows"]:
        """Currents over a sweep, in units of what passes beside all dips."""
        self._chip.set(volts)
        swept = self._chip.sweep(self._nm, averages=self.averages, bus=bus)
        points = self._nm.size
        self.plan = self.plan + MeasurementPlan(
            settings=1, sweeps=1, points=points, swept_nm=float(np.ptp(self._nm)), swept_samples=points * self.averages
        )
        # A meter that gives no numbers shows no dip.
        current_A = np.where(np.isfinite(swept.current_A), swept.current_A, 0.0)
        level_A = np.median(current_A, axis=0)
        return current_A / np.where(level_A > 0.0, level_A, np.inf)

    def _told(
        self, ahead: Float[ndarray, "points rows"], behind: Float[ndarray, "points rows"], place: int
    ) -> tuple[Float[ndarray, " rows"], Float[ndarray, " rows"], Int[ndarray, " rows"]]:
        """Offset in pm of the ring at a place in each row, its standard error, and the dips that told it."""
        gone = [self._correlated(part) / self._seen for part in (ahead, behind)]
        came = [-part for part in gone]
        shift = round(self._moved_pm / self._step_pm)
        inner = slice(self._margin, self._nm.size - self._margin)
        middle = np.arange(self._nm.size)[inner]
        window = np.arange(-self._astray, self._astray + 1)
        rows = np.arange(ahead.shape[1])
        peaks = [part[middle[:, None] + sign * shift + window] for part, sign in zip(came, (1, -1), strict=True)]
        rest = 0.5 * (gone[0] + gone[1])
        score = rest[inner] + sum(peak.max(1) for peak in peaks)
        best = score.argmax(0)
        at = middle[best]
        beside = [
            at + sign * shift + window[peak[best, :, rows].argmax(1)] for peak, sign in zip(peaks, (1, -1), strict=True)
        ]
        single = np.stack([rest[at, rows], came[0][beside[0], rows], came[1][beside[1], rows]])
        dips = np.where(score[best, rows] > LEAST_SUM, (single > LEAST_SINGLE).sum(0), 0)
        each = [self._at_pm(part, self._summit(part, at), place) for part in (rest, gone[0], gone[1])]
        sides = [self._at_pm(part, i, place) for part, i in zip(came, beside, strict=True)]
        fsr_pm = self.fsr_pm[place]
        # Without a dip of its own at rest it lies in the middle between the two that came up.
        between = sides[0] - 0.5 * _wrapped(sides[0] - sides[1], fsr_pm)
        alone = single[0] > LEAST_SINGLE
        offset_pm = _wrapped(np.where(alone, each[0], between), fsr_pm)
        bent_pm = self._spec.variation.curvature_pm_V2 * self._spec.drive.max_voltage_V**2
        apart_pm = np.where(alone, 0.5 * np.abs(_wrapped(each[1] - each[2], fsr_pm)), bent_pm)
        std_pm = np.hypot(DIP_SIGMA * self.width_pm[place], apart_pm)
        seen = dips > 0
        return np.where(seen, offset_pm, 0.0), np.where(seen, std_pm, self._spec.fabricated_pm), dips

    def _summit(self, correlation: Float[ndarray, "points rows"], near: Int[ndarray, " rows"]) -> Int[ndarray, " rows"]:
        """The highest point within half a linewidth of each."""
        around = near[:, None] + np.arange(-STEPS_PER_WIDTH // 2, STEPS_PER_WIDTH // 2 + 1).astype(int)
        rows = np.arange(len(near))
        return around[rows, correlation[around, rows[:, None]].argmax(1)]

    def _correlated(self, change: Float[ndarray, "points rows"]) -> Float[ndarray, "points rows"]:
        """Correlation with a ring's dip at each wavelength: 1 where such a dip is gone."""
        from scipy.signal import correlate

        return correlate(change, self._dip[:, None], mode="same") / (self._dip**2).sum()

    def _at_pm(
        self, correlation: Float[ndarray, "points rows"], at: Int[ndarray, " rows"], place: int
    ) -> Float[ndarray, " rows"]:
        """Offset in pm by the vertex of the parabola over three points of a correlation."""
        rows = np.arange(len(at))
        at = np.clip(at, 1, len(correlation) - 2)
        low, middle, high = (correlation[at + k, rows] for k in (-1, 0, 1))
        bend = low - 2.0 * middle + high
        part = np.where(bend < 0.0, 0.5 * (low - high) / np.where(bend < 0.0, bend, 1.0), 0.0)
        return self._offset_pm(place, (self._nm[at] + np.clip(part, -1.0, 1.0) * self._step_pm / PM_PER_NM))

    def _offset_pm(self, place: int, wavelength_nm: Float[ndarray, " some"] | None = None) -> Float[ndarray, " some"]:
        """Offset from its design, in pm, of a ring at a place along the bus whose dip is at a wavelength."""
        ring = jax.tree.map(lambda leaf: leaf[place], self._rings)
        wl_um = (self._nm if wavelength_nm is None else wavelength_nm) / NM_PER_UM
        turns = np.asarray(path_phase(wl_um, ring.opl_um, ring.gpl_um, ring.wl0_um)) / (2.0 * np.pi)
        return (np.round(turns) - turns) * self.fsr_pm[place]


def _gain(
    spec: ChipSpec,
    *,
    moved_pm: Float[ndarray, "rows rings"],
    std_pm: Float[ndarray, "rows rings"],
    given_pm: Float[ndarray, "rows rings"],
    heaters: HeaterCorrection,
    fsr_pm: Float[ndarray, "rows rings"],
    used: Bool[ndarray, "rows rings"],
) -> Float[ndarray, "rows rings"]:
    """What each heater does over what the spec says: its ring's way less what all others do to it, over what was given.

    What is known of a heater beforehand counts too, so that one that hardly heats has a gain of 1.
    """
    by_others_pm = shift_by_others_pm(spec, given_pm)
    own_pm = moved_pm - heaters.share * by_others_pm
    own_pm = own_pm + fsr_pm * np.round((given_pm - own_pm) / fsr_pm)
    error_pm = np.hypot(std_pm, heaters.share_std * np.sqrt(max(used.sum(), 1)) * by_others_pm)
    believed = given_pm**2 / (given_pm**2 + (error_pm / GAIN_SIGMA) ** 2)
    return np.where(used, 1.0 + believed * (own_pm / np.maximum(given_pm, 1.0) - 1.0), 1.0)


def _dip(rings: RingParams, x_pm: Float[ndarray, " points"]) -> Float[ndarray, " points"]:
    """What a designed ring takes from a balanced reading, over how far the light is from its resonance.

    With φ the round trip's phase, ``1 − (|t1 − t2·a·e^{jφ}|² − κ1²·κ2²·a)/|1 − t1·t2·a·e^{jφ}|²``.
    """
    t1, t2, a, fsr_pm = (float(np.mean(part)) for part in (rings.t1, rings.t2, rings.a, fsr_um(rings) * PM_PER_UM))
    turn = np.exp(2j * np.pi * x_pm / fsr_pm)
    dropped = (1.0 - t1**2) * (1.0 - t2**2) * a
    return 1.0 - (np.abs(t1 - t2 * a * turn) ** 2 - dropped) / np.abs(1.0 - t1 * t2 * a * turn) ** 2


def _wrapped(away_pm: Float[ndarray, "..."], fsr_pm: float) -> Float[ndarray, "..."]:
    """The same distance to the nearest order."""
    return away_pm - fsr_pm * np.round(away_pm / fsr_pm)


def _joined(by_bus: list[list[tuple[ndarray, ndarray, ndarray]]]) -> Found:
    """Rows first, then buses and places."""
    parts = (np.stack([np.stack([place[i] for place in bus], -1) for bus in by_bus], 1) for i in range(3))
    return Found(*parts)
