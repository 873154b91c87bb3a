"""The behavioral model that a chip's validation record supports, with a held-out check of both its noises."""

import jax.numpy as jnp
import numpy as np

from prism_photonics.behavior.finite import require_finite
from prism_photonics.behavior.model import BehavioralModel
from prism_photonics.behavior.noise import NoiseStudy, fit_noise
from prism_photonics.lightpath.modulator import encoding as sign
from prism_photonics.program.validate import DIMENSIONS, Validation
from prism_photonics.units import InputError


def fit(validation: Validation) -> BehavioralModel:
    """Fit weight bias, weight error and read noise from measurements alone.

    The weight error is the spread of measured minus commanded weights over targets and rows, less the
    variance of the measurement itself. The check fits one half of the targets and settings and compares it
    with the other half; the model returned is fitted to all of them. Its ``report``:
    ``weight_error_held_out_ratio`` and ``noise_held_out_ratio`` (held-out over fitted standard deviation, 1
    is perfect), their sizes, the converter's step, and ``noise_below_lsb`` = 1 if the noise had to be fitted
    by likelihood because it hides inside one step.

    Args:
        validation: Measurements on the programmed chip.

    Returns:
        The behavioral model of this chip.

    Raises:
        InputError: Too few targets, settings or repeats, non-finite numbers, an empty weight interval, or
            readings that are not codes of the converter.
    """
    _check(validation)
    deviation = np.asarray(validation.measured - validation.commanded, float)
    own_variance = np.asarray(validation.measured_std, float) ** 2
    used = ~np.asarray(validation.excluded)
    weight_bias, weight_std = _weight_error(deviation, own_variance, used)

    study, setting = _noise_study(validation)
    coefficients, below_lsb = fit_noise(study)
    low, high = float(validation.weight_low), float(validation.weight_high)
    floor, shot, rin, common = np.sqrt(coefficients)
    rows, channels = deviation.shape[1:]
    report = {
        "calibration_residual_rms": float(validation.residual_rms),
        "weight_bias_rms": _rms(weight_bias),
        "weight_error_rms": _rms(weight_std),
        "weight_error_held_out_ratio": _weight_check(deviation, own_variance, used),
        "noise_rms": float(np.sqrt(np.mean(study.terms @ coefficients))),
        "noise_held_out_ratio": _noise_check(study, setting),
        "noise_below_lsb": float(below_lsb),
        "adc_step": float(np.mean(study.step)),
        "lines_clipped": float(validation.reads.shape[0] * used.any(axis=1).sum() - len(setting)),
        "targets": float(len(deviation)),
        "settings": float(len(validation.light)),
        "repeats": float(validation.reads.shape[1]),
    }
    return BehavioralModel(
        weight_bias=jnp.asarray(weight_bias),
        weight_error_std=jnp.asarray(weight_std),
        noise_floor=jnp.asarray(floor),
        noise_shot=jnp.asarray(shot),
        noise_rin=jnp.asarray(rin),
        noise_common=jnp.asarray(common),
        leak=jnp.asarray(float(validation.leak)),
        weight_centre=jnp.asarray((low + high) / 2),
        weight_span=jnp.asarray((high - low) / 2),
        adc_full_scale=jnp.asarray(validation.adc_full_scale, float),
        report=report,
        rows=rows,
        channels=channels,
        dac_bits=int(validation.dac_bits),
        adc_bits=int(validation.adc_bits),
        encoding=validation.encoding,
        spec_hash=validation.spec_hash,
    )


def _weight_error(deviation: np.ndarray, own_variance: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # A channel that no row uses has neither bias nor error.
    samples = deviation.shape[0] * used.sum(axis=0)
    bias = (deviation * used).sum(axis=(0, 1)) / np.maximum(samples, 1)
    spread = (((deviation - bias) ** 2 * used).sum(axis=(0, 1))) / np.maximum(samples - 1, 1)
    own = (own_variance * used).sum(axis=(0, 1)) / np.maximum(samples, 1)
    return bias, np.sqrt(np.maximum(spread - own, 0.0))


def _weight_check(deviation: np.ndarray, own_variance: np.ndarray, used: np.ndarray) -> float:
    bias, std = _weight_error(deviation[::2], own_variance[::2], used)
    held_out = ((deviation[1::2] - bias) ** 2 - own_variance[1::2])[:, used].mean()
    return _ratio(np.sqrt(max(held_out, 0.0)), _rms(std[used.any(axis=0)]))


def _noise_study(validation: Validation) -> tuple[NoiseStudy, np.ndarray]:
    light = np.asarray(validation.light, float) + float(validation.leak)
    weights = np.asarray(validation.weights, float)
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
    inside = (np.abs(reads) < full_scale - step / 2).all(axis=1) & ~np.asarray(validation.excluded).all(axis=1)
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
    return study, np.nonzero(inside)[0]


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


def _check(validation: Validation) -> None:
    sizes: dict[str, int] = {}
    for name, axes in DIMENSIONS.items():
        array = np.asarray(getattr(validation, name))
        if array.ndim != len(axes) or any(sizes.setdefault(a, n) != n for a, n in zip(axes, array.shape, strict=True)):
            raise InputError(
                f"validation.{name}: got shape {array.shape}, want ({', '.join(axes)}); known sizes {sizes}"
            )
        require_finite(f"validation.{name}", array, axes=axes, cure="measure again")
    for axis, least in (("target", 4), ("setting", 4), ("repeat", 8)):
        if sizes[axis] < least:
            raise InputError(f"validation: got {sizes[axis]} {axis}s, want at least {least}; measure more")
    if not validation.weight_high > validation.weight_low:
        raise InputError(
            f"validation.weight_high: got {validation.weight_high:g}, want more than weight_low = "
            f"{validation.weight_low:g}; "
            "no common weight interval is left, so leave the failing ring out or raise the drive"
        )
    sign.shots(validation.encoding)
