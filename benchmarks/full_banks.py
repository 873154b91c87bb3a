"""Full virtual dies of other chips than the standard bench's: rings that mix TE and TM, or TE0 and TE1, and four buses.

    python benchmarks/full_banks.py [DIES] [adiabatic|adiabatic_film|standard|arms|…] [te_tm|…]

As `full_die.py` measures them. Each die is written to ``results/full_banks.json`` as it is done; one that is there is
not measured again.
"""

import json
import os
import platform
import sys
import time
from typing import Any, NamedTuple

import full_die

from prism_photonics.chip.truth import FullTruth
from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec

RESULTS = full_die.ROOT / "benchmarks" / "results" / "full_banks.json"


class Case(NamedTuple):
    """A chip, by what differs from the standard bench, and what its dies are made of, by name.

    Attributes:
        spec: Tables that differ.
        truth: Truths by name.
        chip: A shipped chip in place of the bench's, which keeps the bench's instruments and room.
    """

    spec: dict[str, dict[str, Any]]
    truth: dict[str, FullTruth]
    chip: str = ""


# Arms between the quarter turns, after which the second undoes the mixing of the first; the longer turn's free spectral
# range wants closer lines, and its linewidth more coupling.
ARMS = {"ring": {"arm_um": 57.7, "straight_um": 6.7}, "comb": {"first_wl_nm": 1548.25, "spacing_nm": 0.49}}
# A film as drawn: arms undo what bends mix on no other (`chip.full_die`). What is trimmed is the same die either way.
AS_DRAWN = {"variation": {"thickness_nm": 0.0, "width_nm": 0.0}}
# A die has TM or TE1 beside TE0: three modes no model has.
ADIABATIC = {
    "te_tm": FullTruth(splitting_pm=1.0, te_tm=1.0),
    "te_tm_5pm": FullTruth(splitting_pm=5.0, te_tm=1.0),
    "te1": FullTruth(splitting_pm=1.0, second_mode=True),
}
CASES = {
    "adiabatic": Case(AS_DRAWN, ADIABATIC, "demo_8x8"),
    "adiabatic_film": Case({}, {kind: ADIABATIC[kind] for kind in ("te_tm", "te_tm_5pm")}, "demo_8x8"),
    "adiabatic_plain_buses": Case({"ring": {"neck_um": 0.0}}, {"te1": ADIABATIC["te1"]}, "demo_8x8"),
    "adiabatic_4x8": Case(AS_DRAWN | {"chip": {"buses": 4}}, {"te_tm": ADIABATIC["te_tm"]}, "demo_8x8"),
    # With TM the standard bench is `full_die.py`'s.
    "standard": Case({}, {"te1": ADIABATIC["te1"]}),
    "adiabatic_film_4x8": Case({"chip": {"buses": 4}}, {"te_tm": ADIABATIC["te_tm"]}, "demo_8x8"),
    "single_mode": Case(
        AS_DRAWN,
        {
            "1": FullTruth(splitting_pm=1.0),
            "5": FullTruth(splitting_pm=5.0),
            "te_tm": FullTruth(splitting_pm=1.0, te_tm=1.0),
        },
        "single_mode_8x8",
    ),
    "arms": Case(
        AS_DRAWN | ARMS,
        {f"{pm:g}": FullTruth(splitting_pm=pm, te_tm=1.0) for pm in (1.0, 5.0)},
        "circles_8x8",
    ),
    "circles": Case(AS_DRAWN, {f"{share:g}": FullTruth(te_tm=share) for share in (0.1, 1.0)}, "circles_8x8"),
    "4x8": Case({"chip": {"buses": 4}}, {"1": FullTruth()}, "circles_8x8"),
}


def main() -> None:
    """Measure and write."""
    words = sys.argv[1:]
    count = next((int(word) for word in words if word.isdigit()), 3)
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    chips = found.get("chips", {})
    kinds = [word for word in words if not word.isdigit() and any(word in case.truth for case in CASES.values())]
    for name in [word for word in words if word in CASES] or list(CASES):
        case = CASES[name]
        data = (full_die.on_bench(case.chip) if case.chip else ChipSpec.from_toml(full_die.BENCH)).model_dump()
        for table, values in case.spec.items():
            data[table] = data[table] | values
        spec = ChipSpec.model_validate(data)
        for seed in range(count):
            for kind, truth in case.truth.items():
                if kinds and kind not in kinds:
                    continue
                dies = chips.get(name, {}).get(kind, {}).get("by_die", [])
                if any(die["seed"] == seed and die.get("drawn_facets") for die in dies):
                    continue
                others = [die for die in dies if die["seed"] != seed]
                dies = sorted([*others, full_die.one_die(spec, seed, truth)], key=lambda die: die["seed"])
                chips = chips | {name: chips.get(name, {}) | {kind: full_die.told(dies)}}
                found = {
                    "date": time.strftime("%Y-%m-%d"),
                    "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
                    "command": "python benchmarks/full_banks.py",
                    "bench": full_die.BENCH.relative_to(full_die.ROOT).as_posix(),
                    "chips": chips,
                }
                write_text(RESULTS, json.dumps(found, indent=2) + "\n")
                print(name, kind, dies[-1], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
