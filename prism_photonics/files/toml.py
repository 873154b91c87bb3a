"""TOML files from outside: whatever a file holds, it is a table or one line that says why not."""

import tomllib
from pathlib import Path
from typing import Any

from prism_photonics.files.fields import shown
from prism_photonics.units import InputError

LARGEST_BYTES = 1 << 22
"""Size limit; every file of ours has a few kilobytes."""


def read_toml(path: str | Path, *, what: str, name: str) -> dict[str, Any]:
    """The table that a TOML file holds.

    Args:
        path: The file.
        what: Kind of file, for messages: "spec".
        name: How such a file is called, for messages: "spec.toml".

    Raises:
        InputError: The file cannot be read, is too large, or is not TOML.
    """
    return parse_toml(read_text(path, what=what, name=name), where=str(path))


def read_text(path: str | Path, *, what: str, name: str) -> str:
    """The UTF-8 text of a file; the arguments are those of `read_toml`.

    Raises:
        InputError: The file cannot be read, is too large, or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
        if len(raw) > LARGEST_BYTES:
            raise InputError(f"{path}: more than {LARGEST_BYTES} bytes; give the path of a {name}")
        # As a text file is read: every system's line ends.
        return raw.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot read the {what} (not UTF-8 text); give the path of a {name}") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path that no system could have
        reason = getattr(error, "strerror", None) or "no such path"
        raise InputError(f"{path}: cannot read the {what} ({reason}); give the path of a {name}") from None


def parse_toml(text: str, *, where: str) -> dict[str, Any]:
    """The table that a TOML text holds; ``where`` names it in messages.

    Raises:
        InputError: It is not TOML, nests too deeply, or holds an integer of thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML ({error}); mend the line") from None
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise InputError(f"{where}: not valid TOML ({shown(str(error))}); write a shorter number") from None
    except RecursionError:
        raise InputError(f"{where}: not valid TOML (tables or arrays within each other, too deep); mend it") from None
