"""A file of voltages is held against the chip before any of them is driven."""

import zipfile

import jax
import numpy as np
import pytest

from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.units import InputError
from prism_photonics.workflow.program import write_to_bench

NAN = float("nan")


@pytest.fixture(scope="module")
def chip(small):
    return VirtualChip.fabricate(small, jax.random.key(0))


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "volts.npz", **arrays)
        return tmp_path / "volts.npz"

    return save


def volts(value=1.0, at=(0, 0, 0, 0), shape=(2, 1, 2, 3)):
    array = np.zeros(shape)
    array[at] = value
    return array


def test_a_tile_of_the_file_is_set(chip, save):
    write_to_bench(chip, save(volts_V=volts(-10.0, (1, 0, 1, 2)), predicted=np.zeros(3)), page=1)
    with pytest.raises(InputError, match="page 2, slice 0 is not there; it has pages 0 to 1, slices 0 to 0"):
        write_to_bench(chip, save(volts_V=volts()), page=2)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({}, "lacks volts_V, want -10 to 10 V"),
        ({"volts": volts()}, "lacks volts_V"),
        ({"volts_V": volts(10.001, (1, 0, 0, 0))}, "= 10.001 at page 1, slice 0, row 0, ring 0, want -10 to 10 V"),
        ({"volts_V": volts(NAN)}, "volts_V = nan"),
        ({"volts_V": volts(1e300)}, r"volts_V = 1e\+300"),
        ({"volts_V": volts(shape=(2, 1, 3, 2))}, r"has shape \(2, 1, 3, 2\), want \(page 2, slice 1, row 2, ring 3\)"),
        ({"volts_V": np.zeros((2, 3))}, "has shape"),
        ({"volts_V": np.zeros((0, 1, 2, 3))}, "has shape"),
        ({"volts_V": np.float64(1.0)}, "has shape"),
        ({"volts_V": np.array([["a"]])}, "is of type <U1"),
        ({"volts_V": np.zeros((1, 1, 2, 3), complex)}, "is of type complex128"),
        ({"volts_V": np.array([{}], object)}, "no readable npz"),
    ],
)  # fmt: skip
def test_what_is_no_voltage_of_this_chip_is_refused_and_nothing_is_driven(chip, save, arrays, says):
    before = chip.over_voltage_attempts
    path = save(**arrays)
    with pytest.raises(InputError, match=says) as caught:
        write_to_bench(chip, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert chip.over_voltage_attempts == before


def test_files_that_are_no_archive_of_arrays_are_refused(chip, tmp_path):
    (tmp_path / "text.npz").write_text("volts")
    np.save(tmp_path / "one.npy", volts())
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("volts_V.npy", b"no array")
    for name in ("text.npz", "one.npy", "other.npz", "missing.npz", "."):
        with pytest.raises(InputError, match=r"no readable npz|no array|cannot be read \(") as caught:
            write_to_bench(chip, tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
