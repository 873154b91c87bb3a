"""Compiled ahead, a selector answers as called, follows what is programmed, and refuses any other size."""

import jaxtyping
import numpy as np
import pytest
import torch

from prism_photonics.export.ahead import compile_ahead
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

pytestmark = pytest.mark.slow  # a C++ compiler runs
torch.set_num_threads(1)
BANKS, BLOCKS, DIMS, K = 2, 40, 12, 5


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def untyped():
    """The run-time shape check of the tests cannot be traced."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jaxtyping.config, "jaxtyping_disable", True)
        yield


@pytest.fixture(scope="module")
def bundle(make_model, tmp_path_factory):
    """A chip with a dead row, noise of every kind, and rows whose gains and offsets differ."""
    excluded = np.zeros((8, 8), bool)
    excluded[3] = True
    rows = {"score_gain": np.linspace(0.9, 1.1, 8), "score_offset": np.linspace(-0.01, 0.01, 8)}
    return write(make_model(encoding="two_shot", excluded=excluded, **rows), tmp_path_factory.mktemp("ahead") / "b")


@pytest.fixture(scope="module")
def ahead(bundle, untyped):
    """Two banks, four queries of each."""
    selector = PhotonicSelector.from_bundle(bundle, K)
    selector.program(drawn(BANKS, BLOCKS, DIMS), bank_axes=1)
    query = drawn(BANKS, 4, DIMS, seed=1)
    return compile_ahead(selector, query, selector.draw_noise(query))


def answers_alike(ahead, selector, query, noise):
    with torch.no_grad():
        scores, blocks = ahead(query, noise)
        want, chosen = selector(query, noise)
    assert torch.allclose(scores, want, atol=1e-4)
    assert torch.equal(blocks, chosen)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_answers_as_called_with_noise_and_a_dead_row(ahead, seed):
    query = drawn(BANKS, 4, DIMS, seed=seed)
    noise = ahead.selector.draw_noise(query, torch.Generator().manual_seed(seed))
    answers_alike(ahead, ahead.selector, query, noise)
    assert not (ahead(query, noise)[1] % 8 == 3).any()


def test_memory_that_is_cut_otherwise_is_read_in_its_own_order(ahead):
    query, noise = drawn(4, BANKS, DIMS, seed=4).transpose(0, 1), drawn(BLOCKS, BANKS, 4, 2, 2, seed=5)
    answers_alike(ahead, ahead.selector, query, noise.permute(3, 1, 2, 0, 4))


def test_a_query_that_is_no_number_scores_none_and_leaves_the_others(ahead):
    query = drawn(BANKS, 4, DIMS, seed=1)
    noise = ahead.selector.draw_noise(query)
    whole = ahead(query, noise)
    query[1, 2, 3] = torch.nan
    scores, blocks = ahead(query, noise)
    living = [block for block in range(BLOCKS) if block % 8 != 3]
    assert scores[1, 2, living].isnan().all()
    assert torch.equal(blocks[0], whole[1][0])
    assert torch.equal(scores[0], whole[0][0])


def test_what_is_programmed_later_is_what_is_read(ahead, bundle):
    query, noise = drawn(BANKS, 4, DIMS, seed=1), drawn(2, BANKS, 4, BLOCKS, 2, seed=2)
    ahead.selector.program(drawn(BANKS, BLOCKS, DIMS, seed=6) + 3.0, bank_axes=1)
    answers_alike(ahead, ahead.selector, query, noise)
    # And what a checkpoint brings.
    other = PhotonicSelector.from_bundle(bundle, K)
    other.program(drawn(BANKS, BLOCKS, DIMS, seed=7), bank_axes=1)
    ahead.selector.load_state_dict(other.state_dict())
    answers_alike(ahead, other, query, noise)


def test_one_code_serves_every_layer_of_equal_sizes(ahead, bundle):
    layer = PhotonicSelector.from_bundle(bundle, K)
    layer.program(drawn(BANKS, BLOCKS, DIMS, seed=8), bank_axes=1)
    query, noise = drawn(BANKS, 4, DIMS, seed=1), drawn(2, BANKS, 4, BLOCKS, 2, seed=2)
    answers_alike(ahead.over(layer), layer, query, noise)
    answers_alike(ahead, ahead.selector, query, noise)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:FutureWarning")  # torch, at its first forward derivative
def test_what_it_was_not_compiled_for_is_refused(ahead):
    query = drawn(BANKS, 4, DIMS)
    noise = ahead.selector.draw_noise(query)
    for bad in (query[:, :3], query.double(), query[..., :11]):
        with pytest.raises(InputError, match=r"query: got torch\.float.*, want torch\.float32 of shape \(2, 4"):
            ahead(bad, noise)
    with pytest.raises(InputError, match=r"noise: got none, want .*compile_ahead\(\) it anew"):
        ahead(query)
    with pytest.raises(InputError, match="query: got meta, want the CPU"):
        ahead(query.to("meta"), noise)
    for bad in (query.tolist(), query.numpy()):
        with pytest.raises(InputError, match=r"query: got a (list|ndarray), want a torch tensor"):
            ahead(bad, noise)
    with pytest.raises(InputError, match="got a tensor of vmap, grad or jvp"):
        torch.func.vmap(lambda one: ahead(one, noise)[0])(query.expand(3, *query.shape))
    with torch.autograd.forward_ad.dual_level():
        for name, given in (("query", (_dual(query), noise)), ("noise", (query, _dual(noise)))):
            with pytest.raises(InputError, match=f"{name}: got a tensor with a tangent, want none; call the selector"):
                ahead(*given)
        answers_alike(ahead, ahead.selector, query, noise)
    with pytest.raises(InputError, match="query: got a tensor that asks for its gradient"):
        ahead(query.requires_grad_(), noise)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:FutureWarning")
def test_a_programmed_tangent_is_refused(ahead, bundle):
    other = PhotonicSelector.from_bundle(bundle, K)
    with torch.autograd.forward_ad.dual_level():
        other.program(_dual(drawn(BANKS, BLOCKS, DIMS)), bank_axes=1)
        with pytest.raises(InputError, match=r"PhotonicSelector\..*: got a tensor with a tangent, want none"):
            ahead.over(other)


def _dual(values):
    return torch.autograd.forward_ad.make_dual(values, torch.ones_like(values))


@pytest.mark.parametrize(
    ("signatures", "changes", "word"),
    [
        (drawn(BANKS, BLOCKS + 8, DIMS), {}, r"PhotonicSelector\.weights: got .*48.*, want .*40"),
        (drawn(BANKS, BLOCKS, DIMS), {"k": 4}, "another k or another chip"),
        (drawn(BANKS, BLOCKS, DIMS - 1), {}, "another k or another chip"),
    ],
)
def test_another_size_or_choice_is_refused_once_it_is_asked(ahead, bundle, signatures, changes, word):
    other = PhotonicSelector.from_bundle(bundle, changes.get("k", K))
    other.program(signatures, bank_axes=1)
    with pytest.raises(InputError, match=word):
        ahead.over(other)


def test_another_chips_numbers_are_refused(ahead, make_model, tmp_path):
    other = PhotonicSelector.from_bundle(write(make_model(encoding="two_shot"), tmp_path / "b"), K)
    other.program(drawn(BANKS, BLOCKS, DIMS), bank_axes=1)
    with pytest.raises(InputError, match="another k or another chip"):
        ahead.over(other)


def test_one_query_of_blocks_with_scales_of_their_own_is_answered_as_called(make_model, tmp_path, untyped):
    selector = PhotonicSelector.from_bundle(write(make_model(encoding="offset"), tmp_path / "b"), K)
    selector.program(drawn(BLOCKS, DIMS), signature_scale="block")
    ahead = compile_ahead(selector, drawn(DIMS, seed=1))
    answers_alike(ahead, selector, drawn(DIMS, seed=2), None)
    with pytest.raises(InputError, match=r"noise: got torch\.float32 of shape .*, want none"):
        ahead(drawn(DIMS), selector.draw_noise(drawn(DIMS)))


def test_what_the_selector_refuses_is_refused_in_its_words_and_before_compiling(bundle, untyped):
    selector = PhotonicSelector.from_bundle(bundle, K)
    with pytest.raises(InputError, match="call program"):
        compile_ahead(selector, drawn(DIMS))
    selector.program(drawn(BLOCKS, DIMS))
    with pytest.raises(InputError, match="query"):
        compile_ahead(selector, drawn(DIMS + 1))
    with pytest.raises(InputError, match="want the CPU"):
        compile_ahead(selector, drawn(DIMS).to("meta"))
    with pytest.raises(InputError, match="query: got a ndarray, want a torch tensor"):
        compile_ahead(selector, drawn(DIMS).numpy())


def test_a_machine_without_a_compiler_is_told_so_in_one_line(bundle, untyped):
    selector = PhotonicSelector.from_bundle(bundle, K)
    selector.program(drawn(BLOCKS, DIMS))
    # Torch's own way: an attribute that is set and set back may be gone for the tests that come after.
    none = torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")})
    with none, pytest.raises(InputError, match=r"compile_ahead: got no C\+\+ compiler, want one; install g\+\+"):
        compile_ahead(selector, drawn(DIMS))
    assert torch._inductor.config.cpp.cxx != (None, "no-such-compiler")
