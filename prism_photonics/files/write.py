"""Files written in one step: a reader sees the old file or the new one, never half."""

import os
import tempfile
from pathlib import Path

from prism_photonics.units import InputError


def make_folder(path: Path) -> None:
    """Make a folder and try it, so that one that cannot be written is refused before any work is done.

    Raises:
        InputError: The folder cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise _refusal(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step, making its folder if needed; it is readable as the user's umask says.

    Args:
        path: The file; an older one is replaced.
        content: Its bytes.

    Raises:
        InputError: The place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            # mkstemp makes files private; ours are as readable as any other file of the user.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _refusal(path, error) from None


def remove(path: Path) -> None:
    """Remove a file if it is there.

    Raises:
        InputError: It cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _refusal(path, error) from None


def _refusal(path: Path, error: OSError) -> InputError:
    # `mkdir` says "File exists" where a file stands in a folder's place.
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    reason = "a file stands where a folder should" if in_the_way else error.strerror or str(error)
    return InputError(f"{path}: cannot be written ({reason}); choose a folder that can be written")
