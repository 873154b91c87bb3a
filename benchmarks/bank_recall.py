"""Recall@32 of whole banks of Gaussian signatures (N = 256, d = 32) against ideal scores: our chip and the paper's.

    python benchmarks/bank_recall.py [BANKS] [--json]

Every bank is its own die, drawn from the spec's variation and programmed through its coherent rows as calibrated, that
is with the offset error of a measured calibration. Then it drifts (1 pm rms every ring by itself, 20 pm rms all rings
together) and is read as the spec says: query driver codes, dark leak, saturation, all noise, converter. The paper's
point gets the scale of signatures that serves it best.
"""

import json
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

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
OWN_PM, COMMON_PM = 1.0, 20.0
K, QUERIES = 32, 16
# Standard error of a fitted offset on the demo: `Calibration.offset_std_pm`; benchmarks/results/bank_calibration.json.
OFFSET_ERROR_PM = 0.05
SCALES = {"bank_32x256": (1.0,), "paper_32x256": (0.2, 0.4, 0.7, 1.0)}


def known(spec: ChipSpec, die: Die, offset_error_pm: np.ndarray) -> Calibration:
    """The calibration that a fit would leave: the die itself, its offsets off by so much."""
    blank = blank_calibration(spec, triggers=0)
    shape = die.bank.shape
    rings = eqx.tree_at(lambda r: r.offset_pm, die.bank.rings, replace_fn=lambda x: x + offset_error_pm.reshape(shape))
    full_A = die.full_A.reshape(2, *shape) / (1.0 + spec.modulator_design.leak)
    rows = RowModel(rings, die.bank.buses, die.crosstalk, full_A[0], (full_A[1] / full_A[0])[..., 0])
    line = jnp.exp(jnp.log(die.full_A[0]).mean(0))
    scale = modulate(line.min() / line, spec.modulator.dac_bits)
    unit_A = (full_A[0].reshape(shape[0], -1) * scale).mean(-1)
    leak = jnp.asarray(spec.modulator_design.leak)
    return eqx.tree_at(lambda c: (c.rows, c.light_scale, c.unit_A, c.leak), blank, (rows, scale, unit_A, leak))


def one_bank(spec: ChipSpec, seed: int, scale: float) -> dict[str, float]:
    """Mean recall of one die over its queries, its weights' rms error before the drift, and its score SNR."""
    rng = np.random.default_rng([seed, 256])
    rows, rings = spec.chip.rows, spec.chip.rings
    die = draw_die(spec, jax.random.key(seed))
    calibration = known(spec, die, OFFSET_ERROR_PM * rng.standard_normal((rows, rings)))
    signatures = rng.standard_normal((rows, rings))
    span = scale * spec.ranking.weight_limit
    targets = span * signatures / np.abs(signatures).max()
    programmed = program(calibration, targets)
    drift_pm = OWN_PM * rng.standard_normal((rows, rings)) + COMMON_PM * rng.standard_normal()
    receiver = Receiver(spec, die, rng)
    lines = line_currents(die, programmed.volts, drift_pm)
    full_light, scheme = np.asarray(calibration.light_scale), spec.modulator.encoding

    queries = rng.standard_normal((QUERIES, rings))
    scores = np.empty((QUERIES, rows))
    for n, query in enumerate(queries / np.abs(queries).max(-1, keepdims=True)):
        y = np.stack([receiver.read(lines, shot * full_light, averages=1) for shot in encode(query, scheme)])
        dot = decode(calibration.weight_of_current(y), targets.sum(-1), scheme, leak=calibration.weight_leak)
        scores[n] = dot
    ideal = queries @ signatures.T
    return {
        "recall": float(recall_at_k(scores, ideal, k=K).mean()),
        "weight_error": float(np.sqrt(np.mean(programmed.residual**2))),
        "out_of_reach": len(programmed.out_of_reach),
    }


def main(banks: int, as_json: bool) -> None:
    """Both chips, every bank; print the table or JSON."""
    result: dict[str, dict[str, float]] = {}
    for name, scales in SCALES.items():
        spec = ChipSpec.from_toml(LAYOUTS / name / "spec.toml")
        best: dict[str, float] = {}
        for scale in scales:
            start = time.perf_counter()
            found = [one_bank(spec, seed, scale) for seed in range(banks)]
            recalls = np.array([line["recall"] for line in found])
            line = {
                "mean": float(recalls.mean()),
                "standard_error": standard_error(recalls),
                "worst": float(recalls.min()),
                "scale": scale,
                "programming_residual_rms": float(np.mean([f["weight_error"] for f in found])),
                "out_of_reach_share": float(
                    np.mean([f["out_of_reach"] for f in found]) / spec.chip.rows / spec.chip.rings
                ),
            }
            print(f"{name} scale {scale:g}: {line} ({time.perf_counter() - start:.0f} s)", file=sys.stderr)
            best = line if not best or line["mean"] > best["mean"] else best
        result[name] = best
    print(json.dumps({"recall_at_32": result, "chance": K / 256, "banks": banks, "queries": QUERIES}, indent=2))


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    main(int(words[0]) if words else 20, "--json" in sys.argv)
