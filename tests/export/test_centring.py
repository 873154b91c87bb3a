"""A vector that all keys share costs no block in any form of the bundle; nor does the size or the dtype of the keys."""

import functools

import jax
import numpy as np
import pytest
import safetensors.torch
import torch

from prism_photonics.codec.encoding import SHOTS
from prism_photonics.export.formats import add_formats
from prism_photonics.export.read import load
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

torch.set_num_threads(1)
DIMS, K = 12, 5


@pytest.fixture(scope="module", params=SHOTS)
def chip(request, make_model, tmp_path_factory):
    return write(make_model(encoding=request.param, adc_bits=6), tmp_path_factory.mktemp("chip") / "bundle")


def keys(blocks=24, seed=0, halves=False):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((blocks, 2, DIMS) if halves else (blocks, DIMS)), rng.standard_normal((3, DIMS))


def shared(norm):
    """A vector in three slow dimensions, as a bias of a key projection is."""
    vector = np.zeros(DIMS)
    vector[[2, 3, 9]] = norm * np.array([0.7, -0.5, 0.5])
    return vector


@functools.cache
def program_of(path):
    """Compiled once for sizes that are asked for again."""
    return jax.export.deserialize(bytearray(path.read_bytes()))


def forms(path, signatures, query):
    """The blocks that each form chooses, by name; mean readings."""
    bundle = load(path)
    selector = bundle.to_torch(K, dtype="float64")
    selector.program(torch.as_tensor(signatures))
    numbers = (
        np.zeros(bundle.error_shape(signatures)),
        np.zeros(bundle.noise_shape(query, bundle.program(signatures, 0))),
    )
    graphs = [path / name for name in ("selector.onnx", "selector.stablehlo")]
    if not graphs[1].exists():
        add_formats(path, ("onnx", "stablehlo"), dims=DIMS, k=K, dtype="float64")
    import onnxruntime

    rails = bundle.encoding == "dual_rail" and signatures.ndim == 2  # the graphs take the weights of both rails
    written = np.stack([signatures, -signatures], 1) if rails else signatures
    inputs = {"signatures": written, "error": numbers[0], "query": query, "noise": numbers[1]}
    program = program_of(graphs[1])
    return {
        "numpy": bundle.top_k(query, signatures, K),
        "torch": tuple(part.numpy() for part in selector(torch.as_tensor(query))),
        "onnx": onnxruntime.InferenceSession(graphs[0]).run(None, inputs),
        "stablehlo": tuple(np.asarray(part) for part in program.call(*inputs.values())),
    }


def test_every_form_chooses_the_same_blocks_whatever_all_keys_share(chip):
    signatures, query = keys()
    plain = forms(chip, signatures, query)
    for norm in (22.0, 605.0, 1e5):
        moved = forms(chip, signatures + shared(norm), query)
        for name, (scores, blocks) in moved.items():
            assert np.array_equal(blocks, plain["numpy"][1]), name
            assert scores - query @ shared(norm)[:, None] == pytest.approx(plain["numpy"][0], abs=1e-13 * norm + 1e-9)


def test_every_form_chooses_by_bounds_whose_halves_share_a_vector_each(make_model, tmp_path):
    path = write(make_model(encoding="dual_rail", adc_bits=6), tmp_path / "bundle")
    signatures, query = keys(halves=True)
    plain = forms(path, signatures, query)
    moved = forms(path, signatures + np.stack([shared(605.0) + 3.0, -shared(605.0) + 2.0]), query)
    for name, (_, blocks) in moved.items():
        assert np.array_equal(blocks, plain["numpy"][1]), name


@pytest.mark.parametrize("size", [1e-170, 1e170])
def test_no_size_of_keys_and_queries_costs_a_block_in_any_form(chip, size):
    signatures, query = keys()
    expected = forms(chip, signatures, query)["numpy"][1]
    for name, (_, blocks) in forms(chip, signatures * size, query * size).items():
        assert np.array_equal(blocks, expected), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_keys_of_every_dtype_and_of_large_norm_are_ranked_as_in_double_precision(chip, dtype):
    bundle, (signatures, query) = load(chip), keys(blocks=64)
    large = torch.as_tensor(signatures + shared(3e4)).to(dtype)  # a sum of these passes float16's largest number
    asked = torch.as_tensor(query * 1e4).to(dtype)
    selector = bundle.to_torch(K)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        selector.program(large)
        _, blocks = selector(asked)
    expected = bundle.top_k(asked.double().numpy(), large.double().numpy(), K)[1]
    assert np.array_equal(blocks.numpy(), expected)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_single_precision_ranks_what_it_cannot_score(chip, size):
    bundle, (signatures, query) = load(chip), keys()
    selector = bundle.to_torch(K)
    selector.program(torch.as_tensor(signatures * size, dtype=torch.float32))
    _, blocks = selector(torch.as_tensor(query * size, dtype=torch.float32))
    assert np.array_equal(blocks.numpy(), bundle.top_k(query, signatures, K)[1])


def test_double_precision_keys_far_from_zero_reach_a_selector_of_single_precision_whole(chip):
    bundle, (signatures, query) = load(chip), keys()
    selector = bundle.to_torch(K)
    selector.program(torch.as_tensor(signatures + 1e9))
    assert np.array_equal(selector(torch.as_tensor(query))[1].numpy(), bundle.top_k(query, signatures, K)[1])


def test_banks_have_centres_of_their_own(chip):
    signatures, query = keys()
    bundle = load(chip)
    selector = bundle.to_torch(K, dtype="float64")
    banks = np.stack([signatures + shared(605.0), signatures - shared(22.0), signatures])
    selector.program(torch.as_tensor(banks), bank_axes=1)
    _, blocks = selector(torch.as_tensor(np.stack([query] * 3)))
    assert np.array_equal(blocks.numpy(), np.stack([bundle.top_k(query, signatures, K)[1]] * 3))


def test_differences_that_no_float_holds_are_refused_in_one_line(chip):
    bundle = load(chip)
    far = np.tile([[1.7e308], [-1.7e308]], (4, DIMS))
    attempts = (
        lambda: bundle.program(far, 0),
        lambda: bundle.to_torch(K, dtype="float64").program(torch.as_tensor(far)),
    )
    for attempt in attempts:
        with pytest.raises(InputError, match="differences beyond the largest float") as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_a_state_dict_of_a_version_that_took_nothing_off_is_read(chip):
    bundle, (signatures, query) = load(chip), keys()
    selector = bundle.to_torch(K, dtype="float64")
    selector.program(torch.as_tensor(signatures), signature_scale=float(np.abs(signatures).max()))
    state = selector.state_dict()
    assert not state["centre"].any()
    del state["centre"]
    other = PhotonicSelector(bundle, 1, dtype=torch.float64)
    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(state)))
    for own, found in zip(selector(torch.as_tensor(query)), other(torch.as_tensor(query)), strict=True):
        assert torch.equal(own, found)
