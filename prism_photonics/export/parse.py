"""Parsing of a bundle folder into checked numbers: every fault is one InputError, nothing is run."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Shaped

from prism_photonics.codec.arithmetic import POWERS
from prism_photonics.codec.encoding import RAILS, SHOTS
from prism_photonics.export import older, schema
from prism_photonics.files.fields import SPEC_HASH, require_range, shown
from prism_photonics.files.migration import migrated
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
    raw = _bytes(tensor_file, schema.LARGEST_TENSOR_BYTES)
    found = hashlib.sha256(raw).hexdigest()
    if found != document["tensor_sha256"]:
        _refuse(tensor_file, f"SHA-256 {found[:12]}… (truncated or edited)", f"{document['tensor_sha256'][:12]}…")
    tensors = _tensors(tensor_file, raw)
    if document["version"] == older.VERSION:
        document = older.document(document)
        if older.too_large(document["rows"], document["channels"]):
            _refuse(tensor_file, f"{document['rows']} rows of {document['channels']} channels", "a chip that fits")
        tensors = older.tensors(tensors, rows=document["rows"], channels=document["channels"])
    for name, wanted in document["files"].items():
        found = hashlib.sha256(_bytes(folder / name, schema.LARGEST_OTHER_BYTES)).hexdigest()
        if found != wanted:
            _refuse(folder / name, f"SHA-256 {found[:12]}… (truncated or edited)", f"{wanted[:12]}…")
    _check_tensors(tensor_file, tensors, document)
    return document, tensors


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
    if type(version) is not int:
        _refuse(file, f"schema version {shown(version)}", f"{schema.VERSION}")
    migrated(
        str(file),
        f"{schema.SCHEMA}/{shown(version)}",
        f"{schema.SCHEMA}/{schema.VERSION}",
        document,
        steps={older.VERSION: older.document},
        cure="export the record again with 'prism export'",
    )
    keys = older.KEYS if version == older.VERSION else schema.KEYS
    for key in sorted(document.keys() - set(keys)):
        _refuse(file, f"unknown key '{key[:40]}'", nearest(key[:40], keys))
    for key in keys:
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
    if version == older.VERSION and document["tensors"] != older.tensor_entries():
        _refuse(file, "another table of tensors", f"that of schema version {older.VERSION}")
    _check_values(file, older.document(document) if version == older.VERSION else document)
    return document


def _check_values(file: Path, document: dict[str, Any]) -> None:
    # The hashes are no secret: a file edited with care still has to describe a chip.
    for key in schema.INTEGERS:
        largest = 32 if key.endswith("bits") else 1 << 20
        least = 0 if key == "drift_times" else 1
        if type(document[key]) is not int or not least <= document[key] <= largest:
            _refuse(file, f"{key} = {shown(document[key])}", f"a whole number from {least} to {largest}")
    if document["drift_powers"] != POWERS:
        _refuse(file, f"drift_powers = {document['drift_powers']}", f"{POWERS}")
    for key in ("encoding", "spec_hash", "spec", "seed_policy", "tie_rule", "tensor_sha256"):
        if not isinstance(document[key], str):
            _refuse(file, f"{key} that is no text", "text")
    if not re.fullmatch(SPEC_HASH, document["spec_hash"]):
        _refuse(file, f"spec_hash = {shown(document['spec_hash'])}", "64 hexadecimal digits")
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


def _tensors(file: Path, raw: bytes) -> dict[str, np.ndarray]:
    try:
        return safetensors.numpy.load(raw)
    except Exception:  # the parser raises its own error, KeyError, TypeError or ValueError: as damage has it
        _refuse(file, "no valid safetensors", "the file as written")


def _check_tensors(file: Path, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> None:
    if tensors.keys() != schema.TENSORS.keys():
        odd = sorted(tensors.keys() ^ schema.TENSORS.keys())
        _refuse(file, f"missing or unknown tensor '{odd[0][:40]}'", f"exactly {', '.join(schema.TENSORS)}")
    for name, (axes, _, dtype) in schema.TENSORS.items():
        tensor, shape = tensors[name], tuple(document[axis] for axis in axes)
        if tensor.dtype != dtype or tensor.shape != shape:
            _refuse(file, f"{name} as {tensor.dtype}{list(tensor.shape)}", f"{dtype}{list(shape)}")
        require_range(str(file), name, tensor, schema.LIMITS[name], cure="export the bundle again")
    if sorted(tensors["column_of_channel"]) != list(range(document["channels"])):
        _refuse(file, "column_of_channel that leaves a channel out", "a permutation")
    if (np.diff(tensors["drift_time_s"], prepend=0.0) <= 0).any():
        _refuse(file, "drift_time_s that does not rise", "rising times above 0")


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(file: Path, got: str, want: str) -> NoReturn:
    raise InputError(f"{file}: got {got}, want {want}; export the bundle again")
