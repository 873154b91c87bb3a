"""Closed-loop trim: programmed weights are measured, and the voltages corrected through the fitted model."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import CURE, write_dataset
from prism_photonics.calibration.record_fields import voltage
from prism_photonics.calibration.stages import SCHEMA
from prism_photonics.characterize.accuracy import MEASURED, WEIGHT
from prism_photonics.characterize.records import read_measurements, rename_attribute
from prism_photonics.characterize.weights import bits, measure_weights, numbers_only, rms, weights_plan
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.drift.tracker import Tracker
from prism_photonics.files.datasets import dataset_of
from prism_photonics.files.fields import SPEC_HASH, YES_NO, Field, Number, Text, require_range
from prism_photonics.programming.solve import common_range, program
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator

TARGETS = 8
# The first correction comes down to the driver's codes on the demo; the second shows that it does.
CORRECTIONS = 2
# Targets that are measured twice over under a laser, which tells how well a weight repeats (design choice).
REPEATED = 2
RING = ("target", "row", "channel")
ARRAYS = {
    "commanded": (replace(WEIGHT, axes=RING), "wanted weight"),
    "measured": (
        replace(MEASURED, axes=("iteration", *RING)),
        "weight by photocurrent, open loop first, then after each correction",
    ),
    "volts_V": (Number(("iteration", *RING), low=-1e6, high=1e6, unit="V"), "ring voltages that were measured"),
    "excluded": (replace(YES_NO, axes=("row", "channel")), "left out: something is broken"),
}
ATTRIBUTES: dict[str, Field] = {
    "stage": Text("trim", "the stage 'trim'"),
    "spec_hash": Text(SPEC_HASH, "a spec's hash, 64 hexadecimal digits"),
    "drift_readings": Number(low=0, high=1e12, whole=True),
}


@dataclass(frozen=True)
class Trimmed:
    """Random targets, measured open loop and again after each correction. Weights are effective weights.

    Attributes:
        commanded: Wanted weights.
        measured: As measured; the first of the iterations is open loop.
        volts_V: The voltages that were measured, in V.
        excluded: Rings that the calibration left out.
        spec_hash: The chip's spec.
        drift_readings: Readings of the pilot, by which the chip's drift was tracked.
    """

    commanded: Float[ndarray, "targets rows channels"]
    measured: Float[ndarray, "iterations targets rows channels"]
    volts_V: Float[ndarray, "iterations targets rows channels"]
    excluded: Bool[ndarray, "rows channels"]
    spec_hash: str
    drift_readings: int

    @property
    def closed_loop_bits(self) -> list[float]:
        """``log2((w_max − w_min)/σ)`` with σ the rms of measured minus commanded: open loop, then by correction."""
        used = ~self.excluded
        commanded = self.commanded[:, used]
        return bits(np.ptp(commanded), rms(self.measured[:, :, used] - commanded, axis=(1, 2))).tolist()

    def write(self, path: Path) -> None:
        """Write atomically as netCDF, as the stage ``trim``."""
        arrays = {
            name: (
                field.axes,
                np.asarray(getattr(self, name), float),
                {"units": field.unit or "1", "long_name": meaning},
            )
            for name, (field, meaning) in ARRAYS.items()
        }
        attrs = {
            "schema": SCHEMA,
            "stage": "trim",
            **{name: getattr(self, name) for name in ("spec_hash", "drift_readings")},
        }
        write_dataset(dataset_of(arrays, attrs=attrs), path)

    @classmethod
    def read(cls, path: Path, spec: ChipSpec | None = None) -> "Trimmed":
        """Read what `write` wrote.

        Args:
            path: The netCDF file.
            spec: The chip that it must have been measured on; by default any.

        Raises:
            InputError: Missing, damaged, of another schema, stage or chip, or with a number that cannot be.
        """
        arrays = {name: field for name, (field, _) in ARRAYS.items()}
        if spec is not None:
            arrays["volts_V"] = voltage(spec, arrays["volts_V"].axes)
        older = {1: partial(rename_attribute, old="looks", new="drift_readings")}
        values = read_measurements(path, spec, schema=SCHEMA, arrays=arrays, attributes=ATTRIBUTES, older=older)
        del values["stage"]
        values["excluded"] = values["excluded"].astype(bool)
        measured = np.where(values["excluded"], 0.0, values["measured"])
        require_range(str(path), "measured", measured, replace(WEIGHT, axes=arrays["measured"].axes), cure=CURE)
        return cls(**values)


def trim(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    targets: int = TARGETS,
    corrections: int = CORRECTIONS,
    tracker: Tracker | None = None,
) -> Trimmed:
    """Programme random targets, measure their weights, and correct the voltages, several times.

    The model's error at a setting is taken for constant nearby: the next setting solves
    ``model(V) = wanted − (measured − model(V_now))``, which is Gauss–Newton with the fitted slopes, inside the drive
    limit and on the driver's grid as all programming is.

    Under a laser a weight repeats hardly better than the model foretells it: whatever is corrected by a measurement
    carries that measurement's error. Some targets are measured twice first, and of each error only the share is taken
    back that is more than what does not repeat, ``1 − σ²/⟨error²⟩``.

    Args:
        chip: The calibrated chip.
        calibration: Its calibration.
        spec: Its spec.
        key: JAX random key of the targets.
        targets: Random banks, over the range that every ring reaches.
        corrections: How often each is corrected.
        tracker: Who sets the chip's voltages and corrects them for drift; by default they are set once.

    Returns:
        The measurements.

    Raises:
        InputError: The rings have no weight in common, or a reading of a ring in use is no number.
    """
    tracker = tracker or Tracker.after_survey(chip, calibration, spec)
    calibration, triggers_before = tracker.calibration, tracker.triggers
    low, high = common_range(calibration)
    rng = generator(key)
    commanded = rng.uniform(low, high, (targets, *calibration.shape))
    measured = np.empty((corrections + 1, *commanded.shape))
    volts_V = np.empty_like(measured)
    excluded = np.asarray(calibration.excluded)

    def measured_at(volts: Float[ndarray, "rows channels"], wanted: Float[ndarray, "rows channels"]) -> ndarray:
        tracker.set(volts)
        hold = partial(tracker.correct, volts)
        with np.errstate(invalid="ignore"):
            found = measure_weights(
                chip, calibration, spec, hold=hold, most=tracker.most_samples, lead=tracker.lead, expected=wanted
            )
        return numbers_only(calibration, found.weights[None])[0]

    spread2 = 0.0
    if chip.laser is not None:
        once = program(calibration, commanded[:REPEATED]).volts
        twice = np.array([[measured_at(v, w) for _ in range(2)] for v, w in zip(once, commanded, strict=False)])
        spread2 = float(np.mean((twice[:, 1] - twice[:, 0])[:, ~excluded] ** 2) / 2.0)
    for t, wanted in enumerate(commanded):
        # One target after the other: a correction comes before the chip has drifted on.
        asked = wanted
        for i in range(corrections + 1):
            done = program(calibration, asked)
            volts_V[i, t] = done.volts[0]
            measured[i, t] = measured_at(volts_V[i, t], wanted)
            error = np.where(excluded, 0.0, measured[i, t] - done.predicted[0])
            asked = wanted - repeating_share(error[~excluded], spread2) * error
    drift_readings = tracker.triggers - triggers_before
    return Trimmed(commanded, measured, volts_V, excluded, calibration.spec_hash, drift_readings=drift_readings)


def trim_plan(
    spec: ChipSpec, *, tracked: bool, laser: bool = False, targets: int = TARGETS, corrections: int = CORRECTIONS
) -> MeasurementPlan:
    """Cost of `trim` in operations of a bench, one with a tunable ``laser`` or with a comb; arguments as there."""
    once = weights_plan(spec, tracked=tracked, laser=laser)
    return once * (targets * (corrections + 1) + laser * 2 * min(REPEATED, targets))


def repeating_share(error: Float[ndarray, " used"], spread2: float) -> float:
    """Share of the errors of a target that will be there again, where a weight repeats with a variance."""
    power = float(np.mean(error**2)) if error.size else 0.0
    return max(1.0 - spread2 / power, 0.0) if power else 1.0
