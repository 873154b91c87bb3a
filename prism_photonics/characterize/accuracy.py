"""Held-out measurements of a programmed chip: errors of its weights, and noise of its readings."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import CURE, write_dataset
from prism_photonics.characterize.records import read_measurements, rename_attribute
from prism_photonics.characterize.single_lines import ONE_BY_ONE, ROADS, TOGETHER, composed_plan, composed_reads_A
from prism_photonics.characterize.weights import MeasuredWeights, bits, measure_weights, numbers_only, rms, weights_plan
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.codec.encoding import RAILS, SHOTS, encode
from prism_photonics.drift.pilot import pilot_plan
from prism_photonics.drift.tracker import Tracker
from prism_photonics.files.datasets import dataset_of
from prism_photonics.files.fields import (
    SPEC_HASH,
    YES_NO,
    Field,
    Number,
    Text,
    require_range,
    shown,
)
from prism_photonics.programming.scale import NoiseLevel
from prism_photonics.programming.solve import common_range, program
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator
from prism_photonics.units import InputError

SCHEMA = "prism_photonics.validation/8"
TARGETS = 48
# Targets that are written and measured once more when all else is done.
AGAIN = 8
SETTINGS = 16
# Single samples of each light of the noise study, fewer where they would take longer than so many seconds.
REPEATS, FEWEST_REPEATS, NOISE_STUDY_S = 256, 64, 1.0
# A tracked chip's pilot is read again after so many single samples (design choice).
SAMPLES_PER_PILOT = 16
# Far beyond any weight; an excluded ring's meter may say more.
WEIGHT, MEASURED = Number(low=-100, high=100), Number(low=-1e12, high=1e12)
RINGS = ("row", "channel")
ARRAYS = {
    "commanded": replace(WEIGHT, axes=("target", *RINGS)),
    "measured": replace(MEASURED, axes=("target", *RINGS)),
    "measured_std": Number(("target", *RINGS), low=0, high=1e12),
    # Rounding to the modulators' grid may end a bit beyond full light.
    "light": Number(("setting", "channel"), low=-1e-9, high=1 + 1e-9),
    "weights": replace(WEIGHT, axes=("setting", *RINGS)),
    "reads": replace(MEASURED, axes=("setting", "repeat", "row")),
    "adc_full_scale": Number(("row",), low=0, high=1e12, above=True),
    "excluded": replace(YES_NO, axes=RINGS),
    "again": replace(MEASURED, axes=("repeated", *RINGS), empty=True),
    "as_read": replace(MEASURED, axes=("target", *RINGS)),
}
ATTRIBUTES: dict[str, Field] = {
    "weight_low": WEIGHT,
    "weight_high": WEIGHT,
    "adc_bits": Number(low=1, high=24, unit="bits", whole=True),
    "dac_bits": Number(low=1, high=24, unit="bits", whole=True),
    "encoding": Text("|".join(SHOTS), f"one of {', '.join(SHOTS)}"),
    "spec_hash": Text(SPEC_HASH, "a spec's hash, 64 hexadecimal digits"),
    "residual_rms": Number(low=0, high=1e9),
    "leak": Number(low=0, high=1e3),
    "drift_readings": Number(low=0, high=1e12, whole=True),
    "noise_study": Text("|".join(ROADS), f"one of {', '.join(ROADS)}"),
}


@dataclass(frozen=True)
class Validation:
    """Measurements of a calibrated chip on held-out targets. Weights are effective weights.

    Attributes:
        commanded: Wanted weights, random over the range that every ring reaches, (targets, rows, channels).
        measured: The same weights by photocurrent, one channel lit, averaged.
        measured_std: Standard error of each.
        light: Light vectors of the noise study, (settings, channels).
        weights: Predicted weights of the noise study, (settings, rows, channels).
        reads: Single converter samples in units of weight, (settings, repeats, rows).
        adc_full_scale: The converter's full scale in units of weight, (rows,).
        weight_low: Lowest weight that every ring reaches.
        weight_high: Highest weight that every ring reaches.
        adc_bits: Converter bits.
        dac_bits: Query modulator bits.
        encoding: Query encoding.
        spec_hash: The chip's spec.
        residual_rms: Misfit of the calibration, in units of weight.
        leak: Light that a dark modulator lets through, in units of full light.
        excluded: Rings that the calibration left out, (rows, channels). Their measured weights are those at rest,
            0 where no number was read; the reads of a row that has no other rings are 0.
        again: The first targets written and measured once more at the session's end, (repeated, rows, channels).
        drift_readings: Readings of the pilot, by which the chip's drift was tracked; none where drift does not matter.
        noise_study: How its lines were lit: all of a query's together, or, under one laser, one by one; ``reads`` are
            then put together from single lines (`single_lines.composed_reads_A`), and weights are without the laser's
            misses (`weights.without_miss`).
        as_read: The measured weights with the misses of one laser left in, (targets, rows, channels); by default, and
            of a comb, as ``measured``.
    """

    commanded: Float[ndarray, "targets rows channels"]
    measured: Float[ndarray, "targets rows channels"]
    measured_std: Float[ndarray, "targets rows channels"]
    light: Float[ndarray, "settings channels"]
    weights: Float[ndarray, "settings rows channels"]
    reads: Float[ndarray, "settings repeats rows"]
    adc_full_scale: Float[ndarray, " rows"]
    weight_low: float
    weight_high: float
    adc_bits: int
    dac_bits: int
    encoding: str
    spec_hash: str
    residual_rms: float
    leak: float
    excluded: Bool[ndarray, "rows channels"] | bool = False
    again: Float[ndarray, "repeated rows channels"] | tuple[()] = ()
    drift_readings: int = 0
    noise_study: str = TOGETHER
    as_read: Float[ndarray, "targets rows channels"] | tuple[()] = ()

    def __post_init__(self) -> None:
        """By default no ring is left out, nothing was measured again, and a line is where it is said to be."""
        if not np.size(self.as_read):
            object.__setattr__(self, "as_read", self.measured)
        shape = self.commanded.shape[1:]
        object.__setattr__(self, "again", np.asarray(self.again, float).reshape(-1, *shape))
        object.__setattr__(self, "excluded", np.array(np.broadcast_to(self.excluded, self.commanded.shape[1:]), bool))

    @property
    def accuracy_bits(self) -> float:
        """``log2((w_max − w_min)/σ)``, σ the rms of measured minus commanded: open loop, all rings moving."""
        return self.bits_without(np.zeros_like(self.excluded))

    def bits_without(self, rings: Bool[ndarray, "rows channels"]) -> float:
        """`accuracy_bits` of the chip without some of its rings, such as `Calibration.spoiled`, over the same range."""
        used = ~np.asarray(self.excluded)
        counted = used & ~rings
        off = self.measured[:, counted] - self.commanded[:, counted]
        return float(bits(np.ptp(self.commanded[:, used]), rms(off)))

    @property
    def absolute_bits(self) -> float:
        """The same with what one laser missed its lines by left in the measured weights; `accuracy_bits` of a comb."""
        used = ~np.asarray(self.excluded)
        commanded = self.commanded[:, used]
        return float(bits(np.ptp(commanded), rms(np.asarray(self.as_read)[:, used] - commanded)))

    @property
    def precision_bits(self) -> float:
        """``log2((w_max − w_min)/σ)``, σ how far a target falls apart over the session; NaN if not measured.

        Two measurements of a target differ by √2·σ rms.
        """
        used, again = ~np.asarray(self.excluded), np.asarray(self.again)
        if not len(again):
            return float("nan")
        difference = (again - self.measured[: len(again)])[:, used]
        return float(bits(np.ptp(self.commanded[:, used]), rms(difference) / np.sqrt(2.0)))

    @property
    def noise_level(self) -> NoiseLevel:
        """The measured noise; the variance of the measurement itself is subtracted from the weight error.

        Rings that the calibration left out were commanded nothing, and rows without any other were not read.
        """
        used = ~np.asarray(self.excluded)
        error2 = ((self.measured - self.commanded) ** 2 - self.measured_std**2)[:, used]
        return NoiseLevel(
            weight_std=float(np.sqrt(max(error2.mean(), 0.0))),
            read_std=float(np.sqrt(self.reads.var(axis=1, ddof=1)[:, used.any(1)].mean())),
            adc_full_scale=float(self.adc_full_scale.min()),
            adc_bits=self.adc_bits,
        )

    def held_weights(self) -> Float[ndarray, "rows channels"]:
        """The weights that excluded rings were measured to hold; 0 for all others."""
        return np.where(np.asarray(self.excluded), self.measured.mean(0), 0.0)

    def write(self, path: str | Path) -> None:
        """Write atomically as netCDF."""
        arrays = {name: (field.axes, getattr(self, name)) for name, field in ARRAYS.items()}
        attrs = {name: getattr(self, name) for name in ATTRIBUTES}
        write_dataset(dataset_of(arrays, attrs={"schema": SCHEMA, **attrs}), Path(path))

    @classmethod
    def read(cls, path: str | Path, spec: ChipSpec | None = None) -> "Validation":
        """Read what `write` wrote.

        Args:
            path: The netCDF file.
            spec: The chip that it must have been measured on; by default any.

        Raises:
            InputError: Missing, damaged, of another schema or another chip, or with a number that cannot be.
        """
        older = {
            4: lambda old: old.assign_attrs(looks=0),
            5: partial(rename_attribute, old="looks", new="drift_readings"),
            6: lambda old: old.assign_attrs(noise_study=TOGETHER),
            7: lambda old: old.assign(as_read=old.measured),
        }
        values = read_measurements(path, spec, schema=SCHEMA, arrays=ARRAYS, attributes=ATTRIBUTES, older=older)
        values["excluded"] = values["excluded"].astype(bool)
        found = cls(**values)
        _require_meaning(str(path), found, spec)
        return found


def _require_meaning(source: str, found: Validation, spec: ChipSpec | None) -> None:
    """Refuse a validation whose parts are inconsistent with each other or with the chip's spec."""
    if not found.weight_low < found.weight_high:
        raise InputError(
            f"{source}: weight_high = {found.weight_high:g}, want above weight_low = {found.weight_low:g}; {CURE}"
        )
    used = ~np.asarray(found.excluded)
    if len(found.again) > len(found.measured):
        raise InputError(
            f"{source}: again holds {len(found.again)} targets, want at most {len(found.measured)}; {CURE}"
        )
    for name in ("measured", "again", "as_read"):
        weights = np.where(used, getattr(found, name), 0.0)
        require_range(source, name, weights, replace(WEIGHT, axes=ARRAYS[name].axes), cure=CURE)
    if spec is None:
        return
    from_spec = {
        "adc_bits": spec.detector.adc_bits,
        "dac_bits": spec.modulator.dac_bits,
        "encoding": spec.modulator.encoding,
    }
    for name, wanted in from_spec.items():
        if getattr(found, name) != wanted:
            raise InputError(
                f"{source}: {name} = {shown(getattr(found, name))}, want {wanted!r} as the spec has it; {CURE}"
            )


def validation_plan(
    spec: ChipSpec,
    *,
    tracked: bool,
    laser: bool = False,
    targets: int = TARGETS,
    settings: int = SETTINGS,
    repeats: int | None = None,
) -> MeasurementPlan:
    """Cost of `validate` in operations of a bench, one with a tunable ``laser`` or with a comb; arguments as there."""
    repeats = repeats_for(spec) if repeats is None else repeats
    if laser:
        weights = weights_plan(spec, tracked=tracked, laser=True) * (targets + min(AGAIN, targets) + settings)
        return weights + composed_plan(spec, repeats) * settings
    pilots = tracked * -(-repeats // SAMPLES_PER_PILOT)
    study = MeasurementPlan(settings=1, lights=max(1, pilots), triggers=repeats, samples=repeats)
    study = study + pilot_plan(spec) * pilots
    return weights_plan(spec, tracked=tracked) * (targets + min(AGAIN, targets)) + study * settings


def repeats_for(spec: ChipSpec) -> int:
    """Single samples of each light of the noise study."""
    in_time = NOISE_STUDY_S * spec.detector_design.bandwidth_Hz / SETTINGS
    return int(np.clip(in_time, FEWEST_REPEATS, REPEATS))


def validate(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    targets: int = TARGETS,
    settings: int = SETTINGS,
    repeats: int | None = None,
    tracker: Tracker | None = None,
) -> Validation:
    """Programme random targets and measure them; read random queries many times; then some targets once more.

    Args:
        chip: The calibrated chip.
        calibration: Its calibration.
        spec: Its spec.
        key: JAX random key of targets and queries.
        targets: Random banks whose every weight is measured.
        settings: Random (bank, query) pairs of the noise study.
        repeats: Single samples of each; by default `repeats_for` the spec.
        tracker: Who sets the chip's voltages and corrects them for drift; by default they are set once.

    Returns:
        The measurements, in units of weight.

    Raises:
        InputError: The rings have no weight in common, or a reading of a ring in use is no number.
    """
    repeats = repeats_for(spec) if repeats is None else repeats
    tracker = tracker or Tracker.after_survey(chip, calibration, spec)
    calibration = tracker.calibration
    low, high = common_range(calibration)
    rng = generator(key)
    shape = calibration.shape
    commanded = rng.uniform(low, high, (targets + settings, *shape))
    programmed = program(calibration, commanded)
    full_light = np.asarray(calibration.light_scale)

    def measured_at(index: int) -> MeasuredWeights:
        setting, expected = programmed.volts[index], programmed.predicted[index]
        tracker.set(setting)
        hold = partial(tracker.correct, setting)
        # An excluded row's meter may say anything.
        with np.errstate(invalid="ignore"):
            return measure_weights(
                chip, calibration, spec, hold=hold, most=tracker.most_samples, lead=tracker.lead, expected=expected
            )

    def measure(count: int) -> MeasuredWeights:
        found = [measured_at(t) for t in range(count)]
        return MeasuredWeights(*(numbers_only(calibration, np.array(part)) for part in zip(*found, strict=True)))

    measured, spread, as_read = measure(targets)
    queries = rng.standard_normal((settings, shape[1] // RAILS[spec.modulator.encoding]))
    queries /= np.abs(queries).max(-1, keepdims=True)
    light = encode(queries, spec.modulator.encoding)[0]
    reads = np.empty((settings, repeats, spec.chip.rows))
    one_by_one = chip.laser is not None
    for m in range(settings):
        if one_by_one:
            weights = numbers_only(calibration, measured_at(targets + m).weights[None])[0]
            reads[m] = composed_reads_A(
                chip, calibration, spec, light=light[m] * full_light, weights=weights, repeats=repeats
            )
            continue
        tracker.set(programmed.volts[targets + m])
        for r in range(repeats):
            if r % SAMPLES_PER_PILOT == 0:
                tracker.correct(programmed.volts[targets + m])
            reads[m, r] = chip.measure(light[m] * full_light)
    reads = calibration.weight_of_current(reads)
    reads = np.where(np.asarray(calibration.excluded).all(1), 0.0, reads)
    again = measure(min(AGAIN, targets)).weights

    return Validation(
        commanded=commanded[:targets],
        measured=measured,
        measured_std=numbers_only(calibration, np.broadcast_to(_rms_by_row(calibration, spread), measured.shape)),
        light=light,
        leak=calibration.weight_leak,
        weights=programmed.predicted[targets:],
        reads=reads,
        adc_full_scale=spec.detector_design.adc_full_scale_A / np.asarray(calibration.unit_A),
        weight_low=low,
        weight_high=high,
        adc_bits=spec.detector.adc_bits,
        dac_bits=spec.modulator.dac_bits,
        encoding=spec.modulator.encoding,
        spec_hash=spec.hash,
        residual_rms=float(rms(np.asarray(calibration.residual_rms))),
        excluded=np.asarray(calibration.excluded),
        again=again,
        drift_readings=tracker.triggers,
        noise_study=ONE_BY_ONE if one_by_one else TOGETHER,
        as_read=as_read,
    )


def _rms_by_row(
    calibration: Calibration, spread: Float[ndarray, "targets rows channels"]
) -> Float[ndarray, "1 rows 1"]:
    """Root mean square over the rings in use of each row."""
    used = np.maximum((~np.asarray(calibration.excluded)).sum(1), 1)
    return np.sqrt((spread**2).mean(0).sum(1) / used)[None, :, None]
