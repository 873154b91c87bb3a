"""Signal-to-noise ratio of a score: spread of the signatures' scores over the receiver's noise."""

import math
from statistics import NormalDist

from prism_photonics.budget.link import line_current_A
from prism_photonics.budget.slopes import slopes
from prism_photonics.budget.symbol import intersymbol_share
from prism_photonics.codec.encoding import RAILS, SHOTS
from prism_photonics.lightpath.detector.model import adc_step_A, thermal_noise_A2_Hz
from prism_photonics.lightpath.detector.noise_spectrum import flicker_variance, rising_variance
from prism_photonics.lightpath.source.model import frequency_noise_pm
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import BOLTZMANN_J_K, ELEMENTARY_CHARGE_C, dB_from_ratio, ratio_from_dB


def expected_maximum(count: int) -> float:
    """Expected largest magnitude of ``count`` standard Gaussian numbers (Blom's approximation, 1958)."""
    return NormalDist().inv_cdf(1.0 - 0.5 * (1.0 - (count - 0.375) / (count + 0.25)))


@cached_by_spec
def evened_line_current_A(spec: ChipSpec) -> float:
    """Photocurrent of a fully lit line once all lines are evened down to the weakest, as calibration does, in A.

    The weakest of n lines lies ``E_n·σ`` below their mean: σ the scatter of the lines and their tilt, in dB, E_n the
    expected largest of n standard Gaussian numbers.
    """
    sigma_dB = math.hypot(spec.variation.line_power_dB, spec.comb.tilt_dB / math.sqrt(12.0))
    count = spec.chip.rings
    weakest_dB = sigma_dB * NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) if count > 1 else 0.0
    return line_current_A(spec) * ratio_from_dB(-weakest_dB)


@cached_by_spec
def weight_rms(spec: ChipSpec) -> float:
    """Rms weight of Gaussian signatures whose largest entry of a whole bank is the weight limit."""
    dims = spec.chip.rings // RAILS[spec.modulator.encoding]
    return spec.ranking.weight_limit / max(expected_maximum(spec.chip.rows * dims), 1.0)


@cached_by_spec
def query_rms(spec: ChipSpec) -> float:
    """Rms of a Gaussian query whose largest entry is one."""
    return 1.0 / max(expected_maximum(spec.chip.rings // RAILS[spec.modulator.encoding]), 1.0)


def score_signal_A2(spec: ChipSpec) -> float:
    """Variance over signatures of one row's score as a current: Gaussian signatures and query, in A².

    Both are scaled by their largest entries, the signatures (rows × dims of them) to ±weight_limit, the query to ±1.
    """
    dims = spec.chip.rings // RAILS[spec.modulator.encoding]
    return dims * (weight_rms(spec) * query_rms(spec) * evened_line_current_A(spec)) ** 2


def score_noise_A2(spec: ChipSpec) -> dict[str, float]:
    """Variance of the same current by source of noise, through the query encoding's recovery formula, in A².

    Returns:
        ``tia``, ``johnson``, ``shot``, ``rin``, ``common_rin``, ``line_width``, ``converter``, ``intersymbol``: they
            add.

    Source: noise of a photodiode receiver (thermal, shot, relative intensity), white or with the spectra of
        `noise_spectrum`, uniform error of a converter's step; the recovery factor is 2 for ``offset`` (Σ w·q̂ = 2·y −
        Σ w), else 1.
    """
    return dict(_score_noise_A2(spec))


@cached_by_spec
def _score_noise_A2(spec: ChipSpec) -> tuple[tuple[str, float], ...]:
    detector, comb = spec.detector_design, spec.comb_design
    line_A, weight = evened_line_current_A(spec), weight_rms(spec)
    rings, scheme = spec.chip.rings, spec.modulator.encoding
    leak = spec.modulator_design.leak
    light, light2 = _light_moments(spec)
    # A weight's light is split between both photodiodes; what is not rejected of the sum counts as weight.
    rejected = 10.0 ** (-spec.detector.cmrr_dB / 20.0)
    noisy2 = weight**2 + rejected**2
    slope = slopes(spec).rms * frequency_noise_pm(comb, bandwidth_Hz=detector.bandwidth_Hz)
    lit_A = (light + leak) * rings * line_A
    lit_A2 = (light2 + 2.0 * leak * light) * rings * line_A**2
    johnson = 4.0 * BOLTZMANN_J_K * detector.temperature_K / detector.feedback_ohm
    own, common = (10.0 ** (rin / 10.0) for rin in (comb.rin_dB_Hz, comb.rin_common_dB_Hz))
    bandwidth = detector.bandwidth_Hz
    # What is 1/f, or rises as f², counts as that much more bandwidth of the white noise.
    tia_flicker, rin_flicker = (
        flicker_variance(corner_Hz, bandwidth_Hz=bandwidth, window_s=1.0 / bandwidth)
        for corner_Hz in (detector.tia_corner_Hz, comb.rin_corner_Hz)
    )
    of_tia = bandwidth + tia_flicker + rising_variance(detector.tia_rise_Hz, bandwidth_Hz=bandwidth)
    of_rin = bandwidth + rin_flicker
    one_shot = {
        "tia": of_tia * (thermal_noise_A2_Hz(detector) - johnson),
        "johnson": bandwidth * johnson,
        "shot": bandwidth * 2.0 * ELEMENTARY_CHARGE_C * (lit_A + 2.0 * spec.chip.buses * detector.dark_current_A),
        "rin": of_rin * own * noisy2 * lit_A2,
        # Random weights add up to a random sum; the unrejected part adds up to all the light.
        "common_rin": of_rin * common * (weight**2 * lit_A2 + (rejected * lit_A) ** 2),
        "line_width": slope**2 * lit_A2,
        "converter": adc_step_A(detector) ** 2 / 12.0,
    }
    recovery = SHOTS[scheme] * (4.0 if scheme == "offset" else 1.0)
    noise = {name: recovery * variance for name, variance in one_shot.items()}
    # A share of the score before, whatever the encoding: both went the same way.
    return (*noise.items(), ("intersymbol", intersymbol_share(spec) ** 2 * score_signal_A2(spec)))


def score_snr_dB(spec: ChipSpec) -> float:
    """Score-referred SNR of one tile (rows × channels) read once, in dB (10·log10 of the power ratio)."""
    return dB_from_ratio(score_signal_A2(spec) / sum(score_noise_A2(spec).values()))


def _light_moments(spec: ChipSpec) -> tuple[float, float]:
    """Mean and mean square of a channel's light in one shot."""
    rms = query_rms(spec)
    if spec.modulator.encoding == "offset":
        return 0.5, (1.0 + rms**2) / 4.0
    # Half of the time a rail or a shot is dark, else it carries |q|.
    return rms / math.sqrt(2.0 * math.pi), rms**2 / 2.0
