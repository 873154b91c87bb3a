"""Programs that JAX has compiled, kept on disk from one process to the next.

A compiled program is native code, so it is taken back only where nothing else could have written it, and only whole:
the folder is the user's own and closed to others; a kept file bears the digest of its content in its name, and what
does not match is removed unread; and each set of versions and processor features has a folder of its own. A process
reads and writes a private copy, and hands on what is new when it ends, by renaming.

JAX's own cache would do less: it writes in place, never mends an entry that is damaged, and lets a program for one
processor be loaded on another.
"""

import atexit
import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, cast

from prism_photonics import __version__
from prism_photonics.cache_folder import OFF, PLACE, cache_folder
from prism_photonics.units import InputError

# What is kept of one set of versions, oldest out first; one main job compiles some 5 MB. Design choice.
MOST_BYTES = 256 * 2**20
# What a process that was killed has left is removed after so long (design choice).
STALE_S = 24 * 3600.0
_KEPT = re.compile(r"(?P<entry>[\w.-]+-cache)\.(?P<digest>[0-9a-f]{64})")
_SESSION = "session-"


def keep_on_disk() -> Path | None:
    """Take compiled programs from disk from now on, and leave new ones there when the process ends.

    ``PRISM_CACHE_DIR`` names another folder than the platform's own for caches, or is ``off``. Where JAX was given a
    cache of its own (``JAX_COMPILATION_CACHE_DIR``) that one serves. Call it before the first program is compiled.

    Returns:
        The folder of this set of versions and this processor; None where nothing is kept.

    Raises:
        InputError: ``PRISM_CACHE_DIR`` names a folder that cannot be written, or that others may write.
    """
    asked = os.environ.get(PLACE, "")
    if asked.lower() == OFF or os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return None
    try:
        store = _private(cache_folder() / "compiled" / _fingerprint())
        session = _begun(store)
    except OSError as error:
        if not asked:
            # Nobody asked for it: a home that cannot be written costs time only.
            return None
        raise InputError(
            f"{PLACE} = {asked}: {error.strerror or error}; want a folder that you alone can write; choose another, or "
            f"{PLACE}={OFF}"
        ) from None
    atexit.register(_ended, store, session)
    _tell_jax(session)
    return store


def compiled_soon[F: Callable[..., Any]](function: F) -> F:
    """`equinox.filter_jit` of a large program that runs for about a millisecond: it is compiled in half the time.

    XLA's newer way to write fused kernels for CPUs takes twice as long as its older one, for a program that is no
    faster. Measured with jaxlib 0.9; another version may not know the option, which would be an error, and gets none.
    Within another program it is compiled as that one is: JAX takes options of the outermost alone.
    """
    from importlib.metadata import version

    import equinox as eqx
    import jax
    from jax.core import Tracer

    known = version("jaxlib").startswith("0.9.")
    jit: Any = eqx.filter_jit
    compiled = jit(function, compiler_options={"xla_cpu_use_fusion_emitters": False} if known else None)

    @wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        within = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((args, named)))
        return (function if within else compiled)(*args, **named)

    return cast(F, called)


def _tell_jax(session: Path) -> None:
    """Let JAX keep every program, however small: ours are many and small."""
    # XLA calls every program that it loads one for another processor, because it compares its own tuning hints with
    # what the processor can do, and says so at length. Which processor it is for, `_fingerprint` has seen to.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax

    jax.config.update("jax_compilation_cache_dir", str(session))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # XLA's own caches would lie within the private copy, whose name would then be part of every program's key.
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    # An entry that cannot be read or written is compiled anew: nobody needs to be told.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")


def _fingerprint() -> str:
    """The versions and the processor that a program is compiled for, as a folder's name."""
    from importlib.metadata import version

    versions = [f"prism_photonics {__version__}", *(f"{name} {version(name)}" for name in ("jax", "jaxlib"))]
    told = "\n".join([*versions, platform.system(), platform.machine(), *_processor()])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _processor() -> list[str]:
    """What the processor says it is and can do."""
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [platform.processor()]
    return sorted(set(re.findall(r"^(?:flags|Features|model name)\s*:.*$", described, re.MULTILINE)))


def _private(folder: Path) -> Path:
    """Make a folder that the user alone can write, or check that one is.

    Raises:
        OSError: It cannot be made, or somebody else could write there.
    """
    # The folders that are ours alone; what is above them is the user's affair.
    for each in (folder.parent, folder):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = each.lstat()
        others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if os.name == "posix" and (not stat.S_ISDIR(status.st_mode) or others or status.st_uid != os.getuid()):
            raise OSError(f"{each} is not a folder that you alone can write")
    return folder


def _begun(store: Path) -> Path:
    """A private copy of what is whole in the store; what is not is removed."""
    session = Path(tempfile.mkdtemp(prefix=_SESSION, dir=store))
    for path in store.iterdir():
        # Another process may tidy up at the same time.
        with suppress(FileNotFoundError):
            _take(path, session)
    return session


def _take(path: Path, session: Path) -> None:
    """Copy what is kept, if it is whole, and remove what is not, or was left by a process long gone."""
    kept = _KEPT.fullmatch(path.name)
    if path.name.startswith(_SESSION):
        if path.lstat().st_mtime < time.time() - STALE_S:
            shutil.rmtree(path, ignore_errors=True)
    elif kept is None or not stat.S_ISREG(path.lstat().st_mode):
        return
    elif hashlib.sha256(content := path.read_bytes()).hexdigest() == kept["digest"]:
        (session / kept["entry"]).write_bytes(content)
    else:
        path.unlink(missing_ok=True)


def _ended(store: Path, session: Path) -> None:
    """Hand on what is new, each file in one step, and make room; whatever fails costs time only."""
    try:
        known = {kept["entry"] for path in store.iterdir() if (kept := _KEPT.fullmatch(path.name))}
        for path in session.glob("*-cache"):
            if path.name not in known:
                os.replace(path, store / f"{path.name}.{hashlib.sha256(path.read_bytes()).hexdigest()}")
        kept = sorted((path for path in store.iterdir() if _KEPT.fullmatch(path.name)), key=lambda p: p.stat().st_mtime)
        room = MOST_BYTES - sum(path.stat().st_size for path in kept)
        for path in kept:
            if room >= 0:
                break
            room += path.stat().st_size
            path.unlink(missing_ok=True)
    except OSError:
        pass
    shutil.rmtree(session, ignore_errors=True)
