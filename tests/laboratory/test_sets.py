"""Sets of one ring: warmed by the laser's own light, in files whose names tell the power; a file of another ring."""

from pathlib import Path

import numpy as np
import pytest
from laboratory.simulated import FSR_NM, WL0_NM, sweep

from prism_photonics.laboratory.extract import Device, extract, laser_power_of, thermal_over_files
from prism_photonics.laboratory.read import read_sweep
from prism_photonics.units import InputError

PM_PER_MW, PM_PER_MW2 = 12.0, 1.5


@pytest.mark.parametrize(
    ("name", "dBm"),
    [
        ("ring_3dBm.csv", 3.0),
        ("ring_-6.5dBm.csv", -6.5),
        ("ring_0.5mW.npz", -3.0103),
        ("r_2p5mw_a.csv", 3.9794),
        ("ring.csv", None),
        ("ring_0mW.csv", None),
        ("ring_12mWatt.csv", None),
    ],
)
def test_a_name_tells_the_laser_s_power(name, dBm):
    assert laser_power_of(Path(name)) == (dBm if dBm is None else pytest.approx(dBm, abs=1e-3))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """One ring at four powers of the laser."""
    folder, found = tmp_path_factory.mktemp("powers"), []
    for seed, power_mW in enumerate((0.25, 1.0, 2.0, 4.0)):
        place_nm = WL0_NM + 1e-3 * (PM_PER_MW * power_mW + PM_PER_MW2 * power_mW**2)
        wl_nm, through, drop = sweep(
            np.random.default_rng(seed), low_nm=1545.8, high_nm=1548.2, wl0_nm=place_nm, std_nm=0.2e-3
        )
        path = folder / f"ring_{power_mW}mW.npz"
        np.savez(path, wl_nm=wl_nm, through_W=1e-3 * power_mW * through, drop_W=1e-3 * power_mW * drop)
        found.append(extract(read_sweep(path), Device(fsr_nm=FSR_NM), ports=[("through", "1"), ("drop", "2")])[0])
    return found


def test_the_shift_by_the_laser_s_light_is_found_with_its_error(records):
    thermal = thermal_over_files(records)
    assert abs(thermal.pm_per_mW - PM_PER_MW) < 3.0 * thermal.pm_per_mW_std
    assert abs(thermal.pm_per_mW2 - PM_PER_MW2) < 3.0 * thermal.pm_per_mW2_std
    assert thermal.pm_per_mW_std < 2.0
    assert thermal.laser_power_mW == pytest.approx((0.25, 1.0, 2.0, 4.0))


def test_three_powers_tell_a_line(records):
    thermal = thermal_over_files(records[:3])
    assert (thermal.pm_per_mW2, thermal.pm_per_mW2_std) == (0.0, 0.0)
    assert 10.0 < thermal.pm_per_mW < 20.0


def test_a_file_of_another_device_is_refused_by_the_size_that_was_said(tmp_path):
    wl_nm, through, drop = sweep(np.random.default_rng(0), low_nm=1535.0, high_nm=1558.5)
    np.savez(tmp_path / "other.npz", wl_nm=wl_nm, through_W=through, drop_W=drop)
    with pytest.raises(
        InputError,
        match=r"other\.npz: got a comb of 9\.18 nm, which is a group index of 26.* want 1 to 8; another device",
    ):
        extract(read_sweep(tmp_path / "other.npz"), Device(length_um=10.0), ports=[("through", "1"), ("drop", "2")])


def test_two_powers_are_no_set(records):
    assert thermal_over_files(records[:2]) is None
