"""Further formats of a bundle: a torch state dict, an ONNX graph, a StableHLO program, each under its hash."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from prism_photonics.export import schema
from prism_photonics.export.read import Bundle, load
from prism_photonics.extras import asked_by
from prism_photonics.files import write_bytes
from prism_photonics.units import InputError, nearest

USUAL_DTYPE = "float64"
"""In which all forms reckon, unless another is asked for."""


def _torch(bundle: Bundle, dims: int, k: int, dtype: str | None, *, per_block: bool) -> bytes:
    import safetensors.torch
    import torch

    from prism_photonics.export.torch import PhotonicSelector

    return safetensors.torch.save(PhotonicSelector(bundle, k, dtype=getattr(torch, dtype or USUAL_DTYPE)).state_dict())


def _onnx(bundle: Bundle, dims: int, k: int, dtype: str | None, *, per_block: bool) -> bytes:
    from prism_photonics.export.onnx import onnx_bytes

    return onnx_bytes(bundle, dims=dims, k=k, dtype=dtype or USUAL_DTYPE, per_block=per_block)


def _stablehlo(bundle: Bundle, dims: int, k: int, dtype: str | None, *, per_block: bool) -> bytes:
    from prism_photonics.export.stablehlo import stablehlo_bytes

    # Called by JAX's usual settings, a program that takes double precision refuses whatever it is handed.
    passed_as = dtype or "float32"
    return stablehlo_bytes(bundle, dims=dims, k=k, dtype=dtype or USUAL_DTYPE, passed_as=passed_as, per_block=per_block)


_Writer = Callable[..., bytes]
FORMATS: dict[str, tuple[str, _Writer]] = {
    "torch": ("selector.safetensors", _torch),
    "onnx": ("selector.onnx", _onnx),
    "stablehlo": ("selector.stablehlo", _stablehlo),
}
"""File and writer of each form; ``safetensors``, the bundle itself, is always there."""


def parse_formats(text: str) -> tuple[str, ...]:
    """The forms asked for in "safetensors,onnx", each once.

    Raises:
        InputError: An unknown one.
    """
    asked = [part.strip() for part in text.split(",")]
    known = ("safetensors", *FORMATS)
    for name in asked:
        if name not in known:
            raise InputError(f"format: got '{name[:40]}', want some of {', '.join(known)}; {nearest(name[:40], known)}")
    return tuple(dict.fromkeys(name for name in asked if name in FORMATS))


def add_formats(
    path: str | os.PathLike[str],
    formats: Sequence[str],
    *,
    dims: int | None = None,
    k: int = 8,
    dtype: str | None = None,
    per_block: bool = False,
) -> list[Path]:
    """Write further forms of a bundle into its folder, and their hashes into its document.

    Args:
        path: The bundle folder.
        formats: Keys of ``FORMATS``.
        dims: Dimensions of a signature, fixed in the graphs; one slice by default.
        k: Blocks chosen per query, fixed in the graphs.
        dtype: Precision of graphs and state dict, float32 or float64. By default all reckon in double, and the
            StableHLO program alone takes and gives single precision, which every JAX hands over.
        per_block: Whether graphs write each block at a scale of its own; a state dict holds what ``program`` wrote.

    Returns:
        The files.

    Raises:
        InputError: A damaged bundle, a library that is not installed, or numbers out of range.
    """
    bundle, folder = load(path), Path(path)
    dims = bundle.slice_dims if dims is None else dims
    if not (1 <= dims <= 1 << 16 and 1 <= k <= 1 << 20 and dtype in (None, "float32", "float64")):
        raise InputError(
            f"formats: got dims {dims}, k {k}, dtype {dtype}, want dims up to 65536, k up to 1048576 and "
            "float32 or float64; mend them"
        )
    document = json.loads((folder / schema.DOCUMENT_FILE).read_text("ascii"))
    if document["version"] != schema.VERSION:
        raise InputError(
            f"{folder}: got a bundle of schema version {document['version']}, which cannot hold other forms, want "
            f"{schema.VERSION}; export the record again with 'prism export'"
        )
    written = []
    for name in formats:
        file, writer = FORMATS[name]
        with asked_by(f"format {name}"):
            content = writer(bundle, dims, k, dtype, per_block=per_block)
        write_bytes(folder / file, content)
        document["files"][file] = hashlib.sha256(content).hexdigest()
        written.append(folder / file)
    document["content_sha256"] = schema.content_sha256(document)
    write_bytes(folder / schema.DOCUMENT_FILE, schema.render(document))
    return written
