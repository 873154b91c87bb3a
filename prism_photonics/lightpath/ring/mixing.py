"""The matrices of an add-drop ring in two polarisations, of any arrays; what they mean is told in `polarization`.

Nothing of JAX is imported: `prism check` counts crossings by the same lines, and waits for no compiler.
"""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float


class HalfTurn(NamedTuple):
    """The matrix H of half a turn: entries of TE, of TM, and between them."""

    te: Complex[Any, "..."]
    tm: Complex[Any, "..."]
    between: Complex[Any, "..."]

    def turned(self, turn_rad: Any, ratio: Any) -> "HalfTurn":
        """Of rings whose TE is turned by so many radians a round trip, and TM by ``ratio`` of that."""
        xp = _namespace(*self, turn_rad, ratio)
        return HalfTurn(
            te=self.te * xp.exp(0.5j * turn_rad),
            tm=self.tm * xp.exp(0.5j * ratio * turn_rad),
            between=self.between * xp.exp(0.25j * (1.0 + ratio) * turn_rad),
        )


class PolarizedPorts(NamedTuple):
    """What a ring passes, matrices (TE, TM) to (TE, TM) in the last two axes; `RingFields` of two polarisations."""

    through: Complex[Any, "... 2 2"]
    drop: Complex[Any, "... 2 2"]
    drop_bus: Complex[Any, "... 2 2"]


class Coupler(NamedTuple):
    """A coupler of ring and bus that mixes their modes, alike from either side; lossless where it is unitary.

    Attributes:
        bus: From the bus into the bus, symmetric.
        over: From the bus into the ring; back it is the transposed.
        ring: From the ring into the ring, symmetric.
    """

    bus: Complex[Any, "... 2 2"]
    over: Complex[Any, "... 2 2"]
    ring: Complex[Any, "... 2 2"]


Couplings = tuple[Float[Any, "..."], Float[Any, "..."]] | Coupler
"""Self-couplings (TE, TM) at one bus, or a coupler that mixes modes."""


def mixed_half_turn(te: Any, tm: Any, mean: Any, conversion_rad: Any) -> HalfTurn:
    """H of a ring from half turns of TE and TM as they are without mixing, and of the ring between the two.

    Args:
        te: ``√a·e^{jφ/2}`` of TE.
        tm: The same of TM.
        mean: ``√(te·tm)``, on the sheet of a ring whose lengths are the mean of both.
        conversion_rad: χ.
    """
    xp = _namespace(te, tm, mean, conversion_rad)
    cosine, sine = xp.cos(conversion_rad), xp.sin(conversion_rad)
    return HalfTurn(te=cosine * te, tm=cosine * tm, between=1j * sine * mean)


def polarized_ports(half: HalfTurn, through: Couplings, drop: Couplings) -> PolarizedPorts:
    """The matrices of a ring from its half turn and its self-couplings (TE, TM) at the through and the drop bus."""
    if isinstance(through, Coupler) and isinstance(drop, Coupler):
        return _mixed_ports(_matrix(half), through, drop)
    xp = _namespace(*half, *through, *drop)
    t1, t2 = (xp.stack(xp.broadcast_arrays(*pair), axis=-1) for pair in (through, drop))
    k1, k2 = (xp.sqrt(1.0 - t**2) for t in (t1, t2))
    h = _matrix(half)
    # Diagonal matrices scale rows on the left, columns on the right.
    row, column = (lambda t: t[..., :, None]), (lambda t: t[..., None, :])
    turn, back = h @ (row(t2) * h), h @ (row(t1) * h)
    one = xp.eye(2)
    resonance = _inverse(one - row(t1) * turn)
    return PolarizedPorts(
        through=row(t1) * one - row(k1) * (turn @ resonance) * column(k1),
        drop=-row(k2) * (h @ resonance) * column(k1),
        drop_bus=row(t2) * one - row(k2) * (back @ _inverse(one - row(t2) * back)) * column(k2),
    )


def polarized_port_slopes(half: HalfTurn, by: HalfTurn, through: Couplings, drop: Couplings) -> PolarizedPorts:
    """Slopes of `polarized_ports` by a number, from those ``by`` it of the half turn's entries.

    With R = (1 − t1·H·t2·H)⁻¹ the slope of H·t2·H·R is R^T·d(H·t2·H)·R, as H and t are symmetric.
    """
    if isinstance(through, Coupler) and isinstance(drop, Coupler):
        return _mixed_port_slopes(_matrix(half), _matrix(by), through, drop)
    xp = _namespace(*half, *by, *through, *drop)
    t1, t2 = (xp.stack(xp.broadcast_arrays(*pair), axis=-1) for pair in (through, drop))
    k1, k2 = (xp.sqrt(1.0 - t**2) for t in (t1, t2))
    h, dh = (_matrix(m) for m in (half, by))
    row, column = (lambda t: t[..., :, None]), (lambda t: t[..., None, :])
    one, transposed = xp.eye(2), lambda m: xp.swapaxes(m, -1, -2)

    def around(t: Any, far: Any) -> tuple[Any, Any]:
        """R of the turn from a bus round by the other one, and the slope of that turn without t."""
        back = dh @ (row(far) * h)
        return _inverse(one - row(t) * (h @ (row(far) * h))), back + transposed(back)

    resonance, turn = around(t1, t2)
    other, back = around(t2, t1)
    return PolarizedPorts(
        through=-row(k1) * (transposed(resonance) @ turn @ resonance) * column(k1),
        drop=-row(k2) * ((dh + h @ resonance @ (row(t1) * turn)) @ resonance) * column(k1),
        drop_bus=-row(k2) * (transposed(other) @ back @ other) * column(k2),
    )


def te_like_turn(
    half: HalfTurn, through: Couplings, drop: Couplings
) -> tuple[Complex[Any, "..."], Complex[Any, "..."]]:
    """Eigenvalue of a round trip t1·H·t2·H that is the more TE's: a resonance lies where its phase is none.

    Arguments as of `polarized_ports`.

    Returns:
        (mean of both eigenvalues, half their difference): the sum is the more TE's, their difference the other.
    """
    if isinstance(through, Coupler) and isinstance(drop, Coupler):
        h = _matrix(half)
        (te, mixed), (other, tm) = _entries(through.ring @ h @ drop.ring @ h)
        half_apart = 0.5 * (te - tm)
        root = _namespace(*half, *through).sqrt(half_apart**2 + mixed * other)
        return 0.5 * (te + tm), along(root, half_apart)
    xp, pairs = _namespace(*half, *through, *drop), (through, drop)
    (t1, s1), (t2, s2), b = *(tuple(pair) for pair in pairs), half.between
    te = t1 * (t2 * half.te**2 + s2 * b**2)
    tm = s1 * (t2 * b**2 + s2 * half.tm**2)
    mixed2 = t1 * s1 * (t2 * half.te * b + s2 * b * half.tm) ** 2
    half_apart = 0.5 * (te - tm)
    # Of the two roots the one that is te where nothing mixes.
    return 0.5 * (te + tm), along(xp.sqrt(half_apart**2 + mixed2), half_apart)


def along(root: Complex[Any, "..."], other: Complex[Any, "..."]) -> Complex[Any, "..."]:
    """Of a root and its negative the one that lies the nearer to ``other``."""
    return _namespace(root, other).where((root * other.conj()).real < 0.0, -root, root)


def _mixed_ports(h: Any, through: Coupler, drop: Coupler) -> PolarizedPorts:
    xp = _namespace(h, *through, *drop)
    one, transposed = xp.eye(2), lambda m: xp.swapaxes(m, -1, -2)

    def passed(here: Coupler, far: Coupler) -> tuple[Any, Any]:
        """What a bus hands on, and the field in the ring behind its coupler."""
        turn = h @ far.ring @ h
        inside = _inverse(one - here.ring @ turn) @ here.over
        return here.bus + transposed(here.over) @ turn @ inside, inside

    ahead, inside = passed(through, drop)
    return PolarizedPorts(through=ahead, drop=transposed(drop.over) @ h @ inside, drop_bus=passed(drop, through)[0])


def _mixed_port_slopes(h: Any, dh: Any, through: Coupler, drop: Coupler) -> PolarizedPorts:
    xp = _namespace(h, dh, *through, *drop)
    one, transposed = xp.eye(2), lambda m: xp.swapaxes(m, -1, -2)

    def around(here: Coupler, far: Coupler) -> tuple[Any, Any]:
        """The field in the ring behind a bus's coupler, and the slope of the way round to it."""
        back = dh @ far.ring @ h
        inside = _inverse(one - here.ring @ h @ far.ring @ h) @ here.over
        return inside, back + transposed(back)

    (lit, turn), (other, back) = around(through, drop), around(drop, through)
    return PolarizedPorts(
        through=transposed(lit) @ turn @ lit,
        drop=transposed(drop.over)
        @ (dh @ lit + h @ _inverse(one - through.ring @ h @ drop.ring @ h) @ (through.ring @ turn @ lit)),
        drop_bus=transposed(other) @ back @ other,
    )


def _matrix(half: HalfTurn) -> Complex[Any, "... 2 2"]:
    xp = _namespace(*half)
    rows = ((half.te, half.between), (half.between, half.tm))
    return xp.stack([xp.stack(xp.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)


def _entries(m: Complex[Any, "... 2 2"]) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (m[..., 0, 0], m[..., 0, 1]), (m[..., 1, 0], m[..., 1, 1])


def _inverse(m: Complex[Any, "... 2 2"]) -> Complex[Any, "... 2 2"]:
    """Inverse of matrices of two rows: the adjugate over the determinant."""
    a, b, c, d = m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1]
    xp, determinant = _namespace(m), a * d - b * c
    adjugate = xp.stack([xp.stack([d, -b], axis=-1), xp.stack([-c, a], axis=-1)], axis=-2)
    # 1/z as z*/|z|²: for numbers near one several times faster than a division that guards against overflow.
    return adjugate * (determinant.conj() / (determinant.real**2 + determinant.imag**2))[..., None, None]


def _namespace(*numbers: Any) -> ModuleType:
    """The library of some numbers: NumPy where all are its own."""
    spaces = [number.__array_namespace__() for number in numbers if hasattr(number, "__array_namespace__")]
    return next((space for space in spaces if space is not np), np)
