"""A bench with one tunable laser: its sweeps are the chip's own, what it cannot do is one line, and it is left dark."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from prism_photonics.chip import lasing, metering
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.draft import draft_served
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.served_laser import DROP_GAIN, TRIGGER_LATENCY_S, block
from prism_photonics.chip.session import Refusal
from prism_photonics.chip.sweeping import runs
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.chip.virtual import photodiodes_A
from prism_photonics.chip.walltime import wall_times_s
from prism_photonics.units import InputError

STEP_NM = 0.005


@pytest.fixture
def dark_room(steady):
    """A silent die under a perfect laser, so that a reading over the wire is the reading in process."""
    return lambda: steady(laser=TunableLaser.ideal())


@pytest.fixture
def box(dark_room, silent):
    return ServedChip(dark_room(), idn=f"prism_photonics,{silent.name},test", time_scale=0.0)


@pytest.fixture
def bench(box, silent):
    """The bench file of the served laser, as data to be changed: ``bench(laser={"settle_s": 0.1})``."""
    with serving(box) as resource:
        port = int(resource.split("::")[2])

        def make(**changes):
            data = tomllib.loads(draft_served(silent, port, light="tunable_laser"))
            for role, table in changes.items():
                commands = table.pop("commands", {})
                data[role][0] |= table
                data[role][0]["commands"] |= commands
            return BenchFile.model_validate(data)

        yield make
    assert box.over_voltage_attempts == 0


@pytest.fixture
def lines_nm(silent):
    return 1e3 * np.array(silent.comb_design.wl_um)


@pytest.fixture
def around(lines_nm):
    return np.arange(lines_nm[0] - 0.1, lines_nm[0] + 0.1, STEP_NM)


# ---------------------------------------------------------------- what it reads


def test_a_sweep_over_the_wire_is_the_sweep_in_process(silent, dark_room, box, bench, around):
    """But that the meters' samples come a little after the laser's triggers."""
    late_nm = 20.0 * TRIGGER_LATENCY_S
    inside = dark_room()
    with BenchChip(silent, bench()) as chip:
        assert chip.laser is not None
        for volts in (np.zeros((2, 3)), np.full((2, 3), 3.0)):
            chip.set(volts)
            inside.set(volts)
            wired, own = chip.sweep(around, averages=2), inside.sweep(around + late_nm, averages=2)
            assert wired.current_A == pytest.approx(own.current_A, abs=1e-8)
            assert np.abs(wired.wavelength_nm - around).max() < 1e-6
            assert (np.diff(wired.time_s) > 0.0).all()
        # The meters found their range during the first sweep.
        assert chip.tally.points == len(around) * box.laser.sweeps
        assert box.laser.lit
    assert not box.laser.lit
    assert box.triggers == 0


def test_one_line_fully_lit_is_the_laser_at_its_wavelength(silent, dark_room, bench, box, lines_nm):
    inside = dark_room()
    with BenchChip(silent, bench()) as chip:
        chip.set(np.zeros((2, 3)))
        inside.set(np.zeros((2, 3)))
        for line in range(3):
            light = np.eye(3)[line]
            assert chip.measure(light) == pytest.approx(inside.measure(light), abs=1e-8)
            assert box.laser.wavelength_nm == pytest.approx(lines_nm[line], abs=1e-9)
        chip.measure(np.zeros(3))
        assert not box.laser.lit


def test_a_laser_that_only_steps_gives_the_same_spectrum(silent, bench, box, around):
    stepping = {"fastest_nm_s": 0.0, "commands": {"sweep": [], "sweep_start": "", "sweep_state": ""}}
    with BenchChip(silent, bench()) as chip:
        chip.set(np.zeros((2, 3)))
        swept = chip.sweep(around)
    with BenchChip(silent, bench(laser=stepping)) as chip:
        chip.set(np.zeros((2, 3)))
        before = chip.tally.triggers
        stepped = chip.sweep(around)
        assert chip.tally.triggers == before
        # And once more for each range that was too small.
        assert (chip.tally.sweeps, chip.tally.points) == (0, len(around) + 2)
    # A laser that stands still is not late.
    assert stepped.current_A == pytest.approx(swept.current_A, abs=1e-6)
    assert stepped.wavelength_nm == pytest.approx(around, abs=1e-6)


def test_uneven_wavelengths_are_swept_where_they_are_even(silent, bench, box, lines_nm):
    two = np.concatenate([line + np.arange(-0.05, 0.05, STEP_NM) for line in lines_nm[:2]])
    with BenchChip(silent, bench()) as chip:
        chip.sweep(two)
        # Both stretches, and once more for each range that was too small.
        assert chip.tally.points == 20 * chip.tally.sweeps
        assert box.laser.sweeps == chip.tally.sweeps >= 2
        sweeps = chip.tally.sweeps
        chip.sweep(np.array([lines_nm[0], lines_nm[1], lines_nm[2]]))
        assert chip.tally.sweeps == sweeps


def test_windows_finer_than_a_laser_triggers_are_stepped_to(silent, bench, lines_nm):
    """A laser of 0.1 pm cannot be triggered each 0.08 pm."""
    window_nm = lines_nm[0] + 8e-5 * np.arange(-10, 10)
    with BenchChip(silent, bench()) as chip:
        chip.sweep(window_nm)
        assert chip.tally.sweeps > 0
    with BenchChip(silent, bench(laser={"smallest_step_pm": 0.1})) as chip:
        chip.sweep(window_nm)
        assert chip.tally.sweeps == 0


def test_the_sweep_slows_down_to_what_the_meters_integrate(silent, bench, box, around):
    """A thousand samples of a microsecond in a step of 5 pm: at most 5 nm/s."""
    with BenchChip(silent, bench()) as chip:
        chip.sweep(around, averages=1000)
        assert box.laser._sweep["SPE"] == pytest.approx(5.0)
        chip.sweep(around, averages=1)
        assert box.laser._sweep["SPE"] == pytest.approx(20.0)


def test_a_step_of_many_digits_is_swept_as_slowly_as_it_is_sent(silent, bench, box, lines_nm):
    """71 steps in 0.2 nm are sent as 2.816901 pm, a little less than they are; the meters integrate for all of it."""
    with BenchChip(silent, bench()) as chip:
        swept = chip.sweep(np.linspace(lines_nm[0] - 0.1, lines_nm[0] + 0.1, 72), averages=3000)
        assert len(swept.wavelength_nm) == 72
        assert box.laser._sweep["SPE"] == pytest.approx(box.laser._sweep["STEP"] / 3e-3, rel=1e-9)


def test_a_step_is_one_and_the_same_in_every_unit_that_a_laser_may_ask_for(bench, lines_nm):
    """Of steps that rounding makes longer as of those that it makes shorter: the meters integrate for all of each."""
    (laser,) = bench().laser
    for points in range(60, 80):
        around_nm = np.linspace(lines_nm[0] - 0.1, lines_nm[0] + 0.1, points)
        (run,) = runs(around_nm, laser, averages=3000, sample_s=1e-6, logs=True)
        sent = run.values()
        for step, speed in (("step_m", sent["speed_m_s"]), ("step_pm", 1e3 * sent["speed_nm_s"])):
            assert sent[step] / speed == pytest.approx(sent["integration_s"], rel=1e-12)


# ---------------------------------------------------------------- meters


def test_unequal_photodiodes_are_subtracted_with_their_gains(silent, bench, box):
    with BenchChip(silent, bench()) as chip:
        chip.set(np.zeros((2, 3)))
        balanced = chip.measure(np.eye(3)[0])
    ports, _ = box.laser.measure(1)
    # Dark now, but the last lit reading is what was subtracted.
    assert ports.shape == (4,)
    wrong = bench(current_meter={"channels": [{"rows": [0, 1], "balanced": ["ch1", "ch2"]}]})
    with BenchChip(silent, wrong) as chip:
        chip.set(np.zeros((2, 3)))
        unbalanced = chip.measure(np.eye(3)[0])
        drop_A = (photodiodes_A(box._chip)[0] - balanced) / 2
    assert unbalanced - balanced == pytest.approx(drop_A * (1 - 1 / DROP_GAIN), rel=1e-6)


def test_a_pair_may_hang_on_two_meters(silent, bench):
    """One box plays both: each entry reads every other channel."""
    whole = bench()
    data = whole.model_dump()
    meter = data["current_meter"][0]
    data["current_meter"] = [
        meter | {"channels": [{"rows": row, "first_channel": first + 2 * row, "side": side, "gains": [gain]}
                              for row in (0, 1)]}
        for side, first, gain in (("through", 1, 1.0), ("drop", 2, DROP_GAIN))
    ]  # fmt: skip
    with BenchChip(silent, whole) as chip:
        chip.set(np.zeros((2, 3)))
        one = chip.measure(np.eye(3)[1])
    with BenchChip(silent, BenchFile.model_validate(data)) as chip:
        chip.set(np.zeros((2, 3)))
        assert chip.measure(np.eye(3)[1]) == pytest.approx(one, abs=1e-12)


def test_the_photodiodes_of_every_row_are_read_apart(silent, bench, box, around):
    with BenchChip(silent, bench()) as chip:
        chip.set(np.zeros((2, 3)))
        balanced = chip.sweep(around).current_A
        ports = chip.sweep_ports(around).current_A
    through, drop = ports[:, :2], ports[:, 2:]
    assert through - drop == pytest.approx(balanced, abs=1e-9)
    assert through.min() > 0.0
    # Around a line a ring drops light, and what is dropped does not pass.
    assert np.corrcoef(through[:, 0], drop[:, 0])[0, 1] < -0.99
    one = bench(current_meter={"channels": [{"rows": [0, 1], "first_channel": 1}]})
    with pytest.raises(InputError, match="row 0 has no channel of its through and its drop port, want both apart"):
        BenchChip(silent, one).require_ports(around)


def test_a_range_that_is_too_small_is_widened_and_the_reading_repeated(silent, bench, box):
    with BenchChip(silent, bench()) as chip:
        chip.measure(np.zeros(3))
        assert (box.triggers, chip.tally.triggers) == (1, 1)
        chip.measure(np.eye(3)[0])
        # Of the four decades the dark took the first, a line of these two rows needs the third.
        assert (box.triggers, chip.tally.triggers) == (4, 4)
        chip.measure(np.eye(3)[1])
        assert box.triggers == 5


def test_a_saturated_meter_is_refused_with_value_and_limit(silent, bench):
    rail_A = silent.detector_design.adc_full_scale_A
    small = bench(current_meter={"ranges_A": [], "max_current_A": 0.01 * rail_A, "commands": {"range": ""}})
    with (
        pytest.raises(
            BenchError, match=r"the through port of row 0 \(channel 1\): reads [\d.e-]+ A, beyond the meter's"
        ),
        BenchChip(silent, small) as chip,
    ):
        chip.measure(np.eye(3)[0])
    few = bench(current_meter={"ranges_A": [1e-3 * rail_A, 1e-2 * rail_A]})
    with (
        pytest.raises(BenchError, match=r"overload: .*want below [\d.e-]+ A; raise the range, or lower the light"),
        BenchChip(silent, few) as chip,
    ):
        chip.sweep(1e3 * silent.comb_design.wl_um[0] + STEP_NM * np.arange(20))


# ---------------------------------------------------------------- what it refuses


def test_what_one_laser_cannot_give_is_said_in_one_line(silent, bench, box):
    with BenchChip(silent, bench()) as chip:
        with pytest.raises(InputError, match="3 lines lit, want one at a time"):
            chip.measure(np.ones(3))
        with pytest.raises(InputError, match=r"line 1 at 0\.5 of its light, want 0 or 1"):
            chip.measure(0.5 * np.eye(3)[1])
        with pytest.raises(InputError, match=r"1400.0000 nm is outside the laser's range of 1\d+"):
            chip.sweep(np.array([1400.0, 1400.1]))
        assert box.laser.sweeps == box.triggers == 0


def test_the_driver_refuses_a_wavelength_of_its_own_accord(silent, bench, box):
    """Whatever path it comes by: the chip's door is not the only guard."""
    with BenchChip(silent, bench()) as chip:
        laser = chip._lights[0].driver
        with pytest.raises(InputError, match=r"laser.0 \(.*: 1700.0000 nm is outside the laser's range of"):
            laser.tune(1700.0)
        with pytest.raises(InputError, match=r"nan nm is outside the laser's range"):
            laser.tune(float("nan"))
        assert 1500.0 < box.laser.wavelength_nm < 1600.0


def test_a_laser_that_does_not_reach_the_chip_is_refused_before_anything_is_opened(silent, bench):
    with pytest.raises(InputError, match=r"laser.0: the chip's channels: .* nm is outside the laser's range of"):
        BenchChip(silent, bench(laser={"shortest_nm": 1500.0, "longest_nm": 1510.0}))


def test_both_kinds_of_light_are_refused(bench):
    data = bench().model_dump()
    line = {"resource": "x", "channels": [{"lines": [0, 2], "first_channel": 1}]}
    for change, said in (
        ({"light_source": [line]}, "both kinds of light, a [[laser]] and a [[light_source]]"),
        ({"light": {"kind": "comb"}}, "light.kind = 'comb', and a [[laser]]"),
        ({"laser": []}, "missing key 'laser'"),
        ({"light_source": [line], "laser": []}, "light.kind = 'tunable_laser', and a [[light_source]]"),
        ({"light": {}, "laser": []}, "missing key 'light_source'"),
    ):
        with pytest.raises(ValidationError) as caught:
            BenchFile.model_validate(data | change)
        assert said in str(caught.value)


# ---------------------------------------------------------------- what goes wrong meanwhile


def crooked(box, **replies):
    """The box with some of its answers replaced, whatever they would be."""
    for header, reply in replies.items():
        name = {"logged": "READ:DATA?", "still": "SOUR:WAV:SWE:STAT?", "reads": "SOUR:WAV?", "all": "SENS:LOGG:STAT?"}
        box._handlers[name[header]] = lambda rest, reply=reply: reply
    return box


@pytest.fixture
def hurried(monkeypatch):
    """Nobody waits for long."""
    monkeypatch.setattr(lasing, "POLL_S", 0.001)
    monkeypatch.setattr(metering, "POLL_S", 0.001)


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ({"logged": block(np.linspace(1500.0, 1501.0, 7))}, r"laser.0 .*: logged 7 of 40 points from 1\d+\.\d+ to"),
        ({"logged": "1550.0,1551.0"}, "want a block that begins with #"),
        ({"still": "1"}, r"laser.0 .*has not ended after .* a laser that stopped half way"),
        ({"all": "0"}, r"current_meter.0 .*: is still waiting for triggers of a sweep of 40 points that is over"),
    ],
)
def test_a_sweep_that_went_wrong_is_one_line_and_leaves_the_laser_dark(
    silent, bench, box, around, replies, said, hurried
):
    file = bench(laser={"timeout_s": 0.3, "sweep_s": 0.0}, current_meter={"timeout_s": 0.3})

    def job():
        with BenchChip(silent, file) as chip:
            chip.set(np.full((2, 3), 2.0))
            crooked(box, **replies)
            chip.sweep(around[:40])

    with pytest.raises(BenchError, match=said) as caught:
        job()
    assert "\n" not in str(caught.value)
    assert "[after 1 setting, 0 readings and 0 sweeps]" in str(caught.value)
    assert not box.laser.lit
    assert not box._volts.sent.any()


def test_a_laser_that_takes_nothing_while_it_sweeps_is_left_dark_all_the_same(silent, bench, box, around, hurried):
    """The job ends in the middle of a sweep, on a line that owes an answer: the sweep is ended when the bench parks."""
    running = []
    shine = box._handlers["SOUR:POW:STAT"]

    def shone(rest):
        if running and rest == "0":
            raise Refusal(-284, "Function currently running")
        return shine(rest)

    def ran(rest):
        running[:] = ["sweep"] if rest == "1" else []

    box._handlers |= {"SOUR:POW:STAT": shone, "SOUR:WAV:SWE:STAT": ran}
    crooked(box, still=None)
    with pytest.raises(BenchError, match=r"no answer to 'SOUR:WAV:SWE:STAT\?' within 1 s"):
        # One line for all of the box, with the time of the first on it.
        swept(silent, bench(voltage_source={"timeout_s": 1.0}), around[:40])
    assert not running
    assert not box.laser.lit


def swept(silent, file, wavelength_nm):
    with BenchChip(silent, file) as chip:
        return chip.sweep(wavelength_nm)


def test_logged_wavelengths_further_off_than_the_stated_error_are_refused(silent, bench, box, around):
    hopped = around[:40] + np.where(np.arange(40) == 23, 0.03, 0.0)
    crooked(box, logged=block(hopped))
    with pytest.raises(BenchError, match=r"logged .* nm at point 23 of 40, asked for .* 30 pm off: want within"):
        swept(silent, bench(), around[:40])
    assert swept(silent, bench(laser={"wavelength_error_pm": 40.0}), around[:40]).wavelength_nm == pytest.approx(hopped)


def test_a_wavelength_that_reads_back_off_is_refused(silent, bench, box, lines_nm):
    crooked(box, reads="1549.0")
    with pytest.raises(BenchError, match=r"was set to \d+\.\d+ nm and reads back 1549.0000 nm, .* pm off: want within"):
        swept(silent, bench(), lines_nm[:1])
    assert not box.laser.lit


def test_missing_points_of_a_meter_are_refused(silent, bench, box, around):
    box._handlers["FETC:LOGG?"] = lambda rest: block(np.zeros(4 * 39))
    with pytest.raises(BenchError, match=r"current_meter.0 .*: channel 1 logged 39 of 40 points; check the trigger"):
        swept(silent, bench(), around[:40])


# ---------------------------------------------------------------- time


def test_dead_time_is_counted_by_instrument(bench):
    file = bench(laser={"command_s": 0.0, "sweep_s": 0.5, "fastest_nm_s": 20.0}, current_meter={"command_s": 0.0})
    # Ten sweeps of 2 nm in 401 points, with a thousand samples of a microsecond each.
    plan = MeasurementPlan(sweeps=10, points=4010, swept_nm=20.0, swept_samples=4_010_000)
    times_s = wall_times_s(file, plan)
    assert times_s["laser"] == pytest.approx(10 * 0.5 + 4.01)
    assert wall_times_s(file, replace(plan, swept_samples=4010))["laser"] == pytest.approx(
        10 * (0.5 + 1e-6) + 20.0 / 20.0
    )
    stepping = {"fastest_nm_s": 0.0, "settle_s": 0.3, "command_s": 0.0}
    stepping["commands"] = {"sweep": [], "sweep_start": "", "sweep_state": ""}
    slow = wall_times_s(bench(laser=stepping, current_meter={"command_s": 0.0}), plan)
    assert slow["laser"] == pytest.approx(4010 * 0.3)


@pytest.mark.parametrize(
    "cannot", [{"smallest_step_pm": 5.1}, {"slowest_nm_s": 5.1}, {"speeds_nm_s": [5.1, 20.0]}, {"fastest_nm_s": 5.0}]
)
def test_what_a_laser_cannot_sweep_over_is_estimated_as_the_steps_that_it_takes(bench, cannot):
    """Steps of 5 pm, at each of which the meters integrate for 1 ms: 5 nm/s, and no faster."""
    file = bench(laser={"command_s": 0.0, "settle_s": 0.3} | cannot, current_meter={"command_s": 0.0})
    plan = MeasurementPlan(sweeps=10, points=4010, swept_nm=20.0, swept_samples=4_010_000)
    swept_s, stepped_s = 10 * (file.laser[0].sweep_s + 1e-3) + 4.0, 4010 * 0.3
    assert wall_times_s(file, plan)["laser"] == pytest.approx(swept_s if "fastest_nm_s" in cannot else stepped_s)


def test_the_tally_of_a_bench_is_what_its_wall_time_is_made_of(silent, bench, around):
    with BenchChip(silent, bench()) as chip:
        chip.set(np.zeros((2, 3)))
        chip.sweep(around, averages=4)
        times_s = wall_times_s(chip.bench, chip.tally)
        assert set(times_s) == {"voltage_source", "laser", "current_meter"}
        assert all(time_s > 0.0 for time_s in times_s.values())
