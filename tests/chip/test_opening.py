"""How a bench is opened and left: the right instrument first, then safe levels, then outputs; and nobody forgets it."""

import gc
import os
import signal
import time

import numpy as np
import pytest

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.serve import serving
from prism_photonics.chip.signals import hold_signals, release_signals
from prism_photonics.units import InputError

LIGHT = np.ones(3)
VOLTS = np.linspace(-9.0, 9.0, 6).reshape(2, 3)


@pytest.fixture
def heard(box):
    """What the box is told, line by line; it knows the commands that switch outputs on, too."""
    lines, real = [], box.replies

    def replies(line, client):
        lines.append(line)
        return real(line, client)

    box.replies = replies
    for header in ("OUTP", "SYST:REM", "CHAN:STAT"):
        box._handlers[header] = lambda rest: None
    return lines


# ---------------------------------------------------------------- before anything is driven


def test_an_instrument_is_told_nothing_before_it_has_said_who_it_is(small, resource, bench_of, heard):
    """A wrong address may be that of a source with 100 V in its memory."""
    told = {"commands": {"start": ["SYST:REM", "OUTP ON"]}}
    bench = bench_of(resource, voltage_source=told, current_meter={"idn": "Meter 3000"})
    with pytest.raises(BenchError, match="the bench file wants 'Meter 3000'"):
        BenchChip(small, bench).open()
    assert heard.count("*IDN?") == 3
    told = heard[: len(heard) - heard[::-1].index("*IDN?")]
    assert all(line.endswith("?") for line in told), "before the last of them was known, there were questions alone"
    assert "OUTP ON" not in heard


@pytest.mark.parametrize("switch", ["OUTP ON", "OUTP:STAT 1", "OUTP 1,(@1:6)"])
@pytest.mark.parametrize("role", ["voltage_source", "current_meter"])
def test_an_output_is_switched_on_only_after_it_was_told_a_safe_voltage(
    small, box, resource, bench_of, heard, role, switch
):
    box._handlers["OUTP:STAT"] = box._handlers["OUTP"]
    box._apply(np.full((2, 3), 8.0))
    with BenchChip(small, bench_of(resource, **{role: {"commands": {"start": ["SYST:REM", switch]}}})):
        pass
    parked = next(at for at, line in enumerate(heard) if line.startswith("SOUR:VOLT 0"))
    assert heard.index("SYST:REM") < parked < heard.index(switch)


def test_the_same_box_at_another_address_is_known_by_its_name(small, box, resource, bench_of):
    with serving(box) as alias:
        told = {"resource": alias, "commands": {"start": ["VOLT 100"]}}
        with pytest.raises(InputError, match=r"light_source.0.commands.start: 'VOLT 100': .*above the ±10 V limit"):
            BenchChip(small, bench_of(resource, light_source=told)).open()
        with BenchChip(small, bench_of(resource, light_source={"resource": alias})) as chip:
            assert chip.names[0] == chip.names[1]


# ---------------------------------------------------------------- readings that were not taken


def test_a_trigger_that_is_refused_is_told_before_the_reading_before_is_fetched(small, box, resource, bench_of):
    with BenchChip(small, bench_of(resource)) as chip:
        chip.set(VOLTS)
        chip.measure(LIGHT)
        # The box ignores the trigger and says so; its reading of before can still be fetched.
        del box._handlers["INIT"]
        with pytest.raises(
            BenchError, match=r"current_meter.0 .*refused 'INIT': '-113,.*after 1 setting and 1 reading"
        ):
            chip.measure(LIGHT)
    assert not box._volts.sent.any()


def test_after_an_answer_that_is_owed_nothing_is_asked_on_the_same_line(small, box, resource, bench_of):
    """The late answer would be taken for that of the next question."""
    real = box.delay_s
    quick = {"timeout_s": 0.2}
    reports = []
    bench = bench_of(resource, current_meter=quick, voltage_source=quick, light_source=quick)
    with BenchChip(small, bench, report=reports.append) as chip:
        first = chip.measure(LIGHT)
        box._handlers["FETC?"], fetch = lambda rest: "7e-6,7e-6", box._handlers["FETC?"]
        box.delay_s = lambda: 0.4 if box.triggers == 2 else 0.0
        with pytest.raises(BenchError, match=r"no answer to .* within 0\.2 s"):
            chip.measure(LIGHT)
        box.delay_s, box._handlers["FETC?"] = real, fetch
        for again in (lambda: chip.measure(LIGHT), lambda: chip.set(VOLTS)):
            with pytest.raises(BenchError, match=r"the answer to an older question may still come .* open it anew"):
                again()
        time.sleep(0.4)
        with pytest.raises(BenchError, match=r"without being asked|older question"):
            chip.measure(LIGHT)
    assert reports == []
    assert not box._volts.sent.any()
    with BenchChip(small, bench) as chip:
        assert chip.measure(LIGHT) == pytest.approx(first, abs=1e-6)


# ---------------------------------------------------------------- a bench that nobody closes


def test_a_bench_that_is_forgotten_is_parked_dark_and_free_for_the_next(small, box, resource, bench_of):
    chip = BenchChip(small, bench_of(resource))
    chip.open()
    chip.set(VOLTS)
    chip.measure(LIGHT)
    assert box._volts.sent.any()
    del chip
    gc.collect()
    assert not box._volts.sent.any()
    assert not box._light.any()
    with BenchChip(small, bench_of(resource)) as chip:
        assert chip.names


def test_signals_are_as_before_when_the_last_bench_is_closed_in_whatever_order(small, die, bench_of, tmp_path):
    from prism_photonics.chip.served import ServedChip

    before = signal.getsignal(signal.SIGTERM)
    with serving(ServedChip(die(), idn="one")) as one, serving(ServedChip(die(), idn="other")) as other:
        chips = [BenchChip(small, bench_of(resource)) for resource in (one, other)]
        for chip in chips:
            chip.open()
            assert signal.getsignal(signal.SIGTERM) is not before
        chips[0].close()
        assert signal.getsignal(signal.SIGTERM) is not before, "the other one is still driven"
        chips[1].close()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_is_held_ends_the_program_in_order():
    hold_signals()
    try:
        with pytest.raises(SystemExit) as caught:
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        release_signals()
    assert caught.value.code == 128 + signal.SIGTERM


def test_a_bench_that_was_refused_has_nothing_to_close(small, bench_of):
    with pytest.raises(InputError, match="not installed"):
        BenchChip(small, bench_of("x", voltage_source={"driver": "scpy"}))
    assert gc.collect() >= 0
