"""The behavioral model keeps the laws of a linear chip, has the noise it says, and can be learned through."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from prism_photonics.codec.encoding import SHOTS, encode, quantizer_step
from prism_photonics.units import InputError


def draw(blocks=20, dims=30, queries=(3,), seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((blocks, dims)), rng.standard_normal((*queries, dims))


@pytest.mark.parametrize("scheme", SHOTS)
@pytest.mark.parametrize(("blocks", "dims"), [(1, 1), (8, 8), (20, 30), (9, 16)])
def test_a_chip_without_error_scores_the_exact_dot_product(ideal, scheme, blocks, dims):
    model = ideal(encoding=scheme)
    signatures, query = draw(blocks, dims, (2, 3))
    scores = model.scores(query, model.program(signatures, jr.key(0)), jr.key(1))
    assert scores.shape == (2, 3, blocks)
    assert np.asarray(scores) == pytest.approx(query @ signatures.T, abs=1e-9)


def test_scores_have_the_units_of_query_times_signature(make_model):
    model = make_model()
    signatures, query = draw()
    key = jr.key(0), jr.key(1)
    once = model.scores(query, model.program(signatures, key[0]), key[1])
    scaled = model.scores(query * 7, model.program(signatures * 5, key[0]), key[1])
    assert np.asarray(scaled) == pytest.approx(35 * np.asarray(once), rel=1e-9)


@pytest.mark.parametrize("scheme", SHOTS)
def test_a_vector_that_all_signatures_share_changes_no_choice_and_is_in_the_scores(make_model, scheme):
    model = make_model(encoding=scheme)
    signatures, query = draw()
    plain, chosen = model.top_k(query, model.program(signatures, jr.key(0)), jr.key(1), k=5)
    for norm in (22.0, 605.0, 1e5):
        shared = norm * np.linspace(-1.0, 1.0, 30) / np.sqrt(10.0)
        scores, moved = model.top_k(query, model.program(signatures + shared, jr.key(0)), jr.key(1), k=5)
        assert np.array_equal(moved, chosen)
        assert np.asarray(scores) - query @ shared[:, None] == pytest.approx(np.asarray(plain), abs=1e-13 * norm + 1e-9)


@pytest.mark.parametrize("size", [1e-160, 1e160])
def test_no_size_of_keys_and_queries_costs_a_choice(make_model, size):
    model, (signatures, query) = make_model(), draw()
    _, chosen = model.top_k(query, model.program(signatures, jr.key(0)), jr.key(1), k=5)
    _, same = model.top_k(query * size, model.program(signatures * size, jr.key(0)), jr.key(1), k=5)
    assert np.array_equal(same, chosen)


def test_a_centre_of_ones_own_is_taken_off_in_place_of_the_mean(make_model):
    model, (signatures, query) = make_model(), draw()
    error, noise = np.zeros((20, 4, 8)), np.zeros((1, 3, 20, 4))
    centre = signatures[:5].mean(0)
    handed = model.program(signatures, error=error, centre=centre)
    left = model.program(signatures - centre, error=error, centre=np.zeros(30))
    assert np.array_equal(handed.weights, left.weights)
    scores = np.asarray(model.scores(query, left, noise=noise)) + query @ centre[:, None]
    assert np.asarray(model.scores(query, handed, noise=noise)) == pytest.approx(scores, abs=1e-12)
    for bad in (np.zeros(29), np.full(30, np.nan)):
        with pytest.raises(InputError, match=r"centre: got shape .* want finite numbers of shape \(30,\)"):
            model.program(signatures, error=error, centre=bad)


def test_it_runs_under_a_jit_that_closes_over_it_also_where_drift_was_measured(make_model):
    drift = {
        "drift_time_s": np.array([1.0, 100.0]), "drift_mean": np.full((2, 2, 8), 0.02),
        "drift_common": np.full((2, 8), 0.01), "drift_own": np.full((2, 8), 0.03),
    }  # fmt: skip
    model, (signatures, query) = make_model(**drift), draw()

    def run(q, t):
        return model.top_k(q, model.program(signatures, jr.key(0)), jr.key(1), k=5, t_since_program_s=t)

    scores, chosen = jax.jit(lambda q: run(q, 30.0))(query)
    expected, best = run(query, 30.0)
    assert np.asarray(scores) == pytest.approx(np.asarray(expected), abs=1e-9)
    assert np.array_equal(chosen, best)
    traced, _ = jax.jit(run)(query, 30.0)
    assert np.asarray(traced) == pytest.approx(np.asarray(expected), abs=1e-9)
    with pytest.raises(InputError, match="at most 100 s"):
        jax.jit(lambda q: run(q, 101.0))(query)


def test_traced_a_query_that_is_not_finite_scores_nan_and_gets_the_first_blocks(make_model):
    model, (signatures, query) = make_model(), draw()
    programmed = model.program(signatures, jr.key(0))
    asked = jax.jit(lambda q: model.top_k(q, programmed, jr.key(1), k=5))
    expected = asked(query)
    for bad in (np.nan, np.inf, -np.inf):
        broken = query.copy()
        broken[1, 4] = bad
        scores, chosen = asked(broken)
        assert np.isnan(scores[1]).all()
        assert chosen[1].tolist() == [0, 1, 2, 3, 4]
        assert np.array_equal(chosen[::2], expected[1][::2])


def test_a_step_in_which_nobody_asks_has_no_scores_and_no_blocks(make_model):
    model, (signatures, _) = make_model(), draw()
    scores, chosen = model.top_k(np.zeros((0, 30)), model.program(signatures, jr.key(0)), jr.key(1), k=5)
    assert (scores.shape, chosen.shape) == ((0, 20), (0, 5))


def test_a_query_of_zeros_scores_zero_and_has_a_finite_gradient(make_model):
    model = make_model()
    signatures, _ = draw()
    programmed = model.program(signatures, jr.key(0))
    scores = model.scores(np.zeros((2, 30)), programmed, jr.key(1))
    assert np.array_equal(np.asarray(scores), np.zeros((2, 20)))
    slope = jax.grad(lambda q: model.scores(q, programmed, jr.key(1)).sum())(jnp.zeros(30))
    assert np.isfinite(slope).all()


def test_signatures_of_zeros_are_programmed_at_the_centre(ideal):
    programmed = ideal().program(np.zeros((4, 8)), jr.key(0))
    assert np.asarray(programmed.weights) == pytest.approx(np.full((4, 1, 8), 0.15))


def test_the_largest_signature_uses_the_whole_span_and_no_more(ideal):
    signatures, _ = draw()
    weights = np.asarray(ideal().program(signatures, jr.key(0)).weights)
    assert np.abs(weights - 0.15).max() == pytest.approx(0.6)
    halved = np.asarray(ideal().program(signatures, jr.key(0), signature_scale=2 * np.abs(signatures).max()).weights)
    assert np.abs(halved - 0.15).max() == pytest.approx(0.3)


@pytest.mark.parametrize("scheme", SHOTS)
def test_read_noise_has_the_variance_of_its_four_parts(make_model, scheme):
    parts = {"noise_floor": 0.02, "noise_shot": 0.03, "noise_rin": 0.05, "noise_common": 0.04}
    model = make_model(encoding=scheme, adc_bits=40, dac_bits=40, leak=0.01, **parts)
    signatures, query = draw(8, model.slice_dims, ())
    programmed = model.program(signatures, jr.key(0))
    scores = np.asarray(model.scores(np.tile(query, (4000, 1)), programmed, jr.key(1)))
    weights = np.asarray(programmed.weights)[:, 0]
    variance = 0.0
    for shot in 0.01 + encode(query / np.abs(query).max(), scheme):
        lit = weights * shot
        variance += 0.02**2 + 0.03**2 * shot.sum() + 0.05**2 * (lit**2).sum(1) + 0.04**2 * lit.sum(1) ** 2
    gain = (2 if scheme == "offset" else 1) / 0.6 * np.abs(query).max() * np.abs(signatures - signatures.mean(0)).max()
    # 4000 draws know a standard deviation to 1.1 %; four of these.
    assert scores.std(0) == pytest.approx(gain * np.sqrt(variance), rel=0.045)


def test_programming_error_has_its_bias_and_spread_in_every_channel_also_the_padded_ones(make_model):
    model = make_model()
    signatures, _ = draw(4000, 12)
    target = np.zeros((4000, 16))
    left = signatures - signatures.mean(0)
    target[:, :12] = left / np.abs(left).max()
    error = np.asarray(model.program(signatures, jr.key(2)).weights).reshape(4000, 16) - (0.15 + 0.6 * target)
    std = np.tile(np.asarray(model.weight_error_std), 2)
    assert error.std(0) == pytest.approx(std, rel=0.05)
    assert np.abs(error.mean(0) - np.tile(np.asarray(model.weight_bias), 2)).max() < 4.5 * std.max() / np.sqrt(4000)


def test_one_key_gives_one_programming_and_another_key_another(make_model):
    model, (signatures, _) = make_model(), draw()
    first, again, other = (model.program(signatures, jr.key(seed)).weights for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_block_is_converted_by_the_converter_of_its_own_row(ideal):
    narrow = np.full(8, 6.5)
    narrow[3] = 0.01
    model = ideal(adc_full_scale=narrow, encoding="two_shot")
    signatures = np.ones((20, 8))
    scores = np.asarray(model.scores(np.ones(8), model.program(signatures, jr.key(0), signature_scale=1.0), jr.key(1)))
    clipped = np.arange(20) % 8 == 3
    assert scores[~clipped] == pytest.approx(8.0)
    assert (scores[clipped] < 1.0).all()


def test_fewer_converter_bits_cost_accuracy(make_model):
    signatures, query = draw(64, 32, (20,))
    exact = query @ signatures.T
    error = [
        np.std(np.asarray(model.scores(query, model.program(signatures, jr.key(0)), jr.key(1))) - exact)
        for model in (make_model(adc_bits=bits) for bits in (3, 4, 5, 6, 8))
    ]
    assert np.all(np.diff(error) < 0)


@pytest.mark.parametrize("scheme", SHOTS)
def test_gradients_agree_with_finite_differences_where_the_chip_is_smooth(make_model, scheme):
    model = make_model(encoding=scheme, dac_bits=44, adc_bits=44)
    signatures, query = draw(5, 10, ())
    slices = model.error_shape(signatures)[1]
    error, noise = jr.normal(jr.key(0), (5, slices, 8)), jr.normal(jr.key(1), (SHOTS[scheme], 5, slices))
    read = jr.normal(jr.key(2), (5,))

    def loss(pair):
        programmed = model.program(pair[0], error=error)
        return jnp.sum(read * model.scores(pair[1], programmed, noise=noise))

    point = jnp.asarray(signatures), jnp.asarray(query)
    direction = jr.normal(jr.key(3), (5, 10)), jr.normal(jr.key(4), (10,))
    slope = jax.jvp(loss, (point,), (direction,))[1]
    ahead, behind = (float(loss(jax.tree.map(lambda x, d, s=s: x + s * d, point, direction))) for s in (1e-5, -1e-5))
    assert float(slope) == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)


def test_gradients_pass_straight_through_coarse_converters(make_model):
    signatures, query = draw(5, 10, ())
    error, noise = jr.normal(jr.key(0), (5, 2, 8)), jnp.zeros((2, 5, 2))
    scale = float(np.abs(signatures).max())

    def slope(bits):
        model = make_model(encoding="two_shot", dac_bits=bits, adc_bits=bits)
        programmed = model.program(signatures, error=error, signature_scale=scale)
        return jax.grad(lambda q: model.scores(q, programmed, noise=noise)[2])(query)

    fine, coarse = slope(44), slope(9)
    assert np.abs(coarse).max() > 0
    assert np.asarray(coarse) == pytest.approx(np.asarray(fine), rel=0.05, abs=0.05)


def test_a_noiseless_dark_chip_has_no_nan_gradient(ideal):
    model = ideal()
    signatures, query = draw(5, 10, ())
    slope = eqx.filter_grad(lambda m: m.scores(query, m.program(signatures, jr.key(0)), jr.key(1)).sum())(model)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_jit_changes_nothing(make_model):
    model = make_model()
    signatures, query = draw()

    def run(m, s, q):
        return m.scores(q, m.program(s, jr.key(0)), jr.key(1))

    assert np.asarray(eqx.filter_jit(run)(model, signatures, query)) == pytest.approx(
        np.asarray(run(model, signatures, query)), abs=1e-9
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_signatures_that_are_no_numbers_are_refused_by_block_and_dim(make_model, bad):
    signatures, _ = draw()
    signatures[7, 3] = bad
    with pytest.raises(InputError, match=r"signatures \(block 7, dim 3\): got (nan|inf), want a finite"):
        make_model().program(signatures, jr.key(0))


def test_what_cannot_be_scored_is_refused_in_one_line(make_model):
    model, (signatures, query) = make_model(), draw()
    programmed = model.program(signatures, jr.key(0))
    broken = query.copy()
    broken[1, 4] = np.nan
    cases = {
        r"query \(batch 1, dim 4\)": lambda: model.scores(broken, programmed, jr.key(0)),
        "got 29 dimensions, want 30": lambda: model.scores(query[:, :29], programmed, jr.key(0)),
        "neither key nor error": lambda: model.program(signatures),
        "neither key nor noise": lambda: model.scores(query, programmed),
        "noise: got shape": lambda: model.scores(query, programmed, noise=np.zeros((1, 3, 20, 3))),
        "exceeds signature_scale": lambda: model.program(signatures, jr.key(0), signature_scale=0.5),
        "want a positive number": lambda: model.program(signatures, jr.key(0), signature_scale=-1.0),
        "signatures: got shape": lambda: model.program(np.zeros((0, 8)), jr.key(0)),
    }
    for message, attempt in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_one_step_of_the_converter_is_the_grain_of_the_scores(ideal):
    model = ideal(encoding="two_shot", adc_bits=6, adc_full_scale=np.full(8, 6.0))
    signatures, query = draw(8, 8, ())
    scale = float(np.abs(signatures).max())
    programmed = model.program(signatures, jr.key(0), signature_scale=scale)
    scores = np.asarray(model.scores(query, programmed, jr.key(1)))
    offset = 0.15 * (query / np.abs(query).max()).sum() / 0.6
    steps = (scores / np.abs(query).max() / scale + offset) * 0.6 / quantizer_step(6, -6.0, 6.0)
    assert steps == pytest.approx(np.round(steps), abs=1e-9)
