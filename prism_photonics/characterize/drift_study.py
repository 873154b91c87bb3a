"""Drift of programmed weights with time: random targets, each read at once and again after waits."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import CURE, write_dataset
from prism_photonics.characterize.accuracy import MEASURED, WEIGHT
from prism_photonics.characterize.records import read_measurements
from prism_photonics.characterize.weights import measure_weights, numbers_only
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.drift.tracker import Tracker
from prism_photonics.files.datasets import Dataset, dataset_of
from prism_photonics.files.fields import SPEC_HASH, Field, Number, Text, shown
from prism_photonics.programming.solve import common_range, program
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator
from prism_photonics.units import InputError

SCHEMA = "prism_photonics.drift/2"
TARGETS, LEAST_TARGETS = 16, 8
WAITS_S = (0.1, 1.0, 10.0, 100.0, 1000.0)
CHANGE = ("target", "time", "row", "channel")
ARRAYS = {
    "commanded": replace(WEIGHT, axes=("target", "row", "channel")),
    "time_s": Number(("time",), low=0, high=1e10, unit="s", above=True),
    "change": replace(MEASURED, axes=CHANGE),
    "change_std": Number(CHANGE, low=0, high=1e12),
}
ATTRIBUTES: dict[str, Field] = {"spec_hash": Text(SPEC_HASH, "a spec's hash, 64 hexadecimal digits")}


@dataclass(frozen=True)
class DriftStudy:
    """Change of programmed weights with time. Weights are effective weights.

    Attributes:
        commanded: Wanted weights, random over the range that every ring reaches.
        time_s: Time since programming, rising.
        change: Measured weight then, less the one measured at once.
        change_std: Standard error of each change.
        spec_hash: The chip's spec.
    """

    commanded: Float[ndarray, "targets rows channels"]
    time_s: Float[ndarray, " times"]
    change: Float[ndarray, "targets times rows channels"]
    change_std: Float[ndarray, "targets times rows channels"]
    spec_hash: str

    def write(self, path: str | Path) -> None:
        """Write atomically as netCDF."""
        arrays = {name: (field.axes, getattr(self, name)) for name, field in ARRAYS.items()}
        write_dataset(dataset_of(arrays, attrs={"schema": SCHEMA, "spec_hash": self.spec_hash}), Path(path))

    @classmethod
    def read(cls, path: str | Path, spec: ChipSpec | None = None) -> "DriftStudy":
        """Read what `write` wrote.

        Args:
            path: The netCDF file.
            spec: The chip that it must have been measured on; by default any.

        Raises:
            InputError: Missing, damaged, of another schema or another chip, or with a number that cannot be.
        """
        older = {1: _numbers_only}
        found = cls(**read_measurements(path, spec, schema=SCHEMA, arrays=ARRAYS, attributes=ATTRIBUTES, older=older))
        if (np.diff(found.time_s) <= 0.0).any():
            raise InputError(f"{path}: time_s = {shown(found.time_s.tolist())}, want rising times; {CURE}")
        if len(found.commanded) < LEAST_TARGETS:
            raise InputError(f"{path}: {len(found.commanded)} targets, want at least {LEAST_TARGETS}; {CURE}")
        return found


def _numbers_only(dataset: Dataset) -> Dataset:
    """From schema 1, which kept what the meter of a dead detector says: rings that never gave a number changed by 0."""
    dead = ~np.isfinite(dataset.change.values).any((0, 1))
    return dataset.assign({name: dataset[name].where(~dead, 0.0) for name in ("change", "change_std")})


def study_drift(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    targets: int = TARGETS,
    waits_s: tuple[float, ...] = WAITS_S,
    tracker: Tracker | None = None,
) -> DriftStudy:
    """Programme random targets, read them at once, and again as time passes.

    It takes ``targets`` times the longest wait: hours on a bench, no time on a virtual chip. The chip has aged by as
    much afterwards, so it comes last.

    Args:
        chip: The calibrated chip.
        calibration: Its calibration.
        spec: Its spec.
        key: JAX random key of the targets.
        targets: Random banks; the common part of the drift is one number for each of them.
        waits_s: Times since programming, rising, all above zero.
        tracker: Who sets the chip's voltages, so that it knows what has charged the film; nothing is corrected here.

    Returns:
        The measurements, in units of weight.

    Raises:
        InputError: Waits that do not rise, fewer than eight targets, or a reading of a ring in use is no number.
    """
    rising = np.diff([0.0, *waits_s])
    if not waits_s or not (rising > 0).all() or targets < LEAST_TARGETS:
        raise InputError(
            f"study_drift: got {targets} targets and waits {waits_s} s, want at least {LEAST_TARGETS} and "
            "rising times above 0"
        )
    low, high = common_range(calibration)
    rng = generator(key)
    commanded = rng.uniform(low, high, (targets, *calibration.shape))
    volts = program(calibration, commanded).volts
    change = np.empty((targets, len(waits_s), *calibration.shape))
    spread = np.empty_like(change)
    for t in range(targets):
        (chip if tracker is None else tracker).set(volts[t])
        first, first_std, _ = measure_weights(chip, calibration, spec)
        for n, seconds in enumerate(rising):
            chip.wait(float(seconds))
            now, now_std, _ = measure_weights(chip, calibration, spec)
            # An excluded row's meter may say anything.
            with np.errstate(invalid="ignore"):
                change[t, n], spread[t, n] = now - first, np.hypot(first_std, now_std)
    change, spread = (
        numbers_only(calibration, a.swapaxes(0, 1).reshape(-1, *calibration.shape))
        .reshape(len(waits_s), targets, *calibration.shape)
        .swapaxes(0, 1)
        for a in (change, spread)
    )
    return DriftStudy(commanded, np.asarray(waits_s, float), change, spread, spec.hash)
