"""Stability test: random weights are held, tracked or not, and measured by photocurrent as time goes by."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import read_dataset, write_dataset
from prism_photonics.characterize.records import rename_attribute
from prism_photonics.characterize.weights import bits, measure_weights, rms
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.drift.tracker import HELD_AVERAGES, MODES, Tracker
from prism_photonics.files.datasets import dataset_of
from prism_photonics.files.fields import SPEC_HASH, Field, Number, Text, require_values, shown
from prism_photonics.programming.solve import common_range, program
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator
from prism_photonics.units import InputError

SCHEMA = "prism_photonics.stability/2"
FORMER = "prism_photonics.hour"
CURE = "track again"
# Relaxation and temperature move fast at first: seconds after the weights were loaded, then evenly.
EARLY_S = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
FRESH = 2
# Settling of each new setting and each new light, and one sample, with ordinary instruments: as `chip.served` has them.
LABORATORY_SETTLE_S = 1e-3
LABORATORY_SAMPLE_S = 1e-6
_ERROR = Number(("check",), low=0, high=1e12, above=True)
ARRAYS = {
    "time_s": Number(("check",), low=0, high=1e10, unit="s"),
    "held_error": _ERROR,
    "fresh_error": _ERROR,
    "common_pm": Number(("check",), low=-1e9, high=1e9, unit="pm"),
    "lost_share": Number(("check",), low=-1e3, high=1e3),
}
ATTRIBUTES: dict[str, Field] = {
    "tracking": Text("|".join(MODES), f"one of {', '.join(MODES)}"),
    "span": Number(low=0, high=100, above=True),
    "figures": Text(wanted="figures of the run as JSON"),
    "spec_hash": Text(SPEC_HASH, "a spec's hash, 64 hexadecimal digits"),
}
_COST = Number(low=0, high=1e15)
FIGURES: dict[str, Field] = dict.fromkeys(
    ("interval_s", "readings_per_refresh", "averages", "triggers", "duty", "duty_laboratory"), _COST
)


@dataclass
class StabilityTest:
    """Measurements of a stability test, one entry per check.

    Attributes:
        mode: How the chip was tracked.
        span: Width of the range of the random weights.
        time_s: When, since the weights were loaded.
        held_error: Rms of measured minus wanted over the held weights.
        fresh_error: The same of other random weights, programmed at that moment with the tracked calibration.
        common_pm: Estimated shift by the common temperature, in pm.
        lost_share: Estimated share of its voltage that the film has lost.
        figures: Of the whole run, see `run_stability_test`.
    """

    mode: str
    span: float
    time_s: list[float] = field(default_factory=list)
    held_error: list[float] = field(default_factory=list)
    fresh_error: list[float] = field(default_factory=list)
    common_pm: list[float] = field(default_factory=list)
    lost_share: list[float] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def held_bits(self) -> Float[ndarray, " checks"]:
        """``log2(span/σ)`` of the held weights."""
        return bits(self.span, np.array(self.held_error))

    @property
    def fresh_bits(self) -> Float[ndarray, " checks"]:
        """``log2(span/σ)`` of the fresh weights."""
        return bits(self.span, np.array(self.fresh_error))

    def summary(self) -> dict[str, Any]:
        """Worst and median bits after the first minute, and what the tracking cost."""
        late = np.array(self.time_s) >= 60.0
        late = late if late.any() else np.ones_like(late)
        return {
            "mode": self.mode,
            "held_bits_median": float(np.median(self.held_bits[late])),
            "held_bits_worst": float(self.held_bits[late].min()),
            "fresh_bits_median": float(np.median(self.fresh_bits[late])),
            "fresh_bits_worst": float(self.fresh_bits[late].min()),
            **self.figures,
        }

    def write(self, path: Path, spec: ChipSpec) -> None:
        """Write atomically as netCDF."""
        arrays = {name: (field.axes, np.array(getattr(self, name))) for name, field in ARRAYS.items()}
        attrs = {"tracking": self.mode, "span": self.span, "figures": json.dumps(self.figures), "spec_hash": spec.hash}
        write_dataset(dataset_of(arrays, attrs={"schema": SCHEMA, **attrs}), path)

    @classmethod
    def read(cls, path: Path) -> "StabilityTest":
        """Read what `write` wrote.

        Raises:
            InputError: Missing, damaged, of another schema, or with a number that cannot be.
        """
        dataset = read_dataset(
            path,
            schema=SCHEMA,
            arrays=ARRAYS,
            attributes=ATTRIBUTES,
            older={1: partial(rename_attribute, old="told", new="figures")},
            former=FORMER,
            cure=CURE,
        )
        figures = _read_figures(path, dataset.attrs["figures"])
        test = cls(dataset.attrs["tracking"], dataset.attrs["span"], figures=figures)
        for name in ARRAYS:
            setattr(test, name, dataset[name].values.tolist())
        if (np.diff(test.time_s) < 0.0).any():
            raise InputError(f"{path}: time_s runs backwards, want times that never fall; {CURE}")
        return test


def _read_figures(path: Path, text: str) -> dict[str, Any]:
    """The figures of a run, once they are what a run writes."""
    try:
        figures = json.loads(text)
    except (ValueError, RecursionError):
        figures = None
    if not isinstance(figures, dict):
        raise InputError(f"{path}: figures = {shown(text)}, want a JSON table; {CURE}")
    require_values(str(path), figures, FIGURES, cure=CURE)
    for name in ("pinned_rings", "excluded_rings"):
        rings = figures.get(name)
        if not isinstance(rings, list) or not all(
            isinstance(ring, list) and len(ring) == 2 and all(type(n) is int and n >= 0 for n in ring) for ring in rings
        ):
            raise InputError(f"{path}: {name} = {shown(rings)}, want pairs of row and ring; {CURE}")
    return figures


def run_stability_test(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    mode: str,
    seconds: float = 3600.0,
    interval_s: float = 0.5,
    check_s: float = 120.0,
    averages: int = HELD_AVERAGES,
    share: float = 1.0,
    seen: Callable[[StabilityTest], None] = lambda test: None,
) -> StabilityTest:
    """Hold random weights for a time, refresh them at every interval, and measure them at every check.

    A check comes just before a refresh, so the chip has then drifted for a whole interval. Besides the held weights it
    measures fresh ones, set for a moment. Checks are the judge and no part of the tracking: they are not in its duty.

    Args:
        chip: The calibrated chip.
        calibration: Its calibration.
        spec: Its spec.
        key: JAX random key of the weights.
        mode: See `Tracker`.
        seconds: How long.
        interval_s: Time between two refreshes.
        check_s: Time between two checks, after the first minute.
        averages: Converter samples per reading of a refresh.
        share: Share of the weight range that the weights use, about its middle, above 0 up to 1; corrections need the
            rest of the voltages.
        seen: Called after every check, with all that is measured by then.

    Returns:
        The measurements. ``figures`` holds duty (settling of the ring drivers and integration over all time), the
        same with the times of a laboratory's instruments, readings per refresh, refreshes, and the rings that stood at
        the limit.

    Raises:
        InputError: Times that are not positive, a share beyond 0 to 1, an unknown mode, or a calibration of another
            chip.
    """
    for name, value in (("seconds", seconds), ("interval", interval_s), ("check", check_s)):
        if not 0.0 < value < np.inf:
            raise InputError(f"track: {name} = {value:g} s; give a time above 0")
    if not 0.0 < share <= 1.0:
        raise InputError(f"track: share = {share:g} of the weight range, want above 0 up to 1; choose another")
    tracker = Tracker(chip, calibration, spec, mode=mode, averages=averages)
    low, high = common_range(calibration)
    in_hand = 0.5 * (1.0 - share) * (high - low)
    low, high = low + in_hand, high - in_hand
    rng = generator(key)
    held = rng.uniform(low, high, calibration.shape)
    test = StabilityTest(mode, high - low)
    tracker.hold(program(calibration, held).volts[0])
    tracker.settings = 0
    times = sorted({*(t for t in EARLY_S if t <= seconds), *np.arange(check_s, seconds + 1e-9, check_s).tolist()})
    steps = [round(t / interval_s) for t in times]
    taken, pinned = 0, set()
    for step in sorted(set(steps)):
        # Unwatched time passes in one go; watched time, refresh by refresh, the last one after the check.
        if mode == "none":
            chip.wait((step - taken) * interval_s)
            taken = step
        while taken < step:
            chip.wait(interval_s)
            taken += 1
            if taken < step:
                tracker.refresh()
                pinned |= set(tracker.pinned)
        fresh = rng.uniform(low, high, (FRESH, *calibration.shape))
        _check(chip, calibration, spec, tracker=tracker, test=test, held=held, fresh=fresh)
        test.time_s.append(step * interval_s)
        if step:
            tracker.refresh()
        time_s = max(taken, 1) * interval_s
        test.figures = {"interval_s": interval_s} | _figures(
            tracker, calibration, spec, time_s=time_s, averages=averages, pinned=pinned
        )
        seen(test)
    return test


def _check(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    tracker: Tracker,
    test: StabilityTest,
    held: Float[ndarray, "rows rings"],
    fresh: Float[ndarray, "fresh rows rings"],
) -> None:
    """Measure the held weights, and fresh ones that are set for a moment."""
    used, held_V = ~np.asarray(calibration.excluded), tracker.volts

    def error(wanted: Float[ndarray, "rows rings"]) -> Float[ndarray, " used"]:
        with np.errstate(invalid="ignore"):
            measured = measure_weights(chip, calibration, spec, expected=wanted).weights
        return (measured - wanted)[used]

    test.held_error.append(float(rms(error(held))))
    errors = []
    for wanted, volts in zip(fresh, program(tracker.drifted, fresh).volts, strict=True):
        tracker.set(volts)
        errors.append(error(wanted))
    tracker.set(held_V)
    test.fresh_error.append(float(rms(np.array(errors))))
    kelvin_pm = spec.drift.temperature_K * spec.profile.optics.thermal_pm_K.value
    test.common_pm.append(float(tracker.state.temperatures[0]) * kelvin_pm)
    test.lost_share.append(_lost_share(np.asarray(tracker.state.relaxed_V)[used], held_V[used]))


def _lost_share(lost_V: Float[ndarray, " used"], held_V: Float[ndarray, " used"]) -> float:
    """The share of their own voltages that rings have lost, by least squares over them."""
    return float((lost_V * held_V).sum() / max(float((held_V**2).sum()), np.finfo(float).tiny))


def _figures(
    tracker: Tracker,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    time_s: float,
    averages: int,
    pinned: set[tuple[int, int]],
) -> dict[str, Any]:
    samples = tracker.triggers * averages

    def duty(settle_s: float, sample_s: float) -> float:
        return (tracker.settings * settle_s + tracker.triggers * settle_s + samples * sample_s) / time_s

    return {
        "readings_per_refresh": tracker.triggers / max(tracker.refreshes, 1),
        "averages": averages,
        "triggers": tracker.triggers,
        "duty": duty(spec.drive.settle_us * 1e-6, 1.0 / spec.detector_design.bandwidth_Hz),
        "duty_laboratory": duty(LABORATORY_SETTLE_S, LABORATORY_SAMPLE_S),
        "pinned_rings": sorted(pinned),
        "excluded_rings": np.argwhere(np.asarray(calibration.excluded)).tolist(),
    }
