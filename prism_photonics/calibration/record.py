"""A calibration on disk: a netCDF file per record, written atomically, refused when it does not fit.

One file holds the survey as measured and the fit as arrays; the file's attributes carry schema, spec and spec hash.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.calibration.calibration import Calibration, blank_calibration
from prism_photonics.calibration.faults import Fault, find_faults
from prism_photonics.calibration.leftover import blank_leftover
from prism_photonics.calibration.record_fields import (
    APART,
    ATTRIBUTES,
    BEYOND,
    LEFT,
    TM,
    fit_fields,
    require_permutations,
    require_survey,
    sizes,
    survey_fields,
)
from prism_photonics.calibration.reflecting import blank_beyond
from prism_photonics.calibration.survey import SPECTRUM
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.laser import COMB, TUNABLE_LASER
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.extras import asked_by
from prism_photonics.files import write_bytes
from prism_photonics.files.datasets import Dataset
from prism_photonics.files.fields import Field, Number, require_arrays, require_values, shown
from prism_photonics.files.migration import migrated
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.retired import told
from prism_photonics.units import InputError

SCHEMA = "prism_photonics.record/6"
CURE = "calibrate again"
LARGEST_BYTES = 1 << 31
"""Size limit that is checked before anything is parsed: two hundred times the record of 32 × 256 rings."""


def leaves(calibration: Calibration) -> dict[str, np.ndarray]:
    """Every array of a calibration by its path, such as ``rows.rings.t1``."""
    flat, _ = jax.tree_util.tree_flatten_with_path(calibration)
    return {"".join(str(part) for part in path).lstrip("."): np.asarray(leaf) for path, leaf in flat}


def write_dataset(dataset: Dataset, path: Path) -> None:
    """Write a dataset to ``path`` in one step: a reader sees the old file or the new one, never half.

    Raises:
        InputError: The place cannot be written.
    """
    dataset = dataset.assign_attrs(content_hash=_content_hash(dataset))
    with dataset.to_netcdf(engine="scipy") as view:
        content = bytes(view)
    write_bytes(path, content)


def write_record(path: str | Path, calibration: Calibration, survey: Dataset, spec: ChipSpec, **attrs: Any) -> None:
    """Write a calibration with the survey that it came from and the spec that it belongs to."""
    arrays = {
        f"fit.{name}": (tuple(f"{name}.{i}" for i in range(a.ndim)), a) for name, a in leaves(calibration).items()
    }
    dataset = survey.assign(arrays)
    dataset.attrs |= {
        "schema": SCHEMA, "spec": spec.model_dump_json(), "spec_hash": spec.hash, "triggers": calibration.triggers,
        "lost_readings": _lost(survey), "extra": json.dumps(attrs),
    }  # fmt: skip
    write_dataset(dataset, Path(path))


def read_dataset(
    path: Path,
    *,
    schema: str,
    arrays: Mapping[str, Number] = {},
    attributes: Mapping[str, Field] = {},
    sizes: Mapping[str, int] = {},
    older: Mapping[int, Callable[[Dataset], Dataset]] = {},
    cure: str = CURE,
    former: str = "",
) -> Dataset:
    """Read a dataset that `write_dataset` wrote, whole and unedited, and with numbers that can be; or say why not.

    Args:
        path: The netCDF file.
        schema: The schema that the caller reads.
        arrays: Axes, kind and range of its arrays.
        attributes: Range or pattern of its attributes.
        sizes: Lengths of axes that are known beforehand.
        older: Steps from the numbers of older schemas that are still read, see `migrated`.
        cure: How such a file is made anew.
        former: The schema's name in older versions, see `migrated`.

    Returns:
        The dataset; the attributes that were asked for are numbers and texts of Python.

    Raises:
        InputError: Missing, truncated, edited, of another schema, without one of the arrays, or with a number that
            cannot be.
    """
    with asked_by("a record"):
        import xarray as xr

    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path}: more than {LARGEST_BYTES} bytes, want a record; {cure}")
        # Read whole: a memory map of a damaged file leaves warnings behind, and breaks when the file is cut.
        content = io.BytesIO(path.read_bytes())
        with xr.open_dataset(content, engine="scipy", mask_and_scale=False, decode_times=False) as handle:
            dataset = handle.load()
        hashed = _content_hash(dataset)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it with 'prism calibrate'") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or 'damaged'}); give a folder of 'prism calibrate'"
        ) from None
    except Exception:  # the netCDF reader raises whatever the damage provokes
        raise InputError(f"{path}: not a readable record (truncated or damaged); {cure}") from None
    found = dataset.attrs.get("schema")
    if hashed != dataset.attrs.get("content_hash"):
        # A file of another kind or version may have another hash; that is said first.
        migrated(
            str(path), found, schema, dataset, steps=dict.fromkeys(older, lambda same: same), cure=cure, former=former
        )
        raise InputError(f"{path}: the content does not match its hash; the file was edited or damaged: {cure}")
    dataset = migrated(str(path), found, schema, dataset, steps=older, cure=cure, former=former)
    require_arrays(str(path), dataset.variables, arrays, sizes=sizes, cure=cure)
    return dataset.assign_attrs(require_values(str(path), dataset.attrs, attributes, cure=cure))


def read_record(path: str | Path) -> tuple[Calibration, ChipSpec, dict[str, Any]]:
    """Read what `write_record` wrote.

    Returns:
        The calibration, its spec, and the extra attributes.

    Raises:
        InputError: Not a record, truncated, edited, of another schema, or with a number that cannot be.
    """
    path = Path(path)
    dataset, spec = _read(path)
    try:
        extra = json.loads(dataset.attrs["extra"])
    except (ValueError, RecursionError):
        extra = None
    if not isinstance(extra, dict) or not isinstance(extra.get("bench", ""), str):
        raise InputError(f"{path}: extra = {shown(dataset.attrs['extra'])}, want a JSON table; {CURE}")
    return _calibration(path, dataset, spec), spec, extra


def recorded_faults(path: str | Path) -> tuple[Fault, ...]:
    """Faults of a record's chip, found again in its survey."""
    return find_faults(*_read(Path(path)))


def recorded_survey(path: str | Path) -> Dataset:
    """The survey that a record's calibration was fitted to.

    Raises:
        InputError: Not a record, or one with a number that cannot be.
    """
    dataset, _ = _read(Path(path))
    return dataset.drop_vars([str(name) for name in dataset.variables if str(name).startswith("fit.")])


def recorded_light(path: str | Path) -> str:
    """What lit the chip while it was surveyed: ``comb`` or ``tunable_laser``.

    Raises:
        InputError: Not a record, or one with a number that cannot be.
    """
    dataset, _ = _read(Path(path))
    return TUNABLE_LASER if SPECTRUM in dataset else COMB


def require_same_light(chip: AbstractChip, path: str | Path) -> None:
    """Refuse a bench that lights a chip otherwise than it was calibrated: strength and place of its lines are others.

    Raises:
        InputError: Not a record, or one that was taken with a comb where a laser is, or the other way about.
    """
    was, now = recorded_light(path), COMB if chip.laser is None else TUNABLE_LASER
    if was != now:
        raise InputError(
            f"{path}: calibrated was by light = '{was}', this bench has light = '{now}', whose lines are of another "
            "strength and place; calibrate the chip on this bench"
        )


def heat_as_recorded(chip: AbstractChip, path: str | Path) -> None:
    """Heat a chip as it was heated while it was calibrated, or tell it which ring a trimming brought to which channel.

    Raises:
        InputError: Not a record, or heaters that this chip does not have or may not be given.
    """
    dataset, _ = _read(Path(path))
    if "heater_mW" not in dataset:
        chip.assign(dataset.channel_of_ring.values.astype(int), None)
        return
    if not chip.max_heater_mW:
        raise InputError(
            f"{path}: its rings were held by heaters, and this chip has none that can be set; use the bench of its "
            "calibration, or add a [[heater_source]] to the bench file"
        )
    chip.assign(dataset.channel_of_ring.values.astype(int), dataset.heater_mW.values)


def _read(path: Path) -> tuple[Dataset, ChipSpec]:
    """A record's dataset, its survey checked against the spec inside."""
    dataset = read_dataset(path, schema=SCHEMA, attributes=ATTRIBUTES, older={4: _counted, 5: _without_tm})
    try:
        spec = ChipSpec.from_json(dataset.attrs["spec"])
    except (ValueError, RecursionError):
        raise InputError(f"{path}: the spec inside the record is damaged; {CURE}") from None
    inside = spec.hash_as_told(told(dataset.attrs["spec"]))
    if inside != dataset.attrs["spec_hash"]:
        raise InputError(
            f"{path}: spec hash {dataset.attrs['spec_hash'][:12]} does not match the spec inside ({inside[:12]}): "
            f"another spec, or its film's numbers have changed since; {CURE}"
        )
    # Of a key that went, whatever the record tells of it, the chip is the one of the spec without it.
    dataset = dataset.assign_attrs(spec_hash=spec.hash)
    require_arrays(str(path), dataset.variables, survey_fields(spec), sizes=sizes(spec), cure=CURE)
    require_survey(str(path), dataset, cure=CURE)
    return dataset, spec


def _counted(dataset: Dataset) -> Dataset:
    """From schema 4, which did not count the readings that gave no number."""
    return dataset.assign_attrs(lost_readings=_lost(dataset))


def _without_tm(dataset: Dataset) -> Dataset:
    """From schema 5, which knew nothing of TM: an older program would have left it out of a record that has it."""
    return dataset


def _lost(survey: Dataset) -> int:
    """Readings that gave no number."""
    return sum(int((~np.isfinite(survey[name].values)).sum()) for name in ("current_A", "dark_A") if name in survey)


def _calibration(path: Path, dataset: Dataset, spec: ChipSpec) -> Calibration:
    template = blank_calibration(spec, triggers=dataset.attrs["triggers"])
    reflecting, left = (f"fit.{name}" in dataset.variables for name in (f"{BEYOND}.end_re", f"{LEFT}.chi2"))
    tm = any(str(name).startswith(f"fit.{TM}.") for name in dataset.variables)
    if reflecting or tm:
        beyond, reflecting = blank_beyond(spec), True
        if tm:
            beyond = replace(beyond, tm=_designed_tm(path, spec))
        template = eqx.tree_at(lambda c: c.rows.beyond, template, beyond, is_leaf=lambda leaf: leaf is None)
    apart = f"fit.{APART}" in dataset.variables
    left = left or apart
    if left:
        blank_left = blank_leftover(spec, apart=apart)
        template = eqx.tree_at(lambda c: c.left, template, blank_left, is_leaf=lambda leaf: leaf is None)
    blank = leaves(template)
    scatter = [name.removeprefix("scatter.") for name in blank if name.startswith("scatter.")]
    arrays = require_arrays(
        str(path),
        dataset.variables,
        fit_fields(tuple(scatter), reflecting=reflecting, tm=tm, left=left, apart=apart),
        sizes=sizes(spec),
        cure=CURE,
    )
    for name in ("wl_um", *(f"scatter.{name}" for name in scatter)):
        if not np.allclose(arrays[f"fit.{name}"], blank[name], rtol=1e-9, atol=0.0):
            raise InputError(
                f"{path}: fit.{name} = {shown(arrays[f'fit.{name}'].tolist())}, want {shown(blank[name].tolist())} as "
                f"the spec has it; {CURE}"
            )
    require_permutations(str(path), "fit.channel_of_ring", arrays["fit.channel_of_ring"], cure=CURE)
    flat, tree = jax.tree_util.tree_flatten(template)
    found = [jnp.asarray(arrays[f"fit.{name}"], dtype=leaf.dtype) for name, leaf in zip(blank, flat, strict=True)]
    return jax.tree_util.tree_unflatten(tree, found)


def _designed_tm(path: Path, spec: ChipSpec) -> TwoPolarizations:
    """TM by design, where the film has any."""
    second = designed_tm(spec)
    if second is None:
        raise InputError(
            f"{path}: fit.{TM} holds TM on film {spec.profile.name}, whose TM leaks or is not known, want none; {CURE}"
        )
    return second


def _content_hash(dataset: Dataset) -> str:
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
