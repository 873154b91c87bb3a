"""``prism lm`` as a user calls it: what is missing is told in one line."""

import pytest
from typer.testing import CliRunner

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
