"""vLLM's example of docs/serving.md, run against a stand-in that makes the engine's calls on a real paged cache."""

import enum
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

BLOCK, KV_HEADS, GROUP, DIMS = 4, 2, 2, 8


@dataclass
class Metadata:
    """What FlashAttention of the engine reads of a step."""

    slot_mapping: torch.Tensor
    block_table: torch.Tensor
    seq_lens: torch.Tensor
    max_query_len: int
    max_seq_len: int
    scheduler_metadata: object = None
    use_cascade: bool = True


class PagedAttention:
    """Writes a step's keys and values into its slots, and attends over the page table that it is handed."""

    def __init__(self, heads, head_size):
        self.heads, self.head_size, self.read = heads, head_size, []

    def forward(self, layer, query, key, value, kv_cache, attn_metadata, output=None):
        if attn_metadata is None or output is None:
            return output
        keys, values = kv_cache.unbind(0)
        slots = attn_metadata.slot_mapping
        slots = slots[slots >= 0]
        keys.flatten(0, 1)[slots], values.flatten(0, 1)[slots] = key, value
        if attn_metadata.max_query_len > 1:
            return output
        # Both were made for the longer table.
        assert attn_metadata.use_cascade == (attn_metadata.scheduler_metadata is not None)
        for request, (table, tokens) in enumerate(zip(attn_metadata.block_table, attn_metadata.seq_lens, strict=True)):
            self.read.append(int(tokens))
            held = [cache[table].flatten(0, 1)[: int(tokens)].repeat_interleave(GROUP, 1) for cache in (keys, values)]
            weight = torch.einsum("hd,thd->ht", query[request], held[0]).softmax(-1)
            output[request] = torch.einsum("ht,thd->hd", weight, held[1])
        return output


@pytest.fixture
def example(monkeypatch, demo_bundle):
    """The names of the documentation's example, with modules of the engine's names in place of it."""
    made = {}
    for name in ("vllm", "vllm.v1", "vllm.v1.attention", "vllm.v1.attention.backends"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    held = {
        "flash_attn": {"FlashAttentionImpl": PagedAttention, "FlashAttentionBackend": object},
        "registry": {
            "AttentionBackendEnum": enum.Enum("AttentionBackendEnum", ["CUSTOM"]),
            "register_backend": lambda which: lambda backend: made.setdefault(which.name, backend),
        },
    }
    for name, content in held.items():
        module = types.ModuleType(f"vllm.v1.attention.backends.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("prism_photonics.export.load", lambda _: demo_bundle(DIMS))
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    (code,) = [block for block in re.findall(r"```py\n(.*?)```", text, re.DOTALL) if "PhotonicImpl" in block]
    names = {"__name__": "example"}
    exec(compile(code, "docs/serving.md", "exec"), names)
    return names | {"backend": made["CUSTOM"]}


def serve(impl, *, pages, tokens, steps, seed=0):
    """Prefill of one request, then decode steps; the outputs, and what full attention gives."""
    generator = torch.Generator().manual_seed(seed)
    total = tokens + steps
    table = torch.randperm(pages, generator=generator)[: -(-total // BLOCK)]
    keys, values = torch.randn(2, total, KV_HEADS, DIMS, generator=generator)
    queries = torch.randn(total, KV_HEADS * GROUP, DIMS, generator=generator)
    slots = (table[:, None] * BLOCK + torch.arange(BLOCK)).flatten()[:total]
    cache, found = torch.zeros(2, pages, BLOCK, KV_HEADS, DIMS), []
    for part in (slice(0, tokens), *(slice(n, n + 1) for n in range(tokens, total))):
        length = torch.tensor([part.stop])
        padded = torch.nn.functional.pad(slots[part], (0, 3), value=-1)
        step = Metadata(padded, table[None].int(), length.int(), part.stop - part.start, part.stop, "planned")
        output = torch.zeros_like(queries[part])
        impl.forward(None, queries[part], keys[part], values[part], cache, step, output=output)
        found.append(output)
    held = [each[:total].repeat_interleave(GROUP, 1) for each in (keys, values)]
    full = torch.einsum("ht,thd->hd", torch.einsum("hd,thd->ht", queries[-1], held[0]).softmax(-1), held[1])
    return found[-1][0], full


def test_the_example_is_registered_and_asks_the_engine_for_fewer_tokens(example):
    impl = example["backend"].get_impl_cls()(KV_HEADS * GROUP, DIMS)
    assert example["backend"].get_name() == "CUSTOM"
    assert impl.forward(None, None, None, None, None, None) is None  # the engine's dry run
    serve(impl, pages=40, tokens=100, steps=6)
    # The first page, eight chosen ones, and the latest: 9 · 4 tokens and what the latest holds.
    assert impl.read == [37, 38, 39, 40, 37, 38]


def test_with_as_many_pages_as_there_are_the_example_attends_to_everything(example):
    example["PhotonicImpl"].forward.__globals__["PAGES"] = 40
    found, full = serve(example["PhotonicImpl"](KV_HEADS * GROUP, DIMS), pages=40, tokens=61, steps=9)
    assert torch.allclose(found, full, atol=1e-6)


def test_every_page_that_fills_up_is_signed_whether_prefill_or_a_decode_step_fills_it(example):
    impl = example["PhotonicImpl"](KV_HEADS * GROUP, DIMS)
    serve(impl, pages=40, tokens=10, steps=10)
    assert int(impl.paged._known[impl.number].sum()) == 5
