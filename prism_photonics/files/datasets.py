"""xarray's dataset as a type, and one of arrays: who only names it does not wait a third of a second for xarray."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prism_photonics.extras import asked_by

if TYPE_CHECKING:
    from xarray import Dataset as Dataset
else:
    from typing import ForwardRef

    # The tests' run-time checks find the class by this name.
    Dataset = ForwardRef("xarray.Dataset")


def dataset_of(arrays: Mapping[str, Any], attrs: Mapping[str, Any]) -> Dataset:
    """A dataset of arrays, each with its axes, and with its attributes if it has any."""
    with asked_by("a dataset"):
        import xarray as xr

    return xr.Dataset(dict(arrays), attrs=dict(attrs))
