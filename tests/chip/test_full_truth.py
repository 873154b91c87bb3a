"""A full virtual die has what real rings have besides a calibration's model: effect by effect, and all by name."""

import tracemalloc
from dataclasses import fields, replace

import jax
import numpy as np
import pytest

from prism_photonics.chip.fabricate import _taken, draw_die, full_die
from prism_photonics.chip.flicker import TIMES_S, FlickeringDrift, charge_noise_pm
from prism_photonics.chip.full_die import _second_mode
from prism_photonics.chip.named_die import named_die
from prism_photonics.chip.reading import line_currents
from prism_photonics.chip.relaxing import SHARES, with_relaxation
from prism_photonics.chip.trimming import Trimming
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.tunable import LaserLight, TunableLaser
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.designed_second_mode import designed_second_mode
from prism_photonics.circuit.ends import FacetFields
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.row import bank_powers
from prism_photonics.drift.process import Drift
from prism_photonics.lightpath.ring.backscatter import half_turn_gain
from prism_photonics.lightpath.ring.mixing import te_like_turn
from prism_photonics.lightpath.ring.model import half_turn
from prism_photonics.lightpath.ring.polarization import polarized_half_turn
from prism_photonics.lightpath.ring.second_mode import second_mode_half_turn
from prism_photonics.process.bias import lost_share
from prism_photonics.units import InputError
from prism_photonics.workflow.bench import may_be_same_chip

REST = np.zeros((2, 3))
VOLTS = np.linspace(-9.0, 9.0, 6).reshape(2, 3)
NONE = FullTruth.none()
STEADY = {"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0}


@pytest.fixture(scope="module")
def plain(small_circles):
    return draw_die(small_circles, jax.random.key(5))


@pytest.fixture(scope="module")
def completed(small_circles, plain):
    def make(truth, seed=0):
        return full_die(small_circles, plain, truth, np.random.default_rng(seed))

    return make


def currents(die, volts=VOLTS):
    return np.stack(line_currents(die, volts, REST))


# ---------------------------------------------------------------- limits


def test_with_every_effect_off_a_full_die_is_the_models(plain, completed):
    assert currents(completed(NONE)) == pytest.approx(currents(plain), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    "change",
    [
        {"splitting_pm": 1.0},
        {"loss_events": 3.0},
        {"reflections": True},
        {"dispersion": True},
        {"cubic_pm_V3": 1e-5},
        {"absorbed_pm_mW": 0.5},
        {"second_neighbour": 1e-4},
        {"te_tm": 0.02},
    ],
)
def test_each_effect_moves_the_currents_by_less_than_a_tenth_of_a_line(plain, completed, change):
    moved = np.abs(currents(completed(replace(NONE, **change)))[:2] - currents(plain)[:2]).max()
    assert 1e-6 * plain.full_A.mean() < moved < 0.1 * plain.full_A.mean()


def test_a_model_die_is_the_same_bit_for_bit_whether_full_ones_exist_or_not(small_circles):
    named, plain = (VirtualChip(small_circles, seed=3, **truth) for truth in ({"truth": "model"}, {}))
    assert np.array_equal(named.measure(np.ones(3), averages=4), plain.measure(np.ones(3), averages=4))
    assert named.label == "virtual:3"


# ---------------------------------------------------------------- laws


def test_scattering_and_loss_events_leave_every_ring_passive(small_circles):
    dies = [draw_die(small_circles, jax.random.key(seed)) for seed in range(20)]
    truth = FullTruth(splitting_pm=10.0, loss_events=3.0)
    for seed, die in enumerate(dies):
        bank = full_die(small_circles, die, truth, np.random.default_rng(seed)).bank
        assert half_turn_gain(bank.rings, bank.reflections.backscatter).max() <= 1.0


def test_splittings_have_their_median_and_events_make_their_tail(completed):
    def splittings(truth):
        banks = [completed(truth, seed).bank for seed in range(100)]
        return np.abs(np.concatenate([bank.reflections.backscatter.splitting_pm.ravel() for bank in banks]))

    walls, hit = splittings(FullTruth(loss_events=0.0)), splittings(FullTruth(loss_events=1.0))
    # 600 rings of a Rayleigh distribution.
    assert np.median(walls) == pytest.approx(1.0, rel=0.1)
    assert np.percentile(walls, 90) == pytest.approx(np.sqrt(np.log(10.0) / np.log(2.0)), rel=0.1)
    assert np.percentile(hit, 90) > 1.5 * np.percentile(walls, 90)


def test_events_add_loss_to_some_rings_and_take_it_from_none(plain, completed):
    before, after = np.log(plain.bank.rings.a), np.log(completed(FullTruth(loss_events=0.5)).bank.rings.a)
    assert (after <= before).all()
    assert 0 < (after < before).sum() < after.size


def test_the_slopes_by_which_a_laser_is_felt_are_those_of_the_currents(completed):
    die = completed(replace(FullTruth(), absorbed_pm_mW=0.0))
    step_pm = 1e-3
    up, down = (line_currents(die, VOLTS, REST + sign * step_pm) for sign in (1.0, -1.0))
    slope = -((up.through_A - up.drop_A) - (down.through_A - down.drop_A)) / (2.0 * step_pm)
    assert currents(die)[2] == pytest.approx(slope, rel=1e-5, abs=1e-6 * np.abs(slope).max())


def test_rings_in_two_polarisations_are_trimmed_to_where_they_show_and_take_less_light(completed):
    """A resonance that TM's repels is brought back: each ring takes most where it took most without."""
    shifts_pm = np.linspace(-120.0, 120.0, 481)

    def taken(truth):
        die = completed(truth, seed=2)
        own = [np.diagonal(_taken(die.light, die.bank.rings.offset_pm + pm)[:, :, 0], axis1=0, axis2=2)
               for pm in shifts_pm]  # fmt: skip
        return np.array(own)

    plain, mixed = taken(NONE), taken(replace(NONE, te_tm=0.2))
    assert np.abs(shifts_pm[plain.argmax(0)] - shifts_pm[mixed.argmax(0)]).max() < 5.0
    assert (mixed.max(0) < plain.max(0)).all()


def test_a_ring_on_a_crossing_is_trimmed_until_one_of_its_two_resonances_lies_where_it_lay_without(completed):
    """Two rings of this die have no resonance on their line that is the more TE's."""
    bare, die = (completed(replace(NONE, te_tm=te_tm), seed=17) for te_tm in (0.0, 1.0))
    wl_um, rings, second = die.bank.wl_um, die.bank.rings, die.beyond.second.rings
    alone = half_turn(wl_um, rings, bare.bank.rings.offset_pm) ** 2
    half = polarized_half_turn(wl_um, rings, second, rings.offset_pm)
    mean, apart = te_like_turn(half, (rings.t1, second.tm.t1), (rings.t2, second.tm.t2))
    te_like, other = (np.abs(np.angle(alone / turn)) for turn in (mean + apart, mean - apart))
    assert (te_like > 0.1).sum() == 2
    assert np.minimum(te_like, other).max() < 1e-7


def test_tms_resonances_lie_anywhere_within_two_of_its_free_spectral_ranges(completed):
    """After one range TM's order is odd where it was even, and the two half turns undo each other's mixing."""
    dies = [completed(replace(NONE, te_tm=1.0), seed=seed).beyond.second.rings.tm for seed in range(10)]
    turns = np.array([tm.offset_pm / (1e6 * tm.wl0_um**2 / tm.gpl_um) for tm in dies])
    assert 0.9 < np.abs(turns).max() <= 1.0
    assert 0.3 < (np.abs(turns) > 0.5).mean() < 0.7


def test_the_te_tm_mixing_of_a_die_draws_nothing_that_another_effect_had(completed):
    mixed, plain = (completed(replace(FullTruth(), te_tm=te_tm)).bank for te_tm in (1.0, 0.0))
    assert np.array_equal(mixed.reflections.backscatter.to_ccw_pm, plain.reflections.backscatter.to_ccw_pm)
    assert np.array_equal(mixed.rings.a, plain.rings.a)


# ---------------------------------------------------------------- second roads


def test_a_die_without_dispersion_is_solved_as_the_exact_row_solves_its_bank(completed):
    die = completed(replace(NONE, splitting_pm=3.0, loss_events=1.0, reflections=True))
    acting = VOLTS + 0.0
    acting[:, 1:] += die.crosstalk[:, 0] * VOLTS[:, :-1]
    acting[:, :-1] += die.crosstalk[:, 0] * VOLTS[:, 1:]
    through, drop = bank_powers(die.bank, acting)
    found = line_currents(die, VOLTS, REST)
    assert found.through_A == pytest.approx(die.full_A[0] * through, rel=1e-9)
    assert found.drop_A == pytest.approx(die.full_A[1] * drop, rel=1e-9)


def test_a_laser_at_a_line_reads_what_the_comb_reads(small_circles, completed):
    die = completed(FullTruth())
    lit = LaserLight(small_circles, die, TunableLaser.ideal(), np.random.default_rng(0))
    at_nm = 1e3 * die.bank.wl_um
    through, drop = lit._photocurrents(at_nm, VOLTS, REST, bus=0)
    comb = line_currents(die, VOLTS, REST)
    through_gain, drop_gain = lit._full_A[:, :, :1] / die.full_A
    seen, dropped = through.T, drop.T
    assert seen == pytest.approx(through_gain * comb.through_A, rel=1e-9)
    assert dropped == pytest.approx(drop_gain * comb.drop_A, rel=1e-9)


def test_flicker_has_equal_power_in_every_octave(small_circles, altered):
    many = altered(small_circles, chip={"rows": 32, "channels": 32}, comb={"spacing_nm": 0.2}, drift=STEADY)
    shape = (32, 32)
    drift = FlickeringDrift(Drift(many, np.random.default_rng(0)), np.ones(shape), np.random.default_rng(1))
    still = drift.shift_pm().std()
    differences = []
    for seconds in (0.1, 1.0, 10.0):
        before = drift.shift_pm()
        drift.advance(seconds, np.zeros(shape))
        differences.append(((drift.shift_pm() - before) ** 2).mean())
    steps = np.diff(differences)
    assert still == pytest.approx(1.0, rel=0.1)
    # The structure function of 1/f noise grows by as much with each decade of time.
    assert steps[1] == pytest.approx(steps[0], rel=0.25)


def test_a_flickers_spectrum_has_the_exponent_that_it_is_asked_for(small_circles):
    """Of parts of every correlation time the spectrum is known in closed form: its slope is that of 1/f^1.2."""
    rng = np.random.default_rng(0)
    drift = FlickeringDrift(Drift(small_circles, rng), np.ones((1, 1)), rng, exponent=1.2)
    frequency_Hz = np.array([0.01, 1.0])
    times = np.array(TIMES_S)[:, None]
    density = (drift._part_pm[:, 0] ** 2 * 4.0 * times / (1.0 + (2.0 * np.pi * frequency_Hz * times) ** 2)).sum(0)
    assert np.log(density[0] / density[1]) / np.log(frequency_Hz[1] / frequency_Hz[0]) == pytest.approx(1.2, abs=0.05)
    assert (drift._part_pm**2).sum() == pytest.approx(1.0)


def test_charge_noise_is_the_electrodes_kt_over_c():
    # 20 fF at 300 K: 0.455 mV.
    assert charge_noise_pm(np.array([-7.0]), capacitance_fF=20.0, temperature_K=300.0) == pytest.approx(
        [3.185e-3], rel=1e-3
    )


@pytest.mark.parametrize("change", [{"end_um": 0.0}, {"dispersion_scatter": 0.0}])
def test_ends_and_dispersion_of_a_die_are_its_own(completed, change):
    own, designed = completed(FullTruth(), seed=1), completed(FullTruth(**change), seed=1)
    assert np.abs(currents(own)[:2] - currents(designed)[:2]).max() > 0.0
    bank = designed.bank
    assert np.array_equal(bank.reflections.ends.phase_rad, own.bank.reflections.ends.phase_rad)
    assert np.array_equal(bank.rings.a, own.bank.rings.a)


def test_a_row_sees_its_facet_through_the_tree_there_and_back_and_not_through_the_coupler(circles):
    """Eight rows of circles_8x8: −20.5 dB of the drawn facet, less twice 9.6 dB of the tree; docs/layout.md."""
    die = full_die(circles, draw_die(circles, jax.random.key(0)), FullTruth(), np.random.default_rng(0))
    seen_dB = 20.0 * np.log10(die.bank.reflections.ends.amplitude[..., 0, 1])
    assert seen_dB == pytest.approx(np.full(seen_dB.shape, -39.8), abs=0.1)


def test_dry_fibres_change_what_comes_back_from_facets_and_nothing_else(completed):
    wet, dry = (completed(FullTruth(dry=dry)).bank.reflections.ends for dry in (False, True))
    more = dry.amplitude[..., 0, 1] / wet.amplitude[..., 0, 1]
    # −11.3 dB of the facet and −18.8 dB of the fibre, which add or not, over −20.5 dB.
    assert ((more > 1.6) & (more < 4.2)).all()
    for name in ("amplitude", "phase_rad"):
        both = [np.delete(getattr(ends, name).reshape(-1, 8), 1, axis=1) for ends in (wet, dry)]
        assert np.array_equal(*both)
    assert completed(FullTruth(facet=0.0)).bank.reflections.ends.amplitude[..., 0, 1].max() == 0.0


def test_beside_a_coupler_that_sends_nothing_back_the_dry_fibre_still_does(small_circles, monkeypatch):
    monkeypatch.setattr("prism_photonics.chip.full_die.facet_fields", lambda spec, *, dry: FacetFields(0.0, 0.1 * dry))
    wet, dry = (
        full_die(
            small_circles, draw_die(small_circles, jax.random.key(0)), FullTruth(dry=dry), np.random.default_rng(0)
        ).bank.reflections.ends.amplitude[..., 0, 1]
        for dry in (False, True)
    )
    assert (wet == 0.0).all()
    assert (dry > 0.0).all()


def test_a_film_that_loses_nothing_has_nothing_to_draw(small_circles):
    known = small_circles.profile.relaxation
    none = {name: getattr(known, name).model_copy(update={"value": 0.0}) for name in SHARES}
    still = small_circles.profile.model_copy(update={"relaxation": known.model_copy(update=none)})
    assert lost_share(with_relaxation(still, 0.5, np.random.default_rng(0)).relaxation, 3600.0) == 0.0


def test_a_dies_own_film_relaxes_by_its_own_shares_and_times_and_loses_less_than_all(small_circles):
    profile = small_circles.profile
    drawn = [with_relaxation(profile, 0.5, np.random.default_rng(seed)).relaxation for seed in range(400)]
    whole = np.array([film.fast_share.value + film.slow_share.value + film.memory_share.value for film in drawn])
    known = profile.relaxation
    expected = known.fast_share.value + known.slow_share.value + known.memory_share.value
    odds = np.log(whole / (1.0 - whole)) - np.log(expected / (1.0 - expected))
    assert np.std(odds) == pytest.approx(0.5, rel=0.1)
    assert np.std(np.log([film.slow_h.value for film in drawn])) == pytest.approx(0.5, rel=0.1)
    assert whole.max() < 1.0
    # Hardly any of it, and it is the profile's.
    close = with_relaxation(profile, 1e-9, np.random.default_rng(0)).relaxation
    assert lost_share(close, 3600.0) == pytest.approx(lost_share(known, 3600.0), rel=1e-7)


def test_a_die_with_its_own_film_is_the_same_die_and_fades_otherwise(small_circles):
    still = small_circles.model_copy(
        update={"drift": small_circles.drift.model_copy(update={**STEADY, "thermal_time_s": 1e9})}
    )
    held = np.full(2 * 3, 8.0).reshape(2, 3)

    def faded(film_log):
        chip = VirtualChip(still, seed=3, truth=replace(NONE, film_log=film_log))
        chip.set(held)
        first = chip.measure(np.ones(3), averages=2**14)
        chip.wait(1800.0)
        return first, chip.measure(np.ones(3), averages=2**14)

    (first, last), (again, own) = faded(0.0), faded(0.7)
    assert again == pytest.approx(first, rel=5e-3)
    assert np.abs(own - last).max() > 3.0 * np.abs(again - first).max()


def test_trimming_a_die_leaves_it_the_film_it_had(small_circles, monkeypatch):
    drawn, none = [], np.zeros((2, 1, 3))
    order = np.broadcast_to(np.arange(3), none.shape).copy()

    def noted(*args):
        drawn.append(with_relaxation(*args))
        return drawn[-1]

    monkeypatch.setattr("prism_photonics.chip.virtual.with_relaxation", noted)
    for done in (None, Trimming("untrimmed:3", small_circles.hash, order, none, none, none.astype(int), none, none)):
        VirtualChip(small_circles, seed=3, trimmed=False, truth=replace(NONE, film_log=0.7), trimming=done)
    assert drawn[0] == drawn[1]
    assert drawn[0] != small_circles.profile


# ---------------------------------------------------------------- names


def test_a_die_is_named_by_seed_and_truth_and_the_name_gives_it_back(small_circles):
    truth = FullTruth(splitting_pm=5.0, dispersion=False)
    chip = VirtualChip(small_circles, seed=3, truth=truth)
    assert chip.label == "virtual:3,full,splitting_pm=5,dispersion=0"
    again = named_die(chip.label)
    assert (again.seed, again.trimmed, again.truth) == (3, True, truth)
    assert np.array_equal(again.chip(small_circles).measure(np.ones(3)), chip.measure(np.ones(3)))
    assert named_die("untrimmed:7,full").truth == FullTruth()
    for splitting_pm in (1.0 / 3.0, 0.1 + 0.2, 1e-7, 2e6, 1e17):
        assert named_die(f"virtual:3,{FullTruth(splitting_pm=splitting_pm)}").truth.splitting_pm == splitting_pm


def test_two_spellings_of_one_truth_name_one_die():
    assert may_be_same_chip("virtual:3,full,splitting_pm=5.0,facet=1", "virtual:3,full,splitting_pm=5")
    assert not may_be_same_chip("virtual:3,full,splitting_pm=5.000001", "virtual:3,full,splitting_pm=5")
    assert not may_be_same_chip("virtual:3,full", "virtual:3")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("virtual:3,ful", "'ful' behind the seed, want full"),
        ("virtual:3,full,splitting=5", "did you mean 'splitting_pm'"),
        ("virtual:3,full,splitting_pm=", "want a number"),
        ("virtual:3,full,splitting_pm=-1", "want 0 or more"),
        ("virtual:3,full,splitting_pm=1e999", "splitting_pm = inf, want 0 or more, and finite"),
        ("virtual:3,full,splitter_dB=3", "want -3 dB or less"),
        ("virtual:3,full,facet_dB=-30", "no effect 'facet_dB'"),
        ("virtual:3,full,facet=3", "facet = 3, want 0 to 2"),
        ("virtual:3,full,film_log=1000", "film_log = 1000, want 0 to 3"),
        ("virtual:3,full,dry=0.5", "dry = 0.5, want 0 or 1"),
        ("virtual:3,full,dispersion=2", "dispersion = 2, want 0 or 1"),
        ("virtual:3,full,flicker_exponent=2.5", "flicker_exponent = 2.5, want 0 to 2"),
        ("virtual:x,full", "unknown bench"),
    ],
)
def test_a_name_that_is_no_die_is_refused(name, said):
    with pytest.raises(InputError, match=said):
        named_die(name)


def test_mixing_is_refused_on_a_film_whose_tm_leaks(small_circles, altered):
    ring = {"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.8, "gap_drop_um": 0.8}
    leaky = altered(small_circles, process="ltoi300", ring=ring)
    with pytest.raises(InputError, match="te_tm = 1 on film ltoi300, whose TM leaks or is not known, want 0"):
        VirtualChip(leaky, truth=FullTruth(te_tm=1.0))


def test_a_second_mode_is_refused_where_no_guide_holds_it_and_beside_tm(small_circles, altered):
    ring = {"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.8, "gap_drop_um": 0.8}
    with pytest.raises(
        InputError, match=r"second_mode on film ltoi300 .* want a film that holds TE1 \(tfln600, tfln400\)"
    ):
        VirtualChip(altered(small_circles, process="ltoi300", ring=ring), truth=FullTruth(second_mode=True))
    with pytest.raises(InputError, match="te_tm = 1 and second_mode, which are three modes"):
        FullTruth(te_tm=1.0, second_mode=True)


@pytest.mark.parametrize("which", ["small", "small_circles"])
def test_couplers_of_many_rows_take_no_more_memory_at_once_than_those_of_one(which, request, altered):
    spec = altered(request.getfixturevalue(which), chip={"rows": 64})
    rings, rng = designed_bank(spec, xp=np).rings, np.random.default_rng(0)
    kept = designed_second_mode(spec).rings
    tracemalloc.start()
    second = _second_mode(spec, rings, rng).rings
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All at once each ring would take 80 steps of six matrices of 4×4 complex numbers.
    assert peak < 5e6 < rings.t1.size * 80 * 6 * 256
    for found, of_design in ((second.through, kept.through), (second.drop, kept.drop)):
        for part, designed in zip(found, of_design, strict=True):
            assert np.abs(part - designed).max() < 1e-9


def test_a_die_whose_ribs_hold_te1_has_its_lines_where_the_die_without_has_them(plain, completed):
    die = completed(replace(NONE, second_mode=True), seed=5)
    rings, mode, te0 = die.bank.rings, die.beyond.second.rings, plain.bank.rings
    half = second_mode_half_turn(die.bank.wl_um, rings, mode, rings.offset_pm)
    mean, root = te_like_turn(half, mode.through, mode.drop)
    alone = half_turn(die.bank.wl_um, te0, te0.offset_pm) ** 2
    # Either root: where TE1's crosses the line the one that it is at last is followed.
    off = np.minimum(*(np.abs(np.angle((mean + sign * root) / alone)) for sign in (1, -1)))
    assert off.max() < 1e-9
    # Gaps as drawn: TE0 goes over as the die's own coupler would, but for lean and wave fronts.
    k2 = np.abs(mode.through.over[..., 0, 0]) ** 2 / (1.0 - te0.t1**2)
    assert np.ptp(k2) < 0.2 * k2.mean()
    assert np.abs(mode.through.over[..., 0, 0]) ** 2 == pytest.approx(1.0 - te0.t1**2, rel=0.4)
    lit, without = currents(die), currents(plain)
    assert lit[0].min() >= 0.0
    assert np.abs(lit - without).max() > 0.05 * without.max()


def test_an_unknown_truth_is_refused_and_every_effect_has_a_switch(small_circles):
    with pytest.raises(InputError, match="want 'model', 'full' or a FullTruth"):
        VirtualChip(small_circles, truth="fuller")
    on = {field.name for field in fields(FullTruth) if getattr(NONE, field.name) == getattr(FullTruth(), field.name)}
    # Sizes of what a switch above them turns off, and what is off by default.
    assert on == {
        "te_tm",
        "second_mode",
        "film_log",
        "flicker_exponent",
        "dispersion_scatter",
        "end_um",
        "event_loss",
        "event_splitting",
        "facet",
        "dry",
        "splitter_dB",
        "photodiode_dB",
        "u_turn_dB",
        "far_end_dB",
    }
