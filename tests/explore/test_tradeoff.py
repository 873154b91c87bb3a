"""The trade-off tells the largest reach that a drive gives, also where smaller ones are forbidden."""

import numpy as np
import pytest

from prism_photonics.budget.ring_sizing import size_rings
from prism_photonics.explore.tradeoff import tradeoff


@pytest.mark.parametrize("snr_dB", [15.0, 18.0])
def test_no_larger_reach_than_the_one_that_is_told_keeps_the_rules(circles, altered, snr_dB):
    # At 18 dB scores of weights below ± 0.74 bear too small errors: a line that drift allows is too wide for them.
    spec = altered(circles, ranking={"required_snr_dB": snr_dB})
    ring, points = spec.ring, {point.max_voltage_V: point for point in tradeoff(spec)}
    for volts in (20.0, 40.0):
        tried = np.arange(0.02, 0.98, 0.02)
        kept = [
            reach
            for reach in tried.tolist()
            if size_rings(
                altered(spec, ranking={"weight_limit": reach}),
                voltages_V=[volts],
                arms_um=[ring.arm_um],
                radii_um=[ring.radius_um],
                straights=(0.0, ring.straight_um, 10.0, 20.0),
            ).headroom
            >= 0.0
        ]
        assert points[volts].reach == pytest.approx(max(kept), abs=0.03)
    assert (min(kept) > 0.7) == (snr_dB > 15.0)
