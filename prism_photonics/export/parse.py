"""From the bytes of a bundle folder to checked numbers: every doubt is one InputError, nothing is run."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Shaped

from prism_photonics.codec.encoding import RAILS, SHOTS
from prism_photonics.export import schema
from prism_photonics.units import InputError, nearest


def parse(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Shaped[np.ndarray, "*axes"]]]:
    """Read and check both files of a bundle.

    Args:
        path: The bundle folder.

    Returns:
        The JSON document and the tensors by name.

    Raises:
        InputError: Anything is not exactly as ``export.write`` leaves it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"bundle {folder}: no such folder, want one that `prism export` wrote; check the path")
    raw = _bytes(folder / schema.DOCUMENT_FILE, schema.LARGEST_DOCUMENT_BYTES)
    document = _document(folder / schema.DOCUMENT_FILE, raw)
    tensor_file = folder / schema.TENSOR_FILE
    tensors = _bytes(tensor_file, schema.LARGEST_TENSOR_BYTES)
    found = hashlib.sha256(tensors).hexdigest()
    if found != document["tensor_sha256"]:
        _refuse(tensor_file, f"SHA-256 {found[:12]}… (truncated or edited)", f"{document['tensor_sha256'][:12]}…")
    for name, wanted in document["files"].items():
        found = hashlib.sha256(_bytes(folder / name, schema.LARGEST_OTHER_BYTES)).hexdigest()
        if found != wanted:
            _refuse(folder / name, f"SHA-256 {found[:12]}… (truncated or edited)", f"{wanted[:12]}…")
    return document, _tensors(tensor_file, tensors, document)


def _bytes(file: Path, largest: int) -> bytes:
    try:
        if not file.is_file():
            _refuse(file, "no such file", "a complete bundle")
        with file.open("rb") as stream:
            raw = stream.read(largest + 1)
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}), want a readable file; check its permissions"
        ) from error
    if len(raw) > largest:
        _refuse(file, f"more than {largest} bytes", "a bundle of this schema")
    return raw


def _document(file: Path, raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw.decode("ascii"), parse_constant=_constant)
    except (ValueError, RecursionError):
        _refuse(file, "no valid JSON (truncated or edited)", "the JSON that `prism export` wrote")
    if not isinstance(document, dict) or document.get("schema") != schema.SCHEMA:
        _refuse(file, "another kind of file", f"schema {schema.SCHEMA}")
    version = document.get("version")
    if type(version) is int and version > schema.VERSION:
        raise InputError(
            f"{file}: got schema version {str(version)[:20]}, want at most {schema.VERSION}; update prism_photonics"
        )
    if type(version) is int and 1 <= version < schema.VERSION:
        raise InputError(
            f"{file}: got schema version {version}, want {schema.VERSION}, which knows drift and dead rings; "
            "export the record again with 'prism export'"
        )
    if type(version) is not int or version != schema.VERSION:
        _refuse(file, f"schema version {str(version)[:20]}", f"{schema.VERSION}")
    for key in sorted(document.keys() - set(schema.KEYS)):
        _refuse(file, f"unknown key '{key[:40]}'", nearest(key[:40], schema.KEYS))
    for key in schema.KEYS:
        if key not in document:
            _refuse(file, f"no '{key}'", "every key of the schema")
    # Written back, the document must give the same bytes: so not even white space or a repeated key goes
    # unseen.
    try:
        as_written = document["content_sha256"] == schema.content_sha256(document) and schema.render(document) == raw
    except (ValueError, RecursionError):  # a number beyond the floats, or nesting too deep to write
        as_written = False
    if not as_written:
        _refuse(file, "content that does not match its hash (edited)", "the file as written")
    _check_values(file, document)
    return document


def _check_values(file: Path, document: dict[str, Any]) -> None:
    # The hashes are no secret: a file edited with care still has to describe a chip.
    for key in schema.INTEGERS:
        largest = 32 if key.endswith("bits") else 1 << 20
        least = 0 if key == "drift_times" else 1
        if type(document[key]) is not int or not least <= document[key] <= largest:
            _refuse(file, f"{key} = {str(document[key])[:20]}", "a whole number in range")
    for key in ("encoding", "spec_hash", "spec", "seed_policy", "tie_rule", "tensor_sha256"):
        if not isinstance(document[key], str):
            _refuse(file, f"{key} that is no text", "text")
    if document["encoding"] not in SHOTS:
        _refuse(file, f"encoding '{document['encoding'][:40]}'", f"one of {', '.join(SHOTS)}")
    if document["channels"] % RAILS[document["encoding"]]:
        _refuse(file, f"{document['channels']} channels for '{document['encoding']}'", "two channels for every value")
    report = document["report"]
    if not isinstance(report, dict) or not all(type(value) is float for value in report.values()):
        _refuse(file, "report that is no table of numbers", "name: number")
    files = document["files"]
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        _refuse(file, "files that are no table of hashes", "name: SHA-256")
    if files.keys() - set(schema.OTHER_FILES):
        _refuse(file, f"unknown file '{min(files.keys() - set(schema.OTHER_FILES))[:40]}'", "those of the schema")
    if document["tensors"] != schema.tensor_entries():
        _refuse(file, "another table of tensors", f"that of schema version {schema.VERSION}")


def _tensors(file: Path, raw: bytes, document: dict[str, Any]) -> dict[str, np.ndarray]:
    try:
        tensors = safetensors.numpy.load(raw)
    except Exception:  # the parser raises its own error, KeyError, TypeError or ValueError: as damage has it
        _refuse(file, "no valid safetensors", "the file as written")
    if tensors.keys() != schema.TENSORS.keys():
        odd = sorted(tensors.keys() ^ schema.TENSORS.keys())
        _refuse(file, f"missing or unknown tensor '{odd[0][:40]}'", f"exactly {', '.join(schema.TENSORS)}")
    for name, (axes, _, dtype) in schema.TENSORS.items():
        tensor, shape = tensors[name], tuple(document[axis] for axis in axes)
        if tensor.dtype != dtype or tensor.shape != shape:
            _refuse(file, f"{name} as {tensor.dtype}{list(tensor.shape)}", f"{dtype}{list(shape)}")
        if not np.isfinite(tensor).all():
            _refuse(file, f"NaN or infinity in {name}", "finite numbers")
        least = tensor.min(initial=1.0)
        if (name in schema.NOT_NEGATIVE and least < 0) or (name in schema.POSITIVE and least <= 0):
            _refuse(file, f"{name} = {least:g}", "positive numbers")
    if sorted(tensors["column_of_channel"]) != list(range(document["channels"])):
        _refuse(file, "column_of_channel that leaves a channel out", "a permutation")
    if (np.diff(tensors["drift_time_s"], prepend=0.0) <= 0).any():
        _refuse(file, "drift_time_s that does not rise", "rising times above 0")
    return tensors


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(file: Path, got: str, want: str) -> NoReturn:
    raise InputError(f"{file}: got {got}, want {want}; export the bundle again")
