"""NumPy's npz, and parquet: arrays by names that carry units, such as ``wl_nm`` and ``channel_1_dBm``."""

import io
import zipfile

import numpy as np

from prism_photonics.extras import load
from prism_photonics.files.arrays import object_arrays, read_npz
from prism_photonics.laboratory.formats.guard import refusing_damage
from prism_photonics.laboratory.leaves import from_leaves
from prism_photonics.laboratory.recorded import MOST_SAMPLES, Recorded, clean
from prism_photonics.laboratory.source import Source
from prism_photonics.units import InputError


def recognise(source: Source) -> bool:
    """Whether it is a zip of arrays, or parquet."""
    return source.raw.startswith((b"PK\x03\x04", b"PAR1"))


def read(source: Source) -> Recorded:
    """Arrays by name; Python objects are never unpickled.

    Raises:
        InputError: It is damaged, or holds something else.
        MissingExtraError: Parquet, and pyarrow is not installed.
    """
    if source.raw.startswith(b"PAR1"):
        return _parquet(source)
    with (
        refusing_damage(source.path, got="npz", want="arrays by name", cure="save it again with numpy.savez"),
        zipfile.ZipFile(io.BytesIO(source.raw)) as archive,
    ):
        names = archive.namelist()
        objects = object_arrays(io.BytesIO(source.raw))
    if not any(name.endswith(".npy") for name in names):
        what = "a spreadsheet" if any(name.startswith("xl/") for name in names) else "a zip archive without arrays"
        raise InputError(f"{source.path}: got {what}, want a spectrum; export it as csv")
    arrays = read_npz(
        str(source.path),
        io.BytesIO(source.raw),
        largest=8 * MOST_SAMPLES,
        cure="save it again with numpy.savez",
        without=objects,
    )
    if not arrays:
        raise InputError(f"{source.path}: got Python objects alone, want plain arrays; save it again with numpy.savez")
    notes = tuple(f"{clean(name)}: Python objects, not unpickled: left out" for name in objects)
    try:
        return from_leaves(source.path, arrays, format_name="npz", notes=notes)
    except InputError as error:
        if not objects:
            raise
        raise InputError(f"{error} ({clean(objects[0])} holds Python objects, which are never unpickled)") from None


def _parquet(source: Source) -> Recorded:
    parquet = load("pyarrow.parquet", what=f"{source.path} (parquet)")
    with refusing_damage(source.path, got="parquet", want="columns of numbers", cure="save it again"):
        file = parquet.ParquetFile(io.BytesIO(source.raw))
        size = file.metadata.num_rows * file.metadata.num_columns
        if size > MOST_SAMPLES:
            raise InputError(f"{source.path}: got {size} numbers, want at most {MOST_SAMPLES}; export less")
        table = file.read()
        leaves = {
            name: np.asarray(column.to_numpy())
            for name, column in zip(table.column_names, table.columns, strict=True)
            if str(column.type) in ("double", "float", "halffloat") or "int" in str(column.type)
        }
    return from_leaves(source.path, leaves, format_name="parquet")
