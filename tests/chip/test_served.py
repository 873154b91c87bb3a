"""The served box: what it understands, what it refuses, what it counts, and that nothing makes it fall over."""

import contextlib
import socket

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prism_photonics.chip.serve import LONGEST_LINE_BYTES, serving
from prism_photonics.chip.session import ERRORS_KEPT, Client
from prism_photonics.units import InputError


@pytest.fixture
def talk(box):
    """Send a line, get the reply (or None)."""
    client = Client()
    return lambda line: box.answer(line, client)[0]


def numbers(reply):
    return [float(word) for word in reply.split(",")]


@pytest.mark.parametrize("question", ["*IDN?", "*idn?", "  *IDN? "])
def test_it_says_what_it_is(talk, question):
    assert talk(question) == "prism_photonics,small_2x3,virtual:0,test"


@pytest.mark.parametrize("word", ["SOUR:VOLT", "SOURce:VOLTage", "source:volt", ":SOUR:VOLT"])
def test_voltages_are_set_and_queried_by_channel_list_in_any_spelling(talk, word):
    assert talk(f"{word} 1,-2.5,3e0,(@1,2:3)") is None
    assert numbers(talk(f"{word}? (@2,1)")) == [-2.5, 1.0]
    assert numbers(talk(f"{word}?")) == [1.0, -2.5, 3.0, 0.0, 0.0, 0.0]
    assert talk("SYST:ERR?") == '0,"No error"'


def test_a_light_line_average_and_reading(talk, die, box):
    assert talk("SOUR:TRAN 1,0.5,(@1,3);SENS:AVER:COUN 16;:SOUR:VOLT 4,(@5)") is None
    first = numbers(talk("READ?"))
    inside = die()
    volts = np.zeros((2, 3))
    volts[1, 1] = 4.0
    inside.set(volts)
    assert first == inside.measure(np.array([1.0, 0.0, 0.5]), averages=16).tolist()
    assert numbers(talk("INIT;FETC? (@2)")) == [inside.measure(np.array([1.0, 0.0, 0.5]), averages=16)[1]]
    assert talk("SENS:AVER:COUN?;*OPC?") == "16;1"
    assert box.triggers == 2


def test_a_reset_darkens_and_releases_everything(talk):
    talk("SOUR:VOLT 1,(@1);SOUR:TRAN 1,(@1);SENS:AVER:COUN 7")
    talk("*RST")
    assert not any(numbers(talk("SOUR:VOLT?")) + numbers(talk("SOUR:TRAN?")))
    assert talk("SENS:AVER:COUN?") == "1"
    assert talk("FETC?") is None
    assert talk("SYST:ERR?").startswith("-230")


@pytest.mark.parametrize("volts", ["10.0001", "-11", "1e300", "NAN", "1e999"])
def test_a_voltage_beyond_the_limit_is_refused_counted_and_not_applied(talk, box, volts):
    talk("SOUR:VOLT 2,(@1)")
    assert talk(f"SOUR:VOLT 1,{volts},(@1,2)") is None
    assert talk("SYST:ERR?") == '-222,"Data out of range"'
    assert numbers(talk("SOUR:VOLT?")) == [2.0, 0, 0, 0, 0, 0]
    assert talk("DIAG:OVER?") == "1" == str(box.over_voltage_attempts)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SOUR:VOLT 1", -109),
        ("SOUR:VOLT 1,(@1,2)", -109),
        ("SOUR:VOLT 1,2,(@1)", -108),
        ("SOUR:VOLT one,(@1)", -104),
        ("SOUR:VOLT 1_0,(@1)", -104),
        ("SOUR:VOLT 1,(@0)", -222),
        ("SOUR:VOLT 1,(@7)", -222),
        ("SOUR:VOLT 1,(@2:1)", -222),
        ("SOUR:VOLT 1,(@)", -102),
        ("SOUR:VOLT? (@1:2:3)", -102),
        ("SOUR:VOLT? (@1:6,1:6)", -223),
        ("SOUR:TRAN 1.01,(@1)", -222),
        ("SOUR:TRAN NAN,(@1)", -222),
        ("SENS:AVER:COUN 0", -222),
        ("SENS:AVER:COUN 1.5", -104),
        ("DIAG:WAIT -1", -222),
        ("FETC?", -230),
        ("SOUR:VOLTS 1,(@1)", -113),
        ("hello", -113),
    ],
)
def test_what_is_not_understood_is_an_error_and_changes_nothing(talk, line, code):
    assert talk(line) is None
    assert int(talk("SYST:ERR?").split(",")[0]) == code
    assert not any(numbers(talk("SOUR:VOLT?;SYST:ERR?").split(";")[0]))
    assert talk("SYST:ERR?") == '0,"No error"'


def test_a_full_error_queue_says_so_and_clears(talk):
    for _ in range(2 * ERRORS_KEPT):
        talk("nonsense")
    found = [talk("SYST:ERR?") for _ in range(ERRORS_KEPT + 1)]
    assert found[-2:] == ['-350,"Queue overflow"', '0,"No error"']
    talk("nonsense;*CLS")
    assert talk("SYST:ERR?") == '0,"No error"'


def test_a_reading_that_is_none_is_scpis_own_number(talk, box):
    box._chip._read_hidden = lambda light, averages: np.array([np.nan, -np.inf])
    assert talk("READ?") == "9.91E37,-9.9E+37"


# ---------------------------------------------------------------- on the socket


def line_to(resource):
    line = socket.create_connection(("127.0.0.1", int(resource.split("::")[2])), timeout=10)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def alive(resource):
    with line_to(resource) as line:
        line.sendall(b"*OPC?\n")
        return line.makefile().readline() == "1\n"


def test_it_listens_on_the_loopback_only_and_says_when_the_port_is_taken(box, resource):
    port = int(resource.split("::")[2])
    assert resource == f"TCPIP::127.0.0.1::{port}::SOCKET"
    with pytest.raises(InputError, match=rf"--port {port}: cannot be served \(Address already in use\)"):
        serving(box, port=port).__enter__()


def test_errors_belong_to_the_client_that_made_them(resource):
    with line_to(resource) as one, line_to(resource) as other:
        one.sendall(b"nonsense\n*OPC?\n")
        assert one.makefile().readline() == "1\n"
        other.sendall(b"SYST:ERR?\r\n")
        assert other.makefile().readline() == '0,"No error"\n'


def test_a_line_that_its_sender_did_not_end_is_not_obeyed(resource):
    with line_to(resource) as line:
        line.sendall(b"SOUR:VOLT 1,(@1)\nSOUR:VOLT 9,(@2)")
    with line_to(resource) as line:
        line.sendall(b"*OPC?;SOUR:VOLT? (@2)\n")
        assert float(line.makefile().readline().split(";")[1]) == 0.0


def test_the_tail_of_a_line_that_is_too_long_is_not_obeyed(resource):
    with line_to(resource) as line:
        line.sendall(b" " * (2 * LONGEST_LINE_BYTES))
        line.sendall(b";SOUR:VOLT 9,(@1)\nSOUR:VOLT? (@1)\nSYST:ERR?\n")
        answers = line.makefile()
        assert float(answers.readline()) == 0.0
        assert answers.readline() == '-363,"Input buffer overrun"\n'


WORDS = st.sampled_from(
    [
        "SOUR:VOLT",
        "SOUR:TRAN",
        "SENS:AVER:COUN",
        "INIT",
        "FETC?",
        "READ?",
        "*RST",
        "SYST:ERR?",
        "(@1:",
        "(@",
        ")",
        ",",
        ";",
        "?",
        " ",
        ":",
    ]
)
NUMBERS = st.floats(min_value=-10.0, max_value=10.0).map(repr)
LINES = st.lists(WORDS | NUMBERS | st.text(max_size=5), max_size=12).map("".join)


@given(junk=st.binary(max_size=300))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_neither_crash_nor_hang_it(resource, junk):
    with line_to(resource) as line:
        line.sendall(junk + b"\n*CLS;*OPC?\n")
        line.shutdown(socket.SHUT_WR)
        assert line.makefile("rb").read().endswith(b"1\n")


@given(lines=st.lists(LINES, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_that_are_almost_commands_neither_crash_nor_hang_it(box, lines):
    client = Client()
    for line in lines:
        # The box reads one line at a time; what a socket would split is split here.
        for part in line.encode("utf-8", "replace").split(b"\n"):
            reply, delay_s = box.answer(part.decode("ascii", "replace"), client)
            assert delay_s == 0.0
            assert reply is None or reply.isascii()
    assert box.answer("*OPC?", client)[0] == "1"
    assert np.abs(box._volts.sent).max() <= 10.0
    assert box.over_voltage_attempts == 0


def test_clients_that_vanish_leave_it_standing(resource):
    for _ in range(20):
        with contextlib.suppress(OSError), line_to(resource) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            line.sendall(b"READ?;READ?;READ?\n" * 50)
    assert alive(resource)
