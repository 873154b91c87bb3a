"""Compiled and exported, the selector gives the same answer: ties, what is no number, nobody asking, and time."""

import importlib.util

import jaxtyping
import numpy as np
import pytest
import torch

from prism_photonics.codec.encoding import SHOTS
from prism_photonics.export import fused
from prism_photonics.export.read import load
from prism_photonics.export.topk import top_k
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

torch.set_num_threads(1)
DRIFT = {
    "drift_time_s": np.array([1.0, 100.0]),
    "drift_mean": np.full((2, 2, 8), 0.02),
    "drift_common": np.full((2, 8), 0.01),
    "drift_own": np.full((2, 8), 0.03),
}


@pytest.fixture(autouse=True)
def untyped(monkeypatch):
    """The run-time shape check of the tests cannot be traced."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def selector(make_model, tmp_path):
    excluded = np.zeros((8, 8), bool)
    excluded[3] = True
    chosen = PhotonicSelector.from_bundle(write(make_model(excluded=excluded), tmp_path / "bundle"), 5)
    chosen.program(torch.randn(40, 12, generator=torch.Generator().manual_seed(0)))
    return chosen


@pytest.fixture
def query():
    return torch.randn(4, 12, generator=torch.Generator().manual_seed(1))


class Whole(torch.nn.Module):
    """Programs and reads in one call."""

    def __init__(self, selector):
        super().__init__()
        self.selector = selector

    def forward(self, signatures, query):
        self.selector.program(signatures)
        return self.selector(query)


def zeros_of_both_signs(blocks):
    generator = torch.Generator().manual_seed(blocks)
    scores = torch.zeros(6, blocks)
    scores[torch.rand(6, blocks, generator=generator) < 0.5] = -0.0
    scores[1, ::3], scores[2, 1::2], scores[3, blocks // 2] = -torch.inf, -1.0, 2.0
    scores[4] = -torch.inf
    return scores


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("blocks", [37, 512, 2055, 4101])  # one look; groups of 32 and 64, with a rest and without
def test_zeros_of_both_signs_are_equal_in_and_across_groups(blocks, dtype):
    scores = zeros_of_both_signs(blocks).to(dtype)
    expected = np.argsort(-scores.numpy(), axis=-1, kind="stable")[:, :8]
    assert np.array_equal(top_k(scores, 8).numpy(), expected)


@pytest.mark.slow  # a C++ compiler runs
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_by_inductor_zeros_of_both_signs_are_equal(dtype):
    compiled = torch.compile(top_k, fullgraph=True, dynamic=False)
    scores = zeros_of_both_signs(2055).to(dtype)
    expected = np.argsort(-scores.numpy(), axis=-1, kind="stable")[:, :8]
    assert np.array_equal(compiled(scores, 8).numpy(), expected)


def rounding(selector, query):
    """By how much two orders of the same single-precision sums may differ: terms × eps × the largest term.

    A score is the sum over slices of codes, and of the calibrated weights that are taken off them (its ``shift``),
    times the units; the shared part adds one product per dimension. A code's edge is not crossed: that costs a whole
    step.
    """
    terms = selector.weights.shape[-2] * selector.channels + selector.dims
    unit = query.abs().amax() * selector.signature_scale
    full = 2.0 * selector.adc_full_scale.max() / selector.weight_span * selector.weights.shape[-2]
    largest = torch.maximum(
        unit * torch.maximum(selector.shift.abs().max(), full), (query * selector.centre).abs().max()
    )
    return float(terms * torch.finfo(torch.float32).eps * largest)


def check_all_forms_of_asking(selector, traced, query):
    for asked in (query, torch.zeros(4, 12), torch.full((4, 12), -0.0)):
        scores, blocks = selector(asked)
        again, same = traced(asked)
        assert torch.allclose(scores, again, atol=1e-4)
        assert torch.equal(blocks, same)
    # Rows of 8: block 3 is on the dead one, and never chosen while others live.
    assert blocks.tolist() == [[0, 1, 2, 4, 5]] * 4
    for bad in (torch.nan, torch.inf, -torch.inf):
        broken = query.clone()
        broken[1, 4] = bad
        scores, blocks = traced(broken)
        assert scores[1, [0, 1, 2, 4, 5, 6, 7]].isnan().all()
        assert blocks[1].tolist() == [0, 1, 2, 3, 4]
        assert torch.equal(blocks[[0, 2, 3]], selector(query)[1][[0, 2, 3]])


def test_the_rounding_of_single_precision_is_within_its_estimate_and_that_within_a_code(selector, make_model, tmp_path):
    bundle = load(tmp_path / "bundle")
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        signatures, query = torch.randn(40, 12, generator=generator), torch.randn(4, 12, generator=generator)
        single, double = PhotonicSelector(bundle, 5), PhotonicSelector(bundle, 5, dtype=torch.float64)
        single.program(signatures)
        double.program(signatures)
        apart = (single(query)[0] - double(query)[0]).nan_to_num().abs()
        estimate = rounding(single, query)
        one_code = float(single.gain.min() * single.signature_scale * query.abs().amax(-1).min())
        # A reading within rounding of a code's edge comes out one code off.
        assert (apart[apart < one_code / 2] <= estimate).all()
        assert (apart < one_code / 2).float().mean() > 0.99
        assert estimate < one_code / 4


@pytest.mark.slow  # a C++ compiler runs
def test_compiled_by_inductor_it_answers_as_called(selector, query):
    check_all_forms_of_asking(selector, torch.compile(selector, fullgraph=True, dynamic=False), query)


def in_pieces(make_model, tmp_path, monkeypatch, scheme, **changes):
    """A selector of a chip with a dead row and noise of every kind; of 40 blocks on, four queries take four pieces."""
    excluded = np.zeros((8, 8), bool)
    excluded[3] = True
    model = make_model(encoding=scheme, excluded=excluded, **changes)
    monkeypatch.setattr(fused, "CACHED_READINGS", 60)
    return PhotonicSelector.from_bundle(write(model, tmp_path / "b"), 5)


# Noise that no reading changes is worked out once for all of them.
NOISES = {"none": None, "of every kind": {}, "that no reading changes": {"noise_rin": 0.0, "noise_common": 0.0}}


@pytest.mark.parametrize("noises", NOISES)
@pytest.mark.parametrize("scale", [None, "block"])
@pytest.mark.parametrize("scheme", SHOTS)
def test_what_a_compiler_sees_of_many_blocks_is_what_is_called(
    make_model, tmp_path, monkeypatch, query, scheme, scale, noises
):
    gains = {"score_gain": np.linspace(0.9, 1.1, 8)}
    selector = in_pieces(make_model, tmp_path, monkeypatch, scheme, **gains, **(NOISES[noises] or {}))
    query[2] = 0.0
    generator = torch.Generator().manual_seed(2)
    for blocks in (40, 57):  # the last piece is larger
        selector.program(torch.randn(blocks, 12, generator=generator), signature_scale=scale)
        noise = None if NOISES[noises] is None else selector.draw_noise(query, generator)
        scores, chosen = selector(query, noise)
        with monkeypatch.context() as patched:
            patched.setattr(torch.compiler, "is_compiling", lambda: True)
            again, same = selector(query, noise)
        assert torch.allclose(scores, again, atol=1e-4)
        assert torch.equal(chosen, same)


def test_a_compiler_follows_many_blocks_of_any_number(make_model, tmp_path, monkeypatch, query):
    selector = in_pieces(make_model, tmp_path, monkeypatch, "two_shot")
    traced = torch.compile(selector, backend="eager", fullgraph=True, dynamic=True)
    selector.program(torch.randn(57, 12, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(traced(query)[1], selector(query)[1])


@pytest.mark.parametrize("strict", [False, True])
def test_exported_it_answers_as_called(selector, query, strict):
    check_all_forms_of_asking(selector, torch.export.export(selector, (query,), strict=strict).module(), query)


def test_exported_with_programming_inside_it_answers_as_called(selector, query):
    generator = torch.Generator().manual_seed(7)
    first, second = torch.randn(40, 12, generator=generator), torch.randn(40, 12, generator=generator) + 300.0
    exported = torch.export.export(Whole(selector), (first, query)).module()
    for signatures in (first, second):
        scores, blocks = exported(signatures, query)
        selector.program(signatures)
        assert torch.allclose(scores, selector(query)[0], atol=1e-3)
        assert torch.equal(blocks, selector(query)[1])


def test_the_onnx_exporter_of_torch_works_or_names_what_is_not_installed(selector, query, tmp_path):
    selector.eval()
    if importlib.util.find_spec("onnxscript") is None:
        # Ours needs none of it: export.onnx.
        with pytest.raises(ModuleNotFoundError, match="onnxscript"):
            torch.onnx.export(selector, (query,), dynamo=True)
        return
    import onnxruntime

    torch.onnx.export(selector, (query,), dynamo=True).save(tmp_path / "selector.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "selector.onnx")
    for asked in (query, torch.zeros(4, 12)):
        scores, blocks = session.run(None, {session.get_inputs()[0].name: asked.numpy()})
        assert scores == pytest.approx(selector(asked)[0].numpy(), abs=1e-5)
        assert np.array_equal(blocks, selector(asked)[1])


# ---------------------------------------------------------------- called plainly


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_query_that_is_not_finite_is_refused_as_by_numpy(selector, query, bad, dtype):
    broken = query.reshape(2, 2, 12).clone().to(dtype)
    broken[1, 0, 4] = bad
    with pytest.raises(
        InputError, match=r"query \(batch 1, batch 0, dim 4\): got (nan|-?inf), want a finite"
    ) as caught:
        selector(broken)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("k", [2.5, 0, -1, True, "4", None, np.float64(3.0)])
def test_a_k_that_counts_nothing_is_refused_by_every_reader(bundle_path, k):
    bundle = load(bundle_path)
    for attempt in (lambda: PhotonicSelector(bundle, k), lambda: bundle.top_k(np.ones(8), np.ones((9, 8)), k)):
        with pytest.raises(InputError, match=r"k: got .* want a whole number") as caught:
            attempt()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("k", [3, np.int64(3), np.array(3)])
def test_a_whole_number_of_any_library_is_a_k(bundle_path, k):
    bundle, signatures = load(bundle_path), np.eye(8)
    selector = bundle.to_torch(k)
    selector.program(torch.as_tensor(signatures))
    assert selector(torch.ones(2, 8))[1].shape == bundle.top_k(np.ones((2, 8)), signatures, k)[1].shape == (2, 3)


@pytest.mark.parametrize("batch", [(0,), (0, 3), (2, 0)])
def test_a_step_in_which_nobody_asks_has_no_scores_and_no_blocks(selector, bundle_path, batch):
    scores, blocks = selector(torch.zeros(*batch, 12), selector.draw_noise(torch.zeros(*batch, 12)))
    assert (scores.shape, blocks.shape) == ((*batch, 40), (*batch, 5))
    scores, blocks = load(bundle_path).top_k(np.zeros((*batch, 12)), np.eye(40, 12), 5, seed=1)
    assert (scores.shape, blocks.shape) == ((*batch, 40), (*batch, 5))


def test_banks_of_which_there_is_none_are_programmed_and_read(bundle_path):
    selector = PhotonicSelector.from_bundle(bundle_path, 3)
    selector.program(torch.zeros(0, 4, 9, 12), bank_axes=2)
    scores, blocks = selector(torch.zeros(0, 4, 2, 12))
    assert (scores.shape, blocks.shape) == ((0, 4, 2, 9), (0, 4, 2, 3))


def test_a_time_in_a_tensor_is_checked_as_a_number_is(make_model, tmp_path, selector, query):
    drifting = PhotonicSelector.from_bundle(write(make_model(**DRIFT), tmp_path / "drifting"), 5)
    signatures = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
    drifting.program(signatures, drift=torch.ones(40, 2, 8), common_drift=1.0)
    for t in (torch.tensor(30.0), torch.tensor([30.0])):
        assert torch.allclose(drifting(query, None, t)[0], drifting(query, None, 30.0)[0], atol=1e-5)
    quiet = PhotonicSelector.from_bundle(tmp_path / "drifting", 5)
    quiet.program(signatures)
    assert torch.equal(quiet(query, None, torch.tensor(0.0))[0], quiet(query)[0])
    cases = (
        (drifting, torch.tensor(101.0), "at most 100 s"),
        (drifting, torch.tensor(-1.0), "want 0 or more"),
        (drifting, torch.tensor(torch.nan), "want 0 or more"),
        (drifting, torch.ones(2), "want one time for all"),
        (quiet, torch.tensor(1.0), "hand drift and common_drift"),
        (selector, torch.tensor(1.0), "drift was not measured"),
    )
    for chip, t, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            chip(query, None, t)
        assert "\n" not in str(caught.value)
