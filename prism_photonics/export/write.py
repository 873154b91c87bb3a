"""Writing a bundle: the behavioral model as safetensors and JSON, each file replaced in one step."""

import hashlib
import os
from pathlib import Path

import numpy as np
import safetensors.numpy

from prism_photonics.behavior.model import BehavioralModel
from prism_photonics.export import schema
from prism_photonics.files import remove, write_bytes
from prism_photonics.files.fields import require_range
from prism_photonics.units import InputError


def write(model: BehavioralModel, path: str | os.PathLike[str], *, spec: str = "") -> Path:
    """Write the model as a bundle folder; the same model gives the same bytes.

    A reader that comes between the two replacements sees a hash mismatch and refuses, never a mixture.

    Args:
        model: The fitted behavioral model.
        path: The folder; it is made if missing, and files of an earlier bundle in it are replaced.
        spec: The ChipSpec as JSON, if it is at hand: with it a reader can tell what a query costs.

    Returns:
        The folder.

    Raises:
        InputError: The folder cannot be written, or the model holds NaN, infinity or numbers out of range.
    """
    tensors = {name: np.array(getattr(model, name), dtype, order="C") for name, (_, _, dtype) in schema.TENSORS.items()}
    report = {name: float(value) for name, value in model.report.items()}
    for name, value in {**tensors, **{f"report.{name}": value for name, value in report.items()}}.items():
        if not np.isfinite(value).all():
            raise InputError(f"model.{name}: got NaN or infinity, want finite numbers; fit the model again")
    for name, tensor in tensors.items():
        require_range("model", name, tensor, schema.LIMITS[name], cure="fit the model again")
    tensor_bytes = safetensors.numpy.save(tensors)
    document = {
        "schema": schema.SCHEMA,
        "version": schema.VERSION,
        "rows": model.rows,
        "channels": model.channels,
        "dac_bits": model.dac_bits,
        "adc_bits": model.adc_bits,
        "drift_times": model.drift_mean.shape[0],
        "drift_powers": model.drift_mean.shape[1],
        "encoding": model.encoding,
        "spec_hash": model.spec_hash,
        "spec": spec,
        "report": report,
        "seed_policy": schema.SEED_POLICY,
        "tie_rule": schema.TIE_RULE,
        "tensors": schema.tensor_entries(),
        "tensor_sha256": hashlib.sha256(tensor_bytes).hexdigest(),
        "files": {},
    }
    document["content_sha256"] = schema.content_sha256(document)
    folder = Path(path)
    for name in schema.OTHER_FILES:  # of an earlier model: they would not be this one
        remove(folder / name)
    write_bytes(folder / schema.TENSOR_FILE, tensor_bytes)
    write_bytes(folder / schema.DOCUMENT_FILE, schema.render(document))
    return folder
