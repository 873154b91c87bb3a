"""One answer from every form of the bundle, and a form that was tampered with is refused."""

import json
import shutil

import jax
import numpy as np
import pytest
import safetensors.torch
import torch

from prism_photonics.codec.encoding import SHOTS
from prism_photonics.export import schema
from prism_photonics.export.formats import FORMATS, add_formats, parse_formats
from prism_photonics.export.program import load_program
from prism_photonics.export.read import load
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.export.write import write
from prism_photonics.units import InputError

DIMS, K = 12, 5
EXCLUDED = np.zeros((8, 8), bool)
EXCLUDED[3], EXCLUDED[5, 2] = True, True
OF_ROWS = {
    "score_gain": np.linspace(0.9, 1.1, 8),
    "score_offset": np.linspace(-0.1, 0.1, 8),
    "weight_bias": np.linspace(-0.05, 0.03, 8),
    "stuck_weight": np.where(EXCLUDED, 0.4, 0.0),
    "column_of_channel": np.array([3, 0, 7, 2, 1, 6, 5, 4]),
}
DRIFT = {
    "drift_time_s": np.array([1.0, 100.0]),
    "drift_mean": np.full((2, 2, 8), 0.02),
    "drift_common": np.full((2, 8), 0.01),
    "drift_own": np.full((2, 8), 0.03),
}


def asked(bundle, blocks, queries, seed=0, held_in=float):
    """Every input by name, numbers of a precision, as all forms take them, and the NumPy reader's answer."""
    rng = np.random.default_rng(seed)

    def drawn(*shape):
        return rng.standard_normal(shape).astype(held_in).astype(float)

    signatures = drawn(blocks, 2, DIMS) if bundle.encoding == "dual_rail" else drawn(blocks, DIMS)
    shape, query = bundle.error_shape(signatures), drawn(queries, DIMS)
    inputs = {"signatures": signatures, "error": drawn(*shape), "query": query}
    common = np.array(0.6).astype(held_in).astype(float)
    drift = {"drift": drawn(*shape), "common_drift": common} if bundle.longest_s else {}
    numbers = {"error": inputs["error"]} | {name: float(v) if v.ndim == 0 else v for name, v in drift.items()}
    programmed = bundle.program(signatures, 0, **numbers)
    inputs["noise"] = drawn(*bundle.noise_shape(query, programmed))
    t = 30.0 if drift else 0.0
    scores = bundle.read(query, programmed, noise=inputs["noise"], t_since_program_s=t)
    inputs |= drift | ({"t_since_program_s": np.array(t)} if drift else {})
    return inputs, scores, np.argsort(-scores, axis=-1, kind="stable")[:, :K]


@pytest.fixture(scope="module", params=SHOTS)
def whole(request, make_model, tmp_path_factory):
    """A drifting chip with dead rings, a permuted comb, uneven rows and a coarse converter, all forms in double; the
    smaller half without drift.
    """
    drift = DRIFT if request.param != "offset" else {}
    model = make_model(encoding=request.param, adc_bits=5, excluded=EXCLUDED, **OF_ROWS, **drift)
    path = write(model, tmp_path_factory.mktemp("whole") / "bundle")
    add_formats(path, tuple(FORMATS), dims=DIMS, k=K, dtype="float64")
    return path


@pytest.fixture
def exported(whole, tmp_path):
    """The same, for a test to write into."""
    return shutil.copytree(whole, tmp_path / "bundle")


@pytest.fixture(scope="module")
def usual(whole, tmp_path_factory):
    """The same, with the StableHLO program that is written unless another precision is asked for."""
    path = shutil.copytree(whole, tmp_path_factory.mktemp("usual") / "bundle")
    add_formats(path, ("stablehlo",), dims=DIMS, k=K)
    return path


@pytest.fixture(scope="module")
def program(whole):
    """Its StableHLO program as JAX alone reads it: compiled once for sizes that several tests ask for."""
    return jax.export.deserialize(bytearray((whole / "selector.stablehlo").read_bytes()))


def test_onnx_and_stablehlo_give_the_scores_and_blocks_of_numpy(exported, program):
    import onnxruntime

    bundle = load(exported)
    session = onnxruntime.InferenceSession(exported / "selector.onnx")
    for blocks, queries in ((20, 3), (41, 2)):
        inputs, expected, best = asked(bundle, blocks, queries, seed=blocks)
        scores, chosen = session.run(None, inputs)
        assert scores == pytest.approx(expected, abs=1e-5)
        assert np.array_equal(chosen, best)
        scores, chosen = program.call(*inputs.values())
        assert np.asarray(scores) == pytest.approx(expected, abs=1e-5)
        assert np.array_equal(chosen, best)


def test_ties_go_to_the_lower_block_in_every_form(exported, program):
    import onnxruntime

    bundle = load(exported)
    inputs, _, _ = asked(bundle, 64, 2)
    inputs = {name: np.zeros_like(value) for name, value in inputs.items()} | {"query": np.ones((2, DIMS))}
    scores, by_onnx = onnxruntime.InferenceSession(exported / "selector.onnx").run(None, inputs)
    _, by_xla = program.call(*inputs.values())
    assert len(np.unique(scores)) < 10
    expected = np.argsort(-scores, axis=-1, kind="stable")[:, :K]
    assert np.array_equal(by_onnx, expected)
    assert np.array_equal(by_xla, expected)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_a_query_of_zeros_of_either_sign_gets_the_first_living_blocks_in_every_form(exported, program, zero):
    import onnxruntime

    bundle = load(exported)
    inputs, _, _ = asked(bundle, 64, 2)
    inputs["query"] = np.full((2, DIMS), zero)
    signatures = inputs["signatures"]
    first = [0, 1, 2, 4, 5]  # row 3 is dead
    answers = {
        "onnx": onnxruntime.InferenceSession(exported / "selector.onnx").run(None, inputs)[1],
        "stablehlo": program.call(*inputs.values())[1],
        "numpy": bundle.top_k(inputs["query"], signatures, K, seed=3)[1],
    }
    for name, blocks in answers.items():
        assert np.asarray(blocks).tolist() == [first, first], name


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_in_a_graph_what_is_not_finite_scores_nan_and_takes_no_other_querys_blocks(exported, program, bad):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported / "selector.onnx")
    inputs, _, best = asked(load(exported), 40, 4)
    inputs["query"][1, 4] = bad
    for scores, blocks in (session.run(None, inputs), program.call(*inputs.values())):
        assert np.isnan(np.asarray(scores)[1, [0, 1, 2, 4, 5]]).all()
        assert np.asarray(blocks)[1].tolist() == [0, 1, 2, 3, 4]
        assert np.array_equal(np.asarray(blocks)[[0, 2, 3]], best[[0, 2, 3]])
    inputs["signatures"] = inputs["signatures"].copy()
    inputs["signatures"][7] = bad
    for scores, blocks in (session.run(None, inputs), program.call(*inputs.values())):
        assert np.isnan(np.asarray(scores)[:, [0, 1, 2, 4, 5]]).all()
        assert np.asarray(blocks).tolist() == [[0, 1, 2, 3, 4]] * 4


def test_a_step_in_which_nobody_asks_passes_every_graph(exported):
    import onnxruntime

    inputs, _, _ = asked(load(exported), 20, 2)
    inputs["query"], inputs["noise"] = inputs["query"][:0], inputs["noise"][:, :0]
    for scores, blocks in (
        onnxruntime.InferenceSession(exported / "selector.onnx").run(None, inputs),
        load_program(exported)(**inputs),
    ):
        assert (scores.shape, blocks.shape) == ((0, 20), (0, K))


def test_k_may_be_all_blocks_in_every_graph_and_dead_rows_come_last(make_model, tmp_path):
    import onnxruntime

    path = write(make_model(adc_bits=5, excluded=EXCLUDED), tmp_path / "bundle")
    add_formats(path, tuple(FORMATS), dims=DIMS, k=20)
    inputs, expected, _ = asked(load(path), 20, 3)
    best = np.argsort(-expected, axis=-1, kind="stable")
    assert best[:, -3:].tolist() == [[3, 11, 19]] * 3
    assert np.array_equal(onnxruntime.InferenceSession(path / "selector.onnx").run(None, inputs)[1], best)
    assert np.array_equal(load_program(path)(**inputs)[1], best)


def test_a_graph_of_single_precision_is_called_where_jax_has_no_double(exported):
    add_formats(exported, ("onnx", "stablehlo"), dims=DIMS, k=K, dtype="float32")
    inputs, expected, _ = asked(load(exported), 20, 3)
    with jax.enable_x64(False):
        scores, _ = load_program(exported)(**inputs)
    assert scores.dtype == np.float32
    living = np.isfinite(expected)
    assert np.median(np.abs(np.asarray(scores)[living] - expected[living])) < 1e-4


@pytest.mark.parametrize("double", [False, True])
def test_the_usual_program_is_called_by_any_jax_and_chooses_as_numpy_does(usual, double):
    # Numbers of single precision, as models hold them, lose nothing on the way in: a coarse converter's codes are
    # those of double precision, and so are all blocks.
    inputs, expected, best = asked(load(usual), 41, 6, held_in=np.float32)
    program = jax.export.deserialize(bytearray((usual / "selector.stablehlo").read_bytes()))
    with jax.enable_x64(double):
        handed = [np.asarray(value, np.float32) if double else value for value in inputs.values()]
        for scores, blocks in (program.call(*handed), load_program(usual)(**inputs)):
            assert scores.dtype == np.float32
            assert np.asarray(scores) == pytest.approx(expected, rel=1e-6, abs=1e-6)
            assert np.array_equal(blocks, best)


def test_numbers_beyond_a_programs_precision_are_refused(usual):
    inputs, _, _ = asked(load(usual), 20, 3)
    inputs["query"][1, 2] = 1e39
    with pytest.raises(
        InputError, match=r"^query: got numbers beyond 3.4e\+38, the largest of float32.*--dtype float64"
    ):
        load_program(usual)(**inputs)


def test_a_program_that_takes_double_precision_says_so_where_jax_has_none(exported):
    inputs, expected, _ = asked(load(exported), 20, 3)
    program = load_program(exported)
    with jax.enable_x64(False), pytest.raises(InputError, match=r"JAX_ENABLE_X64=1 .*without --dtype") as caught:
        program(**inputs)
    assert "\n" not in str(caught.value)
    assert np.asarray(program(**inputs)[0]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("query", lambda q: q[:, :5], r"query: got shape \(3, 5\), want \(3, 12\)"),
        ("query", lambda q: q[0], r"query: got shape \(12,\), want \(12, 12\)"),
        ("query", lambda q: 1.0, "query: got one number, want an array"),
        ("query", lambda q: q + 1j, "query: got numbers of dtype complex128, want real numbers"),
        ("query", lambda q: None, "query: got numbers of dtype object, want real numbers"),
        ("noise", lambda n: n[:, :2], r"noise: got shape .*, want .*, 3, 20, "),
        ("error", lambda e: e[:19], r"error: got shape \(19, .*, want \(20, "),
        ("signatures", lambda s: s[:4], "signatures: got 4 blocks, want at least k = 5"),
        ("querry", lambda q: q, "querry: got an unknown input, want signatures, error, query, noise.*query"),
    ],
)
def test_what_a_program_is_handed_wrongly_is_refused_by_name(exported, name, change, message):
    inputs, _, _ = asked(load(exported), 20, 3)
    inputs[name] = change(inputs.get(name))
    with pytest.raises(InputError, match=message) as caught:
        load_program(exported)(**inputs)
    assert "\n" not in str(caught.value)


def test_an_input_that_is_left_out_and_a_bundle_without_a_program_are_refused(exported, make_model):
    inputs, _, _ = asked(load(exported), 20, 3)
    del inputs["noise"]
    with pytest.raises(InputError, match="noise: got none, want an array; all inputs are signatures, error"):
        load_program(exported)(**inputs)
    write(make_model(), exported)  # another model drops the forms of the first
    with pytest.raises(InputError, match=r"got no selector\.stablehlo, want one; .*--format stablehlo"):
        load_program(exported)


def test_the_torch_form_is_a_state_dict(exported):
    bundle = load(exported)
    selector = PhotonicSelector(bundle, K, dtype=torch.float64)
    selector.load_state_dict(safetensors.torch.load_file(exported / "selector.safetensors"))
    inputs, expected, best = asked(bundle, 20, 3)
    tensors = {name: torch.as_tensor(value) for name, value in inputs.items()}
    drift = {name: tensors[name] for name in ("drift", "common_drift") if name in tensors}
    selector.program(tensors["signatures"], tensors["error"], **drift)
    scores, chosen = selector(tensors["query"], tensors["noise"], float(inputs.get("t_since_program_s", 0.0)))
    assert scores.numpy() == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(chosen.numpy(), best)


def test_signatures_and_noise_are_inputs_and_no_constant_of_the_graph(exported):
    import onnx

    graph = onnx.load_model_from_string((exported / "selector.onnx").read_bytes()).graph
    names = {value.name for value in graph.input}
    assert {"signatures", "error", "query", "noise"} <= names
    assert not names & {tensor.name for tensor in graph.initializer}


def test_a_form_that_was_edited_cut_or_removed_is_refused_and_a_new_model_drops_it(exported, make_model):
    for name in schema.OTHER_FILES:
        file = exported / name
        whole = file.read_bytes()
        for broken in (whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], whole + b"x"):
            file.write_bytes(broken)
            with pytest.raises(InputError, match=f"{name}: got SHA-256") as caught:
                load(exported)
            assert "\n" not in str(caught.value)
        file.unlink()
        with pytest.raises(InputError, match="no such file"):
            load(exported)
        file.write_bytes(whole)
    assert set(json.loads((exported / schema.DOCUMENT_FILE).read_text())["files"]) == set(schema.OTHER_FILES)
    write(make_model(), exported)
    assert not any((exported / name).exists() for name in schema.OTHER_FILES)


def test_formats_are_named_or_refused(bundle_path):
    assert parse_formats("safetensors") == ()
    assert parse_formats("onnx, torch,onnx,safetensors") == ("onnx", "torch")
    with pytest.raises(InputError, match="did you mean 'onnx'"):
        parse_formats("onxx")
    with pytest.raises(InputError, match="dims 0"):
        add_formats(bundle_path, ("onnx",), dims=0)
