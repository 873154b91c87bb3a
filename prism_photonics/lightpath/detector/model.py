"""Balanced detection: the variance of a reading's white noise. Plain arithmetic: NumPy and JAX arrays alike."""

from typing import Any

from jaxtyping import Float

from prism_photonics.lightpath.detector.design import DetectorDesign
from prism_photonics.lightpath.modulator.encoding import quantizer_step
from prism_photonics.units import BOLTZMANN_J_K, ELEMENTARY_CHARGE_C


def thermal_noise_A2_Hz(design: DetectorDesign) -> float:
    """Noise density of amplifier and feedback resistor, ``i_n² + 4·k·T/R``, in A²/Hz."""
    johnson = 4.0 * BOLTZMANN_J_K * design.temperature_K / design.feedback_ohm
    return design.tia_noise_A_rtHz**2 + johnson


def adc_step_A(design: DetectorDesign) -> float:
    """One code of the converter in A."""
    return quantizer_step(design.adc_bits, -design.adc_full_scale_A, design.adc_full_scale_A)


def noise_variance_A2(
    design: DetectorDesign,
    sum_current_A: Float[Any, "..."],
    line_current_A: Float[Any, "... channels"],
    rin_dB_Hz: float,
) -> Float[Any, "..."]:
    """Variance of one reading, ``B·[i_n² + 4kT/R + 2q·(I⁺ + I⁻ + 2·I_dark) + RIN·Σ_c I_c²]``, in A².

    Args:
        design: The receiver.
        sum_current_A: Sum of the two photocurrents I⁺ + I⁻, which sets the shot noise.
        line_current_A: *Balanced* current of each line, which sets the intensity noise (each line's is independent,
            and common to its two outputs, so the pair subtracts it).
        rin_dB_Hz: Relative intensity noise of a line in dB/Hz.

    Returns:
        Variance in A².
    """
    shot = 2.0 * ELEMENTARY_CHARGE_C * (sum_current_A + 2.0 * design.dark_current_A)
    rin = 10.0 ** (rin_dB_Hz / 10.0) * (line_current_A**2).sum(-1)
    return design.bandwidth_Hz * (thermal_noise_A2_Hz(design) + shot + rin)
