"""`prism budget`: its JSON contract, its plot, and what it refuses."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from prism_photonics.budget.baselines import baselines

BASELINES = {"gpu_full_scan", "gpu_d32_bf16", "gpu_d32_int4", "gpu_l2_int4", "ann", "sram_asic"}


@pytest.fixture(scope="module")
def prism():
    from prism_photonics.cli.app import app

    def call(*args):
        return CliRunner().invoke(app, [str(arg) for arg in args])

    return call


@pytest.fixture
def refused(prism):
    def call(*args):
        result = prism("budget", *args)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("prism: ")
        return result.stderr

    return call


@pytest.fixture
def edited(layouts, tmp_path):
    def make(old, new):
        text = (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")
        assert text.count(old) == 1
        (tmp_path / "spec.toml").write_text(text.replace(old, new), encoding="utf-8")
        return tmp_path / "spec.toml"

    return make


@pytest.fixture(scope="module")
def answers(prism, layouts):
    def answer(name):
        result = prism("budget", layouts / name / "spec.toml", "--json")
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        # No NaN, no Infinity: those are not JSON.
        return json.loads(result.stdout, parse_constant=pytest.fail)

    return {name: answer(name) for name in ("demo_8x8", "paper_32x256")}


@pytest.mark.parametrize("name", ["demo_8x8", "paper_32x256"])
def test_json_keeps_its_contract(answers, name):
    found = answers[name]
    assert {"link", "score_snr_dB", "latency_ns", "energy_pJ", "crossover_tokens"} <= found.keys()
    for row in found["link"]:
        assert row.keys() == {"element", "loss_dB", "cumulative_dBm", "paper_dBm", "source"}
    for table in ("latency_ns", "energy_pJ"):
        assert "total" in found[table]
        for columns in found[table].values():
            assert columns.keys() == {"paper", "derived"}
    assert found["crossover_tokens"].keys() == BASELINES
    for case in found["crossover"]["cases"].values():
        assert case["energy"].keys() == case["latency"].keys() == BASELINES
        assert all(
            tokens is None or tokens % 128 == 0 for tokens in [*case["energy"].values(), *case["latency"].values()]
        )


def test_the_papers_point_shows_the_papers_column(answers):
    found = answers["paper_32x256"]
    assert found["link"][-1]["paper_dBm"] == pytest.approx(-15.9, abs=0.05)
    assert found["latency_ns"]["total"]["paper"] == 9
    for total in (931, 1570, 2290):
        assert found["energy_pJ"][f"paper_{total}"] == pytest.approx({"paper": total, "derived": total})
    assumed = {entry["name"]: entry["assumption"] for entry in found["entries"]}
    assert all(assumed[f"paper_{total}"].startswith("reconstructed") for total in (931, 1570, 2290))


def test_another_chip_shows_none(answers):
    found = answers["demo_8x8"]
    assert all(row["paper_dBm"] is None for row in found["link"])
    assert all(columns["paper"] is None for columns in found["energy_pJ"].values())
    assert not any(name.startswith("paper_") for name in found["energy_pJ"])


def test_the_text_says_the_same_level_and_the_same_total(prism, layouts, answers):
    result = prism("budget", layouts / "paper_32x256" / "spec.toml")
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    detector = next(line for line in lines if line[0] == "detector")
    assert float(detector[2]) == pytest.approx(answers["paper_32x256"]["link"][-1]["cumulative_dBm"], abs=0.01)
    assert detector[3] == "-15.90"


@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("deep/p.pdf", b"%PDF")])
def test_the_plot_is_a_picture_of_the_kind_its_name_says(prism, layouts, tmp_path, name, magic):
    result = prism("budget", layouts / "demo_8x8" / "spec.toml", "-o", tmp_path / name)
    assert result.exit_code == 0, result.output
    assert (tmp_path / name).read_bytes().startswith(magic)
    assert (tmp_path / name).stat().st_size > 5_000


def test_the_figure_shows_every_baseline_and_four_photonic_cases(paper):
    from prism_photonics.report.ledger import SHOWN, selection

    figure = selection(paper)
    energy, latency = figure.axes
    assert [line.get_label() for line in energy.get_lines()][: len(BASELINES)] == list(baselines())
    assert len(energy.get_lines()) == len(latency.get_lines()) == len(BASELINES) + len(SHOWN) + 1
    assert energy.get_xscale() == energy.get_yscale() == "log"
    figure.draw_without_rendering()
    (legend,) = figure.legends
    left, right = legend.get_window_extent().intervalx
    assert 0.0 <= left < right <= figure.bbox.width


def test_budget_loads_neither_jax_nor_a_layout_tool_nor_matplotlib(layouts):
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from prism_photonics.cli.app import app\n"
        f"result = CliRunner().invoke(app, ['budget', {str(layouts / 'demo_8x8' / 'spec.toml')!r}])\n"
        "assert result.exit_code == 0, result.output\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'jax', 'sax', 'equinox', 'gdsfactory', 'matplotlib', 'klayout', 'torch'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tec_W = 1.0 ", "tec_mW = 1.0 ", "unknown key 'system.tec_mW'; did you mean 'tec_W'?"),
        ("laser_wall_plug = 0.1 ", "laser_wall_plug = 1.5 ", "system.laser_wall_plug = 1.5: input should be less"),
        ("laser_wall_plug = 0.1 ", "laser_wall_plug = 0.0 ", "system.laser_wall_plug = 0.0: input should be greater"),
        ("query_rate_Hz = 112e3 ", "query_rate_Hz = 0.0 ", "system.query_rate_Hz = 0.0: input should be greater"),
        ("query_rate_Hz = 112e3 ", "query_rate_Hz = nan ", "system.query_rate_Hz = nan: input should be a finite"),
        ("query_rate_Hz = 112e3 ", "query_rate_Hz = 1e9 ", "system.query_rate_Hz = 1e+09: shots and loads would keep"),
        ("queries_per_program = 1.0 ", "queries_per_program = 0.5 ", "system.queries_per_program = 0.5: input should"),
        ("topk_ns = 5.0 ", "", "missing key 'system.topk_ns'; add it"),
    ],
)
def test_a_wrong_system_table_is_refused_by_its_place(refused, edited, old, new, message):
    assert message in refused(edited(old, new))


def test_a_spec_without_a_system_table_is_refused(refused, layouts, tmp_path):
    text = (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")
    (tmp_path / "spec.toml").write_text(text.partition("[system]")[0], encoding="utf-8")
    assert "missing table [system]" in refused(tmp_path / "spec.toml")


def test_a_plot_of_no_known_kind_or_in_no_folder_is_refused(refused, layouts, tmp_path):
    spec = layouts / "demo_8x8" / "spec.toml"
    assert "got '.gif', want a name that ends in .png, .svg, .pdf; rename it" in refused(spec, "-o", tmp_path / "p.gif")
    assert "got '', want a name" in refused(spec, "-o", tmp_path / "p")
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in refused(spec, "-o", tmp_path / "file" / "p.png")


def test_a_chip_that_ships_is_asked_for_by_name(prism, layouts):
    named, read = prism("check", "demo_8x8"), prism("check", layouts / "demo_8x8" / "spec.toml")
    assert named.exit_code == 0
    assert named.stdout == read.stdout
    unknown = prism("check", "demo_9x9")
    assert unknown.exit_code == 2
    assert "Shipped: bank_32x256, bank_64x64_dual, circles_8x8, demo_8x8" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1
