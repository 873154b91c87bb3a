"""The bytes of a file, with its text if it is one: opened once, read once, bounded."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from prism_photonics.files.arrays import open_file
from prism_photonics.laboratory.recorded import MOST_BYTES
from prism_photonics.units import InputError


@dataclass(frozen=True, eq=False)
class Source:
    """A file.

    Attributes:
        path: Where it lies; its name decides nothing.
        raw: Its bytes.
    """

    path: Path
    raw: bytes

    @classmethod
    def open(cls, path: Path) -> "Source":
        """Read a file.

        Raises:
            InputError: It cannot be read, is empty, or is larger than a gigabyte.
        """
        with open_file(str(path), path, want="a measured spectrum") as stream:
            try:
                raw = stream.read(MOST_BYTES + 1)
            except OSError as error:
                raise InputError(
                    f"{path}: cannot be read ({error.strerror}), want a measured spectrum; check the path"
                ) from None
        if len(raw) > MOST_BYTES:
            raise InputError(f"{path}: got more than {MOST_BYTES >> 20} MiB, want at most so many; export less")
        if not raw.strip():
            raise InputError(f"{path}: got an empty file, want a measured spectrum; measure or export it again")
        return cls(path, raw)

    @cached_property
    def text(self) -> str | None:
        """The file as text, or None where it is binary."""
        if self.raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return _decoded(self.raw, "utf-16")
        # Control characters stand in no table.
        if any(self.raw.find(bytes([code])) >= 0 for code in (*range(9), *range(14, 26), 28, 29, 30, 31)):
            return None
        text = _decoded(self.raw, "utf-8-sig")
        return self.raw.decode("latin-1") if text is None else text

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text, without their ends; none where it is binary."""
        text = self.text or ""
        return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None
