"""A measured spectrum from a file of any known format, recognised by its content and never by its name."""

import os
from pathlib import Path

from prism_photonics.laboratory.formats import arrays, columns, hdf5, labext, luna, matlab, siepic, touchstone, yokogawa
from prism_photonics.laboratory.recorded import Recorded
from prism_photonics.laboratory.resolve import resolved
from prism_photonics.laboratory.source import Source
from prism_photonics.laboratory.sweep import Sweep
from prism_photonics.units import InputError

BINARY = (hdf5, matlab, arrays)
TEXT = (labext, touchstone, yokogawa, luna, siepic)
"""Asked in turn; what none of them knows is a table with a row for each wavelength."""

_STRANGERS = (
    (b"\x80\x02", "a Python pickle, which is never opened", "save it as npz or csv"),
    (b"\x80\x03", "a Python pickle, which is never opened", "save it as npz or csv"),
    (b"\x80\x04", "a Python pickle, which is never opened", "save it as npz or csv"),
    (b"\x80\x05", "a Python pickle, which is never opened", "save it as npz or csv"),
    (b"\xd0\xcf\x11\xe0", "a document of an office program", "export it as csv"),
    (b"\x93NUMPY", "a single NumPy array", "save wavelengths and levels by name in an npz"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"%PDF", "a PDF", "export the numbers as csv"),
)


def read_sweep(
    path: str | os.PathLike[str], *, wavelength_unit: str | None = None, power_unit: str | None = None
) -> Sweep:
    """Read a measured spectrum.

    Args:
        path: The file: SiEPIC rows, EHVA, Santec, Yokogawa, Luna, LabExT, Touchstone, MATLAB, npz, parquet, or any csv.
        wavelength_unit: ``nm``, ``um``, ``m``, ``pm``, ``THz``, ``GHz`` or ``Hz``, where the file leaves it open.
        power_unit: ``dB``, ``dBm``, ``W``, ``mW``, ``uW``, ``nW``, ``pW``, ``ratio`` or ``%``, where the file leaves it
            open.

    Returns:
        The spectrum in nm, and in dB, dBm, W or as a ratio, with what was understood in its notes.

    Raises:
        InputError: The file cannot be read or is of no known kind, a number in it cannot be, or a unit stays open.
        MissingExtraError: Its format needs a package that is not installed.
    """
    source = Source.open(Path(path))
    try:
        return resolved(_recorded(source), wavelength_unit=wavelength_unit, power_unit=power_unit)
    except (MemoryError, RecursionError, OverflowError):
        raise InputError(f"{source.path}: got numbers that fill the memory, want a spectrum; export it again") from None


def _recorded(source: Source) -> Recorded:
    for each in BINARY:
        if each.recognise(source):
            return each.read(source)
    if source.text is None:
        got, cure = next(
            ((what, cure) for mark, what, cure in _STRANGERS if source.raw.startswith(mark)),
            ("binary content of no known format", "if an instrument wrote it (.omr, .bin, .mea), export it as csv"),
        )
        raise InputError(f"{source.path}: got {got}, want a spectrum as text, MATLAB, HDF5, npz or parquet; {cure}")
    for each in TEXT:
        if each.recognise(source):
            return each.read(source)
    return columns.read(source)
