"""JAX, NumPy and torch give one answer when they are handed the same noise."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch

from prism_photonics.codec.encoding import RAILS, SHOTS
from prism_photonics.export.read import load
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError


def draw(scheme, blocks=20, dims=30, batch=(2, 3)):
    rng = np.random.default_rng(3)
    slices = -(-dims * RAILS[scheme] // 8)
    shapes = ((blocks, dims), (*batch, dims), (blocks, slices, 8), (SHOTS[scheme], *batch, blocks, slices))
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("scheme", SHOTS)
def test_the_three_libraries_agree_to_1e_9(make_model, tmp_path, scheme):
    signatures, query, error, noise = draw(scheme)
    model = make_model(encoding=scheme)
    by_jax = model.scores(query, model.program(signatures, error=error), noise=noise)

    bundle = load(write(model, tmp_path / "bundle"))
    by_numpy = bundle.read(query, bundle.program(signatures, 0, error=error), noise=noise)

    selector = PhotonicSelector(bundle, 4, dtype=torch.float64)
    selector.program(torch.as_tensor(signatures), torch.as_tensor(error))
    by_torch, _ = selector(torch.as_tensor(query), torch.as_tensor(noise))

    assert by_numpy == pytest.approx(np.asarray(by_jax), abs=1e-9)
    assert by_torch.numpy() == pytest.approx(by_numpy, abs=1e-9)
    assert np.std(by_numpy - query @ signatures.T) > 0.01  # the agreement is about impaired scores


@pytest.mark.parametrize("signature_scale", [None, "block"])
@pytest.mark.parametrize("scheme", SHOTS)
def test_two_banks_on_a_chip_of_every_fault_have_one_answer(make_model, tmp_path, scheme, signature_scale):
    """Dead rings, a permuted comb, uneven rows, biased weights; asked together, and one by one."""
    rng, dead = np.random.default_rng(5), np.zeros((8, 8), bool)
    dead[1], dead[2, 5] = True, True
    of_rows = {"score_gain": np.linspace(0.9, 1.1, 8), "score_offset": np.linspace(-0.1, 0.1, 8)}
    faults = {"weight_bias": np.linspace(-0.05, 0.03, 8), "column_of_channel": np.array([3, 0, 7, 2, 1, 6, 5, 4])}
    for excluded in (dead, np.zeros_like(dead)):
        stuck = np.where(excluded, 0.4, 0.0)
        model = make_model(encoding=scheme, excluded=excluded, stuck_weight=stuck, **of_rows, **faults)
        bundle, number = load(write(model, tmp_path / f"{excluded.sum()}")), torch.as_tensor
        signatures, query = rng.standard_normal((2, 20, 19)), rng.standard_normal((2, 3, 19))
        query[0, 1] = 0.0
        slices = -(-19 * RAILS[scheme] // 8)
        error, noise = rng.standard_normal((2, 20, slices, 8)), rng.standard_normal((SHOTS[scheme], 2, 3, 20, slices))
        how = {"signature_scale": signature_scale}
        selector = PhotonicSelector(bundle, 4, dtype=torch.float64)
        selector.program(number(signatures), number(error), bank_axes=1, **how)
        together, _ = selector(number(query), number(noise))
        for bank in range(2):
            asked = signatures[bank], query[bank], error[bank], noise[:, bank]
            by_jax = model.scores(asked[1], model.program(asked[0], error=asked[2], **how), noise=asked[3])
            by_numpy = bundle.read(asked[1], bundle.program(asked[0], 0, error=asked[2], **how), noise=asked[3])
            assert np.asarray(by_jax) == pytest.approx(by_numpy, abs=1e-9)
            assert together[bank].numpy() == pytest.approx(by_numpy, abs=1e-9)
            selector.program(number(asked[0]), number(asked[2]), **how)
            for one in range(3):
                alone, _ = selector(number(asked[1][one]), number(asked[3][:, one]))
                assert alone.numpy() == pytest.approx(by_numpy[one], abs=1e-9)


@pytest.mark.parametrize("scheme", SHOTS)
def test_single_precision_agrees_to_1e_5_of_the_largest_score(make_model, tmp_path, scheme):
    signatures, query, error, noise = draw(scheme)
    model = make_model(encoding=scheme)
    bundle = load(write(model, tmp_path / "bundle"))
    double = bundle.read(query, bundle.program(signatures, 0, error=error), noise=noise)

    selector = PhotonicSelector(bundle, 4)
    selector.program(torch.as_tensor(signatures), torch.as_tensor(error, dtype=torch.float32))
    by_torch, _ = selector(torch.as_tensor(query), torch.as_tensor(noise, dtype=torch.float32))

    single = jax.tree.map(lambda x: x.astype(jnp.float32) if getattr(x, "dtype", None) == jnp.float64 else x, model)
    signatures, query, error, noise = (jnp.asarray(x, jnp.float32) for x in (signatures, query, error, noise))
    by_jax = single.scores(query, single.program(signatures, error=error), noise=noise)

    tolerance = 1e-5 * np.abs(double).max()
    assert by_torch.dtype == torch.float32
    assert by_jax.dtype == jnp.float32
    assert by_torch.numpy() == pytest.approx(double, abs=tolerance)
    assert np.asarray(by_jax) == pytest.approx(double, abs=tolerance)


def test_noise_drawn_by_each_library_has_the_same_spread(make_model, tmp_path):
    model = make_model(adc_bits=12)  # fine enough that the spread is the noise's, not the code's
    bundle = load(write(model, tmp_path / "bundle"))
    signatures, query, error, _ = draw("offset", blocks=8, dims=8, batch=())
    many = np.tile(query, (3000, 1))
    by_jax = model.scores(many, model.program(signatures, error=error), jr.key(0))
    by_numpy = bundle.read(many, bundle.program(signatures, 0, error=error), key=5)
    selector = PhotonicSelector(bundle, 2, dtype=torch.float64)
    selector.program(torch.as_tensor(signatures), torch.as_tensor(error))
    queries = torch.as_tensor(many)
    by_torch, _ = selector(queries, selector.draw_noise(queries, torch.Generator().manual_seed(0)))
    assert by_numpy.std(0) == pytest.approx(np.asarray(by_jax).std(0), rel=0.08)
    assert by_torch.numpy().std(0) == pytest.approx(by_numpy.std(0), rel=0.08)


def test_one_seed_gives_one_answer_and_reading_noise_is_not_the_programming_error(bundle_path):
    bundle = load(bundle_path)
    signatures, query, _, _ = draw("offset")
    assert np.array_equal(bundle.scores(query, signatures, 7), bundle.scores(query, signatures, 7))
    assert not np.array_equal(bundle.scores(query, signatures, 7), bundle.scores(query, signatures, 8))
    once, again = bundle.program(signatures, 7), bundle.program(signatures, 7)
    assert np.array_equal(once.weights, again.weights)
    assert not np.array_equal(bundle.read(query, once, key=1), bundle.read(query, once, key=2))


def test_ties_go_to_the_lower_block_in_torch_as_in_ranking(bundle_path):
    selector = PhotonicSelector.from_bundle(bundle_path, 5)
    selector.program(torch.ones(64, 8))
    scores, chosen = selector(torch.ones(8))
    levels = scores.unique()
    assert len(levels) < 64  # rows convert alike, so there are ties
    expected = np.argsort(-scores.numpy(), kind="stable")[:5]
    assert chosen.tolist() == expected.tolist()


def test_a_selector_travels_as_a_state_dict_of_tensors(bundle_path):
    signatures, query, error, noise = (torch.as_tensor(x, dtype=torch.float32) for x in draw("offset"))
    selector = PhotonicSelector.from_bundle(bundle_path, 6)
    selector.program(signatures, error)
    state = selector.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    other = PhotonicSelector.from_bundle(bundle_path, 2)
    other.load_state_dict(state)
    scores, chosen = selector(query, noise)
    again, same = other(query, noise)
    assert torch.equal(scores, again)
    assert torch.equal(chosen, same)
    assert chosen.shape == (2, 3, 6)


def test_the_state_dict_of_another_chip_is_refused(make_model, tmp_path):
    state = PhotonicSelector.from_bundle(write(make_model(), tmp_path / "a"), 2).state_dict()
    other = PhotonicSelector.from_bundle(write(make_model(adc_bits=6), tmp_path / "b"), 2)
    with pytest.raises(InputError, match="adc_bits = 8, want 6"):
        other.load_state_dict(state)


def test_queries_of_zeros_score_zero_in_every_reader(bundle_path):
    bundle, signatures = load(bundle_path), draw("offset")[0]
    assert np.array_equal(bundle.scores(np.zeros((2, 30)), signatures, 0), np.zeros((2, 20)))
    selector = PhotonicSelector(bundle, 3)
    selector.program(torch.as_tensor(signatures))
    scores, chosen = selector(torch.zeros(30))
    assert torch.equal(scores, torch.zeros(20))
    assert chosen.tolist() == [0, 1, 2]


def test_bad_signatures_and_queries_are_refused_in_one_line(bundle_path):
    bundle, (signatures, query, _, _) = load(bundle_path), draw("offset")
    selector = PhotonicSelector(bundle, 3)
    broken = signatures.copy()
    broken[2, 5] = np.inf
    nan_query = query.copy()
    nan_query[0, 1, 3] = np.nan
    cases = {
        r"signatures \(block 2, dim 5\)": lambda: bundle.scores(query, broken, 0),
        r"query \(batch 0, batch 1, dim 3\)": lambda: bundle.scores(nan_query, signatures, 0),
        "got 8 dimensions, want 30": lambda: bundle.scores(query[..., :8], signatures, 0),
        "exceeds signature_scale": lambda: bundle.program(signatures, 0, signature_scale=0.1),
        "error: got shape": lambda: bundle.program(signatures, 0, error=np.zeros((20, 1, 8))),
        r"signatures \(block 2, dim 5\): got inf": lambda: selector.program(torch.as_tensor(broken)),
        "call program": lambda: selector(torch.as_tensor(query)),
        "want at least k = 3": lambda: selector.program(torch.ones(2, 8)),
        "k: got 0": lambda: PhotonicSelector(bundle, 0),
    }
    for message, attempt in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)
