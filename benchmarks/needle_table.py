"""The table of selectors on both needle models, with sweeps and plots.

    python benchmarks/needle_table.py BUNDLE [--dual-rail BUNDLE] [--record RECORD] [--quick]

BUNDLE is a calibrated chip, the 8×8 demonstrator's for one (`prism run`). If it has fewer channels than a key has
dimensions, its statistics are repeated to 32 channels, and to 64 for the bound; the file says so. RECORD adds the whole
circuit of that chip at 1,024 tokens. Finished groups in results/needle_table.json are not computed again, unless the
bundle is another one.
"""

import argparse
import json
import os
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch

from prism_photonics.cli_rank import circuit_bank
from prism_photonics.export.read import Bundle, load
from prism_photonics.rank.catalog import NAMES, make_selectors
from prism_photonics.rank.features import MeanKey
from prism_photonics.rank.impair import reading_snr_dB, widened
from prism_photonics.rank.needle.models import load_model
from prism_photonics.rank.plot import plot_contexts, plot_sweeps
from prism_photonics.rank.readers import BankReader, ChipReader
from prism_photonics.rank.selectors import FeatureSelector
from prism_photonics.rank.sweep import sweep
from prism_photonics.rank.table import Point, table

RESULTS = Path(__file__).parent / "results"
MODELS = {"selectable": "needle:selectable", "plain": "needle:plain"}
DIMS = 32
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
    file = RESULTS / ("needle_table_quick.json" if args.quick else "needle_table.json")
    result = resumed(file, own, chip, wide)
    contexts = (1024,) if args.quick else (1024, 4096, 16384)
    for label, name in MODELS.items():
        asked = load_model(name)

        def rows(
            names: tuple[str, ...], point: Point, label: str = label, asked: tuple[Any, Any] = asked
        ) -> list[dict[str, Any]]:
            selectors = make_selectors(names, chip, dual_rail=wide, dims=DIMS)
            return [asdict(row) for row in table(label, *asked, selectors=selectors, points=[point])]

        for context in contexts:
            for block in (16, 64, 128):
                point = Point(context, block, max(1, context // block // 8))
                compute(result, file, f"{label} {context} {block}", lambda p=point, r=rows: r(NAMES, p))
        context = min(4096, contexts[-1])
        for block in (16, 64, 128):
            point = Point(context, block, context // block // 8, spacing=32)
            compute(result, file, f"{label} crowded {block}", lambda p=point, r=rows: r(CROWDED, p))
    model, vocabulary = load_model(MODELS["selectable"])
    for context, block in ((1024, 16), (contexts[-1] if args.quick else 4096, 64)):
        point = Point(context, block, context // block // 8)
        compute(result, file, f"sweep {context} {block}", lambda p=point: [
            asdict(row) for row in sweep("selectable", model, vocabulary, bundle=chip, dual_rail=wide, point=p)
        ])  # fmt: skip
    if args.record:
        compute(result, file, "circuit 1024 16", lambda: circuit_rows(own, args.record, model, vocabulary))
    draw(result, file)


def resumed(file: Path, own: Bundle, chip: Bundle, wide: Bundle) -> dict[str, Any]:
    """The file's content if it was made with the same chip, else an empty one."""
    what = {
        "spec_hash": own.spec_hash,
        "channels": own.channels,
        "read_as": [chip.channels, wide.channels],
        "what_if": chip is not own or wide.channels != own.channels,
        "reading_snr_dB": [reading_snr_dB(chip), reading_snr_dB(wide)],
    }
    if file.is_file():
        known = json.loads(file.read_text())
        if known["chip"] == what:
            return known
    return {
        "date": date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/needle_table.py BUNDLE --record RECORD",
        "chip": what,
        "groups": {},
        "seconds": {},
    }


def compute(result: dict[str, Any], file: Path, name: str, rows: Any) -> None:
    """Compute a group unless it is there, and write the file at once."""
    if name in result["groups"]:
        return
    start = time.process_time()
    result["groups"][name] = [_rounded(row) for row in rows()]
    result["seconds"][name] = round(time.process_time() - start, 1)
    print(f"{name}: {result['seconds'][name]} s", flush=True)
    file.write_text(json.dumps(result, indent=1) + "\n")


def circuit_rows(own: Bundle, record: Path, model: Any, vocabulary: Any) -> list[dict[str, Any]]:
    """The calibrated chip itself, in slices of its own channels: behavioral model and whole circuit, mean key."""
    score_bank, rows, channels = circuit_bank(record)
    selectors = {
        "mean_key": FeatureSelector("mean_key", MeanKey()),
        "behavioral": FeatureSelector("behavioral", MeanKey(), ChipReader(own)),
        "circuit": FeatureSelector("circuit", MeanKey(), BankReader(score_bank, rows=rows, channels=channels)),
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
