"""A search from a spec to a folder of better ones: tried, polished, drawn, and written as specs that pass the check."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.budget.feasibility import require_feasible
from prism_photonics.explore.refine import refined
from prism_photonics.explore.search import Front, Search, feasible_values, finished, front, run_search
from prism_photonics.files import make_folder, write_text
from prism_photonics.spec import ChipSpec

MOST_DESIGNS = 12
"""Designs that are polished and written, spread over the front (design choice)."""


def explore_designs(
    search: Search,
    folder: Path,
    *,
    trials: int,
    seen: Callable[[int], None] = lambda done: None,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Search, polish, draw and write.

    Args:
        search: The search.
        folder: Holds ``design_N.toml``, ``explore.json`` and ``pareto.svg``; the default storage, too.
        trials: Trials in all, those of earlier runs and of other processes on the storage included.
        seen: Told how many trials are done.
        tell: Takes what happens.

    Returns:
        The designs in numbers, as written to ``explore.json``.

    Raises:
        InputError: The storage or the folder cannot be used.
    """
    make_folder(folder)
    study = run_search(search, trials=trials, seen=seen)
    found = front(search, study)
    chosen = spread(found)
    tell(f"{len(found)} designs on the front of {finished(study)} trials; polishing {len(chosen)} …")
    designs = [refined(search, design) for design in chosen]
    rows = []
    for number, design in enumerate(designs):
        spec = named(design.spec, f"{search.base.name[:50]}_{number}")
        require_feasible(spec)
        path = folder / f"design_{number}.toml"
        values = {one.name: value for one, value in zip(search.objectives, design.values, strict=True)}
        said = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        write_text(path, f"# Found by prism explore from {search.base.name}, trial {design.number}: {said}.\n{spec}\n")
        rows.append({"spec": path.name, "trial": design.number, **values, "choice": dict(design.choice)})
    numbers = {
        "from": search.base.name,
        "spec_hash": search.base.hash,
        "study": search.hash,
        "objectives": {one.name: f"{one.direction}, {one.unit}".rstrip(", ") for one in search.objectives},
        "k": search.k,
        "trials": finished(study),
        "feasible": len(feasible_values(study)),
        "front": len(found),
        "designs": rows,
    }
    write_text(folder / "explore.json", json.dumps(numbers, indent=2) + "\n")
    from prism_photonics.report.front import write_front

    values = np.array(feasible_values(study)).reshape(-1, len(search.objectives))
    write_front(folder / "pareto.svg", search.objectives, feasible=values, designs=designs, found=found)
    return numbers


def spread(found: list[Front]) -> list[Front]:
    """At most `MOST_DESIGNS` of a front, evenly along its first objective."""
    at = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_DESIGNS)).round().astype(int)) if found else []
    return [found[n] for n in at]


def named(spec: ChipSpec, name: str) -> ChipSpec:
    """The same chip by another name."""
    return spec.model_copy(update={"name": name})
