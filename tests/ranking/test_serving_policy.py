"""SGLang's example of docs/serving.md, run against a stand-in that asks it as the engine's controller does."""

import re
import sys
import types
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

SIZE, KV_HEADS, GROUP, DIMS, LAYERS, PAGES = 4, 2, 2, 8, 2, 48

Kinds = {
    "KVStateAction": ("VISIBILITY_ONLY", "EVICT", "HIERARCHICAL"),
    "Granularity": ("TOKEN", "PAGE"),
    "SelectionEvidence": ("POSITION", "KV_DERIVED", "CURRENT_QUERY", "ATTENTION_HISTORY"),
    "DecisionScope": ("REQUEST", "STEP", "LAYER"),
}


@dataclass(frozen=True)
class Capabilities:
    """What a policy declares."""

    state_action: Enum
    granularity: Enum
    evidence: Enum
    scope: Enum
    requires_request_state: bool = False
    supports_cuda_graph: bool = False


@dataclass(frozen=True)
class Result:
    """What a policy answers, refused as the engine refuses it."""

    granularity: Enum
    logical_indices: torch.Tensor
    valid_lengths: torch.Tensor
    visible_kv_lens: torch.Tensor
    sparse_mask: torch.Tensor
    layer_id: int | None = None
    max_visible_kv_len: int | None = None

    def __post_init__(self):
        assert self.logical_indices.ndim == 2
        assert self.logical_indices.dtype in (torch.int32, torch.int64)
        for each in (self.valid_lengths, self.visible_kv_lens, self.sparse_mask):
            assert each.shape == (len(self.logical_indices),)
        assert self.sparse_mask.dtype == torch.bool


@dataclass
class Engine:
    """Paged keys and values of several requests; dense prefill, and decode steps over the pages that a policy names."""

    policy: object
    seed: int = 0
    read: list = field(default_factory=list)

    def __post_init__(self):
        self.generator = torch.Generator().manual_seed(self.seed)
        self.keys = [torch.zeros(PAGES * SIZE + SIZE, KV_HEADS, DIMS) for _ in range(LAYERS)]
        self.values = [torch.zeros_like(each) for each in self.keys]
        self.req_to_token = torch.zeros(4, PAGES * SIZE, dtype=torch.int32)
        self.lengths = torch.zeros(4, dtype=torch.long)
        # The first page holds what pads a batch.
        self.free = (1 + torch.randperm(PAGES - 1, generator=self.generator)).tolist()

    def get_key_buffer(self, layer):
        return self.keys[layer]

    def give(self, request, tokens):
        """Slots for further tokens of a request, page by page."""
        slots = []
        for place in range(int(self.lengths[request]), int(self.lengths[request]) + tokens):
            if place % SIZE == 0:
                self.page = self.free.pop()
            first = self.req_to_token[request, place - place % SIZE] if place % SIZE else self.page * SIZE
            self.req_to_token[request, place] = int(first) + place % SIZE
            slots.append(int(first) + place % SIZE)
        self.lengths[request] += tokens
        return slots

    def end(self, request):
        """Free a request's pages."""
        held = self.req_to_token[request, : int(self.lengths[request]) : SIZE] // SIZE
        self.free += [int(page) for page in held]
        self.lengths[request] = 0

    def forward(self, requests, tokens, *, keys=None, queries=None):
        """One forward pass: prefill of one request, or a decode step of several; outputs and full attention's."""
        slots = torch.tensor([slot for request in requests for slot in self.give(request, tokens)])
        fresh = torch.randn(LAYERS, len(slots), KV_HEADS, DIMS, generator=self.generator) if keys is None else keys
        asked = queries
        if asked is None:
            asked = torch.randn(len(slots), KV_HEADS * GROUP, DIMS, generator=self.generator)
        batch = SimpleNamespace(out_cache_loc=slots, forward_mode=SimpleNamespace(is_decode=lambda: tokens == 1))
        outputs = []
        for layer in range(LAYERS):
            self.keys[layer][slots] = fresh[layer]
            self.values[layer][slots] = torch.randn(len(slots), KV_HEADS, DIMS, generator=self.generator)
            context = SimpleNamespace(
                query=asked.flatten(1), layer_id=layer, req_pool_indices=torch.tensor(requests),
                seq_lens=self.lengths[requests], forward_batch=batch,
            )  # fmt: skip
            if tokens == 1:
                outputs.append(self.decode(layer, requests, asked, self.policy.select(context)))
            self.policy.on_attention_complete(context)
        return outputs

    def decode(self, layer, requests, asked, result):
        """Attention over what a policy shows, and over everything."""
        said = []
        for row, request in enumerate(requests):
            length = int(self.lengths[request])
            every = self.req_to_token[request, :length].long()
            slots = every
            if result.sparse_mask[row]:
                count, visible = int(result.valid_lengths[row]), int(result.visible_kv_lens[row])
                places = result.logical_indices[row, :count].long()
                assert (places >= 0).all()
                assert (places.diff() > 0).all()
                pages = self.req_to_token[request, places * SIZE].long() // SIZE
                slots = (pages[:, None] * SIZE + torch.arange(SIZE)).flatten()[:visible]
                assert count * SIZE - SIZE < visible <= count * SIZE
            self.read.append(len(slots))
            said.append([self.attend(layer, asked[row], each) for each in (slots, every)])
        return said

    def attend(self, layer, query, slots):
        held = [each[layer][slots].repeat_interleave(GROUP, 1) for each in (self.keys, self.values)]
        weight = torch.einsum("hd,thd->ht", query, held[0]).softmax(-1)
        return torch.einsum("ht,thd->hd", weight, held[1])


@pytest.fixture
def policy_of(monkeypatch, demo_bundle):
    """The documentation's policy, under modules of the engine's names in place of it."""
    root, policies = "sglang.srt.mem_cache.sparsity", {}
    enums = {name: Enum(name, list(members)) for name, members in Kinds.items()}
    engine = {}
    held = {
        root: {"factory": SimpleNamespace(_KV_SPARSITY_POLICIES=policies)},
        f"{root}.contracts": {"SelectionResult": Result, "SparsityCapabilities": Capabilities, **enums},
        f"{root}.policies.base": {"SparsityPolicy": object},
        "sglang.srt.model_executor.forward_context": {
            "get_req_to_token_pool": lambda: engine["now"],
            "get_token_to_kv_pool": lambda: engine["now"],
        },
    }
    for name, content in held.items():
        parts = name.split(".")
        for length in range(1, len(parts)):
            parent = ".".join(parts[:length])
            monkeypatch.setitem(sys.modules, parent, sys.modules.get(parent) or types.ModuleType(parent))
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("prism_photonics.export.load", lambda _: demo_bundle(2 * DIMS, encoding="dual_rail"))
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    (code,) = [block for block in re.findall(r"```py\n(.*?)```", text, re.DOTALL) if "PhotonicPolicy" in block]
    exec(compile(code, "docs/serving.md", "exec"), {"__name__": "example"})

    def make(*, pages, least=0):
        config = SimpleNamespace(page_size=SIZE, min_sparse_tokens=least, policy_config={"pages": pages})
        made = Engine(policies["photonic"](config, torch.device("cpu")))
        engine["now"] = made
        return made

    return make


def test_with_as_many_pages_as_there_are_every_request_attends_to_everything(policy_of):
    engine = policy_of(pages=PAGES)
    engine.forward([1], 41)
    engine.forward([2], 18)
    for _ in range(6):
        for layer in engine.forward([1, 2], 1):
            assert all(torch.allclose(found, full, atol=1e-6) for found, full in layer)


def test_a_request_reads_its_first_page_the_latest_and_so_many_others_and_a_short_one_all(policy_of):
    engine = policy_of(pages=3, least=30)
    engine.forward([1], 41)
    engine.forward([2], 18)
    for _ in range(3):
        engine.forward([1, 2], 1)
    # Tokens 42 to 44: five pages, the last of which holds 2, 3, 4; 19 to 21 tokens are below the limit.
    assert engine.read == [18, 19, 18, 19, 19, 20, 19, 20, 20, 21, 20, 21]
    capabilities = engine.policy.capabilities
    assert (capabilities.granularity.name, capabilities.scope.name) == ("PAGE", "LAYER")


def needle(tokens, *, page, query):
    """Small keys, but for one page that each KV head's first query asks for."""
    keys = 0.1 * torch.randn(LAYERS, tokens, KV_HEADS, DIMS, generator=torch.Generator().manual_seed(3))
    keys[:, page * SIZE : (page + 1) * SIZE] += 3.0 * query[::GROUP]
    return keys


@pytest.mark.parametrize("page", [2, 5, 8])
def test_the_page_that_a_query_asks_for_is_read_though_its_place_was_another_requests_before(policy_of, page):
    engine = policy_of(pages=1)
    query = torch.randn(1, KV_HEADS * GROUP, DIMS, generator=torch.Generator().manual_seed(4))
    query = query.unflatten(1, (KV_HEADS, GROUP))[:, :, :1].expand(-1, -1, GROUP, -1).flatten(1, 2)
    for held in (7, page):
        engine.forward([1], 40, keys=needle(40, page=held, query=query[0]))
        for layer in engine.forward([1], 1, queries=query):
            ((found, full),) = layer
            assert torch.allclose(found, full, atol=0.02)
        engine.end(1)
    assert engine.read == [9] * 4


def test_pages_that_decode_steps_fill_are_signed_too(policy_of):
    engine = policy_of(pages=1)
    engine.forward([1], 6)
    for _ in range(10):
        engine.forward([1], 1)
    assert [int(engine.policy.paged._known[layer].sum()) for layer in range(LAYERS)] == [4, 4]
