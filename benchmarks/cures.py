"""Whether broken specs are mended by what `prism check` prints: cures followed by hand, and `--plan`.

    python benchmarks/cures.py [CPU_SECONDS] [--json]

Random specs about demo_8x8 that break some rule. *By hand*: the first cure that spoils nothing, of the first rule that
has one, is followed until the spec is feasible or no such cure is printed. *Plan*: the changes of `prism check --plan`,
made and checked again.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.budget.cures import applied
from prism_photonics.budget.feasibility import Feasibility, check
from prism_photonics.budget.finding import Cure
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
    data = demo.model_dump()
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


def edits_by_plan(spec: ChipSpec, report: Feasibility) -> int | str:
    """How many changes the plan has.

    Raises:
        AssertionError: The spec with all changes is not what the plan says it is.
    """
    plan = report.plan
    assert plan is not None
    for change in plan.changes:
        changed = applied(spec, change)
        assert changed is not None, f"{change} is no spec"
        spec = changed
    assert check(spec).feasible is (not plan.remaining), f"{plan} is not true"
    return NEVER if plan.remaining else len(plan.changes)


def main() -> None:
    """Mend specs until the processor time is spent, and print in how many edits they become feasible."""
    numbers = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    budget_s = float(numbers[0]) if numbers else 300.0
    demo, rng = ChipSpec.from_toml(SPEC), np.random.default_rng(SEED)
    rules, by_hand, by_plan = Counter[int](), Counter[int | str](), Counter[int | str]()
    left, skipped = Counter[str](), Counter[str]()
    while time.process_time() < budget_s:
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
        by_hand[edits_by_hand(spec, report)] += 1
        planned = edits_by_plan(spec, report)
        by_plan[planned] += 1
        if planned == NEVER and report.plan is not None:
            left[", ".join(report.plan.remaining)] += 1
    found = {
        "seed": SEED,
        "broken_specs": sum(rules.values()),
        "cpu_s": round(time.process_time()),
        "drawn_besides": dict(skipped),
        "specs_by_rules_broken": in_order(rules),
        "edits_by_hand": in_order(by_hand),
        "edits_by_plan": in_order(by_plan),
        "rules_left_by_plan": dict(left.most_common()),
    }
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        print(f"{key:<22} {value}")


def in_order(counted: Counter[Any]) -> dict[str, int]:
    """Counts by number of edits, what was not mended last."""
    return {str(key): counted[key] for key in sorted(counted, key=lambda key: (isinstance(key, str), key))}


if __name__ == "__main__":
    main()
