"""Compiled programs are kept from process to process, and only what is whole and our own comes back."""

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from prism_photonics import compiled
from prism_photonics.units import InputError

PROGRAM = """
import json
from prism_photonics.compiled import keep_on_disk
folder = keep_on_disk()
import jax
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
value = float(jax.jit(lambda x: (x * x).sum() + 1.0)(jax.numpy.arange(4.0)))
count = sum(event.endswith("compilation_cache/cache_hits") for event in hits)
print(json.dumps({"value": value, "hits": count, "folder": str(folder)}))
"""


def run(place, **more):
    environment = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=environment | {"PRISM_CACHE_DIR": str(place)} | more,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout), done.stderr


@pytest.fixture
def store(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    return folder


def kept(folder):
    return sorted(path.name for path in folder.iterdir())


def programs(folder):
    """Names without the digests: an entry also says how long it took to compile."""
    return sorted(name.split("-cache.")[0] for name in kept(folder))


def entry(folder, name, content):
    path = folder / f"{name}-cache.{hashlib.sha256(content).hexdigest()}"
    path.write_bytes(content)
    return path


def test_a_second_process_compiles_nothing_and_damaged_entries_are_compiled_anew(tmp_path):
    first, _ = run(tmp_path)
    folder = Path(first["folder"])
    assert (first["value"], first["hits"]) == (15.0, 0)
    entries = kept(folder)
    assert len(entries) >= 2
    second, _ = run(tmp_path)
    assert second == first | {"hits": len(entries)}
    assert kept(folder) == entries
    # One cut short, one overwritten, one of somebody else, and one that is a pickle.
    one, other = (folder / name for name in entries[:2])
    one.write_bytes(one.read_bytes()[:100])
    other.write_bytes(b"garbage" * 100)
    (folder / "foreign-cache").write_bytes(b"not of ours")
    (folder / "jit_f-cache.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    third, told = run(tmp_path)
    assert third == first | {"hits": len(entries) - 2}
    assert told == ""
    for name in ("foreign-cache", "jit_f-cache.pkl"):
        (folder / name).unlink()
    assert programs(folder) == sorted(name.split("-cache.")[0] for name in entries)


def test_the_cache_can_be_switched_off_and_jaxs_own_is_left_alone(tmp_path):
    assert run("off")[0]["folder"] == "None"
    found, _ = run(tmp_path / "ours", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "theirs"))
    assert found["folder"] == "None"
    assert not (tmp_path / "ours").exists()


def test_only_what_bears_its_own_digest_is_taken_back(store):
    good = entry(store, "jit_f-1", b"a program")
    bad = entry(store, "jit_g-2", b"another")
    bad.write_bytes(b"changed")
    session = compiled._begun(store)
    assert kept(session) == ["jit_f-1-cache"]
    assert (session / "jit_f-1-cache").read_bytes() == b"a program"
    assert good.exists()
    assert not bad.exists()


def test_a_link_in_the_store_is_not_followed(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"a program")
    (store / f"jit_f-cache.{hashlib.sha256(b'a program').hexdigest()}").symlink_to(secret)
    assert kept(compiled._begun(store)) == []


def test_what_is_new_is_handed_on_whole_and_the_private_copy_goes(store):
    entry(store, "jit_f", b"known")
    session = compiled._begun(store)
    (session / "jit_f-cache").write_bytes(b"known")
    (session / "jit_g-cache").write_bytes(b"new")
    compiled._ended(store, session)
    assert not session.exists()
    assert {name.split(".")[0] for name in kept(store)} == {"jit_f-cache", "jit_g-cache"}
    assert kept(compiled._begun(store)) == ["jit_f-cache", "jit_g-cache"]


def test_the_oldest_go_where_there_is_no_room(store, monkeypatch):
    monkeypatch.setattr(compiled, "MOST_BYTES", 250)
    for age, name in enumerate(("new", "older", "oldest")):
        path = entry(store, name, name.encode() + 100 * b"x")
        os.utime(path, (1e9 - age, 1e9 - age))
    compiled._ended(store, compiled._begun(store))
    assert {name.split("-")[0] for name in kept(store)} == {"new", "older"}


def test_a_killed_processs_copy_is_removed_after_a_day(store):
    old, young = store / "session-old", store / "session-young"
    old.mkdir()
    young.mkdir()
    os.utime(old, (1e9, 1e9))
    compiled._begun(store)
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_others_can_write_is_refused_in_one_line(tmp_path, monkeypatch):
    folder = tmp_path / "compiled"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("PRISM_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    with pytest.raises(InputError, match=r"PRISM_CACHE_DIR = .*want a folder that you alone can write; choose another"):
        compiled.keep_on_disk()
    monkeypatch.setenv("PRISM_CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "prism_photonics"
    file.write_text("a file where the folder should be")
    assert compiled.keep_on_disk() is None


def test_folders_are_closed_to_others(tmp_path):
    folder = compiled._private(tmp_path / "compiled" / "key")
    assert [path.stat().st_mode & 0o077 for path in (folder, folder.parent)] == [0, 0]


def test_another_processor_or_version_has_a_folder_of_its_own(monkeypatch):
    ours = compiled._fingerprint()
    monkeypatch.setattr(compiled, "_processor", lambda: ["flags : fpu sse2"])
    another = compiled._fingerprint()
    monkeypatch.setattr(compiled, "__version__", "9.9.9")
    assert len({ours, another, compiled._fingerprint()}) == 3


def test_a_version_that_may_not_know_an_option_is_given_none(monkeypatch):
    given = []

    def jit(function, **named):
        given.append(named["compiler_options"])
        return function

    for version in ("0.9.7", "0.10.0"):
        monkeypatch.setattr(importlib.metadata, "version", lambda name, version=version: version)
        assert compiled.compiled_soon(lambda x: x + 1.0)(1.0) == 2.0
        with monkeypatch.context() as patch:
            patch.setattr(eqx, "filter_jit", jit)
            compiled.compiled_soon(lambda x: x + 1.0)
    assert given == [{"xla_cpu_use_fusion_emitters": False}, None]


def test_a_program_that_is_compiled_soon_may_be_part_of_another():
    soon = compiled.compiled_soon(lambda x: 3.0 * x)
    assert eqx.filter_jit(lambda x: soon(x) + 1.0)(jnp.asarray(2.0)) == 7.0
    assert jax.grad(soon)(2.0) == 3.0
    assert (jax.vmap(soon)(jnp.arange(3.0)) == 3.0 * jnp.arange(3.0)).all()
