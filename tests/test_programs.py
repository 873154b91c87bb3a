"""What the tests compile is kept whole for other workers and later runs."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import programs
import pytest


@pytest.fixture
def hits():
    """How often a kept program was taken, so far."""
    counted = []

    def heard(event, **_):
        if event.endswith("compilation_cache/cache_hits"):
            counted.append(event)

    jax.monitoring.register_event_listener(heard)
    yield counted
    jax.monitoring.unregister_event_listener(heard)


def test_a_program_is_compiled_once_for_all_that_ask_for_it(hits):
    x, answers = jnp.arange(4.0), []
    for _ in range(2):
        # Made anew, as in another process: nothing of this one knows it.
        def only_of_this_test(x):
            return (x * x).sum() + 20261130.0

        before = len(hits)
        answers.append((float(jax.jit(only_of_this_test)(x)), len(hits) - before))
    assert answers[1] == (20261144.0, 1)
    assert answers[0][0] == answers[1][0]


@pytest.mark.parametrize("left", [b"", b"garbage" * 100])
def test_a_damaged_file_is_compiled_anew_and_made_whole(left):
    folder, x = Path(jax.config.jax_compilation_cache_dir), jnp.arange(4.0)
    for turn in range(2):
        # Made anew, as in another process.
        def damaged_by_a_test(x):
            return (x * x).sum() - 20261130.0

        assert float(jax.jit(damaged_by_a_test)(x)) == -20261116.0
        (kept,) = folder.glob("jit_damaged_by_a_test-*")
        assert kept.read_bytes() != left
        if turn == 0:
            kept.write_bytes(left)


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    kept = programs.kept_in(tmp_path)
    assert kept.get("jit_f-1") is None
    seen = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (seen.append(kept.get("jit_f-1")), real(old, new)))
    kept.put("jit_f-1", b"a program")
    assert seen == [None]
    assert kept.get("jit_f-1") == b"a program"


@pytest.mark.parametrize("gone", ["gone", "a_file/gone"])
def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path, gone):
    (tmp_path / "a_file").touch()
    kept = programs.kept_in(tmp_path / gone)
    kept.put("jit_f-1", b"a program")
    assert kept.get("jit_f-1") is None
    programs.make_room(tmp_path / gone)


def test_a_file_that_another_run_moves_meanwhile_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "old").write_bytes(bytes(100))
    listed = [tmp_path / "part-of_another_run", tmp_path / "old"]
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(listed))
    programs.make_room(tmp_path, most_bytes=50)
    assert not (tmp_path / "old").exists()


def test_what_was_used_last_stays_and_what_was_half_written_goes(tmp_path):
    kept = programs.kept_in(tmp_path)
    for age, name in enumerate(("new", "old", "older", "part-of_a_killed_process")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    assert kept.get("older") == bytes(100)
    programs.make_room(tmp_path, most_bytes=250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "older"]
