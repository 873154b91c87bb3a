"""One program at a time: the second on an instrument or a folder is refused in one line, and the first is unharmed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.link import BenchError, Link
from prism_photonics.chip.lock import InstrumentLocks, claim, sole_owner
from prism_photonics.chip.session import Client
from prism_photonics.units import InputError

LIGHT = np.ones(3)
VOLTS = np.linspace(-9.0, 9.0, 6).reshape(2, 3)
LOCKED = {"lock": "SYST:LOCK:REQ?", "unlock": "SYST:LOCK:REL"}

SECOND = """
import sys
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError
try:
    with BenchChip(ChipSpec.model_validate_json(sys.argv[1]), BenchFile.model_validate_json(sys.argv[2])) as chip:
        print("let in")
except InputError as error:
    print(error)
"""


def second_program(spec, bench, **environment):
    """What another process says that opens the same bench."""
    done = subprocess.run(
        [sys.executable, "-c", SECOND, spec.model_dump_json(), bench.model_dump_json()],
        capture_output=True, text=True, timeout=120, check=True, env=os.environ | environment,
    )  # fmt: skip
    return done.stdout.strip()


# ---------------------------------------------------------------- instruments


def test_a_second_process_on_the_same_instruments_is_refused_and_the_first_reads_what_it_would_have(
    small, die, box, resource, bench_of
):
    inside, bench = die(), bench_of(resource)
    inside.set(VOLTS)
    with BenchChip(small, bench) as chip:
        chip.set(VOLTS)
        before = [chip.measure(LIGHT, averages=5) for _ in range(3)]
        said = second_program(small, bench)
        assert np.abs(box._volts.sent).max() == 9.0, "the second has parked the first one's rings"
        after = [chip.measure(LIGHT, averages=5) for _ in range(3)]
    assert said == f"{resource} is in use by another program (process {os.getpid()}); wait for it to end"
    assert np.array_equal([*before, *after], [inside.measure(LIGHT, averages=5) for _ in range(6)])
    assert second_program(small, bench) == "let in"


def test_a_box_with_a_lock_of_its_own_refuses_a_program_of_another_machine(small, box, resource, bench_of, tmp_path):
    """Another folder of temporary files stands for the other machine."""
    roles = ("voltage_source", "light_source", "current_meter")
    bench = bench_of(resource, **{role: {"commands": LOCKED} for role in roles})
    with BenchChip(small, bench) as chip:
        chip.set(VOLTS)
        said = second_program(small, bench, TMPDIR=str(tmp_path))
        assert np.abs(box._volts.sent).max() == 9.0
        assert np.isfinite(chip.measure(LIGHT)).all()
    assert "in use by another program (SYST:LOCK:REQ? says 0)" in said
    assert "\n" not in said
    assert second_program(small, bench, TMPDIR=str(tmp_path)) == "let in"


def test_two_benches_of_one_process_are_two_programs(small, resource, bench_of):
    with BenchChip(small, bench_of(resource)), pytest.raises(InputError, match="is in use by another program"):
        BenchChip(small, bench_of(resource)).open()


def test_a_bench_that_could_not_open_lets_go_of_its_instruments(small, resource, bench_of):
    with pytest.raises(BenchError, match="the bench file wants 'Acme'"):
        BenchChip(small, bench_of(resource, current_meter={"idn": "Acme"})).open()
    with BenchChip(small, bench_of(resource)) as chip:
        assert chip.names


@pytest.mark.parametrize(
    ("ours", "theirs", "free"),
    [
        ("TCPIP::10.9.9.9::5025::SOCKET", "tcpip0::10.9.9.9::05025::socket", False),
        ("TCPIP::10.9.9.9::5025::SOCKET", "TCPIP::10.9.9.9::INSTR", False),
        ("TCPIP::10.9.9.9::INSTR", "TCPIP::10.9.9.9::5025::SOCKET", False),
        ("TCPIP::10.9.9.9::5025::SOCKET", "TCPIP::10.9.9.9::5026::SOCKET", True),
        ("GPIB::5", "GPIB0::05::INSTR", False),
        ("GPIB::5", "GPIB::6", True),
    ],
)
def test_an_instrument_is_held_under_every_name(ours, theirs, free, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, other = InstrumentLocks(), InstrumentLocks()
    one.take([ours])
    try:
        other.take([theirs])
        got = True
    except InputError:
        got = False
    assert got == free
    one.release()
    other.release()
    assert not list(tmp_path.iterdir())


def test_of_several_instruments_all_are_held_or_none(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, two, three = InstrumentLocks(), InstrumentLocks(), InstrumentLocks()
    one.take(["GPIB::7"])
    with pytest.raises(InputError, match="GPIB::7 is in use"):
        two.take(["GPIB::5", "GPIB::7", "GPIB::9"])
    three.take(["GPIB::5", "GPIB::9"])
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(("code", "locked"), [("error_resource_locked", True), ("error_nonsupported_operation", False)])
def test_an_interface_with_locks_is_locked_and_one_without_is_not_missed(monkeypatch, code, locked):
    from pyvisa import errors
    from pyvisa.constants import StatusCode

    class Session:
        visalib = None
        write_termination = read_termination = ""
        timeout = 0.0

        def lock_excl(self, timeout):
            raise errors.VisaIOError(getattr(StatusCode, code))

        def close(self):
            self.closed = True

    session = Session()
    manager = type("Manager", (), {"open_resource": lambda self, name, open_timeout: session})()
    monkeypatch.setattr("prism_photonics.chip.link._manager", lambda library: manager)
    if locked:
        with pytest.raises(BenchError, match="GPIB::5 is in use by another program"):
            Link("GPIB::5", timeout_s=1.0)
        assert session.closed
    else:
        assert Link("GPIB::5", timeout_s=1.0).clean


# ---------------------------------------------------------------- the box, when nobody asks for locks


def test_one_clients_reading_is_not_handed_to_another(box):
    one, other = Client(), Client()
    box.answer("INIT", one)
    box.answer("SOUR:TRAN 1,(@1);INIT", other)
    assert box.answer("FETC?", one)[0] is None
    assert box.answer("SYST:ERR?", one)[0].startswith("-230")
    assert box.answer("FETC?", other)[0]


@pytest.mark.parametrize(
    "theirs",
    ["SOUR:VOLT 5,(@1)", "SOUR:TRAN 0.5,(@2)", "SENS:AVER:COUN 64", "*RST", "SOUR:VOLT 1,(@1);SOUR:TRAN 1,(@1)"],
)
def test_a_reading_at_settings_that_another_client_changed_is_refused(box, theirs):
    one, other = Client(), Client()
    box.answer("SOUR:VOLT 1,(@1)", one)
    assert box.answer("READ?", one)[0]
    box.answer(theirs, other)
    box.answer("INIT", one)
    assert box.answer("FETC?", one)[0] is None
    assert box.answer("SYST:ERR?", one)[0].startswith("-221")
    assert box.answer("READ?", other)[0], "the one whose settings stand may read"


def test_whoever_has_the_lock_is_alone_until_it_lets_go_or_is_gone(box):
    one, other = Client(), Client()
    assert box.answer("SYST:LOCK:OWN?", one)[0] == "NONE"
    assert box.answer("SYSTem:LOCK:REQuest?", one)[0] == "1" == box.answer("SYST:LOCK:REQ?", one)[0]
    assert box.answer("SYST:LOCK:REQ?;SYST:LOCK:OWN?", other)[0] == "0;OTHER"
    for command in ("SOUR:VOLT 5,(@1)", "*RST", "INIT", "READ?", "SENS:AVER:COUN 2", "DIAG:WAIT 1"):
        assert box.answer(command, other)[0] is None
        assert box.answer("SYST:ERR?", other)[0].startswith("-203")
    assert box.answer("*IDN?", other)[0]
    assert not box._volts.sent.any()
    box.answer("SYST:LOCK:REL", other)
    assert box.answer("SYST:LOCK:OWN?", one)[0] == "YOU"
    box.leave(one)
    assert box.answer("SYST:LOCK:REQ?", other)[0] == "1"


# ---------------------------------------------------------------- folders

PRISM = [sys.executable, "-c", "from prism_photonics.cli.app import app; app()"]
FIRST = """
import sys
from pathlib import Path
import numpy as np
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.bench import journaled
spec = ChipSpec.model_validate_json(sys.argv[1])
journal = Path(sys.argv[2]) / "journal.jsonl"
quiet = lambda line: None
with journaled("virtual:0", None, spec, journal, seed=0, resume=False, tell=quiet, warn=quiet) as chip:
    for _ in range(3):
        chip.measure(np.ones(3))
    print("ready", flush=True)
    sys.stdin.readline()
    print(chip.measure(np.ones(3)).tolist(), flush=True)
"""


def test_a_second_calibration_into_one_folder_is_refused_before_anything_moves(small, die, tmp_path):
    folder = tmp_path / "record"
    first = subprocess.Popen(
        [sys.executable, "-c", FIRST, small.model_dump_json(), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert first.stdout is not None
    assert first.stdout.readline() == "ready\n"
    before = (folder / "journal.jsonl").read_bytes()
    for more in ([], ["--resume"]):
        second = subprocess.run(
            [*PRISM, "calibrate", "demo_8x8", "-o", str(folder), *more],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert f"the folder {folder} is in use by another program (process {first.pid})" in " ".join(
            second.stderr.split()
        )
        assert "Traceback" not in second.stderr
        assert (folder / "journal.jsonl").read_bytes() == before
        assert sorted(file.name for file in folder.iterdir()) == ["journal.jsonl", "journal.lock"]
    said, _ = first.communicate("go on\n", timeout=120)
    assert said.startswith("[")
    assert first.returncode == 0
    assert not list(folder.iterdir()), "its journal goes at its own end"


def test_a_lock_ends_with_its_program_and_leaves_no_file(tmp_path):
    path = tmp_path / "x.lock"
    with sole_owner(path, who="x"), pytest.raises(InputError, match=r"x is in use by another program \(process \d+\)"):
        claim(path, who="x")
    assert not path.exists()
    killed = "import os, signal, sys\nfrom pathlib import Path\nfrom prism_photonics.chip.lock import claim\n"
    killed += "claim(Path(sys.argv[1]), who='x')\nos.kill(os.getpid(), signal.SIGKILL)\n"
    subprocess.run([sys.executable, "-c", killed, str(path)], check=False, timeout=120)
    assert path.exists()
    with sole_owner(path, who="x"):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_lock_is_that_of_the_file_that_has_the_name(tmp_path):
    """A holder that ends takes its file away; whoever had opened it before holds nothing by it."""
    path, file = tmp_path / "x.lock", -1
    with sole_owner(path, who="x"):
        path.rename(tmp_path / "aside")
        file = claim(path, who="x")
    assert path.exists(), "the first one's end takes away the second one's lock"
    os.close(file)


def test_where_files_cannot_be_locked_it_is_said_and_nobody_is_accused(tmp_path, monkeypatch):
    """A file system on a network without locks."""
    import errno
    import fcntl

    def flock(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match=r"cannot be locked .*; choose a folder on a local disk") as caught:
        claim(tmp_path / "x.lock", who="the folder x")
    assert "in use" not in str(caught.value)


def test_a_host_is_held_under_its_name_and_under_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("socket.gethostbyname", lambda host: {"SOURCE.LAB": "10.9.9.9"}.get(host, host))
    one, other = InstrumentLocks(), InstrumentLocks()
    one.take(["TCPIP::source.lab::5025::SOCKET"])
    with pytest.raises(InputError, match="in use by another program"):
        other.take(["TCPIP::10.9.9.9::5025::SOCKET"])
    one.release()


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "x.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be opened"):
        claim(tmp_path / "x.lock", who="x")
    assert not (tmp_path / "elsewhere").exists()
