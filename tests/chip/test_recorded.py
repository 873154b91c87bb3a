"""A recorded chip answers what was measured, to whoever asks it again, and refuses everything else."""

import json
import zlib

import jax
import numpy as np
import pytest

from prism_photonics.calibration.survey import take_survey
from prism_photonics.chip.recorded import RecordedChip, recorded_job, recording
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

KEY, SETTINGS = jax.random.key(1), 8
ONE = np.array([0.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def folder(small, die, tmp_path_factory):
    """A survey, two more readings of one question, and a wait between them."""
    folder = tmp_path_factory.mktemp("recorded")
    with recording(die(), folder, seed=1) as chip:
        take_survey(chip, small, key=KEY, settings=SETTINGS)
        chip.set(np.full((2, 3), 2.5))
        chip.measure(ONE, averages=4)
        chip.wait(60.0)
        chip.measure(ONE, averages=4)
    return folder


@pytest.fixture(scope="module")
def spec(die):
    """The spec of the die that was measured."""
    return die().spec


@pytest.fixture
def chip(folder, spec):
    return RecordedChip(spec, folder)


def refused(action):
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_survey_of_the_recording_is_the_survey_of_the_chip(small, die, chip):
    assert take_survey(chip, small, key=KEY, settings=SETTINGS).identical(
        take_survey(die(), small, key=KEY, settings=SETTINGS)
    )
    assert chip.left == 2


def test_a_recording_carries_its_spec_and_what_its_job_was(folder, spec):
    assert ChipSpec.from_toml(folder / "spec.toml").hash == spec.hash
    job = recorded_job(folder)
    assert (job["spec_hash"], job["seed"], job["untrimmed"]) == (spec.hash, 1, 0)


def test_a_question_out_of_turn_is_answered_and_each_reading_given_once(chip, die, small):
    chip.set(np.full((2, 3), 2.5))
    first = chip.measure(ONE, averages=4)
    chip.wait(60.0)
    second = chip.measure(ONE, averages=4)
    assert not np.array_equal(first, second)  # noise is as recorded, not averaged
    line = refused(lambda: chip.measure(ONE, averages=4))
    assert (
        "a reading of line 1 alone with 4 averages was taken as often as is asked for at these voltages already" in line
    )


def test_time_is_that_of_the_recording(chip):
    chip.set(np.full((2, 3), 2.5))
    chip.measure(ONE, averages=4)
    before = chip.time_s
    assert not chip.paused
    chip.wait(60.0)
    assert chip.paused
    chip.measure(ONE, averages=4)
    assert chip.time_s - before == pytest.approx(60.0, abs=1e-3)
    assert not chip.paused


def test_a_rounding_of_the_last_digit_is_the_same_question(chip):
    chip.set(np.full((2, 3), 2.5 * (1 + 1e-15)))
    assert np.isfinite(chip.measure(ONE * (1 - 1e-15), averages=4)).all()


def test_what_was_never_measured_is_refused_and_never_interpolated(chip):
    volts = np.full((2, 3), 2.5)
    volts[1, 2] += 0.3
    chip.set(volts)
    line = refused(lambda: chip.measure(ONE, averages=4))
    assert "was never taken at these voltages: in the nearest setting ring 2 of row 1 is 0.3 V off" in line
    assert "run the job that was recorded, with its seed, or measure it" in line
    chip.set(np.full((2, 3), 2.5))
    assert "a reading of line 1 alone with 5 averages was never taken" in refused(lambda: chip.measure(ONE, averages=5))
    assert "a reading of 3 lines lit with 4 averages was never" in refused(
        lambda: chip.measure(ONE + 0.1 - ONE * 0.1, averages=4)
    )
    assert "a wait of 61 s was not recorded after entry" in refused(lambda: chip.wait(61.0))


def test_before_it_was_set_a_chip_is_at_no_setting(chip):
    assert "was never taken before voltages were set" in refused(lambda: chip.measure(ONE, averages=4))


def test_heaters_are_part_of_the_question(small, altered, tmp_path):
    heated = altered(small, trim={"method": "heater", "heater_mW_nm": 5.0, "heater_crosstalk": 0.02})
    with recording(VirtualChip(heated, seed=0, trimmed=False), tmp_path, seed=0, untrimmed=True) as chip:
        chip.set(np.zeros((2, 3)))
        chip.heat(np.ones((2, 3)))
        warm = chip.measure(ONE)
    again = RecordedChip(heated, tmp_path)
    assert recorded_job(tmp_path)["untrimmed"] == 1
    again.set(np.zeros((2, 3)))
    again.heat(np.full((2, 3), 1.5))
    assert "was never taken at these voltages and heater powers" in refused(lambda: again.measure(ONE))
    again.heat(np.ones((2, 3)))
    assert np.array_equal(again.measure(ONE), warm)


def test_a_recorded_chip_keeps_its_limits(chip, spec):
    assert chip.max_voltage_V == spec.drive.max_voltage_V
    assert "is not within the" in refused(lambda: chip.set(np.full((2, 3), spec.drive.max_voltage_V * 1.01)))
    assert chip.over_voltage_attempts == 1
    assert "this chip has no heaters" in refused(lambda: chip.heat(np.zeros((2, 3))))


def test_an_older_recording_is_moved_aside(die, tmp_path):
    for _ in range(2):
        with recording(die(), tmp_path, seed=0) as chip:
            chip.set(np.zeros((2, 3)))
            chip.measure(ONE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["readings-1.jsonl", "readings.jsonl", "spec.toml"]


def line(entry):
    text = json.dumps(entry)
    return f"{zlib.crc32(text.encode()):08x} {text}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: [], "got no line, want a recording of schema"),
        (lambda lines: [lines[0][:-9] + "damaged"], "line 1 is damaged"),
        (lambda lines: lines[1:], "got None, want a recording of schema"),
        (lambda lines: [lines[0], line({"set": [[1.0]]})], "entry 1 is [[1.0]], want (2, 3) finite numbers"),
        (
            lambda lines: [lines[0], line({"light": [0, 0, "a"], "averages": 1, "A": [0, 0], "s": 1})],
            "entry 1 is [0, 0, 'a']",
        ),
        (
            lambda lines: [lines[0], line({"light": [0, 0, 0], "averages": 0, "A": [0, 0], "s": 1})],
            "averages = 0, want",
        ),
        (
            lambda lines: [lines[0], line({"light": [0, 0, 0], "averages": 1, "A": [0], "s": 1})],
            "entry 1: A has shape (1,)",
        ),
        (lambda lines: [lines[0], line({"light": [0, 0, 0], "averages": 1, "A": [0, 0], "s": -1})], "entry 1: s = -1"),
        (
            lambda lines: [lines[0], line({"sit": 1})],
            "entry 1 is {'sit': 1}, want a setting, a reading, a sweep or a wait",
        ),
        (lambda lines: [lines[0], line({"wait": -1})], "entry 1 is {'wait': -1}"),
    ],
)
def test_a_damaged_recording_is_refused_in_one_line(folder, spec, tmp_path, change, says):
    lines = (folder / "readings.jsonl").read_text().splitlines()
    (tmp_path / "readings.jsonl").write_text("".join(f"{each}\n" for each in change(lines)))
    assert says in refused(lambda: RecordedChip(spec, tmp_path))


def test_a_torn_last_line_is_not_read(folder, spec, tmp_path):
    content = (folder / "readings.jsonl").read_bytes()
    (tmp_path / "readings.jsonl").write_bytes(content[:-5])
    assert RecordedChip(spec, tmp_path).left == RecordedChip(spec, folder).left - 1


def test_another_chip_s_recording_and_no_recording_are_refused(folder, demo, tmp_path):
    assert "take the spec.toml beside it" in refused(lambda: RecordedChip(demo, folder))
    assert "cannot be read (No such file or directory)" in refused(lambda: RecordedChip(demo, tmp_path / "none"))


def test_a_recording_whose_spec_cannot_be_written_lets_go_of_its_folder(die, tmp_path):
    (tmp_path / "spec.toml").mkdir()
    assert "spec.toml: cannot be written" in refused(lambda: recording(die(), tmp_path, seed=0))
    (tmp_path / "spec.toml").rmdir()
    with recording(die(), tmp_path, seed=0) as chip:
        chip.measure(ONE)
    assert recorded_job(tmp_path)["seed"] == 0


# ---------------------------------------------------------------- sweeps of a laser


@pytest.fixture(scope="module")
def swept(steady, tmp_path_factory):
    """Two sweeps and a line of a chip under a laser, and what it gave."""
    chip = steady(laser=TunableLaser())
    folder = tmp_path_factory.mktemp("swept")
    grid_nm = 1e3 * chip.spec.comb_design.wl_um[0] + 0.005 * np.arange(-10, 10)
    found = []
    with recording(chip, folder, seed=1) as kept:
        for volts in (0.0, 3.0):
            kept.set(np.full((2, 3), volts))
            found.append(kept.sweep(grid_nm, averages=2))
        kept.measure(ONE)
    return folder, grid_nm, found


@pytest.fixture
def swept_chip(swept, silent):
    return RecordedChip(silent, swept[0])


def test_a_recorded_sweep_is_the_sweep_that_was_taken(swept, swept_chip, steady):
    _, grid_nm, found = swept
    assert swept_chip.laser == steady(laser=TunableLaser()).laser
    assert swept_chip.left == 3
    # In another order than they were taken.
    for volts, before in ((3.0, found[1]), (0.0, found[0])):
        swept_chip.set(np.full((2, 3), volts))
        again = swept_chip.sweep(grid_nm, averages=2)
        assert np.array_equal(again.current_A, before.current_A)
        assert np.array_equal(again.wavelength_nm, before.wavelength_nm)
        assert np.array_equal(again.time_s, before.time_s)
    assert swept_chip.left == 1


@pytest.mark.parametrize(
    ("volts", "shift_nm", "averages", "said"),
    [
        (0.0, 0.001, 2, "was never taken, want what was measured"),
        (0.0, 0.0, 3, "was never taken, want what was measured"),
        (1.0, 0.0, 2, "was never taken at these voltages and heater powers, want what was measured"),
    ],
)
def test_a_sweep_that_was_never_taken_is_refused(swept, swept_chip, volts, shift_nm, averages, said):
    swept_chip.set(np.full((2, 3), volts))
    line = refused(lambda: swept_chip.sweep(swept[1] + shift_nm, averages=averages))
    assert said in line
    assert "a sweep of 20 points from" in line


def test_a_sweep_is_given_as_often_as_it_was_taken(swept, swept_chip):
    swept_chip.set(np.zeros((2, 3)))
    swept_chip.sweep(swept[1], averages=2)
    assert "was taken as often as is asked for" in refused(lambda: swept_chip.sweep(swept[1], averages=2))


@pytest.mark.parametrize(
    ("laser", "said"),
    [
        ({"shortest_nm": 1500.0}, "laser = {'shortest_nm': 1500.0}, want shortest_nm, longest_nm,"),
        ("a laser", "laser = 'a laser', want shortest_nm"),
    ],
)
def test_a_recording_of_a_laser_that_cannot_be_is_refused(swept, silent, tmp_path, laser, said):
    lines = (swept[0] / "readings.jsonl").read_bytes().split(b"\n")
    header = json.loads(lines[0].partition(b" ")[2]) | {"laser": laser}
    text = json.dumps(header).encode()
    (tmp_path / "readings.jsonl").write_bytes(b"\n".join([b"%08x %s" % (zlib.crc32(text), text), *lines[1:]]))
    assert said in refused(lambda: RecordedChip(silent, tmp_path))


def test_a_recording_holds_which_ring_served_which_channel_after_a_trimming(die, tmp_path, spec):
    order = np.array([[[1, 0, 2]], [[2, 1, 0]]])
    trimmed = die()
    trimmed.assign(order, None)
    with recording(trimmed, tmp_path, seed=0) as chip:
        chip.set(np.zeros((2, 3)))
        chip.measure(ONE)
    np.testing.assert_array_equal(RecordedChip(spec, tmp_path).channel_of_ring, order)


@pytest.mark.parametrize("order", [[[[0, 0, 2]], [[0, 1, 2]]], [[[0, 1.5, 2]], [[0, 1, 2]]], "none", [[0, 1, 2]]])
def test_an_order_that_no_chip_has_is_refused(folder, spec, tmp_path, order):
    first, *rest = (folder / "readings.jsonl").read_bytes().splitlines(keepends=True)
    header = {**json.loads(first.partition(b" ")[2]), "channel_of_ring": order}
    text = json.dumps(header).encode()
    (tmp_path / "readings.jsonl").write_bytes(b"%08x %s\n" % (zlib.crc32(text), text) + b"".join(rest))
    assert "want one ring for every channel of every bus; record it again" in refused(
        lambda: RecordedChip(spec, tmp_path)
    )
