"""A folder of spectra in the making: what it was begun with, its manifest, and parts of sweeps that are not whole."""

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.files import make_folder, write_text
from prism_photonics.files.arrays import open_file, read_npz
from prism_photonics.laboratory.manifest import NAME
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

SWEEP = "sweep.toml"
"""What a folder of sweeps was measured with, so that it is gone on with only so."""
PARTS = "parts"
BLOCK = 20_000
"""Wavelengths after which what was measured is on disk; design choice: some seconds of a fast sweep."""
CURE = "measure into another folder, or with the same options"


def manifest_and_tile(spec: ChipSpec) -> tuple[str, ChipSpec]:
    """The manifest that the chip's drawing has, and the tile that it shows."""
    from prism_photonics.layout.chip import draw
    from prism_photonics.layout.manifest import manifest_csv
    from prism_photonics.layout.tiles import cut
    from prism_photonics.layout.write import write_gds

    tile = cut(spec).tile
    with tempfile.TemporaryDirectory() as folder:
        return manifest_csv(write_gds(draw(tile), Path(folder) / "chip.gds")), tile


def claim(out: Path, conditions: dict[str, str | float], manifest: str) -> None:
    """Make a folder ready for sweeps, or make sure that it is the one that is gone on with."""
    from prism_photonics.files.toml import read_toml

    make_folder(out / PARTS)
    path = out / SWEEP
    if path.is_file():
        was = read_toml(path, what="sweep's conditions", name=SWEEP)
        for key, value in conditions.items():
            if was.get(key) != value:
                raise InputError(f"{path}: {key} was {was.get(key)!r}, is now {value!r}, want one in a folder; {CURE}")
    elif any(out.glob("*.npz")):
        raise InputError(f"{out}: got npz files and no {SWEEP}, want a folder of this command's; {CURE}")
    write_text(out / NAME, manifest)
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in conditions.items())
    write_text(path, f"# Written by prism measure: what the spectra in this folder were measured with.\n{lines}")


def blocks(wl_nm: Float[ndarray, " wl"]) -> Iterator[Float[ndarray, " some"]]:
    """Stretches of a sweep, after each of which what was measured is on disk."""
    for start in range(0, len(wl_nm), BLOCK):
        yield wl_nm[start : start + BLOCK]


def part_on_file(path: Path, length: int) -> dict[str, ndarray] | None:
    """A stretch that was measured before; None where there is none."""
    if not path.is_file():
        return None
    with open_file(str(path), path, want="a part of a sweep") as stream:
        arrays = read_npz(str(path), stream, cure="delete it, and measure again")
    if "wl_nm" not in arrays or any(one.shape != (length,) for one in arrays.values()):
        raise InputError(f"{path}: got another stretch, want {length} wavelengths; delete it, and measure again")
    return arrays


def npz_bytes(arrays: dict[str, ndarray]) -> bytes:
    """The content of an npz file."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return content.getvalue()
