"""The check of the converters against converters: a drawn query through the modulators' own model."""

import math

import numpy as np
import pytest

from prism_photonics.budget.rules_light import adc_noise, query_dac
from prism_photonics.budget.snr import query_rms, score_noise_A2
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
    assert adc_noise(finer).value == pytest.approx(adc_noise(demo).value / 4, rel=0.01)


def test_the_adc_is_held_against_the_largest_of_the_others(demo):
    noise = score_noise_A2(demo)
    assert max((name for name in noise if name != "converter"), key=noise.get) in adc_noise(demo).explain
