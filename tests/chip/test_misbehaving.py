"""Instruments that answer late, in pieces, with nonsense, or not at all: one clear line, and nothing worse."""

import re
import socket
import threading
import time

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.faults import find_faults
from prism_photonics.calibration.survey import take_survey
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.reply import parse_numbers
from prism_photonics.chip.session import Client
from prism_photonics.drift.tracker import Tracker

LIGHT = np.ones(3)


class Crooked:
    """A box on a socket whose answers pass through ``spoil(question, answer) -> pieces to send``.

    A piece is bytes to send, a number of seconds to sleep, or None to hang up.
    """

    def __init__(self, box):
        self.box, self.spoil = box, lambda question, answer: [answer]
        self.heard = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP::127.0.0.1::{self._server.getsockname()[1]}::SOCKET"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line):
        client = Client()
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with line, line.makefile("rb") as lines:
            try:
                for raw in lines:
                    question = raw.decode().strip()
                    self.heard.append(question)
                    answer, _ = self.box.answer(question, client)
                    if answer is None:
                        continue
                    for piece in self.spoil(question, answer.encode() + b"\n"):
                        if piece is None:
                            line.shutdown(socket.SHUT_RDWR)
                            return
                        if isinstance(piece, bytes):
                            line.sendall(piece)
                        else:
                            time.sleep(piece)
            except OSError:
                return

    def die(self):
        """Power cut: every line is cut, and nobody answers at the address."""
        self.spoil = lambda question, answer: [None]
        # Wakes the thread that waits for the next line.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def close(self):
        self._server.close()


@pytest.fixture
def crooked(box):
    server = Crooked(box)
    yield server
    server.close()
    assert box.over_voltage_attempts == 0


@pytest.fixture
def bench(small, bench_of, crooked):
    """A bench on the crooked box that is quick to lose patience."""
    quick = {"timeout_s": 0.4}
    reports = []
    chip = BenchChip(
        small,
        bench_of(crooked.resource, voltage_source=quick, light_source=quick, current_meter=quick),
        report=reports.append,
    )
    chip.reports = reports
    with chip:
        yield chip


def only(what, pieces):
    """Spoil the answers to one question."""
    return lambda question, answer: pieces(answer) if question.startswith(what) else [answer]


def parked(crooked):
    return not crooked.box._volts.sent.any()


@pytest.mark.parametrize(
    "pieces",
    [
        lambda a: [bytes([b]) for b in a],
        lambda a: [a[:7], 0.1, a[7:]],
        lambda a: [b" " + a[:-1] + b" \r\n"],
        lambda a: [a.lower()],
        lambda a: [0.3, a],
        lambda a: [a.replace(b",", b" , ")],
    ],
    ids=["byte by byte", "in halves", "CRLF and blanks", "lower case", "nearly late", "blanks"],
)
def test_an_honest_answer_is_read_however_it_comes(die, crooked, bench, pieces):
    inside = die()
    inside.set(np.zeros((2, 3)))  # as a bench does that is opened
    crooked.spoil = only("FETC", pieces)
    assert np.array_equal(bench.measure(LIGHT, averages=5), inside.measure(LIGHT, averages=5))


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (lambda a: [b"9.91E37,1e-6\n"], r"current_meter.0 .*row 0 \(channel 1\): the reading is not a number"),
        (lambda a: [b"1e-6,NAN\n"], r"row 1 \(channel 2\): the reading is not a number"),
        (lambda a: [b"1e-6,-9.9E37\n"], r"row 1 \(channel 2\): overload: a saturated detector"),
        (lambda a: [b"1e-6,INF\n"], "overload"),
        (lambda a: [b"1e-6\n"], r"got 1 numbers, want 2"),
        (lambda a: [b"\n"], r"got 0 numbers, want 2"),
        (lambda a: [b"1e-6,2e-6,3e-6\n"], r"got 3 numbers, want 2"),
        (lambda a: [b"1e-6,oops\n"], r"'oops' is not a number"),
        (lambda a: [b"1_0,0x1\n"], r"'1_0' is not a number"),
        (lambda a: [b"\xff\xfe\n"], r"no readable answer to 'FETC\? \(@1,2\)'"),
        (lambda a: [1.0, a], r"current_meter.0: TCPIP.*no answer to 'FETC\? \(@1,2\)' within 0.4 s.*raise timeout_s"),
        (lambda a: [a[:9]], r"no answer to 'FETC\? \(@1,2\)' within 0.4 s"),
        (lambda a: [], r"no answer to 'FETC\? \(@1,2\)' within 0.4 s"),
        (lambda a: [None], r"connection lost at 'FETC\? \(@1,2\)' \(closed by the instrument\)"),
        (lambda a: [a[:9], None], r"connection lost at 'FETC\? \(@1,2\)'"),
    ],
)  # fmt: skip
def test_a_bad_answer_names_instrument_command_and_what_was_done_and_the_rings_are_parked(
    small, crooked, bench, pieces, message
):
    bench.set(np.full((2, 3), 3.0))
    bench.measure(LIGHT)
    crooked.spoil = only("FETC", pieces)
    with pytest.raises(BenchError, match=message) as caught:
        bench.measure(LIGHT)
    assert str(caught.value).endswith("[after 1 setting and 1 reading]")
    assert "\n" not in str(caught.value)
    assert not parked(crooked)
    bench.close()
    assert parked(crooked)
    assert bench.reports == []


def test_an_answer_without_an_end_is_given_up(crooked, bench):
    crooked.spoil = only("FETC", lambda a: [b"1," * (1 << 16)] * 20)
    with pytest.raises(BenchError, match=r"the answer to 'FETC\? \(@1,2\)' never ends"):
        bench.measure(LIGHT)
    bench.close()
    assert parked(crooked)
    assert bench.reports == []


def test_an_answer_that_nobody_asked_for_is_noticed_before_it_is_believed(crooked, bench):
    crooked.spoil = only("FETC", lambda a: [a + b"5,5\n"])
    with pytest.raises(BenchError, match=r"sent .*5,5.* without being asked"):
        bench.measure(LIGHT)
    crooked.spoil = lambda question, answer: [answer]


def test_a_late_reply_is_never_taken_for_the_next_one(crooked, bench):
    crooked.spoil = only("FETC", lambda a: [0.8, b"7,7\n"])
    with pytest.raises(BenchError, match=r"within 0\.4 s"):
        bench.measure(LIGHT)
    crooked.spoil = lambda question, answer: [answer]
    time.sleep(0.6)
    bench._wired_meters[0].driver.recover()
    assert (np.abs(bench.measure(LIGHT)) < 1e-3).all()


def test_an_error_after_a_setting_is_told_with_its_text(crooked, bench):
    queue = [b'-311,"Memory error; bank 7"\n', b'-100,"Command error"\n']
    crooked.spoil = only("SYST:ERR?", lambda a: [queue.pop(0) if queue else a])
    with pytest.raises(BenchError, match=r"voltage_source.0 .*refused 'SOUR:VOLT 1,1,.*-311,\"Memory error; bank 7\""):
        bench.set(np.ones((2, 3)))
    assert queue == []


def spoiling_row_1(word_of):
    def spoil(answer):
        first, second = answer.decode().strip().split(",")
        return [f"{first},{word_of(second)}\n".encode()]

    return only("FETC", spoil)


def test_an_overloaded_meter_stops_a_survey_by_its_row(small, bench, crooked, tmp_path):
    bench.measure(LIGHT)
    crooked.spoil = spoiling_row_1(lambda word: "9.9E37")
    path = tmp_path / "journal.jsonl"
    with (
        JournaledChip(bench, small, path, identity={}) as chip,
        pytest.raises(BenchError, match=r"row 1 \(channel 2\): overload: a saturated detector") as caught,
    ):
        take_survey(chip, small, key=jax.random.key(0), settings=4)
    assert "\n" not in str(caught.value)
    # One that is no number is refused, not kept.
    assert path.read_bytes().count(b'"A"') == 0


@pytest.mark.parametrize(
    ("word", "message"),
    [("0.0", "the detector of row 1 is dead"), ("1.5e-4", "the detector of row 1 is saturated: .*full scale")],
    ids=["dead", "saturated"],
)
def test_a_broken_detector_on_the_wire_is_named_and_all_that_was_read_is_on_file(
    small, bench, crooked, tmp_path, word, message
):
    crooked.spoil = spoiling_row_1(lambda answer: word)
    path = tmp_path / "journal.jsonl"
    with JournaledChip(bench, small, path, identity={}) as chip:
        faults = find_faults(take_survey(chip, small, key=jax.random.key(0), settings=4), small)
    assert len(faults) == 1
    assert re.match(message, str(faults[0]))
    assert faults[0].rings == ((1, 0), (1, 1), (1, 2))
    assert path.read_bytes().count(b'"A"') == crooked.box.triggers


def test_a_ring_whose_channel_is_stuck_is_named_by_the_survey(small, bench, crooked):
    """The source says what it was told and drives nothing: only the light shows it."""
    real = crooked.box._chip.set

    def stuck(volts):
        volts = volts.copy()
        volts[1, 2] = 3.0
        real(volts)

    crooked.box._chip.set = stuck
    (fault,) = find_faults(take_survey(bench, small, key=jax.random.key(0), settings=8), small)
    assert fault.rings == ((1, 2),)
    assert str(fault).startswith("ring 2 of row 1 does not answer to its voltage")


def test_an_instrument_that_goes_while_a_chip_is_tracked_is_one_line_and_what_was_read_is_on_file(
    small, bench, crooked, tmp_path
):
    tracker_dies = iter([False] * 30 + [True] * 1000)
    crooked.spoil = only("FETC", lambda answer: [None] if next(tracker_dies) else [answer])
    path = tmp_path / "journal.jsonl"
    with JournaledChip(bench, small, path, identity={}) as chip:
        tracker = Tracker(chip, blank_calibration(small, triggers=1), small, mode="full")
        tracker.hold(np.full((2, 3), 2.0))
        with pytest.raises(BenchError, match="connection lost at 'FETC") as caught:
            any(tracker.refresh() for _ in range(100))
    assert "\n" not in str(caught.value)
    assert path.read_bytes().count(b'"A"') == 30
    crooked.spoil = lambda question, answer: [answer]
    bench.close()
    assert parked(crooked)


def test_errors_of_whoever_was_here_before_are_forgotten(small, bench_of, crooked):
    old = [b'-222,"Data out of range"\n', b'-113,"Undefined header"\n']
    crooked.spoil = only("SYST:ERR?", lambda a: [old.pop(0) if old else a])
    with BenchChip(small, bench_of(crooked.resource)) as chip:
        assert old == []
        chip.set(np.ones((2, 3)))


def test_an_error_queue_that_makes_no_sense_is_told(crooked, bench):
    crooked.spoil = only("SYST:ERR?", lambda a: [b"fine, thanks\n"])
    with pytest.raises(BenchError, match=r"the answer to 'SYST:ERR\?' is 'fine, thanks', want 0"):
        bench.set(np.ones((2, 3)))
    crooked.spoil = lambda question, answer: [answer]


def test_an_error_queue_that_never_empties_ends(crooked, bench):
    crooked.spoil = only("SYST:ERR?", lambda a: [b'-1,"again"\n'])
    with pytest.raises(BenchError, match="again"):
        bench.set(np.ones((2, 3)))
    crooked.spoil = lambda question, answer: [answer]


def test_rings_that_cannot_be_parked_are_named_beside_the_error(small, bench_of, crooked):
    reports = []

    def job():
        with BenchChip(small, bench_of(crooked.resource), report=reports.append) as chip:
            chip.set(np.ones((2, 3)))
            crooked.die()
            chip.measure(LIGHT)

    with pytest.raises(BenchError, match="connection lost"):
        job()
    assert len(reports) == 2
    assert "lines 0 to 2 could not be darkened and may still be lit" in reports[1]
    assert "the rings of rows 0 to 1 could not be parked and may still be driven" in reports[0]
    assert "switch that source off by hand" in reports[0]


@pytest.mark.parametrize("ramp_V_s", [0.0, 1e4])
@pytest.mark.parametrize("pieces", [lambda a: [], lambda a: [b"hello\n"], lambda a: [b'-200,"Execution error"\n']])
def test_rings_of_a_source_that_listens_and_does_not_answer_are_told_to_park_all_the_same(
    small, bench_of, crooked, pieces, ramp_V_s
):
    reports = []
    quick = {"timeout_s": 0.2}
    source = quick | {"ramp_V_s": ramp_V_s}
    bench = bench_of(crooked.resource, voltage_source=source, light_source=quick, current_meter=quick)

    def job():
        with BenchChip(small, bench, report=reports.append) as chip:
            chip.set(np.ones((2, 3)))
            chip.measure(LIGHT)
            crooked.spoil = only("S", pieces)
            chip.set(np.full((2, 3), 2.0))

    with pytest.raises(BenchError):
        job()
    assert parked(crooked)
    assert not crooked.box._light.any()
    assert "the rings of rows 0 to 1 were told to be parked and do not confirm it" in reports[0]
    assert "lines 0 to 2 were told to be darkened and do not confirm it" in reports[1]


def test_a_bench_that_ends_well_but_cannot_park_says_so(small, bench_of, crooked):
    def job():
        with BenchChip(small, bench_of(crooked.resource), report=lambda line: None) as chip:
            chip.set(np.ones((2, 3)))
            crooked.spoil = only("SYST:ERR?", lambda a: [b'-200,"Execution error"\n'])

    with pytest.raises(BenchError, match="closed with 1 fault, first: the rings of rows 0 to 1"):
        job()
    crooked.spoil = lambda question, answer: [answer]


@given(answer=st.binary(max_size=60) | st.lists(st.floats().map(repr), max_size=3).map(lambda w: ",".join(w).encode()))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_answered_a_reading_is_two_finite_numbers_or_an_error(small, bench_of, crooked, answer):
    quick = {"timeout_s": 2.0}
    crooked.spoil = only("FETC", lambda a: [answer + b"\n"])
    with BenchChip(small, bench_of(crooked.resource, current_meter=quick, voltage_source=quick)) as chip:
        try:
            found = chip.measure(LIGHT)
        except BenchError as error:
            found, said = np.zeros(2), str(error)
        else:
            said = ""
    assert "\n" not in said
    assert found.shape == (2,)
    assert np.isfinite(found).all()


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False, max_value=1e37, min_value=-1e37), min_size=1))
def test_numbers_are_read_back_to_the_last_bit(numbers):
    assert parse_numbers(",".join(f"{x:.16E}" for x in numbers), count=len(numbers)).tolist() == numbers
