"""The check of the converters against converters: a drawn query through the modulators' own model."""

import math

import numpy as np
import pytest

from prism_photonics.budget.rules_light import adc_noise, query_dac
from prism_photonics.budget.snr import query_rms, score_noise_A2, score_snr_dB
from prism_photonics.codec.encoding import decode, encode
from prism_photonics.codec.modulation import drive_codes, inl_codes, transmitted


@pytest.mark.parametrize("encoding", ["two_shot", "offset"])
@pytest.mark.parametrize("bits", [5, 8])
def test_a_drawn_query_loses_to_its_dac_what_the_rule_says(demo, altered, encoding, bits):
    spec = altered(demo, modulator={"encoding": encoding, "dac_bits": bits})
    rng = np.random.default_rng(0)
    query = np.clip(query_rms(spec) * rng.standard_normal((4000, 8)), -1.0, 1.0)
    light = encode(query, encoding)
    phase = rng.uniform(0.0, 2.0 * math.pi, query.shape)
    made = transmitted(inl_codes(drive_codes(light, bits), bits, spec.modulator.dac_inl_lsb, phase), bits)
    # One ring of weight 1 per value: the score is the query itself.
    read = decode(made, 1.0, encoding)
    ratio_dB = 20.0 * math.log10(np.std(query) / np.std(read - query))
    assert query_dac(spec).value == pytest.approx(ratio_dB, abs=1.5)


def test_two_bits_more_quarter_the_adcs_step_against_the_noise(demo, altered):
    finer = altered(demo, detector={"adc_bits": demo.detector.adc_bits + 2})
    assert adc_noise(finer).value - adc_noise(demo).value == pytest.approx(20.0 * math.log10(4.0), abs=0.01)


def test_the_adc_alone_leaves_the_score_the_ratio_that_the_rule_names(demo, altered):
    # Second road: the score's ratio to all noise, of a receiver whose only noise is the converter's.
    quiet = altered(
        demo,
        detector={"adc_bits": 8, "tia_noise_pA_rtHz": 0.0, "dark_current_nA": 0.0, "bandwidth_GHz": 1e-6},
        comb={"rin_dB_Hz": -200.0, "rin_common_dB_Hz": -200.0, "linewidth_MHz": 0.0},
    )
    noise = score_noise_A2(quiet)
    # What is left of the symbol before has the size of the converter's step, and is no error of the converter.
    alone_dB = score_snr_dB(quiet) + 10.0 * math.log10(
        sum(noise.values()) / (sum(noise.values()) - noise["intersymbol"])
    )
    assert adc_noise(quiet).value == pytest.approx(alone_dB, abs=0.01)
    assert adc_noise(quiet).value == adc_noise(altered(demo, detector={"adc_bits": 8})).value


def test_a_noisier_amplifier_never_excuses_a_coarse_converter(demo, altered):
    # A rule that compared the step with the largest other noise was kept by whoever made the amplifier worse.
    coarse = altered(demo, detector={"adc_bits": 5})
    assert not adc_noise(coarse).passed
    assert not adc_noise(altered(coarse, detector={"tia_noise_pA_rtHz": 1e4})).passed
