"""Nothing measured is lost: a survey that was stopped goes on, and ends as if it had never stopped."""

import json
import os
import resource as limits
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from prism_photonics.calibration.survey import take_survey
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.units import InputError

KEY, SETTINGS = jax.random.key(1), 8
READINGS = SETTINGS * (3 + 1)
WHO = {"bench": "virtual:0", "seed": 1}


class PowerCutError(Exception):
    pass


class Unplugged(AbstractChip):
    """A chip that stops answering after some readings."""

    def __init__(self, chip, spec, readings):
        super().__init__(spec)
        self._chip, self._left = chip, readings

    def _drive(self, volts):
        self._chip.set(volts)

    def _read(self, light, averages):
        if self._left == 0:
            raise PowerCutError
        self._left -= 1
        return self._chip.measure(light, averages=averages)

    def _wait(self, seconds):
        self._chip.wait(seconds)

    def _clock_s(self):
        return self._chip.time_s


@pytest.fixture(scope="module")
def whole(small, die):
    """The survey that nothing interrupts."""
    return take_survey(die(), small, key=KEY, settings=SETTINGS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record" / "journal.jsonl"


def survey(chip, spec):
    return take_survey(chip, spec, key=KEY, settings=SETTINGS)


def assert_read_alike(resumed, whole):
    """The same numbers; a bench that was left alone meanwhile only read the rest of them later."""
    assert resumed.drop_vars("time_s").identical(whole.drop_vars("time_s"))
    moments = resumed.time_s.values.ravel()
    assert (np.diff(moments) > 0).all()
    assert moments[-1] >= whole.time_s.values[-1, -1] - 1e-9


def interrupted(chip, spec, path, readings, **options):
    unplugged = Unplugged(chip, spec, readings)
    with JournaledChip(unplugged, spec, path, identity=WHO, **options) as kept, pytest.raises(PowerCutError):
        survey(kept, spec)


def refused(small, path, chip, *, spec=None, identity=WHO, **options):
    def resume():
        with JournaledChip(chip, spec or small, path, identity=identity, resume=True, **options) as journaled:
            survey(journaled, spec or small)

    with pytest.raises(InputError) as caught:
        resume()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def entries(path):
    return [json.loads(line.partition(" ")[2]) for line in path.read_text().splitlines()]


def test_keeping_a_journal_changes_no_reading_and_keeps_each(small, die, path, whole):
    with JournaledChip(die(), small, path, identity=WHO) as chip:
        assert survey(chip, small).identical(whole)
    header, *found = entries(path)
    assert header == {"schema": "prism_photonics.journal/2", "spec_hash": small.hash, **WHO}
    readings = [entry for entry in found if "A" in entry]
    # At each setting the dark level comes first, then the channels.
    asked = np.concatenate([whole.dark_A.values[:, None], whole.current_A.values], axis=1)
    assert [entry["A"] for entry in readings] == asked.reshape(-1, 2).tolist()
    moments = np.array([entry["s"] for entry in readings]).reshape(-1, 4)[:, 1:]
    assert np.array_equal(moments - moments.min(), whole.time_s.values)
    assert (np.diff(moments.ravel()) > 0).all()
    assert [entry["set"] for entry in found if "set" in entry] == whole.volts_V.values.tolist()


@pytest.mark.parametrize("readings", [0, 1, 2, 11, READINGS - 1, READINGS])
def test_on_a_bench_what_was_read_is_not_read_again_and_the_survey_is_the_same(small, die, path, whole, readings):
    """The box goes on living, so its noise goes on where it was: the same readings, bit by bit."""
    box = die()
    taken = 0

    def read(light, averages, real=box._read_hidden):
        nonlocal taken
        taken += 1
        return real(light, averages)

    box._read_hidden = read
    if readings < READINGS:
        interrupted(box, small, path, readings)
    else:
        with JournaledChip(box, small, path, identity=WHO) as chip:
            survey(chip, small)
    assert taken == readings
    box.set(np.zeros((2, 3)))  # parked meanwhile
    with JournaledChip(box, small, path, identity=WHO, resume=True) as chip:
        assert chip.kept == readings
        assert_read_alike(survey(chip, small), whole)
    assert taken == READINGS


@pytest.mark.parametrize("readings", [0, 11, READINGS - 1])
def test_a_virtual_die_is_read_again_so_that_its_noise_goes_on(small, die, path, whole, readings):
    interrupted(die(), small, path, readings)
    with JournaledChip(die(), small, path, identity=WHO, resume=True, retake=True) as chip:
        assert_read_alike(survey(chip, small), whole)


def test_several_stops_are_as_good_as_one(small, die, path, whole):
    box = die()
    for _ in range(5):
        interrupted(box, small, path, 4, resume=True)
    with JournaledChip(box, small, path, identity=WHO, resume=True) as chip:
        assert chip.kept == 20
        assert_read_alike(survey(chip, small), whole)


def test_another_die_is_noticed_when_it_is_read_again(small, die, path):
    interrupted(die(), small, path, 5)
    assert "the journal is another die's" in refused(small, path, die(7), retake=True)


def test_waits_pass_once_on_a_bench_and_again_on_a_virtual_clock(small, die, path):
    chip, waited = die(), []
    chip.wait = waited.append
    for options in ({}, {"resume": True}, {"resume": True, "retake": True}):
        with JournaledChip(chip, small, path, identity=WHO, **options) as journaled:
            journaled.set(np.ones((2, 3)))
            journaled.wait(60.0)
    assert waited == [60.0, 60.0]


# ---------------------------------------------------------------- what is not resumed


def test_a_torn_last_line_is_dropped(small, die, path, whole):
    box = die()
    interrupted(box, small, path, 10)
    good = path.read_bytes()
    for cut in (b"1234", b'deadbeef {"light":[0.0', b"\xff\x00"):
        path.write_bytes(good + cut)
        with JournaledChip(box, small, path, identity=WHO, resume=True) as chip:
            assert chip.kept == 10
        assert path.read_bytes() == good
    with JournaledChip(box, small, path, identity=WHO, resume=True) as chip:
        assert_read_alike(survey(chip, small), whole)


def test_a_changed_digit_is_noticed(small, die, path):
    interrupted(die(), small, path, 10)
    content = bytearray(path.read_bytes())
    place = content.index(b'"A":[') + 6
    content[place] = content[place] ^ 1
    path.write_bytes(content)
    assert "line 3 is damaged" in refused(small, path, die())


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"bench": "virtual:1", "seed": 1}, "the journal's bench is 'virtual:0', this job's 'virtual:1'"),
        ({"bench": "virtual:0", "seed": 2}, "the journal's seed is 1, this job's 2"),
        ({"bench": "virtual:0", "seed": 1, "instruments": ["x"]}, "the journal's instruments is None"),
    ],
)
def test_a_journal_of_another_job_is_refused(small, die, path, identity, message):
    interrupted(die(), small, path, 3)
    assert message in refused(small, path, die(), identity=identity)


def test_a_journal_of_another_spec_is_refused(small, altered, die, path):
    interrupted(die(), small, path, 3)
    other = altered(small, detector={"adc_bits": 11})
    assert "the journal's spec_hash is" in refused(small, path, die(), spec=other)


def test_a_job_that_asks_for_something_else_is_refused(small, die, path, whole):
    interrupted(die(), small, path, 3)
    message = "entry 2: the journal holds a reading with 4096 averages, this job asks for a"
    with JournaledChip(die(), small, path, identity=WHO, resume=True) as chip:
        chip.set(whole.volts_V.values[0])
        with pytest.raises(InputError, match=message):
            chip.measure(np.zeros(3), averages=2)


def test_a_fresh_start_keeps_the_older_journal(small, die, path):
    for _ in range(3):
        interrupted(die(), small, path, 3)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "journal-1.jsonl",
        "journal-2.jsonl",
        "journal.jsonl",
    ]
    assert len({file.read_bytes() for file in path.parent.iterdir()}) == 1


def test_two_programs_do_not_write_one_journal(small, die, path):
    with JournaledChip(die(), small, path, identity=WHO):
        assert "in use by another program" in refused(small, path, die())


def test_a_finished_journal_is_gone(small, die, path):
    with JournaledChip(die(), small, path, identity=WHO) as chip:
        chip.finish()
    assert not path.exists()


# ---------------------------------------------------------------- the machine fails


def test_a_full_disk_is_one_clear_line_and_what_was_read_is_kept(small, die, path, whole):
    """A real refusal of the operating system: files may not grow beyond a limit."""
    box = die()
    soft, hard = limits.getrlimit(limits.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with JournaledChip(box, small, path, identity=WHO) as chip:
        limits.setrlimit(limits.RLIMIT_FSIZE, (1500, hard))
        try:
            with pytest.raises(InputError, match=r"journal.jsonl: cannot be written \(File too large\).*--resume"):
                survey(chip, small)
        finally:
            limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes().endswith(b"\n")
    with JournaledChip(box, small, path, identity=WHO, resume=True) as chip:
        assert 5 < chip.kept < READINGS
        again = survey(chip, small)
    # One reading was taken and could not be written: the noise after it is another draw.
    n = chip.kept // 4
    assert np.array_equal(again.current_A.values[:n], whole.current_A.values[:n])
    assert np.abs((again.current_A - whole.current_A) / whole.noise_A).max() < 8


JOB = """
import sys
import numpy as np
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.spec import ChipSpec

spec, bench = ChipSpec.model_validate_json(sys.argv[1]), BenchFile.model_validate_json(sys.argv[2])
who = {"bench": "virtual:0", "seed": 1}
with BenchChip(spec, bench) as chip, JournaledChip(chip, spec, sys.argv[3], identity=who) as kept:
    # What a survey asks; a survey of its own would have to load JAX first.
    for volts in np.load(sys.argv[4]):
        kept.set(volts)
        kept.measure(np.zeros(3), averages=4 * 1024)
        for light in np.eye(3):
            kept.measure(light, averages=1024)
"""


def test_kill_9_loses_at_most_the_reading_in_flight(small, die, bench_of, path, whole):
    """A job on the wire is killed in the middle; the box lives on; another program finishes the job."""
    # Slow enough that the kill falls into the survey.
    box = ServedChip(die(), idn="box", time_scale=40.0)
    with serving(box) as resource:
        bench = bench_of(resource, voltage_source={"settle_s": 0.04}, current_meter={"sample_s": 4e-5, "settle_s": 0.0})
        settings = path.parent.with_name("settings.npy")
        np.save(settings, whole.volts_V.values)
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, small.model_dump_json(), bench.model_dump_json(), str(path), str(settings)]
        )
        while job.poll() is None and not (path.exists() and path.read_bytes().count(b'"A"') >= 9):
            time.sleep(0.005)
        os.kill(job.pid, signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
        killed_at = box.triggers
        assert 9 <= killed_at < READINGS
        assert np.abs(box._volts.sent).max() > 0, "nothing can park after kill -9"
        with BenchChip(small, bench) as chip:
            assert not box._volts.sent.any(), "the next bench parks first"
            with JournaledChip(chip, small, path, identity=WHO, resume=True) as kept:
                assert killed_at - 1 <= kept.kept <= killed_at
                again = survey(kept, small)
        assert box.triggers <= READINGS + 1
        assert box.over_voltage_attempts == 0
    if box.triggers == READINGS:
        assert_read_alike(again, whole)
    n = kept.kept // 4
    assert np.array_equal(again.current_A.values[:n], whole.current_A.values[:n])
    assert np.abs((again.current_A - whole.current_A) / whole.noise_A).max() < 8
