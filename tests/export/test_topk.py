"""The best blocks are those of a stable sort, whichever road finds them, whole or piece by piece."""

import copy

import numpy as np
import pytest
import torch

from prism_photonics.export import fused as fusing
from prism_photonics.export import topk
from prism_photonics.export.single import host_of
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

KINDS = ("spread", "many equal", "mostly minus infinity", "zeros of both signs", "rising")


def drawn(kind, queries, blocks, *, dtype, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((queries, blocks)).astype(dtype)
    if kind == "many equal":
        scores = np.round(2.0 * scores)
    if kind == "mostly minus infinity":
        scores[:, ::3] = -np.inf
        scores[0] = -np.inf
    if kind == "zeros of both signs":
        scores = np.copysign(np.zeros_like(scores), scores)
    return np.sort(scores, axis=-1) if kind == "rising" else scores


def sorted_stably(scores, k):
    return np.argsort(0.0 - scores, axis=-1, kind="stable")[:, :k]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("queries", "blocks", "k"), [(1, 1, 1), (1, 999, 7), (5, 40, 40), (4, 1030, 1), (3, 2051, 16)])
def test_whole_and_in_pieces_the_best_are_those_of_a_stable_sort(kind, dtype, queries, blocks, k):
    scores = drawn(kind, queries, blocks, dtype=dtype)
    want = sorted_stably(scores, k)
    assert np.array_equal(topk.top_k(torch.from_numpy(scores), k).numpy(), want)
    best = topk.Best(k)
    for first in range(0, blocks, 117):  # the last piece may have fewer blocks than are chosen
        best.see(scores[:, first : first + 117])
    found = best.blocks()
    assert found is not None
    assert np.array_equal(found, want)


@pytest.mark.parametrize("queries", [1, 3])
def test_beside_nan_the_keys_choose(queries):
    scores = drawn("spread", queries, 700, dtype=np.float32)
    scores[0, 650] = np.nan
    best = topk.Best(6)
    best.see(scores[:, :300])
    best.see(scores[:, 300:])
    assert best.blocks() is None
    assert topk.best_of_rows(scores, 6) is None
    scores = torch.from_numpy(scores)
    assert torch.equal(topk.top_k(scores, 6), topk._keyed(scores, 6))


@pytest.fixture
def selector(make_model, tmp_path):
    excluded = np.zeros((8, 8), bool)
    excluded[3] = True
    made = PhotonicSelector.from_bundle(write(make_model(encoding="two_shot", excluded=excluded), tmp_path / "b"), 5)
    made.program(torch.randn(2, 90, 12, generator=torch.Generator().manual_seed(0)), bank_axes=1)
    return made


@pytest.mark.parametrize("scale", [None, "block"])
def test_in_pieces_the_selector_answers_as_whole(selector, monkeypatch, scale):
    generator = torch.Generator().manual_seed(1)
    selector.program(torch.randn(2, 90, 12, generator=generator), bank_axes=1, signature_scale=scale)
    query = torch.randn(2, 3, 12, generator=generator)
    query[0, 1] = 0.0
    noise = selector.draw_noise(query, generator)
    whole, chosen = selector(query, noise)
    monkeypatch.setattr(fusing, "CALLED_READINGS", 12 * 2 * 2 * 7)
    scores, blocks = selector(query, noise)
    assert torch.allclose(scores, whole, rtol=1e-5, atol=1e-5)
    assert torch.equal(blocks, chosen)


def test_noise_is_the_same_in_memory_that_is_there(selector):
    query = torch.zeros(2, 3, 12)
    want = selector.draw_noise(query, torch.Generator().manual_seed(4))
    room = torch.full_like(want, 7.0)
    assert selector.draw_noise(query, torch.Generator().manual_seed(4), out=room) is room
    assert torch.equal(room, want)


def test_noise_into_other_memory_is_refused(selector):
    query = torch.zeros(2, 3, 12)
    room = selector.draw_noise(query)
    with pytest.raises(InputError, match="out: got shape"):
        selector.draw_noise(query, out=room[..., 1:, :])
    with pytest.raises(InputError, match=r"out: got torch\.float64, want torch\.float32"):
        selector.draw_noise(query, out=room.double())


@pytest.mark.parametrize("name", ["gain", "common", "shift", "row_gain", "per_step", "middle"])
@pytest.mark.parametrize("queries", [(12,), (2, 3, 12)])
def test_every_buffer_that_is_replaced_for_a_call_is_read_in_that_call_alone(selector, name, queries):
    query = torch.randn(queries, generator=torch.Generator().manual_seed(2))
    selector = copy.deepcopy(selector)
    if len(queries) == 1:  # one query of one bank takes a road of its own
        selector.program(torch.randn(40, 12, generator=torch.Generator().manual_seed(3)))
    before, _ = selector(query)
    other = copy.deepcopy(selector)
    state = {name: 1.5 * selector.get_buffer(name) + 0.25}
    other.get_buffer(name).copy_(state[name])
    wanted, _ = other(query)
    moved, _ = torch.func.functional_call(selector, state, (query,))
    assert torch.equal(moved, wanted)
    again, _ = selector(query)
    assert torch.equal(again, before)


def test_a_derivative_that_a_buffer_is_given_after_a_call_is_not_lost(selector):
    query = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(2))
    selector(query)
    other = copy.deepcopy(selector)
    other(query)
    other.centre.requires_grad_()
    scores, _ = other(query)
    assert scores.requires_grad


def test_memory_that_moves_under_a_buffer_is_looked_up_anew(selector):
    query = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(2))
    before, _ = selector(query)
    selector.get_buffer("centre").data = torch.zeros_like(selector.centre)
    moved, _ = selector(query)
    other = copy.deepcopy(selector)
    assert torch.equal(moved, other(query)[0])
    assert not torch.equal(moved, before)


def test_what_nobody_may_look_at_while_a_tracer_runs_is_looked_at_afterwards(make_model, tmp_path):
    selector = PhotonicSelector.from_bundle(write(make_model(encoding="two_shot"), tmp_path / "c"), 5)
    selector.program(torch.randn(40, 12, generator=torch.Generator().manual_seed(3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.jit, "is_tracing", lambda: True)
        assert host_of(selector).bank is None
    assert host_of(selector).bank is not None


def test_noise_is_drawn_into_memory_in_one_piece(selector):
    query = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(2))
    room = selector.draw_noise(query)
    apart = torch.empty(*room.shape[:-1], 2 * room.shape[-1])[..., ::2]
    with pytest.raises(InputError, match="memory in parts"):
        selector.draw_noise(query, out=apart)


def test_what_is_kept_of_buffers_follows_one_that_is_replaced(selector):
    query = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(2))
    before, _ = selector(query)
    state = {"centre": 2.0 * selector.centre}
    moved, _ = torch.func.functional_call(selector, state, (query,))
    shared = (query * selector.centre[:, None]).sum(-1, keepdim=True)
    alive = torch.isfinite(before)
    assert torch.allclose(moved[alive], (before + shared)[alive], atol=1e-4)
    again, _ = selector(query)
    assert torch.equal(again, before)
