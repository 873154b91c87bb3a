"""The table of selectors on both needle models, with sweeps and plots.

    python benchmarks/needle_table.py BUNDLE [--dual-rail BUNDLE] [--record RECORD] [--quick]

BUNDLE is a calibrated chip, and --dual-rail one with two channels for each dimension of a key:

    prism calibrate layouts/bank_32x256/spec.toml -o out/rec32 --drift && prism export out/rec32 -o out/b32
    prism calibrate layouts/bank_64x64_dual/spec.toml -o out/rec64 --drift && prism export out/rec64 -o out/b64
    python benchmarks/needle_table.py out/b32 --dual-rail out/b64 --record out/rec32

If BUNDLE has fewer channels than a key has dimensions, its statistics are repeated to 32 channels, and to 64 for the
bound; the file says so. RECORD adds the whole circuit of that chip at 1,024 tokens. Finished groups in
results/needle_table.json are not computed again, unless a bundle is another one.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch

from prism_photonics.export.read import Bundle, load
from prism_photonics.ranking.catalog import NAMES, make_selectors
from prism_photonics.ranking.features import MeanKey
from prism_photonics.ranking.impair import reading_snr_dB, widened
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.plot import plot_contexts, plot_sweeps
from prism_photonics.ranking.readers import ChipReader
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.ranking.sweep import sweep
from prism_photonics.ranking.table import Point, table
from prism_photonics.workflow.circuit import circuit_reader

RESULTS = Path(__file__).parent / "results"
MODELS = {"selectable": "needle:selectable", "plain": "needle:plain"}
DIMS = 32
BLOCKS = (16, 64, 128)
DRAWN_BLOCK = 64
CROWDED = ("oracle", "mean_key", "bound", "photonic_mean_key", "photonic_bound", "salca_like")
"""Selectors of the rows with a needle in every 32 tokens."""


def main() -> None:
    """Compute what is missing, write, plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--dual-rail", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--quick", action="store_true", help="1,024 tokens only; writes needle_table_quick.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    own = load(args.bundle)
    chip = own if own.channels >= DIMS else widened(own, DIMS)
    wide = load(args.dual_rail) if args.dual_rail else (own if own.channels >= 2 * DIMS else widened(own, 2 * DIMS))
    what_if = chip is not own or (wide is not own and not args.dual_rail)
    file = RESULTS / ("needle_table_quick.json" if args.quick else "needle_table.json")
    result = resumed(file, own, chip, wide, what_if=what_if)
    contexts = (1024,) if args.quick else (1024, 4096, 16384)
    for context in contexts:
        for label, name in MODELS.items():
            points = [Point(context, block, max(1, context // block // 8)) for block in BLOCKS]
            names = [f"{label} {context} {block}" for block in BLOCKS]
            compute(result, file, names, lambda n=name, p=points, label=label: rows(label, n, NAMES, p, chip, wide))
    context = min(4096, contexts[-1])
    for label, name in MODELS.items():
        points = [Point(context, block, context // block // 8, spacing=32) for block in BLOCKS]
        names = [f"{label} crowded {block}" for block in BLOCKS]
        compute(result, file, names, lambda n=name, p=points, label=label: rows(label, n, CROWDED, p, chip, wide))
    model, vocabulary = load_model(MODELS["selectable"])
    for context, block in ((1024, 16), (contexts[-1] if args.quick else 4096, 64)):
        point = Point(context, block, context // block // 8)
        compute(result, file, [f"sweep {context} {block}"], lambda p=point: [
            asdict(row) for row in sweep("selectable", model, vocabulary, bundle=chip, dual_rail=wide, point=p)
        ])  # fmt: skip
    if args.record:
        compute(result, file, ["circuit 1024 16"], lambda: circuit_rows(own, args.record, model, vocabulary))
    draw(result, file)


def resumed(file: Path, own: Bundle, chip: Bundle, wide: Bundle, *, what_if: bool) -> dict[str, Any]:
    """The file's content if it was made with the same chip, else an empty one."""
    what = {
        "spec_hash": [own.spec_hash, wide.spec_hash],
        "rows": [own.rows, wide.rows],
        "channels": [own.channels, wide.channels],
        "encoding": [chip.encoding, wide.encoding],
        "read_as": [chip.channels, wide.channels],
        "what_if": what_if,
        "reading_snr_dB": [reading_snr_dB(chip), reading_snr_dB(wide)],
    }
    if file.is_file():
        known = json.loads(file.read_text())
        if known["chip"] == what:
            return known
    return {
        "date": date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/needle_table.py BUNDLE32 --dual-rail BUNDLE64 --record RECORD32",
        "chip": what,
        "groups": {},
        "seconds": {},
    }


def rows(
    label: str, model: str, names: tuple[str, ...], points: list[Point], chip: Bundle, wide: Bundle
) -> list[dict[str, Any]]:
    """The table of one model at several points."""
    selectors = make_selectors(names, chip, dual_rail=wide, dims=DIMS, group=2)
    return [asdict(row) for row in table(label, *load_model(model), selectors=selectors, points=points)]


def compute(result: dict[str, Any], file: Path, names: list[str], make: Callable[[], list[dict[str, Any]]]) -> None:
    """Compute groups, one for each block size of the rows, unless they are there, and write the file at once."""
    if all(name in result["groups"] for name in names):
        return
    start = time.process_time()
    made = [_rounded(row) for row in make()]
    for name in names:
        size = int(name.split()[-1])
        result["groups"][name] = [row for row in made if row["block"] == size]
    result["seconds"][", ".join(names)] = round(time.process_time() - start, 1)
    print(f"{', '.join(names)}: {round(time.process_time() - start, 1)} s", flush=True)
    file.write_text(json.dumps(result, indent=1) + "\n")


def circuit_rows(own: Bundle, record: Path, model: Any, vocabulary: Any) -> list[dict[str, Any]]:
    """The calibrated chip itself, in slices of its own channels: behavioral model and whole circuit, mean key."""
    selectors = {
        "mean_key": FeatureSelector("mean_key", MeanKey()),
        "behavioral": FeatureSelector("behavioral", MeanKey(), ChipReader(own)),
        "circuit": FeatureSelector("circuit", MeanKey(), circuit_reader(record)),
    }
    return [
        asdict(row) for row in table("selectable", model, vocabulary, selectors=selectors, points=[Point(1024, 16, 8)])
    ]


def draw(result: dict[str, Any], file: Path) -> None:
    """The plots beside the file."""
    groups = result["groups"]
    for label in MODELS:
        rows = [row for name in groups if name.split()[0] == label and "crowded" not in name for row in groups[name]]
        rows = [row for row in rows if row["block"] == DRAWN_BLOCK]
        if len({row["context"] for row in rows}) > 1:
            plot_contexts(rows, file.with_name(f"{file.stem}_{label}.svg"))
    swept = [name for name in groups if name.startswith("sweep")]
    plot_sweeps(groups[swept[-1]], file.with_name(f"{file.stem}_sweeps.svg"))


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in row.items()}


if __name__ == "__main__":
    main()
