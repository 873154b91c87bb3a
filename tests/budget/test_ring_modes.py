"""What a second mode makes of rings is what a ring swept over its line shows, and nothing where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.budget.ring_modes import MixedRing, mixed_rings
from prism_photonics.process.second_mode import second_mode_table
from prism_photonics.spec import load_spec


@pytest.fixture(scope="module")
def ring(circles):
    table = second_mode_table(circles.process)
    return MixedRing(
        circles.profile, circles.ring_designs[4], table, loss_dB_cm=circles.waveguide.loss_dB_cm, phases=24
    )


def test_the_figures_at_resonance_are_those_of_the_swept_line(ring):
    found, at = ring.at_resonance(), np.linspace(-60.0, 60.0, 24001)
    ports = ring.ports(at)
    drop = np.abs(ports.drop[..., 0, 0]) ** 2
    # Where the line is no wider than the sweep can tell from what TE1 adds beside it.
    for n in np.flatnonzero(found.linewidth < 6.0):
        line = drop[n]
        peak = int(np.argmax(line))
        assert abs(at[peak]) < 0.5 * found.linewidth[n]
        assert line[12000] == pytest.approx(found.drop[n], rel=1e-9)
        left = peak - int(np.argmax(line[peak::-1] < 0.5 * line[peak]))
        right = peak + int(np.argmax(line[peak:] < 0.5 * line[peak]))
        assert at[right] - at[left] == pytest.approx(found.linewidth[n], rel=0.25)
    assert (found.linewidth < 6.0).sum() > 5


def test_the_demonstrators_rings_come_out_broader_and_their_dips_shallower(circles, altered):
    found = mixed_rings(circles)
    assert found.linewidth.min() > 1.0
    assert found.linewidth.mean() > 3.0
    assert found.through.mean() > 0.2 > 0.01 > found.designed_through
    assert found.drop.mean() < 0.5 < 0.9 < found.designed_drop
    assert 0.4 < found.spoiled < 0.8
    # A phase of TE1 repeats after two turns.
    again = MixedRing(
        circles.profile, circles.ring_designs[4], second_mode_table(circles.process),
        loss_dB_cm=circles.waveguide.loss_dB_cm, phases=96,
    ).at_resonance()  # fmt: skip
    assert again.linewidth.mean() == pytest.approx(found.linewidth.mean(), rel=0.02)
    assert mixed_rings(altered(circles, process="ltoi300", ring={"radius_um": 80.0, "pitch_um": 300.0})) is None
    assert mixed_rings(altered(circles, ring={"arm_um": 60.0})) is None


def test_where_channels_straights_differ_by_much_of_a_beat_several_of_them_speak_for_all():
    spec = load_spec("paper_32x256")
    table = second_mode_table(spec.process)
    every = [
        MixedRing(spec.profile, one, table, loss_dB_cm=spec.waveguide.loss_dB_cm).at_resonance()
        for one in spec.ring_designs
    ]
    found = mixed_rings(spec)
    assert found.linewidth.mean() == pytest.approx(np.mean([one.linewidth.mean() for one in every]), rel=0.03)
    assert found.spoiled == pytest.approx(np.mean([one.spoiled for one in every]), abs=0.05)
    assert found.linewidth.max() > 0.9 * max(one.linewidth.max() for one in every)


def test_straights_of_whole_beats_mend_wide_rings_but_not_narrow_ones_nor_do_circles(circles):
    """What two junctions turn a whole beat undoes, but couplers take TE1 out in between, and turn TE0 to it."""
    table = second_mode_table(circles.process)
    beat_um = float(2.0 * np.pi / (table.beta_1_um[0] - table.beta_1_um[1]))
    assert beat_um == pytest.approx(10.27, abs=0.01)

    def of(radius_um, straight_um):
        design = replace(circles.ring_designs[4], radius_um=radius_um, straight_um=straight_um)
        return MixedRing(circles.profile, design, table, loss_dB_cm=circles.waveguide.loss_dB_cm).at_resonance()

    assert of(20.0, beat_um).linewidth.mean() > 3.0
    assert of(20.0, beat_um).spoiled > of(20.0, 2.8).spoiled > 0.5
    assert of(20.0, 0.0).spoiled == 1.0
    assert of(50.0, beat_um).spoiled == 0.0 < of(50.0, 0.5 * beat_um).spoiled
    wide = of(100.0, beat_um)
    assert wide.linewidth.max() < 1.2
    assert wide.drop.min() > 0.85 * wide.designed_drop
