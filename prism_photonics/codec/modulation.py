"""The query modulator: a Mach–Zehnder driven by a converter, between a dark level that is not quite dark and full.

Arithmetic of any array library: NumPy, JAX and torch arrays pass through the same lines. Full light is 1, the driver's
codes are even in *voltage*, and the transmitted share follows the interferometer's sin².
"""

import math
import sys
from typing import Any

from jaxtyping import Float


def drive_codes(light: Float[Any, "*axes"], bits: int) -> Float[Any, "*axes"]:
    """The driver's code that comes nearest to a share of full light: ``(2/π)·asin(√p)`` of the codes from dark to full.

    Args:
        light: Wanted share p of the swing from dark to full, in [0, 1].
        bits: Resolution of the driver.

    Returns:
        Codes, whole numbers from 0 (dark) to `steps` (full).
    """
    xp = namespace(light)
    return xp.round(xp.arcsin(xp.sqrt(light)) * (2.0 / math.pi * steps(bits)))


def steps(bits: int) -> int:
    """Codes from dark to full: one of the 2^bits stays unused, so that half light is a code."""
    return max(2**bits - 2, 1)


def transmitted(codes: Float[Any, "*axes"], bits: int) -> Float[Any, "*axes"]:
    """Share of the swing from dark to full that a code transmits: ``sin²(π/2·V/V_π)``."""
    return namespace(codes).sin(codes * (0.5 * math.pi / steps(bits))) ** 2


def modulate(light: Float[Any, "*axes"], bits: int) -> Float[Any, "*axes"]:
    """Transmission that the modulator's driver sets: the nearest of its levels, both ends of the range exact.

    Args:
        light: Wanted share of the swing from dark to full, in [0, 1].
        bits: Resolution of the driver.

    Returns:
        Shares in [0, 1]. The gradient is zero, or infinite at the ends: use a straight-through one.
    """
    return transmitted(drive_codes(light, bits), bits)


def inl_codes(codes: Float[Any, "*axes"], bits: int, inl_lsb: float, phase_rad: Any) -> Float[Any, "*axes"]:
    """Codes as a converter with integral nonlinearity sets them: off by up to ``inl_lsb``, and right at both ends.

    Source: one smooth bow per converter, ``inl·sin(π·c/c_max)·cos(2π·c/c_max + φ)``; design choice.
    """
    xp = namespace(codes)
    share = codes * (math.pi / steps(bits))
    return codes + inl_lsb * xp.sin(share) * xp.cos(2.0 * share + phase_rad)


def namespace(x: Any) -> Any:
    """The library that an array belongs to: a module, or what serves as one."""
    # torch tensors do not speak the array-API protocol; whoever holds one has imported torch already.
    return x.__array_namespace__() if hasattr(x, "__array_namespace__") else sys.modules["torch"]
