"""``prism yield``: what it refuses, what it leaves, and how it goes on."""

import json

import pytest
from typer.testing import CliRunner

WIDE = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture(scope="module")
def prism():
    from prism_photonics.cli.app import app

    return lambda *args: CliRunner().invoke(app, [str(arg) for arg in args], env=WIDE)


@pytest.fixture(scope="module")
def spec(small, altered, tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "spec.toml"
    path.write_text(str(altered(small, drive={"max_voltage_V": 20.0})))
    return path


@pytest.fixture(scope="module")
def studied(prism, spec, tmp_path_factory):
    out = tmp_path_factory.mktemp("yield")
    result = prism("yield", spec, "--dies", "9", "--workers", "1", "--verify", "0", "-o", out, "--json")
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_a_study_leaves_its_dies_its_numbers_and_a_page_with_all_pictures(studied):
    out, said = studied
    pictures = {f"{name}.svg" for name in ("wafer", "killers", "trimming", "recall", "variance", "tornado")}
    assert {path.name for path in out.iterdir()} == pictures | {"dies.bin", "dies.csv", "yield.json", "yield.html"}
    assert json.loads((out / "yield.json").read_text()) == said
    page = (out / "yield.html").read_text()
    assert page.count("<img src='data:image/svg+xml;base64,") == len(pictures)
    assert "<script" not in page
    assert said["yield_low"] <= said["yield"] == said["good"] / 9 <= said["yield_high"]
    assert "no die was verified" in said["warnings"][0]
    assert said["warnings"][0] in page
    assert {one["name"] for one in said["sensitivities"]} >= {"thickness_nm", "gap_nm", "loss_log", "temperature_K"}


def test_every_die_is_one_line_of_the_table(studied):
    out, said = studied
    head, *lines = (line.split(",") for line in (out / "dies.csv").read_text().splitlines())
    assert [int(line[0]) for line in lines] == list(range(9))
    assert sum(int(line[head.index("good")]) for line in lines) == said["good"]


def test_the_same_command_goes_on_from_what_is_on_file(prism, spec, studied):
    out, said = studied
    before = (out / "dies.bin").stat().st_mtime_ns
    result = prism("yield", spec, "--dies", "9", "--workers", "1", "--verify", "0", "-o", out)
    assert result.exit_code == 0
    assert "9 of 9 dies are on file" in result.stderr
    assert "warning: no die was verified" in result.stderr
    assert f"{said['good']} of 9 dies good" in result.stdout
    assert "killed by" in result.stdout
    assert (out / "dies.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--dies", "0"], "prism: yield: dies = 0, want 1 to"),
        (["--dies", "10"], "holds the dies of another study"),
        (["--dies", "9", "--k", "2"], "prism: yield: k = 2, want 1 to 1"),
        (["--dies", "9", "--fab", "nowhere.toml"], "prism: nowhere.toml: cannot read the fabrication line"),
        (["--dies", "9", "--seed", "1"], "holds the dies of another study"),
        (["--dies", "2", "--wafers", "3"], "a wafer holds"),
    ],
)
def test_what_cannot_be_studied_is_refused_in_one_line(prism, spec, studied, args, told):
    result = prism("yield", spec, "--workers", "1", "--verify", "0", "-o", studied[0], *args)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("prism:")]) == 1


def test_a_spec_that_fails_as_designed_is_refused_before_a_die_is_drawn(prism, tmp_path):
    result = prism("yield", "paper_32x256", "--dies", "1000", "-o", tmp_path)
    assert result.exit_code == 2
    assert "paper_32x256: not feasible" in result.stderr
    assert "no die drawn: the design itself fails; mend it, or give --anyway" in result.stderr
    assert not (tmp_path / "dies.bin").exists()
