"""Currents of buses that reflect and carry TM, and their slopes by all unknowns: a sweep there, and one back.

From the far ends `circuit.polarized` finds Γ, the matrix of four waves that comes back, and the way V out. What the
balanced pair sees is ``T = Σ|E_t|² − r·Σ|E_d|²`` over TE and TM. Lit from every exit at once, by the conjugate of what
leaves there, the row is reciprocal: with the light a that enters a ring's ports from the entrance, and y that of the
exits,

    dT = 2·Re(y^T·dS·a)

for a change dS of any ring, segment or end. A ring that scatters back is two rings, half a splitting ±δ up and down:
with clockwise and counter-clockwise parts of a and y, in the order of its buses,

    y^T·S·a = Σ± ½·[y_cw^T·P±·(a_cw ± δ₂₁/δ·a_ccw) + y_ccw^T·P±·(a_ccw ± δ₁₂/δ·a_cw)]

where P± are plain rings in two polarisations. Of each, u are the fields that enter its two halves and z those of y that
enter them from behind: a change dH of half a turn does Σ z^T·dH·u, and one of a coupler what its inputs and outputs do.

Source: as of `circuit.prepared_reflecting`, Lorentz reciprocity; written out for two polarisations by us.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, unravel
from prism_photonics.calibration.bus_slopes import Slopes, each_bus, each_ring, plain_columns, receiving, ring_volts
from prism_photonics.calibration.polarized import CONVERSION, PolarizedLight, repulsion, tm_columns
from prism_photonics.calibration.reflecting import Beyond, ReflectingLight, beyond_columns, beyond_of
from prism_photonics.calibration.unknowns import Unknowns, columns, ring_model
from prism_photonics.circuit.polarized import behind_bus, scattering, waves
from prism_photonics.lightpath.arrays import power
from prism_photonics.lightpath.phasor import phasor
from prism_photonics.lightpath.ring.backscatter import Splitting, splitting
from prism_photonics.lightpath.ring.mixing import HalfTurn
from prism_photonics.lightpath.ring.model import RingParams, reciprocal

LEAST_SLOPE_SPLITTING_RAD = 1e-5
"""Below, slopes are those at this splitting: 2e-7 of them is what that makes, and as much what rounding does there."""
Pair = tuple[Any, Any]
"""TE and TM."""


def polarized_readings_A(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]
) -> Float[ndarray, "buses settings wavelengths"]:
    """The currents that the unknowns predict, in A."""
    bus = _solved(survey, flat)
    return bus.gain_A * (bus.seen[0] - bus.drop_ratio * bus.seen[1])


def polarized_slopes(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> Slopes:
    """The currents that the unknowns predict and their slopes, as `bus_slopes.reading_slopes` gives them."""
    bus = _solved(survey, flat)
    params, light, tm = bus.params, bus.light, bus.tm
    count, rings = params.t1.shape
    places = columns(rings) | beyond_columns(rings) | tm_columns(rings)
    twice_A = 2.0 * bus.gain_A
    by = np.zeros((count, flat.shape[1], *bus.seen[0].shape[1:]))
    *own, by_rest = (np.empty((count, rings, *bus.seen[0].shape[1:])) for _ in range(5))
    lit, from_exits, exits = _lit(bus)
    hits = {0: (lit[1], from_exits[1]), 2: (lit[1], from_exits[1])}
    e, y = lit[0], from_exits[0]
    for j in range(rings):
        e, y = e * bus.along[j], y * bus.along[j]
        v = _row_on(exits, bus.outs[j])
        ahead, ahead_y = _on(bus.passes[j], e), _on(bus.passes[j], y) + _on(bus.echoes[j], v)
        back, back_y = _on(bus.gammas[j], ahead), _on(bus.gammas[j], ahead_y) + v
        found = _ring_slopes(bus, j, (e, back), (y, back_y))
        for to, part in zip(own, found.own, strict=True):
            to[:, j] = twice_A * np.real(part)
        # TE lies where the ring is seen, less what TM's order repels it by.
        by_rest[:, j] = twice_A * np.real(found.by_rest)
        by_ahead, by_chi = (-2.0 * each_bus(slope[:, j]) * by_rest[:, j] for slope in bus.repelled)
        by[:, places["tm_turn"].start + j] = by_ahead + twice_A * np.real(found.by_tm_turn)
        unit_rad = CONVERSION * each_bus(tm.conversion_rad[:, j])
        by[:, places["conversion"].start + j] = unit_rad * (by_chi + twice_A * np.real(found.by_conversion))
        for name, part in (("ccw", found.by_ccw), ("cw", found.by_cw)):
            slope = each_bus(light.scatter_pm * survey.light.rad_pm[:, j]) * twice_A * part
            by[:, places[f"{name}_re"].start + j] = np.real(slope)
            by[:, places[f"{name}_im"].start + j] = -np.imag(slope)
        if j < rings - 1:
            # Light along either bus behind this ring, either way; TE's phase on the drop bus is counted with the other.
            turned = -twice_A[..., None] * np.imag(back_y * ahead + ahead_y * back)
            for name, wave in (("phase_rad", 0), ("tm_through", 1), ("tm_drop", 3)):
                by[:, places[name].start + j] = turned[..., wave]
        e, y = ahead, ahead_y
    hits[1] = hits[3] = (e * bus.along[rings], y * bus.along[rings])
    # How much of the through and of the drop power passes each end, and the waves that it mirrors.
    shares = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    for n, (of_through, of_drop) in enumerate(shares):
        first = 0 if n < 2 else 2
        hit, hit_y = (part[..., first : first + 2] for part in hits[n])
        mirrored = twice_A * (hit * hit_y).sum(-1) * light.ends[:, n, None, :]
        x, y_ = bus.beyond.end_re[:, n], bus.beyond.end_im[:, n]
        lost = twice_A * (of_through * bus.seen[0] - of_drop * bus.drop_ratio * bus.seen[1])
        lost = lost * each_bus(1.0 / (1.0 - x**2 - y_**2))
        by[:, places["end_re"].start + n] = each_bus(light.reflection) * (np.real(mirrored) - lost * each_bus(x))
        by[:, places["end_im"].start + n] = each_bus(light.reflection) * (-np.imag(mirrored) - lost * each_bus(y_))
    slope_pm_V = each_ring(params.slope_pm_V) + 2.0 * each_ring(params.curvature_pm_V2) * bus.acting
    current_A = bus.gain_A * (bus.seen[0] - bus.drop_ratio * bus.seen[1])
    by_shift, by_volt = plain_columns(
        survey,
        by,
        unknowns=bus.unknowns,
        current_A=current_A,
        own=tuple(own),  # type: ignore[arg-type]
        slope_pm_V=slope_pm_V + 3.0 * each_ring(bus.beyond.cubic_pm_V3) * bus.acting**2,
        volts=(bus.volts, bus.acting),
    )
    by[:, places["offset"]] = survey.scatter.offset_pm * each_ring(survey.light.rad_pm) * by_rest
    by[:, places["cubic"]] = light.cubic_pm_V3[:, None, None, None] * by_shift * bus.acting**3
    by[:, places["drop_ratio"].start] = -survey.scatter.drop_ratio * bus.gain_A * bus.seen[1]
    return Slopes(current_A, by, by_shift, by_volt)


@dataclass(frozen=True)
class _Solved:
    """Buses at their unknowns, solved from the far ends; waves are TE and TM of the through, then of the drop bus."""

    unknowns: Unknowns
    beyond: Beyond
    params: RingParams
    light: ReflectingLight
    tm: PolarizedLight
    conversion_rad: Float[ndarray, "buses rings"]
    repelled: tuple[Any, Any]
    couplings: tuple[Pair, Pair]
    tm_slopes: tuple[Any, Any]
    halves: HalfTurn
    mixed: Complex[ndarray, "rings buses settings wavelengths"]
    split: Splitting
    volts: Float[ndarray, "buses rings settings wavelengths"]
    acting: Float[ndarray, "buses rings settings wavelengths"]
    along: Complex[ndarray, "segments buses 1 wavelengths 4"]
    gammas: list[Any]
    outs: list[Any]
    passes: list[Any]
    echoes: list[Any]
    near: Any
    gamma: Any
    out: Any
    entered: Any
    let_out: Any
    through: Complex[ndarray, "buses settings wavelengths 2"]
    drop: Complex[ndarray, "buses settings wavelengths 2"]
    seen: tuple[Any, Any]
    gain_A: Float[ndarray, "buses 1 wavelengths"]
    drop_ratio: Float[ndarray, "buses 1 1"]


def _solved(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> _Solved:
    light, tm = survey.reflecting, survey.polarized
    assert light is not None
    assert tm is not None
    rings = survey.rings.t1.shape[1]
    unknowns, beyond = unravel(flat, rings), beyond_of(flat, light)
    own = {name: flat[:, place] for name, place in tm_columns(rings).items()}
    params = ring_model(unknowns, survey.rings, survey.scatter)
    volts, acting = ring_volts(survey, unknowns)
    gain_A, drop_ratio = receiving(survey, unknowns)
    shift_pm = acting * (
        each_ring(params.slope_pm_V)
        + acting * (each_ring(params.curvature_pm_V2) + each_ring(beyond.cubic_pm_V3) * acting)
    )
    conversion_rad = tm.conversion_rad * (1.0 + CONVERSION * own["conversion"])
    moved, *repelled = repulsion(own["tm_turn"], conversion_rad)
    # Fabrication moves TM along with TE; voltages and heat by their own ratio.
    rest_rad = each_ring(survey.light.rad_pm * params.offset_pm - 2.0 * moved)
    tuned_rad = each_ring(survey.light.rad_pm) * (shift_pm + np.moveaxis(survey.drift_pm, -1, 1))
    turn_rad = rest_rad + tuned_rad
    tm_rad = rest_rad + each_ring(tm.tuning_ratio) * tuned_rad + 2.0 * each_ring(own["tm_turn"])
    kept = np.sqrt(params.a)[:, :, None]

    def leading(of_ring: Any) -> Any:
        # Rings first, readings last.
        return np.moveaxis(of_ring, 1, 0)[..., None, None]

    def wavelengths(of_ring: Any) -> Any:
        return np.moveaxis(of_ring, 1, 0)[:, :, None]

    cosine, sine = leading(np.cos(conversion_rad)), leading(np.sin(conversion_rad))
    half = lambda rad, factor: wavelengths(kept * factor) * phasor(np.moveaxis(rad, 1, 0))  # noqa: E731
    mixed = 1j * half(0.25 * (turn_rad + tm_rad), tm.between)
    halves = HalfTurn(
        te=cosine * half(0.5 * turn_rad, light.half_turn),
        tm=cosine * half(0.5 * tm_rad, tm.half_turn),
        between=sine * mixed,
    )

    def coupled(t: Any, factor: Any) -> Any:
        return np.sqrt(1.0 - wavelengths((1.0 - t[:, :, None] ** 2) * factor))

    # An error of a gap scales the angles of both polarisations' couplers alike.
    ratios = [np.arccos(of_tm) / np.arccos(te) for of_tm, te in ((tm.t1, survey.rings.t1), (tm.t2, survey.rings.t2))]
    angles = [ratio * np.arccos(t) for ratio, t in zip(ratios, (params.t1, params.t2), strict=True)]
    # By ln κ² of TE: dt = −κ²/2t, and the angle follows by −1/κ.
    tm_slopes = [
        -np.sin(angle) * ratio * np.sqrt(1.0 - t**2) / (2.0 * t)
        for angle, ratio, t in zip(angles, ratios, (params.t1, params.t2), strict=True)
    ]
    split = splitting(params, beyond.reflections.backscatter)
    leading_split = Splitting(**{name: leading(leaf) for name, leaf in vars(split).items()})
    couplings = (
        (coupled(params.t1, light.kappa2_through), leading(np.cos(angles[0]))),
        (coupled(params.t2, light.kappa2_drop), leading(np.cos(angles[1]))),
    )
    phases = {name: np.ones_like(light.p) for name in ("te", "through", "drop")}
    for name, phase_rad in (("te", unknowns.phase_rad), ("through", own["tm_through"]), ("drop", own["tm_drop"])):
        phases[name][:, 1:-1] = np.exp(1j * phase_rad)[:, :, None]
    segments = (light.p * phases["te"], tm.p * phases["through"], light.q, tm.q * phases["drop"])
    along = waves(*(np.moveaxis(part, 1, 0)[:, :, None] for part in segments))
    reflection = (beyond.end_re + 1j * beyond.end_im)[:, :, None] * light.ends
    passed = np.sqrt(1.0 - beyond.end_re**2 - beyond.end_im**2)
    # From the far ends.
    zero = np.zeros(halves.te.shape[1:], dtype=complex)
    far = (reflection[:, n, None, :] + zero for n in (1, 1, 3, 3))
    gamma = np.eye(4) * waves(*far)[..., None, :]
    out = np.eye(4)[:2] * (each_bus(passed[:, 1]) + zero)[..., None, None]
    gammas, outs, passes, echoes = ([None] * rings for _ in range(4))
    for j in reversed(range(rings)):
        gamma, out = behind_bus(gamma, out, along[j + 1])
        gammas[j], outs[j] = gamma, out
        at = HalfTurn(*(part[j] for part in halves))
        west, east, across = scattering(at, *((te[j], of_tm[j]) for te, of_tm in couplings), _at(leading_split, j))
        both = np.linalg.solve(np.eye(4) - east @ gamma, np.concatenate(np.broadcast_arrays(across, east), axis=-1))
        passes[j], echoes[j] = n, _ = both[..., :4], both[..., 4:]
        gamma, out = west + across.swapaxes(-1, -2) @ gamma @ n, out @ n
    gamma, out = behind_bus(gamma, out, along[0])
    near = waves(*(reflection[:, n, None, :] + zero for n in (0, 0, 2, 2)))[..., :, None]
    entered, let_out = each_bus(passed[:, 0]), each_bus(passed[:, 2])
    lit = np.linalg.solve(np.eye(4) - near * gamma, np.eye(4)[:, :1] * (entered + zero)[..., None, None])
    through = (out @ lit)[..., 0]
    drop = let_out[..., None] * (gamma @ lit)[..., 2:, 0]
    weigh = np.stack([np.ones_like(tm.detected), tm.detected], axis=-1)[:, None, None, :]
    seen = (power(through) * weigh).sum(-1), (power(drop) * weigh).sum(-1)
    return _Solved(
        unknowns=unknowns, beyond=beyond, params=params, light=light, tm=tm, conversion_rad=conversion_rad,
        repelled=(repelled[0], repelled[1]),
        couplings=couplings, tm_slopes=(tm_slopes[0], tm_slopes[1]), halves=halves, mixed=mixed, split=leading_split,
        volts=volts, acting=acting, along=along, gammas=gammas, outs=outs, passes=passes, echoes=echoes, near=near, gamma=gamma,
        out=out, entered=entered, let_out=let_out, through=weigh * through, drop=weigh * drop, seen=seen,
        gain_A=gain_A, drop_ratio=drop_ratio,
    )  # fmt: skip


def _lit(bus: _Solved) -> tuple[Pair, Pair, Any]:
    """What runs eastward, and what comes back, at the near ends: lit from the entrance, and from all exits.

    Also what the through exit is lit by.
    """
    one = np.eye(4)
    exits = bus.through.conj()
    from_east = _row_on(exits, bus.out)
    direct = np.concatenate([0.0 * exits, -bus.drop_ratio[..., None] * bus.let_out[..., None] * bus.drop.conj()], -1)
    entrance = one[0] * (bus.entered[..., None] + 0.0 * direct)
    sources = np.stack([entrance, bus.near[..., 0] * from_east + direct], axis=-1)
    both = np.linalg.solve(one - bus.near * bus.gamma, sources)
    e, y = both[..., 0], both[..., 1]
    return (e, _on(bus.gamma, e)), (y, _on(bus.gamma, y) + from_east), exits


class _RingSlopes(NamedTuple):
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


def _ring_slopes(bus: _Solved, j: int, a: Pair, y: Pair) -> _RingSlopes:
    """Slopes by a ring, from the light that enters it from west and from east, and that of the exits."""
    half, mixed = HalfTurn(*(part[j] for part in bus.halves)), bus.mixed[j]
    couplers = tuple((te[j], tm[j]) for te, tm in bus.couplings)
    ccw, cw = bus.split.to_ccw[j], bus.split.to_cw[j]
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
    ratio, chi = each_bus(bus.tm.tuning_ratio[:, j]), each_bus(bus.conversion_rad[:, j])
    # κ² goes as e^z: dt = −κ²/2t·dz, of TE as it is at each wavelength.
    by_kappa = [
        0.5 * (couplers[n][0] - 1.0 / couplers[n][0]) * total[3 + 2 * n]
        + each_bus(bus.tm_slopes[n][:, j]) * total[4 + 2 * n]
        for n in range(2)
    ]
    return _RingSlopes(
        own=(0.5j * (te + ratio * tm) + 0.25j * (1.0 + ratio) * between, 0.5 * (te + tm + between), *by_kappa),
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


def _on(matrix: Any, light: Any) -> Any:
    return (matrix @ light[..., None])[..., 0]


def _row_on(light: Any, matrix: Any) -> Any:
    return (light[..., None, :] @ matrix)[..., 0, :]


def _at(split: Splitting, ring: int) -> Splitting:
    return Splitting(**{name: leaf[ring] for name, leaf in vars(split).items()})
