"""What `prism extract` writes: tables, arrays and numbers, from files that were characterised one by one."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from prism_photonics.files.datasets import Dataset, dataset_of
from prism_photonics.laboratory.extract import Record, RingRecord, law_over_gaps, thermal_over_files, tuning_over_files
from prism_photonics.laboratory.resonance import Resonance
from prism_photonics.laboratory.series import GapLaw
from prism_photonics.units import UM_PER_CM

TOLD = (
    "wl_nm",
    "fsr_nm",
    "n_g",
    "q_loaded",
    "q_intrinsic",
    "kappa2_through",
    "kappa2_drop",
    "loss_dB_turn",
    "splitting_pm",
)
"""What every resonance tells, each with its standard error ``…_std``; that of ``wl_nm`` counts on the sweep's axis as
it is, and what the axis as a whole is off by stands beside it as ``wl_nm_axis_std``."""
ALSO = ("loss_dB_cm", "splitting_limit_pm", "extinction_dB", "fwhm_pm", "residual_through", "residual_drop")


def outcome(files: Sequence[Record], *, law: GapLaw | None = None) -> dict[str, Any]:
    """All numbers, as ``--json`` prints them: ``rings``, ``gap_law``, ``comb``, ``tuning`` and ``thermal``.

    ``gap_law`` is None where fewer than three gaps are known, ``tuning`` and ``thermal`` where fewer than three biases
    or powers of the laser are recorded, ``comb`` where no ring shows three resonances; a number that cannot be told is
    None.

    Args:
        files: What was characterised.
        law: The gap law, where it is known already.
    """
    rings = [row for one in files for row in rows(one)]
    law, tuning, thermal = law or law_over_gaps(files), tuning_over_files(files), thermal_over_files(files)
    return plain(
        {
            "rings": rings,
            "gap_law": law and _law(law),
            "comb": _comb([each for one in files for each in combs_of(one)]),
            "combs": [each for one in files for each in combs_of(one)],
            "tuning": tuning and {k: v for k, v in asdict(tuning).items() if not isinstance(v, tuple)},
            "thermal": thermal and {k: v for k, v in asdict(thermal).items() if not isinstance(v, tuple)},
        }
    )


def rows(one: Record) -> list[dict[str, Any]]:
    """The resonances of a file, ring by ring, as rows of ``rings.csv``."""
    found = []
    for n, ring in enumerate(one.rings):
        for resonance in ring.resonances:
            name = {"name": one.name} if one.name else {}
            found.append({"file": one.file, "ring": n, **name, **_row(one, ring, resonance)})
    return found


def _row(one: Record, ring: RingRecord, each: Resonance) -> dict[str, Any]:
    length_um, comb = one.device.length_um, ring.comb
    n_g = n_g_std = fsr_std = math.nan
    if comb is not None:
        turn_um = comb.turn_at_um(each.wl_nm)
        turn_std = comb.turn_error_at_um(each.wl_nm)
        fsr_std = each.fsr_nm * turn_std / turn_um
        if length_um:
            n_g, n_g_std = turn_um / length_um, turn_std / length_um
    row: dict[str, Any] = {}
    numbers = {**asdict(each), "n_g": n_g, "n_g_std": n_g_std, "fsr_nm_std": fsr_std}
    if comb is not None:
        numbers["fsr_nm"] = comb.fsr_nm(each.wl_nm)
    for name in TOLD:
        row[name], row[f"{name}_std"] = numbers[name], numbers[f"{name}_std"]
        if name == "wl_nm":
            row["wl_nm_axis_std"] = one.axis_nm
    row["gap_nm"] = one.device.gap_nm
    numbers["loss_dB_cm"] = each.loss_dB_turn / length_um * UM_PER_CM if length_um else math.nan
    row |= {name: numbers[name] for name in ALSO}
    if math.isfinite(each.other_kappa2):
        row["other_branch"] = {
            "kappa2_through": each.other_kappa2,
            "kappa2_drop": each.other_kappa2_drop,
            "loss_dB_turn": each.other_loss_dB_turn,
        }
    return row


def rings_csv(files: Sequence[Record]) -> str:
    """``rings.csv``: one row a resonance, units in the names; a number that cannot be told stays empty."""
    flat = []
    for row in (row for one in files for row in rows(one)):
        other = row.pop("other_branch", {})
        flat.append(
            {
                **row,
                "other_kappa2_through": other.get("kappa2_through"),
                "other_kappa2_drop": other.get("kappa2_drop"),
                "other_loss_dB_turn": other.get("loss_dB_turn"),
            }
        )
    text = io.StringIO()
    table = csv.DictWriter(text, list(flat[0]) if flat else ["file"], lineterminator="\n")
    table.writeheader()
    for row in flat:
        table.writerow({k: _cell(v) for k, v in row.items()})
    return text.getvalue()


def dataset(files: Sequence[Record]) -> Dataset:
    """``extract.nc``: every resonance as a row, and what its file was read as."""
    table = [row for one in files for row in rows(one)]
    numbers = [name for name in (table[0] if table else {}) if name not in ("file", "ring", "name", "other_branch")]
    data: dict[str, Any] = {
        name: ("resonance", np.array([math.nan if row[name] is None else float(row[name]) for row in table]))
        for name in numbers
    }
    data["ring"] = ("resonance", np.array([row["ring"] for row in table], int))
    data["file"] = ("resonance", np.array([row["file"] for row in table], str))
    if table and "name" in table[0]:
        data["name"] = ("resonance", np.array([row["name"] for row in table], str))
    data["format"] = ("sweep", np.array([one.format for one in files], str))
    data["sweep_file"] = ("sweep", np.array([one.file for one in files], str))
    data["wander_pm"] = ("sweep", np.array([one.wander_pm for one in files]))
    return dataset_of(data, {})


def combs_of(one: Record) -> list[dict[str, Any]]:
    """The combs of a file's rings."""
    found, length_um = [], one.device.length_um
    for n, ring in enumerate(one.rings):
        if (comb := ring.comb) is None:
            continue
        per = length_um or math.nan
        found.append(
            {
                "file": one.file,
                "ring": n,
                "wl_nm": comb.wl0_nm,
                "n_g": comb.turn_um / per,
                "n_g_std": comb.turn_error_at_um(comb.wl0_nm) / per,
                "dn_g_per_um": comb.slope / per if math.isfinite(comb.slope_std) else math.nan,
                "dn_g_per_um_std": comb.slope_std / per if math.isfinite(comb.slope_std) else math.nan,
                "n_g_length_um": comb.turn_um,
                "rms_pm": comb.rms_pm,
                "resonances": sum(comb.used),
            }
        )
    return found


def _comb(combs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Group index over all combs: the median, since one of a set may be disturbed."""
    if not combs:
        return None
    return {
        name: _median([comb[name] for comb in combs])
        for name in ("n_g", "n_g_std", "dn_g_per_um", "dn_g_per_um_std", "rms_pm")
    }


def _law(law: GapLaw) -> dict[str, Any]:
    return {
        "decay_nm": law.decay_nm,
        "decay_nm_std": law.decay_nm_std,
        "scatter": law.scatter,
        "loss_dB_turn_median": law.loss_dB_turn_median,
        "loss_spread": law.loss_spread,
        "kappa2_0": law.kappa2_0,
        "wl_nm": law.wl_nm,
        "slope_per_nm": law.slope_per_nm,
    }


def _median(values: Sequence[float]) -> float:
    known = [v for v in values if math.isfinite(v)]
    return float(np.median(known)) if known else math.nan


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return "" if value is None else value


def plain(value: Any) -> Any:
    """Numbers that JSON knows: what is no number is None."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, np.floating | float):
        return float(value) if math.isfinite(value) else None
    return value
