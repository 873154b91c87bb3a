"""``prism track``: an hour of service in little, its records and its plot, resumed after a kill."""

import json

import jax
import pytest
from typer.testing import CliRunner

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.record import write_record
from prism_photonics.calibration.survey import take_survey
from prism_photonics.characterize.stability import StabilityTest
from prism_photonics.chip.virtual import VirtualChip

WIDE = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
SHORT = ("--minutes", "0.2", "--interval", "1", "--check", "6", "--json")


@pytest.fixture(scope="module")
def prism():
    from prism_photonics.cli.app import app

    return lambda *args: CliRunner().invoke(app, [str(arg) for arg in args], env=WIDE)


@pytest.fixture(scope="module")
def record(small, tmp_path_factory):
    """A die's record whose fit knows the design alone: how true the weights are is for tests/calibrate."""
    folder = tmp_path_factory.mktemp("record")
    survey = take_survey(VirtualChip.fabricate(small, jax.random.key(4)), small, key=jax.random.key(0), settings=4)
    calibration = blank_calibration(small, triggers=16)
    write_record(folder / "calibration.nc", calibration, survey, small, bench="virtual:4", seed=4)
    return folder


@pytest.fixture(scope="module")
def tracked(prism, record, tmp_path_factory):
    out = tmp_path_factory.mktemp("track")
    result = prism("track", record, "-o", out, *SHORT)
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_every_mode_has_its_line_its_record_and_a_place_in_the_plot(tracked):
    out, said = tracked
    assert [row["mode"] for row in said["modes"]] == ["none", "common", "full"]
    assert sorted(path.name for path in out.iterdir()) == ["common.nc", "full.nc", "none.nc", "track.png"]
    assert (out / "track.png").read_bytes().startswith(b"\x89PNG")
    for row in said["modes"]:
        hour = StabilityTest.read(out / f"{row['mode']}.nc")
        assert hour.time_s == [0.0, 1.0, 2.0, 5.0, 6.0, 10.0, 12.0]
        assert hour.summary() == row
        assert 0.0 <= row["duty"] < row["duty_laboratory"] < 0.1 or row["mode"] == "none"
    assert [row["triggers"] for row in said["modes"]] == [0, 24, 24]


def test_what_is_done_is_not_done_again(prism, record, tracked):
    out, said = tracked
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.nc")}
    result = prism("track", record, "-o", out, *SHORT, "--resume")
    assert json.loads(result.stdout) == said
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.nc")} == before


def test_another_run_in_its_place_is_refused(prism, record, tracked):
    out, _ = tracked
    result = prism("track", record, "-o", out, "--minutes", "0.3", "--interval", "1", "--check", "6", "--resume")
    assert result.exit_code == 2
    assert "choose another folder with -o, or leave out --resume" in result.stderr


def test_a_killed_hour_goes_on_and_ends_as_if_nothing_had_stopped_it(prism, record, tracked, tmp_path, monkeypatch):
    _, said = tracked

    def full(*more):
        return prism("track", record, "-o", tmp_path, "--mode", "full", *SHORT, *more)

    write = StabilityTest.write

    def killed(self, path, spec):
        write(self, path, spec)
        if len(self.time_s) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(StabilityTest, "write", killed)
    assert full().exit_code == 130
    monkeypatch.setattr(StabilityTest, "write", write)
    assert len(StabilityTest.read(tmp_path / "full.nc").time_s) == 4
    assert (tmp_path / "full.jsonl").read_bytes().count(b'"A"') > 10
    assert json.loads(full("--resume").stdout)["modes"] == said["modes"][2:]
    assert not (tmp_path / "full.jsonl").exists()


def test_a_ring_at_the_limit_is_named_with_the_option_that_frees_it_and_the_option_does(
    prism, record, tracked, tmp_path, monkeypatch
):
    from prism_photonics.drift.tracker import Tracker

    monkeypatch.setattr(Tracker, "pinned", property(lambda tracker: [(1, 2)]))
    result = prism("track", record, "-o", tmp_path, "--mode", "full", *SHORT, "--share", "0.5")
    assert result.exit_code == 0, result.output
    assert "ring 2 of row 1 needs more than the drive's limit to be held true; hold less of" in result.stderr
    assert "with --share 0.4, or raise drive.max_voltage_V in the spec" in result.stderr
    whole = StabilityTest.read(tracked[0] / "full.nc").span
    assert StabilityTest.read(tmp_path / "full.nc").span == pytest.approx(0.5 * whole)
    result = prism("track", record, "-o", tmp_path, "--mode", "full", *SHORT, "--resume")
    assert result.exit_code == 2
    assert "choose another folder with -o" in result.stderr


def test_nothing_to_resume_is_said_in_one_line_that_names_the_place(prism, record, tmp_path):
    result = prism("track", record, "-o", tmp_path, "--mode", "none", *SHORT, "--resume")
    assert result.exit_code == 0, result.output
    said = f"--resume: {tmp_path / 'none.jsonl'} holds no reading, so there is nothing to go on from; this begins anew"
    assert said in result.stderr.splitlines()


def test_the_test_of_another_die_is_neither_taken_for_this_ones_nor_overwritten(
    prism, small, record, tracked, tmp_path
):
    out, _ = tracked
    survey = take_survey(VirtualChip.fabricate(small, jax.random.key(5)), small, key=jax.random.key(0), settings=4)
    write_record(
        tmp_path / "calibration.nc", blank_calibration(small, triggers=16), survey, small, bench="virtual:5", seed=5
    )
    before = (out / "none.nc").read_bytes()
    for more in ([], ["--resume"]):
        result = prism("track", tmp_path, "-o", out, *SHORT, *more)
        assert result.exit_code == 2
        assert "none.nc: holds the test of another chip, of bench virtual:4, this is virtual:5" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert (out / "none.nc").read_bytes() == before


@pytest.mark.parametrize("extra", [{}, {"bench": ""}])
def test_a_record_that_does_not_say_where_its_chip_is_wants_it_said(prism, small, record, tmp_path, extra):
    """No other die stands in for it."""
    survey = take_survey(VirtualChip.fabricate(small, jax.random.key(4)), small, key=jax.random.key(0), settings=4)
    folder = tmp_path / "record"
    write_record(folder / "calibration.nc", blank_calibration(small, triggers=16), survey, small, **extra)
    result = prism("track", folder, "-o", tmp_path / "out", *SHORT)
    assert result.exit_code == 2
    assert "does not say on which bench its chip is; give it as --bench" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    result = prism("track", folder, "-o", tmp_path / "out", "--mode", "none", *SHORT, "--bench", "virtual:4")
    assert result.exit_code == 0, result.output


def test_a_second_track_into_one_folder_is_refused_before_it_measures(prism, record, tmp_path):
    from prism_photonics.workflow.bench import sole_folder

    with sole_folder(tmp_path):
        for mode in ("none", "full", "all"):
            result = prism("track", record, "-o", tmp_path, "--mode", mode, *SHORT)
            assert result.exit_code == 2
            assert f"the folder {tmp_path} is in use by another program (process" in result.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["journal.lock"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mode", "some"), "--mode some: unknown; use one of none, common, full, all"),
        (
            ("--bench", "virtual:5"),
            "was calibrated on virtual:4; leave out --bench, or calibrate the other chip with 'prism",
        ),
    ],
)
def test_what_cannot_be_is_one_line(prism, record, tmp_path, options, message):
    result = prism("track", record, "-o", tmp_path, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_without_a_record_is_one_line(prism, tmp_path):
    result = prism("track", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "no such file" in result.stderr
