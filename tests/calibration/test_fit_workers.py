"""Processes that share a large chip's fit: numbers are those of one process, and no worker is needed for them."""

import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from prism_photonics.calibration import descent, fit_workers
from prism_photonics.calibration.calibration import from_survey
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.record import leaves
from prism_photonics.units import InputError

# Only a fault waits so long.
PATIENCE_S = 120.0
OPTIONS = {"steps": 5, "rtol": 1e-3}


@pytest.fixture
def ready():
    """``ready(count)``: waits until so many workers are free."""

    def wait(count):
        crew, began_s = fit_workers._Crew.now, time.monotonic()
        assert crew is not None
        while crew.free.qsize() < count:
            assert time.monotonic() < began_s + PATIENCE_S
            time.sleep(0.05)
        return crew.workers

    return wait


def by_hand(monkeypatch, log):
    """Note what is fitted in this process."""
    here = descent.descended

    def noted(survey, *args, **kwargs):
        log.append(survey.count)
        return here(survey, *args, **kwargs)

    monkeypatch.setattr(descent, "descended", noted)


def test_workers_find_the_same_numbers_bit_for_bit_and_a_killed_one_is_not_missed(twelve_buses, ready, monkeypatch):
    alone = [
        descend(survey, twelve_buses[1], **OPTIONS)
        for survey in (twelve_buses[0], twelve_buses[0].in_single_precision())
    ]
    here = []
    by_hand(monkeypatch, here)
    with fit_workers.fit_workers(2):
        workers = ready(2)
        shared = [
            descend(survey, twelve_buses[1], **OPTIONS)
            for survey in (twelve_buses[0], twelve_buses[0].in_single_precision())
        ]
        assert here == []
        workers[0].process.kill()
        workers[1].process.kill()
        after = [descend(twelve_buses[0], twelve_buses[1], **OPTIONS) for _ in range(2)]
        assert here == [12, 12]
    assert all(worker.process.returncode is not None for worker in workers)
    for found in (*zip(alone, shared, strict=True), *((alone[0], each) for each in after)):
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_calibration_shared_by_workers_is_that_of_one_process_bit_for_bit(small, survey, ready, monkeypatch):
    key = jax.random.key(4)
    alone = from_survey(survey, small, key=key)
    answered, elsewhere = [], fit_workers.descended_elsewhere

    def noted(*args, **kwargs):
        found = elsewhere(*args, **kwargs)
        answered.append(found is not None)
        return found

    monkeypatch.setattr(descent, "descended_elsewhere", noted)
    with fit_workers.fit_workers(1):
        ready(1)
        shared = from_survey(survey, small, key=key)
    # One worker has no time for what two threads ask of it at once.
    assert any(answered)
    for name, found in leaves(shared).items():
        np.testing.assert_array_equal(found, leaves(alone)[name], err_msg=name)


def test_where_nothing_can_be_begun_the_fit_goes_on_without(twelve_buses, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError("no processes here")

    monkeypatch.setattr(subprocess, "Popen", refused)
    here = []
    by_hand(monkeypatch, here)
    with fit_workers.fit_workers(2):
        descend(*twelve_buses, **OPTIONS)
    assert here == [12]
    monkeypatch.setattr(sys, "executable", "/opt/measure/bench")
    with fit_workers.fit_workers(2):
        assert fit_workers._Crew.now is None


@pytest.mark.parametrize(
    ("asked", "cores", "readings", "count"),
    [
        *(
            ("", 4, 10**6, 3),
            ("", 1, 10**6, 0),
            ("", 2, 10**6, 0),
            ("", 4, 10**5, 0),
            ("", 64, 10**6, fit_workers.MOST),
        ),
        *(("off", 4, 10**6, 0), ("0", 4, 10**6, 0), ("3", 1, 10**6, 3), ("1", 4, 10**6, 1)),
    ],
)
def test_only_large_chips_on_several_cores_have_workers(monkeypatch, asked, cores, readings, count):
    monkeypatch.setenv(fit_workers.PLACE, asked)
    monkeypatch.setattr(fit_workers, "cores", lambda: cores)
    assert fit_workers.wanted(readings) == count


@pytest.mark.parametrize("asked", ["many", "-1", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch, asked):
    monkeypatch.setenv(fit_workers.PLACE, asked)
    with pytest.raises(InputError, match=rf"^PRISM_FIT_WORKERS = {asked}: want a number of processes, or off"):
        fit_workers.wanted(1)


SCRIPT = """
print("begun")
from prism_photonics.calibration import fit_workers
with fit_workers.fit_workers(1):
    assert fit_workers._Crew.now.free.get(timeout=120.0)
print("ended")
"""


@pytest.mark.slow
def test_nothing_of_the_program_that_asks_runs_in_a_worker(tmp_path):
    # A script without a guard: what multiprocessing begins would run it once more.
    script, folder = tmp_path / "script.py", tmp_path / "folder"
    script.write_text(SCRIPT)
    # Nor is what lies in the folder that the program is in taken for a library.
    folder.mkdir()
    (folder / "zipfile.py").write_text("raise SystemExit('mine')")
    told = [sys.executable, "-W", "error", str(script)]
    ended = subprocess.run(told, capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=folder)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("begun\nended\n", "", 0)
