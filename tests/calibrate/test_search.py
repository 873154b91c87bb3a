"""An untrimmed die: its rings are found by their heaters, brought to channels in any order, and then serve as ever."""

import jax
import numpy as np
import pytest

from prism_photonics.calibrate.calibration import from_survey
from prism_photonics.calibrate.faults import find_faults
from prism_photonics.calibrate.record import read_dataset, read_record, write_record
from prism_photonics.calibrate.search import search
from prism_photonics.calibrate.stages import SCHEMA, stages
from prism_photonics.calibrate.survey import take_survey
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import fsr_um
from prism_photonics.program.score import WeightRange, program_tiles, score_tile
from prism_photonics.program.solve import program
from prism_photonics.program.trim import trim
from prism_photonics.program.validate import common_range, measure_weights
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
    assert measure_weights(chip, calibration, heated)[0] == pytest.approx(wanted, abs=2e-3)
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
