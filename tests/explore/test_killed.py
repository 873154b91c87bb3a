"""What was finished is kept when a study or a search is killed, and the rest is the same as if nothing had happened."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prism_photonics.explore.objectives import objectives_of
from prism_photonics.explore.run import run
from prism_photonics.explore.search import Search, finished, run_search
from prism_photonics.explore.store import DieStore


@pytest.fixture
def killed(four_rows, tmp_path):
    """Runs a case of `killed.py` on the four rows; gives its exit status, its output and the file that is left."""

    def run_case(what):
        (tmp_path / "spec.toml").write_text(str(four_rows))
        file = tmp_path / f"{what}.bin"
        words = [sys.executable, Path(__file__).with_name("killed.py"), what, tmp_path / "spec.toml", file]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, file

    return run_case


def test_a_study_that_was_killed_goes_on_to_the_same_bits(killed, plan, stored, content):
    status, _, file = killed("1")
    assert status == -signal.SIGKILL
    with DieStore(file, plan) as store:
        # The process dies of its second batch's news: both are kept.
        assert list(store.missing()) == list(range(2, plan.batches))
        run(plan, store, workers=1)
    assert content(file, plan) == content(stored, plan)


@pytest.mark.slow
def test_a_study_of_which_a_worker_was_killed_says_so_keeps_its_work_and_goes_on_to_the_same_bits(
    killed, plan, stored, content
):
    status, said, file = killed("2")
    assert status == 0
    assert said.startswith("yield: a process that computed dies was killed")
    assert "what was finished is kept" in said
    with DieStore(file, plan) as store:
        assert 2 <= plan.batches - len(list(store.missing())) < plan.batches
        run(plan, store, workers=1)
    assert content(file, plan) == content(stored, plan)


def test_a_search_that_was_killed_goes_on_from_its_trials(killed, four_rows, monkeypatch):
    status, _, file = killed("search")
    assert status == -signal.SIGKILL
    monkeypatch.setattr("prism_photonics.explore.search.designed_choices", lambda spec: [])
    search = Search(four_rows, objectives_of("energy,area"), 1, f"sqlite:///{file}")
    before = [(trial.number, trial.values) for trial in search.study().get_trials(deepcopy=False) if trial.values]
    assert len(before) == 4
    study = run_search(search, trials=6)
    assert finished(study) == 6
    after = [(trial.number, trial.values) for trial in study.get_trials(deepcopy=False)]
    assert [one for one in after if one in before] == before
