"""`prism measure`: files as a laboratory writes them, gone on with where they were ended, and no truth in them."""

import csv
import re

import numpy as np
import pytest
from laboratory.dies import small_text

from prism_photonics.budget.ring import ring_figures
from prism_photonics.chip.draft import draft_served
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.sweptlaser import SweptLaser
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.laboratory.manifest import chosen_structures, read_manifest
from prism_photonics.laboratory.read import read_sweep
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError
from prism_photonics.workflow import measure, measure_bench, sweep_folder
from prism_photonics.workflow.measure import Request, run, wavelengths_nm

GUIDES = "loopback,reference,cutback"


@pytest.fixture(scope="module")
def spec_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "spec.toml"
    path.write_text(small_text(), encoding="utf-8")
    return path


def silent(line: str) -> None:
    assert "\n" not in line


@pytest.fixture(scope="module")
def guides(spec_path, tmp_path_factory):
    """The guides of die 4, measured without a break."""
    folder = tmp_path_factory.mktemp("guides")
    return run(Request(spec_path, "virtual:4", structures=GUIDES, step_pm=5.0), folder, say=silent)


def test_every_file_is_one_that_the_readers_know_by_units_in_its_names(guides):
    assert [path.name for path in guides.files] == ["loopback.npz", "reference.npz", "cutback_1.npz", "cutback_2.npz"]
    for path in guides.files:
        sweep = read_sweep(path)
        assert list(sweep.traces) == ["channel_1"]
        assert sweep.traces["channel_1"].unit == "dBm"
        # As on the data sheet: how far off a sweep's axis is usually, not how far this one is.
        assert sweep.conditions == {"laser_power_dBm": 0.0, "wavelength_accuracy_nm": 1e-3}
        assert sweep.step_nm == pytest.approx(5e-3, abs=1e-6)


def test_light_of_a_loopback_is_the_lasers_less_two_couplers(guides):
    level = float(np.median(read_sweep(guides.out / "loopback.npz").traces["channel_1"].values))
    assert level == pytest.approx(-2.0 * 2.0, abs=0.6)


def test_the_manifest_beside_the_files_is_that_of_the_drawing(guides, tmp_path):
    structures = read_manifest(guides.out / "manifest.csv")
    assert {one.file for one in structures} >= {path.stem for path in guides.files}
    assert [one.name for one in chosen_structures(structures, "rows")] == ["row_0", "row_1"]
    lines = list(csv.DictReader((guides.out / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    assert sum(line["kind"] == "test_ring" for line in lines) == 10


def test_no_file_holds_what_a_laboratory_does_not_know(guides):
    for path in guides.files:
        with np.load(path) as arrays:
            assert sorted(arrays.files) == ["channel_1_dBm", "laser_power_dBm", "wavelength_accuracy_pm", "wl_nm"]
    text = (guides.out / "sweep.toml").read_text(encoding="utf-8")
    assert not re.search(r"kappa|loss|n_g|splitting|jitter", text)


def test_a_sweep_that_was_ended_goes_on_and_ends_as_one_that_was_not(guides, spec_path, tmp_path, monkeypatch):
    # The whole sweep in several stretches, of which the third one of the second structure is never reached.
    monkeypatch.setattr(sweep_folder, "BLOCK", 900)
    request = Request(spec_path, "virtual:4", structures=GUIDES, step_pm=5.0)
    whole = run(request, tmp_path / "whole", say=silent)
    written = measure.write_bytes
    count = 0

    def dying(path, content):
        nonlocal count
        count += 1
        if count == 8:
            raise KeyboardInterrupt
        written(path, content)

    monkeypatch.setattr(measure, "write_bytes", dying)
    with pytest.raises(KeyboardInterrupt):
        run(request, tmp_path / "ended", say=silent)
    assert (tmp_path / "ended" / "loopback.npz").is_file()
    assert not (tmp_path / "ended" / "cutback_1.npz").exists()
    assert sorted(path.name for path in (tmp_path / "ended" / "parts").glob("reference.*"))
    monkeypatch.setattr(measure, "write_bytes", written)
    again = run(request, tmp_path / "ended", say=silent)
    assert [path.name for path in again.kept] == ["loopback.npz"]
    for one, other in zip(whole.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert not (tmp_path / "ended" / "parts").exists()


def test_what_else_is_measured_does_not_change_a_structure(guides, spec_path, tmp_path):
    alone = run(Request(spec_path, "virtual:4", structures="cutback_2", step_pm=5.0), tmp_path, say=silent)
    assert alone.files[0].read_bytes() == (guides.out / "cutback_2.npz").read_bytes()


def test_a_sweep_holds_four_resonances_of_each_ring_at_a_step_that_resolves_them(spec_path):
    spec = ChipSpec.from_toml(spec_path)
    wl_nm = wavelengths_nm(spec, Request(spec_path, "virtual:0"))
    assert np.ptp(wl_nm) > 4.0 * ring_figures(spec).fsr_nm
    assert 1e3 * np.diff(wl_nm)[0] < 12.5 / 10.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"structures": "gap_swep"}, "got 'gap_swep', want all, or some of .*; did you mean 'gap_sweep'"),
        ({"bench": "virtual:-1"}, "unknown bench"),
        ({"from_nm": 1300.0}, "--from-nm 1300 --to-nm .*: want from below to, both within the laser's 1400 to 1700 nm"),
        ({"from_nm": 1560.0, "to_nm": 1550.0}, "want from below to"),
        ({"step_pm": 0.01}, "--step-pm 0.01: want 0.1 to 20 pm"),
        ({"from_nm": 1550.0, "to_nm": 1550.1, "step_pm": 10.0}, "got 11 wavelengths, want 100 to"),
        ({"film": "tfln700"}, "unknown profile 'tfln700'"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(spec_path, tmp_path, given, said):
    with pytest.raises(InputError, match=said) as caught:
        run(Request(**{"spec": spec_path, "bench": "virtual:0", **given}), tmp_path / "out", say=silent)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*.npz")) if (tmp_path / "out").exists() else True


def test_a_folder_keeps_to_one_die_and_one_laser(guides, spec_path):
    before = {path.name: path.read_bytes() for path in guides.out.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"bench was 'virtual:4', is now 'virtual:5'"):
        run(Request(spec_path, "virtual:5", structures=GUIDES, step_pm=5.0), guides.out, say=silent)
    with pytest.raises(InputError, match=r"step_pm was 5\.0, is now 2\.0"):
        run(Request(spec_path, "virtual:4", structures=GUIDES, step_pm=2.0), guides.out, say=silent)
    assert {path.name: path.read_bytes() for path in guides.out.iterdir() if path.is_file()} == before


def test_spectra_of_others_are_not_written_over(spec_path, tmp_path):
    (tmp_path / "reference.npz").write_bytes(b"somebody's")
    with pytest.raises(InputError, match=r"got npz files and no sweep.toml"):
        run(Request(spec_path, "virtual:0", structures=GUIDES, step_pm=5.0), tmp_path, say=silent)
    assert (tmp_path / "reference.npz").read_bytes() == b"somebody's"


# ---------------------------------------------------------------- a bench of instruments

NEAR = {"structures": "all", "step_pm": 5.0}


@pytest.fixture
def bench_toml(spec_path, tmp_path):
    """A served die with a laser, and its bench file: ``bench_toml(light=…)`` writes another."""
    spec = ChipSpec.from_toml(spec_path)
    die = VirtualChip(spec, seed=4, light="tunable_laser", laser=TunableLaser.ideal())
    box = ServedChip(die, idn=f"prism_photonics,{spec.name},virtual:4", time_scale=0.0)
    with serving(box) as resource:

        def make(light="tunable_laser", **changes):
            text = draft_served(spec, int(resource.split("::")[2]), light=light)
            for before, after in changes.items():
                assert before in text
                text = text.replace(before, after)
            path = tmp_path / f"{light}.toml"
            path.write_text(text, encoding="utf-8")
            return str(path)

        yield make
    assert (box.over_voltage_attempts, box.over_power_attempts) == (0, 0)


def lines_of(spec_path, **given):
    """The first line and a half nanometre about it."""
    first_nm = 1e3 * float(ChipSpec.from_toml(spec_path).comb_design.wl_um[0])
    return {"from_nm": round(first_nm - 1.0, 2), "to_nm": round(first_nm + 1.0, 2), **NEAR, **given}


def test_the_rows_on_a_bench_are_those_of_the_virtual_die(bench_toml, spec_path, tmp_path):
    """The same files, and light that meets the same rings; a second run keeps them."""
    request = Request(spec_path, bench_toml(), **lines_of(spec_path))
    found = run(request, tmp_path / "bench", say=silent)
    assert [path.name for path in found.files] == ["row_0.npz", "row_1.npz"]
    quiet = SweptLaser(jitter_pm=0.0, zero_pm=0.0, scale=0.0, ripple_dB=0.0, imbalance_dB=0.0, trend_dB_nm=0.0)
    wanted = run(
        Request(spec_path, "virtual:4", **lines_of(spec_path, structures="row_0,row_1"), laser=quiet),
        tmp_path / "virtual", say=silent,
    )  # fmt: skip
    for one, other in zip(found.files, wanted.files, strict=True):
        with np.load(one) as bench, np.load(other) as virtual:
            # What a laser's axis may be off by is known of a virtual one alone.
            assert sorted([*bench.files, "wavelength_accuracy_pm"]) == sorted(virtual.files)
            assert bench["wl_nm"] == pytest.approx(virtual["wl_nm"], abs=1e-3)
            for port in ("channel_1_dBm", "channel_2_dBm"):
                # A level apart, which no file of powers knows, the spectra are one; triggers come a little late.
                bench_mW, virtual_mW = (10.0 ** (0.1 * arrays[port]) for arrays in (bench, virtual))
                share = (bench_mW @ virtual_mW) / (virtual_mW @ virtual_mW)
                assert bench_mW / share == pytest.approx(virtual_mW, abs=0.05 * virtual_mW.max())
    assert (tmp_path / "bench" / "manifest.csv").read_bytes() == (tmp_path / "virtual" / "manifest.csv").read_bytes()
    assert list(read_sweep(found.files[0]).traces) == ["channel_1", "channel_2"]
    again = run(request, tmp_path / "bench", say=silent)
    assert again.kept == found.files


def test_a_bench_that_was_ended_goes_on_after_the_last_stretch(bench_toml, spec_path, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_folder, "BLOCK", 150)
    request = Request(spec_path, bench_toml(), **lines_of(spec_path))
    written = measure_bench.write_bytes

    def dying(path, content):
        if path.name == "bus_0.0003.npz":
            raise KeyboardInterrupt
        written(path, content)

    monkeypatch.setattr(measure_bench, "write_bytes", dying)
    with pytest.raises(KeyboardInterrupt):
        run(request, tmp_path / "ended", say=silent)
    assert sorted(p.name for p in (tmp_path / "ended" / "parts").iterdir()) == ["bus_0.0001.npz", "bus_0.0002.npz"]
    monkeypatch.setattr(measure_bench, "write_bytes", written)
    said = []
    found = run(request, tmp_path / "ended", say=said.append)
    assert [line for line in said if "stretch 1 of 3" in line or "stretch 2 of 3" in line] == []
    with np.load(found.files[1]) as arrays:
        assert arrays["wl_nm"].size == arrays["channel_2_dBm"].size == 401
        assert (np.diff(arrays["wl_nm"]) > 0.0).all()
    assert not (tmp_path / "ended" / "parts").exists()


@pytest.mark.parametrize(
    ("light", "given", "said"),
    [
        ("comb", {}, "light.kind = 'comb', want 'tunable_laser'"),
        ("tunable_laser", {"structures": "gap_sweep"}, "gap_sweep has no instruments in .*; want rows, such as row_0"),
        ("tunable_laser", {"from_nm": 1450.0}, r"measure: 1450.0000 nm is outside the laser's range"),
        ("tunable_laser", {"film": "tfln600"}, "holds a real die, want no film; leave --film out"),
    ],
)
def test_what_a_bench_cannot_measure_is_one_line_and_nothing_is_written(
    bench_toml, spec_path, tmp_path, light, given, said
):
    with pytest.raises(InputError, match=said) as caught:
        run(Request(spec_path, bench_toml(light), **lines_of(spec_path, **given)), tmp_path / "out", say=silent)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_bench_that_subtracts_before_its_meters_is_told(bench_toml, spec_path, tmp_path):
    pairs = bench_toml(**{'balanced = ["ch1", "ch2"], gains = [1.0, 1.07]': "first_channel = 1"})
    with pytest.raises(InputError, match="row 0 has no channel of its through and its drop port, want both apart"):
        run(Request(spec_path, pairs, **lines_of(spec_path)), tmp_path / "out", say=silent)


def test_a_die_with_the_full_truth_has_no_spectra_here(spec_path, tmp_path):
    with pytest.raises(InputError, match=r"no full truth and no recording, want virtual:SEED or a bench\.toml"):
        run(Request(spec_path, "virtual:0,full"), tmp_path / "out", say=silent)
