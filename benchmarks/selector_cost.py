"""Cost of the photonic selector against a plain matmul + topk on the same tensors, side by side in one run.

    python benchmarks/selector_cost.py [--json]

Banks (KV heads of a batch) of N signatures with 32 dimensions, several queries each. The plain road is
``torch.topk(queries @ signatures.mT, k)``. The selector reads the same queries with read noise handed in: as it is
called, and through ``torch.compile``. Both run in turn on one thread, and on a CPU the thread's own processor time is
taken: what other processes of the machine use is not counted, though they still crowd its caches; the load is in the
file. A ratio is the median of the turns' ratios, a time the shortest of the turns. The chips are stated ones of 32
channels: one shot of light (offset) or two, without intensity noise of single lines (as the calibrated 8×8's fit
finds) or with it. On CUDA too where there is one. The result is also written to results/selector_cost.json.
"""

import itertools
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

from prism_photonics.export.read import Bundle
from prism_photonics.export.schema import ideal
from prism_photonics.export.torch import PhotonicSelector

RESULTS = Path(__file__).parent / "results" / "selector_cost.json"
BLOCKS = (1024, 4096, 16384, 65536)
DIMS, K, TURNS = 32, 32, 25
SHAPES = ((8, 4), (1, 32))  # banks, queries of each
CHIPS = (("offset", 0.0), ("two_shot", 0.0), ("two_shot", 0.003))


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
    """Seconds of one call: processor time of this thread, or on CUDA by the clock."""
    if device.type != "cuda":
        start = time.thread_time()
        function()
        return time.thread_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def side_by_side(plain, ours, device: torch.device, turns: int = TURNS) -> dict[str, float]:
    """Shortest times of both roads, and the median of their ratio turn by turn."""
    for _ in range(3):
        plain(), ours()
    pairs = [(one_turn(plain, device), one_turn(ours, device)) for _ in range(turns)]
    return {
        "plain_us": 1e6 * min(a for a, _ in pairs),
        "selector_us": 1e6 * min(b for _, b in pairs),
        "ratio": statistics.median(b / a for a, b in pairs),
    }


def lines(device: torch.device) -> list[dict[str, object]]:
    """Every chip, shape, road and number of blocks."""
    found: list[dict[str, object]] = []
    generator = torch.Generator().manual_seed(0)
    for (encoding, line_noise), (banks, queries), road in itertools.product(CHIPS, SHAPES, ("called", "compiled")):
        torch._dynamo.reset()
        for blocks in BLOCKS:
            signatures = torch.randn(banks, blocks, DIMS, generator=generator).to(device)
            query = torch.randn(banks, queries, DIMS, generator=generator).to(device)
            selector = PhotonicSelector(stated_chip(encoding, line_noise), K).to(device)
            selector.program(signatures, selector.draw_error(signatures, bank_axes=1), bank_axes=1)
            noise = selector.draw_noise(query)
            ours = torch.compile(selector, dynamic=False) if road == "compiled" else selector
            with torch.inference_mode():
                cost = side_by_side(
                    lambda query=query, signatures=signatures: torch.topk(query @ signatures.mT, K),
                    lambda ours=ours, query=query, noise=noise: ours(query, noise),
                    device,
                )
            line = {"device": device.type, "encoding": encoding, "line_noise": line_noise, "road": road}
            line |= {"banks": banks, "queries": queries, "blocks": blocks} | cost
            line |= {"selector_ns_per_block": 1e3 * cost["selector_us"] / blocks / banks / queries}
            found.append(line)
            shown = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items())
            print("  ".join(shown), file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    load = [os.getloadavg()[1]]
    devices = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])
    result = {
        "command": "python benchmarks/selector_cost.py",
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"),
        "torch": torch.__version__,
        "dims": DIMS, "k": K,
        "lines": [line for device in devices for line in lines(device)],
    }  # fmt: skip
    result["load_average"] = [*load, os.getloadavg()[1]]
    text = json.dumps(result, indent=2) + "\n"
    RESULTS.write_text(text)
    if "--json" in sys.argv:
        print(text, end="")


if __name__ == "__main__":
    main()
