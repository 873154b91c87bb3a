"""One file for the dies of a study, of fixed places: written batch by batch in any order, never loaded whole.

A place holds a checksum and the numbers of a batch. A batch that was being written when the program was killed does
not bear its checksum and is computed again; no other is touched.
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.explore.die import COLUMNS
from prism_photonics.explore.plan import TWIN_EVERY, YieldPlan
from prism_photonics.files import write_bytes
from prism_photonics.units import InputError

HEADER_BYTES = 4096
FORMAT = "prism yield 1"
SYNC_EVERY = 64
"""Batches after which what was written is asked to lie on the disk."""


class Batch(NamedTuple):
    """The dies of one batch, and the twins of some of them: other rings at the same place."""

    dies: Float[ndarray, "dies columns"]
    twins: Float[ndarray, "twins columns"]


def twins_of(plan: YieldPlan, batch: int) -> list[int]:
    """The dies of a batch that have a twin."""
    return [die for die in plan.dies_of(batch) if die % TWIN_EVERY == 0]


@final
class DieStore:
    """The file of a study's dies."""

    def __init__(self, path: Path, plan: YieldPlan) -> None:
        """Open the file of a study, or make it.

        Raises:
            InputError: It holds another study or is damaged, or cannot be written.
        """
        self.path, self.plan = path, plan
        self._twins = -(-plan.batch // TWIN_EVERY)
        self._rows = plan.batch + self._twins
        self._slot_bytes = 8 + 8 * self._rows * len(COLUMNS)
        header = {"format": FORMAT, "study": plan.hash, "columns": list(COLUMNS), "batch": plan.batch}
        text = json.dumps(header).encode().ljust(HEADER_BYTES - 1) + b"\n"
        if not path.exists():
            write_bytes(path, text)
        self._file = _opened(path)
        found = self._file.read(HEADER_BYTES)
        if found != text:
            self._file.close()
            raise InputError(
                f"{path}: {_held(found)}, not this one ({plan.hash[:12]}); choose another folder with -o, or move that "
                "file away"
            )
        self._written = 0

    def __enter__(self) -> "DieStore":
        """The store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.sync()
        self._file.close()

    def write(self, number: int, batch: Batch) -> None:
        """Keep a batch.

        Raises:
            InputError: The file cannot be written.
        """
        rows = np.full((self._rows, len(COLUMNS)), np.nan)
        rows[: len(batch.dies)] = batch.dies
        rows[self.plan.batch : self.plan.batch + len(batch.twins)] = batch.twins
        content = rows.astype("<f8").tobytes()
        try:
            self._file.seek(HEADER_BYTES + number * self._slot_bytes)
            self._file.write(_checksum(number, content) + content)
            self._file.flush()
            self._written += 1
            if self._written % SYNC_EVERY == 0:
                self.sync()
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror or error}); make room, and start again: what was "
                "finished is kept"
            ) from None

    def sync(self) -> None:
        """Have all that was written on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def read(self, number: int) -> Batch | None:
        """A batch that was kept; None where it was not, or not whole."""
        self._file.seek(HEADER_BYTES + number * self._slot_bytes)
        slot = self._file.read(self._slot_bytes)
        if len(slot) < self._slot_bytes or slot[:8] != _checksum(number, slot[8:]):
            return None
        rows = np.frombuffer(slot[8:], dtype="<f8").reshape(self._rows, len(COLUMNS)).astype(float)
        twins = len(twins_of(self.plan, number))
        return Batch(rows[: len(self.plan.dies_of(number))], rows[self.plan.batch : self.plan.batch + twins])

    def missing(self) -> Iterator[int]:
        """Batches that are still to be computed, in order; asked for while others are being written, too."""
        return (number for number in range(self.plan.batches) if self.read(number) is None)

    def batches(self) -> Iterator[Batch]:
        """All batches of a finished study in order.

        Raises:
            InputError: One is missing.
        """
        for number in range(self.plan.batches):
            if (batch := self.read(number)) is None:
                raise InputError(f"{self.path}: batch {number} is missing or damaged; start the study again")
            yield batch


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("r+b")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened ({error.strerror or error}); choose a folder that can be written"
        ) from None


def _checksum(number: int, content: bytes) -> bytes:
    """Eight bytes that no place of zeros bears, and no batch written to another's place."""
    return b"die" + zlib.crc32(content, number & 0xFFFFFFFF).to_bytes(4, "little") + b"\n"


def _held(header: bytes) -> str:
    """What a file with another header holds, in words."""
    try:
        found = json.loads(header)
        return f"holds the dies of another study ({str(found['study'])[:12]})"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "holds no dies of a yield study"
