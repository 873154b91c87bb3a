"""The exact row when light runs both ways on both buses: rings that scatter back, and buses whose ends reflect.

Every ring is now a four-port, and what the row behind it sends back is a symmetric 2×2 matrix Γ in the basis (through
bus, drop bus). With the ring's scattering from west and east,

    N_j = (1 − S_ee·Γ)⁻¹·S_ew          what runs eastward behind the ring, per unit that enters it from the west
    Γ_j = S_ww + S_we·Γ·N_j            what the ring and all behind it send back

and Γ = P·Γ_{j+1}·P through the two buses' transmissions P = diag(p, q). It begins with the reflections of the two far
ends and ends with those of the two near ones. O(d) per wavelength, as without reflections, and differentiable.

Source: the star product of scattering matrices (R. Redheffer, Journal of Mathematics and Physics 41, 1 (1962),
10.1002/sapm19624111), for a chain that is closed at its far end; the reduction to 2×2 matrices is our own.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float

from prism_photonics.lightpath.arrays import Numbers, library, scan
from prism_photonics.lightpath.ring.backscatter import Backscatter, RingPorts, RingSides, ports_of_turn, splitting
from prism_photonics.lightpath.ring.model import RingParams, half_turn, reciprocal
from prism_photonics.lightpath.waveguide.model import PathParams, transmission

ENDS = ("entrance", "through_exit", "drop_exit", "drop_far_end")


class EndReflectors(eqx.Module):
    """What reflects beyond the four ends of a row's buses: facets, splitters, U-turns, photodiodes.

    Leaves have the shape (..., 4, reflectors): the ends in the order of `ENDS`, and at each end one reflector or more,
    counted outwards from the bus. A reflector of amplitude r passes √(1 − r²) and loses nothing; what all of an end's
    reflectors let out is what leaves the row.

    Attributes:
        way: From the bus's end, or from the reflector before, to this one; passed once by what leaves.
        amplitude: Field reflection, 0 to 1.
        phase_rad: Phase of the reflection, seen from the bus.
    """

    way: PathParams
    amplitude: Float[Numbers, "... 4 reflectors"]
    phase_rad: Float[Numbers, "... 4 reflectors"]


class RowReflections(eqx.Module):
    """Everything that sends light back in a row, or in many.

    Attributes:
        backscatter: Of the rings, leaves (..., rings).
        ends: Beyond the buses' ends.
    """

    backscatter: Backscatter
    ends: EndReflectors


class ReflectingFields(eqx.Module):
    """Fields that leave a row for unit field at its entrance.

    Attributes:
        through: By the through exit.
        drop: By the drop exit.
        reflected: Back out of the entrance.
    """

    through: Complex[Numbers, "..."]
    drop: Complex[Numbers, "..."]
    reflected: Complex[Numbers, "..."]


class End(NamedTuple):
    """One end of a bus as a two-port: reflection seen from the bus, transmission, and reflection seen from outside."""

    inside: Complex[Numbers, "..."]
    passed: Complex[Numbers, "..."]
    outside: Complex[Numbers, "..."]


def end_reflectors(
    amplitude: Float[Numbers, "... 4"], phase_rad: Float[Numbers, "... 4"], *, wl0_um: float = 1.55
) -> EndReflectors:
    """One reflector right at each end of the buses, in the order of `ENDS`."""
    xp = np if isinstance(amplitude, np.ndarray) else jnp
    one, phase = (xp.asarray(leaf, dtype=float)[..., None] for leaf in (amplitude, phase_rad))
    nothing = xp.zeros_like(one)
    return EndReflectors(PathParams(nothing, nothing, nothing + 1.0, nothing, nothing + wl0_um), one, phase)


def no_reflections(shape: tuple[int, ...], *, wl0_um: float = 1.55) -> RowReflections:
    """Reflections that are all zero, of rows of shape (..., rings): a start for a fit, or for a few that are not."""
    nothing, ends = jnp.zeros(shape, dtype=complex), jnp.zeros((*shape[:-1], len(ENDS)))
    return RowReflections(Backscatter(nothing, nothing), end_reflectors(ends, ends, wl0_um=wl0_um))


def row_ends(wl: Float[Numbers, "... wl"], ends: EndReflectors) -> tuple[End, End, End, End]:
    """The four ends of a row's buses as two-ports, in the order of `ENDS`, over the wavelengths."""
    way, amplitude, phase = ends.way, ends.amplitude, ends.phase_rad
    many = amplitude.shape[-1]

    def one(n: int) -> End:
        # From the bus outwards: a path, then a mirror, again and again.
        at = lambda leaf, k: leaf[..., n, k, None]  # noqa: E731
        inside, passed, outside = 0.0 * wl + 0j, 0.0 * wl + 1.0 + 0j, 0.0 * wl + 0j
        for k in range(many):
            along = transmission(wl, jax.tree.map(lambda leaf, k=k: at(leaf, k), way))
            strength, angle = at(amplitude, k), at(phase, k)
            mirror = strength * library(wl, strength, angle).exp(1j * angle)
            share = (1.0 - strength**2) ** 0.5
            passed, outside = passed * along, outside * along * along
            between = reciprocal(1.0 - outside * mirror)
            inside, passed, outside = (
                inside + passed * passed * mirror * between,
                passed * share * between,
                share * share * outside * between - mirror.conj(),
            )
        return End(inside, passed, outside)

    return one(0), one(1), one(2), one(3)


def reflecting_row(
    wl: Float[Numbers, "... wl"],
    rings: RingParams,
    buses: PathParams,
    *,
    shift_pm: Float[Numbers, "... rings"],
    reflections: RowReflections,
) -> ReflectingFields:
    """Exact fields at the exits of one row, or of many, with everything that reflects; see `row.row_response`."""
    xp = library(*jax.tree.leaves((wl, rings, buses, shift_pm, reflections)))
    entrance, through_exit, drop_exit, drop_far_end = row_ends(wl, reflections.ends)
    # Rings lead, wavelengths come last.
    leading = lambda part: jax.tree.map(lambda leaf: xp.moveaxis(xp.asarray(leaf), -1, 0)[..., None], part)  # noqa: E731
    ring_leaves, segments, shifts = leading((rings, buses, shift_pm))
    splits = leading(splitting(rings, reflections.backscatter))

    def phasors(ring, shift, segment):
        both = transmission(wl[..., None, :], segment)
        return both[..., 0, :], both[..., 1, :], half_turn(wl, ring, shift)

    def step(carry, this):
        gamma, out = carry
        ring, shift, split, segment = this
        p, q, half = _computed_once(wl, phasors, ring, shift, segment)
        gamma, out = behind_bus(gamma, out, p, q)
        return before_ring(ports_of_turn(half, ring.t1, ring.t2, split), gamma, out), ()

    shape = np.broadcast_shapes(wl.shape, *(leaf.shape[1:] for leaf in jax.tree.leaves((ring_leaves, shifts))))
    zero = xp.zeros(shape, dtype=complex)
    end = ((through_exit.inside + zero, zero, drop_far_end.inside + zero), (through_exit.passed + zero, zero))
    behind = jax.tree.map(lambda leaf: leaf[1:], segments)
    (gamma, out), _ = scan(step, end, (ring_leaves, shifts, splits, behind), reverse=True)
    first = transmission(wl[..., None, :], jax.tree.map(lambda leaf: leaf[0], segments))
    gamma, out = behind_bus(gamma, out, first[..., 0, :], first[..., 1, :])
    return leaving(gamma, out, (entrance, drop_exit))


def behind_bus(gamma: Any, out: Any, p: Any, q: Any) -> tuple[Any, Any]:
    """Γ, and the transmission to an exit, as they are seen through a segment of both buses."""
    a, b, d = gamma
    return (a * p * p, b * p * q, d * q * q), (out[0] * p, out[1] * q)


def leaving(gamma: Any, out: Any, ends: tuple[End, End]) -> ReflectingFields:
    """Fields that leave a row whose near ends are the given two, entrance and drop exit."""
    entrance, drop_exit = ends
    (light,) = echoed(near_ends(ends), gamma, (1.0, 0.0))
    back = sent_back(gamma, light)
    return ReflectingFields(
        through=entrance.passed * joined(out, light),
        drop=entrance.passed * drop_exit.passed * back[1],
        reflected=entrance.outside + entrance.passed**2 * back[0],
    )


def near_ends(ends: tuple[End, End]) -> tuple[Any, Any, Any]:
    """What the entrance and the drop exit send back into the row."""
    return ends[0].inside, 0.0, ends[1].inside


def echoed(back: Any, gamma: Any, *light: Any) -> tuple[tuple[Any, Any], ...]:
    """(1 − R·Γ)⁻¹ on each light that runs towards Γ: with all its echoes between there and R, behind it."""
    (r11, r12, r22), (a, b, d) = back, gamma
    m11, m12 = 1.0 - r11 * a - r12 * b, -r11 * b - r12 * d
    m21, m22 = -r12 * a - r22 * b, 1.0 - r12 * b - r22 * d
    inverse = reciprocal(m11 * m22 - m12 * m21)
    return tuple(((m22 * x - m12 * y) * inverse, (m11 * y - m21 * x) * inverse) for x, y in light)


def sent_back(gamma: Any, light: Any) -> tuple[Any, Any]:
    """Γ on light, on the two buses."""
    (a, b, d), (x, y) = gamma, light
    return a * x + b * y, b * x + d * y


def joined(way: Any, light: Any) -> Any:
    """Light of both buses at the end of its way out."""
    return way[0] * light[0] + way[1] * light[1]


def passage(ports: RingPorts | RingSides, gamma: Any) -> tuple[tuple[Any, Any], ...]:
    """N = (1 − S_ee·Γ)⁻¹·S_ew: what runs on behind a ring of unit light on the through bus, and on the drop bus."""
    return echoed(ports.east, gamma, (ports.through, ports.across_ccw), (ports.across_cw, ports.drop_bus))


def passed(n: Any, light: Any) -> tuple[Any, Any]:
    """N on light."""
    (n11, n21), (n12, n22) = n
    return n11 * light[0] + n12 * light[1], n21 * light[0] + n22 * light[1]


def seen_before(ports: RingPorts | RingSides, gamma: Any, n: Any) -> tuple[Any, Any, Any]:
    """Γ_j = S_ww + S_ew^T·Γ·N, the three entries of a symmetric matrix."""
    (w11, w12, w22), (first, second) = ports.west, (sent_back(gamma, column) for column in n)
    from_through, from_drop = (ports.through, ports.across_ccw), (ports.across_cw, ports.drop_bus)
    return (
        w11 + joined(from_through, first),
        w12 + joined(from_through, second),
        w22 + joined(from_drop, second),
    )


def before_ring(ports: RingPorts | RingSides, gamma: Any, out: Any) -> tuple[Any, Any]:
    """Γ, and the way out to an exit, as they are seen before a ring."""
    n = passage(ports, gamma)
    return seen_before(ports, gamma, n), (joined(out, n[0]), joined(out, n[1]))


def _computed_once(wl: Float[Numbers, "... wl"], function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's value, as a value.

    XLA's compiler for CPUs otherwise computes all sines and cosines again for each number that a ring hands on, five
    times as long, and drops `jax.lax.optimization_barrier` before it does so. It never merges across a condition: here
    one that holds for every wavelength there is. At others there are no fields: they are NaN.
    """
    if library(wl, *jax.tree.leaves(arguments)) is np:
        return function(*arguments)

    def nothing(*arguments: Any) -> Any:
        shapes = jax.eval_shape(function, *arguments)
        return jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)

    return jax.lax.cond(jnp.all(wl > 0.0), function, nothing, *arguments)
