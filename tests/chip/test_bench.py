"""A chip over a real wire is the chip in process; no voltage beyond the limit leaves; the rings end up parked."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prism_photonics.calibration.survey import take_survey
from prism_photonics.chip import registry
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.drivers import AbstractDriver, Links
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.scpi import ScpiDriver
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.units import InputError

KEY = jax.random.key(1)
RAMP = np.linspace(-9.0, 9.0, 6).reshape(2, 3)


def asked(resource, question):
    """What the box answers on a line of its own."""
    port = int(resource.split("::")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(question.encode() + b"\n")
        return line.makefile().readline().strip()


def volts_of(resource):
    return np.array([float(word) for word in asked(resource, "SOUR:VOLT?").split(",")])


# ---------------------------------------------------------------- the same chip


def test_a_survey_over_the_wire_is_the_survey_in_process(small, die, box, resource, bench_of):
    """To the last bit, and at the same moments of the box's own clock."""
    with BenchChip(small, bench_of(resource, voltage_source={"commands": {"clock": "DIAG:CLOC?"}})) as chip:
        wired = take_survey(chip, small, key=KEY, settings=8)
    inside = take_survey(die(), small, key=KEY, settings=8)
    assert wired.identical(inside)
    assert box.over_voltage_attempts == 0
    assert box.triggers == wired.attrs["triggers"] == 8 * (3 + 1)


def test_every_setting_light_and_average_gives_the_same_reading(small, die, resource, bench_of):
    rng = np.random.default_rng(0)
    inside = die()
    with BenchChip(small, bench_of(resource)) as chip:
        for _ in range(20):
            volts, light, averages = rng.uniform(-10, 10, (2, 3)), rng.uniform(0, 1, 3), int(rng.integers(1, 2000))
            inside.set(volts)
            chip.set(volts)
            assert np.array_equal(chip.measure(light, averages=averages), inside.measure(light, averages=averages))
        assert (chip.tally.settings, chip.tally.lights, chip.tally.triggers) == (20, 21, 20)


def test_several_instruments_with_mixed_up_channels_hold_one_chip(small, die, box, bench_of):
    """Each row on a source of its own, lines and rows in an order of their own."""
    inside = die()
    with serving(box) as resource:
        file = bench_of(resource).model_dump()
        source, light, meter = file["voltage_source"][0], file["light_source"][0], file["current_meter"][0]
        file["voltage_source"] = [
            source | {"channels": [{"rows": 1, "rings": [0, 2], "first_channel": 4}]},
            source
            | {
                "channels_per_command": 1,
                "channels": [
                    {"rows": 0, "rings": [1, 2], "first_channel": 2},
                    {"rows": 0, "rings": 0, "first_channel": 1},
                ],
            },
        ]
        file["light_source"] = [
            light | {"channels": [{"lines": 2, "first_channel": 3}, {"lines": [0, 1], "first_channel": 1}]}
        ]
        single = meter["commands"] | {"read": "FETC? (@{channel})"}
        file["current_meter"] = [
            meter | {"commands": single, "channels": [{"rows": 1, "first_channel": 2}, {"rows": 0, "first_channel": 1}]}
        ]
        with BenchChip(small, type(bench_of(resource)).model_validate(file)) as chip:
            inside.set(RAMP)
            chip.set(RAMP)
            assert volts_of(resource).reshape(2, 3) == pytest.approx(RAMP, abs=1e-9)
            light = np.array([1.0, 0.5, 0.1])
            assert np.array_equal(chip.measure(light, averages=9), inside.measure(light, averages=9))


def test_a_source_that_settles_slowly_is_waited_for(small, die, bench_of):
    """Read too early, the box gives the currents of voltages on their way; after its settling time, the right ones."""
    inside, light = die(), np.ones(3)
    inside.set(RAMP)
    wanted = inside.measure(light, averages=10**4)
    errors = {}
    for settle_s in (0.0, 0.25):
        with (
            serving(ServedChip(die(), idn="box", time_scale=200.0)) as resource,
            BenchChip(small, bench_of(resource, voltage_source={"settle_s": settle_s})) as chip,
        ):
            time.sleep(0.25)
            chip.set(RAMP)
            errors[settle_s] = np.abs(chip.measure(light, averages=100) - wanted).max()
    noise_A = 1e-7
    assert errors[0.25] < noise_A < 10 * noise_A < errors[0.0]


def test_simulated_time_is_moved_and_real_time_is_slept(small, box, resource, bench_of):
    with BenchChip(small, bench_of(resource)) as chip:
        start = time.monotonic()
        chip.wait(0.05)
        assert time.monotonic() - start >= 0.05
    waited = []
    box._chip.wait = waited.append
    commands = {"commands": {"wait": "DIAG:WAIT {seconds}"}}
    with BenchChip(small, bench_of(resource, voltage_source=commands)) as chip:
        start = time.monotonic()
        chip.wait(3600.0)
        assert time.monotonic() - start < 60
    assert waited == [3600.0]


def test_without_a_clock_in_the_box_the_program_tells_when_was_read(small, resource, bench_of):
    with BenchChip(small, bench_of(resource)) as chip:
        chip.measure(np.zeros(3))
        first, before = chip.time_s, time.monotonic()
        chip.wait(0.05)
        chip.measure(np.zeros(3))
        assert 0.05 <= chip.time_s - first <= time.monotonic() - before + 0.05
        assert chip.time_s <= time.monotonic()


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("wrong", [10.001, -1e9, np.nan, np.inf])
def test_a_voltage_beyond_the_limit_is_refused_at_the_door(small, box, resource, bench_of, wrong):
    with BenchChip(small, bench_of(resource)) as chip:
        volts = np.zeros((2, 3))
        volts[1, 2] = wrong
        with pytest.raises(InputError, match="ring 2 of row 1"):
            chip.set(volts)
        assert not volts_of(resource).any()


@pytest.mark.parametrize("listed", [True, False])
@given(
    volts=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=6, max_size=6),
    digits=st.integers(min_value=1, max_value=17),
    limit_V=st.floats(min_value=0.01, max_value=10.0),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_driver_sends_a_voltage_beyond_the_limit_whoever_asks(
    box, resource, bench_of, listed, volts, digits, limit_V
):
    """Past the chip's own door, straight at the driver, with formats that round."""
    template = (
        f"SOUR:VOLT {{values:.{digits}g}},(@{{channels}})"
        if listed
        else f"SOUR:VOLT {{value:.{digits}g}},(@{{channel}})"
    )
    entry = bench_of(resource, voltage_source={"commands": {"set": template}}).voltage_source[0]
    links = Links()
    driver = ScpiDriver("voltage_source.0", entry, limit_V=min(limit_V, 10.0), links=links)
    box_limit, box._chip._max_voltage_V = box._chip._max_voltage_V, limit_V
    try:
        before = volts_of(resource)
        try:
            driver.write_volts(range(1, 7), np.array(volts))
        except InputError:
            assert np.array_equal(volts_of(resource), before)
        else:
            assert np.abs(volts).max() <= limit_V
        box._apply(np.zeros((2, 3)))
        assert box.over_voltage_attempts == 0
    finally:
        box._chip._max_voltage_V = box_limit
        links.close()


def test_the_smaller_of_the_instruments_and_the_specs_limit_holds(small, resource, bench_of):
    with BenchChip(small, bench_of(resource, voltage_source={"max_voltage_V": 4.0})) as chip:
        assert chip.max_voltage_V == 4.0
        with pytest.raises(InputError, match=r"±4 V"):
            chip.set(np.full((2, 3), 4.1))
        with pytest.raises(InputError, match=r"channel 1: 4.1 V is not within the ±4 V"):
            chip._sources[0].driver.write_volts([1], np.array([4.1]))
        chip.set(np.full((2, 3), 4.0))
    with BenchChip(small, bench_of(resource, voltage_source={"max_voltage_V": 40.0})) as chip:
        assert chip.max_voltage_V == small.drive.max_voltage_V == 10.0


def test_parking_obeys_the_limit_too(small, resource, bench_of):
    parked_high = bench_of(resource, safe_voltage_V=5.0)
    with pytest.raises(InputError, match="safe_voltage_V = 5"):
        BenchChip(
            small.model_copy(update={"drive": small.drive.model_copy(update={"max_voltage_V": 4.0})}), parked_high
        )


@pytest.mark.parametrize(
    ("role", "commands"),
    [
        ("voltage_source", {"start": ["SOUR:VOLT 100,(@1)"]}),
        ("voltage_source", {"stop": ["VOLT:ALL -1e3"]}),
        ("voltage_source", {"set": "SOUR:VOLT 20,(@1);:SOUR:VOLT {values},(@{channels})"}),
        ("voltage_source", {"query": "SOUR:VOLT 20,(@1);:SOUR:VOLT? (@{channels})"}),
        ("current_meter", {"trigger": "SOUR:VOLT 20,(@1);INIT"}),
        ("light_source", {"start": ["SOUR:VOLT 20.5,(@1)"]}),
    ],
)
def test_no_fixed_command_holds_a_voltage_beyond_the_limit(small, resource, bench_of, role, commands):
    with pytest.raises(InputError, match="could be a voltage above"):
        BenchChip(small, bench_of(resource, **{role: {"commands": commands}}))


def test_a_refusal_of_the_instrument_is_told_in_its_own_words(small, resource, bench_of):
    misspelled = bench_of(resource, light_source={"commands": {"set": "SOUR:LAMP {values},(@{channels})"}})
    with pytest.raises(BenchError, match=r"light_source.0 .*refused 'SOUR:LAMP 0.0,0.0,0.0,\(@1,2,3\)': '-113"):
        BenchChip(small, misspelled).__enter__()


def test_a_chip_of_another_spec_is_noticed_by_its_name(small, die, bench_of):
    for said, right in (("0" * 12, False), (small.hash[:12], True)):
        with serving(ServedChip(die(), idn=f"prism_photonics,small,virtual:0 spec:{said},1")) as resource:
            chip = BenchChip(small, bench_of(resource))
            if right:
                with chip:
                    assert chip.names
            else:
                with pytest.raises(BenchError, match=r"spec 000000000000, this one is .*is this the right spec\?"):
                    chip.open()


# ---------------------------------------------------------------- parking


class Oops(Exception):
    pass


@pytest.mark.parametrize("end", [Oops, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("safe_V", [0.0, 1.5])
def test_whatever_ends_a_job_the_rings_are_parked(small, resource, bench_of, end, safe_V):
    def job():
        with BenchChip(small, bench_of(resource, safe_voltage_V=safe_V)) as chip:
            chip.set(RAMP)
            assert np.abs(volts_of(resource)).max() == 9.0
            raise end

    with pytest.raises(end):
        job()
    assert (volts_of(resource) == safe_V).all()


def test_the_next_bench_parks_what_a_kill_left_driven(small, resource, bench_of):
    asked(resource, "SOUR:VOLT 7,8,9,(@1,2,3);*OPC?")
    with BenchChip(small, bench_of(resource)):
        assert not volts_of(resource).any()


def test_a_ramp_is_kept_to_and_ends_where_it_should(small, resource, bench_of):
    with BenchChip(small, bench_of(resource, voltage_source={"ramp_V_s": 40.0})) as chip:
        start = time.monotonic()
        chip.set(RAMP)
        elapsed_s = time.monotonic() - start
        assert volts_of(resource) == pytest.approx(RAMP.ravel(), abs=1e-11)
    # 9 V at 40 V/s; the first step is free.
    assert elapsed_s >= 9.0 / 40.0 - 0.05 - 0.01
    assert not volts_of(resource).any()


def test_after_a_kill_the_ramp_begins_where_the_rings_are(small, box, resource, bench_of):
    asked(resource, "SOUR:VOLT 8,-8,(@1,6);*OPC?")
    steps = []
    real = box._apply
    box._apply = lambda volts: (steps.append(volts[0, 0]), real(volts))[1]
    with BenchChip(small, bench_of(resource, voltage_source={"ramp_V_s": 80.0})):
        assert steps == pytest.approx([4.0, 0.0])


@pytest.mark.parametrize("reported", ["SOUR:VOLT:LIM?", "SOUR:VOLT? (@{channels}),(@1)"])
def test_where_the_rings_are_cannot_be_told_they_are_parked_at_once(small, box, resource, bench_of, reported):
    asked(resource, "SOUR:VOLT 8,(@1);*OPC?")
    unknown = {"ramp_V_s": 1.0, "timeout_s": 0.2, "commands": {"query": reported}}
    start = time.monotonic()
    with BenchChip(small, bench_of(resource, voltage_source=unknown)):
        assert not volts_of(resource).any()
    assert time.monotonic() - start < 8.0


def test_a_bench_can_be_opened_again(small, die, resource, bench_of):
    inside, chip = die(), BenchChip(small, bench_of(resource))
    for _ in range(2):
        with chip:
            chip.set(RAMP)
            inside.set(RAMP)
            assert np.array_equal(chip.measure(np.ones(3), averages=3), inside.measure(np.ones(3), averages=3))
        assert not volts_of(resource).any()
        asked(resource, "SOUR:TRAN 1,1,1,(@1:3);*OPC?")


def test_a_channel_that_sticks_is_named(small, box, resource, bench_of):
    real = box._apply

    def sticking(volts):
        volts = volts.copy()
        volts[1, 0] = 3.0
        real(volts)

    box._apply = sticking
    verified = bench_of(resource, voltage_source={"verify_V": 0.01})
    with (
        pytest.raises(BenchError, match=r"ring 0 of row 1 \(channel 4\) was set to 1 V and reads 3 V .*stuck"),
        BenchChip(small, verified) as chip,
    ):
        chip.set(np.ones((2, 3)))


SCRIPT = """
import json, os, sys, time
from prism_photonics.chip import registry
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.spec import ChipSpec
import numpy as np

spec = ChipSpec.model_validate_json(sys.argv[1])
chip = BenchChip(spec, BenchFile.model_validate_json(sys.argv[2]))
def drive(chip):
    chip.set(np.full((2, 3), 5.0))
    print("driven", flush=True)
    while True:
        chip.measure(np.ones(3), averages=3)
"""


@pytest.mark.parametrize(
    ("ending", "code", "how"),
    [
        ("with chip:\n    drive(chip)", 128 + signal.SIGTERM, signal.SIGTERM),
        ("with chip:\n    drive(chip)", None, signal.SIGINT),
        ("chip.open()\ndrive(chip)", None, signal.SIGINT),
        ("chip.open()\ndrive(chip)", 128 + signal.SIGTERM, signal.SIGTERM),
        ("chip.open()\ndrive(chip)", 128 + signal.SIGHUP, signal.SIGHUP),
    ],
)
def test_a_signal_parks_the_rings(small, resource, bench_of, ending, code, how):
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(SCRIPT) + ending,
            small.model_dump_json(),
            bench_of(resource).model_dump_json(),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "driven\n"
    assert (volts_of(resource) == 5.0).all()
    time.sleep(0.05)
    os.kill(program.pid, how)
    program.communicate(timeout=30)
    assert not volts_of(resource).any()
    assert not any(float(word) for word in asked(resource, "SOUR:TRAN?").split(",")), "a line is left at full light"
    assert program.returncode == code or (code is None and program.returncode != 0)


def test_parking_is_not_interrupted_by_a_second_ctrl_c(small, resource, bench_of):
    ramped = bench_of(resource, voltage_source={"ramp_V_s": 40.0})
    chip = BenchChip(small, ramped)
    real = chip._park_best_effort

    def impatient():
        signal.raise_signal(signal.SIGINT)
        return real()

    chip._park_best_effort = impatient
    with pytest.raises(KeyboardInterrupt), chip:
        chip.set(np.full((2, 3), 2.0))
    assert not volts_of(resource).any()


# ---------------------------------------------------------------- the wrong bench


def test_another_instrument_at_the_address_is_refused(small, resource, bench_of):
    with pytest.raises(BenchError, match=r"current_meter.0 .*says it is 'prism_photonics,small.*wants 'Meter 3000'"):
        BenchChip(small, bench_of(resource, current_meter={"idn": "Meter 3000"})).__enter__()


def test_nobody_at_the_address_is_one_clear_line(small, bench_of):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"TCPIP::127.0.0.1::{free.getsockname()[1]}::SOCKET"
    lines = []
    with pytest.raises(BenchError, match=r"voltage_source.0: TCPIP.*cannot be reached"):
        BenchChip(small, bench_of(nobody), report=lines.append).__enter__()
    assert lines == []


def test_a_bench_that_is_not_open_refuses(small, bench_of):
    with pytest.raises(InputError, match="not open"):
        BenchChip(small, bench_of("TCPIP::127.0.0.1::1::SOCKET")).measure(np.zeros(3))


def test_a_driver_that_is_not_installed_is_refused_by_name(small, bench_of):
    with pytest.raises(InputError, match=r"driver = 'scpy': not installed; did you mean 'scpi'"):
        BenchChip(small, bench_of("x", voltage_source={"driver": "scpy"}))


class Shouting(AbstractDriver):
    """A laboratory's own driver, whose instrument speaks in capitals."""

    def open(self):
        self.said = []

    def idn(self):
        return "SHOUTING"

    def close(self):
        self.said.append("BYE")

    def _write_volts(self, channels, volts):
        self.said.append(("VOLTS", list(channels), volts.tolist()))


def test_a_driver_of_ones_own_drives_within_the_limit(small, resource, bench_of, monkeypatch):
    from importlib.metadata import EntryPoint

    found = EntryPoint(name="shouting", group=registry.GROUP, value=f"{__name__}:Shouting")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Shouting)
    monkeypatch.setattr(registry, "entry_points", lambda group: [found] if group == registry.GROUP else [])
    with BenchChip(small, bench_of(resource, voltage_source={"driver": "shouting", "resource": "loud"})) as chip:
        chip.set(RAMP)
        driver = chip._sources[0].driver
        with pytest.raises(InputError, match="not within"):
            driver.write_volts([1], np.array([11.0]))
        with pytest.raises(InputError, match="cannot read currents"):
            driver.read([1])
        assert chip.measure(np.ones(3)).shape == (2,)
    assert driver.said[1] == ("VOLTS", [1, 2, 3, 4, 5, 6], RAMP.ravel().tolist())
    assert driver.said[-2:] == [("VOLTS", [1, 2, 3, 4, 5, 6], [0.0] * 6), "BYE"]
