"""Encoding of signed queries as light, and decoding of photocurrents to signed scores, for any array library.

Optical power is not negative. Three schemes write a query q̂ in [-1, 1] as light p in [0, 1]:

* ``offset``: one shot of p = (1 + q̂)/2; the row answers y = Σ w·p, and Σ w·q̂ = 2·y - Σ w with the row sum
  calibrated;
* ``two_shot``: q̂⁺ and then q̂⁻, and Σ w·q̂ = y₁ - y₂ without any calibrated number;
* ``dual_rail``: one shot of (q̂⁺, q̂⁻) on two wavelengths per value, whose weights are any two numbers (w⁺, w⁻):
  y = Σ w⁺·q̂⁺ + w⁻·q̂⁻. With (s, -s) that is the signed score, with (max, -min) the bound of a block of keys.

A modulator's dark level leaks the share ``leak`` of its swing, so a row reads Σ w·(p + leak).
NumPy, JAX and torch arrays pass through the same lines, so every model of the chip shares them.
"""

from typing import Any

from jaxtyping import Float

from prism_photonics.codec.modulation import namespace
from prism_photonics.units import InputError, nearest

SHOTS = {"offset": 1, "two_shot": 2, "dual_rail": 1}
"""Shots of light that each scheme needs for one query."""

RAILS = {"offset": 1, "two_shot": 1, "dual_rail": 2}
"""Wavelengths that each scheme needs for one value."""


def encode(query_hat: Float[Any, "*batch dims"], scheme: str) -> Float[Any, "shots *batch channels"]:
    """The light that writes a normalised query, shot by shot.

    Args:
        query_hat: Query divided by its largest magnitude, in [-1, 1] (dimensionless).
        scheme: A key of ``SHOTS``.

    Returns:
        Light as a fraction of full transmission, in [0, 1]; the first axis is the shot. The rails of ``dual_rail``
        come one after the other: all of q̂⁺, then all of q̂⁻.

    Raises:
        InputError: The scheme is not known.

    Source: definition of the schemes, see the module's docstring.
    """
    shots(scheme)
    if scheme == "offset":
        return ((1.0 + query_hat) / 2.0)[None]
    magnitude, xp = abs(query_hat), namespace(query_hat)
    halves = [(magnitude + query_hat) / 2.0, (magnitude - query_hat) / 2.0]
    return xp.concatenate(halves, -1)[None] if scheme == "dual_rail" else xp.stack(halves)


def rails(signature_hat: Float[Any, "*batch dims"], scheme: str) -> Float[Any, "*batch channels"]:
    """The channels' shares of weight that score a signed signature: (s, -s) on two rails, s itself on one."""
    shots(scheme)
    if scheme != "dual_rail":
        return signature_hat
    return namespace(signature_hat).concatenate([signature_hat, -signature_hat], -1)


def decode(y: Float[Any, "shots *batch"], row_sum: Any, scheme: str, *, leak: Any = 0.0) -> Float[Any, "*batch"]:
    """The dot product Σ w·q̂ that the readings of one query stand for.

    Args:
        y: Readings Σ w·(p + leak) in weight units (a fully lit channel of weight 1 reads 1 more than dark); the first
            axis is the shot.
        row_sum: Calibrated Σ w of each row, weight units; broadcasts against ``y[0]``. ``two_shot`` ignores
            it.
        scheme: A key of ``SHOTS``.
        leak: Dark transmission in units of the swing.

    Returns:
        Signed dot products in weight units; for ``dual_rail`` Σ w⁺·q̂⁺ + w⁻·q̂⁻.

    Raises:
        InputError: The scheme is not known.

    Source: inverse of ``encode`` for a linear row.
    """
    shots(scheme)
    if scheme == "two_shot":
        return y[0] - y[1]
    net = y[0] - leak * row_sum
    return 2.0 * net - row_sum if scheme == "offset" else net


def common_share(query_hat: Float[Any, "*batch dims"], scheme: str) -> Float[Any, "*batch 1"]:
    """Score that one unit of weight, common to all channels, adds to `decode`: Σ q̂, or Σ |q̂| on two rails."""
    shots(scheme)
    carried = abs(query_hat) if scheme == "dual_rail" else query_hat
    return carried.sum(-1)[..., None]


def quantize(x: Float[Any, "*axes"], bits: int, low: Any, high: Any) -> Float[Any, "*axes"]:
    """The nearest code of an ideal mid-tread converter, in the units of ``x``; beyond the ends it clips.

    The codes are symmetric about the middle of the range and include both ends, so zero of a balanced receiver is
    exact. That leaves one of the 2^bits codes unused.

    Args:
        x: Values to be converted, in any unit.
        bits: Resolution, at least 1 (at 1 bit only the two ends are codes).
        low: Lower end of the range, unit of ``x``; a number or an array that broadcasts against ``x``.
        high: Upper end of the range, unit of ``x``; the same kind as ``low``.

    Returns:
        Converted values in the unit of ``x``. The gradient is zero: see ``behavior.model`` for a
        straight-through one.

    Source: design choice, the symmetric code of integer quantisation.
    """
    xp = namespace(x)
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
