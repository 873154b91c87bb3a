"""An untrimmed die: its rings are found by their heaters, brought to channels in any order, and then serve as ever."""

import jax
import numpy as np
import pytest

from prism_photonics.calibration.calibration import from_survey
from prism_photonics.calibration.faults import find_faults
from prism_photonics.calibration.record import heat_as_recorded, read_dataset, read_record, write_record
from prism_photonics.calibration.resonance_search import search
from prism_photonics.calibration.stages import SCHEMA, stages
from prism_photonics.calibration.survey import take_survey
from prism_photonics.characterize.closed_loop import trim
from prism_photonics.characterize.scores import score_tile
from prism_photonics.characterize.weights import measure_weights
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.heaters import shift_by_others_pm
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import fsr_um
from prism_photonics.programming.solve import common_range, program
from prism_photonics.programming.tiles import WeightRange, program_tiles
from prism_photonics.report.stages import write_search
from prism_photonics.units import InputError

KEY = jax.random.key(0)
MW_NM = 5.0


@pytest.fixture(scope="module")
def heated(small, altered):
    """The small chip with heaters; its lines fill the FSR, so that every order costs alike."""
    return altered(
        small,
        name="heated_2x3",
        trim={"method": "heater", "heater_mW_nm": MW_NM},
        comb={"spacing_nm": 2.5},
        # Of their usual spread a voltage reaches all.
        drive={"max_voltage_V": 20.0},
    )


def fresh(spec):
    return VirtualChip.fabricate(spec, KEY, trimmed=False)


@pytest.fixture(scope="module")
def found(heated):
    return search(fresh(heated), heated)


@pytest.fixture(scope="module")
def truth_pm(heated, altered):
    raw = altered(heated, trim={"method": "none"})
    return np.asarray(draw_die(raw, jax.random.split(KEY)[0]).bank.rings.offset_pm)


def test_every_ring_is_found_where_fabrication_left_it(found, truth_pm):
    assert np.ptp(truth_pm) > 100.0
    assert found.offset_pm == pytest.approx(truth_pm, abs=4.0)
    assert (found.dips == 3).all()
    pulls = (found.offset_pm - truth_pm) / found.std_pm
    assert np.sqrt((pulls**2).mean()) < 4.0


def test_the_heat_brings_each_ring_to_its_channel(found, truth_pm, heated):
    bank = designed_bank(heated)
    crossing_pm = np.asarray(designed_crossings_pm(bank))
    want = np.take_along_axis(crossing_pm, found.assignment.channel_of_ring[..., None], -1)[..., 0]
    rest_pm = want - np.diagonal(crossing_pm, axis1=-2, axis2=-1)
    turns = (truth_pm + found.power_mW.reshape(2, 1, 3) / MW_NM * 1e3 - rest_pm) / (
        np.asarray(fsr_um(bank.rings)) * 1e6
    )
    assert turns == pytest.approx(np.round(turns), abs=4.0 / 7900.0)


# ---------------------------------------------------------------- heaters that warm each other, several buses, the wire


def left_pm(spec, found, key):
    """How far each ring of a fresh die stands from where it is to stand, all heaters on, warmth and all."""
    raw = spec.model_copy(update={"trim": spec.trim.model_copy(update={"method": "none"})})
    die, bank = draw_die(raw, jax.random.split(key)[0]), designed_bank(spec)
    crossing_pm = np.asarray(designed_crossings_pm(bank))
    want = np.take_along_axis(crossing_pm, found.assignment.channel_of_ring[..., None], -1)[..., 0]
    own_pm = found.power_mW / MW_NM * 1e3
    warmed_pm = shift_by_others_pm(spec, np.asarray(die.heater_share) * own_pm)
    stands_pm = np.asarray(die.bank.rings.offset_pm) + (own_pm + warmed_pm).reshape(want.shape)
    away_pm = stands_pm - want + np.diagonal(crossing_pm, axis1=-2, axis2=-1)
    fsr_pm = np.asarray(fsr_um(bank.rings)) * 1e6
    return away_pm - fsr_pm * np.round(away_pm / fsr_pm), float(np.asarray(die.heater_share).mean()), warmed_pm


@pytest.fixture(scope="module")
def warm(heated, altered):
    """Two buses, and heaters that warm each other by two hundred pm; wide rings, which are searched in fewer steps."""
    return altered(
        heated,
        name="warm_2x2x3",
        chip={"buses": 2},
        ring={"straight_um": 12.0},
        trim={"heater_crosstalk": 0.02},
        drift={"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0},
    )


@pytest.fixture(scope="module")
def warm_chip(warm):
    return fresh(warm)


@pytest.fixture(scope="module")
def warm_found(warm, warm_chip):
    return search(warm_chip, warm)


def test_rings_that_warm_each_other_are_brought_home_on_every_bus(warm, warm_found):
    away_pm, share, warmed_pm = left_pm(warm, warm_found, KEY)
    assert warmed_pm.max() > 100.0
    assert away_pm == pytest.approx(np.zeros((2, 2, 3)), abs=0.04 * warm_found.fwhm_pm)
    assert warm_found.heaters.share == pytest.approx(share, abs=0.003)
    assert 0.0 < warm_found.heaters.share_std < 0.002
    assert (warm_found.dips == 3).all()


def test_warmth_that_the_spec_does_not_know_is_found_too(warm, altered):
    found = search(fresh(warm), altered(warm, trim={"heater_crosstalk": 0.0}))
    away_pm, share, warmed_pm = left_pm(warm, found, KEY)
    assert warmed_pm.max() > 100.0
    assert away_pm == pytest.approx(np.zeros((2, 2, 3)), abs=0.04 * found.fwhm_pm)
    assert found.heaters.share == pytest.approx(share, rel=0.3)


def test_search_and_survey_over_the_wire_are_those_in_process_and_survive_a_kill(warm, warm_chip, warm_found, tmp_path):
    """The box's die is killed amid the search, and resumed: to the last bit the search and the survey of the other."""
    inside, wanted = warm_chip, warm_found
    inside.assign(wanted.assignment.channel_of_ring, wanted.power_mW)
    survey = take_survey(inside, warm, key=KEY, settings=2)
    box = ServedChip(fresh(warm), idn="box", time_scale=0.0)
    with serving(box) as resource:
        entry = {"resource": resource, "timeout_s": 5.0}
        rings = [{"rows": [0, 1], "rings": [0, 5], "first_channel": 1}]
        bench = BenchFile.model_validate(
            {
                "name": "warm",
                "voltage_source": [entry | {"max_voltage_V": 20.0, "channels": rings}],
                "heater_source": [entry | {"max_power_mW": 50.0, "channels": rings}],
                "light_source": [entry | {"channels": [{"lines": [0, 5], "first_channel": 1}]}],
                "current_meter": [
                    entry | {"sample_s": 0.0, "channels": [{"rows": [0, 1], "first_channel": 1}]},
                ],
            }
        )

        class Killed(BaseException):
            pass

        def job(readings):
            with (
                BenchChip(warm, bench) as held,
                JournaledChip(held, warm, tmp_path / "journal.jsonl", identity={}, resume=True) as chip,
            ):
                real = held._read

                def read(light, averages):
                    if held.tally.triggers == readings:
                        raise Killed
                    return real(light, averages)

                held._read = read
                found = search(chip, warm)
                chip.assign(found.assignment.channel_of_ring, found.power_mW)
                return chip.kept, found, take_survey(chip, warm, key=KEY, settings=2)

        for readings in (250, 450):
            with pytest.raises(Killed):
                job(readings)
        kept, found, wired = job(-1)
        assert kept == 250 + 450
        assert (box.over_voltage_attempts, box.over_power_attempts) == (0, 0)
    assert found.dataset().identical(wanted.dataset())
    # The film relaxes by what little time differs.
    assert wired.heater_mW.identical(survey.heater_mW)
    assert np.abs((wired.current_A - survey.current_A) / survey.noise_A).max() < 1.0


def test_heaters_too_weak_for_a_search_are_told(heated):
    chip = fresh(heated)
    chip._max_heater_mW = 20.0
    with pytest.raises(InputError, match=r"swept over its FSR by .* the bench's heaters go to 20; raise"):
        search(chip, heated)


def in_order(heated, found, order):
    """The die with its rings heated to serve channels in this order: (chip, survey, calibration)."""
    bank = designed_bank(heated)
    crossing_pm, fsr_pm = np.asarray(designed_crossings_pm(bank))[0, 0], np.asarray(fsr_um(bank.rings))[0, 0] * 1e6
    target_pm = crossing_pm[np.arange(3), order] - np.diagonal(crossing_pm)
    chip = fresh(heated)
    heat_nm = ((target_pm - found.offset_pm[:, 0]) % fsr_pm) * 1e-3
    chip.assign(np.tile(order, (2, 1, 1)), heat_nm * MW_NM)
    survey = take_survey(chip, heated, key=KEY)
    return chip, survey, from_survey(survey, heated, key=KEY)


@pytest.fixture(scope="module", params=[(0, 1, 2), (2, 0, 1), (1, 0, 2)], ids=["in order", "turned", "swapped"])
def ordered(request, heated, found):
    return in_order(heated, found, np.array(request.param))


def test_weights_and_scores_are_the_same_whatever_the_order(ordered, heated):
    chip, survey, calibration = ordered
    assert find_faults(survey, heated) == ()
    assert float(calibration.chi2.max()) < 2.0
    low, high = common_range(calibration)
    assert low < -0.7
    assert high > 0.7
    rng = np.random.default_rng(2)
    wanted = rng.uniform(low, high, (2, 3))
    chip.set(program(calibration, wanted).volts[0])
    assert measure_weights(chip, calibration, heated).weights == pytest.approx(wanted, abs=2e-3)
    tile, queries = rng.uniform(-1.0, 1.0, (1, 2, 3)), rng.uniform(-1.0, 1.0, (40, 3))
    tiles = program_tiles(calibration, tile, weight_range=WeightRange(low, high))
    scores, _ = score_tile(chip, calibration, tiles, tile=0, query_hat=queries, encoding="two_shot")
    assert np.sqrt(np.mean((scores - queries @ tile[0].T) ** 2)) < 0.03


def test_a_trim_converges_in_any_order(ordered, heated):
    chip, _, calibration = ordered
    assert min(trim(chip, calibration, heated, key=KEY, targets=2, corrections=1).closed_loop_bits) > 11.0


def test_the_order_is_in_the_record_and_in_the_stages(ordered, heated, tmp_path):
    chip, survey, calibration = ordered
    write_record(tmp_path / "calibration.nc", calibration, survey, heated)
    again, _, _ = read_record(tmp_path / "calibration.nc")
    assert np.array_equal(again.channel_of_ring, chip.channel_of_ring)
    heated_again = fresh(heated)
    heat_as_recorded(heated_again, tmp_path / "calibration.nc")
    assert np.array_equal(heated_again.heater_mW, chip.heater_mW)
    assert np.array_equal(heated_again.channel_of_ring, chip.channel_of_ring)
    told = stages(again, survey)["resonance"]
    assert told.channel.values.tolist() == chip.channel_of_ring[:, 0].tolist()
    # Found where they were put: as far from their channels as designed, up to the search's and the drawing's grid.
    assert told.distance_pm.values == pytest.approx(np.full((2, 3), heated.ring.bias_pm), abs=15.0)


def test_a_stuck_ring_is_named_by_the_channel_that_it_serves(heated, found):
    chip, _, _ = in_order(heated, found, np.array([2, 0, 1]))
    real = chip._drive

    def stuck(volts):
        # The ring at place 0 serves channel 2.
        real(np.where(np.eye(2, 3, k=0)[[0]] > 0, 0.0, volts))

    chip._drive = stuck
    faults = find_faults(take_survey(chip, heated, key=KEY), heated)
    assert [fault.rings for fault in faults] == [((0, 2),), ((1, 2),)]
    assert all(fault.stuck for fault in faults)


def test_heat_is_in_the_journal_and_a_killed_job_goes_on(heated, found, tmp_path):
    path, own = tmp_path / "journal.jsonl", found.assignment.channel_of_ring

    def job(die, **options):
        with JournaledChip(die, heated, path, identity={}, **options) as chip:
            readings = []
            for share in (0.2, 0.6, 1.0):
                chip.heat(share * found.power_mW)
                readings.append(chip.measure(np.ones(3), averages=16))
            chip.assign(own, found.power_mW)
            return chip, np.array(readings)

    chip, whole = job(fresh(heated))
    content = path.read_bytes()
    for share in (0.3, 0.7):
        path.write_bytes(content[: int(share * len(content))])
        again, readings = job(fresh(heated), resume=True, retake=True)
        assert np.array_equal(readings, whole)
        assert np.array_equal(again.channel_of_ring, chip.channel_of_ring)
        assert path.read_bytes() == content


def test_on_a_bench_heat_on_file_is_written_before_the_next_new_reading(heated, found, tmp_path):
    path, die, heats = tmp_path / "journal.jsonl", fresh(heated), []
    die._heat = lambda power_mW: heats.append(power_mW.copy())
    for readings in (1, 3):
        with JournaledChip(die, heated, path, identity={}, resume=True) as chip:
            for n in range(readings):
                chip.heat((n + 1) * 0.1 * found.power_mW)
                chip.measure(np.ones(3))
    # The first heat of the second job is on file, and so is its reading: nothing was heated for it.
    assert [heat.max() / found.power_mW.max() for heat in heats] == pytest.approx([0.1, 0.2, 0.3])


def test_a_search_leaves_a_record_and_a_plot(found, heated, tmp_path):
    write_search(tmp_path, found)
    stage = read_dataset(tmp_path / "search.nc", schema=SCHEMA)
    assert (stage.attrs["stage"], stage.attrs["spec_hash"]) == ("search", heated.hash)
    assert np.array_equal(stage.power_mW.values, found.power_mW)
    assert {array.attrs["units"] for array in stage.values()} == {"pm", "1", "mW"}
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")


def test_a_ring_that_heat_does_not_move_stays_cold_and_costs_no_other(heated, found):
    chip = fresh(heated)
    real = chip._heat
    chip._heat = lambda power_mW: real(np.where([[False, True, False], [False, False, False]], 0.0, power_mW))
    again = search(chip, heated)
    assert again.dips[:, 0].tolist() == [[3, 0, 3], [3, 3, 3]]
    assert again.power_mW[0, 1] == 0.0
    others = again.dips > 0
    assert again.offset_pm[others] == pytest.approx(found.offset_pm[others], abs=4.0)


def test_only_heaters_search(small, heated):
    chip = fresh(heated)
    with pytest.raises(InputError, match=r"trim.method = 'permanent'"):
        search(chip, small)
    chip._max_heater_mW = 0.0
    with pytest.raises(InputError, match="this chip has no heaters"):
        chip.heat(np.zeros((2, 3)))


@pytest.mark.parametrize("power_mW", [-0.1, 60.0, np.nan])
def test_a_power_that_no_heater_takes_is_refused_and_nothing_is_heated(heated, power_mW):
    chip, other = fresh(heated), fresh(heated)
    with pytest.raises(InputError, match=r"ring 1 of row 0: heater power .* nothing was written"):
        chip.heat(np.array([[0.0, power_mW, 0.0], [1.0, 1.0, 1.0]]))
    assert np.array_equal(chip.measure(np.ones(3)), other.measure(np.ones(3)))


def test_a_channel_without_a_ring_is_refused(heated):
    with pytest.raises(InputError, match="every channel of every bus wants exactly one ring"):
        fresh(heated).assign(np.zeros((2, 1, 3), dtype=int), np.zeros((2, 3)))
