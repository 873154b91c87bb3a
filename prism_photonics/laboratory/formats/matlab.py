"""MATLAB 5 files (``save`` without ``-v7.3``), read by SciPy: numbers alone, no objects and no functions."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from prism_photonics.extras import load
from prism_photonics.laboratory.formats.guard import refusing_damage
from prism_photonics.laboratory.leaves import Leaf, from_leaves
from prism_photonics.laboratory.recorded import MOST_SAMPLES, Recorded
from prism_photonics.laboratory.source import Source
from prism_photonics.units import InputError

_HEADER = 128
_COMPRESSED = 15
DEEPEST = 8


def recognise(source: Source) -> bool:
    """Whether it has the header of a MATLAB 5 file, in either order of bytes."""
    return source.raw[126:128] in (b"IM", b"MI") and source.raw[:6] == b"MATLAB"


def read(source: Source) -> Recorded:
    """The numbers of all structures.

    Raises:
        InputError: It is damaged, or unpacks to more than can be.
    """
    _refuse_bomb(source)
    scipy_io = load("scipy.io", what=f"{source.path} (MATLAB)")
    with refusing_damage(source.path, got="MATLAB 5 file", want="numbers", cure="save it again with -v7"):
        content = scipy_io.loadmat(io.BytesIO(source.raw), struct_as_record=True, squeeze_me=False)
        leaves = dict(_leaves("", content, 0))
    return from_leaves(source.path, leaves, format_name="MATLAB 5")


def _leaves(name: str, thing: object, depth: int) -> Iterator[tuple[str, Leaf]]:
    """The numeric arrays of nested structures, by their path."""
    if depth > DEEPEST:
        return
    if isinstance(thing, dict):
        for key, value in thing.items():
            if not key.startswith("__"):
                yield from _leaves(key, value, depth + 1)
    elif isinstance(thing, np.ndarray) and type(thing) is np.ndarray:
        if thing.dtype.names and thing.size == 1:
            for field in thing.dtype.names:
                yield from _leaves(f"{name}.{field}", thing.reshape(-1)[0][field], depth + 1)
        elif thing.dtype.kind in "fiuc":
            yield name, thing


def _refuse_bomb(source: Source) -> None:
    """Refuse a file whose packed parts say that they unpack to more than any spectrum holds."""
    raw, order = source.raw, "<" if source.raw[126:128] == b"IM" else ">"
    at, total = _HEADER, 0
    while at + 8 <= len(raw):
        kind, size = struct.unpack(f"{order}II", raw[at : at + 8])
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            try:
                tag = unpacker.decompress(raw[at + 8 : at + 8 + min(size, 4096)], 8)
            except zlib.error:
                break
            total += struct.unpack(f"{order}II", tag)[1] if len(tag) == 8 else 0
        at += 8 + size
    if total > 8 * MOST_SAMPLES:
        raise InputError(f"{source.path}: got {total} bytes unpacked, want at most {8 * MOST_SAMPLES}; save less")
