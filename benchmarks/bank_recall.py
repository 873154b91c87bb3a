"""Recall@32 of whole banks of Gaussian signatures (N = 256, d = 32) against ideal scores: our chip and the paper's.

    python benchmarks/bank_recall.py [BANKS [PAPER_BANKS]] [--json]

Every bank is its own die, drawn from the spec's variation and programmed through its coherent rows as calibrated, that
is with the offset error of a measured calibration. Then it drifts (1 pm rms every ring by itself, 20 pm rms all rings
together) and is read as the spec says: query driver codes, dark leak, saturation, all noise, converter. Signatures are
clipped at three standard deviations, which stand for the spec's weight limit. A bank of the paper's point, rows of 32
rings that alias, takes minutes to program, so there are fewer of them; a fifth of its weight limit served it no better
(0.11 against 0.12, chance 0.125). The result is also written to results/bank_recall.json.
"""

import json
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.budget.ledger import ledger
from prism_photonics.calibrate.calibration import Calibration, blank_calibration
from prism_photonics.calibrate.unknowns import RowModel
from prism_photonics.chip.fabricate import Die, draw_die
from prism_photonics.chip.reading import Receiver, line_currents
from prism_photonics.lightpath.modulator.encoding import decode, encode
from prism_photonics.lightpath.modulator.model import modulate
from prism_photonics.program.solve import program
from prism_photonics.rank.recall import recall_at_k, standard_error
from prism_photonics.spec import ChipSpec

LAYOUTS = Path(__file__).parents[1] / "layouts"
RESULTS = Path(__file__).parent / "results" / "bank_recall.json"
OWN_PM, COMMON_PM = 1.0, 20.0
K, QUERIES, CLIP_SIGMAS = 32, 16, 3.0
# Assumed: about ten times the standard error of a fitted offset on the demo (`Calibration.offset_std_pm`).
OFFSET_ERROR_PM = 0.2


def known(spec: ChipSpec, die: Die, offset_error_pm: np.ndarray) -> Calibration:
    """The calibration that a fit would leave: the die itself, its offsets off by so much."""
    shape = die.bank.shape
    rings = eqx.tree_at(lambda r: r.offset_pm, die.bank.rings, replace_fn=lambda x: x + offset_error_pm.reshape(shape))
    swing_A = die.full_A.reshape(2, *shape) / (1.0 + spec.modulator_design.leak)
    rows = RowModel(rings, die.bank.buses, die.crosstalk, swing_A[0], (swing_A[1] / swing_A[0])[..., 0])
    line = jnp.exp(jnp.log(die.full_A[0]).mean(0))
    scale = modulate(line.min() / line, spec.modulator.dac_bits)
    return eqx.tree_at(
        lambda c: (c.rows, c.light_scale, c.unit_A, c.leak),
        blank_calibration(spec, triggers=0),
        (rows, scale, (swing_A[0].reshape(shape[0], -1) * scale).mean(-1), jnp.asarray(spec.modulator_design.leak)),
    )


def one_bank(
    spec: ChipSpec, seed: int, *, share: float = 1.0, own_pm: float = OWN_PM, common_pm: float = COMMON_PM
) -> dict[str, float]:
    """Mean recall of one die over its queries, and how well its weights could be programmed."""
    rng = np.random.default_rng([seed, spec.chip.rows])
    rows, rings = spec.chip.rows, spec.chip.rings
    die = draw_die(spec, jax.random.key(seed))
    calibration = known(spec, die, OFFSET_ERROR_PM * rng.standard_normal((rows, rings)))
    signatures = rng.standard_normal((rows, rings))
    targets = share * spec.ranking.weight_limit * np.clip(signatures / CLIP_SIGMAS, -1.0, 1.0)
    programmed = program(calibration, targets)
    drift_pm = own_pm * rng.standard_normal((rows, rings)) + common_pm * rng.standard_normal()
    receiver = Receiver(spec, die, rng)
    lines = line_currents(die, programmed.volts[0], drift_pm)
    full_light, scheme = np.asarray(calibration.light_scale), spec.modulator.encoding
    queries = rng.standard_normal((QUERIES, rings))
    scores = []
    for query in queries / np.abs(queries).max(-1, keepdims=True):
        y = np.stack([receiver.read(lines, shot * full_light, averages=1) for shot in encode(query, scheme)])
        weights = calibration.weight_of_current(y)
        scores.append(decode(weights, targets.sum(-1), scheme, leak=calibration.weight_leak))
    return {
        "recall": float(recall_at_k(np.stack(scores), queries @ signatures.T, k=K).mean()),
        "programming_residual_rms": float(np.sqrt(np.mean(programmed.residual**2))),
        "out_of_reach_share": len(programmed.out_of_reach) / targets.size,
    }


def over_banks(spec: ChipSpec, banks: int, *, share: float = 1.0) -> dict[str, float]:
    """Mean of several dies with its standard error."""
    start = time.perf_counter()
    found = [one_bank(spec, seed, share=share) for seed in range(banks)]
    recalls = np.array([line["recall"] for line in found])
    line = {"mean": float(recalls.mean()), "standard_error": standard_error(recalls), "worst": float(recalls.min())}
    line |= {key: float(np.mean([f[key] for f in found])) for key in found[0] if key != "recall"}
    print(f"{spec.name} share {share:g}: {line} ({time.perf_counter() - start:.0f} s)", file=sys.stderr)
    return line | {"share_of_weight_limit": share}


def cost(spec: ChipSpec) -> dict[str, float]:
    """What the ledger says of the chip: noise, time and energy of a query, in units of the names."""
    table = ledger(spec).to_json()
    return {
        "score_snr_dB": table["score_snr_dB"],
        "latency_ns": table["latency_ns"]["total"]["derived"],
        "energy_pJ": table["energy_pJ"]["total"]["derived"],
        "bandwidth_GHz": spec.detector.bandwidth_GHz,
    }


def main(banks: int, paper_banks: int) -> None:
    """Both chips, every bank."""
    ours, paper = (ChipSpec.from_toml(LAYOUTS / name / "spec.toml") for name in ("bank_32x256", "paper_32x256"))
    result = {
        "recall_at_32": {ours.name: over_banks(ours, banks), paper.name: over_banks(paper, paper_banks)},
        "ledger": {spec.name: cost(spec) for spec in (ours, paper)},
        "chance": K / ours.chip.rows,
        "banks": {ours.name: banks, paper.name: paper_banks},
        "queries_per_bank": QUERIES,
        "drift_pm": {"own": OWN_PM, "common": COMMON_PM},
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, CPU only",
    }
    text = json.dumps(result, indent=2) + "\n"
    RESULTS.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    main(int(words[0]) if words else 20, int(words[1]) if len(words) > 1 else 3)
