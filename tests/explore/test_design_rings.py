"""Rings of designed chips keep their light in its mode where the film's rib holds a second one."""

import numpy as np
import pytest

from prism_photonics.budget.crossings import cure, unmixing_um
from prism_photonics.budget.feasibility import check
from prism_photonics.budget.ring_modes import mixed_rings
from prism_photonics.budget.ring_sizing import WIDER_UM, size_rings
from prism_photonics.budget.second_mode import keeps_its_mode
from prism_photonics.budget.smooth_turns import NECK_UM, smooth_keys, smooth_ring
from prism_photonics.explore.candidates import candidates, ring_of
from prism_photonics.explore.design import design
from prism_photonics.explore.wishes import Wishes
from prism_photonics.layout.heater_field import heater_figures
from prism_photonics.lightpath.ring.design import necked_pitch_um
from prism_photonics.lightpath.ring.place import lobes_on_ramps
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.coupling import effective_length_um
from prism_photonics.process.trench import foot_um, least_gap_um
from prism_photonics.spec import load_spec


@pytest.fixture(scope="module")
def designed():
    """Eight values by eight blocks on the paper's film."""
    return design(dims=8, rows=8, process="tfln600")


def test_rings_on_a_rib_that_holds_a_second_mode_work_as_made(designed):
    spec = designed.spec
    report = check(spec)
    assert report.feasible
    # What the thickness of films scatters by, no ring of this one mends.
    (left,) = report.warnings
    assert left.startswith("on films 2 nm rms off")
    assert "\nnote " not in str(designed)
    mixed = mixed_rings(spec)
    assert mixed.linewidth.max() < 1.2
    assert mixed.spoiled == 0.0
    # The arm is that of the comb's middle, the gap one that etches, the cell holds the necks.
    assert (spec.ring.euler_p, spec.ring.ramp, spec.ring.neck_um) == (1.0, "raised_cosine", NECK_UM)
    assert cure(spec)[0] == f"ring.arm_um = {spec.ring.arm_um:g}"
    assert spec.ring.gap_through_um >= least_gap_um(spec.profile) + WIDER_UM - 0.001
    assert foot_um(spec.profile, spec.ring.gap_through_um) > 0.12
    assert spec.ring.pitch_um >= necked_pitch_um(spec.ring.radius_um, spec.ring.straight_um, spec.width_um)


def test_on_the_thin_film_such_rings_have_no_arm_and_no_remark():
    """Its rib holds TE1, too; what its bends turn to TM no film's thickness makes more of."""
    found = design(dims=8, rows=8, process="tfln400")
    report = check(found.spec)
    assert report.feasible
    assert report.warnings == ()
    ring = found.spec.ring
    assert (ring.arm_um, ring.euler_p, ring.ramp, ring.neck_um) == (0.0, 1.0, "raised_cosine", NECK_UM)
    (law,) = [reason.law for reason in found.reasons if reason.key == "ring.arm_um"]
    assert "which no arm need undo" in law


def test_each_choice_of_such_rings_says_why_and_what_it_costs(designed):
    laws = {reason.key: reason.law for reason in designed.reasons}
    turn = designed.spec.ring_designs[0].quarter
    assert f"sharpest at {turn.least_radius_um:.3g} µm" in laws["ring.euler_p"]
    assert "2 times a circle's length: less FSR" in laws["ring.euler_p"]
    assert "than a clothoid as long" in laws["ring.ramp"]
    assert "undoes what the last one turned to TM" in laws["ring.arm_um"]
    assert "buses let go 7.9 dB of the second mode" in laws["ring.neck_um"]
    assert "necks" in laws["ring.pitch_um"]
    assert "# buses let go" in designed.text()


def test_heaters_of_such_rings_are_asked_for_as_much_as_those_drawn_take():
    """Of arms, too: without them 22 % were missing."""
    spec = next(iter(candidates(Wishes(dims=8, rows=8, process="tfln600", trimming="heater"))))
    arm_um = unmixing_um(spec, spec.ring_designs[0].quarter)
    ring = spec.ring.model_copy(update={"arm_um": arm_um, "straight_um": 0.5, "lobe_half_angle_deg": 40.0})
    drawn = heater_figures(spec.model_copy(update={"ring": ring}))
    assert spec.trim.heater_mW_nm == pytest.approx(drawn.mW_nm, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("dims", "rows", "of_the_film"), [(32, 256, 1), (64, 64, 0)])
def test_large_chips_on_that_film_keep_every_rule(dims, rows, of_the_film):
    """And have no remark but, where a bank's smaller rings ask for it, the one on films as they are made."""
    report = check(design(dims=dims, rows=rows, process="tfln600").spec)
    assert report.feasible
    assert [remark[:24] for remark in report.warnings] == ["on films 2 nm rms off (v"] * of_the_film


def test_films_whose_bends_let_the_second_mode_go_keep_circles_whatever_the_base_has():
    gentle = load_spec("demo_8x8")
    for process in ("lnoi400", "ltoi300", "tfln600_narrow"):
        wishes = Wishes(dims=2, rows=2, process=process, base="demo_8x8")
        ring = ring_of(wishes)
        assert (ring.euler_p, ring.ramp, ring.neck_um) == (0.0, "linear", 0.0)
        assert next(iter(candidates(wishes))).ring.euler_p == 0.0
        assert smooth_ring(gentle.ring, process) == gentle.ring
    # A base's own ramps stay on its own film.
    assert ring_of(Wishes(dims=2, rows=2, process="tfln600", base="demo_8x8")).model_dump() == (
        gentle.ring.model_dump()
    )


def test_arcs_become_turns_that_keep_their_light(circles, altered):
    arcs = altered(circles, ring={"pitch_um": 100.0})
    assert not keeps_its_mode(arcs)
    smooth = smooth_keys(arcs)
    assert set(smooth) == {"ring.euler_p", "ring.ramp", "ring.neck_um", "ring.pitch_um"}
    ring = altered(arcs, ring={key.partition(".")[2]: value for key, value in smooth.items()})
    assert smooth_keys(ring) == {}
    # Asked for none, sizing takes the arm that undoes the mixing.
    sized = size_rings(ring, voltages_V=(20.0,), radii_um=(40.4,), arms_um=(0.0,)).keys
    wide = altered(ring, ring={"radius_um": 40.4, "pitch_um": 200.0})
    assert cure(wide)[0] == f"ring.arm_um = {sized['ring.arm_um']:g}"


def test_many_rings_of_few_kinds_are_computed_as_each_alone(demo):
    lobes, radii = np.array([50.0, 30.0, 50.0]), np.array([[40.0, 30.0], [30.0, 40.0]])
    turn = QuarterTurn(40.4, 1.0, True)
    alone = [lobes_on_ramps(float(one), turn, demo.profile.tensor) for one in lobes]
    assert lobes_on_ramps(lobes, turn, demo.profile.tensor).tolist() == alone

    def length_um(radius_um):
        return effective_length_um(
            radius_um=radius_um, straight_um=1.0, decay_um=0.18, ramp_um=2.0 * radius_um, cosine=True
        )

    found = length_um(radii)
    assert found.shape == radii.shape
    assert found == pytest.approx(np.array([[float(length_um(one)) for one in row] for row in radii]), rel=1e-14)
