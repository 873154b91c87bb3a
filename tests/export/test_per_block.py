"""Each block of a bank at a full span of its own: one answer in every form, and small blocks are not drowned."""

import jax
import numpy as np
import pytest
import torch

from prism_photonics.codec.encoding import RAILS, SHOTS
from prism_photonics.export.formats import add_formats
from prism_photonics.export.read import load
from prism_photonics.export.single import answer_single
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.ranking.recall import recall_at_k, top_k
from prism_photonics.units import InputError

torch.set_num_threads(1)
BLOCKS, DIMS, K = 20, 12, 5


def bank(*, halves=False, blocks=BLOCKS, seed=0):
    """Signatures with a large vector in common, whose sizes span two decades."""
    rng = np.random.default_rng(seed)
    shape = (blocks, 2, DIMS) if halves else (blocks, DIMS)
    size = 10.0 ** rng.uniform(-1.0, 1.0, blocks).reshape(blocks, *(1,) * (len(shape) - 1))
    return 30.0 + size * rng.standard_normal(shape)


def drawn(bundle, signatures, queries=3):
    rng = np.random.default_rng(1)
    query, error = rng.standard_normal((queries, DIMS)), rng.standard_normal(bundle.error_shape(signatures))
    shape = (SHOTS[bundle.encoding], queries, *error.shape[:2])
    return query, error, rng.standard_normal(shape)


@pytest.fixture(params=SHOTS)
def model(request, make_model):
    """A chip with a dead row."""
    excluded = np.zeros((8, 8), bool)
    excluded[3], excluded[5, 2] = True, True
    return make_model(encoding=request.param, excluded=excluded)


@pytest.mark.parametrize("halves", [False, True])
def test_all_forms_give_one_answer(model, tmp_path, halves):
    import onnxruntime

    if halves and RAILS[model.encoding] == 1:
        return
    path = write(model, tmp_path / "bundle")
    bundle = load(path)
    signatures = bank(halves=halves)
    query, error, noise = drawn(bundle, signatures)
    programmed = bundle.program(signatures, 0, error=error, signature_scale="block")
    expected, ranked = bundle._read(query, programmed, 0, noise=noise, t_since_program_s=0.0)
    best = top_k(ranked, K)

    by_jax, blocks = model.top_k(
        query, model.program(signatures, error=error, signature_scale="block"), k=K, noise=noise
    )
    assert np.asarray(by_jax) == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(blocks, best)

    selector = PhotonicSelector(bundle, K, dtype=torch.float64)
    selector.program(torch.as_tensor(signatures), torch.as_tensor(error), signature_scale="block")
    by_torch, blocks = selector(torch.as_tensor(query), torch.as_tensor(noise))
    assert by_torch.numpy() == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(blocks, best)

    if (RAILS[model.encoding] == 2) is halves:  # what the graphs take
        add_formats(path, ("onnx", "stablehlo"), dims=DIMS, k=K, dtype="float64", per_block=True)
        inputs = {"signatures": signatures, "error": error, "query": query, "noise": noise}
        scores, blocks = map(np.asarray, onnxruntime.InferenceSession(path / "selector.onnx").run(None, inputs))
        assert scores == pytest.approx(expected, abs=1e-5)
        assert np.array_equal(blocks, best)
        program = jax.export.deserialize(bytearray((path / "selector.stablehlo").read_bytes()))
        scores, blocks = program.call(*inputs.values())
        assert np.asarray(scores) == pytest.approx(expected, abs=1e-5)
        assert np.array_equal(blocks, best)


@pytest.mark.parametrize("scheme", SHOTS)
def test_a_query_alone_is_answered_as_among_others_and_in_pieces(make_model, tmp_path, scheme, monkeypatch):
    path = write(make_model(encoding=scheme, noise_rin=0.0), tmp_path / "bundle")
    selector = PhotonicSelector.from_bundle(path, K, dtype=torch.float64)
    signatures = torch.as_tensor(np.stack([bank(), bank(seed=2)]))
    selector.program(signatures, selector.draw_error(signatures, bank_axes=1), signature_scale="block", bank_axes=1)
    queries = torch.randn(2, 3, DIMS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = selector.draw_noise(queries)
    scores, chosen = selector(queries, noise)
    with monkeypatch.context() as small:
        small.setattr("prism_photonics.export.fused.CACHED_READINGS", 64)
        cut, same = selector(queries, noise)
    assert cut == pytest.approx(scores, abs=1e-9)
    assert torch.equal(same, chosen)
    one = PhotonicSelector.from_bundle(path, K, dtype=torch.float64)
    one.program(signatures[0], None, signature_scale="block")
    among, best = one(queries[0])
    found = answer_single(one, queries[0, 1], None)
    assert found is not None  # a decode step's road
    assert found[0] == pytest.approx(among[1], abs=1e-9)
    assert torch.equal(found[1], best[1])


def test_it_is_rows_at_full_span_whose_scores_are_multiplied_afterwards(model, tmp_path):
    bundle, signatures = load(write(model, tmp_path / "bundle")), bank()
    query, error, noise = drawn(bundle, signatures)
    left = signatures - signatures.mean(0)
    size = np.abs(left).max(1, keepdims=True)
    unit = bundle.program(left / size, 0, error=error, signature_scale=1.0)
    by_hand = bundle.read(query, unit, noise=noise) * size[:, 0] + query @ signatures.mean(0)[:, None]
    programmed = bundle.program(signatures, 0, error=error, signature_scale="block")
    found = bundle.read(query, programmed, noise=noise)
    living = np.arange(BLOCKS) % 8 != 3
    assert found[:, living] == pytest.approx(by_hand[:, living], abs=1e-9)
    assert np.isneginf(found[:, ~living]).all()


def test_blocks_of_one_size_are_written_as_with_one_scale(bundle_path):
    bundle = load(bundle_path)
    signs = np.where(np.random.default_rng(0).random((BLOCKS // 2, DIMS)) < 0.5, -2.0, 2.0)
    signatures = np.concatenate([signs, -signs])  # their mean is zero
    query, error, noise = drawn(bundle, signatures)
    together, each = (
        bundle.read(query, bundle.program(signatures, 0, error=error, signature_scale=scale), noise=noise)
        for scale in (None, "block")
    )
    assert each == pytest.approx(together, abs=1e-12)


def test_small_blocks_keep_their_order_beside_a_large_one(bundle_path):
    rng = np.random.default_rng(0)
    bundle, hits = load(bundle_path), {}
    for scale in (None, "block"):
        found = []
        for seed in range(10):
            signatures = rng.standard_normal((64, DIMS))
            signatures[7] *= 20.0
            query = rng.standard_normal((16, DIMS))
            programmed = bundle.program(signatures, seed, signature_scale=scale)
            read = bundle.read(query, programmed, key=seed)
            found.append(recall_at_k(read, query @ signatures.T, k=8).mean())
        hits[scale] = np.mean(found)
    assert hits["block"] > hits[None] + 0.1


def test_a_block_that_equals_the_centre_scores_it_without_noise(bundle_path):
    bundle = load(bundle_path)
    signatures = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])  # the middle one is the mean
    query = np.random.default_rng(0).standard_normal((50, 2))
    read = bundle.read(query, bundle.program(signatures, 3, signature_scale="block"), key=4)
    assert read[:, 1] == pytest.approx(query @ signatures[1], abs=1e-14)
    assert np.std(read[:, 0] - query @ signatures[0]) > 1e-3


def test_equal_blocks_and_zeros_score_alike_in_every_reader(bundle_path, make_model):
    bundle = load(bundle_path)
    signatures, query = np.ones((BLOCKS, DIMS)), np.ones((2, DIMS))
    scores, chosen = bundle.top_k(query, signatures, K, signature_scale="block")
    assert np.array_equal(scores, np.full((2, BLOCKS), float(DIMS)))
    assert chosen.tolist() == [[0, 1, 2, 3, 4]] * 2
    selector = PhotonicSelector(bundle, K)
    selector.program(torch.as_tensor(signatures), signature_scale="block")
    assert selector(torch.as_tensor(query))[1].tolist() == chosen.tolist()
    assert selector(torch.zeros(DIMS))[1].tolist() == chosen[0].tolist()
    model = make_model()
    programmed = model.program(signatures, error=np.zeros(bundle.error_shape(signatures)), signature_scale="block")
    noise = np.zeros(model.noise_shape(query, programmed))
    assert np.asarray(model.top_k(query, programmed, k=K, noise=noise)[1]).tolist() == chosen.tolist()


def test_it_survives_a_state_dict_and_room_that_was_made_for_it(bundle_path):
    selector = PhotonicSelector.from_bundle(bundle_path, K)
    signatures = torch.as_tensor(np.stack([bank(), bank(seed=2)]))
    selector.program(signatures, signature_scale="block", bank_axes=1)
    query = torch.randn(2, 3, DIMS, generator=torch.Generator().manual_seed(0))
    other = PhotonicSelector.from_bundle(bundle_path, K)
    other.reserve((2, BLOCKS, DIMS), bank_axes=1, signature_scale="block")
    assert other.signature_scale.shape == selector.signature_scale.shape == (2, BLOCKS)
    other.load_state_dict(selector.state_dict())
    for one, same in zip(selector(query), other(query), strict=True):
        assert torch.equal(one, same)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_it_gives_the_same(bundle_path, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    selector = PhotonicSelector.from_bundle(bundle_path, K)
    selector.program(torch.as_tensor(bank()), signature_scale="block")
    query = torch.randn(4, DIMS, generator=torch.Generator().manual_seed(1))
    scores, chosen = selector(query)
    again, same = torch.compile(selector, backend="eager", fullgraph=True)(query)
    assert again == pytest.approx(scores, abs=1e-4)
    assert torch.equal(same, chosen)


def test_a_gradient_reaches_small_blocks(bundle_path):
    selector = PhotonicSelector.from_bundle(bundle_path, K, dtype=torch.float64)
    signatures = torch.as_tensor(bank()).requires_grad_()
    selector.program(signatures, signature_scale="block")
    selector(torch.ones(DIMS, dtype=torch.float64))[0].sum().backward()
    assert signatures.grad is not None
    assert bool((signatures.grad.abs().amax(1) > 0).all())


def test_another_word_is_refused(bundle_path):
    bundle = load(bundle_path)
    for attempt in (
        lambda: bundle.program(bank(), 0, signature_scale="row"),
        lambda: PhotonicSelector(bundle, K).program(torch.as_tensor(bank()), signature_scale="row"),
    ):
        with pytest.raises(InputError, match="got 'row', want a number or 'block'"):
            attempt()
