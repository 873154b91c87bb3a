"""Bundles of the schema before, version 2, which knew neither drift nor dead rings: read as the version of now."""

from typing import Any

import numpy as np

from prism_photonics.codec.arithmetic import POWERS
from prism_photonics.export import schema

VERSION = 2
INTEGERS = ("rows", "channels", "dac_bits", "adc_bits")
KEYS = (
    *("schema", "version", *INTEGERS, "encoding", "spec_hash", "report", "seed_policy", "tie_rule"),
    *("tensors", "tensor_sha256", "content_sha256"),
)
TENSORS = (
    *("weight_bias", "weight_error_std", "noise_floor", "noise_shot", "noise_rin", "noise_common", "leak"),
    *("weight_centre", "weight_span", "adc_full_scale"),
)


def tensor_entries() -> dict[str, dict[str, Any]]:
    """The document's table of tensors, as version 2 had it."""
    entries = schema.tensor_entries()
    return {name: entries[name] for name in TENSORS}


def document(old: dict[str, Any]) -> dict[str, Any]:
    """A document as the version of now writes it; of the spec it kept the hash alone."""
    return old | {
        "version": schema.VERSION,
        "drift_times": 0,
        "drift_powers": POWERS,
        "spec": "",
        "seed_policy": schema.SEED_POLICY,
        "tie_rule": schema.TIE_RULE,
        "tensors": schema.tensor_entries(),
        "files": {},
    }


def tensors(old: dict[str, np.ndarray], *, rows: int, channels: int) -> dict[str, np.ndarray]:
    """The tensors of the version of now: independent errors, no drift, every ring in use."""
    return schema.ideal(rows, channels) | old


def too_large(rows: int, channels: int) -> bool:
    """Whether the tensors that version 2 did not have would not fit into a bundle of now."""
    return 8 * channels * (channels + 2 * rows) > schema.LARGEST_TENSOR_BYTES
