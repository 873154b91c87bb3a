"""Currents of buses that reflect and carry TM, and their slopes by all unknowns: a sweep there, and one back.

From the far ends `circuit.polarized` finds Γ, the matrix of four waves that comes back, and the way V out. What the
balanced pair sees is ``T = Σ|E_t|² − r·Σ|E_d|²`` over TE and TM. Lit from every exit at once, by the conjugate of what
leaves there, the row is reciprocal: with the light a that enters a ring's ports from the entrance, and y that of the
exits,

    dT = 2·Re(y^T·dS·a)

for a change dS of any ring, segment or end. What a ring's numbers do to its S is `polarized_ring`.

Source: as of `circuit.prepared_reflecting`, Lorentz reciprocity.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, unravel
from prism_photonics.calibration.bus_slopes import Slopes, each_bus, each_ring, receiving, ring_volts
from prism_photonics.calibration.polarized import PolarizedLight, repulsion, tm_columns, tm_coupled
from prism_photonics.calibration.polarized_ring import Pair, PolarizedRing, polarized_ring_slopes
from prism_photonics.calibration.reflecting import beyond_columns, beyond_of
from prism_photonics.calibration.reflecting_columns import ReflectingBuses, finished_slopes
from prism_photonics.calibration.unknowns import columns, ring_model
from prism_photonics.circuit.polarized import behind_bus, scattering, waves
from prism_photonics.lightpath.arrays import power
from prism_photonics.lightpath.phasor import phasor
from prism_photonics.lightpath.ring.backscatter import Splitting, splitting
from prism_photonics.lightpath.ring.mixing import HalfTurn


def polarized_readings_A(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]
) -> Float[ndarray, "buses settings wavelengths"]:
    """The currents that the unknowns predict, in A."""
    bus = solved_buses(survey, flat)
    return bus.gain_A * (bus.seen[0] - bus.drop_ratio * bus.seen[1])


def polarized_slopes(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> Slopes:
    """The currents that the unknowns predict and their slopes, as `bus_slopes.reading_slopes` gives them."""
    bus = solved_buses(survey, flat)
    params, light, tm = bus.params, bus.light, bus.tm
    count, rings = params.t1.shape
    places = columns(rings) | beyond_columns(rings) | tm_columns(rings)
    twice_A = 2.0 * bus.gain_A
    by = np.zeros((count, flat.shape[1], *bus.seen[0].shape[1:]))
    *own, by_rest = (np.empty((count, rings, *bus.seen[0].shape[1:])) for _ in range(5))
    lit, from_exits, _ = near_ends(bus)
    hits = {0: (lit[1], from_exits[1]), 2: (lit[1], from_exits[1])}
    for j, sides in enumerate(each_side(bus)):
        found = polarized_ring_slopes(_ring(bus, j), (sides.west, sides.back), (sides.west_dual, sides.back_dual))
        for to, part in zip(own, found.own, strict=True):
            to[:, j] = twice_A * np.real(part)
        # TE lies where the ring is seen, less what TM's order repels it by.
        by_rest[:, j] = twice_A * np.real(found.by_rest)
        by_ahead, by_chi = (-2.0 * each_bus(slope[:, j]) * by_rest[:, j] for slope in bus.repelled)
        by[:, places["tm_turn"].start + j] = by_ahead + twice_A * np.real(found.by_tm_turn)
        unit_rad = each_bus(tm.conversion_std_rad[:, j])
        by[:, places["conversion"].start + j] = unit_rad * (by_chi + twice_A * np.real(found.by_conversion))
        for name, part in (("ccw", found.by_ccw), ("cw", found.by_cw)):
            slope = each_bus(light.scatter_pm * survey.light.rad_pm[:, j]) * twice_A * part
            by[:, places[f"{name}_re"].start + j] = np.real(slope)
            by[:, places[f"{name}_im"].start + j] = -np.imag(slope)
        if j < rings - 1:
            # Light along either bus behind this ring, either way; TE's phase on the drop bus is counted with the other.
            turned = -twice_A[..., None] * np.imag(sides.along)
            for name, wave in (("phase_rad", 0), ("tm_through", 1), ("tm_drop", 3)):
                by[:, places[name].start + j] = turned[..., wave]
        if j == rings - 1:
            hits[1] = hits[3] = (sides.ahead * bus.along[rings], sides.ahead_dual * bus.along[rings])
    mirrored = []
    for n in range(4):
        first = 0 if n < 2 else 2
        hit, hit_y = (part[..., first : first + 2] for part in hits[n])
        mirrored.append(twice_A * (hit * hit_y).sum(-1) * light.ends[:, n, None, :])
    slopes = finished_slopes(survey, by, bus, own=tuple(own), seen=bus.seen, mirrored=mirrored)
    # Fabrication turns TM as it does TE, voltages by another ratio.
    by[:, places["offset"]] = survey.scatter.offset_pm * each_ring(survey.light.rad_pm) * by_rest
    return slopes


@dataclass(frozen=True)
class PolarizedBuses(ReflectingBuses):
    """Buses solved from the far ends; waves are TE and TM of the through, then of the drop bus.

    Attributes:
        tm: Known factors of TM.
        conversion_rad: χ of every ring.
        repelled: Slopes of `repulsion` by where TM's order lies and by χ.
        couplings: Self-couplings (TE, TM) of every ring at the through and at the drop bus.
        tm_slopes: Of TM's, by the logarithm of TE's κ².
        halves: Half turns of every ring.
        mixed: Between their modes at χ = 90°.
        split: The rings' backscatter.
        along: Transmissions of the segments.
        gammas: What comes back to every ring from behind it.
        outs: The way from there to the through exit.
        passes: What runs on eastward behind every ring, of unit waves that enter it from the west.
        echoes: The same of such from the east.
        near: What the near ends send back.
        gamma: What comes back to them.
        out: The way from them to the through exit.
        entered: Share of the field that enters.
        let_out: Share of the field that the drop exit lets out.
        through: Fields of TE and TM at the through exit, weighed as the photodiode sees their powers.
        drop: Those at the drop exit.
        seen: Powers that the two photodiodes see.
    """

    tm: PolarizedLight
    conversion_rad: Float[ndarray, "buses rings"]
    repelled: tuple[Any, Any]
    couplings: tuple[Pair, Pair]
    tm_slopes: tuple[Any, Any]
    halves: HalfTurn
    mixed: Complex[ndarray, "rings buses settings wavelengths"]
    split: Splitting
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


def solved_buses(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> PolarizedBuses:
    """Buses at their unknowns, solved from the far ends."""
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
    conversion_rad = tm.conversion_rad + tm.conversion_std_rad * own["conversion"]
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

    of_tm, designed = tm.second.rings.tm, survey.rings
    (s1, by_s1), (s2, by_s2) = (
        tm_coupled(of_tm.t1, params.t1, designed.t1),
        tm_coupled(of_tm.t2, params.t2, designed.t2),
    )
    split = splitting(params, beyond.reflections.backscatter)
    leading_split = Splitting(*map(leading, split))
    couplings = (
        (coupled(params.t1, light.kappa2_through), leading(s1)),
        (coupled(params.t2, light.kappa2_drop), leading(s2)),
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
        west, east, across = scattering(
            at, *[(one[j], other[j]) for one, other in couplings], split=ring_split(leading_split, j)
        )
        both = np.linalg.solve(np.eye(4) - east @ gamma, np.concatenate(np.broadcast_arrays(across, east), axis=-1))
        passes[j], echoes[j] = n, _ = both[..., :4], both[..., 4:]
        gamma, out = west + across.swapaxes(-1, -2) @ gamma @ n, out @ n
    gamma, out = behind_bus(gamma, out, along[0])
    near = waves(*(reflection[:, n, None, :] + zero for n in (0, 0, 2, 2)))[..., :, None]
    entered, let_out = each_bus(passed[:, 0]), each_bus(passed[:, 2])
    lit = np.linalg.solve(np.eye(4) - near * gamma, np.eye(4)[:, :1] * (entered + zero)[..., None, None])
    through = (out @ lit)[..., 0]
    drop = let_out[..., None] * (gamma @ lit)[..., 2:, 0]
    weigh = np.array([1.0, tm.second.detected])
    seen = (power(through) * weigh).sum(-1), (power(drop) * weigh).sum(-1)
    return PolarizedBuses(
        unknowns=unknowns, beyond=beyond, params=params, light=light, tm=tm, conversion_rad=conversion_rad,
        repelled=(repelled[0], repelled[1]),
        couplings=couplings, tm_slopes=(by_s1, by_s2), halves=halves, mixed=mixed, split=leading_split,
        volts=volts, acting=acting, along=along, gammas=gammas, outs=outs, passes=passes, echoes=echoes, near=near,
        gamma=gamma, out=out, entered=entered, let_out=let_out, through=weigh * through, drop=weigh * drop, seen=seen,
        gain_A=gain_A, drop_ratio=drop_ratio,
    )  # fmt: skip


def near_ends(bus: PolarizedBuses) -> tuple[Any, Any, Any]:
    """What runs eastward at the near ends, lit from the entrance and from all exits; and what lights the through exit.

    Of two lights the last axis is the light that leaves, and that of the exits.
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


class Sides(NamedTuple):
    """Light on either side of a ring, and that of the exits: what enters it from the west, what leaves it eastward, and
    what comes back to it from there.
    """

    west: Any
    west_dual: Any
    ahead: Any
    ahead_dual: Any
    back: Any
    back_dual: Any

    @property
    def along(self) -> Any:
        """Light along either bus behind the ring, either way: half of dT by the logarithm of each wave's field."""
        return self.back_dual * self.ahead + self.ahead_dual * self.back


def each_side(bus: PolarizedBuses) -> Iterator[Sides]:
    """Light on either side of every ring, from west to east."""
    (e, _), (y, _), exits = near_ends(bus)
    for j in range(len(bus.passes)):
        e, y, v = e * bus.along[j], y * bus.along[j], _row_on(exits, bus.outs[j])
        ahead, ahead_y = _on(bus.passes[j], e), _on(bus.passes[j], y) + _on(bus.echoes[j], v)
        back, back_y = _on(bus.gammas[j], ahead), _on(bus.gammas[j], ahead_y) + v
        yield Sides(e, y, ahead, ahead_y, back, back_y)
        e, y = ahead, ahead_y


def amplitude_slopes(bus: PolarizedBuses) -> Float[ndarray, "buses of_tm settings wavelengths"]:
    """Slopes of the currents by the logarithm of what each segment between two rings leaves of TM's field, in A.

    First of the through bus's segments, then of the drop bus's. With those by TM's phases they say what any change of
    these does, however large, as far as light is converted once.
    """
    grown = [2.0 * bus.gain_A[..., None] * np.real(sides.along) for sides in each_side(bus)][:-1]
    return np.stack([part[..., wave] for wave in (1, 3) for part in grown], axis=1)


def _ring(bus: PolarizedBuses, j: int) -> PolarizedRing:
    return PolarizedRing(
        half=HalfTurn(*(part[j] for part in bus.halves)),
        mixed=bus.mixed[j],
        couplers=((bus.couplings[0][0][j], bus.couplings[0][1][j]), (bus.couplings[1][0][j], bus.couplings[1][1][j])),
        split=ring_split(bus.split, j),
        tuning_ratio=each_bus(bus.tm.tuning_ratio[:, j]),
        conversion_rad=each_bus(bus.conversion_rad[:, j]),
        tm_slopes=(each_bus(bus.tm_slopes[0][:, j]), each_bus(bus.tm_slopes[1][:, j])),
    )


def _on(matrix: Any, light: Any) -> Any:
    return (matrix @ light[..., None])[..., 0]


def _row_on(light: Any, matrix: Any) -> Any:
    return (light[..., None, :] @ matrix)[..., 0, :]


def ring_split(split: Splitting, ring: int) -> Splitting:
    """The backscatter of one ring."""
    return Splitting(*(leaf[ring] for leaf in split))
