"""Measurements of a calibrated chip on disk: arrays and attributes of one schema, of the chip that is asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prism_photonics.calibration.record import CURE, read_dataset
from prism_photonics.calibration.record_fields import sizes
from prism_photonics.files.datasets import Dataset
from prism_photonics.files.fields import Field, Number, require_spec_hash
from prism_photonics.spec import ChipSpec


def read_measurements(
    path: str | Path,
    spec: ChipSpec | None,
    *,
    schema: str,
    arrays: Mapping[str, Number],
    attributes: Mapping[str, Field],
    older: Mapping[int, Callable[[Dataset], Dataset]] = {},
) -> dict[str, Any]:
    """The values of a file by their names: NumPy arrays, and attributes as numbers and texts.

    Args:
        path: The netCDF file.
        spec: The chip that it must have been measured on; None: any.
        schema: The schema that the caller reads.
        arrays: Axes, kind and range of its arrays.
        attributes: Range or pattern of its attributes; ``spec_hash`` is one of them.
        older: Steps from older schemas that are still read, see `read_dataset`.

    Raises:
        InputError: Missing, damaged, of another schema or another chip, or with a number that cannot be.
    """
    lengths = {} if spec is None else sizes(spec)
    dataset = read_dataset(Path(path), schema=schema, arrays=arrays, attributes=attributes, sizes=lengths, older=older)
    if spec is not None:
        require_spec_hash(str(path), dataset.attrs["spec_hash"], spec.hash, cure=CURE)
    return {name: dataset[name].values for name in arrays} | {name: dataset.attrs[name] for name in attributes}


def rename_attribute(dataset: Dataset, *, old: str, new: str) -> Dataset:
    """A step from an older schema: an attribute under its name of today; a file that lacks it goes on without."""
    attrs = {new if name == old else name: value for name, value in dataset.attrs.items()}
    return dataset.drop_attrs(deep=False).assign_attrs(attrs)
