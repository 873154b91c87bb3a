"""The files of `../shared/data`, of laboratories and measured in public, are understood without an option."""

from pathlib import Path

import numpy as np
import pytest

from prism_photonics.laboratory import read_sweep

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FOUR = [f"channel_{k}" for k in (1, 2, 3, 4)]
LAB_FILES = {
    "rows_doublet.csv": ("SiEPIC rows csv", 5500, FOUR, "dBm"),
    "rows_dark.csv": ("SiEPIC rows csv", 5500, FOUR, "dBm"),
    "testresult_v5.mat": ("MATLAB 5 (testResult)", 5500, FOUR, "dBm"),
    "minmax_loss.csv": ("smallest and largest loss csv", 12_500, ["min loss", "max loss"], "dB"),
    "metres_nan.csv": ("csv", 600, ["channel_1", "channel_2"], "dB"),
    "values.json": ("LabExT json", 2500, ["transmission"], "dBm"),
    **{
        f"bias_{volts}V.csv": ("EHVA or EXFO csv", 500, ["channel_1"], "dBm") for volts in ("0", "0.5", "1", "1.5", "2")
    },
}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not beside this checkout")


@pytest.mark.parametrize("name", LAB_FILES)
def test_what_a_laboratory_wrote_is_understood(name):
    kind, samples, traces, unit = LAB_FILES[name]
    sweep = read_sweep(DATA / "lab_files" / name)
    assert (sweep.format, len(sweep.wl_nm), list(sweep.traces)) == (kind, samples, traces)
    assert {trace.unit for trace in sweep.traces.values()} == {unit}
    assert 1530 < sweep.wl_nm[0] < sweep.wl_nm[-1] < 1560


def test_rows_and_their_matlab_file_are_one_measurement():
    rows, matlab = (read_sweep(DATA / "lab_files" / name) for name in ("rows_doublet.csv", "testresult_v5.mat"))
    np.testing.assert_allclose(matlab.wl_nm, rows.wl_nm, atol=5e-4)
    for name in FOUR:
        assert np.isfinite(rows.traces[name].values).all()
        np.testing.assert_allclose(matlab.traces[name].values, rows.traces[name].values, atol=5.1e-5)


def test_a_failed_alignment_has_noise_alone_and_says_so():
    sweep = read_sweep(DATA / "lab_files" / "rows_dark.csv")
    assert sweep.conditions["alignment_passed"] == 0.0
    assert min(trace.floor_share for trace in sweep.traces.values()) > 0.99


def test_ten_stuck_samples_and_the_bias_are_seen():
    for volts in ("0", "0.5", "1", "1.5", "2"):
        sweep = read_sweep(DATA / "lab_files" / f"bias_{volts}V.csv")
        assert sweep.conditions["bias_V"] == float(volts)
        assert list(np.flatnonzero(np.isnan(sweep.traces["channel_1"].values))) == list(range(10))


def test_public_measurements_are_read_with_every_sample():
    files = sorted((DATA / "measured").glob("*.npz"))
    assert len(files) >= 19
    for path in files:
        sweep = read_sweep(path)
        with np.load(path, allow_pickle=False) as arrays:
            np.testing.assert_array_equal(sweep.wl_nm, arrays["wl_nm"])
            for name in FOUR:
                np.testing.assert_array_equal(sweep.traces[name].values, arrays[f"{name}_dBm"].astype(float))
        # Light came through at some port; the one that nothing is connected to hears noise alone.
        assert min(trace.floor_share for trace in sweep.traces.values()) < 0.1, path.name
        assert sweep.traces["channel_4"].floor_share > 0.95, path.name
