"""Bundle format, version 3: file names, tensors with units, limits, and the exact bytes of its JSON."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np

from prism_photonics.codec.arithmetic import POWERS
from prism_photonics.files.fields import YES_NO, Number

SCHEMA = "prism_photonics.behavioral_bundle"
VERSION = 3
TENSOR_FILE = "bundle.safetensors"
DOCUMENT_FILE = "bundle.json"
OTHER_FILES = ("selector.safetensors", "selector.onnx", "selector.stablehlo")
"""Further forms of the bundle, see ``export.formats``; those that are there stand in the document with their hash."""

LARGEST_DOCUMENT_BYTES = 1 << 20
LARGEST_TENSOR_BYTES = 1 << 24
LARGEST_OTHER_BYTES = 1 << 26
"""Size limits that are checked before anything is parsed; a chip of a million channels would still fit."""

TENSORS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "weight_bias": (("channels",), "weight", "float64"),
    "weight_error_std": (("channels",), "weight", "float64"),
    "weight_error_mix": (("channels", "channels"), "1", "float64"),
    "score_gain": (("rows",), "1", "float64"),
    "score_offset": (("rows",), "weight", "float64"),
    "column_of_channel": (("channels",), "place of a slice", "int64"),
    "excluded": (("rows", "channels"), "1", "bool"),
    "stuck_weight": (("rows", "channels"), "weight", "float64"),
    "drift_time_s": (("drift_times",), "s", "float64"),
    "drift_mean": (("drift_times", "drift_powers", "channels"), "weight", "float64"),
    "drift_common": (("drift_times", "channels"), "weight", "float64"),
    "drift_own": (("drift_times", "channels"), "weight", "float64"),
    "noise_floor": ((), "weight", "float64"),
    "noise_shot": ((), "weight / sqrt(lit channel)", "float64"),
    "noise_rin": ((), "1", "float64"),
    "noise_common": ((), "1", "float64"),
    "leak": ((), "full light", "float64"),
    "weight_centre": ((), "weight", "float64"),
    "weight_span": ((), "weight", "float64"),
    "adc_full_scale": (("rows",), "weight", "float64"),
}
"""Axes, unit and type of every tensor. The unit "weight" is T_through - T_drop (dimensionless)."""

# Far beyond any chip, and far from where squares and sums of them overflow, in single precision too.
_WEIGHT, _NOT_NEGATIVE = Number(low=-1e9, high=1e9), Number(low=0, high=1e9)
_POSITIVE = Number(low=1e-9, high=1e9)
_LIMITS = {
    "weight_error_mix": Number(low=-1e3, high=1e3),
    "column_of_channel": Number(low=0, high=1 << 20, whole=True),
    "excluded": YES_NO,
    "drift_time_s": Number(low=1e-9, high=1e10, unit="s"),
    **dict.fromkeys(("score_gain", "weight_span", "adc_full_scale"), _POSITIVE),
    **dict.fromkeys(
        (
            *("weight_error_std", "drift_own", "leak"),
            *("noise_floor", "noise_shot", "noise_rin", "noise_common"),
        ),
        _NOT_NEGATIVE,
    ),
}
LIMITS: dict[str, Number] = {
    name: replace(_LIMITS.get(name, _WEIGHT), axes=axes, kinds=np.dtype(dtype).kind, empty="drift_times" in axes)
    for name, (axes, _, dtype) in TENSORS.items()
}
"""Type, axes and range of every tensor."""

SEED_POLICY = (
    "numpy: the programming error is drawn from numpy.random.Philox(key), after it where drift was measured the drift "
    "and one common number, the read noise from Philox(key).jumped(); error and drift have the shape "
    "(blocks, slices, channels), noise (shots, *query axes, blocks, slices); all can be handed in"
)
TIE_RULE = "higher score first; equal scores: lower block index first"

INTEGERS = ("rows", "channels", "dac_bits", "adc_bits", "drift_times", "drift_powers")
KEYS = (
    *("schema", "version", *INTEGERS, "encoding", "spec_hash", "spec", "report", "seed_policy", "tie_rule"),
    *("tensors", "tensor_sha256", "files", "content_sha256"),
)


def ideal(rows: int, channels: int) -> dict[str, np.ndarray]:
    """The tensors of a chip whose rings all work, in order, independent of one another, and without drift."""
    return {
        "weight_error_mix": np.eye(channels),
        "score_gain": np.ones(rows),
        "score_offset": np.zeros(rows),
        "column_of_channel": np.arange(channels),
        "excluded": np.zeros((rows, channels), bool),
        "stuck_weight": np.zeros((rows, channels)),
        "drift_time_s": np.zeros(0),
        "drift_mean": np.zeros((0, POWERS, channels)),
        "drift_common": np.zeros((0, channels)),
        "drift_own": np.zeros((0, channels)),
    }


def render(document: dict[str, Any]) -> bytes:
    """The one way that a document is written, so that any edited byte shows."""
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def content_sha256(document: dict[str, Any]) -> str:
    """SHA-256 of the document without its own hash."""
    return hashlib.sha256(render({k: v for k, v in document.items() if k != "content_sha256"})).hexdigest()


def tensor_entries() -> dict[str, dict[str, Any]]:
    """The document's table of tensors."""
    return {name: {"axes": list(axes), "unit": unit, "dtype": dtype} for name, (axes, unit, dtype) in TENSORS.items()}
