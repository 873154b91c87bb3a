"""`prism plan`: models as their configurations describe them, and what of them ranks."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from prism_photonics.cli.app import app
from prism_photonics.ranking.pretrained import place
from prism_photonics.workflow import plan as planning
from prism_photonics.workflow.plan import read_model
from prism_photonics.workflow.stated_shape import stated_shape

QWEN = {
    "model_type": "qwen2",
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "num_attention_heads": 28,
    "hidden_size": 3584,
}


SIZES = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size")


@pytest.fixture
def prism():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


def written(folder, content):
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("content", "layers", "kv_heads", "query_heads", "head_dim"),
    [
        (QWEN, 28, 4, 28, 128),
        # One latent of 512 and a rotated key of 64 for all heads.
        ({"model_type": "deepseek_v3"}, 61, 1, 128, 576),
        # Five of six layers see a window; the heads are the type's own.
        ({"model_type": "gemma3", "text_config": {"hidden_size": 2560, "num_hidden_layers": 34}}, 5, 4, 8, 256),
        ({"model_type": "jamba"}, 4, 8, 32, 128),
        ({"model_type": "falcon"}, 32, 1, 71, 64),
        ({"model_type": "gpt2"}, 12, 12, 12, 64),
        # Every second layer sees a window.
        ({"model_type": "gpt_neo"}, 12, 16, 16, 128),
        # Attention beside a recurrence, in every layer and in some.
        ({"model_type": "falcon_h1"}, 32, 8, 32, 128),
        ({"model_type": "zamba2"}, 9, 32, 32, 160),
        # A window wider than the longest context.
        ({"model_type": "phi3", "sliding_window": 262_144, "max_position_embeddings": 131_072}, 32, 32, 32, 96),
    ],
)
def test_what_ranks_of_a_model_is_read_from_its_configuration(
    tmp_path, content, layers, kv_heads, query_heads, head_dim
):
    shape = read_model(written(tmp_path, content))
    assert (shape.layers, shape.kv_heads, shape.query_heads, shape.head_dim) == (
        layers,
        kv_heads,
        query_heads,
        head_dim,
    )
    assert read_model(tmp_path) == shape


@pytest.mark.parametrize(
    ("content", "values", "token_bytes"),
    [
        (QWEN, 128, 512),
        # The latent is key and value at once.
        ({"model_type": "deepseek_v3"}, 0, 1152),
        ({"model_type": "mimo_v2_flash", "head_dim": 192, "v_head_dim": 128}, 128, 640),
    ],
)
def test_what_a_token_takes_in_the_cache_is_read_from_its_configuration(tmp_path, content, values, token_bytes):
    shape = read_model(written(tmp_path, content))
    assert (shape.value_dim, shape.token_bytes) == (values, token_bytes)


LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "hidden_size": 576,
    "max_position_embeddings": 8192,
}


@pytest.mark.parametrize(
    "content",
    [
        LLAMA,
        LLAMA | {"head_dim": 128},
        LLAMA | {"head_dim": None},
        LLAMA | {"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 2},
        LLAMA | {"model_type": "qwen2", "head_dim": 32},
        LLAMA | {"model_type": "qwen3", "head_dim": 128},
        LLAMA | {"model_type": "mistral", "sliding_window": None},
        LLAMA | {"model_type": "mixtral", "sliding_window": None},
        LLAMA | {"model_type": "phi3", "sliding_window": None},
        LLAMA | {"layer_types": None, "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    ],
)
def test_a_file_that_states_everything_is_read_as_transformers_reads_it(content):
    stated = stated_shape(content, "here")
    assert stated is not None
    assert stated == planning._with_defaults(content, "here")


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "qwen3"},
        {"model_type": "qwen2", "use_sliding_window": True},
        {"model_type": "qwen2", "sliding_window": "wide"},
        {"model_type": "mistral"},
        {"model_type": "phi3", "sliding_window": 2047},
        {"model_type": "gemma2"},
        {"sliding_window": 7},
        {"layer_types": ["sliding_attention"] * 30},
        {"model_type": "mistral", "sliding_window": None, "attention_layers": ["local"] * 30},
        {"kv_lora_rank": 512, "qk_rope_head_dim": 64},
        {"multi_query": True},
        {"num_kv_heads": 1},
        {"rope_scaling": "linear"},
        {"num_key_value_heads": None},
        {"num_hidden_layers": True},
        {"num_attention_heads": 0},
        {"hidden_size": 577},
        {"hidden_size": "576"},
        {"max_position_embeddings": None},
        {"text_config": {}},
        {"model_type": ["llama"]},
    ],
)
def test_what_a_file_leaves_open_is_left_to_transformers(change):
    assert stated_shape(LLAMA | change, "here") is None


def test_a_plan_of_a_usual_model_loads_neither_transformers_nor_torch(tmp_path):
    words = ["plan", "--model", str(written(tmp_path, LLAMA)), "--context", "8k"]
    code = f"""
import sys
from prism_photonics.cli.app import app
app({words!r}, standalone_mode=False)
assert not {{"torch", "transformers", "jax"}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_the_command_counts_chips_for_a_whole_model(tmp_path, prism):
    model = written(tmp_path, QWEN)
    said = json.loads(prism("plan", "--model", model, "--context", "128k", "--json").stdout)
    assert said["held"]["chips"] == 448
    assert said["loaded"]["chips"] == 1
    assert said["model"]["layers"] == 28
    table = prism(
        "plan", "bank_64x64_dual", "--model", model, "--context", "8192", "--block", "64", "--chips", "7"
    ).stdout
    assert "on bank_64x64_dual" in table
    assert "8,192 tokens × 1 sequence," in table
    assert "cooler" in table
    assert "light does not pay here" in table


def test_a_context_beyond_what_a_model_was_made_for_is_said_to_be_one(tmp_path, prism):
    config = written(tmp_path, QWEN | {"max_position_embeddings": 32_768})
    told = {words: prism("plan", "--model", config, "--context", words).stdout for words in ("32k", "33k")}
    assert "made for" not in told["32k"]
    assert "the model itself was made for 32,768 tokens" in told["33k"]


def test_the_ledger_takes_blocks_signatures_and_heads_of_a_model(tmp_path, prism):
    model = written(tmp_path, QWEN | {"num_hidden_layers": 10})
    words = ("budget", "demo_8x8", "--model", model, "--block", "64", "--dims", "64", "--k", "16", "--json")
    said = json.loads(prism(*words).stdout)["crossover"]
    assert said["workload"]["model"]["name"] == str(model)
    assert said["workload"] | {"model": ""} == {
        "block_tokens": 64, "dims": 64, "chosen": 16, "head_dim": 128, "kv_heads": 40, "model": ""
    }  # fmt: skip
    assert "gpu_d64_int4" in said["assumptions"]
    usual = json.loads(prism("budget", "demo_8x8", "--json").stdout)["crossover"]["workload"]
    assert usual["model"]["name"] == "Qwen2.5-7B"
    assert usual | {"model": ""} == {
        "block_tokens": 128, "dims": 32, "chosen": 32, "head_dim": 128, "kv_heads": 112, "model": ""
    }  # fmt: skip


def test_the_ledger_names_the_model_whose_heads_it_counts(tmp_path, prism):
    model = written(tmp_path, QWEN | {"num_hidden_layers": 10})
    assert "40 KV heads: 10 layers × 4 of " + str(model)[:20] in prism("budget", "demo_8x8", "--model", model).stdout
    assert "112 KV heads: 28 layers × 4 of Qwen2.5-7B" in prism("budget", "demo_8x8").stdout


def test_signatures_longer_than_the_models_keys_are_refused(prism):
    result = prism("budget", "demo_8x8", "--dims", "129")
    assert result.exit_code == 2
    assert "from keys of 128 (Qwen2.5-7B)" in result.stderr
    assert "--model" in result.stderr


def test_the_fetched_model_is_planned_by_its_name_and_its_absence_is_told(tmp_path, prism, monkeypatch):
    monkeypatch.setenv("PRISM_CACHE_DIR", str(tmp_path))
    result = prism("plan", "--model", "smollm2", "--context", "8k")
    assert result.exit_code == 2
    assert "prism lm fetch" in result.stderr
    folder = place.model_folder()
    folder.mkdir(parents=True)
    written(folder, QWEN)
    (folder / place.DONE).write_text("{}")
    assert read_model("smollm2") == read_model(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "no JSON"),
        ("[]", "model_type"),
        ({"model_type": "unheard_of"}, "model_type = 'unheard_of'"),
        (QWEN | {"num_key_value_heads": -4}, "num_key_value_heads = -4"),
        *((QWEN | {name: 0}, f"{name} = 0; want a whole number") for name in SIZES),
        *(({"model_type": "deepseek_v3", name: 0}, f"{name} = 0; want a whole number") for name in SIZES),
        *(({"model_type": "deepseek_v3", "kv_lora_rank": n}, f"kv_lora_rank = {n}; want a whole") for n in (0, -5)),
        ({"model_type": "deepseek_v3", "qk_rope_head_dim": -5}, "qk_rope_head_dim = -5; want a whole number from 0"),
        ({"model_type": "llama", "v_head_dim": "x"}, "v_head_dim = 'x'; want a whole number"),
        ({"model_type": "falcon", "num_kv_heads": 0}, "num_kv_heads = 0; want a whole number"),
        ({"model_type": "gemma3", "text_config": {"head_dim": 0}}, "head_dim = 0; want a whole number"),
        (QWEN | {"head_dim": 64.5}, "head_dim = 64.5; want a whole number"),
        ('{"model_type": "qwen2", "head_dim": NaN}', "head_dim = nan; want a whole number"),
        (QWEN | {"num_hidden_layers": "many"}, "expected int, got str"),
        (QWEN | {"num_hidden_layers": 10**12}, "want a whole number from 1 to 1000000"),
        ({"model_type": "llava", "text_config": QWEN | {"num_hidden_layers": 10**12}}, "from 1 to 1000000"),
        (QWEN | {"num_key_value_heads": 3}, "query heads do not share 3 KV heads evenly"),
        ({"model_type": "mistral"}, "nothing to rank"),
        ({"model_type": "phi3", "sliding_window": 2047, "max_position_embeddings": 4096}, "nothing to rank"),
    ],
)
def test_a_configuration_that_says_no_model_is_refused_in_one_line(tmp_path, prism, content, said):
    result = prism("plan", "--model", written(tmp_path, content), "--context", "128k")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("context", ["0", "-1", "128q", "", "1e3", "nan"])
def test_a_context_that_is_no_number_of_tokens_is_refused(tmp_path, prism, context):
    result = prism("plan", "--model", written(tmp_path, QWEN), f"--context={context}")
    assert result.exit_code == 2
    assert "want tokens such as 128k" in result.stderr
