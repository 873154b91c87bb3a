"""The StableHLO program of a bundle, read and called, with its arguments checked by name."""

import hashlib
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array, Float, Int

from prism_photonics.codec.checks import real_numbers
from prism_photonics.export.parse import parse
from prism_photonics.units import InputError, nearest

FILE = "selector.stablehlo"
INPUTS = ("signatures", "error", "query", "noise", "drift", "common_drift", "t_since_program_s")
"""Arguments in their order; the last three where drift was measured."""


class Program:
    """A selector as `export.stablehlo.stablehlo_bytes` wrote it.

    JAX alone runs it as well, ``jax.export.deserialize(…).call(*inputs)``; then the errors are JAX's.

    Attributes:
        dtype: Precision of the numbers that it takes and gives, float32 or float64.
        k: Blocks chosen per query.
    """

    def __init__(self, content: bytes):
        self._exported = export.deserialize(bytearray(content))
        self.dtype = np.dtype(str(self._exported.in_avals[0].dtype))
        self.k = int(self._exported.out_avals[1].shape[-1])

    def __call__(self, **inputs: Any) -> tuple[Float[Array, "queries blocks"], Int[Array, "queries k"]]:
        """Program, read, choose.

        Args:
            **inputs: Arrays by the names of ``export.onnx.onnx_bytes``; they are taken in the program's precision.

        Returns:
            Scores, and indices of the best blocks.

        Raises:
            InputError: An argument is missing, unknown, of another shape or no array of real numbers, or beyond the
                largest float of the program's precision; there are fewer blocks than k; or the program takes double
                precision, and JAX has that switched off.
        """
        shapes = dict(zip(INPUTS, (aval.shape for aval in self._exported.in_avals), strict=False))
        for name in inputs:
            if name not in shapes:
                raise InputError(f"{name}: got an unknown input, want {', '.join(shapes)}; {nearest(name, shapes)}")
        for name in shapes:
            if name not in inputs:
                raise InputError(f"{name}: got none, want an array; all inputs are {', '.join(shapes)}")
        values = {name: real_numbers(name, inputs[name]) for name in shapes}
        for name, axes in (("signatures", "blocks, …, dims"), ("query", "queries, dims")):
            if values[name].ndim == 0:
                raise InputError(f"{name}: got one number, want an array ({axes}); check the array")
        sizes = {"blocks": len(values["signatures"]), "queries": len(values["query"])}
        if sizes["blocks"] < self.k:
            raise InputError(
                f"signatures: got {sizes['blocks']} blocks, want at least k = {self.k}; export with a lower --k"
            )
        for name, shape in shapes.items():
            want = tuple(size if isinstance(size, int) else sizes[str(size)] for size in shape)
            if values[name].shape != want:
                raise InputError(
                    f"{name}: got shape {values[name].shape}, want {want}; check it against the others and the "
                    "program's --dims"
                )
        largest = float(np.finfo(self.dtype).max)
        for name, value in values.items():
            if bool((np.isfinite(value) & (np.abs(value) > largest)).any()):
                raise InputError(
                    f"{name}: got numbers beyond {largest:.2g}, the largest of {self.dtype}, want smaller ones; divide "
                    "them, or export with --dtype float64"
                )
        if jax.dtypes.canonicalize_dtype(self.dtype) != self.dtype:
            raise InputError(
                f"{FILE}: got a JAX without double precision, its default, want it for a float64 program; set "
                "JAX_ENABLE_X64=1 before JAX is imported, or export without --dtype"
            )
        if not sizes["queries"]:  # an exported size is 1 at least
            return jnp.zeros((0, sizes["blocks"]), self.dtype), jnp.zeros((0, self.k), jnp.int32)
        scores, blocks = self._exported.call(*(jnp.asarray(values[name], self.dtype) for name in shapes))
        return scores, blocks


def load_program(path: str | os.PathLike[str]) -> Program:
    """Read the StableHLO program of a bundle folder, its hash checked first.

    Args:
        path: The bundle folder.

    Returns:
        The program, to be called with arrays by name.

    Raises:
        InputError: A damaged bundle, or one without such a program.
    """
    known = parse(path)[0]["files"]
    if FILE not in known:
        raise InputError(f"bundle {path}: got no {FILE}, want one; write it with 'prism export … --format stablehlo'")
    content = (Path(path) / FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != known[FILE]:  # replaced since it was checked
        raise InputError(f"{Path(path) / FILE}: got another file than the bundle's; want it left alone; read it again")
    return Program(content)
