"""NumPy files from outside, read without running anything in them: every damage is one line."""

import io
import math
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Shaped

from prism_photonics.files.fields import shown
from prism_photonics.units import InputError

LARGEST_BYTES = 1 << 32
"""Size limit of what is unpacked, checked before anything is."""


def open_file(source: str, path: Path, *, want: str) -> IO[bytes]:
    """Open a file for reading.

    Args:
        source: The file, as messages name it.
        path: The file.
        want: Expected kind of file, for the message.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a path that no system could have
        reason = getattr(error, "strerror", None) or "no such path"
        raise InputError(f"{source}: cannot be read ({reason}), want {want}; check the path") from None


def read_npz(
    source: str,
    stream: IO[bytes] | io.BytesIO,
    *,
    largest: int = LARGEST_BYTES,
    cure: str,
    without: Container[str] = (),
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The arrays of an npz file by name.

    Args:
        source: The file, as messages name it.
        stream: Its content.
        largest: Most bytes that it may hold unpacked.
        cure: How such a file is made anew.
        without: Arrays that are not read, such as `object_arrays`.

    Raises:
        InputError: It is no npz, is damaged or too large, or holds Python objects.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > largest:
            raise InputError(f"{source}: got {size} bytes unpacked, want at most {largest}; {cure}")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name not in without}
    except InputError:
        raise
    except Exception:  # damaged zip and npy headers raise a dozen different types
        raise InputError(
            f"{source}: got no readable npz (truncated, damaged or pickled), want plain arrays; {cure}"
        ) from None
    # NumPy hands a member without the npy mark back as bytes.
    odd = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if odd:
        raise InputError(f"{source}: got {shown(odd[0])}, no array, want plain arrays; {cure}")
    return arrays


def object_arrays(stream: IO[bytes] | io.BytesIO) -> tuple[str, ...]:
    """Names of an npz's arrays that hold Python objects, told by their headers: nothing is unpickled."""
    found = []
    with zipfile.ZipFile(stream) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if name.endswith(".npy") and _header(member)[2].hasobject:
                    found.append(name.removesuffix(".npy"))
    stream.seek(0)
    return tuple(found)


def _header(stream: IO[bytes] | io.BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype of an npy file from its beginning."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return header(stream)


def read_npy(source: str, stream: IO[bytes], *, want: str, cure: str) -> Shaped[np.ndarray, "..."]:
    """The array of an npy file.

    Args:
        source: The file, as messages name it.
        stream: Its content, from the beginning.
        want: Expected content, for the message.
        cure: How such a file is made anew.

    Raises:
        InputError: It is no npy, is damaged or too large, or holds Python objects.
    """
    try:
        shape, _, dtype = _header(stream)
        size, start = math.prod(shape) * dtype.itemsize, stream.tell()
        # A header may promise more than the file holds; room for it is not made.
        if size > LARGEST_BYTES or size > stream.seek(0, 2) - start:
            raise ValueError("truncated")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    except Exception:  # damaged headers raise a dozen different types; a pickle is refused, never run
        raise InputError(
            f"{source}: got no readable .npy array of numbers (damaged, an archive, or Python objects), want {want}; "
            f"{cure}"
        ) from None
