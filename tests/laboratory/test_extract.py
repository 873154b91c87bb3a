"""What `prism extract` finds in measured spectra, to the figures that one careful fit of them found."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from laboratory.simulated import sweep
from typer.testing import CliRunner

from prism_photonics.laboratory import extract
from prism_photonics.laboratory.extract import gap_of
from prism_photonics.process.profile import load_profile, read_measured
from prism_photonics.spec import ChipSpec, example_text
from prism_photonics.units import InputError

SHARED = next(
    (up / "shared" / "data" for up in Path(__file__).parents if (up / "shared" / "data" / "measured").is_dir()), None
)
measured = pytest.mark.skipif(
    SHARED is None, reason="the measured spectra (shared/data) do not lie beside this checkout"
)


def called(*args):
    from prism_photonics.cli.app import app

    # The suite's own processes take the cores already.
    given = ["extract", "--workers", "1", *(str(arg) for arg in args)]
    return CliRunner().invoke(app, given, env={"COLUMNS": "300", "NO_COLOR": "1"})


def extracted(*args):
    result = called(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def gaps(tmp_path_factory):
    """The gap series of gaps from 143 nm on."""
    out = tmp_path_factory.mktemp("gaps")
    files = [path for path in sorted((SHARED / "measured").glob("si_gap_*.npz")) if gap_of(path) > 140]
    return extracted(*files, "--ports", "through=2,drop=1,add=3", "--radius-um", 10, "-o", out), out


@measured
def test_the_gap_series_tells_how_its_coupling_decays(gaps):
    law = gaps[0]["gap_law"]
    assert law["decay_nm"] == pytest.approx(62.4, abs=1.5)
    assert law["scatter"] < 0.07
    assert law["loss_dB_turn_median"] == pytest.approx(0.020, abs=0.002)


@measured
def test_every_file_of_the_gap_series_is_explained_to_a_percent(gaps):
    rings = gaps[0]["rings"]
    for file in {row["file"] for row in rings}:
        left = [(row["residual_through"], row["residual_drop"]) for row in rings if row["file"] == file]
        through, drop = np.nanmedian(np.array(left, float), axis=0)
        assert through < 0.013, file
        assert drop < 0.03, file


@measured
def test_rings_of_one_radius_have_one_group_index(gaps):
    n_g = [comb["n_g"] for comb in gaps[0]["combs"]]
    assert np.ptp(n_g) < 0.004


@measured
def test_a_set_leaves_tables_and_pictures(gaps):
    _, out = gaps
    assert {"rings.csv", "extract.nc", "report.html", "trends.svg", "gap_law.svg"} <= {
        path.name for path in out.iterdir()
    }
    rows = list(csv.DictReader((out / "rings.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(gaps[0]["rings"])


@measured
def test_a_narrow_ring_s_quality_is_told_only_with_its_splitting(tmp_path):
    rows = extracted(SHARED / "measured" / "si_rr_mrr3.npz", "--ports", "through=2,drop=1", "-o", tmp_path)["rings"]
    assert np.median([row["q_loaded"] for row in rows]) == pytest.approx(131e3, rel=0.05)


@measured
@pytest.mark.parametrize(("name", "radius_um"), [("sin_r60_g550", 60), ("sin_r50_g575", 50)])
def test_silicon_nitride_combs_are_fitted_over_ninety_nanometres(tmp_path, name, radius_um):
    comb = extracted(SHARED / "measured" / f"{name}.npz", "--radius-um", radius_um, "-o", tmp_path)["comb"]
    assert comb["n_g"] == pytest.approx(1.997, abs=0.005)
    assert comb["dn_g_per_um"] == pytest.approx(-0.42, abs=0.05)
    assert comb["rms_pm"] < 6.5


@measured
def test_files_of_laboratories_give_back_the_truth_that_they_were_made_from(tmp_path):
    found = extracted(SHARED / "lab_files", "--fsr-nm", 9.18, "-o", tmp_path)
    truth = json.loads((SHARED / "lab_files" / "truth.json").read_text(encoding="utf-8"))
    names = {"l0": "wl_nm", "fsr": "fsr_nm", "k2": "kappa2_through", "loss": "loss_dB_turn", "split": "splitting_pm"}
    for file in ("rows_doublet.csv", "testresult_v5.mat", "metres_nan.csv"):
        rows = [row for row in found["rings"] if row["file"] == file]
        row = min(rows, key=lambda one: abs(one["wl_nm"] - truth[file]["l0"]))
        for key, name in names.items():
            if key in truth[file]:
                std = row[f"{name}_std"] or 0.02
                assert abs(row[name] - truth[file][key]) < 2.5 * std + 2e-3 * abs(row[name]) * (key == "fsr"), (
                    file,
                    key,
                )
    assert found["tuning"]["pm_per_mW"] == pytest.approx(
        truth["bias_*.csv"]["pm_per_mW"], abs=2 * found["tuning"]["pm_per_mW_std"]
    )
    assert found["tuning"]["pm_per_mW2"] == pytest.approx(
        truth["bias_*.csv"]["pm_per_mW2"], abs=2 * found["tuning"]["pm_per_mW2_std"]
    )
    assert found["tuning"]["rms_V_pm"] == pytest.approx(15, rel=0.2)


@measured
def test_a_failed_alignment_is_refused_in_one_line(tmp_path):
    result = called(SHARED / "lab_files" / "rows_dark.csv", "-o", tmp_path)
    assert result.exit_code == 2
    assert re.search(r"prism: .*rows_dark\.csv: .*alignment failed.*\n$", result.stderr.splitlines(keepends=True)[-1])


def written(folder, name, *, low_nm=1541.0, high_nm=1553.0, **ring):
    wl_nm, through, drop = sweep(np.random.default_rng(5), low_nm=low_nm, high_nm=high_nm, **ring)
    levels = {f"channel_{n}_dBm": 10 * np.log10(power * 1e-2) for n, power in ((1, drop), (2, through))}
    path = folder / name
    np.savez(path, wl_nm=wl_nm, **levels)
    return path


def test_a_measured_profile_designs_the_next_chip(tmp_path, circles):
    """Rings as the spec draws them are measured; what they tell becomes a film that a spec may name."""
    from prism_photonics.circuit.ring import Ring

    ring = Ring.from_spec(circles, 4)
    fsr_nm = ring.fsr_nm * (1546.9 / 1550.0) ** 2 / 1.01
    files = [
        written(
            tmp_path,
            f"ring_g{gap}.npz",
            fsr_nm=fsr_nm,
            kappa2=0.02 * np.exp(-(gap - 400) / 80),
            loss_dB=0.03,
            wl0_nm=1546.9,
            low_nm=1525.0,
            high_nm=1568.0,
        )
        for gap in (400, 450, 500)
    ]
    out = tmp_path / "measured"
    extracted(*files, "--spec", "circles_8x8", "--device", "channel_4", "-o", out)
    profile = read_measured(str(out / "process.toml"))
    base = load_profile(circles.process)
    assert profile.name == base.name
    assert profile.optics.n_g_along_y.value == pytest.approx(1.01 * base.optics.n_g_along_y.value, rel=3e-3)
    assert profile.optics.coupling_decay_um.value == pytest.approx(0.160, rel=0.03)
    assert profile.optics.loss_dB_cm.value == pytest.approx(0.03 / ring.design.lengths.total_um * 1e4, rel=0.2)
    assert "ring_g400.npz" in profile.optics.coupling_decay_um.source
    assert profile.film == base.film
    spec = tmp_path / "spec.toml"
    spec.write_text(
        example_text("circles_8x8").replace('process = "tfln600"', 'process = "measured/process.toml"'),
        encoding="utf-8",
    )
    chip = ChipSpec.from_toml(spec)
    assert chip.profile == profile
    assert chip.hash != circles.hash


def test_a_measured_profile_refuses_what_no_film_has(tmp_path):
    path = tmp_path / "process.toml"
    path.write_text(
        'base = "tfln600"\n[optics]\nn_g_along_z = { value = 2.0, source = "measured" }\n', encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"no key 'n_g_along_z'; did you mean"):
        read_measured(str(path))


def test_what_was_fitted_before_is_not_fitted_again(tmp_path):
    file, out = written(tmp_path, "ring.npz"), tmp_path / "out"
    first = extracted(file, "-o", out)
    (out / "ring.npz.svg").unlink()
    assert extracted(file, "-o", out) == first
    assert not (out / "ring.npz.svg").exists()


def test_files_that_are_fitted_side_by_side_tell_what_they_tell_one_by_one(tmp_path):
    for seed in range(3):
        wl_nm, through, drop = sweep(np.random.default_rng(seed), low_nm=1545.0, high_nm=1549.0, kappa2=0.02)
        np.savez(tmp_path / f"ring_{seed}.npz", wl_nm=wl_nm, through_W=through, drop_W=drop)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "ring_0.npz").read_bytes()[:100])
    (tmp_path / "twice.npz").write_bytes((tmp_path / "ring_1.npz").read_bytes())
    lines = {}
    for workers in ("1", "2"):
        result = called(tmp_path, "--workers", workers, "-o", tmp_path / workers)
        assert result.exit_code == 0, result.stderr
        lines[workers] = result.stderr.splitlines()
        assert len([path for path in (tmp_path / workers / "parts").iterdir()]) == 3
    assert lines["1"] == lines["2"]
    assert lines["1"][0].startswith(f"[1/5] {tmp_path / 'cut.npz'}: ")
    assert (
        lines["1"][4]
        == f"[5/5] {tmp_path / 'twice.npz'}: the same as {tmp_path / 'ring_1.npz'}, want each structure once; left out"
    )
    for name in ("rings.csv", "extract.json", "ring_2.npz.svg"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_rings_that_all_lie_on_each_other_are_kept_with_a_word_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "apart", lambda rings: [None] * len(rings))
    result = called(written(tmp_path, "ring.npz"), "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "rings lie on each other's lines at every order: what is told of each may be another's" in result.stderr


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--radius-um", "nan"), "nan is not a finite number"),
        (("--length-um", "inf"), "inf is not a finite number"),
        (("--gap-nm", "nan"), "nan is not a finite number"),
        (("--fsr-nm", "inf"), "inf is not a finite number"),
        (
            ("--radius-um", "10", "--length-um", "60"),
            "--radius-um 10 and --length-um 60: got both, want one size; leave one of them out",
        ),
        (("--device", "channel_0"), "--device 'channel_0': got no spec, want the chip that has it; give it with"),
        (("--blur-pm", "-1"), "not in the range"),
        (
            ("--manifest", "manifest.csv", "--balance-dB", "0.1"),
            "--balance-dB with --manifest: got both, want what the drawing says; leave it out",
        ),
    ],
)
def test_a_size_that_cannot_be_or_is_given_twice_is_refused_before_a_file_is_read(tmp_path, options, line):
    result = called(tmp_path / "none.csv", "-o", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert line in result.stderr
    assert not (tmp_path / "out").exists()


def test_one_structure_given_twice_counts_once(tmp_path):
    file = written(tmp_path, "ring.npz")
    copy = tmp_path / "copy.npz"
    copy.write_bytes(file.read_bytes())
    result = called(file, copy, "-o", tmp_path / "out")
    assert "the same as" in result.stderr
    assert re.search(
        r"\[1/2\] ring.npz: npz; \d+ wavelengths from 15\d\d\.\d{3} to .* nm, steps of [\d.]+ pm, levels in",
        result.stderr,
    )
    assert "in 1 file\n" in result.stdout


@pytest.mark.parametrize(
    ("ports", "line"),
    [("through", "want PORT=CHANNEL"), ("drop=9", "mend the ports"), ("add=1", "neither through nor drop")],
)
def test_wrong_ports_are_refused(tmp_path, ports, line):
    result = called(written(tmp_path, "ring.npz"), "--ports", ports, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert line in result.stderr
