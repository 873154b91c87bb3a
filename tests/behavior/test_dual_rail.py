"""Two wavelengths per value: any two weights for the halves of a query, one answer in three libraries, gradients."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch

from prism_photonics.codec.encoding import SHOTS
from prism_photonics.export.read import load
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

DIMS = 6  # two slices of four values on eight channels


def draw(blocks=20, dims=DIMS, queries=(3,), seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((blocks, dims)), rng.standard_normal((*queries, dims))


@pytest.fixture
def bounds():
    """Largest and smallest key of some blocks, as they are written: (blocks, 2, dims)."""
    keys = np.random.default_rng(1).normal(0.2, 1.0, (20, 16, DIMS))
    top, bottom = keys.max(1), keys.min(1)
    return np.stack([top, -bottom], axis=1), top, bottom


def selector_of(model, folder, k=3):
    return PhotonicSelector(load(write(model, folder / "bundle")), k, dtype=torch.float64)


# ---------------------------------------------------------------- what is computed


def test_a_chip_without_error_scores_the_bound_of_every_block(ideal, bounds):
    model, (signatures, top, bottom) = ideal(encoding="dual_rail"), bounds
    query = draw(queries=(2, 3))[1]
    scores = model.scores(query, model.program(signatures, jr.key(0)), jr.key(1))
    exact = np.maximum(query[..., None, :] * top, query[..., None, :] * bottom).sum(-1)
    assert np.asarray(scores) == pytest.approx(exact, abs=1e-9)


def test_a_signed_signature_is_two_rails_of_opposite_weight(make_model):
    model, (signatures, query) = make_model(encoding="dual_rail"), draw()
    error, noise = np.zeros((20, 2, 8)), np.zeros((1, 3, 20, 2))
    signed = model.program(signatures, error=error)
    rails = model.program(np.stack([signatures, -signatures], 1), error=error)
    assert signed.weights.shape == (20, 2, 8)
    assert np.array_equal(signed.weights, rails.weights)
    assert np.array_equal(model.scores(query, signed, noise=noise), model.scores(query, rails, noise=noise))


def test_a_row_holds_half_as_many_values(make_model):
    assert make_model(encoding="dual_rail").slice_dims == 4
    assert make_model(encoding="offset").slice_dims == 8


@pytest.mark.parametrize("scheme", ["offset", "two_shot"])
def test_two_rails_are_refused_where_one_wavelength_carries_a_value(make_model, tmp_path, bounds, scheme):
    model = make_model(encoding=scheme)
    selector = selector_of(model, tmp_path)
    attempts = (
        lambda: model.program(bounds[0], jr.key(0)),
        lambda: load(tmp_path / "bundle").program(bounds[0], 0),
        lambda: selector.program(torch.as_tensor(bounds[0])),
    )
    for attempt in attempts:
        with pytest.raises(InputError, match=rf"want \(blocks, dims\) for encoding '{scheme}'") as caught:
            attempt()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(20, 3, DIMS), (20, 1, DIMS), (4, 20, 2, DIMS)])
def test_signatures_of_another_number_of_rails_are_refused(make_model, shape):
    with pytest.raises(InputError, match="signatures"):
        make_model(encoding="dual_rail").program(np.ones(shape), jr.key(0))


# ---------------------------------------------------------------- one answer


def test_the_three_libraries_agree_on_a_bound(make_model, tmp_path, bounds):
    model, signatures = make_model(encoding="dual_rail"), bounds[0]
    rng = np.random.default_rng(5)
    query, error, noise = (rng.standard_normal(s) for s in ((2, 3, DIMS), (20, 2, 8), (1, 2, 3, 20, 2)))
    by_jax = model.scores(query, model.program(signatures, error=error), noise=noise)
    selector = selector_of(model, tmp_path)
    bundle = load(tmp_path / "bundle")
    by_numpy = bundle.read(query, bundle.program(signatures, 0, error=error), noise=noise)
    selector.program(torch.as_tensor(signatures), torch.as_tensor(error))
    by_torch, chosen = selector(torch.as_tensor(query), torch.as_tensor(noise))
    assert by_numpy == pytest.approx(np.asarray(by_jax), abs=1e-9)
    assert by_torch.numpy() == pytest.approx(by_numpy, abs=1e-9)
    assert np.array_equal(chosen.numpy(), np.argsort(-by_numpy, axis=-1, kind="stable")[..., :3])


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("scheme", SHOTS)
def test_the_gradient_passes_both_converters_as_if_they_were_not_there(make_model, tmp_path, scheme):
    """Straight through: the slopes of a chip of six bits are those of a chip without converters, in both libraries."""
    quiet = dict.fromkeys(("noise_floor", "noise_shot", "noise_rin", "noise_common"), 0.0) | {"encoding": scheme}
    coarse, fine = make_model(dac_bits=6, adc_bits=6, **quiet), make_model(dac_bits=44, adc_bits=44, **quiet)
    signatures, query = draw(queries=())
    read = np.random.default_rng(9).standard_normal(20)
    error = np.zeros(coarse.error_shape(signatures))
    noise = np.zeros((SHOTS[scheme], 20, error.shape[1]))

    def slope(model):
        programmed = model.program(signatures, error=error)
        return jax.grad(lambda q: jnp.sum(read * model.scores(q, programmed, noise=noise)))(jnp.asarray(query))

    by_jax, exact = np.asarray(slope(coarse)), np.asarray(slope(fine))
    selector = selector_of(coarse, tmp_path)
    selector.program(torch.as_tensor(signatures))
    q = torch.as_tensor(query).requires_grad_()
    (torch.as_tensor(read) * selector(q)[0]).sum().backward()
    assert q.grad.numpy() == pytest.approx(by_jax, abs=1e-9)
    # The largest entry also scales the scores, and those are converted: its slope is off by the converters' error.
    others = np.arange(DIMS) != np.abs(query).argmax()
    assert by_jax[others] == pytest.approx(exact[others], abs=1e-9)
    assert np.abs(exact[others]).min() > 0.01


def test_a_reading_at_the_rail_has_no_slope(make_model):
    model = make_model(encoding="dual_rail", adc_full_scale=np.full(8, 1e-3))
    signatures, query = draw(queries=())
    scale = float(np.abs(signatures).max())
    programmed = model.program(signatures, error=np.zeros((20, 2, 8)), signature_scale=scale)
    noise = np.zeros((1, 20, 2))
    weights = np.asarray(programmed.weights)
    others = np.arange(DIMS) != np.abs(query).argmax()
    slope = jax.grad(lambda q: model.scores(q, programmed, noise=noise)[0])(jnp.asarray(query))
    # What is left is what all weights have in common, taken off exactly: −(centre + bias)/span by each value's sign.
    assert np.abs(weights[0]).max() > 0.01
    rail = np.arange(DIMS) % 4 + 4 * (query < 0)
    common = 0.15 + np.asarray(model.weight_bias)[rail]
    assert np.asarray(slope)[others] == pytest.approx((-common / 0.6 * scale * np.sign(query))[others], rel=1e-9)
