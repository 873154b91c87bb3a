"""Whether broken specs are mended by what `prism check` prints: its edits in their order, and single cures by hand.

    python benchmarks/cures.py [SPECS] [--json]

Random specs about demo_8x8 that break some rule, on every film that ships. *Edits*: what `prism check` prints last,
made in its order and checked again. *By hand*: the first cure that spoils nothing, of the first rule that has one, is
followed until the spec is feasible or no such cure is printed.
"""

import datetime
import json
import os
import platform
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.budget.cures import applied
from prism_photonics.budget.feasibility import Feasibility, check
from prism_photonics.budget.finding import Cure
from prism_photonics.process.profile import profile_names
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

SPEC = Path(__file__).parents[1] / "layouts" / "demo_8x8" / "spec.toml"
SEED = 13
MOST_EDITS = 6
NEVER = "not mended"


def random_spec(rng: np.random.Generator, demo: ChipSpec) -> ChipSpec:
    """A spec with what a designer chooses drawn at random.

    Raises:
        ValueError: The numbers make no spec, such as lines beyond the band.
    """
    gap_um = float(rng.uniform(0.37, 0.6))
    changes: dict[str, dict[str, Any]] = {
        "chip": {"channels": int(rng.choice((2, 4, 8, 12, 16))), "rows": int(rng.choice((1, 8, 32)))},
        "comb": {
            "spacing_nm": float(10.0 ** rng.uniform(-1.0, 0.3)),
            "line_power_dBm": float(rng.uniform(-10.0, 20.0)),
        },
        "ring": {"gap_through_um": gap_um, "gap_drop_um": gap_um, "bias_pm": float(rng.uniform(-50.0, 100.0))},
        "drive": {"max_voltage_V": float(rng.uniform(3.0, 60.0)), "dac_bits": int(rng.integers(6, 17))},
        "detector": {"adc_bits": int(rng.integers(6, 15))},
        "trim": {"residual_pm": float(rng.uniform(0.0, 30.0))},
    }
    # A designer who begins with the demonstrator's file and names another film.
    data = demo.model_dump() | {"process": str(rng.choice(profile_names()))}
    return ChipSpec.model_validate({**data, **{table: data[table] | keys for table, keys in changes.items()}})


def clean_cure(report: Feasibility) -> Cure | None:
    """The first printed cure that spoils no other rule."""
    return next((cure for found in report.violations for cure in found.cures if not cure.spoils), None)


def edits_by_hand(spec: ChipSpec, report: Feasibility) -> int | str:
    """How many printed cures make the spec feasible.

    Raises:
        AssertionError: A cure breaks more rules than were broken before, or is no spec.
    """
    for edits in range(1, MOST_EDITS + 1):
        cure = clean_cure(report)
        if cure is None:
            return NEVER
        cured = applied(spec, cure)
        assert cured is not None, f"{cure} is no spec"
        spec, before = cured, len(report.violations)
        report = check(spec)
        assert len(report.violations) < before, f"{cure} mends nothing"
        if report.feasible:
            return edits
    return NEVER


def edits_in_order(spec: ChipSpec, report: Feasibility) -> int | str:
    """How many edits make the spec feasible.

    Raises:
        AssertionError: An edit is no spec, or with all of them some rule is broken.
    """
    if not report.edits:
        return NEVER
    for edit in report.edits:
        edited = applied(spec, edit)
        assert edited is not None, f"{edit} is no spec"
        spec = edited
    assert check(spec).feasible, f"{report.edits} do not mend {spec}"
    return len(report.edits)


def main() -> None:
    """Mend random specs, and print in how many edits they become feasible."""
    numbers = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    wanted = int(numbers[0]) if numbers else 200
    demo, rng = ChipSpec.from_toml(SPEC), np.random.default_rng(SEED)
    rules, films, keys = Counter[int](), Counter[str](), Counter[int]()
    in_order, by_hand = Counter[int | str](), Counter[int | str]()
    left, skipped = Counter[str](), Counter[str]()
    seconds = []
    while sum(rules.values()) < wanted:
        try:
            spec = random_spec(rng, demo)
            report = check(spec)
        except (ValueError, InputError):
            skipped["no spec"] += 1
            continue
        if report.feasible:
            skipped["feasible"] += 1
            continue
        rules[len(report.violations)] += 1
        films[spec.process] += 1
        start = time.process_time()
        edits = edits_in_order(spec, report)
        seconds.append(time.process_time() - start)
        in_order[edits] += 1
        if edits == NEVER:
            left[", ".join(found.rule for found in report.violations)] += 1
        else:
            keys[sum(len(edit.keys) for edit in report.edits)] += 1
        by_hand[edits_by_hand(spec, report)] += 1
    found = {
        "command": f"python benchmarks/cures.py {wanted} --json",
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared with other work: processor times of one",
        "seed": SEED,
        "broken_specs": sum(rules.values()),
        "by_film": dict(sorted(films.items())),
        "drawn_besides": dict(skipped),
        "specs_by_rules_broken": by_count(rules),
        "edits": by_count(in_order),
        "keys_in_all_edits": by_count(keys),
        "not_mended": dict(left.most_common()),
        "edits_cpu_s_median": round(float(np.median(seconds)), 2),
        "edits_cpu_s_largest": round(max(seconds), 2),
        "single_cures_by_hand": by_count(by_hand),
    }
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        print(f"{key:<22} {value}")


def by_count(counted: Counter[Any]) -> dict[str, int]:
    """Counts by number of edits, what was not mended last."""
    return {str(key): counted[key] for key in sorted(counted, key=lambda key: (isinstance(key, str), key))}


if __name__ == "__main__":
    main()
