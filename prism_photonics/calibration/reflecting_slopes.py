"""Currents of buses that reflect, and their slopes by all unknowns, in two sweeps over the rings.

`circuit.prepared_reflecting` finds the light a that enters every ring's four ports, lit from the entrance and, by
reciprocity, from both exits. What the balanced pair sees is ``T = |E_t|² − r·|E_d|²``, so that with

    y = E_t*·a_t − r·E_d*·a_d        dT = 2·Re(y^T·dS·a)

for a change dS of any ring, segment or end: one vector y for both exits. A ring's S has seven entries over one
denominator (`lightpath.ring.backscatter`), N_X/E; weighed with what y and a make of them, a slope costs one sum

    Σ w_X·dX = (Σ w_X·dN_X − dE·Σ w_X·X)/E
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, unravel
from prism_photonics.calibration.bus_slopes import Slopes, each_bus, each_ring, receiving, ring_volts
from prism_photonics.calibration.reflecting import beyond_columns, beyond_of
from prism_photonics.calibration.reflecting_columns import ReflectingBuses, finished_slopes
from prism_photonics.calibration.unknowns import columns, ring_model
from prism_photonics.circuit.prepared_reflecting import (
    PreparedReflectingRow,
    lit_from_exits,
    swept,
    through_ring,
)
from prism_photonics.circuit.reflecting import End, leaving, sent_back
from prism_photonics.lightpath.arrays import power
from prism_photonics.lightpath.phasor import phasor
from prism_photonics.lightpath.ring.backscatter import RingPorts, Splitting, splitting, splitting_slopes
from prism_photonics.lightpath.ring.model import reciprocal

Readings = Complex[ndarray, "buses settings wavelengths"]


def reflecting_readings_A(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]
) -> Float[ndarray, "buses settings wavelengths"]:
    """The currents that the unknowns predict, in A."""
    bus = _solved(survey, flat)
    return bus.gain_A * (power(bus.through) - bus.drop_ratio * power(bus.drop))


def reflecting_slopes(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> Slopes:
    """The currents that the unknowns predict and their slopes, as `bus_slopes.reading_slopes` gives them."""
    bus = _solved(survey, flat)
    row, params = bus.row, bus.params
    count, rings = params.t1.shape
    places = columns(rings) | beyond_columns(rings)
    seen = power(bus.through), power(bus.drop)
    twice_A = 2.0 * bus.gain_A
    by = np.zeros((count, flat.shape[1], *seen[0].shape[1:]))
    shape = (count, rings, *seen[0].shape[1:])
    by_turn, by_loss, by_kappa1, by_kappa2 = (np.empty(shape) for _ in range(4))

    lit = lit_from_exits(row, bus.gamma, bus.out, np.zeros_like(bus.through))
    balance = bus.through.conj(), -bus.drop_ratio * bus.drop.conj()

    def weighed(of_exits: Any) -> Any:
        # y of what three lights are somewhere: from the entrance, the drop exit, and the through exit.
        return balance[0] * of_exits[2] + balance[1] * of_exits[1]

    near = [sent_back(bus.gamma, light) for light in lit]
    near[2] = (near[2][0] + bus.out[0], near[2][1] + bus.out[1])
    hits = [[light[bus_] for light in near] for bus_ in (0, 1)]
    carried: list[tuple[Any, Any]] = list(lit)
    # Each ring's part, without the constructors of modules.
    leaves, tree = jax.tree.flatten((row.split, bus.ports))
    for j in range(rings):
        t1, t2, half = row.t1[j], row.t2[j], bus.half[j]
        split, ports = tree.unflatten(leaf[j] for leaf in leaves)
        p, q = row.p[j], row.q[j]
        gamma, v = tuple(part[j] for part in bus.gammas), tuple(part[j] for part in bus.outs)
        beyond_ring, enters = through_ring(ports, [(x * p, y * q) for x, y in carried], gamma, v)
        y, a = tuple(weighed([light[port] for light in enters]) for port in range(4)), enters[0]
        found = _ring_slopes(half, t1, t2, split=split, y=y, a=a)
        by_turn[:, j] = -0.5 * twice_A * np.imag(found.by_half)
        by_loss[:, j] = 0.5 * twice_A * np.real(found.by_half)
        by_kappa1[:, j] = twice_A * np.real(0.5 * (t1 - 1.0 / t1) * found.by_t1)
        by_kappa2[:, j] = twice_A * np.real(0.5 * (t2 - 1.0 / t2) * found.by_t2)
        rad_pm = row.rad_pm[j]
        for name, direct, other in (("ccw", found.by_ccw, split.to_cw), ("cw", found.by_cw, split.to_ccw)):
            slope = each_bus(bus.light.scatter_pm) * rad_pm * twice_A * (direct + other * found.by_square)
            by[:, places[f"{name}_re"].start + j] = np.real(slope)
            by[:, places[f"{name}_im"].start + j] = -np.imag(slope)
        if j < rings - 1:
            # Light along the through bus behind this ring, either way; the drop bus's phase is counted with it.
            turned = weighed([light[0] for light in beyond_ring]) * a[2] + y[2] * beyond_ring[0][0]
            by[:, places["phase_rad"].start + j] = -twice_A * np.imag(turned)
        carried = beyond_ring
    p, q = row.p[rings], row.q[rings]
    through_hit, far_hit = [light[0] * p for light in carried], [light[1] * q for light in carried]
    hits = [hits[0], through_hit, hits[1], far_hit]
    mirrored = [twice_A * weighed(hit) * hit[0] * bus.ends[:, n] for n, hit in enumerate(hits)]
    return finished_slopes(survey, by, bus, own=(by_turn, by_loss, by_kappa1, by_kappa2), seen=seen, mirrored=mirrored)


@dataclass(frozen=True)
class _Solved(ReflectingBuses):
    """Buses of one polarisation, solved from the far ends."""

    row: PreparedReflectingRow
    half: Complex[ndarray, "rings buses settings wavelengths"]
    gamma: Any
    out: Any
    gammas: Any
    outs: Any
    ports: RingPorts
    ends: Complex[ndarray, "buses 4 1 wavelengths"]
    through: Readings
    drop: Readings


def _solved(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> _Solved:
    light = survey.reflecting
    assert light is not None
    rings = survey.rings.t1.shape[1]
    unknowns, beyond = unravel(flat, rings), beyond_of(flat, light)
    params = ring_model(unknowns, survey.rings, survey.scatter)
    volts, acting = ring_volts(survey, unknowns)
    gain_A, drop_ratio = receiving(survey, unknowns)
    cubic = each_ring(beyond.cubic_pm_V3) * acting
    shift_pm = each_ring(params.offset_pm) + acting * (
        each_ring(params.slope_pm_V) + acting * (each_ring(params.curvature_pm_V2) + cubic)
    )
    half_rad = 0.5 * each_ring(survey.light.rad_pm) * (shift_pm + np.moveaxis(survey.drift_pm, -1, 1))
    half = phasor(half_rad) * (np.sqrt(params.a)[:, :, None] * light.half_turn)[:, :, None, :]

    def leading(of_ring: Any) -> Any:
        # Rings first, readings last.
        return np.moveaxis(of_ring, 1, 0)[..., None, None]

    def coupled(t: Any, factor: Any) -> Any:
        return np.sqrt(1.0 - np.moveaxis((1.0 - t[:, :, None] ** 2) * factor, 1, 0)[:, :, None])

    split = splitting(params, beyond.reflections.backscatter)
    phase = np.ones_like(light.p)
    phase[:, 1:-1] = np.exp(1j * unknowns.phase_rad)[:, :, None]
    along = lambda segments: np.moveaxis(segments, 1, 0)[:, :, None]  # noqa: E731
    reflection = (beyond.end_re + 1j * beyond.end_im)[:, :, None] * light.ends
    passed = np.sqrt(1.0 - beyond.end_re**2 - beyond.end_im**2)
    ends = tuple(
        End(reflection[:, n, None, :], each_bus(passed[:, n]) + 0j, np.zeros_like(reflection[:, n, None, :]))
        for n in range(reflection.shape[1])
    )
    row = PreparedReflectingRow(
        half_turn=np.moveaxis(light.half_turn, 1, 0)[:, :, None],
        t1=coupled(params.t1, light.kappa2_through),
        t2=coupled(params.t2, light.kappa2_drop),
        split=Splitting(**{name: leading(leaf) for name, leaf in vars(split).items()}),
        p=along(light.p * phase),
        q=along(light.q),
        ends=ends,  # type: ignore[arg-type]
        rad_pm=leading(survey.light.rad_pm),
    )
    half = np.moveaxis(half, 1, 0)
    gamma, out, (gammas, outs), ports = swept(row, half)
    fields = leaving(gamma, out, (row.ends[0], row.ends[2]))
    return _Solved(
        unknowns=unknowns,
        beyond=beyond,
        params=params,
        light=light,
        row=row,
        half=half,
        volts=volts,
        acting=acting,
        gamma=gamma,
        out=out,
        gammas=gammas,
        outs=outs,
        ports=ports,
        ends=light.ends[:, :, None],
        through=fields.through,
        drop=fields.drop,
        gain_A=gain_A,
        drop_ratio=drop_ratio,
    )


class _RingSlopes(NamedTuple):
    """Half of dT by a ring's numbers, before the real part is taken."""

    by_half: Readings
    by_t1: Readings
    by_t2: Readings
    by_square: Readings
    by_ccw: Readings
    by_cw: Readings


class _Coupler(NamedTuple):
    """A coupler's t and κ², the weight and numerator of its bus's field, and the weight of what comes back there."""

    t: Any
    kappa2: Any
    weight: Any
    numerator: Any
    back: Any


def _ring_slopes(half: Any, t1: Any, t2: Any, *, split: Splitting, y: Any, a: Any) -> _RingSlopes:
    """By ln h, h = √a·e^{jφ/2}; by both self-couplings; by δ²; and by either coefficient at a given δ²."""
    tau, k1, k2 = t1 * t2, 1.0 - t1**2, 1.0 - t2**2
    u, kh = half * half, np.sqrt(k1 * k2) * half
    plain, versed = 1.0 - tau * u, split.versed * u
    inverse = reciprocal(plain * plain + 2.0 * tau * versed)
    n1, n2 = t1 - t2 * u, t2 - t1 * u
    m1, m2 = tau * t1 + t2, tau * t2 + t1
    ccw, cw, c, s, s2 = split.to_ccw, split.to_cw, split.half_cosine, split.sine, split.half_sine
    # Weights of the seven entries, those of one factor together.
    w1, w2 = y[0] * a[2] + y[2] * a[0], y[1] * a[3] + y[3] * a[1]
    w_drop = y[0] * a[1] + y[1] * a[0] + y[2] * a[3] + y[3] * a[2]
    across_ccw, across_cw = y[0] * a[3] + y[3] * a[0], y[1] * a[2] + y[2] * a[1]
    w_across = ccw * across_ccw + cw * across_cw
    w_back1, w_back2 = ccw * y[0] * a[0] + cw * y[2] * a[2], cw * y[1] * a[1] + ccw * y[3] * a[3]
    # Numerators, and their sum weighed.
    across, back1, back2 = -1j * s2 * kh * (1.0 + tau * u), -1j * s * u * t2 * k1, -1j * s * u * t1 * k2
    whole = (
        w1 * (n1 * plain + m1 * versed)
        + w2 * (n2 * plain + m2 * versed)
        - w_drop * c * kh * plain
        + w_across * across
        + w_back1 * back1
        + w_back2 * back2
    ) * inverse

    first, second = _Coupler(t1, k1, w1, n1, w_back1), _Coupler(t2, k2, w2, n2, w_back2)

    def chained(changed: Any, denominator: Any) -> Any:
        return (changed - denominator * whole) * inverse

    # By ln h: u' = 2u, so that P' = −2τu and V' = 2V.
    slip = -2.0 * tau * u
    by_half = chained(
        w1 * (n1 * slip - 2.0 * t2 * u * plain + 2.0 * m1 * versed)
        + w2 * (n2 * slip - 2.0 * t1 * u * plain + 2.0 * m2 * versed)
        - w_drop * c * kh * (plain + slip)
        - 1j * w_across * s2 * kh * (1.0 + 3.0 * tau * u)
        + 2.0 * (w_back1 * back1 + w_back2 * back2),
        2.0 * plain * slip + 4.0 * tau * versed,
    )

    def by_t(own: _Coupler, other: _Coupler) -> Any:
        # k' = −k·t/(1 − t²); of the two that come back, one goes as κ², the other as t.
        bend, bent = -other.t * u, -own.t / own.kappa2
        return chained(
            own.weight * (plain + own.numerator * bend + 2.0 * tau * versed)
            + other.weight * (-u * plain + other.numerator * bend + (other.t**2 + 1.0) * versed)
            - w_drop * c * kh * (bent * plain + bend)
            - 1j * w_across * s2 * kh * (bent * (1.0 + tau * u) + other.t * u)
            - 1j * s * u * (other.kappa2 * other.back - 2.0 * own.t * other.t * own.back),
            2.0 * plain * bend + 2.0 * other.t * versed,
        )

    dv, dc, ds, ds2 = splitting_slopes(split)
    by_square = chained(
        (w1 * m1 + w2 * m2) * u * dv
        - w_drop * dc * kh * plain
        - 1j * (w_across * ds2 * kh * (1.0 + tau * u) + (w_back1 * t2 * k1 + w_back2 * t1 * k2) * ds * u),
        2.0 * tau * u * dv,
    )
    return _RingSlopes(
        by_half,
        by_t(first, second),
        by_t(second, first),
        by_square,
        (across * across_ccw + back1 * y[0] * a[0] + back2 * y[3] * a[3]) * inverse,
        (across * across_cw + back1 * y[2] * a[2] + back2 * y[1] * a[1]) * inverse,
    )
