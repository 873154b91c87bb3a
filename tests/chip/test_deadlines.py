"""A deadline is for the whole answer, a reading has a meaning, and no client holds the box."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.link import BenchError, Link
from prism_photonics.chip.serve import LONGEST_REPLY_BYTES
from prism_photonics.chip.session import Client
from prism_photonics.units import InputError

LIGHT = np.ones(3)


@pytest.fixture
def instrument():
    """Serve one connection with a function of its socket; gives the resource."""
    servers = []

    def make(talk):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def work():
            with server.accept()[0] as line:
                try:
                    talk(line)
                except OSError:
                    return

        threading.Thread(target=work, daemon=True).start()
        return f"TCPIP::127.0.0.1::{server.getsockname()[1]}::SOCKET"

    yield make
    for server in servers:
        server.close()


def drip(line):
    line.recv(100)
    for _ in range(100):
        line.sendall(b"1")
        time.sleep(0.1)


def test_an_instrument_that_drips_is_given_up_at_its_deadline(instrument):
    """A byte in every 0.1 s, for 10 s: the answer as a whole has 0.4 s."""
    link = Link(instrument(drip), timeout_s=0.4)
    with pytest.raises(BenchError, match=r"no answer to 'FETC\?' within 0.4 s"):
        link.query("FETC?")
    link.close()


def test_an_instrument_that_takes_nothing_is_given_up(instrument):
    ended = threading.Event()
    link = Link(instrument(lambda line: ended.wait(30)), timeout_s=0.3)
    with pytest.raises(BenchError, match=r"does not take 'VOLT 1 .*within 0.3 s"):
        link.write("VOLT 1 " + " " * (100 << 20))
    ended.set()
    link.close()


# ---------------------------------------------------------------- what a reading means


@pytest.mark.parametrize(("current_A", "limit"), [("1e30", None), ("-2e-2", None), ("2e-6", 1e-6)])
def test_a_reading_beyond_the_meters_range_is_refused(small, box, resource, bench_of, current_A, limit):
    meter = {} if limit is None else {"max_current_A": limit}
    box._list = lambda values, rest: ",".join([current_A] * 2)
    with (
        BenchChip(small, bench_of(resource, current_meter=meter)) as chip,
        pytest.raises(BenchError, match=r"row 0 \(channel 1\): reads .* A, beyond the meter's range of"),
    ):
        chip.measure(LIGHT)


def test_a_range_that_is_given_holds(small, box, resource, bench_of):
    box._list = lambda values, rest: ",".join(["0.5"] * 2)
    with BenchChip(small, bench_of(resource, current_meter={"max_current_A": 1.0})) as chip:
        assert chip.measure(LIGHT).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("seconds", ["-1.0", "NAN", "9.9E37", "4.0"])
def test_time_goes_forwards_or_the_clock_is_refused(small, box, resource, bench_of, seconds):
    clock = {"commands": {"clock": "DIAG:CLOC?"}}
    with BenchChip(small, bench_of(resource, voltage_source=clock)) as chip:
        box._handlers["DIAG:CLOC?"] = lambda rest: "5.0"
        chip.measure(LIGHT)
        assert chip.time_s == 5.0
        box._handlers["DIAG:CLOC?"] = lambda rest: seconds
        with pytest.raises(BenchError, match="time passes forwards: check"):
            chip.measure(LIGHT)


@pytest.mark.parametrize("seconds", [-1.0, np.nan, np.inf, 1e300, 1.1e8])
def test_no_wait_freezes_the_clock(box, die, seconds):
    with pytest.raises(InputError, match="time passes forwards"):
        die().wait(seconds)
    client = Client()
    box.answer(f"DIAG:WAIT {seconds!r}", client)
    assert box.answer("SYST:ERR?", client)[0].startswith("-222")


# ---------------------------------------------------------------- the served box


def line_to(resource):
    return socket.create_connection(("127.0.0.1", int(resource.split("::")[2])), timeout=20)


def test_a_line_of_very_many_questions_does_not_keep_the_others_waiting(resource):
    with line_to(resource) as greedy, line_to(resource) as other:
        greedy.sendall(b"SOUR:VOLT?;" * 60_000 + b"\nSYST:ERR?\n")
        other.sendall(b"*OPC?\n")
        assert other.makefile().readline() == "1\n"
        assert greedy.makefile().readline() == '-430,"Query DEADLOCKED; the reply is too long"\n'


def test_a_reply_is_never_longer_than_a_client_would_read(resource):
    with line_to(resource) as line:
        line.sendall(b"*OPC?;" * 1000 + b"\n")
        reply = line.makefile().readline()
    assert reply == ";".join(["1"] * 1000) + "\n"
    assert len(reply) < LONGEST_REPLY_BYTES


SERVER = """
import sys
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.serve import serve
from prism_photonics.chip.served import ServedChip
from prism_photonics.spec import ChipSpec
class Silent(AbstractChip):
    def _clock_s(self): return 0.0
    def _wait(self, seconds): pass
    def _drive(self, volts): pass
    def _read(self, light, averages): return light[:2]
box = ServedChip(Silent(ChipSpec.model_validate_json(sys.argv[1])), idn="x" * 10000)
serve([box], 0, ready=lambda ports: print(ports[0], flush=True))
"""


def test_a_client_that_asks_and_never_reads_does_not_block_the_end(small):
    program = subprocess.Popen(
        [sys.executable, "-c", SERVER, small.model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    with socket.create_connection(("127.0.0.1", int(program.stdout.readline())), timeout=20) as line:
        line.setblocking(False)
        sent = 0
        # Until nothing more goes in: the box's replies are stuck, and it reads no more.
        for _ in range(50):
            try:
                sent += line.send(b"*IDN?\n" * 10_000)
            except BlockingIOError:
                time.sleep(0.02)
        assert sent > 0
        os.kill(program.pid, signal.SIGTERM)
        assert program.wait(timeout=30) == 0
    program.stdout.close()


# ---------------------------------------------------------------- the bench file


@pytest.mark.parametrize(
    ("role", "block"),
    [
        ("current_meter", {"rows": [0, 100_000_000], "first_channel": 1}),
        ("light_source", {"lines": [0, 10**18], "first_channel": 1}),
        ("voltage_source", {"rows": [0, 99_999], "rings": [0, 99_999], "first_channel": 1}),
        ("voltage_source", {"rows": 0, "rings": [0, 2], "first_channel": 10**12}),
    ],
)
def test_a_block_of_more_channels_than_any_chip_has_is_refused_at_once(bench_of, role, block):
    with pytest.raises(ValueError, match=r"a block has at most|less than or equal to 1000000"):
        bench_of("x", **{role: {"channels": [block]}})


def test_blocks_that_each_could_be_a_chip_are_refused_together_before_they_are_counted_out(bench_of):
    """Three hundred blocks of a million lines would take minutes one by one."""
    blocks = [{"lines": [at << 20, ((at + 1) << 20) - 1], "first_channel": 1} for at in range(300)]
    with pytest.raises(ValueError, match="its blocks hold 314572800 channels, more than the 1048576 of any chip"):
        bench_of("x", light_source={"channels": blocks})


@pytest.mark.parametrize(("ramp_V_s", "taken"), [(0.0, True), (0.1, True), (0.02, False), (1e-9, False)])
def test_a_ramp_that_would_park_for_hours_is_refused(bench_of, ramp_V_s, taken):
    """Parking is not interrupted by a second Ctrl-C: from -10 to 10 V it may take ten minutes."""
    source = {"ramp_V_s": ramp_V_s}
    if taken:
        assert bench_of("x", voltage_source=source).voltage_source[0].ramp_V_s == ramp_V_s
        return
    with pytest.raises(ValueError, match=r"parking with it cannot be interrupted; want 0 or at least 0\.0333"):
        bench_of("x", voltage_source=source)


def test_an_error_queue_that_never_empties_has_the_time_of_one_answer(small, box, resource, bench_of):
    """Sixty-four answers of 0.1 s would hold the rings for seconds."""
    slow = {"timeout_s": 0.5}
    with BenchChip(small, bench_of(resource, voltage_source=slow, light_source=slow, current_meter=slow)) as chip:
        asked, real = [], box._obey

        def obey(command, client):
            if command != "SYST:ERR?":
                return real(command, client)
            asked.append(command)
            box._ready_s = time.monotonic() + 0.1
            return '-350,"Queue overflow"'

        box._obey = obey
        with pytest.raises(BenchError, match=r"refused .*-350"):
            chip.set(np.ones((2, 3)))
        box._obey = real
    assert 1 <= len(asked) < 20
