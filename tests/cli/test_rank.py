"""``prism rank --model`` and ``prism needle train`` as a user calls them."""

import json

import pytest
import typer
from typer.testing import CliRunner

from prism_photonics.cli.ranking import numbers
from prism_photonics.export.write import write
from prism_photonics.units import InputError

WIDE = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture(scope="module")
def prism():
    from prism_photonics.cli.app import app

    def call(*args):
        return CliRunner().invoke(app, [str(arg) for arg in args], env=WIDE)

    return call


@pytest.fixture
def bundle_path(make_model, tmp_path):
    return write(make_model(channels=32, adc_bits=12, encoding="two_shot"), tmp_path / "bundle")


def test_the_table_is_printed_as_json_and_written_with_its_plots(prism, bundle_path, tmp_path):
    result = prism(
        "rank", bundle_path, "--model", "needle", "--context", "256,512", "--block", "16", "--selectors",
        "mean_key,photonic_mean_key,random", "--trials", 4, "--sweeps", "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert rows == json.loads((tmp_path / "out" / "table.json").read_text())
    assert {row["context"] for row in rows} == {256, 512}
    wanted = {
        *("selector", "context", "block", "k", "chance", "accuracy", "accuracy_low", "accuracy_high", "hit", "recall"),
        *("mass_coverage", "tokens_read", "delta_nll", "trials"),
    }
    assert all(wanted <= row.keys() for row in rows)
    assert [row["k"] for row in rows[:4]] == [16, 2, 2, 2]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "contexts_block16.svg", "sweeps.svg", "table.json",
    ]  # fmt: skip
    assert "quote no row with fewer than 100" in result.stderr


def test_the_table_is_printed_for_people(prism, bundle_path):
    result = prism(
        "rank", bundle_path, "--model", "needle:plain", "--context", "256", "--k", "1,2", "--selectors", "bound",
        "--trials", 2,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["selector", "context", "block", "k"]
    assert [line.split()[0] for line in lines[1:]] == ["full", "bound", "full", "bound"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--model", "nowhere"), "no config.json there"),
        (("--model", "needle", "--context", "256", "--k", "16"), "want 1 to 15"),
        (
            ("--model", "needle", "--context", "256,64k"),
            "got 65536 tokens, want at most 65534 here: the model has no more",
        ),
        (("--model", "needle", "--context", "256", "--selectors", "best"), "selector 'best': unknown"),
        (("--k", "8,16"), "want one without --model"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(prism, bundle_path, args, message):
    result = prism("rank", bundle_path, *args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_numbers_may_be_written_in_k():
    assert numbers("1k, 4K,100", "--context") == (1024, 4096, 100)
    for wrong in ("", "1,,2", "x", "0", "1e3", "-4"):
        with pytest.raises(typer.BadParameter):
            numbers(wrong, "--context")


def test_needle_train_writes_a_model_that_rank_can_ask(prism, bundle_path, tmp_path):
    result = prism("needle", "train", tmp_path / "m", "--kind", "plain", "--seconds", 1, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["kind"] == "plain"
    asked = prism(
        "rank", bundle_path, "--model", tmp_path / "m", "--context", "256", "--selectors", "random", "--trials", 2
    )
    assert asked.exit_code == 0, asked.output
    assert prism("needle", "train", tmp_path / "m", "--kind", "best").exit_code == 2


def test_an_exported_bundle_is_what_the_circuit_option_wants_not_any_folder(tmp_path):
    from prism_photonics.workflow.circuit import circuit_reader

    with pytest.raises(InputError, match="no such file"):
        circuit_reader(tmp_path)


def test_the_papers_table_needs_no_bundle(prism):
    rows = json.loads(prism("rank", "--paper-mode", "--json", "--seed", 3).stdout)
    assert len(rows) == 13
    assert all(abs(row["mean"] - row["quoted"]) < 5 * row["error"] + 0.01 for row in rows)
    printed = prism("rank", "--paper-mode").stdout.splitlines()
    assert printed[0].split()[-1] == "paper"
    assert len(printed) == 14
    assert "give the folder" in prism("rank").output
