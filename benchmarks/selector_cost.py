"""Cost of the photonic selector against a plain matmul + topk on the same tensors, side by side in one run.

    python benchmarks/selector_cost.py [BUNDLE] [--json]

Decode of a grouped model: banks (KV heads of a batch) of N signatures with 32 dimensions, a few queries each. The plain
road is ``torch.topk(queries @ signatures.mT, k)``. The selector reads the same queries with read noise handed in, by
every road: as it is called, and through ``torch.compile``, the plain road compiled beside it. Both roads run in turn,
so that whatever else the machine does falls on both; a ratio is the median of the turns' ratios. Without a BUNDLE the
chip is a stated one of 32 channels with two-shot coding. On CUDA too where there is one. The result is also written
to results/selector_cost.json.
"""

import json
import os
import platform
import statistics
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch

from prism_photonics.export.read import Bundle, load
from prism_photonics.export.schema import ideal
from prism_photonics.export.torch import PhotonicSelector

RESULTS = Path(__file__).parent / "results" / "selector_cost.json"
BLOCKS = (1024, 4096, 16384, 65536)
DIMS, K, TURNS = 32, 32, 15
SHAPES = ((8, 1), (8, 4), (1, 64))  # banks, queries of each


def stated_chip(encoding: str, line_noise: float, *, rows: int = 32, channels: int = DIMS) -> Bundle:
    """A 32-channel chip with numbers of the size that a calibrated one has."""
    return Bundle(
        **ideal(rows, channels), weight_bias=np.zeros(channels), weight_error_std=np.full(channels, 1e-3),
        noise_floor=np.array(0.02), noise_shot=np.array(0.01), noise_rin=np.array(line_noise),
        noise_common=np.array(line_noise), leak=np.array(0.001), weight_centre=np.array(0.0),
        weight_span=np.array(0.75), adc_full_scale=np.linspace(15.0, 17.0, rows), report={}, rows=rows,
        channels=channels, dac_bits=10, adc_bits=12, encoding=encoding, spec_hash="",
    )  # fmt: skip


def one_turn(function, device: torch.device) -> float:
    """Seconds of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def side_by_side(plain, ours, device: torch.device, turns: int = TURNS) -> dict[str, float]:
    """Medians of both roads and of their ratio, turn by turn."""
    for _ in range(3):
        plain(), ours()
    pairs = [(one_turn(plain, device), one_turn(ours, device)) for _ in range(turns)]
    return {
        "plain_us": 1e6 * statistics.median(a for a, _ in pairs),
        "selector_us": 1e6 * statistics.median(b for _, b in pairs),
        "ratio": statistics.median(b / a for a, b in pairs),
    }


def lines(bundle: Bundle, device: torch.device) -> list[dict[str, object]]:
    """Every number of blocks, shape and road."""
    found: list[dict[str, object]] = []
    generator = torch.Generator().manual_seed(0)
    for banks, queries in SHAPES:
        for road in ("called", "compiled"):
            torch._dynamo.reset()
            for blocks in BLOCKS:
                signatures = torch.randn(banks, blocks, DIMS, generator=generator).to(device)
                query = torch.randn(banks, queries, DIMS, generator=generator).to(device)
                selector = PhotonicSelector(bundle, K).to(device)
                selector.program(signatures, selector.draw_error(signatures, bank_axes=1).to(device), bank_axes=1)
                noise = selector.draw_noise(query)
                plain = lambda q, s: torch.topk(q @ s.mT, K)  # noqa: E731
                ours = selector
                if road == "compiled":
                    plain, ours = torch.compile(plain, dynamic=False), torch.compile(selector, dynamic=False)
                with torch.inference_mode():
                    cost = side_by_side(
                        lambda plain=plain, query=query, signatures=signatures: plain(query, signatures),
                        lambda ours=ours, query=query, noise=noise: ours(query, noise),
                        device,
                    )
                line = {"device": device.type, "road": road, "banks": banks, "queries": queries, "blocks": blocks}
                line |= cost | {"selector_ns_per_block": 1e3 * cost["selector_us"] / blocks / banks / queries}
                found.append(line)
                print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items()),
                      file=sys.stderr, flush=True)  # fmt: skip
    return found


def main() -> None:
    """Measure, print and write."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    bundle = load(words[0]) if words else stated_chip()
    devices = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])
    result = {
        "command": "python benchmarks/selector_cost.py",
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"),
        "torch": torch.__version__,
        "dims": DIMS, "k": K, "encoding": bundle.encoding,
        "lines": [line for device in devices for line in lines(bundle, device)],
    }  # fmt: skip
    text = json.dumps(result, indent=2) + "\n"
    RESULTS.write_text(text)
    if "--json" in sys.argv:
        print(text, end="")


if __name__ == "__main__":
    main()
