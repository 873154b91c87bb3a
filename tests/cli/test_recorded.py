"""``prism calibrate --recording`` keeps what a bench said, and ``--bench recorded:FOLDER`` calibrates from it alone."""

import json
from functools import partial

import pytest
import xarray as xr
from typer.testing import CliRunner

from prism_photonics.workflow import session

# Where it lies, and how long this machine took.
TOLD_OF_THE_RUN = ("record", "fit_wait_s")
WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def prism():
    from prism_photonics.cli.app import app

    return lambda *args: CliRunner().invoke(app, [str(arg) for arg in args], env=WIDE)


@pytest.fixture(scope="module")
def spec_toml(small, altered, tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "spec.toml"
    path.write_text(str(altered(small, drive={"max_voltage_V": 20.0})), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_calibration_is_run_again_from_its_recording_without_the_bench(prism, spec_toml, tmp_path, monkeypatch):
    # Fewer held-out targets and settings of the noise study, which take most of the processor time.
    monkeypatch.setattr(session, "validate", partial(session.validate, targets=6, settings=2))
    kept, again, folder = tmp_path / "kept", tmp_path / "again", tmp_path / "folder"
    first = prism(
        "calibrate", spec_toml, "-o", kept, "--bench", "virtual:4", "--seed", 2, "--recording", folder, "--json"
    )
    assert first.exit_code == 0, first.output
    second = prism("calibrate", folder / "spec.toml", "-o", again, "--bench", f"recorded:{folder}", "--json")
    assert second.exit_code == 0, second.output
    one, other = (
        {k: v for k, v in json.loads(done.stdout).items() if k not in TOLD_OF_THE_RUN} for done in (first, second)
    )
    assert one == other
    for name in ("calibration.nc", "validation.nc"):
        same = [xr.load_dataset(place / name, engine="scipy") for place in (kept, again)]
        assert same[0].drop_attrs().identical(same[1].drop_attrs()), name

    wrong = prism("calibrate", spec_toml, "-o", tmp_path / "other", "--bench", f"recorded:{folder}", "--seed", 3)
    assert wrong.exit_code == 2
    assert "run the job that was recorded, with its seed, or measure it" in wrong.stderr


def test_a_folder_without_a_recording_is_refused(prism, spec_toml, tmp_path):
    done = prism("calibrate", spec_toml, "-o", tmp_path / "out", "--bench", f"recorded:{tmp_path / 'none'}")
    assert done.exit_code == 2
    assert "want what 'prism calibrate --recording FOLDER' keeps; check the path" in done.stderr
