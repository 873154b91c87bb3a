"""How programmed weights move with time: random targets, each read at once and again after waits."""

from dataclasses import dataclass, fields
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import read_dataset, write_dataset
from prism_photonics.characterize.accuracy import common_range, measure_weights
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.programming.solve import program
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

SCHEMA = "prism_photonics.drift/1"
TARGETS = 16
WAITS_S = (0.1, 1.0, 10.0, 100.0, 1000.0)
DIMENSIONS = {
    "commanded": ("target", "row", "channel"),
    "time_s": ("time",),
    "change": ("target", "time", "row", "channel"),
    "change_std": ("target", "time", "row", "channel"),
}


@dataclass(frozen=True)
class DriftStudy:
    """What the weights of programmed targets did afterwards. Weights are effective weights.

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
        arrays = {name: (dims, getattr(self, name)) for name, dims in DIMENSIONS.items()}
        write_dataset(xr.Dataset(arrays, attrs={"schema": SCHEMA, "spec_hash": self.spec_hash}), Path(path))

    @classmethod
    def read(cls, path: str | Path) -> "DriftStudy":
        """Read what `write` wrote.

        Raises:
            InputError: Missing, damaged, or of another schema.
        """
        dataset = read_dataset(Path(path), schema=SCHEMA, arrays=tuple(DIMENSIONS))
        return cls(
            **{f.name: dataset[f.name].values for f in fields(cls) if f.name in DIMENSIONS},
            spec_hash=str(dataset.attrs["spec_hash"]),
        )


def study_drift(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    targets: int = TARGETS,
    waits_s: tuple[float, ...] = WAITS_S,
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

    Returns:
        The measurements, in units of weight.

    Raises:
        InputError: Waits that do not rise, or fewer than eight targets.
    """
    rising = np.diff([0.0, *waits_s])
    if not waits_s or not (rising > 0).all() or targets < 8:
        raise InputError(
            f"study_drift: got {targets} targets and waits {waits_s} s, want at least 8 and rising times above 0"
        )
    low, high = common_range(calibration)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    commanded = rng.uniform(low, high, (targets, *calibration.shape))
    volts = program(calibration, commanded).volts
    change = np.empty((targets, len(waits_s), *calibration.shape))
    spread = np.empty_like(change)
    for t in range(targets):
        chip.set(volts[t])
        first, first_std = measure_weights(chip, calibration, spec)
        for n, seconds in enumerate(rising):
            chip.wait(float(seconds))
            now, now_std = measure_weights(chip, calibration, spec)
            change[t, n], spread[t, n] = now - first, np.hypot(first_std, now_std)
    return DriftStudy(commanded, np.asarray(waits_s, float), change, spread, spec.hash)
