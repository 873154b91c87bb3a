"""Fit of the behavioral model to a chip's validation record, with a held-out check of both noises."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from prism_photonics.behavior.drift import fit_drift, no_drift
from prism_photonics.behavior.errors import fit_gain_offset, fit_weight_error
from prism_photonics.behavior.model import BehavioralModel
from prism_photonics.behavior.noise import NoiseStudy, fit_noise
from prism_photonics.characterize.accuracy import AGAIN, ARRAYS, Validation
from prism_photonics.characterize.drift_study import DriftStudy
from prism_photonics.codec import encoding as sign
from prism_photonics.codec.checks import require_finite
from prism_photonics.units import InputError


def fit(
    validation: Validation,
    drift: DriftStudy | None = None,
    *,
    excluded: Bool[np.ndarray, "rows channels"] | None = None,
    column_of_channel: Int[np.ndarray, " channels"] | None = None,
) -> BehavioralModel:
    """Fit weight bias, weight error, drift, gain, offset and read noise from measurements alone.

    The weight error is the spread of measured minus commanded weights over targets and rows, less the
    variance of the measurement itself, with its correlation along the row. The check fits one half of the
    targets and settings and compares it with the other half; the model returned is fitted to all of them.
    Its ``report``: ``weight_error_held_out_ratio`` and ``noise_held_out_ratio`` (held-out over fitted standard
    deviation, 1 is perfect), their sizes, the converter's step, and ``noise_below_lsb`` = 1 if the noise had to be
    fitted by likelihood because it hides inside one step.

    Args:
        validation: Measurements on the programmed chip.
        drift: Measurements some time after programming; without them the model holds for the moment of programming.
        excluded: Rings that take no part, dead ones for one: each holds the mean of what was measured of it. A row of
            nothing else is dead.
        column_of_channel: The place of a signature that each channel carries; its own by default.

    Returns:
        The behavioral model of this chip.

    Raises:
        InputError: Too few targets, settings or repeats, non-finite numbers, an empty weight interval, or
            readings that are not codes of the converter.
    """
    _check(validation)
    deviation = np.asarray(validation.measured - validation.commanded, float)
    own_variance = np.asarray(validation.measured_std, float) ** 2
    rows, channels = deviation.shape[1:]
    excluded = np.asarray(validation.excluded if excluded is None else excluded, bool)
    column = np.arange(channels) if column_of_channel is None else np.asarray(column_of_channel)
    _check_places(excluded, column, validation, drift)
    error = fit_weight_error(deviation, own_variance, excluded)
    low, high = float(validation.weight_low), float(validation.weight_high)
    centre, span = (low + high) / 2, (high - low) / 2
    aging = no_drift(channels) if drift is None else fit_drift(drift, centre=centre, span=span, excluded=excluded)

    study, inside, lines = _noise_study(validation, _stood(deviation, validation, excluded), ~excluded.all(1))
    setting = np.nonzero(inside)[0]
    coefficients, below_lsb = fit_noise(study)
    gain, offset = fit_gain_offset(lines, np.asarray(validation.reads, float).mean(1), inside)
    floor, shot, rin, common = np.sqrt(coefficients)
    report = {
        "calibration_residual_rms": float(validation.residual_rms),
        "weight_bias_rms": _rms(error.bias),
        "weight_error_rms": _rms(error.std),
        "weight_error_held_out_ratio": _weight_check(deviation, own_variance, excluded),
        "weight_neighbour_correlation": _neighbours(error.mix),
        "score_gain_rms": _rms(gain - 1.0),
        "score_offset_rms": _rms(offset),
        "drift_longest_s": float(aging.time_s[-1]) if len(aging.time_s) else 0.0,
        "noise_rms": float(np.sqrt(np.mean(study.terms @ coefficients))),
        "noise_held_out_ratio": _noise_check(study, setting),
        "noise_below_lsb": float(below_lsb),
        "adc_step": float(np.mean(study.step)),
        "lines_clipped": float(inside.shape[0] * (~excluded.all(1)).sum() - len(setting)),
        "rings_excluded": float(excluded.sum()),
        "targets": float(len(deviation)),
        "settings": float(len(validation.light)),
        "repeats": float(validation.reads.shape[1]),
    }
    return BehavioralModel(
        weight_bias=jnp.asarray(error.bias),
        weight_error_std=jnp.asarray(error.std),
        weight_error_mix=jnp.asarray(error.mix),
        score_gain=jnp.asarray(gain),
        score_offset=jnp.asarray(offset),
        column_of_channel=jnp.asarray(column),
        excluded=jnp.asarray(excluded),
        stuck_weight=jnp.asarray(np.where(excluded, np.asarray(validation.measured).mean(0), 0.0)),
        drift_time_s=jnp.asarray(aging.time_s),
        drift_mean=jnp.asarray(aging.mean),
        drift_common=jnp.asarray(aging.common),
        drift_own=jnp.asarray(aging.own),
        noise_floor=jnp.asarray(floor),
        noise_shot=jnp.asarray(shot),
        noise_rin=jnp.asarray(rin),
        noise_common=jnp.asarray(common),
        leak=jnp.asarray(float(validation.leak)),
        weight_centre=jnp.asarray(centre),
        weight_span=jnp.asarray(span),
        adc_full_scale=jnp.asarray(validation.adc_full_scale, float),
        report=report,
        rows=rows,
        channels=channels,
        dac_bits=int(validation.dac_bits),
        adc_bits=int(validation.adc_bits),
        encoding=validation.encoding,
        spec_hash=validation.spec_hash,
    )


def _weight_check(deviation: np.ndarray, own_variance: np.ndarray, excluded: np.ndarray) -> float:
    fitted = fit_weight_error(deviation[::2], own_variance[::2], excluded)
    seen = ((deviation[1::2] - fitted.bias) ** 2 - own_variance[1::2])[:, ~excluded].mean()
    return _ratio(np.sqrt(max(seen, 0.0)), _rms(np.broadcast_to(fitted.std, excluded.shape)[~excluded]))


def _neighbours(mix: np.ndarray) -> float:
    """Mean correlation of the weight errors of neighbouring channels."""
    return float(np.diag(mix.T @ mix, 1).mean()) if len(mix) > 1 else 0.0


def _stood(deviation: np.ndarray, validation: Validation, excluded: np.ndarray) -> np.ndarray:
    """Weights of the noise study as they stood: as predicted, and off by what those read before and after it were.

    Rings drift while a record is taken. What all settings of the study have in common of that would else count twice:
    once in the bias of the weights, and once more as an offset of the readings, which no light explains.
    """
    again = np.asarray(validation.again, float)
    near = np.concatenate([deviation[-AGAIN:], again - np.asarray(validation.commanded, float)[: len(again)]])
    used = ~excluded
    off = np.where(used, near, 0.0).sum((0, 1)) / np.maximum(len(near) * used.sum(0), 1)
    return np.asarray(validation.weights, float) + np.where(used, off, 0.0)


def _noise_study(
    validation: Validation, weights: np.ndarray, living: np.ndarray
) -> tuple[NoiseStudy, np.ndarray, np.ndarray]:
    """Lines of the noise study, their (setting, row) pairs, and Σ W·p of all pairs."""
    light = np.asarray(validation.light, float) + float(validation.leak)
    reads = np.asarray(validation.reads, float)
    full_scale = np.asarray(validation.adc_full_scale, float)
    step = sign.quantizer_step(int(validation.adc_bits), -full_scale, full_scale)
    steps = (reads - reads.min(axis=(0, 1))) / step
    codes = np.rint(steps)
    row = int(np.argmax(np.abs(steps - codes).max(axis=(0, 1))))
    if np.abs(steps - codes).max() > 1e-3:
        raise InputError(
            f"validation.reads of row {row}: not whole steps of {step[row]:g}, want codes of the "
            f"{validation.adc_bits}-bit converter over ±{full_scale[row]:g}; "
            "give the readings as converted, in weight units"
        )
    # A reading at the rail says only "at least this much": its line is left out.
    inside = (np.abs(reads) < full_scale - step / 2).all(axis=1) & living
    if inside.sum() < 4:
        raise InputError(
            f"validation.reads: only {inside.sum()} (setting, row) pairs stay inside the converter, want 4; "
            "raise adc_full_scale or dim the light"
        )
    lit = np.broadcast_to(light.sum(axis=1)[:, None], inside.shape)
    lines = weights * light[:, None, :]
    rin, common = (lines**2).sum(axis=2), lines.sum(axis=2) ** 2
    study = NoiseStudy(
        codes=codes.astype(int).transpose(0, 2, 1)[inside],
        step=np.broadcast_to(step, inside.shape)[inside],
        terms=np.stack([np.ones_like(rin), lit, rin, common], axis=-1)[inside],
    )
    return study, inside, lines.sum(axis=2)


def _noise_check(study: NoiseStudy, setting: np.ndarray) -> float:
    even, odd = (
        NoiseStudy(study.codes[part], study.step[part], study.terms[part])
        for part in (setting % 2 == 0, setting % 2 == 1)
    )
    fitted, held_out = (np.sqrt(np.mean(odd.terms @ fit_noise(part)[0])) for part in (even, odd))
    return _ratio(held_out, fitted)


def _ratio(held_out: float, fitted: float) -> float:
    # Both vanish for an ideal chip: nothing was predicted wrong.
    return float(held_out / fitted) if fitted > 0 else float(1.0 if held_out == 0 else np.finfo(float).max)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _check_places(excluded: np.ndarray, column: np.ndarray, validation: Validation, drift: DriftStudy | None) -> None:
    rows, channels = validation.commanded.shape[1:]
    if excluded.shape != (rows, channels) or excluded.all():
        raise InputError(
            f"excluded: got shape {excluded.shape} with {excluded.sum()} rings, want ({rows}, {channels}) and one ring "
            "at least that works; mend the list"
        )
    if sorted(column.tolist()) != list(range(channels)):
        raise InputError(f"column_of_channel: got {column.tolist()}, want each of 0 to {channels - 1} once; mend it")
    if drift is not None and drift.spec_hash != validation.spec_hash:
        raise InputError(
            f"drift study: belongs to spec {drift.spec_hash[:12]}, the validation to {validation.spec_hash[:12]}; "
            "study the drift of this chip"
        )


def _check(validation: Validation) -> None:
    sizes: dict[str, int] = {}
    for name, axes in ((name, field.axes) for name, field in ARRAYS.items()):
        array = np.asarray(getattr(validation, name))
        if array.ndim != len(axes) or any(sizes.setdefault(a, n) != n for a, n in zip(axes, array.shape, strict=True)):
            raise InputError(
                f"validation.{name}: got shape {array.shape}, want ({', '.join(axes)}); known sizes {sizes}"
            )
        if array.size or name != "again":  # of which there may be nothing
            require_finite(f"validation.{name}", array, axes=axes, cure="measure again")
    for axis, least in (("target", 4), ("setting", 4), ("repeat", 8)):
        if sizes[axis] < least:
            raise InputError(f"validation: got {sizes[axis]} {axis}s, want at least {least}; measure more")
    if sizes["repeated"] > sizes["target"]:
        raise InputError(
            f"validation.again: got {sizes['repeated']} targets, want at most the {sizes['target']} there are; leave "
            "out the rest"
        )
    if not validation.weight_high > validation.weight_low:
        raise InputError(
            f"validation.weight_high: got {validation.weight_high:g}, want more than weight_low = "
            f"{validation.weight_low:g}; "
            "no common weight interval is left, so leave the failing ring out or raise the drive"
        )
    sign.shots(validation.encoding)
