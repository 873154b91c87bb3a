"""How a signed query becomes light and its photocurrents a signed score: arithmetic of any array library.

Optical power is not negative. Two schemes write a query q̂ in [-1, 1] as light p in [0, 1]:

* ``offset``: one shot of p = (1 + q̂)/2; the row answers y = Σ w·p, and Σ w·q̂ = 2·y - Σ w with the row sum
  calibrated;
* ``two_shot``: q̂⁺ and then q̂⁻, and Σ w·q̂ = y₁ - y₂ without any calibrated number.

NumPy, JAX and torch arrays pass through the same lines, so every model of the chip shares them.
"""

import sys
from types import ModuleType
from typing import Any

from jaxtyping import Float

from prism_photonics.units import InputError, nearest

SHOTS = {"offset": 1, "two_shot": 2}
"""Shots of light that each scheme needs for one query."""


def encode(query_hat: Float[Any, "*batch channels"], scheme: str) -> Float[Any, "shots *batch channels"]:
    """The light that writes a normalised query, shot by shot.

    Args:
        query_hat: Query divided by its largest magnitude, in [-1, 1] (dimensionless).
        scheme: A key of ``SHOTS``.

    Returns:
        Light as a fraction of full transmission, in [0, 1]; the first axis is the shot.

    Raises:
        InputError: The scheme is not known.

    Source: definition of the two schemes, see the module's docstring.
    """
    shots(scheme)
    if scheme == "offset":
        return ((1.0 + query_hat) / 2.0)[None]
    magnitude = abs(query_hat)
    return _namespace(query_hat).stack([(magnitude + query_hat) / 2.0, (magnitude - query_hat) / 2.0])


def decode(y: Float[Any, "shots *batch"], row_sum: Any, scheme: str) -> Float[Any, "*batch"]:
    """The signed dot product Σ w·q̂ that the readings of one query stand for.

    Args:
        y: Readings Σ w·p in weight units (a fully lit channel of weight 1 reads 1); the first axis is the
            shot.
        row_sum: Calibrated Σ w of each row, weight units; broadcasts against ``y[0]``. ``two_shot`` ignores
            it.
        scheme: A key of ``SHOTS``.

    Returns:
        Signed dot products in weight units.

    Raises:
        InputError: The scheme is not known.

    Source: inverse of ``encode`` for a linear row.
    """
    shots(scheme)
    return 2.0 * y[0] - row_sum if scheme == "offset" else y[0] - y[1]


def quantize(x: Float[Any, "*axes"], bits: int, low: Any, high: Any) -> Float[Any, "*axes"]:
    """The nearest code of an ideal mid-tread converter, in the units of ``x``; beyond the ends it clips.

    The codes are symmetric about the middle of the range and include both ends, so dark, half light and full
    light (of a modulator) and zero (of a balanced receiver) are exact. That leaves one of the 2^bits codes
    unused.

    Args:
        x: What is converted, in any unit.
        bits: Resolution, at least 1 (at 1 bit only the two ends are codes).
        low: Lower end of the range, unit of ``x``; a number or an array that broadcasts against ``x``.
        high: Upper end of the range, unit of ``x``; the same kind as ``low``.

    Returns:
        Converted values in the unit of ``x``. The gradient is zero: see ``behavior.model`` for a
        straight-through one.

    Source: design choice, the symmetric code of integer quantisation.
    """
    xp = _namespace(x)
    lsb = quantizer_step(bits, low, high)
    return low + lsb * xp.round((xp.clip(x, low, high) - low) / lsb)


def quantizer_step(bits: int, low: Any, high: Any) -> Any:
    """One step (LSB) of ``quantize``, in the unit of its range."""
    return (high - low) / max(2**bits - 2, 1)


def shots(scheme: str) -> int:
    """Shots of light of a scheme, refusing an unknown one."""
    if scheme not in SHOTS:
        raise InputError(f"encoding: got '{scheme}', want one of {', '.join(sorted(SHOTS))}; {nearest(scheme, SHOTS)}")
    return SHOTS[scheme]


def _namespace(x: Any) -> ModuleType:
    # torch tensors do not speak the array-API protocol; whoever holds one has imported torch already.
    return x.__array_namespace__() if hasattr(x, "__array_namespace__") else sys.modules["torch"]
