"""Two sweeps over the rings of buses that reflect: the fields of every reading, and what any ring does to them.

The first, from the far ends, finds what every ring sends back with all behind it, Γ, and the way out v to the through
exit, as `circuit.reflecting` has them. The second carries two lights eastward: a, lit from the entrance, and y, which
by reciprocity is lit from both exits as the balanced pair weighs them,

    y = E_t*·a_t − r·E_d*·a_d        T = |E_t|² − r·|E_d|²        dT = 2·Re(y^T·dS·a)

for a change dS of any ring. No derivative of a ring's scattering is written out. With what enters a coupler from its
bus, A and Y, and what leaves by it, O and Q, each for light that turns clockwise in the ring and counter-clockwise,

    by t       (Y·A − Q·O)/κ²               so that by ln κ² it is (Q·O − Y·A)/2t
    by H       b_Y1 ⊗ b_2 + b_Y2 ⊗ b_1      jκ·b = t·O − A,   jκ·b_Y = t·Q − Y

H = h·(cos(δ/2)·1 + j·sin(δ/2)/δ·Δ) is what half a turn does to both directions of light, b what runs on from a coupler
(`lightpath.ring.backscatter`), and y's two directions are counted the other way round.

Readings are laid out by settings, buses and wavelengths, in that order: what a ring has at each wavelength then meets
long stretches of readings.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.circuit.reflecting import echoed, joined, passed, sent_back
from prism_photonics.lightpath.ring.backscatter import Splitting, splitting_slopes
from prism_photonics.lightpath.ring.model import reciprocal

Readings = Complex[ndarray, "settings buses wavelengths"]
OfWavelengths = Complex[ndarray, "buses wavelengths"]
Pair = tuple[Any, Any]
"""Light on the through bus and on the drop bus."""


class Ends(NamedTuple):
    """What the four ends of the buses send back, and what they pass, in the order of `circuit.reflecting.ENDS`."""

    mirrored: tuple[OfWavelengths, OfWavelengths, OfWavelengths, OfWavelengths]
    passed: tuple[Any, Any, Any, Any]


class RingFactors(NamedTuple):
    """What rings are at each wavelength, without their turn; what multiplies readings is complex, as they are.

    Attributes:
        t1: Self-coupling at the through bus.
        t2: At the drop bus.
        tau: t1·t2.
        versed: 1 − cos δ.
        twice: 2·τ·(1 − cos δ).
        lost1: κ1²·t2.
        lost2: κ2²·t1.
        drop: −κ1·κ2·cos(δ/2).
        ccw: −j·κ1·κ2·sin(δ/2)/δ·δ₁₂, across from the west of the through bus to the east of the drop bus.
        cw: The same with δ₂₁, the other way across.
        west1: −j·κ1²·t2·sin(δ)/δ·δ₁₂, back to the west of the through bus.
        east1: The same with δ₂₁, to its east.
        west2: −j·κ2²·t1·sin(δ)/δ·δ₂₁, back to the west of the drop bus.
        east2: The same with δ₁₂, to its east.
    """

    t1: Any
    t2: Any
    tau: Any
    versed: Any
    twice: Any
    lost1: Any
    lost2: Any
    drop: Any
    ccw: Any
    cw: Any
    west1: Any
    east1: Any
    west2: Any
    east2: Any

    @classmethod
    def of(
        cls,
        t1: Float[ndarray, "rings buses wavelengths"],
        t2: Float[ndarray, "rings buses wavelengths"],
        split: Splitting,
    ) -> "RingFactors":
        """Of self-couplings at each wavelength, and of splittings, which broadcast to them."""
        k1, k2, tau = 1.0 - t1**2, 1.0 - t2**2, t1 * t2
        lost1, lost2, kappa = k1 * t2, k2 * t1, np.sqrt(k1 * k2)
        across, back = -1j * split.half_sine * kappa, -1j * split.sine
        back1, back2 = back * lost1, back * lost2
        versed = split.versed + 0.0 * tau
        return cls(
            t1 + 0j,
            t2 + 0j,
            tau + 0j,
            versed,
            2.0 * tau * versed,
            lost1 + 0j,
            lost2 + 0j,
            -split.half_cosine * kappa,
            across * split.to_ccw,
            across * split.to_cw,
            back1 * split.to_ccw,
            back1 * split.to_cw,
            back2 * split.to_cw,
            back2 * split.to_ccw,
        )


class HalfTurnSlopes(NamedTuple):
    """What half a turn does to both directions of light, over h, and its slopes by δ².

    Attributes:
        over: −1/(κ1·κ2).
        to_ccw: δ₁₂.
        to_cw: δ₂₁.
        stays: cos(δ/2).
        crosses: j·sin(δ/2)/δ.
        stays_by: Slope of ``stays`` by δ².
        crosses_by: Of ``crosses``.
    """

    over: Any
    to_ccw: Any
    to_cw: Any
    stays: Any
    crosses: Any
    stays_by: Any
    crosses_by: Any

    @classmethod
    def of(cls, factors: RingFactors, split: Splitting) -> "HalfTurnSlopes":
        """Of rings and their splittings, as of `RingFactors.of`."""
        even = 0.0 * factors.t1
        _, stays_by, _, crosses_by = splitting_slopes(split)
        kappa = np.sqrt((1.0 - factors.t1**2) * (1.0 - factors.t2**2))
        own = split.to_ccw, split.to_cw, split.half_cosine, 1j * split.half_sine, stays_by, 1j * crosses_by
        return cls(-1.0 / kappa, *(part + even for part in own))


class _RingInRow(NamedTuple):
    """A ring in front of all behind it, as the second sweep meets it.

    Attributes:
        before: Γ at the ring's west.
        out_before: The way from there to the through exit.
        behind: Γ at its east.
        out: The way out from there.
        n: What runs on behind it, of unit light from the west on the through bus and on the drop bus.
        echo: The matrix (1 − S_ee·Γ)⁻¹ by rows.
        east: S_ee: what it sends back to the east.
    """

    before: Any
    out_before: Pair
    behind: Any
    out: Pair
    n: tuple[Pair, Pair]
    echo: tuple[Pair, Pair]
    east: Any


class Solved(NamedTuple):
    """Buses solved from the far ends.

    Attributes:
        gamma: What comes back to the near ends.
        out: The way from them to the through exit.
        through: Fields at the through exit.
        drop: Fields at the drop exit.
        rings: Of every ring what the second sweep asks for; nothing where nobody does.
    """

    gamma: Any
    out: Pair
    through: Readings
    drop: Readings
    rings: list[_RingInRow]


class RingSlopes(NamedTuple):
    """Half of dT, before its real part is taken, by a ring's numbers.

    Attributes:
        by_half: By ln h, h = √a·e^{jφ/2}.
        by_kappa1: By ln κ² at the through bus, times 2·t1.
        by_kappa2: At the drop bus, times 2·t2.
        by_ccw: By δ₁₂.
        by_cw: By δ₂₁.
        by_phase: By the logarithm of the field along the through bus behind the ring, either way.
    """

    by_half: Readings
    by_kappa1: Readings
    by_kappa2: Readings
    by_ccw: Readings
    by_cw: Readings
    by_phase: Readings


def from_far_ends(
    half: Complex[ndarray, "rings settings buses wavelengths"],
    factors: RingFactors,
    along: tuple[Complex[ndarray, "segments buses wavelengths"], Complex[ndarray, "segments buses wavelengths"]],
    ends: Ends,
    *,
    keep: bool,
) -> Solved:
    """Solve buses whose rings have these half turns.

    Args:
        half: √a·e^{jφ/2} of every ring.
        factors: The rings otherwise.
        along: Transmissions of the segments of the through bus and the drop bus.
        ends: The buses' ends.
        keep: Whether the second sweep follows.
    """
    p, q = along
    pp, pq, qq = p * p, p * q, q * q
    zero = np.zeros_like(half[0])
    # Behind the last segment.
    gamma, out = (ends.mirrored[1], 0.0, ends.mirrored[3]), (ends.passed[1] + 0j, None)
    rings: list[_RingInRow] = []
    for j in reversed(range(len(half))):
        a, b, d = gamma
        gamma = a * pp[j + 1] + zero if j == len(half) - 1 else a * pp[j + 1], b * pq[j + 1], d * qq[j + 1]
        out = out[0] * p[j + 1], zero if out[1] is None else out[1] * q[j + 1]
        gamma, out, kept = _before_ring(half[j], RingFactors(*(leaf[j] for leaf in factors)), gamma, out)
        if keep:
            rings.append(kept)
    (a, b, d), of = gamma, ends.mirrored
    gamma, out = (a * pp[0], b * pq[0], d * qq[0]), (out[0] * p[0], out[1] * q[0])
    (light,) = echoed((of[0], 0.0, of[2]), gamma, (1.0, 0.0))
    through = ends.passed[0] * joined(out, light)
    drop = ends.passed[0] * ends.passed[2] * sent_back(gamma, light)[1]
    return Solved(gamma, out, through, drop, rings[::-1])


def _before_ring(h: Readings, ring: RingFactors, gamma: Any, out: Pair) -> tuple[Any, Pair, _RingInRow]:
    """Γ and the way out as they are seen before a ring; the fields are those of `backscatter.ports_of_turn`."""
    u = h * h
    plain = 1.0 - ring.tau * u
    denominator = plain * plain
    denominator += ring.twice * u
    inverse = reciprocal(denominator)
    u *= inverse
    inverse *= h
    within = plain - ring.versed
    within *= u
    s1, s2 = ring.t1 - ring.lost1 * within, ring.t2 - ring.lost2 * within
    # h·(1 + τ·u) = 2·h − h·(1 − τ·u).
    plain *= inverse
    drop = ring.drop * plain
    inverse *= 2.0
    inverse -= plain
    ccw, cw = ring.ccw * inverse, ring.cw * inverse
    west1, east1, west2, east2 = ring.west1 * u, ring.east1 * u, ring.west2 * u, ring.east2 * u

    a, b, d = gamma
    via = drop * b
    m11, m22 = 1.0 - via, 1.0 - via
    m11 -= east1 * a
    m22 -= east2 * d
    m12, m21 = east1 * b, drop * a
    m12 += drop * d
    m21 += east2 * b
    inverse = m11 * m22
    inverse -= m12 * m21
    inverse = reciprocal(inverse)
    # (1 − S_ee·Γ)⁻¹ by rows.
    m11 *= inverse
    m22 *= inverse
    m12 *= inverse
    m21 *= inverse
    echo = (m22, m12), (m21, m11)
    first, second = (s1, ccw), (cw, s2)
    n1, n2 = ((joined(echo[0], column), joined(echo[1], column)) for column in (first, second))
    back1, back2 = sent_back(gamma, n1), sent_back(gamma, n2)
    before = joined(first, back1), joined(first, back2), joined(second, back2)
    for part, own in zip(before, (west1, drop, west2), strict=True):
        part += own
    out_before = joined(out, n1), joined(out, n2)
    return before, out_before, _RingInRow(before, out_before, gamma, out, (n1, n2), echo, (east1, drop, east2))


def from_near_ends(
    solved: Solved,
    half: Complex[ndarray, "rings settings buses wavelengths"],
    factors: RingFactors,
    *,
    along: tuple[Complex[ndarray, "segments buses wavelengths"], Complex[ndarray, "segments buses wavelengths"]],
    ends: Ends,
    split: Splitting,
    drop_ratio: Any,
) -> tuple[list[RingSlopes], list[Readings]]:
    """The second sweep: slopes by every ring's numbers, and by the reflection of each end, before the real part.

    Args:
        solved: Result of `from_far_ends`, with the rings kept.
        half: As of it.
        factors: As of it.
        along: As of it.
        ends: As of it.
        split: The rings' backscatter.
        drop_ratio: Responsivity of the drop photodiode over the through one.
    """
    (p, q), of, let_out = along, ends.mirrored, ends.passed
    exits, drop_exit = solved.through.conj(), -drop_ratio * solved.drop.conj() * let_out[2]
    v = exits * solved.out[0], exits * solved.out[1]
    sources = of[0] * v[0], of[2] * v[1] + drop_exit
    a, y = echoed((of[0], 0.0, of[2]), solved.gamma, (let_out[0], 0.0), sources)
    near_a, near_y = sent_back(solved.gamma, a), sent_back(solved.gamma, y)
    near_y = near_y[0] + v[0], near_y[1] + v[1]
    mirrored = [near_y[0] * near_a[0], near_y[1] * near_a[1]]
    found = []
    turns = HalfTurnSlopes.of(factors, split)
    for j, (h, here) in enumerate(zip(half, solved.rings, strict=True)):
        turn = HalfTurnSlopes(*(leaf[j] for leaf in turns))
        a_west, y_west = (a[0] * p[j], a[1] * q[j]), (y[0] * p[j], y[1] * q[j])
        v = exits * here.out[0], exits * here.out[1]
        a, y = passed(here.n, a_west), passed(here.n, y_west)
        echo = sent_back(here.east, v)
        for part, row in zip(y, here.echo, strict=True):
            part += joined(row, echo)
        a_east, y_east = sent_back(here.behind, a), sent_back(here.behind, y)
        a_back, y_back = sent_back(here.before, a_west), sent_back(here.before, y_west)
        for part, direct in ((y_east, v), (y_back, (exits * here.out_before[0], exits * here.out_before[1]))):
            for bus in (0, 1):
                part[bus].__iadd__(direct[bus])
        # Of either coupler what enters from the bus and what leaves by it, first of what turns clockwise for a.
        first = (a_west[0], a_east[0]), (a[0], a_back[0]), (y_east[0], y_west[0]), (y_back[0], y[0])
        second = (a_east[1], a_west[1]), (a_back[1], a[1]), (y_west[1], y_east[1]), (y[1], y_back[1])
        by_kappa1, b1, of_y1 = _coupler(factors.t1[j], first[:2], first[2:])
        by_kappa2, b2, of_y2 = _coupler(factors.t2[j], second[:2], second[2:])
        # b_Y ⊗ b for h·dH/dh: what stays in its direction, and what goes over to the other.
        scale = h * turn.over
        stays = joined(of_y1, b2)
        stays += joined(of_y2, b1)
        to_ccw = of_y1[1] * b2[0]
        to_ccw += of_y2[1] * b1[0]
        to_cw = of_y1[0] * b2[1]
        to_cw += of_y2[0] * b1[1]
        for part in (stays, to_ccw, to_cw):
            part *= scale
        crossed = turn.to_ccw * to_ccw
        crossed += turn.to_cw * to_cw
        by_half, by_square = turn.stays * stays, turn.stays_by * stays
        by_half += turn.crosses * crossed
        by_square += turn.crosses_by * crossed
        to_ccw *= turn.crosses
        to_ccw += turn.to_cw * by_square
        to_cw *= turn.crosses
        to_cw += turn.to_ccw * by_square
        by_phase = joined((y_east[0], a_east[0]), (a[0], y[0]))
        found.append(RingSlopes(by_half, by_kappa1, by_kappa2, to_ccw, to_cw, by_phase))
    through_hit, far_hit = a[0] * y[0] * p[-1] ** 2, a[1] * y[1] * q[-1] ** 2
    return found, [mirrored[0], through_hit, mirrored[1], far_hit]


def _coupler(t: OfWavelengths, light: tuple[Pair, Pair], light_y: tuple[Pair, Pair]) -> tuple[Readings, Pair, Pair]:
    """Q·O − Y·A, and both lights' jκ·b, of a coupler: of each light what enters from the bus and what leaves by it."""
    (into, left), (into_y, left_y) = light, light_y
    by_kappa = joined(left_y, left)
    by_kappa -= joined(into_y, into)
    b, of_y = (t * left[0], t * left[1]), (t * left_y[0], t * left_y[1])
    for parts, entered in ((b, into), (of_y, into_y)):
        for part, own in zip(parts, entered, strict=True):
            part -= own
    return by_kappa, b, of_y
