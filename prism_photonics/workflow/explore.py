"""A search from a spec to a folder of better ones: tried, polished, drawn, and written as specs that pass the check."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.budget.feasibility import check, require_feasible
from prism_photonics.explore.refine import climbed, refined
from prism_photonics.explore.search import Front, Search, feasible_values, finished, front, run_search, unbeaten
from prism_photonics.explore.space import dims_of
from prism_photonics.files import make_folder, write_text
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

MOST_DESIGNS = 12
"""Designs that are polished, and written, spread over the front (design choice)."""
FOUND_BY = "# Found by prism explore"
"""How a written design begins."""
MOST_BEATING = 4
"""Of the written ones, at least, if there are so many: designs that beat the reference (design choice)."""


def explore_designs(
    search: Search,
    folder: Path,
    *,
    trials: int,
    beat: ChipSpec | None = None,
    seen: Callable[[int], None] = lambda done: None,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Search, polish, draw and write.

    Args:
        search: The search.
        folder: Holds ``design_N.toml``, ``explore.json`` and ``pareto.svg``; the default storage, too.
        trials: Trials in all, those of earlier runs and of other processes on the storage included.
        beat: The reference: a chip of as many rows and dimensions that is to be beaten in all objectives; by default
            the one that the search begins from, if it is feasible.
        seen: Told how many trials are done.
        tell: Takes what happens.

    Returns:
        The designs in numbers, as written to ``explore.json``.

    Raises:
        InputError: The storage or the folder cannot be used, or the reference is a chip of another size.
    """
    reference = _reference(search, beat)
    make_folder(folder)
    study = run_search(search, trials=trials, seen=seen)
    found = front(search, study)
    chosen = spread(found, MOST_DESIGNS)
    tell(f"{len(found)} of {finished(study)} trials are beaten by no other; polishing {len(chosen)} of them …")
    met = unbeaten(search, [*found, *(one for design in chosen for one in refined(search, design))])
    climbs = met and any(one.name == "recall" for one in search.objectives)
    if reference and climbs and not any(search.beats(design.values, reference) for design in met):
        tell(f"none of {len(met)} beats {(beat or search.base).name}; climbing from the nearest …")
        met = unbeaten(search, [*met, *climbed(search, met, reference)])
    beating = [design for design in met if reference and search.beats(design.values, reference)]
    designs = unbeaten(
        search, [*spread(met, max(MOST_DESIGNS - len(beating[:MOST_BEATING]), 0)), *spread(beating, MOST_BEATING)]
    )
    rows = []
    for number, design in enumerate(designs):
        spec = named(design.spec, f"{search.base.name[:50]}_{number}")
        require_feasible(spec)
        path = folder / f"design_{number}.toml"
        values = {one.name: value for one, value in zip(search.objectives, design.values, strict=True)}
        said = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        write_text(path, f"{FOUND_BY} from {search.base.name}, trial {design.number}: {said}.\n{spec}\n")
        rows.append(
            {
                "spec": path.name,
                "trial": design.number,
                **values,
                "beats": design in beating,
                "choice": dict(design.choice),
            }
        )
    _remove_older(folder, {row["spec"] for row in rows})
    names = [one.name for one in search.objectives]
    numbers = {
        "from": search.base.name,
        "spec_hash": search.base.hash,
        "study": search.hash,
        "objectives": {one.name: f"{one.direction}, {one.unit}".rstrip(", ") for one in search.objectives},
        "k": search.k,
        "trials": finished(study),
        "feasible": len(feasible_values(study)),
        "front": len(met),
        "reference": None
        if reference is None
        else {
            "name": (beat or search.base).name,
            **dict(zip(names, reference, strict=True)),
            "beaten_by": len(beating),
        },
        "designs": rows,
    }
    write_text(folder / "explore.json", json.dumps(numbers, indent=2) + "\n")
    from prism_photonics.report.front import write_front

    values = np.array(feasible_values(study)).reshape(-1, len(search.objectives))
    write_front(
        folder / "pareto.svg", search.objectives, feasible=values, designs=designs, found=found, reference=reference
    )
    return numbers


def _remove_older(folder: Path, written: Collection[str]) -> None:
    """Remove the designs that an earlier run wrote here, of a front that had more."""
    for path in folder.glob("design_*.toml"):
        if path.name not in written and path.read_text(encoding="utf-8", errors="replace").startswith(FOUND_BY):
            path.unlink()


def _reference(search: Search, beat: ChipSpec | None) -> tuple[float, ...] | None:
    """Objectives of the chip that is to be beaten; None where nobody names one and the first is not feasible.

    Raises:
        InputError: It has other rows or dimensions than the chips that are searched.
    """
    base = search.base
    if beat is None:
        return tuple(one.of(base, search.k) for one in search.objectives) if check(base).feasible else None
    size, wanted = ((spec.chip.rows, dims_of(spec)) for spec in (beat, base))
    if size != wanted:
        raise InputError(
            f"--beat {beat.name}: {size[0]} rows of {size[1]} dimensions, want {wanted[0]} of {wanted[1]} as "
            f"{base.name} has; name a chip of that size"
        )
    return tuple(one.of(beat, search.k) for one in search.objectives)


def spread(found: list[Front], most: int) -> list[Front]:
    """At most so many of a front, evenly along its first objective."""
    at = np.unique(np.linspace(0, len(found) - 1, min(len(found), most)).round().astype(int)) if found else []
    return [found[n] for n in at]


def named(spec: ChipSpec, name: str) -> ChipSpec:
    """The same chip by another name."""
    return spec.model_copy(update={"name": name})
