"""The main job on the demonstrator: one run, and everything that it promises."""

import base64
import html.parser
import json
import os
import re
import stat
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

pytestmark = pytest.mark.slow

SEED = 0
STAGES = ("dark", "power", "resonance", "tuning", "rows")
STEPS = ["check", "simulate", "calibrate", "program", "draw", "export", "rank", "report"]
FILES = {
    "spec.json",
    "summary.json",
    "report.html",
    *(f"record/{name}" for name in ("calibration.nc", "validation.nc", "drift.nc")),
    *(f"record/stages/{name}.{kind}" for name in (*STAGES, "trim") for kind in ("nc", "png")),
    *(f"layout/chip.{kind}" for kind in ("gds", "oas", "lyp", "html", "png")),
    *(
        f"layout/{name}"
        for name in (
            "manifest.csv",
            "netlist.yaml",
            "row.pic.yml",
            "chip.pic.yml",
            "ring.glb",
            "row.glb",
            "lvs.json",
            "drc.lyrdb",
            "tapeout.md",
            "bonding.pdf",
        )
    ),
    *(f"bundle/{name}" for name in ("bundle.json", "bundle.safetensors")),
}


def prism(*args):
    from prism_photonics.cli.app import app

    return CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "300"})


def answer(*args):
    """What a command prints with --json."""
    result = prism(*args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def ran(layouts, tmp_path_factory):
    """``prism run --json`` on the demonstrator, once, by a user whose files others may not read."""
    folder = tmp_path_factory.mktemp("run") / "made" / "by the run"
    umask = os.umask(0o027)
    try:
        result = prism("run", layouts / "demo_8x8" / "spec.toml", "--seed", SEED, "-o", folder, "--json")
    finally:
        os.umask(umask)
    assert result.exit_code == 0, result.output
    summary = json.loads((folder / "summary.json").read_text(), parse_constant=pytest.fail)
    return SimpleNamespace(folder=folder, stdout=result.stdout, stderr=result.stderr, summary=summary)


@pytest.fixture(scope="module")
def again(ran, layouts):
    """The same die, calibrated a second time by ``prism calibrate``."""
    record = ran.folder.parent / "again"
    printed = answer("calibrate", layouts / "demo_8x8" / "spec.toml", "-o", record, "--bench", f"virtual:{SEED}")
    return SimpleNamespace(record=record, printed=printed)


@pytest.fixture(scope="module")
def page(ran):
    class Page(html.parser.HTMLParser):
        """Every tag's name and attributes, and the text between them."""

        def __init__(self):
            super().__init__()
            self.tags, self.text = [], ""

        def handle_starttag(self, tag, attrs):
            self.tags.append((tag, dict(attrs)))

        def handle_data(self, data):
            self.text += data

    page = Page()
    page.feed((ran.folder / "report.html").read_text(encoding="utf-8"))
    return page


# ---------------------------------------------------------------- the summary


def test_the_summary_holds_the_numbers_of_every_step(ran, demo):
    summary = ran.summary
    assert summary["feasible"] is True
    assert 0.0 < summary["row_solver_vs_sax_max_error"] < 1e-9
    assert 0.0 < summary["layout_vs_design_max_error"] < 1e-9
    assert summary["accuracy_bits"] >= 7.0
    assert summary["die"] == f"virtual:{SEED}"
    assert "accuracy_bits_of_model_class" not in summary
    assert 1.0 < summary["readings_per_ring"] < 1000.0
    assert summary["seed"] == SEED
    assert summary["spec_hash"] == demo.hash
    assert summary["out_of_reach"] == 0
    assert list(summary["time_s"]) == [*STEPS, "total"]
    steps_s = [summary["time_s"][step] for step in STEPS]
    assert min(steps_s) >= 0.0
    assert summary["time_s"]["total"] == pytest.approx(sum(steps_s), abs=1e-2)
    for what in ("recall", "recall_vs_ideal"):
        found = summary[what]
        assert found.keys() == {"ideal", "behavioral", "chip", "chance", "k", "blocks"}
        assert (found["k"], found["blocks"], found["chance"]) == (8, 64, 0.125)


def test_stdout_is_the_summary_and_nothing_else(ran):
    assert json.loads(ran.stdout) == ran.summary


def test_every_step_is_told_on_stderr_in_its_order(ran):
    lines = ran.stderr.splitlines()
    assert lines[0] == f"demo_8x8: 8 × 8, seed {SEED}"
    steps, told = lines[1 : len(STEPS) + 1], lines[len(STEPS) + 1 :]
    assert [line.split()[0] for line in steps] == STEPS
    assert all(re.search(r"\(\d+\.\d s\)$", line) for line in steps)
    assert told == [f"warning: {warning}" for warning in ran.summary["warnings"]]
    assert [line[:34] for line in told] == ["warning: on films 2 nm rms off (va"]  # of the film's thickness alone


def test_the_chip_and_its_model_choose_nearly_what_the_float_scorer_chooses(ran):
    recall, versus_ideal = ran.summary["recall"], ran.summary["recall_vs_ideal"]
    assert recall["ideal"] > 4 * recall["chance"]
    for scorer in ("behavioral", "chip"):
        assert recall[scorer] == pytest.approx(recall["ideal"], abs=0.03)
        assert versus_ideal[scorer] > 0.9
    assert recall["behavioral"] == pytest.approx(recall["chip"], abs=0.03)
    assert versus_ideal["behavioral"] == pytest.approx(versus_ideal["chip"], abs=0.03)
    assert versus_ideal["ideal"] == 1.0


def test_the_chip_finds_the_needle_on_every_kv_head(ran):
    lines = {(line["scorer"], line["kv_head"]): line for line in ran.summary["by_kv_head"]}
    assert {scorer for scorer, _ in lines} == {"ideal", "behavioral", "chip"}
    for head in (0, 1):
        assert lines["chip", head]["hit"] >= 0.97
        assert lines["behavioral", head]["hit"] >= 0.97
        assert lines["chip", head]["chance"] == 0.125
        assert lines["chip", head]["hit_low"] <= lines["chip", head]["hit"] <= lines["chip", head]["hit_high"]


# ---------------------------------------------------------------- the files


def test_the_run_leaves_its_files_and_no_others(ran):
    found = {str(path.relative_to(ran.folder)) for path in ran.folder.rglob("*") if path.is_file()}
    assert found == FILES
    assert all((ran.folder / name).stat().st_size > 100 for name in FILES)


def test_files_are_as_readable_as_the_umask_says(ran):
    for path in (ran.folder, *ran.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path


def test_the_spec_that_the_run_leaves_is_the_spec_that_it_was_given(ran, demo):
    found = type(demo).model_validate_json((ran.folder / "spec.json").read_text())
    assert found == demo


def test_the_same_seed_gives_the_same_record_byte_for_byte(ran, again):
    records = (path for path in again.record.rglob("*") if path.suffix in (".nc", ".png"))
    for name in (path.relative_to(again.record) for path in records):
        assert (again.record / name).read_bytes() == (ran.folder / "record" / name).read_bytes(), name
    assert again.printed["accuracy_bits"] == ran.summary["accuracy_bits"]


def test_a_calibration_tells_its_precision_its_time_and_that_no_voltage_was_too_high(again):
    assert again.printed["precision_bits"] > 11
    open_loop, *corrected = again.printed["closed_loop_bits"]
    assert open_loop == pytest.approx(again.printed["accuracy_bits"], abs=0.4)
    assert len(corrected) == 2
    assert min(corrected) > open_loop
    assert 1.0 < again.printed["wall_time_s"] < 600.0
    assert again.printed["excluded_rings"] == []
    assert again.printed["over_voltage_attempts"] == 0


# ---------------------------------------------------------------- the report


def test_the_report_says_that_this_die_has_no_more_than_the_fit_knows(ran):
    raw = (ran.folder / "report.html").read_text(encoding="utf-8")
    assert f"{ran.summary['accuracy_bits']:.1f} bits</b>" in raw
    assert "of a die of the fit's own model class (<code>prism run --full</code>" in raw
    assert f"Virtual die <code>virtual:{SEED}</code>" in raw


def test_a_die_of_an_unknown_truth_is_refused_before_anything_is_written(demo, tmp_path):
    from prism_photonics.units import InputError
    from prism_photonics.workflow.job import run

    with pytest.raises(InputError, match="fulll"):
        run(demo, tmp_path / "out", truth="fulll")
    assert not (tmp_path / "out").exists()


def test_the_report_opens_offline(ran, page):
    references = [attrs[name] for _, attrs in page.tags for name in ("src", "srcset", "data") if name in attrs]
    links = [attrs["href"] for _, attrs in page.tags if "href" in attrs]
    assert len(references) == 5
    assert links == ["layout/chip.html"]
    assert (ran.folder / links[0]).is_file()  # a page that the same run wrote
    assert all(reference.startswith("data:image/") for reference in references)
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    raw = (ran.folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(|https?://|file://", raw)
    for reference in references:
        kind, content = reference.split(";base64,")
        image = base64.b64decode(content, validate=True)
        if kind == "data:image/png":
            assert image.startswith(b"\x89PNG")
        else:
            assert image.rstrip().endswith(b"</svg>")
            assert all(link.startswith(b"#") for link in re.findall(rb'href="([^"]*)"', image))
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")


def test_the_report_shows_the_numbers_of_the_summary(ran, page):
    summary = ran.summary
    for shown in (
        f"{summary['accuracy_bits']:.1f} bits",
        f"{summary['readings_per_ring']:.0f}",
        f"{summary['needle_hit']['chip']:.3f}",
        f"{summary['recall_vs_ideal']['chip']:.3f}",
        f"{summary['row_solver_vs_sax_max_error']:.1e}",
        f"{summary['layout_vs_design_max_error']:.1e}",
        summary["spec_hash"][:12],
        "chance",
    ):
        assert shown in page.text
    for finding in summary["feasibility"]["findings"]:
        assert finding["rule"].replace("_", " ") in page.text
    for line in summary["by_kv_head"]:
        assert f"{line['recall']:.3f}" in page.text


# ---------------------------------------------------------------- the behavioral model against new measurements


@pytest.fixture(scope="module")
def held_out(ran, demo):
    """New random targets and queries on the same die, programmed with the calibration that the run wrote."""
    import jax

    from prism_photonics.calibration.record import read_record
    from prism_photonics.characterize.accuracy import validate
    from prism_photonics.chip.virtual import VirtualChip

    calibration, spec, _ = read_record(ran.folder / "record" / "calibration.nc")
    assert spec == demo
    chip = VirtualChip.fabricate(spec, jax.random.key(SEED))
    # The die's noise starts anew when it is made anew; a few readings move it off what the run saw.
    chip.measure(np.ones(chip.channels), averages=12345)
    return validate(chip, calibration, spec, key=jax.random.key(987654321))


@pytest.fixture(scope="module")
def bundle(ran):
    from prism_photonics.export.read import load

    return load(ran.folder / "bundle")


def test_the_models_weight_error_is_that_of_targets_never_seen_before(held_out, bundle, ran):
    from prism_photonics.characterize.accuracy import Validation

    seen = Validation.read(ran.folder / "record" / "validation.nc")
    assert not np.isin(held_out.commanded, seen.commanded).any()
    error = held_out.measured - held_out.commanded
    # The mean over many readings has an error of its own, which is not the chip's.
    rms = np.sqrt(np.mean((error - bundle.weight_bias) ** 2 - held_out.measured_std**2))
    assert np.sqrt(np.mean(bundle.weight_error_std**2)) == pytest.approx(rms, rel=0.10)


def test_the_models_read_noise_is_that_of_queries_never_seen_before(held_out, bundle):
    from prism_photonics.codec.encoding import quantizer_step

    lit = held_out.light[:, None, :]
    variance = (
        bundle.noise_floor**2
        + bundle.noise_shot**2 * lit.sum(-1)
        + bundle.noise_rin**2 * (lit**2 * held_out.weights**2).sum(-1)
    )
    step = quantizer_step(held_out.adc_bits, -held_out.adc_full_scale, held_out.adc_full_scale)
    assert np.abs(held_out.reads).max() < held_out.adc_full_scale.min()  # nothing clips
    measured = held_out.reads.var(axis=1, ddof=1) - step**2 / 12.0
    assert np.sqrt(variance.mean()) == pytest.approx(np.sqrt(measured.mean()), rel=0.10)


def test_the_accuracy_holds_on_targets_never_seen_before(held_out, ran):
    assert held_out.accuracy_bits == pytest.approx(ran.summary["accuracy_bits"], abs=0.5)


# ---------------------------------------------------------------- the same job, command by command


def test_programming_the_record_turns_the_cache_into_voltages(again, demo, tmp_path):
    from prism_photonics.ranking.keys import KeyCache
    from prism_photonics.ranking.signatures import mean_key

    signatures = mean_key(KeyCache.load().keys, block=16)[0, 0]
    np.save(tmp_path / "signatures.npy", signatures)
    found = answer("program", again.record, tmp_path / "signatures.npy", "-o", tmp_path / "volts.npz")
    assert (found["pages"], found["slices"]) == (8, 4)
    assert found["out_of_reach"] == []
    with np.load(tmp_path / "volts.npz") as tiles:
        assert tiles["volts_V"].shape == (8, 4, 8, 8)
        assert np.abs(tiles["volts_V"]).max() <= demo.drive.max_voltage_V
        assert np.abs(tiles["residual"]).max() == found["residual_max"] < 2e-3


def test_exporting_and_ranking_command_by_command_gives_the_runs_numbers(ran, tmp_path):
    found = answer("export", ran.folder / "record", "-o", tmp_path / "bundle")
    for name in ("bundle.json", "bundle.safetensors"):
        assert (tmp_path / "bundle" / name).read_bytes() == (ran.folder / "bundle" / name).read_bytes()
    assert {name: found[name] for name in ran.summary["behavior"]} == ran.summary["behavior"]
    ranked = answer("rank", tmp_path / "bundle", "--seed", SEED)
    assert ranked == [line for line in ran.summary["by_kv_head"] if line["scorer"] != "chip"]


def test_drawing_by_command_gives_the_runs_drawing(ran, layouts, tmp_path):
    found = answer("layout", layouts / "demo_8x8" / "spec.toml", "-o", tmp_path)
    assert (tmp_path / "chip.gds").read_bytes() == (ran.folder / "layout" / "chip.gds").read_bytes()
    assert found["layout_vs_design_max_error"] < 1e-9
    assert (found["drc_violations"], found["faults"], found["lvs"]["structural"]) == (0, [], 0)
    assert list(found["time_s"]) == ["draw", "write", "lvs", "drc", "picture"]
    assert found["spec_hash"] == ran.summary["spec_hash"]


def test_simulating_by_command_gives_the_runs_number_and_a_spectrum(ran, layouts, tmp_path):
    drawn = ran.folder / "layout" / "chip.gds"
    found = answer("simulate", layouts / "demo_8x8" / "spec.toml", "--seed", SEED, "-o", tmp_path, "--layout", drawn)
    assert found["layout"] == {
        "differences": [],
        "resonance_max_pm": 0.0,
        "weight_max_change": 0.0,
        "rows": [],
        "broken_rows": {},
    }
    assert found["row_solver_vs_sax_max_error"] == ran.summary["row_solver_vs_sax_max_error"]
    assert np.shape(found["weights_at_rest"]) == (8,)
    assert (tmp_path / "spectrum.svg").read_text().rstrip().endswith("</svg>")


# ---------------------------------------------------------------- the exported model


def test_the_exported_model_is_true_of_a_die_that_its_fit_never_saw(ran, tmp_path):
    """Another die, calibrated alike: its errors, its noise and its recall are those that the bundle foretells."""
    found = answer("export", ran.folder / "record", "-o", tmp_path / "bundle", "--check", 1)
    assert found["check_noise_ratio"] == pytest.approx(1, abs=0.05)
    for name in ("gaussian", "real"):
        assert found[f"check_{name}_ks_p"] > 0.01, name
        assert found[f"check_{name}_recall_model"] == pytest.approx(found[f"check_{name}_recall_chip"], abs=0.01)
        assert found[f"check_{name}_recall_chip"] > 0.9
    from prism_photonics.export.read import load

    report = load(tmp_path / "bundle").report
    assert {name: value for name, value in found.items() if name.startswith("check_")} == {
        name: value for name, value in report.items() if name.startswith("check_")
    }


def test_a_check_on_the_die_that_was_fitted_is_refused(ran, tmp_path):
    refused = prism("export", ran.folder / "record", "-o", tmp_path / "bundle", "--check", SEED)
    assert refused.exit_code == 2
    assert "the fit saw this very die" in refused.stderr


def test_programmed_weights_drift_and_the_bundle_knows_it(ran):
    from prism_photonics.export.read import load

    bundle = load(ran.folder / "bundle")
    rng = np.random.default_rng(0)
    signatures, query = rng.standard_normal((64, 8)), rng.standard_normal((40, 8))
    errors = [
        np.std(bundle.scores(query, signatures, 1, t_since_program_s=t) - query @ signatures.T)
        for t in (0.0, 1.0, 10.0, 100.0)
    ]
    assert errors == sorted(errors)
    # A tenth of the ring voltages' pull is gone after the film's fast relaxation.
    assert errors[3] > 3 * errors[0]
