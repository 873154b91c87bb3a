"""The main job's figures over many virtual dies: accuracy, readings, needle hits, recall.

    python benchmarks/demo_seeds.py [SEEDS] [--json]

One line per seed, then the median and the worst. Calibration, programming and ranking as `prism run` does them.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.ranking.compare import bundle_scores
from prism_photonics.ranking.evaluate import evaluate, ideal_scores
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.behavior import fit_behavior
from prism_photonics.workflow.job import BLOCK, K, calibrate_and_validate, chip_scores

SPEC = Path(__file__).parents[1] / "layouts" / "demo_8x8" / "spec.toml"


def one_die(spec: ChipSpec, cache: KeyCache, seed: int) -> dict[str, float]:
    """All figures of one seed."""
    with tempfile.TemporaryDirectory() as name:
        chip = VirtualChip(spec, seed=seed)
        session, accuracy = calibrate_and_validate(chip, Path(name), seed=seed, bench=chip.label)
        span = accuracy.weight_range
        measured, out_of_reach, clipped = chip_scores(chip, session.fit, spec, cache, weight_range=span)
        model = fit_behavior(accuracy)
        model.save(Path(name) / "bundle")
        scores = {
            "ideal": ideal_scores(cache, block=BLOCK),
            "behavioral": bundle_scores(Path(name) / "bundle", cache, block=BLOCK, seed=seed),
            "chip": measured,
        }
    whole = {line.scorer: line for line in evaluate(cache, scores, block=BLOCK, k=K) if line.kv_head == "all"}
    return {
        "seed": seed,
        "accuracy_bits": accuracy.accuracy_bits,
        "readings_per_ring": session.readings_per_ring,
        "chi2_worst_row": float(np.max(np.asarray(session.fit.chi2))),
        "weight_low": span.low,
        "weight_high": span.high,
        "out_of_reach": out_of_reach,
        "readings_clipped": clipped,
        "hit_ideal": whole["ideal"].hit,
        "hit_behavioral": whole["behavioral"].hit,
        "hit_chip": whole["chip"].hit,
        "recall_vs_ideal_behavioral": whole["behavioral"].recall_vs_ideal,
        "recall_vs_ideal_chip": whole["chip"].recall_vs_ideal,
        "noise_held_out_ratio": model.report["noise_held_out_ratio"],
        "weight_error_held_out_ratio": model.report["weight_error_held_out_ratio"],
    }


def main() -> None:
    """Measure and print."""
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    spec, cache = ChipSpec.from_toml(SPEC), KeyCache.load()
    lines = [one_die(spec, cache, seed) for seed in range(numbers[0] if numbers else 10)]
    bits = np.array([line["accuracy_bits"] for line in lines])
    result = {
        "accuracy_bits": {"median": float(np.median(bits)), "worst": float(bits.min())},
        "hit_chip": {
            "mean": float(np.mean([line["hit_chip"] for line in lines])),
            "worst": float(min(line["hit_chip"] for line in lines)),
        },
        "recall_vs_ideal_chip": float(np.mean([line["recall_vs_ideal_chip"] for line in lines])),
        "recall_vs_ideal_behavioral": float(np.mean([line["recall_vs_ideal_behavioral"] for line in lines])),
        "dies": lines,
    }
    if "--json" in sys.argv:
        print(json.dumps(result, indent=2))
        return
    for line in lines:
        print("  ".join(f"{key} {value:.4g}" for key, value in line.items()))
    print({key: value for key, value in result.items() if key != "dies"})


if __name__ == "__main__":
    main()
