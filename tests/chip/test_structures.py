"""Test structures of a virtual die: laws, limits, and a second road to the same powers."""

import jax
import numpy as np
import pytest

from prism_photonics.chip.fabricate import draw_die, resonance_key, untrimmed
from prism_photonics.chip.film_field import film_shift_pm
from prism_photonics.chip.structures import FacetLine, SingleRings, virtual_structures
from prism_photonics.chip.sweptlaser import SweptLaser
from prism_photonics.circuit.ends import facet_fields
from prism_photonics.circuit.params import ring_params
from prism_photonics.circuit.prepared import exit_powers, prepare_row
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.seeds import die_key, structures_keys
from prism_photonics.spec import load_spec
from prism_photonics.spec.structures import gap_sweep, length_sweep
from prism_photonics.threefry import split
from prism_photonics.units import InputError

WL_NM = np.arange(1546.0, 1554.0, 2e-3)
GUIDES = {"reference": 1927.0, "cutback_1": 5773.0, "gap_sweep": 1927.0, "length_sweep": 1927.0}


@pytest.fixture(scope="module")
def spec():
    return load_spec("demo_8x8")


def sites(spec):
    return {f"{name}_ring_{n}": (240.0 * n, -1700.0) for name in ("gap_sweep", "length_sweep") for n in range(5)}


def on_die(spec, seed, **given):
    return virtual_structures(spec, seed=seed, guides_um=GUIDES, sites_um=sites(spec), **given)


def designed(spec, *, loss_dB_cm):
    each = [ring_params(design, spec.profile, loss_dB_cm=loss_dB_cm, xp=np) for design in gap_sweep(spec)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)


def test_rings_on_common_buses_answer_as_the_exact_row_does(spec):
    rings, between = designed(spec, loss_dB_cm=0.5), np.array([0.3, 1.9, 4.0, 5.5])
    line = SingleRings(rings, np.zeros(5), between, common_drop=True)
    through, drop = line.fields(WL_NM)
    # Of guides without length nothing is left but their phases, the same on both buses.
    phase = np.concatenate([[0.0], between, [0.0]])
    nothing = np.zeros((2, 6))
    buses = PathParams(nothing, nothing, nothing + 1.0, np.stack([phase, phase]), nothing + rings.wl0_um[0])
    want, _ = exit_powers(prepare_row(WL_NM / 1e3, rings, buses), np.zeros(5))
    assert np.abs(through) ** 2 == pytest.approx(want[0], abs=1e-12)
    assert np.abs(drop) ** 2 == pytest.approx(want[1], abs=1e-12)


def test_light_that_rings_without_loss_do_not_pass_they_drop(spec):
    line = SingleRings(designed(spec, loss_dB_cm=0.0), np.zeros(5), np.array([0.3, 1.9, 4.0, 5.5]), common_drop=True)
    through, drop = line.fields(WL_NM)
    assert np.abs(through) ** 2 + np.abs(drop) ** 2 == pytest.approx(np.ones(len(WL_NM)), abs=1e-12)


def test_a_split_resonance_shows_two_lines_as_far_apart_as_it_was_split(spec):
    alone = jax.tree.map(lambda leaf: leaf[-1:], designed(spec, loss_dB_cm=0.01))
    alone = RingParams(**{**alone.__dict__, "t1": np.array([0.9999]), "t2": np.array([0.9999])})
    fine_nm = np.arange(1548.95, 1549.22, 1e-4)
    _, drop = SingleRings(alone, np.array([60.0]), np.zeros(0), common_drop=True).fields(fine_nm)
    power = np.abs(drop) ** 2
    peaks = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] > power[2:])) + 1
    assert len(peaks) == 2
    assert 1e3 * np.diff(fine_nm[peaks])[0] == pytest.approx(60.0, abs=0.5)


def test_a_guide_ripples_by_what_its_facets_reflect(spec):
    reference = on_die(spec, 0)["reference"]
    assert isinstance(reference, FacetLine)
    dB = 10.0 * np.log10(reference.powers(np.arange(1550.0, 1552.0, 1e-3))[0])
    # What the same facets send back to a full die's rows.
    kept = facet_fields(spec).facet ** 2 * 10.0 ** (-0.1 * reference.guide_dB)
    assert np.ptp(dB) == pytest.approx(20.0 * np.log10((1.0 + kept) / (1.0 - kept)), rel=1e-3)


def test_the_film_goes_on_below_the_rows_of_the_same_die(spec):
    loose = spec.model_copy(update={"variation": spec.variation.model_copy(update={"resonance_local_pm": 0.0})})
    of_die, _ = split(die_key(3))
    offset_pm = draw_die(untrimmed(loose), of_die).bank.rings.offset_pm[:, 0]
    places = np.array([(c * spec.ring.pitch_um, r * spec.row_pitch_um) for r in (0, 7) for c in (0, 5)])
    shift_pm = film_shift_pm(loose, resonance_key(of_die), places, structures_keys(3)[0])
    # Up to what keeps the field's factors positive, a part in a thousand.
    assert shift_pm == pytest.approx(offset_pm[[0, 0, 7, 7], [0, 5, 0, 5]], abs=2.0)
    far = np.array([(1e6 * n, 0.0) for n in range(1, 400)])
    assert np.std(film_shift_pm(loose, resonance_key(of_die), far, structures_keys(3)[0])) == pytest.approx(
        loose.fabricated_pm, rel=0.1
    )


def test_a_die_is_the_same_every_time_and_another_seed_is_another_die(spec):
    first, again, other = (on_die(spec, seed)["gap_sweep"] for seed in (1, 1, 2))
    assert np.array_equal(first.powers(WL_NM), again.powers(WL_NM))
    assert not np.allclose(first.powers(WL_NM), other.powers(WL_NM))


def test_test_rings_scatter_as_the_spec_says(spec):
    kappa2, loss = [], []
    for seed in range(40):
        rings = on_die(spec, seed)["length_sweep"].rings.rings
        kappa2.append(1.0 - rings.t1**2)
        loss.append(-np.log(rings.a))
    design = [ring_params(d, spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm, xp=np) for d in length_sweep(spec)]
    relative = np.log(kappa2) - np.log([1.0 - p.t1**2 for p in design])
    decay_nm = 1e3 * spec.profile.gap_law.decay_um
    assert np.std(relative) == pytest.approx(2.0 * spec.variation.gap_nm / decay_nm, rel=0.15)
    assert np.std(np.log(loss)) == pytest.approx(spec.variation.loss_log, rel=0.15)
    assert np.median(loss) == pytest.approx(-np.log(design[0].a), rel=0.15)


def test_another_film_leaves_the_drawing_and_moves_the_light(spec):
    optics = spec.profile.optics
    thicker = optics.model_copy(
        update={"n_g_along_x": optics.n_g_along_x.model_copy(update={"value": optics.n_g_along_x.value * 1.01})}
    )
    film = spec.profile.model_copy(update={"optics": thicker})
    ours, theirs = (on_die(spec, 0, film=each) for each in (None, film))
    assert (theirs["gap_sweep"].rings.rings.gpl_um > ours["gap_sweep"].rings.rings.gpl_um).all()
    assert (theirs["row_0"].rings.gpl_um > ours["row_0"].rings.gpl_um).all()
    assert theirs["row_0"].rings.t1 == pytest.approx(ours["row_0"].rings.t1)


def test_a_laser_without_errors_logs_the_structure_itself(spec):
    perfect = SweptLaser(
        jitter_pm=0.0,
        zero_pm=0.0,
        scale=0.0,
        ripple_dB=0.0,
        imbalance_dB=0.0,
        trend_dB_nm=0.0,
        noise=0.0,
        floor_dBm=-200.0,
        power_dBm=3.0,
    )
    line = on_die(spec, 0)["gap_sweep"]
    rng = np.random.default_rng(0)
    wl_nm, dBm = perfect.on(line.powers, middle_nm=1550.0, rng=rng).read(WL_NM, rng)
    assert wl_nm == pytest.approx(WL_NM, abs=1e-4)
    assert dBm == pytest.approx(3.0 + 10.0 * np.log10(line.powers(WL_NM)), abs=6e-4)


def test_a_lasers_wavelength_jitters_by_what_was_asked_for(spec):
    slope = SweptLaser(jitter_pm=2.0, zero_pm=0.0, scale=0.0, ripple_dB=0.0, trend_dB_nm=0.0, noise=0.0)
    # A structure that passes as much light as the wavelength says tells where the laser was.
    sweep = slope.on(lambda nm: np.exp(nm - 1550.0)[None], middle_nm=1550.0, rng=np.random.default_rng(1))
    wl_nm, dBm = sweep.read(WL_NM, np.random.default_rng(2))
    errors_pm = 1e3 * (np.log(10.0 ** (0.1 * dBm[0])) - (wl_nm - 1550.0))
    assert np.std(errors_pm) == pytest.approx(2.0, rel=0.1)
    assert np.corrcoef(errors_pm[1:], errors_pm[:-1])[0, 1] == pytest.approx(slope.jitter_memory, abs=0.08)


def test_a_laser_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="jitter_pm = -1"):
        SweptLaser(jitter_pm=-1.0)


def test_the_splitter_of_a_die_divides_and_loses_as_its_spec_says(spec):
    guides = {**GUIDES, "splitter": 1900.0, "photodiode": 110.0}
    found = virtual_structures(spec, seed=3, guides_um=guides, sites_um=sites(spec))
    wl_nm = np.linspace(1546.0, 1547.0, 5)
    upper, lower = found["splitter"].powers(wl_nm)
    reference = found["reference"].powers(wl_nm)[0]
    loss_dB = -10.0 * np.log10((upper + lower) / reference)
    # Facets scatter by 0.1 dB and their ripples by some more.
    assert loss_dB == pytest.approx(spec.splitter.excess_loss_dB, abs=0.6)
    assert 0.5 < float((upper / lower)[0]) < 2.0
    # Light that ends in a photodiode passes one facet only, and no second one sends any back.
    assert np.ptp(found["photodiode"].powers(wl_nm)) == 0.0
    one, two = (-10.0 * np.log10(found[name].powers(wl_nm)[0].mean()) for name in ("photodiode", "reference"))
    assert two - one == pytest.approx(spec.coupler.loss_dB, abs=0.7)
