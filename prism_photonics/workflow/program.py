"""From signatures to voltages: scaled for recall, cut into tiles, programmed within limits, and set on a bench."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.calibration.record import read_record
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.codec.encoding import RAILS, rails
from prism_photonics.codec.tiling import tiles
from prism_photonics.files import write_bytes
from prism_photonics.files.arrays import open_file, read_npy, read_npz
from prism_photonics.files.fields import Number, require_arrays, require_range
from prism_photonics.programming.scale import choose_scale
from prism_photonics.programming.tiles import WeightRange, program_tiles
from prism_photonics.ranking.compare import K
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError, nearest
from prism_photonics.workflow.accuracy import load_accuracy

LARGEST_SIGNATURE = 1e100
"""Squares of signatures, and sums of them, stay numbers."""


def program_signatures(record: Path, signatures: Path, out: Path, *, scale: str | float = "best") -> dict[str, Any]:
    """Voltages of an array of signatures for a calibrated chip, written to an npz file.

    Args:
        record: Folder that `job.calibrate_and_validate` wrote.
        signatures: A ``.npy`` file of shape (blocks, dims).
        out: The ``.npz`` file.
        scale: The signature magnitude that is written as the full weight: a number; ``"max"``, the largest; or
            ``"best"``, the one with the highest expected recall (`choose_scale`). What is beyond it is clipped
            and counted.

    Returns:
        Tiles, scale, largest residual and the targets out of reach.

    Raises:
        InputError: A damaged record, NaN signatures, an unknown scale, or a place that cannot be written.
    """
    calibration, spec, _ = read_record(record / "calibration.nc")
    accuracy = load_accuracy(record)
    array = _read_signatures(signatures)
    encoding, weight_range = spec.modulator.encoding, accuracy.weight_range
    full, expected = _signature_scale(
        array, scale, validation=accuracy.validation, weight_range=weight_range, spec=spec
    )
    grid = tiles(np.clip(array / full, -1.0, 1.0), rows=spec.chip.rows, channels=spec.chip.rings // RAILS[encoding])
    grid = rails(grid, encoding)
    done = program_tiles(calibration, grid.reshape(-1, *grid.shape[2:]), weight_range=weight_range).programmed
    volts_V, predicted, residual = (a.reshape(grid.shape) for a in (done.volts, done.predicted, done.residual))
    buffer = io.BytesIO()
    np.savez(buffer, volts_V=volts_V, predicted=predicted, residual=residual)
    write_bytes(out, buffer.getvalue())
    return {
        "volts": str(out),
        "pages": grid.shape[0],
        "slices": grid.shape[1],
        "signature_scale": full,
        "clipped_share": float((np.abs(array) > full).mean()),
        **expected,
        "residual_max": float(np.abs(done.residual).max()),
        "out_of_reach": [str(missed) for missed in done.out_of_reach],
    }


def _signature_scale(
    array: np.ndarray, scale: str | float, *, validation: Validation, weight_range: WeightRange, spec: ChipSpec
) -> tuple[float, dict[str, Any]]:
    """The scale in the signatures' unit, and where it was chosen the recall expected of it and of the largest."""
    largest = float(np.abs(array).max()) or 1.0
    if not isinstance(scale, str):
        if not (np.isfinite(scale) and scale > 0):
            raise InputError(f"scale: got {scale:g}, want a number above 0; give it in the signatures' unit")
        return float(scale), {}
    if scale not in ("best", "max"):
        raise InputError(f"scale: got '{scale}', want best, max or a number; {nearest(scale, ('best', 'max'))}")
    blocks = len(array)
    if scale == "max" or blocks < 2:
        return largest, {}
    chosen = choose_scale(
        array,
        noise=validation.noise_level,
        weight_range=weight_range,
        channels=spec.chip.rings,
        encoding=spec.modulator.encoding,
        # Where there are few blocks, a quarter of them.
        k=K if blocks > 2 * K else max(1, blocks // 4),
    )
    expected = {"k": chosen.k, "expected_recall": float(chosen.recall.max())}
    return chosen.scale, expected | {"expected_recall_at_max": float(chosen.recall[-1])}


def write_to_bench(chip: AbstractChip, volts: Path, *, page: int = 0, piece: int = 0) -> None:
    """Set one tile that `program_signatures` wrote on a chip; the chip refuses what is beyond its limit.

    Args:
        chip: The chip on its bench.
        volts: The ``.npz`` file.
        page: Page of the blocks.
        piece: Slice of the dimensions.

    Raises:
        InputError: The file lacks that tile, or the chip refuses it.
    """
    volts_V = _read_volts(volts, chip)
    pages, slices = volts_V.shape[:2]
    if not (0 <= page < pages and 0 <= piece < slices):
        raise InputError(
            f"{volts}: page {page}, slice {piece} is not there; it has pages 0 to {pages - 1}, slices 0 to {slices - 1}"
        )
    chip.set(volts_V[page, piece])


def _read_volts(path: Path, chip: AbstractChip) -> np.ndarray:
    """Ring voltages of every tile, once they are voltages of this chip within its limit."""
    cure = "make it with 'prism program'"
    with open_file(str(path), path, want="an npz file of 'prism program'") as stream:
        arrays = read_npz(str(path), stream, cure=cure)
    most = chip.max_voltage_V
    table = {"volts_V": Number(("page", "slice", "row", "ring"), low=-most, high=most, unit="V")}
    sizes = {"row": chip.rows, "ring": chip.channels}
    return require_arrays(str(path), arrays, table, sizes=sizes, cure=cure)["volts_V"]


def _read_signatures(path: Path) -> np.ndarray:
    want, cure = "(blocks, dims)", "save it with numpy.save"
    with open_file(str(path), path, want="a .npy array") as stream:
        array = read_npy(str(path), stream, want=want, cure=cure)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise InputError(
            f"{path}: got {array.dtype} of shape {array.shape}, want real numbers (blocks, dims); "
            "save one signature per block"
        )
    with np.errstate(over="ignore"):
        array = array.astype(float)
    most = Number(("block", "dim"), low=-LARGEST_SIGNATURE, high=LARGEST_SIGNATURE)
    require_range(str(path), "signatures", array, most, cure="mend or drop that signature")
    return array
