"""Rings on a crossing of TE and TM are counted as the exact ring has them, and the arm that cures them does."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import least_squares

from prism_photonics.budget import crossings as module
from prism_photonics.budget.crossings import (
    LEAST_BITS,
    LINEWIDTHS,
    PHASES,
    POINTS,
    crossings,
    cure,
    off_a_plain_ring,
    on_films,
)
from prism_photonics.budget.crossings import weights_beside_tm as weights
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.mixing import HalfTurn, polarized_ports
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.modes import load_modes
from prism_photonics.process.polarization import conversion_on_film_rad, half_turn_conversion_rad


def test_without_mixing_no_ring_crosses_and_any_phase_of_tm_gives_the_plain_ring(circles):
    design = circles.ring_designs[4]
    weight = weights(circles, design, 0.0)
    assert np.ptp(weight, axis=0).max() < 1e-12
    assert weight.argmin(1).tolist() == [POINTS // 2] * PHASES


def test_a_ring_on_a_crossing_is_trimmed_onto_its_line_too(circles):
    """At TM's first phases no resonance that is the more TE's can lie on the line: the other one does."""
    weight = weights(circles, circles.ring_designs[4], 0.195)
    assert (1.0 - weight[:3].min(1) < 1.0).all()
    assert np.abs(weight.argmin(1) - POINTS // 2).max() <= 1


@pytest.mark.parametrize("tm", ["detected", "lost"])
def test_weights_beside_tm_are_those_of_the_exact_ring(circles, altered, tm):
    """The second road: matrices of `lightpath.ring.polarization`, at the phases that this one trimmed itself to."""
    spec = altered(circles, detector={"tm": tm})
    rings, second = designed_bank(spec, xp=np).rings, designed_tm(spec).rings
    t1, t2, a, s1, s2 = (float(leaf[0, 0, 4]) for leaf in (rings.t1, rings.t2, rings.a, second.tm.t1, second.tm.t2))
    chi, ratio = 0.15, float(second.tuning_ratio[0, 0, 4])
    found = weights(spec, spec.ring_designs[4], chi)
    x = t1 * t2 * a
    step = 2.0 * (1.0 - x) / math.sqrt(x) * np.linspace(-LINEWIDTHS, LINEWIDTHS, POINTS)

    def exact(of_tm, rest):
        theta = rest + step
        te, tm_phase = 0.5 * theta, 0.5 * (of_tm + ratio * theta)
        root = math.sqrt(a)
        half = HalfTurn(
            root * math.cos(chi) * np.exp(1j * te),
            root * math.cos(chi) * np.exp(1j * tm_phase),
            1j * root * math.sin(chi) * np.exp(0.5j * (te + tm_phase)),
        )
        ports = polarized_ports(half, (np.asarray(t1), np.asarray(s1)), (np.asarray(t2), np.asarray(s2)))
        power = np.abs(ports.through[..., 0]) ** 2 - np.abs(ports.drop[..., 0]) ** 2
        return power[:, 0] + (power[:, 1] if tm == "detected" else 0.0)

    for phase in (3, 20, 41):
        of_tm = 2.0 * np.pi * phase / PHASES
        fitted = least_squares(lambda rest, of_tm=of_tm, phase=phase: exact(of_tm, rest[0]) - found[phase], [0.0])
        assert np.abs(fitted.fun).max() < 1e-7


def test_the_misfit_of_a_plain_ring_is_that_of_a_least_squares_search(circles):
    """`scipy` through the ring's own Lorentzian, with a tuning that bends: the linear fit is as near."""
    weight = weights(circles, circles.ring_designs[4], 0.1)[10]
    used = weight <= 0.9
    x = np.linspace(-1.0, 1.0, POINTS)

    def off(p):
        u = x[used] - p[0]
        return 1.0 - p[1] / (1.0 + p[2] * (u + p[3] * u**2) ** 2) - weight[used]

    best = least_squares(off, [0.0, 1.9, 36.0, 0.0], x_scale=[0.01, 1.0, 30.0, 0.1], xtol=1e-14, ftol=1e-14)
    assert off_a_plain_ring(weight, 0.9) == pytest.approx(math.sqrt(np.mean(best.fun**2)), rel=0.5)


def test_the_arm_that_undoes_the_mixing_leaves_none_in_the_middle_of_the_comb_and_fewer_crossings(circles):
    said, mended = cure(circles)
    wl_um = np.array([float(np.median(circles.comb_design.wl_um))])
    chi = half_turn_conversion_rad(
        load_modes("tfln600"), wl_um, width_um=1.4, turn=QuarterTurn(20.0), arm_um=mended.ring.arm_um
    )
    assert said == f"ring.arm_um = {mended.ring.arm_um:g}"
    assert abs(chi[0]) < 2e-3
    before, after = crossings(circles), crossings(mended)
    assert (before.of, after.of) == (64, 64)
    assert 3.0 < before.rings < 6.0
    assert after.rings < 0.25 * before.rings
    # Of the rings on no crossing, whose number moves with the bends' mixing: either way more than a calibration leaves.
    assert min(before.bits, after.bits) > 11.0


def test_the_accuracy_beside_crossings_does_not_hang_on_the_steps_of_trimming(circles, monkeypatch):
    """Whatever a ring on a crossing comes to rest at: an odd number of steps had given 16 bits, an even one 3."""
    found = []
    for steps in (39, 40):
        monkeypatch.setattr(module, "TRIMMINGS", steps)
        found.append(crossings.__wrapped__(circles))
    assert found[0].rings == found[1].rings
    assert found[0].bits == pytest.approx(found[1].bits, abs=0.01)


def test_over_films_as_they_are_made_as_many_lines_are_spoiled_as_of_films_and_phases_drawn_at_random(demo):
    """The second road draws films, places in the comb and TM's phases; three of ten full dies show it (docs)."""
    rng, count, phases = np.random.default_rng(5), 24, 128
    design, limit, table = demo.ring_designs[4], demo.ranking.weight_limit, load_modes("tfln600")
    lines = np.asarray(demo.comb_design.wl_um)
    chi = conversion_on_film_rad(
        table,
        rng.choice(lines, count),
        width_um=np.full(count, demo.width_um),
        thicker_nm=NormalDist(0.0, demo.variation.thickness_nm).samples(count, seed=7) * np.ones(count),
        turn=design.quarter,
        arm_um=design.arm_um,
    )
    # Where nothing is near, nothing is off: of the turn the part round TM's own line is drawn.
    part, allowed = 0.2, math.sqrt(8.0) * 2.0 * limit / 2.0**LEAST_BITS
    of_tm = rng.uniform(0.0, 2.0 * np.pi * part, phases)
    *mixed, plain = module._weights(demo, design, np.append(chi, 0.0), of_tm)
    lost = 0.5 * (1.0 - plain.min())
    spoiled = [1.0 - one.min() < lost or off_a_plain_ring(one, limit) > allowed for each in mixed for one in each]
    expected = on_films(demo)
    assert 64 * part * np.mean(spoiled) == pytest.approx(expected.spoiled, rel=0.3)
    assert 0.3 < expected.spoiled < 0.45
    assert expected.rings < 0.3 * expected.spoiled
    assert crossings(demo).spoiled == 0.0


def test_films_that_do_not_vary_are_those_that_are_drawn(demo, altered):
    even = altered(demo, variation={"thickness_nm": 0.0})
    assert on_films(even) == crossings(even)


def test_a_film_whose_tm_leaks_has_no_crossings_and_no_cure(circles, altered):
    shallow = altered(circles, process="lnoi400", ring={"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.6})
    assert crossings(shallow) is None
    assert cure(shallow) is None
