"""Processes that fit portions of a large chip's buses, so that all cores of a machine work on it.

NumPy's steps on what fits a core's cache are too short for threads to share. Sweeps that XLA compiles let threads work
and take half the time, but of a whole descent they save a twelfth, because its normal matrices and solutions stay:
that was measured, and is not worth two seconds of compiling.

Each portion is fitted as it would be here, from beginning to end: numbers are the same bit for bit, whoever fits it.

A worker is a Python program of its own that reads arrays and writes arrays through a pipe. Nothing of the caller's
program runs in it, whether that is a script, a notebook or a prompt. What cannot be begun, or is killed, is no error:
its portion is fitted here.
"""

import io
import os
import queue
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, Light
from prism_photonics.calibration.portions import cores
from prism_photonics.calibration.unknowns import Scatter
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.units import InputError

PLACE, OFF = "PRISM_FIT_WORKERS", "off"
"""Environment variable with the number of workers; ``off`` or 0 for none. By default one for each core but one, where
this process works itself; none on two cores, where one would save a seventh of the wait for a third of the memory.
"""
# Readings times rings of a chip that is worth a second's start: 280 buses of eight rings. Workers of a chip at most:
# each holds some 200 MB. Design choices.
WORTH, MOST = 250_000, 16
PARTS = {"rings": RingParams, "paths": PathParams, "light": Light, "scatter": Scatter}
"""Parts of a plain `BusSurvey` that are made of arrays themselves."""
READY = b"ready"
Found = tuple[Float[ndarray, "buses unknowns"], Float[ndarray, " buses"]]


def wanted(readings: int) -> int:
    """Workers for a chip of so many readings times rings.

    Raises:
        InputError: ``PRISM_FIT_WORKERS`` is no number of them.
    """
    asked = os.environ.get(PLACE, "").strip().lower()
    if asked and asked != OFF and not asked.isdecimal():
        raise InputError(
            f"{PLACE} = {asked}: want a number of processes, or {OFF}; unset it for one on each other core "
            "of three or more"
        )
    if readings < WORTH or asked == OFF:
        return 0
    others = cores() - 1
    return min(int(asked) if asked else others if others > 1 else 0, MOST)


@contextmanager
def fit_workers(count: int) -> Iterator[None]:
    """Have so many workers while this lasts; who is within another's takes those."""
    if count == 0 or not _may_begin():
        yield
        return
    with _lock:
        begun = _Crew.now is None
        crew = _Crew.now = _Crew(count) if _Crew.now is None else _Crew.now
    try:
        yield
    finally:
        if begun:
            with _lock:
                _Crew.now = None
            crew.close()


def descended_elsewhere(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], **options: Any) -> Found | None:
    """`descent.descended` by a worker; None where none is at hand, or it was killed: then it is to be done here."""
    crew = _Crew.now
    plain = survey.reflecting is None and survey.polarized is None
    worker = crew.free_worker() if crew is not None and plain else None
    if crew is None or worker is None:
        return None
    arrays = dict(_arrays(survey)) | {"flat": flat} | {f"with {name}": np.array(o) for name, o in options.items()}
    try:
        _write(worker.told, arrays)
        found = _read(worker.tells)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        worker.end()
        return None
    crew.free.put(worker)
    return found["flat"], found["cost"]


def serve() -> None:
    """Work for the process that began this one, until it ends or has enough."""
    import signal

    from prism_photonics.calibration.descent import descended

    # Ctrl-C is for who began this; what anything here prints is none of the answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tells, told = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)
    tells.write(READY)
    tells.flush()
    with suppress(OSError, EOFError):
        while True:
            arrays = _read(told)
            options = {name.removeprefix("with "): each.item() for name, each in arrays.items() if " " in name}
            flat, cost = descended(_survey(arrays), arrays["flat"], **options)
            _write(tells, {"flat": flat, "cost": cost})


@final
class _Worker:
    """A process, and both ends of its pipe."""

    def __init__(self) -> None:
        home = str(Path(__file__).parents[2])
        path = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
        # -P: what lies in the folder that the caller happens to be in is no library.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.told: BinaryIO = self.process.stdin  # pyright: ignore[reportAttributeAccessIssue]
        self.tells: BinaryIO = self.process.stdout  # pyright: ignore[reportAttributeAccessIssue]

    def end(self) -> None:
        """Kill it: nothing is lost that anybody waits for."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.told, self.tells):
            with suppress(OSError):
                pipe.close()


@final
class _Crew:
    """Workers, of which those that have begun and have nothing to do are free."""

    now: "_Crew | None" = None

    def __init__(self, count: int) -> None:
        self.free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self.workers: list[_Worker] = []
        with suppress(OSError):
            for _ in range(count):
                self.workers.append(_Worker())
        self._waiting = [threading.Thread(target=self._await, args=(one,), daemon=True) for one in self.workers]
        for thread in self._waiting:
            thread.start()

    def free_worker(self) -> _Worker | None:
        """One that has nothing to do, if any."""
        with suppress(queue.Empty):
            return self.free.get_nowait()
        return None

    def close(self) -> None:
        """End all; who still waits for one is told that there is none."""
        for worker in self.workers:
            worker.process.kill()
        for thread in self._waiting:
            thread.join()
        for worker in self.workers:
            worker.end()

    def _await(self, worker: _Worker) -> None:
        """A worker takes a second to begin, with which nobody is held up."""
        with suppress(OSError, ValueError):
            if worker.tells.read(len(READY)) == READY:
                self.free.put(worker)


_lock = threading.Lock()


def _may_begin() -> bool:
    """Whether this program is one that Python itself runs: what has Python built in is begun by other means."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and "python" in Path(sys.executable).name.lower()


def _arrays(whole: Any, prefix: str = "") -> Iterator[tuple[str, ndarray]]:
    """A dataclass of arrays, and of such, as arrays by name."""
    for field in fields(whole):
        leaf = getattr(whole, field.name)
        if is_dataclass(leaf):
            yield from _arrays(leaf, f"{prefix}{field.name}.")
        elif leaf is not None:
            yield prefix + field.name, np.asarray(leaf)


def _survey(arrays: dict[str, ndarray]) -> BusSurvey:
    parts: dict[str, dict[str, ndarray]] = {name: {} for name in PARTS}
    own: dict[str, Any] = {}
    for name, array in arrays.items():
        part, _, field = name.partition(".")
        if field:
            parts[part][field] = array
        elif name in BusSurvey.__dataclass_fields__:
            own[name] = array
    return BusSurvey(**own, **{name: PARTS[name](**leaves) for name, leaves in parts.items()})


def _write(pipe: BinaryIO, arrays: dict[str, ndarray]) -> None:
    """Arrays as an npz, after its length."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    pipe.write(struct.pack("<Q", content.tell()))
    pipe.write(content.getbuffer())
    pipe.flush()


def _read(pipe: BinaryIO) -> dict[str, ndarray]:
    """What `_write` wrote.

    Raises:
        EOFError: The other end is closed.
    """
    size = pipe.read(8)
    content = pipe.read(struct.unpack("<Q", size)[0]) if len(size) == 8 else b""
    if not content:
        raise EOFError("the other end of the pipe is closed")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
