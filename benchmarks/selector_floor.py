"""What a selector's answer is made of: time of each step by itself, beside the plain product and top-k.

    python benchmarks/selector_floor.py [called]

One bank with 32 dims, one query or 32, one shot of light. The plain road is ``torch.topk(query @ signatures.mT, k)``.
What is added to it is what the chip does and the plain road does not:

* called: converting a query to light (32 numbers), reading noise and converter (three passes over all readings),
  scores in units (one more), and a choice of blocks that keeps the tie rule;
* compiled: the call of a compiled module that computes nothing, with as many buffers as the selector has; and the call
  of the compiled selector beside that of its compiled code alone, which torch guards by what the code was made for;
  beside that with every kernel tuned, and guarded by the sizes of tensors alone (what torch calls unsafe);
* compiled ahead (``export.ahead``): the call, and its code alone;
* noise drawn inside: the random numbers, beside the same of NumPy, and the whole numbers that they are made of.

Processor time of this thread, the least of some turns. With ``called`` only what no compiler makes, with numbers that
change from call to call (a choice among the same ones is learnt by the processor's branch predictor, and then takes a
third), and the call of a bank of k blocks, which is what Python and the libraries take whatever is asked. Writes
results/selector_floor.json; what is not measured keeps its figures.
"""

import json
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from selector_cost import BLOCKS, DIMS, K, stated_chip
from torch._inductor.compile_fx import compile_fx

from prism_photonics.export.ahead import compile_ahead
from prism_photonics.export.topk import top_k
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.files import write_text

RESULTS = Path(__file__).parent / "results" / "selector_floor.json"
TURNS, QUERIES, CHANGING = 15, (1, 32), 16


class Nothing(torch.nn.Module):
    """A module with a selector's buffers that hands its query on."""

    def __init__(self, selector: PhotonicSelector) -> None:
        super().__init__()
        for name, buffer in selector.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        return query * self.weight_span


class Alone:
    """A backend that keeps what it compiled and what that was last handed, to be called again without guards."""

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[torch.Tensor]):
        """Compile, and hand everything on."""
        compiled = compile_fx(graph, inputs)

        def run(*given):
            self.again = lambda: compiled(*given)
            return compiled(*given)

        return run


def least_us(function, calls: int) -> float:
    """Least time of a call, in µs."""
    found = []
    for _ in range(TURNS):
        start = time.thread_time()
        for _ in range(calls):
            function()
        found.append((time.thread_time() - start) / calls)
    return 1e6 * min(found)


def steps(asked: int, blocks: int) -> dict[str, float]:
    """Time of every step for so many queries and blocks, in µs."""
    signatures, query = torch.randn(1, blocks, DIMS), torch.randn(1, asked, DIMS)
    selector = PhotonicSelector(stated_chip("offset", 0.0), K)
    selector.program(signatures, bank_axes=1)
    noise, alone = selector.draw_noise(query), Alone()
    # torch compiles a method eight times and then no more, and looks at what it has made of it at every call.
    torch._dynamo.reset()
    with torch.inference_mode():
        torch.compile(selector, dynamic=False, backend=alone)(query, noise)
    torch._dynamo.reset()
    nothing, compiled = (torch.compile(each, dynamic=False) for each in (Nothing(selector), selector))
    apart: dict[str, Any] = {"dynamic": False, "isolate_recompiles": True}
    tuned = torch.compile(selector, mode="max-autotune-no-cudagraphs", **apart)
    by_sizes = torch.compile(selector, options={"guard_filter_fn": torch.compiler.keep_tensor_guards_unsafe}, **apart)
    ahead = compile_ahead(selector, query, noise)
    generator = np.random.Generator(np.random.SFC64(0))
    whole = torch.empty_like(noise, dtype=torch.int32)
    readings = torch.randn(asked, blocks)
    room, scores = torch.empty_like(readings), query @ signatures.mT
    calls = max(1, 2**16 // (asked * blocks))

    def convert() -> None:
        torch.addcmul(readings, noise[0, 0, :, :, 0], readings, out=room)
        room.mul_(0.5).add_(7.0).clamp_(0.0, 4094.0).round_()

    roads = {
        "plain": lambda: torch.topk(query @ signatures.mT, K),
        "product": lambda: query @ signatures.mT,
        "torch.topk": lambda: torch.topk(scores, K),
        "choice with the tie rule": lambda: top_k(scores, K),
        "noise and converter": convert,
        "scores in units": lambda: torch.addcmul(room, readings, room),
        "random numbers": lambda: selector.draw_noise(query),
        "the same of NumPy": lambda: generator.standard_normal(noise.shape, dtype=np.float32),
        "whole numbers": lambda: whole.random_(),
        "compiled module that does nothing": lambda: nothing(query),
        "compiled code alone": lambda: alone.again(),
        "compiled": lambda: compiled(query, noise),
        "compiled, kernels tuned": lambda: tuned(query, noise),
        "compiled, guarded by sizes": lambda: by_sizes(query, noise),
        "ahead, code alone": lambda: ahead._code.run([query, noise, *ahead._held]),
        "compiled ahead": lambda: ahead(query, noise),
        "called": lambda: selector(query, noise),
    }
    with torch.inference_mode():
        for road in roads.values():
            road()
        return {name: least_us(road, calls) for name, road in roads.items()}


def called_steps(asked: int, blocks: int) -> dict[str, float]:
    """Time of every step of the selector as it is called, in µs."""
    signatures = torch.randn(1, blocks, DIMS)
    selector, least = (PhotonicSelector(stated_chip("offset", 0.0), K) for _ in range(2))
    selector.program(signatures, bank_axes=1)
    least.program(signatures[:, :K], bank_axes=1)
    queries = [torch.randn(1, asked, DIMS) for _ in range(CHANGING)]
    noise, none = selector.draw_noise(queries[0]), least.draw_noise(queries[0])
    scores = [query @ signatures.mT for query in queries]
    room, readings, std = torch.empty_like(noise), torch.empty(1, asked, blocks), torch.rand(1, asked, 1)
    drawn = noise.view(readings.shape)
    calls = max(1, 2**18 // (asked * blocks * CHANGING))

    def convert(query: torch.Tensor, found: torch.Tensor) -> None:
        torch.addcmul(found, std, drawn, out=readings)
        torch.addcmul(selector.middle, readings, selector.per_step, out=readings)
        readings.clamp_(0.0, 4094.0).round_()
        torch.addcmul(selector.shift, readings, selector.gain, out=readings)

    roads = {
        "plain": lambda query, found: torch.topk(query @ signatures.mT, K),
        "product": lambda query, found: query @ signatures.mT,
        "torch.topk": lambda query, found: torch.topk(found, K),
        "choice with the tie rule": lambda query, found: top_k(found, K),
        "a look at the noise": lambda query, found: float(drawn.sum()),
        "noise and converter": convert,
        "scores in units": lambda query, found: torch.mul(found, std, out=readings).add_(std),
        "random numbers": lambda query, found: selector.draw_noise(query),
        "random numbers into memory that is there": lambda query, found: selector.draw_noise(query, out=room),
        f"called, {K} blocks": lambda query, found: least(query, none),
        "called": lambda query, found: selector(query, noise),
    }

    def every(road: Any) -> None:
        for query, found in zip(queries, scores, strict=True):
            road(query, found)

    with torch.inference_mode():
        for road in roads.values():
            every(road)
        return {name: least_us(lambda road=road: every(road), calls) / CHANGING for name, road in roads.items()}


def main() -> None:
    """Measure, write and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    shapes = [(asked, blocks) for asked in QUERIES for blocks in BLOCKS]
    if sys.argv[1:] == ["called"]:
        found = kept | {"called": []}
        for asked, blocks in shapes:
            line = {"queries": asked, "blocks": blocks, "us": called_steps(asked, blocks)}
            found["called"].append(line | {"date": date.today().isoformat(), "load": os.getloadavg()[0]})
            print(found["called"][-1])
    else:
        found = kept | {
            "command": "python benchmarks/selector_floor.py",
            "date": date.today().isoformat(),
            "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one thread, no GPU",
            "torch": torch.__version__,
            "load_average": os.getloadavg()[0],
            "lines": [{"queries": asked, "blocks": blocks, "us": steps(asked, blocks)} for asked, blocks in shapes],
        }
        print(json.dumps(found, indent=2))
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
