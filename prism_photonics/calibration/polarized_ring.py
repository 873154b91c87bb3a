"""Slopes of what one ring in two polarisations hands on, by its numbers: the inner part of `polarized_slopes`.

A ring that scatters back is two plain rings, half a splitting ±δ up and down. With clockwise and counter-clockwise
parts of the light a that enters it, and of y, that of the exits, in the order of its buses,

    y^T·S·a = Σ± ½·[y_cw^T·P±·(a_cw ± δ₂₁/δ·a_ccw) + y_ccw^T·P±·(a_ccw ± δ₁₂/δ·a_cw)]

where P± are the plain rings. Of each, u are the fields that enter its two halves and z those of y that enter them from
behind: a change dH of half a turn does Σ z^T·dH·u, and one of a coupler what its inputs and outputs do.

Source: as of `circuit.prepared_reflecting`, Lorentz reciprocity; written out for two polarisations by us.
"""

from typing import Any, NamedTuple

import numpy as np

from prism_photonics.lightpath.ring.backscatter import Splitting
from prism_photonics.lightpath.ring.mixing import HalfTurn
from prism_photonics.lightpath.ring.model import reciprocal

LEAST_SLOPE_SPLITTING_RAD = 1e-5
"""Below, slopes are those at this splitting: 2e-7 of them is what that makes, and as much what rounding does there."""
Pair = tuple[Any, Any]
"""TE and TM."""


class PolarizedRing(NamedTuple):
    """A ring, or many, at every reading.

    Attributes:
        half: Half a turn.
        mixed: Between its modes at χ = 90°.
        couplers: t of TE and of TM at the through and at the drop bus.
        split: Its backscatter.
        tuning_ratio: Phase that a voltage turns TM by over that of TE.
        conversion_rad: χ.
        tm_slopes: Of TM's t at either bus, by the logarithm of TE's κ².
    """

    half: HalfTurn
    mixed: Any
    couplers: tuple[Pair, Pair]
    split: Splitting
    tuning_ratio: Any
    conversion_rad: Any
    tm_slopes: Pair


class RingSlopes(NamedTuple):
    """Half of dT by a ring's numbers, before the real part is taken.

    ``own`` is by its round-trip phase as voltages turn it, by the logarithm of its loss, and by those of both κ²;
    ``by_rest`` is by its phase as fabrication turns it.
    """

    own: tuple[Any, Any, Any, Any]
    by_rest: Any
    by_tm_turn: Any
    by_conversion: Any
    by_ccw: Any
    by_cw: Any


def polarized_ring_slopes(ring: PolarizedRing, a: Pair, y: Pair) -> RingSlopes:
    """Slopes by a ring, from the light that enters it from west and from east, and that of the exits.

    Waves are in the last axis: TE and TM of the through bus, then of the drop bus.
    """
    half, mixed, couplers = ring.half, ring.mixed, ring.couplers
    ccw, cw = ring.split.to_ccw, ring.split.to_cw
    squared, least = ccw * cw, LEAST_SLOPE_SPLITTING_RAD
    apart = np.sqrt(np.where(abs(squared) < least**2, least**2, squared) + 0j)
    (west, east), (west_y, east_y) = a, y
    # Clockwise light enters from the west on the through bus, and leaves to the west on the drop bus.
    sides = _turning(west, east), _turning(east, west)
    sides_y = _turning(east_y, west_y), _turning(west_y, east_y)
    total: list[Any] = [0.0] * 7
    curved, crossed = 0.0, [0.0, 0.0]
    for sign in (1.0, -1.0):
        by_phase = np.exp(0.5j * sign * apart)
        turned = HalfTurn(*(part * by_phase for part in half))
        fields = [_fields(turned, couplers, side, 1.0) for side in sides]
        duals = [_fields(turned, couplers, side, -1.0) for side in sides_y]
        for to, other in enumerate((cw, ccw)):
            mine, others, share = fields[to], fields[1 - to], sign * other / apart
            both = _Fields(*(_sum(one, two, share) for one, two in zip(mine, others, strict=True)))
            parts = _plain_slopes(couplers, both, duals[to])
            by_entry = [by_phase * part for part in parts[:3]]
            curved = curved + 0.25j * sign * sum(p * h for p, h in zip(by_entry, half, strict=True))
            total = [whole + 0.5 * part for whole, part in zip(total, (*by_entry, *parts[3:]), strict=True)]
            # What of the light that turns the other way comes over into this.
            crossed[to] = crossed[to] + 0.5 * sign / apart * _received(couplers, others, duals[to])
    to_cw, to_ccw = crossed
    by_square = (curved - (ccw * to_ccw + cw * to_cw) / apart) / (2.0 * apart)
    te, tm, between = (part * entry for part, entry in zip(total[:3], half, strict=True))
    ratio, chi = ring.tuning_ratio, ring.conversion_rad
    # κ² goes as e^z: dt = −κ²/2t·dz, of TE as it is at each wavelength.
    by_kappa = [
        0.5 * (couplers[n][0] - 1.0 / couplers[n][0]) * total[3 + 2 * n] + ring.tm_slopes[n] * total[4 + 2 * n]
        for n in range(2)
    ]
    return RingSlopes(
        own=(
            0.5j * (te + ratio * tm) + 0.25j * (1.0 + ratio) * between,
            0.5 * (te + tm + between),
            by_kappa[0],
            by_kappa[1],
        ),
        by_rest=0.5j * (te + tm + between),
        by_tm_turn=1j * tm + 0.5j * between,
        by_conversion=np.cos(chi) * mixed * total[2] - np.tan(chi) * (te + tm),
        by_ccw=to_ccw + cw * by_square,
        by_cw=to_cw + ccw * by_square,
    )


class _Fields(NamedTuple):
    """What enters a plain ring on both buses, what enters its halves, and what comes out of those at the couplers."""

    into: Pair
    over: Pair
    first: Pair
    second: Pair
    at_drop: Pair
    at_through: Pair


def _fields(half: HalfTurn, couplers: tuple[Pair, ...], into: tuple[Pair, Pair], sign: float) -> _Fields:
    """Of light in a ring, or with ``sign`` −1 of light that goes backwards: what it couples comes over negative."""
    (t1, s1), (t2, s2) = couplers
    (i1, i2), kappas = into, [tuple(sign * np.sqrt(1.0 - t**2) for t in pair) for pair in couplers]
    k1, k2 = (
        tuple(k * i for k, i in zip(kappa, light, strict=True)) for kappa, light in zip(kappas, (i1, i2), strict=True)
    )
    turned = _half_on(half, k2)
    start = k1[0] + t1 * turned[0], k1[1] + s1 * turned[1]
    # 1 − t1·H·t2·H, and its inverse by the adjugate.
    h_te, h_tm, b = half
    through_tm, mixed = t2 * h_te * b + s2 * b * h_tm, t2 * b * b
    m11, m22 = 1.0 - t1 * (t2 * h_te * h_te + s2 * b * b), 1.0 - s1 * (mixed + s2 * h_tm * h_tm)
    m12, m21 = -t1 * through_tm, -s1 * through_tm
    over = reciprocal(m11 * m22 - m12 * m21)
    first = (m22 * start[0] - m12 * start[1]) * over, (m11 * start[1] - m21 * start[0]) * over
    at_drop = _half_on(half, first)
    second = k2[0] + t2 * at_drop[0], k2[1] + s2 * at_drop[1]
    return _Fields(i1, i2, first, second, at_drop, _half_on(half, second))


def _plain_slopes(couplers: tuple[Pair, ...], light: _Fields, dual: _Fields) -> list[Any]:
    """Slopes of y^T·P·a by the entries of half a turn, and by t of TE and of TM at either bus."""
    # Backwards, a half is entered where light leaves it: the first by what the drop coupler sends, and so on.
    by_half = [
        dual.second[0] * light.first[0] + dual.first[0] * light.second[0],
        dual.second[1] * light.first[1] + dual.first[1] * light.second[1],
        dual.second[0] * light.first[1]
        + dual.second[1] * light.first[0]
        + dual.first[0] * light.second[1]
        + dual.first[1] * light.second[0],
    ]
    by_t = []
    for pair, into, out, arrives, leaves in (
        (couplers[0], light.into, dual.into, light.at_through, dual.at_through),
        (couplers[1], light.over, dual.over, light.at_drop, dual.at_drop),
    ):
        for n, t in enumerate(pair):
            bent = -t / np.sqrt(1.0 - t**2)
            by_t.append(out[n] * into[n] + leaves[n] * arrives[n] + bent * (leaves[n] * into[n] - out[n] * arrives[n]))
    return [*by_half, *by_t]


def _received(couplers: tuple[Pair, ...], light: _Fields, dual: _Fields) -> Any:
    """y^T·P·a."""
    (t1, k1), (t2, k2) = (((pair), tuple(np.sqrt(1.0 - t**2) for t in pair)) for pair in couplers)
    return sum(
        dual.into[n] * (t1[n] * light.into[n] - k1[n] * light.at_through[n])
        + dual.over[n] * (t2[n] * light.over[n] - k2[n] * light.at_drop[n])
        for n in range(2)
    )


def _half_on(half: HalfTurn, light: Pair) -> Pair:
    return half.te * light[0] + half.between * light[1], half.between * light[0] + half.tm * light[1]


def _sum(one: Pair, other: Pair, share: Any) -> Pair:
    return one[0] + share * other[0], one[1] + share * other[1]


def _turning(through: Any, drop: Any) -> tuple[Pair, Pair]:
    """Of waves on either side of a ring, those on the through bus of one and on the drop bus of the other."""
    return (through[..., 0], through[..., 1]), (drop[..., 2], drop[..., 3])
