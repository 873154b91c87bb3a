"""Compiled programs of the tests, shared by the processes of a run and by the runs of one checkout.

JAX knows a program by all that it is compiled from: its text, its options, XLA's flags, the version of the compiler and
the processor. So one found is the one that would be made, and a change of the package compiles what it changes. The
Pythons share them too.

JAX's own way to keep them writes in place, where another worker may read at that moment. Here a file is written aside
and then moved.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

# What runs may leave; what was used last stays. Design choice: several times what the suite compiles.
MOST_BYTES = 512 * 2**20
_ASIDE = "part-"


def keep(folder: Path) -> None:
    """Have JAX look for every program of this process in a folder, and leave there what it compiles.

    How JAX is told is its own affair: where that has changed, the tests take longer.
    """
    try:
        import jax
        from jax._src import compilation_cache

        programs = kept_in(folder)
    except ImportError:
        return
    compilation_cache.get_file_cache = lambda path: (programs, path)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")


def kept_in(folder: Path) -> Any:
    """A folder as JAX asks for one: a program's file is whole, or not there."""
    from jax._src.compilation_cache_interface import CacheInterface

    class Programs(CacheInterface):
        _path = folder

        def get(self, key: str) -> bytes | None:
            try:
                os.utime(folder / key)
                return (folder / key).read_bytes()
            except OSError:
                return None

        def put(self, key: str, value: bytes) -> None:
            # A full disk costs time only.
            with suppress(OSError):
                aside = folder / f"{_ASIDE}{os.getpid()}-{threading.get_ident()}"
                aside.write_bytes(value)
                os.replace(aside, folder / key)

    return Programs()


def make_room(folder: Path, most_bytes: int = MOST_BYTES) -> None:
    """Make the folder, and remove what was not used for longest and what killed processes have left half written.

    A folder that cannot be written costs time only.
    """
    found = []
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            # Another run of this checkout may be moving or removing it.
            with suppress(FileNotFoundError):
                found.append((path, path.stat()))
    room = most_bytes
    for path, status in sorted(found, key=lambda each: each[1].st_mtime, reverse=True):
        room -= status.st_size
        if room < 0 or path.name.startswith(_ASIDE):
            with suppress(OSError):
                path.unlink()
