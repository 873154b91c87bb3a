"""Balanced detection: saturation, and the variance of a reading. Plain arithmetic: NumPy and JAX arrays alike."""

from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.codec.encoding import quantizer_step
from prism_photonics.lightpath.detector.design import DetectorDesign
from prism_photonics.lightpath.detector.noise_spectrum import flicker_variance, rising_variance
from prism_photonics.lightpath.source.design import CombDesign
from prism_photonics.units import BOLTZMANN_J_K, ELEMENTARY_CHARGE_C


def saturated_A(current_A: Float[Any, "..."], design: DetectorDesign) -> Float[Any, "..."]:
    """Photocurrent with saturation, ``I/(1 + I/I_sat)``, from the current that would flow without."""
    return current_A / (1.0 + current_A / design.saturation_A)


def thermal_noise_A2_Hz(design: DetectorDesign) -> float:
    """Noise density of amplifier and feedback resistor, ``i_n² + 4·k·T/R``, in A²/Hz."""
    johnson = 4.0 * BOLTZMANN_J_K * design.temperature_K / design.feedback_ohm
    return design.tia_noise_A_rtHz**2 + johnson


def adc_step_A(design: DetectorDesign) -> float:
    """One code of the converter in A."""
    return quantizer_step(design.adc_bits, -design.adc_full_scale_A, design.adc_full_scale_A)


def noisy_current_A(
    through_A: Float[Any, "..."], drop_A: Float[Any, "..."], design: DetectorDesign
) -> Float[Any, "..."]:
    """The current that carries a line's fast intensity noise: what the pair does not reject of I⁺ and I⁻.

    ``(I⁺ − I⁻) + CMRR·(I⁺ + I⁻)``, the rejection as a current ratio: the two paths are never equally fast.
    """
    return (through_A - drop_A) + 10.0 ** (-design.cmrr_dB / 20.0) * (through_A + drop_A)


def white_noise_A2(design: DetectorDesign, sum_current_A: Float[Any, "..."], *, pairs: int = 1) -> Float[Any, "..."]:
    """Variance of one reading by amplifier and shot noise, ``B·[i_n² + 4kT/R + 2q·(I⁺ + I⁻ + 2·pairs·I_dark)]``, in A².

    Args:
        design: The receiver.
        sum_current_A: Sum of all photocurrents I⁺ + I⁻ of the row, which sets the shot noise.
        pairs: Photodiode pairs on one amplifier: the buses of the row.

    Returns:
        Variance in A².
    """
    shot = 2.0 * ELEMENTARY_CHARGE_C * (sum_current_A + 2.0 * pairs * design.dark_current_A)
    return design.bandwidth_Hz * (thermal_noise_A2_Hz(design) + shot)


def coloured_noise_A2(
    design: DetectorDesign, comb: CombDesign, line_current_A: Float[Any, "... channels"], *, samples: int = 1
) -> Float[Any, "..."]:
    """Variance of the mean of samples by what is not white in amplifier and light, in A²: see `noise_spectrum`.

    Args:
        design: The receiver.
        comb: The lines.
        line_current_A: `noisy_current_A` of each line.
        samples: How many are averaged.
    """
    bandwidth = design.bandwidth_Hz
    tia, rin = (
        flicker_variance(corner_Hz, bandwidth_Hz=bandwidth, window_s=samples / bandwidth)
        for corner_Hz in (design.tia_corner_Hz, comb.rin_corner_Hz)
    )
    rising = rising_variance(design.tia_rise_Hz, bandwidth_Hz=bandwidth, samples=samples)
    of_amplifier = design.tia_noise_A_rtHz**2 * (tia + rising)
    # An overloaded meter's reading is infinite, and nothing of it would be no number.
    of_light = rin * _intensity_A2_Hz(comb, line_current_A) if rin else np.zeros(line_current_A.shape[:-1])
    return of_amplifier + of_light


def sample_noise_A(
    design: DetectorDesign, sum_current_A: Float[Any, "..."] | float, *, pairs: int = 1
) -> Float[Any, "..."]:
    """Standard deviation in A of one converter sample by amplifier, shot noise and the converter's step."""
    white_A2 = white_noise_A2(design, np.asarray(sum_current_A), pairs=pairs)
    return np.sqrt(white_A2 + adc_step_A(design) ** 2 / 12.0)


def intensity_noise_A2(
    design: DetectorDesign, comb: CombDesign, line_current_A: Float[Any, "... channels"]
) -> Float[Any, "..."]:
    """Variance of one reading by the lines' intensity noise, ``B·[RIN·Σ I_c² + RIN_common·(Σ I_c)²]``, in A².

    Args:
        design: The receiver.
        comb: The lines, each with noise of its own and a share common to all.
        line_current_A: `noisy_current_A` of each line.

    Returns:
        Variance in A².
    """
    return design.bandwidth_Hz * _intensity_A2_Hz(comb, line_current_A)


def _intensity_A2_Hz(comb: CombDesign, line_current_A: Float[Any, "... channels"]) -> Float[Any, "..."]:
    own = 10.0 ** (comb.rin_dB_Hz / 10.0) * (line_current_A**2).sum(-1)
    common = 10.0 ** (comb.rin_common_dB_Hz / 10.0) * line_current_A.sum(-1) ** 2
    return own + common
