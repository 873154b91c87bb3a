"""Healthy instruments whose text differs in form from the served box's: each is read, by itself or by a key."""

import socket
import threading

import numpy as np
import pytest

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.reply import NumberFormat, is_no_error

LIGHT = np.ones(3)
CURRENTS_A = [1.2e-6, -3.4e-6]


@pytest.fixture
def other_maker():
    """Instruments of another maker: ``other_maker(end=b"\\r")`` gives a resource."""
    servers = []

    def make(idn=b"ACME,M1,0,1", error=b'0,"No error"', end=b"\n", reading=b"+1.2E-06,-3.4E-06", hears=b"\n"):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def talk(line):
            rest = b""
            try:
                with line:
                    while data := line.recv(4096):
                        *commands, rest = (rest + data).split(hears)
                        for command in commands:
                            question = command.decode().strip()
                            if question == "*IDN?":
                                line.sendall(idn + end)
                            elif question.startswith(("SYST:ERR", "print(errorqueue")):
                                line.sendall(error + end)
                            elif question.startswith("FETC"):
                                line.sendall(reading + end)
            except OSError:
                return

        def accept():
            while True:
                try:
                    line = server.accept()[0]
                except OSError:
                    return
                threading.Thread(target=talk, args=(line,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"TCPIP::127.0.0.1::{server.getsockname()[1]}::SOCKET"

    yield make
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def readings(small, bench_of, resource, source=(), meter=(), **commands):
    keys = {"timeout_s": 1.0}
    changes = {
        "voltage_source": keys | dict(source) | {"commands": commands},
        "light_source": keys | dict(source),
        "current_meter": keys | dict(source) | dict(meter),
    }
    with BenchChip(small, bench_of(resource, **changes)) as chip:
        chip.set(np.full((2, 3), 1.5))
        return [chip.measure(LIGHT).tolist() for _ in range(2)]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"error": b'+0.000000E+00,"No error"'},
        {"error": b"0"},
        {"error": b"+0, No error"},
        {"error": b"0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"},
        {"idn": "Müller GmbH,VS-64,0,1".encode("latin-1")},
        {"idn": "Müller GmbH,VS-64,0,1".encode()},
        {"error": '0,"Kein Fehler — gut"'.encode()},
        {"end": b"\r"},
        {"end": b"\r\n"},
        {"reading": b"+1.20000E-06A,-3.40000E-06A"},
        {"reading": b"1.2e-6 A, -3.4e-6 a"},
        {"reading": b"+1.2E-06ADC,-3.4E-06ADC"},
        {"reading": b"1.20000e-06\t-3.40000e-06"},
        {"reading": b"1.2e-6 , -3.4e-6 "},
    ],
)
def test_these_forms_are_read_without_a_key(small, bench_of, other_maker, form):
    assert readings(small, bench_of, other_maker(**form)) == [CURRENTS_A, CURRENTS_A]


@pytest.mark.parametrize(
    ("form", "source", "meter", "commands"),
    [
        ({"reading": b"1.2e-6;-3.4e-6"}, {}, {"separator": ";"}, {}),
        ({"reading": b"1.2e-6   -3.4e-6"}, {}, {"separator": " "}, {}),
        ({"reading": b"NDCA+1.2E-06,NDCA-3.4E-06"}, {}, {"prefix": "NDCA"}, {}),
        ({"reading": b"1.2e-6 nors,-3.4e-6 nors"}, {}, {"suffix": "nors"}, {}),
        ({"reading": b"1.2,-3.4"}, {}, {"unit": "uA"}, {}),
        ({"reading": b"1.2uA,-3.4uA"}, {}, {"unit": "uA"}, {}),
        ({"error": b"OK"}, {}, {}, {"no_error": "OK"}),
        ({"hears": b"\r", "end": b"\r"}, {"write_termination": "\r", "read_termination": "\r"}, {}, {}),
        ({"hears": b"\r\n", "end": b"\r\n"}, {"write_termination": "\r\n", "read_termination": "\r\n"}, {}, {}),
        (
            {"error": b"0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"},
            {}, {}, {"error": "print(errorqueue.next())"},
        ),
    ],
)  # fmt: skip
def test_these_forms_are_read_by_a_key_of_the_bench_file(small, bench_of, other_maker, form, source, meter, commands):
    if "no_error" in commands:
        source = {"commands": commands}
    found = readings(small, bench_of, other_maker(**form), source, {**source, **meter}, **commands)
    assert found == [pytest.approx(CURRENTS_A, rel=1e-12)] * 2


@pytest.mark.parametrize(
    "form",
    [
        {"reading": b"1.2uA,-3.4uA"},
        {"reading": b"1.2e-6V,-3.4e-6V"},
        {"reading": b"1.2 mA,-3.4 mA"},
        {"reading": b"1,2E-06;-3,4E-06"},
        {"reading": b"1.2e-6;-3.4e-6"},
        {"error": b"-222\tData out of range"},
        {"error": b'-2.22e+02,"Data out of range"'},
        {"error": b"OK"},
        {"error": b"0x0"},
        {"error": b"00e,"},
    ],
)
def test_what_could_mean_something_else_is_refused_not_guessed(small, bench_of, other_maker, form):
    with pytest.raises(BenchError) as caught:
        readings(small, bench_of, other_maker(**form))
    assert "\n" not in str(caught.value)


def test_a_name_with_letters_beyond_ascii_can_be_asked_for(small, bench_of, other_maker):
    idn = {"idn": "Müller", "encoding": "utf-8"}
    assert readings(small, bench_of, other_maker(idn="Müller GmbH".encode()), idn) == [CURRENTS_A, CURRENTS_A]


@pytest.mark.parametrize("affix", ["1", "e", "1e", "-", "E", "+A", "0A"])
def test_what_stands_beside_a_number_may_not_be_part_of_one(bench_of, affix):
    with pytest.raises(ValueError, match="pattern"):
        bench_of("x", current_meter={"suffix": affix})


def test_a_unit_scales_and_its_own_suffix_is_no_second_scale():
    milli = NumberFormat(suffixes=("mA",), scale=1e-3)
    assert milli.parse("1.5mA,2.5", count=2).tolist() == [1.5e-3, 2.5e-3]
    with pytest.raises(ValueError, match="is not a number"):
        milli.parse("1.5A", count=1)
    assert np.isnan(milli.parse("9.91E37", count=1)).all()
    assert np.isinf(milli.parse("-9.9E37", count=1)).all()


@pytest.mark.parametrize(
    ("reply", "none"), [("0", True), ("+0.0e+00\tQueue", True), ("-1.00e+02,x", False), ("1", False)]
)
def test_an_error_number_is_read_in_any_form(reply, none):
    assert is_no_error(reply, "") == none
