"""A selector inside larger models: saved whatever the layout of its signatures, built without values, moved, copied."""

import copy

import jaxtyping
import numpy as np
import pytest
import safetensors.torch
import torch

from prism_photonics.export.read import load
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


@pytest.fixture
def path(make_model, tmp_path):
    return write(make_model(**DRIFT), tmp_path / "bundle")


@pytest.fixture
def asked():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 12, generator=generator), torch.randn(3, 12, generator=generator)


def same(one, other, query):
    return all(torch.equal(a, b) for a, b in zip(one(query), other(query), strict=True))


LAYOUTS = {
    "plain": lambda s: s,
    "transposed": lambda s: s.T.contiguous().T,
    "every second": lambda s: torch.stack([s, s], 1).flatten(0, 1)[::2],
    "expanded": lambda s: s[:1].expand(20, -1),
    "of another tensor": lambda s: torch.cat([s, s], 1)[:, 12:],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_is_programmed_is_saved_by_safetensors_whatever_the_layout_of_what_was_handed_in(path, asked, layout):
    signatures, query = layout(asked[0]), asked[1]
    selector = PhotonicSelector.from_bundle(path, 4)
    numbers = layout(torch.randn(20, 12))[:, :8, None].mT.expand(-1, 2, -1)  # one tensor for both, and no whole one
    selector.program(signatures, numbers, drift=numbers, common_drift=torch.ones(3)[1])
    other = PhotonicSelector.from_bundle(path, 1)
    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(selector.state_dict())))
    assert same(selector, other, query)


def test_banks_of_a_transposed_cache_are_saved_too(path):
    cache = torch.randn(2, 20, 3, 12, generator=torch.Generator().manual_seed(1))  # batch, blocks, heads, dims
    selector = PhotonicSelector.from_bundle(path, 4)
    selector.program(cache.transpose(1, 2), bank_axes=2)
    other = PhotonicSelector.from_bundle(path, 4)
    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(selector.state_dict())))
    assert same(selector, other, cache.transpose(1, 2)[:, :, :5])


def test_what_is_programmed_does_not_change_with_the_tensors_that_were_handed_in(path, asked):
    signatures, query = asked
    selector, drift, common = PhotonicSelector.from_bundle(path, 4), torch.ones(20, 2, 8), torch.tensor(0.5)
    selector.program(signatures, drift=drift, common_drift=common)
    before = selector(query, None, 50.0)
    for tensor in (drift, common, signatures):
        tensor.zero_()
    assert torch.equal(before[0], selector(query, None, 50.0)[0])


def test_it_is_built_under_the_meta_device_and_filled_by_a_state_dict(path, asked):
    signatures, query = asked
    whole = PhotonicSelector.from_bundle(path, 4)
    whole.program(signatures)
    for assign in (False, True):
        with torch.device("meta"):
            model = torch.nn.Sequential(torch.nn.Linear(12, 12), PhotonicSelector.from_bundle(path, 2))
        assert model[1].weight_bias.is_meta
        with pytest.raises(InputError, match="got a meta tensor, want numbers"):
            model[1].program(torch.empty(20, 12, device="meta"))
        if not assign:
            model.to_empty(device="cpu")
        model[1].load_state_dict(whole.state_dict(), assign=assign)
        assert same(whole, model[1], query)


@pytest.mark.parametrize("fill", [0.0, 7.0, float("nan")])
def test_memory_that_a_loader_left_in_the_chips_numbers_is_mended(path, asked, fill):
    """As ``from_pretrained`` does: what the checkpoint does not hold becomes whatever was in the memory."""
    signatures, query = asked
    whole = PhotonicSelector.from_bundle(path, 4)
    whole.program(signatures)
    with torch.device("meta"):
        selector = PhotonicSelector.from_bundle(path, 4)
    for name, buffer in list(selector.named_buffers()):
        value = torch.empty_like(buffer, device="cpu")
        setattr(selector, name, value.fill_(fill) if value.is_floating_point() else value.fill_(1))
    selector.program(signatures)
    assert same(whole, selector, query)


def test_to_empty_recurses_and_leaves_the_chips_numbers_whole(path, asked):
    signatures, query = asked
    whole = PhotonicSelector.from_bundle(path, 4)
    whole.program(signatures)
    for recurse in (True, False):
        selector = PhotonicSelector.from_bundle(path, 4).to_empty(device="cpu", recurse=recurse)
        selector.program(signatures)
        assert same(whole, selector, query)


def test_a_hugging_face_model_that_holds_one_comes_from_pretrained(path, asked, tmp_path):
    import transformers

    class WithSelector(transformers.LlamaForCausalLM):
        def __init__(self, config):
            super().__init__(config)
            self.selector = PhotonicSelector.from_bundle(path, k=4)

    sizes = {"vocab_size": 17, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = transformers.LlamaConfig(**sizes, num_attention_heads=2, num_key_value_heads=1)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    signatures, query = asked
    whole = PhotonicSelector.from_bundle(path, 4)
    whole.program(signatures)
    for dtype in (torch.float32, torch.bfloat16):
        model = WithSelector.from_pretrained(tmp_path / "model", dtype=dtype)
        model.selector.program(signatures)
        assert model.selector.weight_bias.dtype == torch.float32
        assert same(whole, model.selector, query)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("calibrated_again", [False, True])
def test_what_is_programmed_is_part_of_a_hugging_face_checkpoint(
    make_model, path, asked, tmp_path, dtype, calibrated_again
):
    import transformers

    class WithSelector(transformers.LlamaForCausalLM):
        bundle = path

        def __init__(self, config):
            super().__init__(config)
            self.selector = PhotonicSelector.from_bundle(self.bundle, k=2)
            self.selector.reserve(config.signatures_shape, drift=True)

    class KeptWhole(WithSelector):
        _keep_in_fp32_modules_strict = ("selector",)

    sizes = {"vocab_size": 17, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = transformers.LlamaConfig(
        **sizes, num_attention_heads=2, num_key_value_heads=1, signatures_shape=[20, 12], dtype=dtype
    )
    signatures, query = asked
    model = WithSelector(config)
    numbers = model.selector.draw_error(signatures)
    model.selector.k = 4
    with pytest.raises(InputError, match="want signatures before it; call program"):
        model.selector(query)
    model.selector.program(signatures, numbers, drift=numbers, common_drift=0.5)
    model.save_pretrained(tmp_path / "model")
    if calibrated_again:  # what is programmed was read with the checkpoint's numbers, and those count
        WithSelector.bundle = write(
            make_model(**DRIFT | {"drift_own": np.full((2, 8), 0.1)}, leak=0.01), tmp_path / "b"
        )
    for kind in (WithSelector, KeptWhole):
        again = kind.from_pretrained(tmp_path / "model", dtype=dtype)
        for time_s in (0.0, 30.0):
            for got, want in zip(again.selector(query, None, time_s), model.selector(query, None, time_s), strict=True):
                assert torch.equal(got, want)
        again.selector.program(signatures, numbers)
        model.selector.program(signatures, numbers)
        assert same(model.selector, again.selector, query)
        model.selector.program(signatures, numbers, drift=numbers, common_drift=0.5)


def test_room_is_made_for_banks_and_bounds_and_refused_for_no_shape_of_signatures(make_model, tmp_path, monkeypatch):
    path = write(make_model(encoding="dual_rail"), tmp_path / "dual")
    for shape, bank_axes in (((9, 12), 0), ((9, 2, 12), 0), ((2, 3, 9, 12), 2)):
        whole, other = (PhotonicSelector.from_bundle(path, 4) for _ in range(2))
        whole.program(torch.randn(shape), bank_axes=bank_axes)
        other.reserve(shape, bank_axes=bank_axes)
        want = {name: value.shape for name, value in whole.state_dict().items() if name != "_extra_state"}
        assert {name: value.shape for name, value in other.state_dict().items() if name != "_extra_state"} == want
    # The run-time type check of the tests looks at one number of a sequence, which one by chance, and would come first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for shape in ((12,), (9, 0), (9, 3, 12), ("9", 12)):
        with pytest.raises(InputError, match="signatures"):
            whole.reserve(shape)


def test_weights_that_a_loader_rounded_are_refused_not_read(path, asked):
    signatures, query = asked
    selector = PhotonicSelector.from_bundle(path, 4)
    selector.program(signatures)
    for name in selector.state_dict():
        value = getattr(selector, name, None)
        if value is not None and value.is_floating_point():
            setattr(selector, name, value.bfloat16())
    with pytest.raises(InputError, match=r"got torch\.bfloat16, want float32 or float64: a loader rounded") as caught:
        selector(query)
    assert "\n" not in str(caught.value)


def test_weights_that_are_replaced_are_the_ones_that_are_read(path, asked):
    signatures, query = asked
    one, other = (PhotonicSelector.from_bundle(path, 4) for _ in range(2))
    one.program(signatures)
    other.program(-signatures, signature_scale=float(signatures.abs().max()))
    named = {name: getattr(other, name) for name in ("weights", "row_sum", "signature_scale", "centre")}
    got = torch.func.functional_call(one, named, query)
    assert torch.equal(got[0], other(query)[0])
    one.program(signatures)
    assert same(one, copy.deepcopy(one), query)


def test_copies_and_moves_keep_the_answer(path, asked):
    signatures, query = asked
    selector = PhotonicSelector.from_bundle(path, 4)
    selector.program(signatures)
    for other in (copy.deepcopy(selector), copy.deepcopy(selector).half().float().share_memory()):
        assert same(selector, other, query)
        other.program(signatures)
        assert same(selector, other, query)


def test_another_calibration_of_the_same_chip_is_taken_over_whole(make_model, path, asked, tmp_path):
    signatures, query = asked
    other = load(write(make_model(weight_bias=np.linspace(-0.1, 0.1, 8), noise_rin=0.0), tmp_path / "other"))
    whole = PhotonicSelector(other, 4)
    whole.program(signatures)
    selector = PhotonicSelector.from_bundle(path, 4)
    selector.load_state_dict(whole.state_dict())
    assert (selector.line_noise, selector.longest_s) == (False, 0.0)
    selector.to_empty(device="cpu").program(signatures)
    assert same(whole, selector, query)
