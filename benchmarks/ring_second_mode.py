"""What a second TE mode makes of rings: of every shipped chip, against straight, gap and radius, and of whole dies.

    python benchmarks/ring_second_mode.py [--dies N] [--json]

Rings alone by `budget.ring_modes`, over the phase at which TE1's orders lie; a ring is spoiled that keeps less than
half of its range of weights. With ``--dies`` as many virtual dies of circles are calibrated as well, with the
effect and without, and their accuracy on held-out targets is kept (minutes a die); without, what was kept stays.
"""

import json
import math
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.budget.crossings import LINEWIDTHS, POINTS, off_a_plain_ring
from prism_photonics.budget.ring_modes import MixedRing
from prism_photonics.budget.second_mode import straights_turned
from prism_photonics.characterize.accuracy import validate
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.params import designed_bank
from prism_photonics.files import write_text
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.model import fwhm_pm
from prism_photonics.process.second_mode import second_mode_table
from prism_photonics.programming.solve import reachable_weights
from prism_photonics.seeds import validation_key
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError
from prism_photonics.workflow.session import calibrate_chip

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "ring_second_mode.json"
CHIPS = (
    "circles_8x8",
    "bank_32x256",
    "bank_64x64_dual",
    "paper_32x256",
    "demo_lnoi400",
    "lnoi400_8x8",
    "demo_8x8",
)
RADII_UM, GAPS_UM, BEATS = (20.0, 30.0, 50.0, 100.0), (0.40, 0.50, 0.60), (0.0, 0.27, 0.5, 1.0, 2.0)
CIRCLES = "circles_8x8"


def spec_of(name: str) -> ChipSpec:
    """A shipped chip."""
    return ChipSpec.from_toml(ROOT / "layouts" / name / "spec.toml")


def ring_of(spec: ChipSpec, design: RingDesign) -> MixedRing:
    """One ring with TE1."""
    table = second_mode_table(spec.process)
    assert table is not None
    return MixedRing(spec.profile, design, table, loss_dB_cm=spec.waveguide.loss_dB_cm)


def told(rings: list[MixedRing]) -> dict[str, float]:
    """Mean and worst over rings and phases."""
    found = [ring.at_resonance() for ring in rings]
    width, through, drop = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("linewidth", "through", "drop")
    )
    return {
        "linewidth_mean": float(width.mean()),
        "linewidth_most": float(width.max()),
        "through_mean": float(through.mean()),
        "through_most": float(through.max()),
        "drop_mean": float(drop.mean()),
        "drop_least": float(drop.min()),
        "designed_through": float(np.mean([one.designed_through for one in found])),
        "designed_drop": float(np.mean([one.designed_drop for one in found])),
        "spoiled": float(np.mean([one.spoiled for one in found])),
    }


def bits(spec: ChipSpec, ring: MixedRing) -> float:
    """What a fit of one mode leaves of the rings that are not spoiled, over ± weight_limit."""
    found, limit = ring.at_resonance(), spec.ranking.weight_limit
    ports = ring.ports(np.linspace(-LINEWIDTHS, LINEWIDTHS, POINTS))
    weight = np.abs(ports.through[..., 0, 0]) ** 2 - np.abs(ports.drop[..., 0, 0]) ** 2
    kept = 1.0 - found.through + found.drop >= 0.5 * (1.0 - found.designed_through + found.designed_drop)
    off = np.array([off_a_plain_ring(one, limit) for one in weight[kept]])
    return math.log2(2.0 * limit / math.sqrt(float(np.mean(off**2)))) if off.size else 0.0


def chip(name: str) -> dict[str, Any]:
    """The rings of one chip."""
    spec = spec_of(name)
    designs = spec.ring_designs
    found: dict[str, Any] = {
        "chip": name,
        "radius_um": spec.ring.radius_um,
        "straight_um": [designs[0].straight_um, designs[-1].straight_um],
        "linewidth_pm": float(np.mean(fwhm_pm(designed_bank(spec, xp=np).rings))),
    }
    if second_mode_table(spec.process) is None:
        # What a straight turns is radiated: a loss of every turn, twice.
        rings = designed_bank(spec, xp=np).rings
        x = float(np.mean(rings.t1 * rings.t2 * rings.a))
        lossy = x * (1.0 - max(straights_turned(spec)))
        return found | {"radiated_broader": (1.0 - lossy) / math.sqrt(lossy) / ((1.0 - x) / math.sqrt(x))}
    rings = [ring_of(spec, design) for design in designs]
    return found | told(rings) | {"bits": bits(spec, rings[len(rings) // 2])}


def scan() -> list[dict[str, Any]]:
    """The ring of circles with other radii, gaps and straights, in beats of TE0 and TE1."""
    spec, table = spec_of(CIRCLES), second_mode_table(spec_of(CIRCLES).process)
    assert table is not None
    beat_um = float(2.0 * np.pi / (table.beta_1_um[0] - table.beta_1_um[1]))
    rows = []
    for radius_um in RADII_UM:
        for gap_um in GAPS_UM:
            for beats in BEATS:
                design = replace(
                    spec.ring_designs[0],
                    radius_um=radius_um,
                    gap_through_um=gap_um,
                    gap_drop_um=gap_um,
                    straight_um=beats * beat_um,
                )
                rows.append(
                    {"radius_um": radius_um, "gap_um": gap_um, "beats": beats, "straight_um": design.straight_um}
                    | told([ring_of(spec, design)])
                )
    return rows


def dies(count: int) -> list[dict[str, Any]]:
    """Whole dies of circles: everything that a full die has, with TE1 and without, and what a fit makes of it.

    Reach is the mean over rings of the part of ± ``weight_limit`` that the fit finds it can set.
    """
    spec, rows = spec_of(CIRCLES), []
    limit = spec.ranking.weight_limit
    for seed in range(count):
        for name, truth in (("with", FullTruth(second_mode=True)), ("without", FullTruth())):
            chip = VirtualChip(spec, seed=seed, truth=truth)
            session = calibrate_chip(chip, seed=seed)
            low, high = reachable_weights(session.fit)
            reach = np.clip(np.minimum(high, limit) - np.maximum(low, -limit), 0.0, None) / (2.0 * limit)
            found: dict[str, Any] = {
                "second_mode": name,
                "seed": seed,
                "chi2_median_bus": float(np.median(np.asarray(session.fit.chi2))),
                "chi2_worst_bus": float(np.max(np.asarray(session.fit.chi2))),
                "reach_mean": float(np.mean(reach)),
                "short_rings": int(np.sum(reach < 0.98)),
            }
            try:
                held = validate(
                    chip, session.fit, spec,
                    key=validation_key(seed), targets=12, settings=1, repeats=2, tracker=session.tracker,
                )  # fmt: skip
                found["accuracy_bits"] = held.accuracy_bits
            except InputError as error:
                found["refused"] = str(error)
            rows.append(found)
            print(found, file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measure, write and print."""
    kept: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    count = int(sys.argv[sys.argv.index("--dies") + 1]) if "--dies" in sys.argv else 0
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/ring_second_mode.py",
        "chips": [chip(name) for name in CHIPS],
        "scan": scan(),
        "dies": dies(count) if count else kept.get("dies", []),
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
