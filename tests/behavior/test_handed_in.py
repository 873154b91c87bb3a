"""What is handed to the behavioral model is real, finite and of the right shape, or refused in one line; traced too."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from prism_photonics.units import InputError

DRIFT = {
    "drift_time_s": np.array([1.0, 100.0]),
    "drift_mean": np.full((2, 2, 8), 0.02),
    "drift_common": np.full((2, 8), 0.01),
    "drift_own": np.full((2, 8), 0.03),
}
KEY = jax.random.key(0)
SIGNATURES = np.random.default_rng(0).standard_normal((20, 12))
QUERY = np.random.default_rng(1).standard_normal((3, 12))


@pytest.fixture(autouse=True)
def untyped(monkeypatch):
    """The run-time shape check of the tests would refuse first."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def model(make_model):
    return make_model(**DRIFT)


def refused(attempt, message):
    with pytest.raises(InputError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("time_s", ["3", None, True, np.array([0.0, 30.0]), jnp.ones(2)])
def test_a_time_that_is_not_one_number_is_refused(model, time_s):
    programmed = model.program(SIGNATURES, KEY)
    refused(lambda: model.scores(QUERY, programmed, KEY, t_since_program_s=time_s), "want one number in seconds")


def test_a_time_in_an_array_of_one_is_that_time_traced_too(model):
    programmed = model.program(SIGNATURES, KEY)

    def read(time_s):
        return model.scores(QUERY, programmed, KEY, t_since_program_s=time_s)

    want = read(30.0)
    for got in (read(np.array([30.0])), jax.jit(read)(jnp.array([30.0])), jax.vmap(read)(jnp.array([0.0, 30.0]))[1]):
        assert np.asarray(got) == pytest.approx(np.asarray(want), abs=1e-9)
    refused(lambda: jax.jit(read)(jnp.ones(2)), "want one number in seconds")


def test_a_traced_time_wants_numbers_to_drift_by(model):
    still = model.program(SIGNATURES, error=np.zeros(model.error_shape(SIGNATURES)))
    refused(
        lambda: jax.jit(lambda t: model.scores(QUERY, still, KEY, t_since_program_s=t))(1.0),
        "got a traced time, want numbers to drift by",
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["error", "drift", "common_drift", "noise"])
def test_drawn_numbers_that_are_not_finite_are_refused(model, bad, name):
    shape = model.error_shape(SIGNATURES)
    numbers = {"error": np.zeros(shape), "drift": np.zeros(shape), "common_drift": 0.0}
    noise = np.zeros(model.noise_shape(QUERY, model.program(SIGNATURES, **numbers)))
    if name == "noise":
        noise[0, 1, 2] = bad
    else:
        numbers[name] = bad + numbers[name]
    refused(
        lambda: model.scores(QUERY, model.program(SIGNATURES, **numbers), noise=noise),
        f"{name}: got NaN or infinity, want standard normal numbers",
    )


@pytest.mark.parametrize(
    "noise", [[1.0], [[1.0], [1.0, 2.0]], "noise", np.full((1, 3, 20, 2), 1j), jnp.full((1, 3, 20, 2), 1j)]
)
def test_noise_that_is_no_array_of_real_numbers_of_its_shape_is_refused(model, noise):
    programmed = model.program(SIGNATURES, KEY)
    refused(lambda: model.scores(QUERY, programmed, noise=noise), "^noise: got ")
    refused(lambda: model.program(SIGNATURES, error=noise), "^error: got ")


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    ("signatures", "query", "message"),
    [
        (SIGNATURES[:0], QUERY, r"signatures: got shape \(0, 12\), want \(…, blocks, dims\), none of them 0"),
        (SIGNATURES[:, :0], QUERY[:, :0], r"signatures: got shape \(20, 0\)"),
        (SIGNATURES[0], QUERY, r"signatures: got shape \(12,\)"),
        (SIGNATURES, QUERY[0, 0], r"query: got shape \(\), want \(…, dims\)"),
        (SIGNATURES, QUERY[:, :5], "query: got 5 dimensions, want 12"),
        (SIGNATURES, QUERY + 1j, "query: got numbers of dtype complex"),
        (SIGNATURES + 1j, QUERY, "signatures: got numbers of dtype complex"),
    ],
)
def test_shapes_and_kinds_are_refused_called_and_traced_alike(model, traced, signatures, query, message):
    def read(s, q):
        return model.top_k(q, model.program(s, KEY), KEY, k=3)

    refused(lambda: (jax.jit(read) if traced else read)(signatures, query), message)
