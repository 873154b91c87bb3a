"""Arguments that are no numbers, or none that can be used, are refused in one line; modes of torch change no answer."""

import jaxtyping
import numpy as np
import pytest
import torch

from prism_photonics.export.read import load
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.units import InputError

BLOCKS, DIMS, K = 40, 12, 5


@pytest.fixture(autouse=True)
def untyped(monkeypatch):
    """The run-time type check of the tests would come before the refusals."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def asked():
    rng = np.random.default_rng(0)
    return rng.standard_normal((BLOCKS, DIMS)), rng.standard_normal((4, DIMS))


@pytest.fixture
def selector(bundle_path, asked):
    made = PhotonicSelector.from_bundle(bundle_path, K)
    made.program(torch.as_tensor(asked[0]))
    return made


def refused(attempt, message):
    with pytest.raises(InputError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)


WRONG = {
    "complex": (lambda x: x + 1j, "dtype complex128, want real numbers"),
    "objects": (lambda x: x.astype(object), "dtype object, want real numbers"),
    "text": (lambda x: x.astype(str), "want real numbers"),
    "dates": (lambda x: x.astype("int64").astype("datetime64[s]"), "want real numbers"),
    "masked": (lambda x: np.ma.masked_array(x, x > 1), "got a masked array, want every number"),
    "ragged": (lambda x: [list(x[0]), list(x[1][:3])], "got a list that NumPy cannot read"),
    "a scalar": (lambda x: 1.0, "got shape"),
    "with gradient": (lambda x: torch.as_tensor(x).requires_grad_(), "got a Tensor that NumPy cannot read"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_numpy_refuses_what_holds_no_real_numbers(bundle_path, asked, change, message):
    bundle, (signatures, query) = load(bundle_path), asked
    refused(lambda: bundle.top_k(change(query), signatures, K), f"query: .*{message}")
    refused(lambda: bundle.top_k(query, change(signatures), K), f"signatures: .*{message}")


@pytest.mark.parametrize("change", [np.ndarray.tolist, torch.as_tensor, lambda x: x.astype(">f8")])
def test_numpy_takes_lists_tensors_and_other_byte_orders(bundle_path, asked, change):
    bundle, (signatures, query) = load(bundle_path), asked
    want = bundle.top_k(query, signatures, K)
    got = bundle.top_k(change(query), change(signatures), K)
    assert all(np.array_equal(*pair) for pair in zip(got, want, strict=True))


@pytest.mark.parametrize("seed", [-1, 2.5, "1", True])
def test_a_seed_that_is_no_count_is_refused(bundle_path, asked, seed):
    refused(lambda: load(bundle_path).top_k(asked[1], asked[0], K, seed=seed), "seed: got .*, want a whole number of")


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature:UserWarning")
def test_torch_refuses_what_is_no_tensor_of_real_numbers(selector, asked):
    query = torch.as_tensor(asked[1])
    for wrong, message in (
        (query.numpy(), "got a ndarray, want a torch tensor"),
        (query.tolist(), "got a list, want a torch tensor"),
        (query + 1j, "got torch.complex128"),
        (torch.tensor(1.0), r"of shape \(\)"),
        (query[:, :0], r"of shape \(4, 0\)"),
    ):
        refused(lambda wrong=wrong: selector(wrong), f"query: .*{message}")
        refused(lambda wrong=wrong: selector.program(wrong), f"signatures: .*{message}")
    refused(lambda: selector(query.to("meta")), "got a meta tensor or selector, want numbers")
    refused(lambda: selector.to(torch.complex64), "got torch.complex64, want real numbers")
    selector.k = BLOCKS + 1
    refused(lambda: selector(query), f"k: got {BLOCKS + 1}, want at most {BLOCKS}")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_drawn_numbers_that_are_none_are_refused_not_chosen_by(bundle_path, selector, asked, bad):
    bundle, (signatures, query) = load(bundle_path), asked
    error, noise = np.full((BLOCKS, 2, 8), bad), np.full((1, 4, BLOCKS, 2), bad)
    refused(lambda: bundle.program(signatures, 0, error=error), "error: got NaN or infinity")
    refused(lambda: bundle.read(query, bundle.program(signatures, 0), noise=noise), "noise: got NaN or infinity")
    refused(lambda: selector(torch.as_tensor(query), torch.as_tensor(noise)), "noise: got NaN or infinity")
    signatures, error = torch.as_tensor(signatures), torch.as_tensor(error)
    refused(lambda: selector.program(signatures, error), "error: got NaN or infinity")
    refused(lambda: selector.program(signatures, drift=error), "drift: got NaN or infinity")
    refused(lambda: selector.program(signatures, common_drift=bad), "common_drift: got NaN or infinity")
    refused(lambda: selector.program(signatures, common_drift=torch.ones(3)), r"common_drift: got shape \(3,\)")


def test_a_time_that_is_no_number_is_refused(selector, asked):
    for wrong in ("3", None):
        refused(lambda wrong=wrong: selector(torch.as_tensor(asked[1]), None, wrong), "t_since_program_s: got")


def test_programmed_in_inference_mode_it_is_read_with_gradients(bundle_path, selector, asked):
    signatures, query = map(torch.as_tensor, asked)
    with torch.inference_mode():
        other = PhotonicSelector.from_bundle(bundle_path, K)
        other.program(signatures)
    free = query.clone().requires_grad_()
    scores, blocks = other(free)
    scores.sum().backward()
    assert torch.isfinite(free.grad).all()
    assert torch.equal(blocks, selector(query)[1])


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
def test_under_vmap_it_answers_as_called(selector, asked):
    query = torch.as_tensor(asked[1])
    scores, blocks = torch.func.vmap(selector)(query)
    want, same = selector(query)
    assert torch.allclose(scores, want, atol=1e-5)
    assert torch.equal(blocks, same)
    noise = torch.randn(1, 4, BLOCKS, 2, dtype=query.dtype, generator=torch.Generator().manual_seed(0))
    scores, blocks = torch.func.vmap(selector, in_dims=(0, 1))(query, noise)
    want, same = selector(query, noise)
    assert torch.allclose(scores, want, atol=1e-5)
    assert torch.equal(blocks, same)


@pytest.mark.parametrize("wrong", [{"common_drift": np.nan}, {"common_drift": torch.ones(3)}, {"drift": torch.ones(3)}])
def test_a_refused_programming_leaves_what_was_programmed(selector, asked, wrong):
    signatures, query = map(torch.as_tensor, asked)
    want = selector(query)
    with pytest.raises(InputError, match="drift: got"):
        selector.program(-signatures, **wrong)
    assert all(torch.equal(*pair) for pair in zip(selector(query), want, strict=True))


@pytest.mark.parametrize("wrong", [[1.0], [[1.0], [1.0, 2.0]], "numbers", np.full((BLOCKS, 2, 8), 1j), 1.0])
def test_numpy_refuses_drawn_numbers_that_are_no_array_of_real_numbers(bundle_path, asked, wrong):
    bundle, (signatures, query) = load(bundle_path), asked
    refused(lambda: bundle.program(signatures, 0, error=wrong), "^error: got")
    drift = np.zeros((BLOCKS, 2, 8))
    refused(lambda: bundle.program(signatures, 0, drift=wrong, common_drift=0.0), "^drift: got")
    refused(lambda: bundle.program(signatures, 0, drift=drift, common_drift="0"), "^common_drift: got")
    refused(lambda: bundle.read(query, bundle.program(signatures, 0), noise=wrong), "^noise: got")


@pytest.mark.parametrize("wrong", [1j * torch.ones(BLOCKS, 2, 8), np.zeros((BLOCKS, 2, 8)), [1.0]])
def test_torch_refuses_drawn_numbers_that_are_no_tensor_of_real_numbers(selector, asked, wrong):
    signatures, query = map(torch.as_tensor, asked)
    refused(lambda: selector.program(signatures, wrong), "^error: got")
    refused(lambda: selector.program(signatures, drift=wrong), "^drift: got")
    refused(lambda: selector(query, wrong), "^noise: got")
