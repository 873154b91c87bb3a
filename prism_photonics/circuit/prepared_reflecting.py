"""`prepared` for a row with everything that reflects: exit powers and all slopes in two sweeps.

One sweep from the far ends finds what every ring has behind it: the reflections Γ and the way v out to the through
exit. A second one from the near ends carries three fields eastward: lit from the entrance, from the drop exit, and from
the through exit. All is reciprocal, so what a change dS of a ring's scattering does to the transmission from port i to
port k follows from the light that enters the ring's four ports when either is lit:

    d(k ← i) = a_k^T · dS · a_i

The slopes of a channel by all rings so cost no more than two rows. NumPy's and JAX's arrays alike.

Source: Lorentz reciprocity, to first order in dS; written out for this chain by us.
"""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.circuit.prepared import shifted
from prism_photonics.circuit.reflecting import (
    End,
    RowReflections,
    before_ring,
    behind_bus,
    echoed,
    joined,
    leaving,
    near_ends,
    passage,
    passed,
    row_ends,
    seen_before,
    sent_back,
)
from prism_photonics.lightpath.arrays import Numbers, library, power, scan
from prism_photonics.lightpath.ring.backscatter import RingPorts, Splitting, ports_of_turn, splitting
from prism_photonics.lightpath.ring.dispersion import RingDispersion, dispersed
from prism_photonics.lightpath.ring.model import RingParams, half_turn, rad_per_pm, reciprocal
from prism_photonics.lightpath.waveguide.model import PathParams, transmission, unit_phasor


class PreparedReflectingRow(eqx.Module):
    """Voltage-independent factors of one row, or of many, at each channel's wavelength.

    Attributes:
        half_turn: √a·e^{jφ/2} of the untuned rings.
        t1: Self-couplings at the through bus.
        t2: Self-couplings at the drop bus.
        split: The rings' backscatter.
        p: Transmissions of the through bus's segments.
        q: Those of the drop bus's.
        ends: The four ends of the buses.
        rad_pm: Round-trip phase of one pm of resonance shift, in rad/pm.
    """

    half_turn: Complex[Numbers, "rings ... channels"]
    t1: Float[Numbers, "rings ... #channels"]
    t2: Float[Numbers, "rings ... #channels"]
    split: Splitting
    p: Complex[Numbers, "segments ... channels"]
    q: Complex[Numbers, "segments ... channels"]
    ends: tuple[End, End, End, End]
    rad_pm: Float[Numbers, "rings ... 1"]


def prepare_reflecting_row(
    wl: Float[Numbers, "... channels"],
    rings: RingParams,
    buses: PathParams,
    reflections: RowReflections,
    *,
    dispersion: RingDispersion | None = None,
) -> PreparedReflectingRow:
    """Prepare one row or many, in the arrays that are given: NumPy's or JAX's.

    Args:
        wl: Channel wavelengths in µm.
        rings: Ring optics, leaves (..., rings); their offsets are not used: shifts are given whole.
        buses: Bus segments, leaves (..., 2, rings + 1).
        reflections: Everything that reflects, leaves (..., rings) and (..., 4, reflectors).
        dispersion: Slopes of the rings with wavelength; by default none.
    """
    xp = library(rings.t1)
    split = splitting(rings, reflections.backscatter)
    ring, segment, split, slopes = (
        jax.tree.map(lambda leaf: xp.moveaxis(leaf, -1, 0)[..., None], part)
        for part in (rings, buses, split, dispersion)
    )
    rad_pm = rad_per_pm(ring)
    if slopes is not None:
        ring = dispersed(wl, ring, slopes)
    both = transmission(wl[..., None, :], segment)
    return PreparedReflectingRow(
        half_turn=half_turn(wl, ring, 0.0),
        t1=ring.t1,
        t2=ring.t2,
        split=split,
        p=both[..., 0, :],
        q=both[..., 1, :],
        ends=row_ends(wl, reflections.ends),
        rad_pm=rad_pm,
    )


def exit_powers(
    row: PreparedReflectingRow, shift_pm: Float[ndarray, "... rings"]
) -> tuple[Float[ndarray, "2 ... channels"], Float[ndarray, "2 ... channels"]]:
    """Power transmissions to the through and the drop exit, and their slopes by a shift that all rings share, per pm.

    Args:
        row: The row, or many.
        shift_pm: Resonance shift of every ring in pm, fabrication included.
    """
    xp = library(row.half_turn)
    fields, by_rings = _fields_and_slopes(row, shift_pm)
    slopes = [2.0 * (field.conj() * by.sum(0)).real for field, by in zip(fields, by_rings, strict=True)]
    return xp.stack([power(field) for field in fields]), xp.stack(slopes)


def balanced(
    row: PreparedReflectingRow, shift_pm: Float[Numbers, "... rings"], drop_ratio: Float[Numbers, "..."]
) -> Float[Numbers, "... channels"]:
    """The transmission of `balanced_and_slopes` alone: one sweep."""
    gamma, out, _, _ = swept(row, shifted(row.half_turn, row.rad_pm, shift_pm))
    fields = leaving(gamma, out, (row.ends[0], row.ends[2]))
    return power(fields.through) - drop_ratio[..., None] * power(fields.drop)


def balanced_and_slopes(
    row: PreparedReflectingRow, shift_pm: Float[Numbers, "... rings"], drop_ratio: Float[Numbers, "..."]
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "rings ... channels"]]:
    """``T_through − ρ·T_drop`` of every channel, and its slope by every ring's resonance shift; as `prepared`'s.

    Args:
        row: The row, or many.
        shift_pm: Resonance shift of every ring in pm, fabrication included.
        drop_ratio: Responsivity of the drop photodiode over the through one.

    Returns:
        (transmission, slopes per pm).
    """
    (through, drop), (by_through, by_drop) = _fields_and_slopes(row, shift_pm)
    ratio = drop_ratio[..., None]
    slopes = 2.0 * ((through.conj() * by_through).real - ratio * (drop.conj() * by_drop).real)
    return power(through) - ratio * power(drop), slopes


def balanced_alone(
    row: PreparedReflectingRow,
    rest_pm: Float[Numbers, "... rings"],
    swept_pm: Float[Numbers, "points ... rings"],
    drop_ratio: Float[Numbers, "..."],
) -> Float[Numbers, "points ... rings"]:
    """``T_through − ρ·T_drop`` of each ring's own channel when that ring alone is swept; the row has ring per channel.

    What lies west of the ring is one scattering matrix, what lies east of it another: a whole curve costs one ring.

    Args:
        row: The row, or many.
        rest_pm: Resonance shift of the rings that are not swept, in pm.
        swept_pm: Resonance shifts of the swept one, in pm.
        drop_ratio: Responsivity of the drop photodiode over the through one.
    """
    xp = library(row.half_turn)
    half = shifted(row.half_turn, row.rad_pm, rest_pm)
    _, _, (gammas, outs), all_ports = swept(row, half)
    entrance, _, drop_exit, _ = row.ends
    nothing = xp.zeros_like(half[0])

    def before(carry, this):
        (west, lit, by_drop, direct), (ports, p, q) = carry, this
        west, lit = behind_bus(west, lit, p, q)
        by_drop = (by_drop[0] * p, by_drop[1] * q)
        # The same two lines as from the far end, with west and east exchanged.
        turned = _seen_from_the_east(ports)
        n = passage(turned, west)
        # What runs eastward into the ring while it has nothing behind it.
        (entering,) = echoed(west, ports.west, lit)
        after = (
            seen_before(turned, west, n),
            (joined(lit, n[0]), joined(lit, n[1])),
            (joined(by_drop, n[0]), joined(by_drop, n[1])),
            direct + joined(by_drop, sent_back(ports.west, entering)),
        )
        return after, (*west, *lit, *by_drop, direct)

    start = (
        (entrance.inside + nothing, nothing, drop_exit.inside + nothing),
        (entrance.passed + nothing, nothing),
        (nothing, drop_exit.passed + nothing),
        nothing,
    )
    _, kept = scan(before, start, (all_ports, row.p[:-1], row.q[:-1]))
    # Each ring at its own channel; the axis of rings comes last.
    own = lambda leaf: xp.diagonal(leaf, axis1=0, axis2=-1)  # noqa: E731
    last = lambda leaf: xp.moveaxis(leaf[..., 0], 0, -1)  # noqa: E731
    # Of a ring that disperses, what it couples at its own channel.
    t1, t2 = (own(xp.broadcast_to(leaf, half.shape)) for leaf in (row.t1, row.t2))
    w1, w2, w3, lit1, lit2, drop1, drop2, direct = (own(leaf) for leaf in kept)
    g1, g2, g3, out1, out2, h0 = (own(leaf) for leaf in (*gammas, *outs, row.half_turn))
    h = h0 * unit_phasor(0.5 * last(row.rad_pm) * swept_pm)
    ports = ports_of_turn(h, t1, t2, jax.tree.map(last, row.split))
    n = passage(ports, (g1, g2, g3))
    gamma = seen_before(ports, (g1, g2, g3), n)
    (light,) = echoed((w1, w2, w3), gamma, (lit1, lit2))
    through = joined((out1, out2), passed(n, light))
    drop = direct + joined((drop1, drop2), sent_back(gamma, light))
    return power(through) - drop_ratio[..., None] * power(drop)


def swept(row: PreparedReflectingRow, half: Complex[Numbers, "rings ... channels"]) -> tuple[Any, Any, Any, RingPorts]:
    """From the far ends: Γ and the way out as the first segment's near side sees them, and as every ring has them.

    The rings' own fields, which no other ring changes, are found for all of them at once and come last.
    """
    _, through_exit, _, far = row.ends
    nothing = library(half).zeros_like(half[0])
    all_ports = ports_of_turn(half, row.t1, row.t2, row.split)

    def inwards(carry, this):
        ports, p, q = this
        gamma, out = behind_bus(carry[0], carry[1], p, q)
        return before_ring(ports, gamma, out), (*gamma, *out)

    end = (
        (through_exit.inside + nothing, nothing, far.inside + nothing),
        (through_exit.passed + nothing, nothing),
    )
    (gamma, out), kept = scan(inwards, end, (all_ports.sides, row.p[1:], row.q[1:]), reverse=True)
    gamma, out = behind_bus(gamma, out, row.p[0], row.q[0])
    return gamma, out, (kept[:3], kept[3:]), all_ports


def lit_from_exits(row: PreparedReflectingRow, gamma: Any, out: Any, nothing: Any) -> tuple[tuple[Any, Any], ...]:
    """What runs eastward at a row's near ends, lit from the entrance, from the drop exit, and from the through exit.

    Args:
        row: The row.
        gamma: What comes back to the near ends, as `swept` gives it.
        out: The way from there to the through exit.
        nothing: Zeros of the fields' shape.
    """
    entrance, _, drop_exit, _ = row.ends
    return echoed(
        near_ends((entrance, drop_exit)),
        gamma,
        (entrance.passed + nothing, nothing),
        (nothing, drop_exit.passed + nothing),
        (entrance.inside * out[0], drop_exit.inside * out[1]),
    )


def _fields_and_slopes(row: PreparedReflectingRow, shift_pm: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Fields at both exits, and their slopes by the shift of every ring, per pm.

    What does not hand light from ring to ring is computed for all of them at once: in NumPy short arrays cost as much
    as long ones.
    """
    half = shifted(row.half_turn, row.rad_pm, shift_pm)
    gamma, out, (gammas, outs), ports = swept(row, half)
    entrance, _, drop_exit, _ = row.ends
    xp = library(half)
    n = passage(ports, gammas)
    # What falls on a ring from the through exit, as it comes back eastward; the two other lights come from the west.
    (echo,) = echoed(ports.east, gammas, sent_back(ports.east, outs))
    nothing = xp.zeros_like(half[0])
    three = lambda light: xp.stack([0.0 * light, 0.0 * light, light], axis=1)  # noqa: E731
    start = lit_from_exits(row, gamma, out, nothing)

    def outwards(carry, this):
        (n11, n21, n12, n22), (p, q), (echo1, echo2) = this
        x, y = carry[0] * p, carry[1] * q
        beyond = n11 * x + n12 * y + echo1, n21 * x + n22 * y + echo2
        return beyond, (x, y, *beyond)

    lit = tuple(xp.stack([light[bus] for light in start]) for bus in (0, 1))
    each = (*n[0], *n[1]), (row.p[:-1], row.q[:-1]), tuple(three(light) for light in echo)
    _, (x, y, *beyond) = scan(outwards, lit, each)
    back = sent_back([part[:, None] for part in gammas], beyond)
    enters = x, y, *(part + three(v) for part, v in zip(back, outs, strict=True))
    turned = RingPorts(*(leaf[:, None] for leaf in _turned_by_a_radian(half, (row.t1, row.t2), row.split, ports)))
    # By reciprocity: of the drop exit, and of the through exit.
    by = _scattered(tuple(light[:, 1:] for light in enters), turned, tuple(light[:, :1] for light in enters))
    fields = leaving(gamma, out, (entrance, drop_exit))
    return (fields.through, fields.drop), (by[:, 1] * row.rad_pm, by[:, 0] * row.rad_pm)


def _turned_by_a_radian(half: Any, couplers: tuple[Any, Any], split: Splitting, ports: RingPorts) -> RingPorts:
    """Slopes of a ring's fields by its round-trip phase: x' = jx and h' = jh/2."""
    (t1, t2), xp = couplers, library(half)
    both, k1, k2 = t1 * t2, 1.0 - t1**2, 1.0 - t2**2
    turn, cosine = half * half, 1.0 - split.versed
    inverse = reciprocal((1.0 - both * turn) ** 2 + 2.0 * both * turn * split.versed)
    under = 2j * both * turn * (both * turn - cosine)
    coupled = xp.sqrt(k1 * k2) * half
    by = lambda numerator, field: (numerator - field * under) * inverse  # noqa: E731
    along = lambda t, other, field: by(1j * turn * (2.0 * other * both * turn - (both * t + other) * cosine), field)  # noqa: E731
    across = 0.5 * split.half_sine * coupled * (1.0 + 3.0 * both * turn)
    back = split.sine * turn
    return RingPorts(
        through=along(t1, t2, ports.through),
        drop_bus=along(t2, t1, ports.drop_bus),
        drop=by(-0.5j * split.half_cosine * coupled * (1.0 - 3.0 * both * turn), ports.drop),
        across_ccw=by(across * split.to_ccw, ports.across_ccw),
        across_cw=by(across * split.to_cw, ports.across_cw),
        back_through=by(back * t2 * k1, ports.back_through),
        back_drop=by(back * t1 * k2, ports.back_drop),
        to_ccw=split.to_ccw,
        to_cw=split.to_cw,
    )


def _scattered(k: Any, ring: RingPorts, i: Any) -> Any:
    """a_k^T·dS·a_i; light that enters from west on the through and the drop bus, then from east."""
    (kw1, kw2, ke1, ke2), (iw1, iw2, ie1, ie2) = k, i
    return (
        ring.through * (kw1 * ie1 + ke1 * iw1)
        + ring.drop_bus * (kw2 * ie2 + ke2 * iw2)
        + ring.drop * (kw1 * iw2 + kw2 * iw1 + ke1 * ie2 + ke2 * ie1)
        + ring.across_ccw * (kw1 * ie2 + ke2 * iw1)
        + ring.across_cw * (kw2 * ie1 + ke1 * iw2)
        + ring.back_through * (ring.to_ccw * kw1 * iw1 + ring.to_cw * ke1 * ie1)
        + ring.back_drop * (ring.to_cw * kw2 * iw2 + ring.to_ccw * ke2 * ie2)
    )


def _seen_from_the_east(ports: RingPorts) -> RingPorts:
    """The ring with west and east exchanged: clockwise becomes counter-clockwise."""
    return RingPorts(
        through=ports.through,
        drop_bus=ports.drop_bus,
        drop=ports.drop,
        across_ccw=ports.across_cw,
        across_cw=ports.across_ccw,
        back_through=ports.back_through,
        back_drop=ports.back_drop,
        to_ccw=ports.to_cw,
        to_cw=ports.to_ccw,
    )
