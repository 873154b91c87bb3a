"""Real keys and queries of a language model, read from an npz file that is checked before it is believed."""

import importlib.resources
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from prism_photonics.files.arrays import open_file, read_npz
from prism_photonics.files.fields import Number, require_arrays
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError, nearest

LARGEST_BYTES = 1 << 32
"""Unpacked size beyond which a file is refused: a small zip can promise any amount of memory."""

LARGEST = 1e15
"""Largest magnitude of a key, a value or a query: their products stay numbers."""
CURE = "dump it again"

_FLOATS = Number(low=-LARGEST, high=LARGEST, kinds="f")
_TOKENS = Number(low=0, high=2**63 - 1, kinds="iu")
_ARRAYS = {
    "keys": replace(_FLOATS, axes=("sequence", "kv_head", "token", "dim")),
    "values": replace(_FLOATS, axes=("sequence", "kv_head", "token", "dim")),
    "queries": replace(_FLOATS, axes=("sequence", "head", "query", "dim")),
    "needle_position": replace(_TOKENS, axes=("sequence", "query")),
    "query_position": replace(_TOKENS, axes=("sequence", "query")),
    "token_ids": Number(("sequence", "token"), kinds="iu"),
    "recalled": Number(("sequence", "query"), low=0, high=1, kinds="b"),
    "attention_scale": Number(low=0, high=LARGEST, above=True, kinds="f"),
}


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
        attention_scale: Factor of the dot product before the softmax.
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
        with open_file(where, Path(path), want="an npz file") as stream:
            arrays = _arrays(where, stream)
        return cls(**_checked(where, arrays), source=str(path))


def _arrays(where: str, stream: IO[bytes]) -> dict[str, np.ndarray]:
    return read_npz(where, stream, largest=LARGEST_BYTES, cure=f"{CURE}, with fewer sequences if it is too large")


def _checked(where: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    for name in arrays:
        if name not in _ARRAYS:
            raise InputError(
                f"{where}: got unknown array '{name[:40]}', want only known ones; {nearest(name, _ARRAYS)}"
            )
    found: dict[str, Any] = require_arrays(where, arrays, _ARRAYS, cure=CURE)
    keys, queries = found["keys"], found["queries"]
    group_size(queries.shape[1], kv_heads=keys.shape[1])
    needle, query, tokens = found["needle_position"], found["query_position"], keys.shape[2]
    if (needle >= query).any() or query.max() >= tokens:
        raise InputError(f"{where}: got a position out of order, want 0 ≤ needle < query < {tokens}; {CURE}")
    return found | {"attention_scale": float(found["attention_scale"])}
