"""A calibration on disk: a netCDF file per record, written atomically, refused when it does not fit.

One file holds the survey as measured and the fit as arrays; the file's attributes carry schema, spec and spec hash.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from prism_photonics.calibration.calibration import Calibration, blank_calibration
from prism_photonics.calibration.faults import Fault, find_faults
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.files import write_bytes
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

SCHEMA = "prism_photonics.record/4"


def leaves(calibration: Calibration) -> dict[str, np.ndarray]:
    """Every array of a calibration by its path, such as ``rows.rings.t1``."""
    flat, _ = jax.tree_util.tree_flatten_with_path(calibration)
    return {"".join(str(part) for part in path).lstrip("."): np.asarray(leaf) for path, leaf in flat}


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset to ``path`` in one step: a reader sees the old file or the new one, never half.

    Raises:
        InputError: The place cannot be written.
    """
    dataset = dataset.assign_attrs(content_hash=_content_hash(dataset))
    with dataset.to_netcdf(engine="scipy") as view:
        content = bytes(view)
    write_bytes(path, content)


def write_record(path: str | Path, calibration: Calibration, survey: xr.Dataset, spec: ChipSpec, **attrs: Any) -> None:
    """Write a calibration with the survey that it came from and the spec that it belongs to."""
    arrays = {
        f"fit.{name}": (tuple(f"{name}.{i}" for i in range(a.ndim)), a) for name, a in leaves(calibration).items()
    }
    dataset = survey.assign(arrays)
    dataset.attrs |= {
        "schema": SCHEMA, "spec": spec.model_dump_json(), "spec_hash": spec.hash, "triggers": calibration.triggers,
        "extra": json.dumps(attrs),
    }  # fmt: skip
    write_dataset(dataset, Path(path))


def read_dataset(path: Path, *, schema: str, arrays: tuple[str, ...] = ()) -> xr.Dataset:
    """Read a dataset that `write_dataset` wrote, whole and unedited, or say in one line why not.

    Args:
        path: The netCDF file.
        schema: The schema that the caller reads.
        arrays: Arrays that must be there.

    Raises:
        InputError: Missing, truncated, edited, of another schema, or without one of the arrays.
    """
    try:
        # Read whole: a memory map of a damaged file leaves warnings behind, and breaks when the file is cut.
        content = io.BytesIO(path.read_bytes())
        with xr.open_dataset(content, engine="scipy", mask_and_scale=False, decode_times=False) as handle:
            dataset = handle.load()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it with 'prism calibrate'") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or 'damaged'}); give a folder of 'prism calibrate'"
        ) from None
    except Exception:  # the netCDF reader raises whatever the damage provokes
        raise InputError(f"{path}: not a readable record (truncated or damaged); calibrate again") from None
    if dataset.attrs.get("schema") != schema:
        raise InputError(
            f"{path}: schema {dataset.attrs.get('schema')!r}, this version reads {schema!r}; calibrate again"
        )
    for name in arrays:
        if name not in dataset:
            raise InputError(f"{path}: the record lacks {name}; calibrate again")
    if _content_hash(dataset) != dataset.attrs.get("content_hash"):
        raise InputError(
            f"{path}: the content does not match its hash; the file was edited or damaged: calibrate again"
        )
    return dataset


def read_record(path: str | Path) -> tuple[Calibration, ChipSpec, dict[str, Any]]:
    """Read what `write_record` wrote.

    Returns:
        The calibration, its spec, and the extra attributes.

    Raises:
        InputError: Not a record, truncated, edited, or of another schema.
    """
    path = Path(path)
    dataset = read_dataset(path, schema=SCHEMA)
    attrs = dataset.attrs
    try:
        spec = ChipSpec.model_validate_json(attrs["spec"])
        extra = json.loads(attrs["extra"])
    except (ValueError, KeyError):
        raise InputError(f"{path}: the spec inside the record is damaged; calibrate again") from None
    if spec.hash != attrs.get("spec_hash"):
        raise InputError(
            f"{path}: spec hash {str(attrs.get('spec_hash'))[:12]} does not match the spec inside "
            f"({spec.hash[:12]}); calibrate again"
        )
    return _calibration(path, dataset, spec), spec, extra


def recorded_faults(path: str | Path) -> tuple[Fault, ...]:
    """What was broken on the chip of a record, as its survey shows."""
    _, spec, _ = read_record(path)
    return find_faults(read_dataset(Path(path), schema=SCHEMA), spec)


def heat_as_recorded(chip: AbstractChip, path: str | Path) -> None:
    """Heat a chip as it was heated while it was calibrated; a record without heat leaves it as it is.

    Raises:
        InputError: Not a record, or heaters that this chip does not have or may not be given.
    """
    dataset = read_dataset(Path(path), schema=SCHEMA)
    if "heater_mW" not in dataset:
        return
    if not chip.max_heater_mW:
        raise InputError(
            f"{path}: its rings were held by heaters, and this chip has none that can be set; use the bench of its "
            "calibration, or add a [[heater_source]] to the bench file"
        )
    chip.assign(dataset.channel_of_ring.values.astype(int), dataset.heater_mW.values)


def _calibration(path: Path, dataset: xr.Dataset, spec: ChipSpec) -> Calibration:
    template = blank_calibration(spec, triggers=int(dataset.attrs["triggers"]))
    flat, tree = jax.tree_util.tree_flatten_with_path(template)
    found = []
    for key_path, leaf in flat:
        name = "fit." + "".join(str(part) for part in key_path).lstrip(".")
        if name not in dataset:
            raise InputError(f"{path}: the record lacks {name}; calibrate again")
        array = dataset[name].values
        if array.shape != leaf.shape:
            raise InputError(f"{path}: {name} has shape {array.shape}, the spec wants {leaf.shape}; calibrate again")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds NaN or infinity; calibrate again")
        found.append(jnp.asarray(array, dtype=leaf.dtype))
    return jax.tree_util.tree_unflatten(tree, found)


def _content_hash(dataset: xr.Dataset) -> str:
    """SHA-256 over every array and attribute by name: one changed number is noticed."""
    digest = hashlib.sha256()
    for name, value in sorted(dataset.attrs.items()):
        if name != "content_hash":
            # A file turns Python's numbers into NumPy's; the text of either is the same.
            digest.update(f"{name}={np.ravel(value).tolist()!r};".encode())
    for name in sorted(map(str, dataset.variables)):
        digest.update(f"{name}{dataset[name].dims}".encode())
        digest.update(np.ascontiguousarray(dataset[name].values, dtype="<f8").tobytes())
    return digest.hexdigest()
