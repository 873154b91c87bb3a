"""What a bundle folder holds, version 2: file names, tensors with units, limits, and its exact JSON bytes."""

import hashlib
import json
from typing import Any

SCHEMA = "prism_photonics.behavioral_bundle"
VERSION = 2
TENSOR_FILE = "bundle.safetensors"
DOCUMENT_FILE = "bundle.json"

LARGEST_DOCUMENT_BYTES = 1 << 20
LARGEST_TENSOR_BYTES = 1 << 24
"""Size limits that are checked before anything is parsed; a chip of a million channels would still fit."""

TENSORS: dict[str, tuple[tuple[str, ...], str]] = {
    "weight_bias": (("channels",), "weight"),
    "weight_error_std": (("channels",), "weight"),
    "noise_floor": ((), "weight"),
    "noise_shot": ((), "weight / sqrt(lit channel)"),
    "noise_rin": ((), "1"),
    "noise_common": ((), "1"),
    "leak": ((), "full light"),
    "weight_centre": ((), "weight"),
    "weight_span": ((), "weight"),
    "adc_full_scale": (("rows",), "weight"),
}
"""Axes and unit of every tensor. The unit "weight" is T_through - T_drop (dimensionless)."""

NOT_NEGATIVE = {"weight_error_std", "noise_floor", "noise_shot", "noise_rin", "noise_common", "leak"}
POSITIVE = {"weight_span", "adc_full_scale"}

SEED_POLICY = (
    "numpy: the programming error is drawn from numpy.random.Philox(key), the read noise from "
    "Philox(key).jumped(); error has the shape (blocks, slices, channels), noise "
    "(shots, *query axes, blocks, slices); both can be handed in"
)
TIE_RULE = "higher score first; equal scores: lower block index first"

INTEGERS = ("rows", "channels", "dac_bits", "adc_bits")
KEYS = (
    *("schema", "version", *INTEGERS, "encoding", "spec_hash", "report", "seed_policy", "tie_rule"),
    *("tensors", "tensor_sha256", "content_sha256"),
)


def render(document: dict[str, Any]) -> bytes:
    """The one way that a document is written, so that any edited byte shows."""
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def content_sha256(document: dict[str, Any]) -> str:
    """SHA-256 of the document without its own hash."""
    return hashlib.sha256(render({k: v for k, v in document.items() if k != "content_sha256"})).hexdigest()


def tensor_entries() -> dict[str, dict[str, Any]]:
    """The document's table of tensors."""
    return {name: {"axes": list(axes), "unit": unit, "dtype": "float64"} for name, (axes, unit) in TENSORS.items()}
