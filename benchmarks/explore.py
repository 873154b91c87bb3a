"""Search for banks of 32 dimensions on three films from the paper's point, and why two films have none of 256 rows.

    python benchmarks/explore.py [--trials 200] [--film tfln600] [--keep FOLDER] [--json]

Of each film the most rows are searched that its area and its lines allow. Every search is the whole command's: first
choices, trials, polish and files; beside it stands `bank_32x256` cut to as many rows. What forbids 256 rows is worked
out for every split over buses: the least area, of 256 rows and of as many as are searched, and how many linewidths of
the narrowest line that drift allows lie between the lines of one free spectral range. FOLDER keeps the designs, those
of each film in a folder of its own, for `explore_dies.py`. ``--json`` prints what `results/explore.json` keeps.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prism_photonics.budget.feasibility import check
from prism_photonics.budget.ring import ring_figures
from prism_photonics.explore.objectives import area_mm2, blocks_of, objectives_of
from prism_photonics.explore.search import Search
from prism_photonics.explore.space import knobs, spec_of, usual_choices
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.workflow.explore import explore_designs

FROM, BANK = "paper_32x256", "bank_32x256"
ROWS = {"tfln600": 256, "lnoi400": 128, "ltoi300": 64}
"""Most rows, a power of two, of which 32 dimensions were found on a film."""
Q_BISECTIONS, REACHES, BIASES = 8, (0.3, 0.45, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9), (0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4)
WIDEST = 0.999
"""Share of a free spectral range that lines fill."""


def cut(name: str, rows: int, **changed: str) -> ChipSpec:
    """A spec that ships with other rows: of fewer each has more light, and its converter as much more range."""
    data = load_spec(name).model_dump()
    range_uA = data["detector"]["adc_full_scale_uA"] * data["chip"]["rows"] / rows
    detector = data["detector"] | {"adc_full_scale_uA": range_uA}
    return ChipSpec.model_validate({**data, "chip": data["chip"] | {"rows": rows}, "detector": detector, **changed})


def searched(film: str, trials: int, keep: Path | None) -> dict[str, Any]:
    """The search on one film, as the command makes it."""
    rows = ROWS[film]
    base, bank = cut(FROM, rows, process=film), cut(BANK, rows)
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{Path(folder) / 'explore.db'}"
        search = Search(base, objectives_of("recall,energy,area"), blocks_of(base, None), storage)
        numbers = explore_designs(search, keep / film if keep else Path(folder), trials=trials, beat=bank)
    names = ("recall", "energy", "area")
    return {
        "rows": rows,
        "k": numbers["k"],
        "cpu_s": round(time.process_time() - begun, 1),
        **{name: numbers[name] for name in ("trials", "feasible", "front")},
        "bank": {name: numbers["reference"][name] for name in names},
        "beaten_by": numbers["reference"]["beaten_by"],
        "designs": [
            {name: row[name] for name in (*names, "beats")}
            | {name: row["choice"][name] for name in ("buses", "encoding", "line_power_dBm", "bandwidth_GHz")}
            for row in numbers["designs"]
        ],
    }


def bounds(film: str) -> list[dict[str, Any]]:
    """Least area of 256 rows, and linewidths from line to line, for every split over buses that may fit."""
    base, fewer = (cut(FROM, rows, process=film) for rows in (256, ROWS[film]))
    found = []
    for buses in next(knob for knob in knobs(base) if knob.name == "buses").options:
        choice = next(one for one in usual_choices(base) if one["buses"] == buses)
        smallest, searched_mm2 = (area_mm2(spec_of(each, choice | {"q_loaded": 30_000.0})) for each in (base, fewer))
        found.append(
            {
                "buses": buses,
                "channels": 32 // int(buses),
                "least_area_mm2": round(smallest, 1),
                "least_area_searched_mm2": round(searched_mm2, 1),
                "linewidths": round(max(apart(base, choice, reach) for reach in REACHES), 2),
            }
        )
        if smallest > 2000.0:
            break
    return found


def apart(base: ChipSpec, choice: dict[str, Any], reach: float) -> float:
    """Linewidths from line to line at the highest Q at which drift and reach are kept; 0 where no Q keeps them."""

    def kept(q_loaded: float) -> float:
        """Linewidths from line to line with the best bias, or 0."""
        for bias in BIASES:
            spec = spec_of(
                base,
                choice | {"q_loaded": q_loaded, "weight_limit": reach, "bias_widths": bias, "spacing_of_fsr": WIDEST},
            )
            rules = {finding.rule: finding for finding in check(spec).findings}
            if rules["drift"].passed and rules["drift_common"].passed and rules["tuning_range"].passed:
                figures = ring_figures(spec)
                return WIDEST * 1e3 * figures.fsr_nm / spec.chip.channels / figures.fwhm_pm
        return 0.0

    low, high, best = 3_000.0, 100_000.0, kept(3_000.0)
    for _ in range(Q_BISECTIONS):
        middle = (low * high) ** 0.5
        here = kept(middle)
        low, high, best = (middle, high, here) if here else (low, middle, best)
    return best


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--trials", type=int, default=200)
    asked.add_argument("--film", choices=ROWS, help="this one alone; all by default")
    asked.add_argument("--keep", type=Path, metavar="FOLDER")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    films = {}
    for film in [given.film] if given.film else ROWS:
        films[film] = {"bounds": bounds(film), **searched(film, given.trials, given.keep)}
        print(film, films[film], file=sys.stderr)
    found = {
        "command": f"python benchmarks/explore.py --trials {given.trials} --json",
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared with other work: processor times of one",
        "films": films,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
