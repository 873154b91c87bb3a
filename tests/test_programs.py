"""What the tests compile is kept whole for other workers and later runs."""

import os

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


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    kept = programs.kept_in(tmp_path)
    assert kept.get("jit_f-1") is None
    seen = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (seen.append(kept.get("jit_f-1")), real(old, new)))
    kept.put("jit_f-1", b"a program")
    assert seen == [None]
    assert kept.get("jit_f-1") == b"a program"


def test_a_full_disk_costs_time_only(tmp_path):
    kept = programs.kept_in(tmp_path / "gone")
    kept.put("jit_f-1", b"a program")
    assert kept.get("jit_f-1") is None


def test_what_was_used_last_stays_and_what_was_half_written_goes(tmp_path):
    kept = programs.kept_in(tmp_path)
    for age, name in enumerate(("new", "old", "older", "part-of_a_killed_process")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    assert kept.get("older") == bytes(100)
    programs.make_room(tmp_path, most_bytes=250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "older"]
