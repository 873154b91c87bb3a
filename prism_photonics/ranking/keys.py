"""Real keys and queries of a language model, read from an npz file that is checked before it is believed."""

import importlib.resources
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from jaxtyping import Bool, Float, Int

from prism_photonics.behavior.finite import require_finite
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError, nearest

LARGEST_BYTES = 1 << 32
"""Unpacked size beyond which a file is refused: a small zip can promise any amount of memory."""

_AXES = {
    "keys": ("sequence", "kv_head", "token", "dim"),
    "values": ("sequence", "kv_head", "token", "dim"),
    "queries": ("sequence", "head", "query", "dim"),
    "needle_position": ("sequence", "query"),
    "query_position": ("sequence", "query"),
    "token_ids": ("sequence", "token"),
    "recalled": ("sequence", "query"),
    "attention_scale": (),
}
_KINDS = {"needle_position": "iu", "query_position": "iu", "token_ids": "iu", "recalled": "b"}


@dataclass(frozen=True)
class KeyCache:
    """One attention layer's KV cache with queries whose answer is known.

    Attributes:
        keys: Post-RoPE keys.
        values: Values.
        queries: Post-RoPE queries; consecutive heads share a KV head.
        needle_position: Token index of the value that each query asks for.
        query_position: Token index of each query; tokens after it are in its future.
        token_ids: The tokens.
        recalled: Whether full attention's answer was right.
        attention_scale: What the dot product is multiplied by before the softmax.
        source: Where it was read from.
    """

    keys: Float[np.ndarray, "sequences kv_heads tokens dims"]
    values: Float[np.ndarray, "sequences kv_heads tokens dims"]
    queries: Float[np.ndarray, "sequences heads queries dims"]
    needle_position: Int[np.ndarray, "sequences queries"]
    query_position: Int[np.ndarray, "sequences queries"]
    token_ids: Int[np.ndarray, "sequences tokens"]
    recalled: Bool[np.ndarray, "sequences queries"]
    attention_scale: float
    source: str

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> "KeyCache":
        """Read a keys file; without a path the built-in one (see ``ranking/data/README.md``).

        Args:
            path: An npz file with exactly the arrays above.

        Returns:
            The cache.

        Raises:
            InputError: The file is missing, truncated, too large, needs pickle, lacks an array, or one has
                another shape, type or range than stated above.
        """
        if path is None:
            built_in = importlib.resources.files("prism_photonics.ranking") / "data" / "kv_1k.npz"
            with built_in.open("rb") as stream:
                return cls(**_checked("built-in keys", _arrays("built-in keys", stream)), source="built-in kv_1k.npz")
        where = f"keys file {path}"
        try:
            with Path(path).open("rb") as stream:
                arrays = _arrays(where, stream)
        except OSError as error:
            raise InputError(f"{where}: cannot be read ({error.strerror}), want an npz file; check the path") from error
        return cls(**_checked(where, arrays), source=str(path))


def _arrays(where: str, stream: IO[bytes]) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(stream) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST_BYTES:
            _refuse(where, f"{size} bytes unpacked", f"at most {LARGEST_BYTES}", "dump fewer sequences")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        # NumPy hands a member without the npy mark back as bytes.
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("not an array")
        return arrays
    except InputError:
        raise
    except Exception:  # damaged zip and npy headers raise a dozen different types
        _refuse(where, "no readable npz (truncated, damaged or pickled)", "plain arrays", "dump it again")


def _checked(where: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    names = [field.name for field in fields(KeyCache) if field.name != "source"]
    for name in names:
        if name not in arrays:
            _refuse(where, f"no array '{name}'", f"{', '.join(names)}", "dump it again with all arrays")
    for name in arrays:
        if name not in names:
            _refuse(where, f"unknown array '{name[:40]}'", "only known ones", nearest(name[:40], names))
    sizes: dict[str, int] = {}
    for name in names:
        array, axes, kind = arrays[name], _AXES[name], _KINDS.get(name, "f")
        if array.dtype.kind not in kind:
            _refuse(where, f"{name} of type {array.dtype}", {"f": "floats", "b": "booleans"}.get(kind, "integers"))
        matches = array.ndim == len(axes) and array.size > 0
        if not matches or any(sizes.setdefault(a, n) != n for a, n in zip(axes, array.shape, strict=True)):
            _refuse(where, f"{name} of shape {array.shape}", f"({', '.join(axes)}) with {sizes}")
        require_finite(f"{where}: {name}", array, axes=axes, cure="dump it again")
    group_size(sizes["head"], kv_heads=sizes["kv_head"])
    needle, query = arrays["needle_position"], arrays["query_position"]
    if needle.min() < 0 or (needle >= query).any() or query.max() >= sizes["token"]:
        _refuse(where, "a position out of order", f"0 ≤ needle < query < {sizes['token']}")
    scale = float(arrays["attention_scale"])
    if scale <= 0:
        _refuse(where, f"attention_scale = {scale:g}", "a positive number")
    return {**{name: arrays[name] for name in names}, "attention_scale": scale}


def _refuse(where: str, got: str, want: str, cure: str = "dump it again") -> NoReturn:
    raise InputError(f"{where}: got {got}, want {want}; {cure}")
