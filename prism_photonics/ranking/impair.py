"""Impaired (or wider) copies of a bundle for sweeps: fewer bits, drift since programming, less light."""

import dataclasses

import numpy as np

from prism_photonics.export.read import Bundle
from prism_photonics.units import InputError


def impaired(bundle: Bundle, *, bits: int | None = None, drift: float = 0.0, light: float = 1.0) -> Bundle:
    """The same chip with coarser converters, drifted weights, or less light.

    Args:
        bundle: The chip.
        bits: Resolution of both converters; none: as they are. (Signatures are rounded by the reader.)
        drift: Standard deviation of an independent random walk of every weight since it was written, weight units: a
            what-if. What a chip was measured to do with time is ``t_since_program_s`` of its reader.
        light: Optical power on the detectors over the chip's own; a reading is scaled back, so receiver noise grows
            by its inverse and shot noise by the inverse of its root.

    Returns:
        The worse chip.

    Raises:
        InputError: A number out of range.
    """
    if (bits is not None and bits < 1) or drift < 0 or not light > 0:
        raise InputError(
            f"bits {bits}, drift {drift}, light {light}: want at least 1 bit, no negative drift, some light"
        )
    return dataclasses.replace(
        bundle,
        dac_bits=bits or bundle.dac_bits,
        adc_bits=bits or bundle.adc_bits,
        weight_error_std=np.hypot(bundle.weight_error_std, drift),
        noise_floor=np.asarray(bundle.noise_floor / light),
        noise_shot=np.asarray(bundle.noise_shot / light**0.5),
    )


def reading_snr_dB(bundle: Bundle) -> float:
    """One fully lit channel of weight 1 over the noise of a reading with half of the channels' light, in dB (20·log₁₀).

    Args:
        bundle: The chip.

    Returns:
        The ratio; 999 for a noiseless chip.
    """
    lit = bundle.channels / 2
    variance = bundle.noise_floor**2 + lit * bundle.noise_shot**2 + lit * bundle.noise_rin**2 + bundle.noise_common**2
    return float(-10 * np.log10(variance)) if variance > 0 else 999.0


def widened(bundle: Bundle, channels: int) -> Bundle:
    """Bundle of a hypothetical chip with the same statistics and more channels per row; no such chip was measured.

    Every channel's error statistics are repeated. The receiver's noise grows as the root of the number of channels (as
    many equal detector pairs, added up), the converter's range in proportion.

    Args:
        bundle: The chip.
        channels: Channels, a multiple of its own.

    Returns:
        The wider chip.

    Raises:
        InputError: Not a multiple.
    """
    times, rest = divmod(channels, bundle.channels)
    if rest or times < 1:
        raise InputError(f"channels: got {channels}, want a multiple of {bundle.channels}; choose another width")
    return dataclasses.replace(
        bundle,
        channels=channels,
        weight_bias=np.tile(bundle.weight_bias, times),
        weight_error_std=np.tile(bundle.weight_error_std, times),
        weight_error_mix=np.kron(np.eye(times), bundle.weight_error_mix),
        column_of_channel=np.concatenate([bundle.column_of_channel + bundle.channels * n for n in range(times)]),
        excluded=np.tile(bundle.excluded, times),
        stuck_weight=np.tile(bundle.stuck_weight, times),
        drift_mean=np.tile(bundle.drift_mean, times),
        drift_common=np.tile(bundle.drift_common, times),
        drift_own=np.tile(bundle.drift_own, times),
        noise_floor=np.asarray(bundle.noise_floor * times**0.5),
        adc_full_scale=bundle.adc_full_scale * times,
    )
