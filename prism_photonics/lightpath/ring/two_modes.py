"""A ring whose rib holds a second TE mode, of plain arrays: its arcs lean, its couplers couple all to all.

The basis is that of straight guides, (TE0, TE1), TE1's lobe outside the ring positive. In a bend the modes lean
outwards by the angle θ, sin θ = lean/R, so that half a turn from the middle of one coupling straight to that of the
other is

    H = S·R^T·A·R·S,    R = ((cos θ, sin θ), (−sin θ, cos θ)),

S of half a straight, A of an arc, both diagonal: from the half turns h0, h1 of either mode alone and the straight's
phase ψ = Δβ·s between them

    H00 = cos²θ·h0 + sin²θ·h1·e^{jψ},    H11 = sin²θ·h0·e^{−jψ} + cos²θ·h1,
    H01 = cos θ·sin θ·(h0·e^{−jψ/2} − h1·e^{jψ/2}).

Without a straight it turns nothing: an arc is a circle's. With one it turns 4·sin²θ·cos²θ·sin²(ψ/2) of the light from
the arc before to the other mode of the arc behind.

A coupler is the ordered exponential of what two guides' modes do to each other along it, in the picture in which each
runs on as it would alone, phases of TE1 against TE0 and the bend's lean included: unitary, and symmetric, as its two
halves mirror each other. As in `process.coupling` the gap opens as a parabola, and that the ring's rib is longer than
its chord is left out.

Source: coupled local modes (A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 28 and 29).
"""

import math
from typing import Any

import numpy as np

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.mixing import Coupler, HalfTurn
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.lightpath.waveguide.turned import quarter_turned
from prism_photonics.process.coupling import DECAYS, GapLaw, ramp_reach_um, ramp_rise
from prism_photonics.process.profile import Profile
from prism_photonics.process.second_mode import SecondModeTable

STRAIGHT_1_UM = 1e-9  # a curvature that is none, of which a bend's table still has modes
REACH = 5.0  # standard deviations of the widest coupling's reach along the bus to which steps are taken
ERF = np.vectorize(math.erf, otypes=[float])  # commands that only simulate load no SciPy
STEPS = 40  # from a coupler's middle, as many along the straight as along the arc


def leaning_half_turn(first: Any, second: Any, straight_rad: Any, lean_rad: Any) -> HalfTurn:
    """H from the half turns ``√a·e^{jφ/2}`` of TE0 and TE1 as they are in a ring that does not lean.

    Args:
        first: Of TE0.
        second: Of TE1.
        straight_rad: ψ, by which TE0 runs ahead of TE1 along one coupling straight.
        lean_rad: θ.
    """
    xp = first.__array_namespace__()
    cosine, sine, ahead = xp.cos(lean_rad), xp.sin(lean_rad), xp.exp(0.5j * straight_rad)
    return HalfTurn(
        te=cosine**2 * first + sine**2 * second * ahead**2,
        tm=sine**2 * first / ahead**2 + cosine**2 * second,
        between=cosine * sine * (first / ahead - second * ahead),
    )


def converted(half: HalfTurn, mean: Any, conversion_rad: Any) -> HalfTurn:
    """Half a turn whose turns convert, of a ring that does not lean; or one that leans, where χ is none.

    Args:
        half: Without it.
        mean: ``√(h0·h1)``, as of `mixing.mixed_half_turn`.
        conversion_rad: χ.
    """
    xp = mean.__array_namespace__()
    kept, turned = xp.cos(conversion_rad), 1j * xp.sin(conversion_rad)
    return HalfTurn(half.te * kept, half.tm * kept, half.between + turned * mean)


def lean_rad(table: SecondModeTable, radius_um: Any) -> Any:
    """θ of a bend along layout x."""
    return np.arcsin(np.minimum(table.lean_um / radius_um, 1.0))


def conversion_rad(design: RingDesign, profile: Profile) -> float:
    """χ of half a turn of a ring as drawn, by what its ramps turn to TE1: 0 of one with arcs.

    Between two quarter turns TE1 gathers a phase that no drawing holds: their shares add up in the mean.
    """
    if not design.euler_p:
        return 0.0
    return math.asin(math.sqrt(min(2.0 * quarter_turned(profile, design.quarter).mean, 1.0)))


def ring_coupler(design: RingDesign, profile: Profile, table: SecondModeTable, gap_um: Any) -> Coupler:
    """The coupler of a ring as drawn, but for its gap; of many gaps at once."""
    if design.euler_p:
        return ramp_coupler(
            table,
            profile.gap_law,
            gap_um=gap_um,
            turn=design.quarter,
            straight_um=design.straight_um,
            width_um=design.width_um,
        )
    return mode_coupler(
        table,
        profile.gap_law,
        gap_um=gap_um,
        radius_um=design.radius_um,
        straight_um=design.straight_um,
        width_um=design.width_um,
    )


def mode_coupler(
    table: SecondModeTable,
    first: GapLaw,
    *,
    gap_um: Any,
    radius_um: Any,
    straight_um: Any,
    width_um: float,
    bent: bool = True,
    steps: int = STEPS,
) -> Coupler:
    """The coupler of rings and their straight bus along layout x; broadcasts.

    Args:
        table: The film's.
        first: Law of TE0 with TE0, the film's own: the models of one mode have the same.
        gap_um: Least gap between the top edges.
        radius_um: Of the ring's middle.
        straight_um: Of the ring along the bus.
        width_um: Of both ribs' tops.
        bent: Whether the arcs' modes are a bend's, or a straight guide's, as `process.coupling` takes them.
        steps: Along half the straight, and along the arc behind it.
    """
    given = (np.asarray(value, float) for value in (gap_um, radius_um, straight_um))
    gap, radius, straight = np.broadcast_arrays(*given)
    beta, decay = table.beta_1_um, table.decay_1_um(table.beta_1_um)
    met = _met(table, first, gap)
    # The fronts of ring and bus are held against each other in the middle of the gap, where the ring's run slower.
    bend, out_um = table.bend(radius, 0.5 * gap), radius + 0.5 * (width_um + gap)
    falls = table.decay_1_um(bend.beta_1_um * (radius / out_um)[..., None])
    if bent:
        reach = np.sqrt(2.0 * out_um[..., None] / falls)[..., :, None] + np.zeros(2)
        theta = lean_rad(table, radius)
    else:
        decays = np.array([first.decay_um, table.second.decay_um])
        reach = np.sqrt(2.0 * radius[..., None, None] * (0.5 * (decays[:, None] + decays)))
        theta = 0.0 * radius
    nodes = np.linspace(0.0, 1.0, steps + 1)
    along, behind = np.multiply.outer(nodes, 0.5 * straight), np.multiply.outer(nodes, REACH * reach.max((-1, -2)))
    # What couples in each step of the arc; beyond the last one nothing is left out.
    grown = 0.5 * np.sqrt(np.pi) * reach * ERF(behind[..., None, None] / reach)
    grown[-1] = 0.5 * np.sqrt(np.pi) * reach
    on_straight, on_arc = met * np.diff(along, axis=0)[..., None, None], met * np.diff(grown, axis=0)
    middle = lambda nodes: 0.5 * (nodes[1:] + nodes[:-1])  # noqa: E731
    x_um = middle(behind)
    if bent:
        arc = bend.beta_1_um * (radius * np.arctan(x_um / out_um))[..., None] - beta[0] * x_um[..., None]
        slope = -1j * bend.beta_1_um * (radius / out_um**2)[..., None] * x_um[..., None]
        front = (falls + slope)[..., :, None] + decay
        on_arc = on_arc * front * bend.tail[..., :, None] / (decay[:, None] + decay)
    else:
        arc = (beta - beta[0]) * x_um[..., None]
    run = lambda length_um: _diagonal(np.exp(1j * (beta - beta[0]) * length_um[..., None]))  # noqa: E731
    ring = np.concatenate([run(middle(along)), _diagonal(np.exp(1j * arc)) @ _turn(theta) @ run(0.5 * straight)])
    bus = run(np.concatenate([middle(along), x_um + 0.5 * straight]))
    return _ordered(_adjoint(ring) @ np.concatenate([on_straight, on_arc]) @ bus)


def ramp_coupler(
    table: SecondModeTable,
    first: GapLaw,
    *,
    gap_um: Any,
    turn: QuarterTurn,
    straight_um: float,
    width_um: float,
    steps: int = 4 * STEPS,
) -> Coupler:
    """The same of a ring whose straights go over into ramps of curvature; of many gaps at once.

    Each step takes the bend's modes of the curvature that is there.

    Args:
        table: The film's.
        first: Law of TE0 with TE0.
        gap_um: Least gap between the top edges.
        turn: Of the ring.
        straight_um: Of the ring along the bus.
        width_um: Of both ribs' tops.
        steps: Along half the straight, and along the turn behind it.
    """
    gap, radius_um, ramp_um = np.asarray(gap_um, float), turn.least_radius_um, turn.ramp_um
    beta, decay, met = table.beta_1_um, table.decay_1_um(table.beta_1_um), _met(table, first, gap)
    off = np.expand_dims(0.5 * (width_um + gap), 0)
    reach_um = float(ramp_reach_um(radius_um, ramp_um, DECAYS / float(decay.min()), cosine=turn.cosine))
    nodes = np.linspace(0.0, 1.0, steps + 1)
    behind = np.expand_dims(nodes * reach_um, tuple(range(1, gap.ndim + 1)))
    rise, heading, curvature = ramp_rise(behind, radius_um, ramp_um, cosine=turn.cosine)
    # The ring's way to where its normal meets the plane through the gap's middle at x.
    way = behind - (off + rise) * heading + np.cumsum(0.5 * heading**2, axis=0) * reach_um / steps
    middle = lambda nodes: 0.5 * (nodes[1:] + nodes[:-1])  # noqa: E731
    curvature = np.maximum(middle(curvature), STRAIGHT_1_UM)
    bend = table.bend(1.0 / curvature + 0.0 * gap, 0.5 * gap + 0.0 * curvature)
    lagging = (1.0 - curvature * (off + middle(rise)))[..., None]
    falls = table.decay_1_um(bend.beta_1_um * lagging)
    front = (falls - 1j * bend.beta_1_um * lagging * middle(heading)[..., None])[..., :, None] + decay
    tail = np.exp(-falls * middle(rise)[..., None]) * bend.tail
    step_um = reach_um / steps
    on_turn = met * step_um * tail[..., :, None] * front / (decay[:, None] + decay)
    arc = np.cumsum(bend.beta_1_um * np.diff(way, axis=0)[..., None], axis=0)
    arc = arc - 0.5 * bend.beta_1_um * np.diff(way, axis=0)[..., None] - beta[0] * middle(behind)[..., None]
    theta = lean_rad(table, 1.0 / curvature)
    # The lean grows slowly: between a step and the next it turns the modes by what it has grown by.
    turned = np.diff(theta, axis=0, prepend=0.0)
    run = lambda length_um: _diagonal(np.exp(1j * (beta - beta[0]) * length_um[..., None]))  # noqa: E731
    half_um = np.asarray(0.5 * straight_um)
    along = nodes * half_um
    ring, carried, before = [], run(half_um), np.zeros_like(arc[0])
    for lean, phase in zip(turned, arc, strict=True):
        carried = _diagonal(np.exp(1j * (phase - before))) @ _turn(lean) @ carried
        before = phase
        ring.append(carried)
    shape = (steps, *gap.shape, 2, 2)
    flat = lambda matrices: np.broadcast_to(  # noqa: E731
        np.expand_dims(matrices, tuple(range(1, gap.ndim + 1))), shape
    )
    ring = np.concatenate([flat(run(middle(along))), np.broadcast_to(np.stack(ring), shape)])
    bus = np.concatenate([flat(run(middle(along))), np.broadcast_to(run(middle(behind) + half_um), shape)])
    on_straight = np.broadcast_to(met * half_um / steps, shape)
    return _ordered(_adjoint(ring) @ np.concatenate([on_straight, on_turn]) @ bus)


def _met(table: SecondModeTable, first: GapLaw, gap: Any) -> Any:
    """What couples two straight guides' modes: a mode's tail meets the other's across the gap.

    So what couples TE0 to TE1 follows from what couples like to like.
    """
    decay = table.decay_1_um(table.beta_1_um)
    like = np.stack([first.at(gap), table.second.at(gap)], axis=-1)
    return (
        np.sqrt(like[..., :, None] * like[..., None, :])
        * (decay[:, None] + decay)
        / (2.0 * np.sqrt(decay[:, None] * decay))
    )


def _ordered(across: Any) -> Coupler:
    """A coupler from what each step of one half of it does, from bus to ring; the other half mirrors it."""
    none = np.zeros_like(across)
    act = np.concatenate(
        [np.concatenate([none, _adjoint(across)], axis=-1), np.concatenate([across, none], axis=-1)], axis=-2
    )
    values, vectors = np.linalg.eigh(act)
    half = np.eye(4)
    for step in (vectors * np.exp(1j * values)[..., None, :]) @ _adjoint(vectors):
        half = step @ half
    whole = half @ half.swapaxes(-1, -2)
    return Coupler(bus=whole[..., :2, :2], over=whole[..., 2:, :2], ring=whole[..., 2:, 2:])


def _diagonal(values: Any) -> Any:
    return values[..., None] * np.eye(2)


def _turn(theta: Any) -> Any:
    """R: from a straight's modes to a bend's."""
    cosine, sine = np.cos(theta), np.sin(theta)
    return np.stack([np.stack([cosine, sine], axis=-1), np.stack([-sine, cosine], axis=-1)], axis=-2)


def _adjoint(m: Any) -> Any:
    return m.conj().swapaxes(-1, -2)
