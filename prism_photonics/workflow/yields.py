"""A yield study from a spec to its folder: checked first, computed or gone on with, verified, told and drawn."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prism_photonics.budget.feasibility import require_feasible
from prism_photonics.explore.die import COLUMNS
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import Seen, run
from prism_photonics.explore.sensitivity import sensitivities
from prism_photonics.explore.store import DieStore
from prism_photonics.explore.summary import summarize
from prism_photonics.explore.verdict import broken, limits_of
from prism_photonics.explore.verify import chosen_dies, doubts, not_drawn, verify_die
from prism_photonics.files import make_folder, write_text
from prism_photonics.units import InputError

MOST_VERIFIED_RINGS = 512
"""A die of more rings takes minutes to calibrate, so by default none is (design choice)."""


def default_verified(plan: YieldPlan) -> int:
    """Dies that are calibrated in full where nobody says how many."""
    return 2 if plan.spec.chip.rows * plan.spec.chip.rings <= MOST_VERIFIED_RINGS else 0


def study_yield(
    plan: YieldPlan,
    folder: Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    verify: int | None = None,
    begun: Callable[[int], Seen] = lambda done: lambda dies: None,
    tell: Callable[[str], None] = lambda line: None,
    anyway: bool = False,
) -> dict[str, Any]:
    """Compute a study, or what an earlier run left of it, and write its table, pictures and page.

    Args:
        plan: The study.
        folder: Made if missing; holds ``dies.bin`` (every finished batch), ``dies.csv``, ``yield.json``, ``yield.html``
            and pictures.
        scheduler: Address of a dask scheduler; this machine's cores by default.
        workers: Processes on this machine; one for each core by default.
        verify: Dies that also go through the whole calibration.
        begun: Told how many dies are on file already; gives what is told of progress.
        tell: Takes what happens.
        anyway: Study a chip that `check_spec` finds not feasible, too.

    Returns:
        The study in numbers, as written to ``yield.json``.

    Raises:
        InputError: The spec is not feasible, the folder holds another study or cannot be written, or computing fails.
    """
    if not anyway:
        try:
            require_feasible(plan.spec)
        except InputError as error:
            raise InputError(f"{error} [no die drawn: the design itself fails; mend it, or give --anyway]") from None
    make_folder(folder)
    with DieStore(folder / "dies.bin", plan) as store:
        done = sum(len(plan.dies_of(n)) for n in range(plan.batches) if store.read(n) is not None)
        seen = begun(done)
        if done < plan.dies:
            if scheduler is None:
                run(plan, store, workers=workers, seen=seen)
            else:
                from prism_photonics.explore.cluster import run_on_cluster

                run_on_cluster(plan, store, scheduler=scheduler, seen=seen)
        found = summarize(store)
        _write_table(folder / "dies.csv", store)
    tell("sensitivities of the design …")
    recall, answers = sensitivities(plan)
    verified, lost = [], []
    for die in chosen_dies(plan, default_verified(plan) if verify is None else verify):
        tell(f"whole calibration of die {die} …")
        try:
            verified.append(verify_die(plan, die))
        except InputError as error:
            # The study stands; of this die the procedure itself gives nothing.
            lost.append(f"die {die} cannot be calibrated: {error}")
    numbers = found.to_json() | {
        "design_smooth_recall": recall,
        "sensitivities": [vars(one) for one in answers],
        "verified": [one.to_json() for one in verified],
        # "No die was verified" is for who asked for none: who did is told why each was lost.
        "warnings": [*(doubts(plan, verified) if verified or not lost else []), *lost, *not_drawn(plan)],
    }
    write_text(folder / "yield.json", json.dumps(numbers, indent=2) + "\n")
    from prism_photonics.report.yields import write_yield

    write_yield(folder, found, recall=recall, answers=answers, numbers=numbers)
    return numbers


def _write_table(path: Path, store: DieStore) -> None:
    """Every die as one line of a CSV file; written beside its place and moved there when it is whole."""
    plan, limits = store.plan, limits_of(store.plan)
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            stream.write(_line(["die", *COLUMNS, "good"]))
            for number, batch in enumerate(store.batches()):
                good = ~broken(limits, batch.dies).any(0)
                for die, row, passed in zip(plan.dies_of(number), batch.dies.tolist(), good.tolist(), strict=True):
                    whole = [int(value) for value in row[: COLUMNS.index("x_mm")]]
                    stream.write(_line([die, *whole, *(f"{v:.7g}" for v in row[len(whole) :]), int(passed)]))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); make room and start again") from None
    finally:
        beside.unlink(missing_ok=True)


def _line(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
