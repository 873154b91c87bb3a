"""Recall@32 of whole banks of Gaussian signatures (N = 256, d = 32) against ideal scores: our chip and the paper's.

    python benchmarks/bank_recall.py [BANKS] [--json]
    python benchmarks/bank_recall.py --calibrated SEED [SEED ...]

Every bank is its own die, drawn from the spec's variation and programmed through its coherent rows as calibrated. Then
it drifts (1 pm rms every ring by itself, 20 pm rms all rings together) and is read as the spec says: query driver
codes, dark leak, saturation, all noise, converter. Signatures are clipped at three standard deviations, which stand for
the spec's weight limit.

A whole calibration of 8,192 rings takes minutes. So BANKS (20) banks are programmed from the die as it is with offsets
that are off by ``OFFSET_ERROR_PM``, which makes the weights no less wrong than a calibration leaves them:
results/bank_recall.json. With ``--calibrated`` the dies of some seeds go through the procedure itself, survey by
photocurrent, fit, program: results/bank_calibrated.json, with the figure of the same die by assumption beside each.
Both files are written after every bank.
"""

import json
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.budget.ledger import ledger
from prism_photonics.calibration.calibration import Calibration, calibrate
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.reading import Receiver, line_currents
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.codec.encoding import decode, encode
from prism_photonics.explore.die import weight_error
from prism_photonics.explore.surrogate import known_calibration
from prism_photonics.files import write_text
from prism_photonics.programming.solve import program
from prism_photonics.ranking.recall import recall_at_k, standard_error
from prism_photonics.spec import ChipSpec

LAYOUTS = Path(__file__).parents[1] / "layouts"
RESULTS = Path(__file__).parent / "results"
OWN_PM, COMMON_PM = 1.0, 20.0
K, QUERIES, CLIP_SIGMAS = 32, 16, 3.0
# Weights are then off by 2.0e-3 rms, more than a whole calibration leaves; the record holds both.
OFFSET_ERROR_PM = 0.2
# Settings of a whole calibration; 16 left no larger weight error than 32.
SETTINGS = 16


def calibrated(spec: ChipSpec, seed: int) -> tuple[Calibration, float]:
    """The whole procedure on one die, by photocurrents alone, and how long it took in s."""
    start = time.perf_counter()
    chip = VirtualChip.fabricate(spec, jax.random.key(seed))
    return calibrate(chip, spec, key=jax.random.key(seed + 1000), settings=SETTINGS), time.perf_counter() - start


def one_bank(spec: ChipSpec, seed: int, *, k: int = K, whole: bool = False) -> dict[str, float]:
    """Mean recall of one die over its queries, and how well its weights could be programmed.

    Args:
        spec: The chip.
        seed: Of the die, of its signatures and of everything else.
        k: Blocks to be found.
        whole: Go through the whole calibration instead of using the die with offset errors.
    """
    rng = np.random.default_rng([seed, spec.chip.rows])
    rows, rings = spec.chip.rows, spec.chip.rings
    # The virtual chip draws its die from the first half of its key.
    die = draw_die(spec, jax.random.split(jax.random.key(seed))[0])
    truth = known_calibration(spec, die)
    calibration = known_calibration(spec, die, OFFSET_ERROR_PM * rng.standard_normal((rows, rings)))
    found = {}
    if whole:
        calibration, found["calibration_s"] = calibrated(spec, seed)
        found["chi2_median"] = float(np.median(np.asarray(calibration.chi2)))
        found["doubtful_rows"] = float(len(calibration.doubts()))
    signatures = rng.standard_normal((rows, rings))
    targets = spec.ranking.weight_limit * np.clip(signatures / CLIP_SIGMAS, -1.0, 1.0)
    programmed = program(calibration, targets)
    drift_pm = OWN_PM * rng.standard_normal((rows, rings)) + COMMON_PM * rng.standard_normal()
    receiver = Receiver(spec, die.inl_phase_rad, rng)
    lines = line_currents(die, programmed.volts[0], drift_pm)
    full_light, scheme = np.asarray(calibration.light_scale), spec.modulator.encoding
    queries = rng.standard_normal((QUERIES, rings))
    scores = []
    for query in queries / np.abs(queries).max(-1, keepdims=True):
        y = np.stack([receiver.read(lines, shot * full_light, averages=1) for shot in encode(query, scheme)])
        weights = calibration.weight_of_current(y)
        scores.append(decode(weights, targets.sum(-1), scheme, leak=calibration.weight_leak))
    believed, true = (np.asarray(one.weights(jnp.asarray(programmed.volts[0]))) for one in (calibration, truth))
    return found | {
        "recall": float(recall_at_k(np.stack(scores), queries @ signatures.T, k=k).mean()),
        "weight_error_rms": weight_error(believed, true),
        "programming_residual_rms": float(np.sqrt(np.mean(programmed.residual**2))),
        "out_of_reach_share": len(programmed.out_of_reach) / targets.size,
    }


def summary(found: list[dict[str, float]]) -> dict[str, float]:
    """Mean of several dies with its standard error."""
    recalls = np.array([line["recall"] for line in found])
    line = {"banks": len(found), "mean": float(recalls.mean()), "worst": float(recalls.min())}
    if len(found) > 1:
        line["standard_error"] = standard_error(recalls)
    return line | {key: float(np.mean([f[key] for f in found])) for key in found[0] if key != "recall"}


def cost(spec: ChipSpec) -> dict[str, float]:
    """What the ledger says of the chip: noise, time and energy of a query, in units of the names."""
    table = ledger(spec).to_json()
    return {
        "score_snr_dB": table["score_snr_dB"],
        "latency_ns": table["latency_ns"]["total"]["derived"],
        "energy_pJ": table["energy_pJ"]["total"]["derived"],
        "bandwidth_GHz": spec.detector.bandwidth_GHz,
    }


def told() -> dict[str, Any]:
    """What a record says of its making."""
    return {
        "drift_pm": {"own": OWN_PM, "common": COMMON_PM},
        "queries_per_bank": QUERIES,
        "offset_error_pm": OFFSET_ERROR_PM,
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, CPU only",
        "command": " ".join(["python", "benchmarks/bank_recall.py", *sys.argv[1:]]),
    }


def main(banks: int, *, as_json: bool) -> None:
    """Both chips, every bank."""
    ours, paper = (ChipSpec.from_toml(LAYOUTS / name / "spec.toml") for name in ("bank_32x256", "paper_32x256"))
    result: dict[str, Any] = {
        "recall_at_32": {},
        "ledger": {spec.name: cost(spec) for spec in (ours, paper)},
        "chance": K / ours.chip.rows,
    } | told()
    for spec in (ours, paper):
        found = []
        for seed in range(banks):
            found.append(one_bank(spec, seed))
            result["recall_at_32"][spec.name] = summary(found)
            write_text(RESULTS / "bank_recall.json", json.dumps(result, indent=2) + "\n")
            print(f"{spec.name}, bank {seed}: recall {found[-1]['recall']:.3f}", file=sys.stderr)
    if as_json:
        print(json.dumps(result, indent=2))
        return
    for name, line in result["recall_at_32"].items():
        print(f"{name}: recall@32 {line['mean']:.3f} ± {line.get('standard_error', float('nan')):.3f}")


def whole(seeds: list[int]) -> None:
    """Our chip's dies of some seeds through the whole calibration; what the file has of other seeds stays."""
    path = RESULTS / "bank_calibrated.json"
    spec = ChipSpec.from_toml(LAYOUTS / "bank_32x256" / "spec.toml")
    for seed in seeds:
        line = {"calibrated": one_bank(spec, seed, whole=True), "assumed": one_bank(spec, seed)}
        dies = json.loads(path.read_text())["dies"] if path.exists() else {}
        dies[str(seed)] = line
        both = {kind: summary([die[kind] for die in dies.values()]) for kind in line}
        write_text(path, json.dumps(both | {"dies": dies, "settings": SETTINGS} | told(), indent=2) + "\n")
        print(f"{spec.name}, die {seed}: {line}")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if "--calibrated" in sys.argv:
        whole([int(word) for word in words])
    else:
        main(int(words[0]) if words else 20, as_json="--json" in sys.argv)
