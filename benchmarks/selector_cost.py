"""Cost of the photonic selector against a plain matmul + topk on the same tensors, side by side in one run.

    python benchmarks/selector_cost.py [DIMS [ENCODING [again]]]

Banks (KV heads of a batch) of N signatures with 32 dimensions, or so many, several queries each, or one query, which
is what a decode step asks. The plain road is ``torch.topk(queries @ signatures.mT, k)``. The selector reads the same
queries with read noise handed in: as it is called, through ``torch.compile``, compiled ahead for such queries
(``export.ahead``; on a CPU), and called with the noise drawn inside, into the memory of the query before. All run in
turn on one thread with queries that change from call to call, and on a CPU the thread's own processor time is taken:
what other processes of the machine use is not counted, though they still crowd its caches; the load is in the file. A
ratio is the median of the turns' ratios, a time the shortest of the turns. The chips are stated ones of as many
channels: one shot of light (offset) or two, without intensity noise of single lines (as the calibrated 8×8's fit finds)
or with it. On CUDA too where there is
one.

Then one decode step of a random Llama of SmolLM2-135M's shape, blocks of 16 tokens, 32 of them chosen by their mean
keys, against the same model with its own SDPA over everything and transformers' own cache. Both are in
results/selector_cost.json. With DIMS only its lines are measured, with ENCODING only those of such a chip, and with
``again`` all but what is compiled ahead, which takes most of the time, and lines with intensity noise; what is not
measured keeps the figures that the file has of it, and each line its date and load.
"""

import itertools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from prism_photonics.export.ahead import compile_ahead
from prism_photonics.export.read import Bundle
from prism_photonics.export.schema import ideal
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.features import MeanKey
from prism_photonics.ranking.selectors import FeatureSelector

RESULTS = Path(__file__).parent / "results" / "selector_cost.json"
BLOCKS = (1024, 4096, 16384, 65536)
DIMS, K, TURNS = 32, 32, 25
SHAPES = ((1, 1), (8, 4), (1, 32))  # banks, queries of each
ROADS = ("called", "compiled", "compiled ahead", "noise drawn inside")
QUERIES = 16
"""Queries that take turns, so that no branch predictor knows the answer."""
CONTEXTS, DECODE_TURNS = (2048, 8192), 15
LLAMA = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "tie_word_embeddings": True,
    "max_position_embeddings": 16384, "rope_theta": 100000.0,
}  # fmt: skip
"""The shape of SmolLM2-135M; source: its config.json, huggingface.co/HuggingFaceTB/SmolLM2-135M."""
CHIPS = (("offset", 0.0), ("two_shot", 0.0), ("two_shot", 0.003))


def stated_chip(encoding: str, line_noise: float, *, rows: int = 32, channels: int = DIMS) -> Bundle:
    """A chip of so many channels, with numbers of the size that a calibrated one has."""
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


def side_by_side(roads: dict[str, Any], queries: list[torch.Tensor], device: torch.device) -> dict[str, list[float]]:
    """Seconds a query of every road, turn by turn, after some to warm up."""
    calls = max(1, min(QUERIES, 2**17 // max(1, roads["readings"] // 8)))
    measured = {name: function for name, function in roads.items() if name != "readings"}
    for function in measured.values():
        for query in queries[:3]:
            function(query)

    def some(function):
        for query in queries[:calls]:
            function(query)

    seconds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(TURNS):
        for name, function in measured.items():
            seconds[name].append(one_turn(lambda function=function: some(function), device) / calls)
    return seconds


def lines(
    device: torch.device, dims: int, encodings: tuple[str, ...], *, again: bool
) -> Iterator[list[dict[str, Any]]]:
    """Of every chip of so many channels and such an encoding, and every shape: a line a number of blocks and road."""
    generator = torch.Generator().manual_seed(0)
    chips = [chip for chip in CHIPS if chip[0] in encodings and not (again and chip[1] > 0)]
    for (encoding, line_noise), (banks, asked) in itertools.product(chips, SHAPES):
        torch._dynamo.reset()
        found: list[dict[str, Any]] = []
        for blocks in BLOCKS:
            signatures = torch.randn(banks, blocks, dims, generator=generator).to(device)
            queries = [torch.randn(banks, asked, dims, generator=generator).to(device) for _ in range(QUERIES)]
            selector = PhotonicSelector(stated_chip(encoding, line_noise, channels=dims), K).to(device)
            selector.program(signatures, selector.draw_error(signatures, bank_axes=1), bank_axes=1)
            noise, compiled = selector.draw_noise(queries[0]), torch.compile(selector, dynamic=False)
            room = torch.empty_like(noise)
            roads = {
                "readings": banks * asked * blocks,
                "plain": lambda query, signatures=signatures: torch.topk(query @ signatures.mT, K),
                "called": lambda query, selector=selector, noise=noise: selector(query, noise),
                "compiled": lambda query, compiled=compiled, noise=noise: compiled(query, noise),
                "noise drawn inside": lambda query, selector=selector, room=room: selector(
                    query, selector.draw_noise(query, out=room)
                ),
            }
            if device.type == "cpu" and not again:
                ahead = compile_ahead(selector, queries[0], noise)
                roads["compiled ahead"] = lambda query, ahead=ahead, noise=noise: ahead(query, noise)
            with torch.inference_mode():
                seconds = side_by_side(roads, queries, device)
            # Memory, not sizes: a small view keeps all of what it was cut from.
            memory = {buffer.untyped_storage().data_ptr(): buffer.untyped_storage() for buffer in selector.buffers()}
            held = sum(storage.nbytes() for storage in memory.values())
            for road in (road for road in ROADS if road in seconds):
                line = {
                    "device": device.type,
                    "dims": dims,
                    "encoding": encoding,
                    "line_noise": line_noise,
                    "road": road,
                }
                line |= {
                    "date": date.today().isoformat(),
                    "load": os.getloadavg()[1],
                    "banks": banks,
                    "queries": asked,
                    "blocks": blocks,
                }
                line |= {"plain_us": 1e6 * min(seconds["plain"]), "selector_us": 1e6 * min(seconds[road])}
                line["ratio"] = _ratio(seconds[road], seconds["plain"])
                line["ratio_to_called"] = _ratio(seconds[road], seconds["called"])
                line["ratio_to_compiled"] = _ratio(seconds[road], seconds["compiled"])
                line["selector_ns_per_block"] = 1e3 * line["selector_us"] / blocks / banks / asked
                line["buffers_over_signatures"] = held / (signatures.numel() * signatures.itemsize)
                found.append(line)
                shown = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items())
                print("  ".join(shown), file=sys.stderr, flush=True)
        yield found


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def decode_steps() -> list[dict[str, object]]:
    """One decode step over a cache of random keys and values: chosen blocks against everything."""
    torch.manual_seed(0)
    config = LlamaConfig(**LLAMA)
    dense, sparse = LlamaForCausalLM(config).eval(), LlamaForCausalLM(config).eval()
    sparse.load_state_dict(dense.state_dict(), assign=True)
    hook = BlockSparse(sparse, FeatureSelector("mean_key", MeanKey()), k=K, block=16)
    found: list[dict[str, object]] = []
    for tokens in CONTEXTS:
        caches = DynamicCache(config=config), hook.cache()
        for cache in caches:
            generator = torch.Generator().manual_seed(tokens)
            for layer in cache.layers:
                shape = (1, config.num_key_value_heads, tokens, config.head_dim)
                layer.awaited = True  # as the hook tells it before every step
                layer.update(torch.randn(shape, generator=generator), torch.randn(shape, generator=generator))

        def step(model, cache):
            with torch.inference_mode():
                model(torch.tensor([[5]]), past_key_values=cache)

        pairs = []
        for turn in range(DECODE_TURNS + 2):
            pair = [
                one_turn(lambda model=model, cache=cache: step(model, cache), torch.device("cpu"))
                for model, cache in zip((dense, sparse), caches, strict=True)
            ]
            pairs += [pair] if turn > 1 else []
        line = {"tokens": tokens, "dense_ms": 1e3 * statistics.median(a for a, _ in pairs)}
        line |= {"sparse_ms": 1e3 * statistics.median(b for _, b in pairs)}
        line["ratio"] = statistics.median(b / a for a, b in pairs)
        found.append(line)
        print(line, file=sys.stderr, flush=True)
    hook.detach()
    return found


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    every, words = tuple(dict.fromkeys(encoding for encoding, _ in CHIPS)), sys.argv[1:]
    known = len(words) < 4 and set(words[1:2]) <= set(every) and set(words[2:]) <= {"again"}
    if not known or (words and not words[0].isdigit()):
        sys.exit(
            f"selector_cost: got {' '.join(words)!r}, want [DIMS [ENCODING [again]]] with one of {', '.join(every)}"
        )
    dims, encodings = int(words[0]) if words else DIMS, tuple(words[1:2]) or every
    devices = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"lines": []}
    result = {
        "command": " ".join(["python", "benchmarks/selector_cost.py", *sys.argv[1:]]),
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"),
        "torch": torch.__version__,
        "k": K,
        "decode": kept["decode"] if len(sys.argv) > 1 and "decode" in kept else decode_steps(),
        "lines": kept["lines"],
    }
    for device in devices:
        for found in lines(device, dims, encodings, again=len(words) > 2):
            # Written as it goes: a run that is stopped leaves what it has measured.
            known = {_asked(line) for line in found}
            result["lines"] = sorted([x for x in result["lines"] if _asked(x) not in known] + found, key=_place)
            RESULTS.write_text(json.dumps(result, indent=2) + "\n")


def _asked(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("device", "dims", "encoding", "line_noise", "banks", "queries", "road"))


def _place(line: dict[str, Any]) -> tuple[Any, ...]:
    shape = SHAPES.index((line["banks"], line["queries"]))
    return (*_asked(line)[:4], shape, line["blocks"], ROADS.index(line["road"]))


if __name__ == "__main__":
    main()
