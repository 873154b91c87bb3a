"""The torch selector: batches and heads, half precision, compiled, drifting, and its ties."""

import json

import jaxtyping
import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from prism_photonics.codec.encoding import SHOTS
from prism_photonics.export.read import load
from prism_photonics.export.topk import top_k
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

torch.set_num_threads(1)
DRIFT = {
    "drift_time_s": np.array([1.0, 100.0]),
    "drift_mean": np.full((2, 2, 8), 0.02) * np.array([1.0, 3.0])[:, None, None],
    "drift_common": np.full((2, 8), 0.01),
    "drift_own": np.full((2, 8), 0.03),
}


def faulty(**changes):
    """Dead rings, a permuted comb, correlated errors, gain, offset and drift at once."""
    excluded, stuck = np.zeros((8, 8), bool), np.zeros((8, 8))
    excluded[3], excluded[5, 2], stuck[5, 2] = True, True, 0.8
    mix = np.linalg.cholesky(0.4 * np.ones((8, 8)) + 0.6 * np.eye(8)).T
    return DRIFT | {
        "excluded": excluded, "stuck_weight": stuck, "weight_error_mix": mix, "score_gain": np.linspace(0.98, 1.01, 8),
        "score_offset": np.linspace(-0.02, 0.02, 8), "column_of_channel": np.array([1, 0, 2, 4, 3, 7, 6, 5]),
    } | changes  # fmt: skip


@pytest.mark.parametrize(("scheme", "tables"), [("offset", 4), ("two_shot", 3)])
def test_what_all_blocks_share_is_held_once(make_model, tmp_path, scheme, tables):
    """Without row offsets the middle code is one number; after two shots the score of code 0 is nothing for all."""
    model = make_model(rows=32, channels=32, encoding=scheme, score_offset=np.zeros(32), score_gain=np.ones(32))
    selector = PhotonicSelector(load(write(model, tmp_path / "bundle")), 4)
    signatures = torch.randn(1000, 32, generator=torch.Generator().manual_seed(0))
    selector.program(signatures)
    shapes = [
        buffer.shape for buffer in selector.buffers() if 1000 in buffer.shape and buffer.untyped_storage().nbytes()
    ]
    assert sum(shape.numel() == 1000 for shape in shapes) == tables


@pytest.mark.parametrize("scheme", SHOTS)
def test_the_fused_reading_is_the_plain_one_whatever_is_wrong_with_the_chip(make_model, tmp_path, scheme):
    bundle = load(write(make_model(**faulty(encoding=scheme)), tmp_path / "bundle"))
    rng = np.random.default_rng(0)
    signatures, query = rng.standard_normal((20, 30)), rng.standard_normal((2, 3, 30))
    shape = bundle.error_shape(signatures)
    error, drift = rng.standard_normal(shape), rng.standard_normal(shape)
    programmed = bundle.program(signatures, 0, error=error, drift=drift, common_drift=-0.4)
    noise = rng.standard_normal(bundle.noise_shape(query, programmed))
    selector = PhotonicSelector(bundle, 4, dtype=torch.float64)
    tensors = [torch.as_tensor(a) for a in (signatures, error, drift, query, noise)]
    selector.program(tensors[0], tensors[1], drift=tensors[2], common_drift=-0.4)
    for t in (0.0, 7.0):
        plain = bundle.read(query, programmed, noise=noise, t_since_program_s=t)
        scores, chosen = selector(tensors[3], tensors[4], t)
        assert scores.numpy() == pytest.approx(plain, abs=1e-9)
        assert np.array_equal(chosen.numpy(), np.argsort(-plain, -1, kind="stable")[..., :4])
        assert not (chosen % 8 == 3).any()


def test_heads_are_banks_of_their_own(bundle_path):
    rng = torch.Generator().manual_seed(0)
    signatures, query = torch.randn(2, 3, 20, 12, generator=rng), torch.randn(2, 3, 5, 12, generator=rng)
    whole = PhotonicSelector.from_bundle(bundle_path, 4)
    error = whole.draw_error(signatures, rng, bank_axes=2)
    whole.program(signatures, error, bank_axes=2)
    noise = whole.draw_noise(query, rng)
    scores, chosen = whole(query, noise)
    assert scores.shape == (2, 3, 5, 20)
    assert chosen.shape == (2, 3, 5, 4)
    for bank in np.ndindex(2, 3):
        one = PhotonicSelector.from_bundle(bundle_path, 4)
        one.program(signatures[bank], error[bank])
        alone, picked = one(query[bank], noise[:, *bank])
        assert torch.allclose(scores[bank], alone, atol=1e-5)
        assert torch.equal(chosen[bank], picked)
    with pytest.raises(InputError, match="want the banks"):
        whole(query[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_queries_are_scored_in_single_precision(bundle_path, dtype):
    rng = torch.Generator().manual_seed(0)
    signatures, query = (torch.randn(n, 8, generator=rng).to(dtype) for n in (20, 3))
    plain = PhotonicSelector.from_bundle(bundle_path, 4)
    plain.program(signatures.float())
    halved = PhotonicSelector.from_bundle(bundle_path, 4).to(dtype)
    halved.program(signatures)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores, chosen = halved(query)
    assert scores.dtype == torch.float32
    assert torch.equal(scores, plain(query.float())[0])
    assert torch.equal(chosen, plain(query.float())[1])


def test_compiled_it_gives_the_same_scores_and_blocks(make_model, tmp_path, monkeypatch):
    bundle = load(write(make_model(encoding="two_shot", **DRIFT), tmp_path / "bundle"))
    selector = PhotonicSelector(bundle, 4)
    rng = torch.Generator().manual_seed(0)
    signatures, query = torch.randn(2, 40, 8, generator=rng), torch.randn(2, 3, 8, generator=rng)
    error = selector.draw_error(signatures, rng, bank_axes=1)
    selector.program(signatures, error, drift=error.flip(0), common_drift=0.5, bank_axes=1)
    noise = selector.draw_noise(query, rng)
    compiled = torch.compile(selector, backend="aot_eager", fullgraph=True)
    # The run-time shape check of the tests cannot be traced.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for t in (0.0, torch.tensor(9.0)):
        scores, chosen = selector(query, noise, t)
        again, same = compiled(query, noise, t)
        assert torch.allclose(scores, again, atol=1e-6)
        assert torch.equal(chosen, same)


def test_compiled_shapes_beyond_torchs_limit_are_told_and_cured_as_the_page_says(make_model, tmp_path, monkeypatch):
    from torch._dynamo.exc import FailOnRecompileLimitHit

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    bundle = load(write(make_model(), tmp_path / "bundle"))
    query = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    traced = []

    def counted(graph, examples):
        traced.append(graph)
        return graph.forward

    def ask(blocks, **how):
        selector = PhotonicSelector(bundle, 4)
        selector.program(torch.randn(blocks, 8, generator=torch.Generator().manual_seed(blocks)))
        same, chosen = torch.compile(selector, backend=counted, fullgraph=True, **how)(query)
        assert torch.allclose(same, selector(query)[0], atol=1e-5)
        assert torch.equal(chosen, selector(query)[1])

    torch.compiler.reset()
    with torch._dynamo.config.patch(recompile_limit=1):
        ask(20)
        ask(20)  # another selector of the same shape
        assert len(traced) == 1
        with pytest.raises(FailOnRecompileLimitHit):
            ask(24)
        ask(24, isolate_recompiles=True)
        torch.compiler.reset()
        ask(28)
        ask(32, recompile_limit=64, dynamic=True)
    assert len(traced) == 4
    torch.compiler.reset()


def test_the_state_dict_carries_the_spec_and_what_is_programmed(make_model, tmp_path):
    bundle = load(write(make_model(**DRIFT), tmp_path / "bundle", spec='{"name": "demo"}'))
    selector = PhotonicSelector(bundle, 4)
    signatures = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    selector.program(signatures, drift=torch.ones(20, 1, 8), common_drift=1.0)
    state = selector.state_dict()
    assert json.loads(bytes(state["_extra_state"].tolist()))["spec"] == '{"name": "demo"}'
    other = PhotonicSelector(bundle, 4)
    other.load_state_dict(state)
    assert torch.equal(other(signatures[:3], None, 5.0)[0], selector(signatures[:3], None, 5.0)[0])


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-30])
def test_the_best_are_those_of_a_stable_sort(scale):
    rng = torch.Generator().manual_seed(0)
    scores = torch.randint(-3, 4, (50, 200), generator=rng).float() * scale
    scores[:, ::17] = -torch.inf
    scores[:, 5] = -0.0  # equal to any other zero
    expected = torch.sort(scores, descending=True, stable=True).indices
    for k in (1, 7, 200):
        assert torch.equal(top_k(scores, k), expected[:, :k])
        assert torch.equal(top_k(scores.double(), k), expected[:, :k])


@pytest.mark.parametrize(("blocks", "k"), [(700, 3), (2048, 32), (2055, 4), (4101, 8), (4201, 4)])
def test_groups_lose_no_block_and_no_tie(blocks, k):
    rng = torch.Generator().manual_seed(blocks)
    scores = torch.randint(-40, 40, (6, blocks), generator=rng).float()  # full of ties, in and across groups
    scores[1] = torch.randn(blocks, generator=rng)
    scores[2], scores[3, : blocks // 2] = -torch.inf, -torch.inf
    scores[4], scores[5, -1] = 0.0, 50.0  # the last block is in no group
    expected = torch.sort(scores, descending=True, stable=True).indices[:, :k]
    assert torch.equal(top_k(scores, k), expected)
    assert torch.equal(top_k(scores.double(), k), expected)


def test_read_in_pieces_it_gives_the_same_scores(make_model, tmp_path, monkeypatch):
    bundle = load(write(make_model(**faulty(encoding="two_shot")), tmp_path / "bundle"))
    selector = PhotonicSelector(bundle, 4)
    rng = torch.Generator().manual_seed(0)
    signatures, query = torch.randn(2, 40, 12, generator=rng), torch.randn(2, 3, 12, generator=rng)
    selector.program(signatures, selector.draw_error(signatures, rng, bank_axes=1), bank_axes=1)
    noise = selector.draw_noise(query, rng)
    whole, chosen = selector(query, noise)
    monkeypatch.setattr("prism_photonics.export.fused.CACHED_READINGS", 7 * 2 * 3 * 2 * 2)
    pieces, same = selector(query, noise)
    assert torch.allclose(whole, pieces, atol=1e-6)
    assert torch.equal(chosen, same)


def test_its_buffers_take_little_more_than_the_signatures(make_model, tmp_path):
    model = make_model(rows=32, channels=32, noise_rin=0.003, score_gain=np.linspace(0.98, 1.01, 32))
    selector = PhotonicSelector(load(write(model, tmp_path / "bundle")), 4)
    signatures = torch.randn(2, 1000, 32, generator=torch.Generator().manual_seed(0))
    selector.program(signatures, bank_axes=1)
    # Memory, not sizes: an empty view may keep as much as the signatures take.
    of_blocks = [buffer for buffer in selector.buffers() if 1000 in buffer.shape and buffer.untyped_storage().nbytes()]
    assert sum(buffer.untyped_storage().nbytes() for buffer in of_blocks) <= 1.2 * signatures.numel() * 4
    assert len({buffer.untyped_storage().data_ptr() for buffer in of_blocks}) == len(of_blocks)


@pytest.mark.parametrize("scheme", SHOTS)
@pytest.mark.parametrize("batch", [(), (1,), (3,)], ids=["one", "one in a batch", "three"])
def test_called_and_with_gradients_it_gives_the_same_scores_and_blocks(make_model, tmp_path, scheme, batch):
    bundle = load(write(make_model(**faulty(encoding=scheme)), tmp_path / "bundle"))
    selector, rng = PhotonicSelector(bundle, 4, dtype=torch.float64), torch.Generator().manual_seed(0)
    for banks in ((), (2,), (2, 3)):
        signatures = torch.randn(*banks, 40, 20, generator=rng, dtype=torch.float64)
        query = torch.randn(*banks, *batch, 20, generator=rng, dtype=torch.float64)
        selector.program(signatures, selector.draw_error(signatures, rng, bank_axes=len(banks)), bank_axes=len(banks))
        noise = selector.draw_noise(query, rng)
        scores, chosen = selector(query, noise)
        with_slope, same = selector(query.clone().requires_grad_(), noise)
        assert with_slope.requires_grad
        assert torch.allclose(scores, with_slope.detach(), atol=1e-9)
        assert torch.equal(chosen, same)


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning", "ignore:`torch.jit.script`:FutureWarning")
@pytest.mark.parametrize("name", ["query", "noise", "weights", "centre", "signature_scale"])
def test_derivatives_of_every_input_pass_backward_and_forward_and_inputs_are_batched(make_model, tmp_path, name):
    bundle = load(write(make_model(**faulty(encoding="two_shot")), tmp_path / "bundle"))
    selector, rng = PhotonicSelector(bundle, 4, dtype=torch.float64), torch.Generator().manual_seed(0)
    selector.program(torch.randn(2, 40, 20, generator=rng, dtype=torch.float64), bank_axes=1)
    query = torch.randn(2, 3, 20, generator=rng, dtype=torch.float64)
    inputs = {"query": query, "noise": selector.draw_noise(query, rng)}
    inputs |= {buffer: getattr(selector, buffer).clone() for buffer in ("weights", "centre", "signature_scale")}

    def score(value):
        given = inputs | {name: value}
        asked = given.pop("query"), given.pop("noise")
        scores = torch.func.functional_call(selector, given, asked)[0]
        return torch.where(scores.isinf(), 0.0, scores).sum()

    value = inputs[name]
    way = torch.randn(value.shape, generator=rng, dtype=torch.float64)
    free = value.clone().requires_grad_()
    score(free).backward()
    along = (free.grad * way).sum()
    assert along != 0
    with forward_ad.dual_level():
        moved = forward_ad.unpack_dual(score(forward_ad.make_dual(value, way))).tangent
    assert torch.allclose(moved, along)
    both = torch.func.vmap(score)(torch.stack([value, value + 0.1 * way]))
    assert torch.allclose(both, torch.stack([score(value), score(value + 0.1 * way)]))
