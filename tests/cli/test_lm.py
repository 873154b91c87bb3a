"""``prism lm`` as a user calls it: a table of a model in a folder, and what is missing told in one line."""

import json
import string

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from prism_photonics.cli.models import lines
from prism_photonics.export.write import write
from prism_photonics.ranking.needle.models import load_model


@pytest.fixture
def prism(monkeypatch, tmp_path):
    from prism_photonics.cli.app import app

    monkeypatch.setenv("PRISM_CACHE_DIR", str(tmp_path / "cache"))
    return lambda *args: CliRunner().invoke(app, ["lm", *map(str, args)], env={"COLUMNS": "300", "NO_COLOR": "1"})


@pytest.fixture
def bundle_path(make_model, tmp_path):
    return write(make_model(channels=32, adc_bits=12, encoding="two_shot"), tmp_path / "bundle")


@pytest.fixture
def model_path(tmp_path):
    """The needle model with a tokenizer of one token per letter."""
    tokenizer = Tokenizer(
        models.WordLevel({"<s>": 0} | {c: 1 + i for i, c in enumerate(string.printable)}, unk_token="<s>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>").save_pretrained(tmp_path / "model")
    load_model("needle")[0].save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_in_a_folder_is_asked_and_goes_on_only_with_the_same_question(prism, model_path, bundle_path, tmp_path):
    out = tmp_path / "out"
    asked = ["ask", bundle_path, "-o", out, "--model", model_path, "--context", "512", "--block", "16", "--texts", "2"]
    asked += ["--task", "pass_key", "--selectors", "oracle,photonic_mean_key"]
    result = prism(*asked, "--json")
    rows = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [row["selector"] for row in rows] == ["full", "oracle 16", "photonic_mean_key 16"]
    assert rows[1]["tokens_read"] < rows[0]["tokens_read"]
    assert json.loads((out / "table.json").read_text()) == rows
    head, *lines = prism(*asked).stdout.splitlines()  # the same table in print, without asking anew
    assert [line.split()[1] for line in lines] == ["full", "oracle", "photonic_mean_key"]
    assert {len(line) for line in (head, *lines)} == {len(head)}
    other = prism(*asked, "--seed", "1")
    assert other.exit_code == 2
    assert "seed 0, want 1; name another folder" in other.stderr
    law = prism(*asked, "--haystack", "licence")
    assert law.exit_code == 2
    assert "name another folder" in law.stderr  # nor is a question hidden in another text
    dies = prism(*asked, "--die", bundle_path)
    assert dies.exit_code == 2
    assert "name another folder" in dies.stderr  # two dies are not one


def test_what_is_wrong_is_told_before_the_first_text(prism, model_path, bundle_path, tmp_path):
    asked = ["ask", bundle_path, "-o", tmp_path / "out", "--model", model_path]
    for wrong, told in (
        (("--task", "pass_key,passkey"), "task 'passkey': unknown"),
        (("--haystack", "license"), "haystack 'license': unknown, want one of help, licence; did you mean 'licence'?"),
        (("--context", "1k,1000k"), "--context: got 1024000"),
        (("--context", "64k"), "--context: got 65536 tokens, want at most 65408 here: question and answer take places"),
        (("--dense-layers", "2"), "--dense-layers: got 2, want fewer than the model's 2 layers"),
        (("--context", "1k,512"), "--block: got 128 for 512 tokens"),
    ):
        result = prism(*asked, *wrong)
        assert result.exit_code == 2
        assert told in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_loss_that_rounds_to_nothing_has_no_minus_before_it():
    numbers = dict.fromkeys(("chance", "all_right", "low", "high", "text_low", "text_high", "tokens_right"), 0.5)
    numbers |= {"delta_nll": -0.004, "nll_low": -0.0049, "nll_high": -0.0, "tokens_read": 9.0, "recall": 1.0}
    row = numbers | {"task": "text", "selector": "oracle 64", "context": 64, "coverage": 1.0, "trials": 4, "texts": 2}
    head, line = lines([row])
    assert "+0.00 +0.00 to +0.00" in line
    assert "-0.00" not in line
    assert len(head) == len(line)
    assert " -0.01 -0.02 to +0.00" in lines([row | {"delta_nll": -0.006, "nll_low": -0.02}])[1]


def test_a_model_that_was_not_fetched_is_told_in_one_line(prism, bundle_path, tmp_path):
    result = prism("ask", bundle_path, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "prism lm fetch" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_folder_without_a_tokenizer_is_told(prism, bundle_path, tmp_path):
    load_model("needle")[0].save_pretrained(tmp_path / "model")
    result = prism("ask", bundle_path, "-o", tmp_path / "out", "--model", tmp_path / "model")
    assert result.exit_code == 2
    assert "no tokenizer.json" in result.stderr


def test_how_a_text_goes_on_is_not_printed_as_an_answer():
    numbers = dict.fromkeys(("chance", "all_right", "low", "high", "text_low", "text_high", "tokens_right"), 0.5)
    numbers |= dict.fromkeys(("delta_nll", "nll_low", "nll_high", "tokens_read", "recall", "coverage"), 1.0)
    row = numbers | {"selector": "oracle 64", "context": 64, "trials": 4, "texts": 2}
    head, asked, text = lines([row | {"task": "pass_key"}, row | {"task": "text"}])
    start, end = head.index("right") - 1, head.index("by text") + len("by text")
    assert asked[start:end].split() == ["0.50", "0.50–0.50", "0.50–0.50"]
    assert text[start:end].split() == ["–"] * 3
    assert len(head) == len(asked) == len(text)
