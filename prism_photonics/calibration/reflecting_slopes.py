"""Currents of buses that reflect, and their slopes by all unknowns, by the two sweeps of `reflecting_sweeps`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, unravel
from prism_photonics.calibration.bus_slopes import Slopes, each_bus, each_ring, receiving, ring_volts
from prism_photonics.calibration.reflecting import beyond_columns, beyond_of
from prism_photonics.calibration.reflecting_columns import ReflectingBuses, finished_slopes
from prism_photonics.calibration.reflecting_sweeps import Ends, RingFactors, Solved, from_far_ends, from_near_ends
from prism_photonics.calibration.unknowns import columns, ring_model
from prism_photonics.lightpath.arrays import power
from prism_photonics.lightpath.phasor import phasor
from prism_photonics.lightpath.ring.backscatter import Splitting, splitting


def reflecting_readings_A(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]
) -> Float[ndarray, "buses settings wavelengths"]:
    """The currents that the unknowns predict, in A."""
    bus = _solved(survey, flat, keep=False)
    through, drop = _seen(bus)
    return bus.gain_A * (through - bus.drop_ratio * drop)


def reflecting_slopes(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> Slopes:
    """The currents that the unknowns predict and their slopes, as `bus_slopes.reading_slopes` gives them."""
    bus = _solved(survey, flat, keep=True)
    params, light = bus.params, bus.light
    count, rings = params.t1.shape
    places = columns(rings) | beyond_columns(rings)
    seen = _seen(bus)
    by = np.zeros((count, flat.shape[1], *seen[0].shape[1:]))
    shape = (count, rings, *seen[0].shape[1:])
    by_turn, by_loss, by_kappa1, by_kappa2 = (np.empty(shape) for _ in range(4))
    found, hits = from_near_ends(
        bus.solved,
        bus.half,
        bus.factors,
        along=bus.along,
        ends=bus.ends,
        split=bus.split,
        drop_ratio=bus.drop_ratio[:, 0],
    )

    def by_bus(part: Any) -> Any:
        return part.swapaxes(0, 1)

    gain_A = bus.gain_A
    # By δ, for one unit of the unknown.
    of_scatter = 2.0 * gain_A * each_bus(light.scatter_pm)
    for j, ring in enumerate(found):
        np.multiply(-gain_A, by_bus(np.imag(ring.by_half)), out=by_turn[:, j])
        np.multiply(gain_A, by_bus(np.real(ring.by_half)), out=by_loss[:, j])
        np.multiply(gain_A / bus.t1[j][:, None], by_bus(np.real(ring.by_kappa1)), out=by_kappa1[:, j])
        np.multiply(gain_A / bus.t2[j][:, None], by_bus(np.real(ring.by_kappa2)), out=by_kappa2[:, j])
        unit_A = of_scatter * each_bus(survey.light.rad_pm[:, j])
        for name, slope in (("ccw", ring.by_ccw), ("cw", ring.by_cw)):
            np.multiply(unit_A, by_bus(np.real(slope)), out=by[:, places[f"{name}_re"].start + j])
            np.multiply(-unit_A, by_bus(np.imag(slope)), out=by[:, places[f"{name}_im"].start + j])
        if j < rings - 1:
            # The drop bus's phase is counted with the through bus's.
            np.multiply(-2.0 * gain_A, by_bus(np.imag(ring.by_phase)), out=by[:, places["phase_rad"].start + j])
    mirrored = [2.0 * gain_A * by_bus(hit * light.ends[:, n]) for n, hit in enumerate(hits)]
    return finished_slopes(survey, by, bus, own=(by_turn, by_loss, by_kappa1, by_kappa2), seen=seen, mirrored=mirrored)


@dataclass(frozen=True)
class _Solved(ReflectingBuses):
    """Buses of one polarisation, solved from the far ends.

    Attributes:
        half: Half turns √a·e^{jφ/2}, readings as `reflecting_sweeps` lays them out.
        t1: Self-couplings at the through bus.
        t2: At the drop bus.
        factors: What rings are otherwise.
        split: Their backscatter.
        along: Transmissions of both buses' segments.
        ends: The buses' ends.
        solved: The first sweep.
    """

    half: Complex[ndarray, "rings settings buses wavelengths"]
    t1: Float[ndarray, "rings buses wavelengths"]
    t2: Float[ndarray, "rings buses wavelengths"]
    factors: RingFactors
    split: Splitting
    along: tuple[Complex[ndarray, "segments buses wavelengths"], Complex[ndarray, "segments buses wavelengths"]]
    ends: Ends
    solved: Solved


def _seen(
    bus: _Solved,
) -> tuple[Float[ndarray, "buses settings wavelengths"], Float[ndarray, "buses settings wavelengths"]]:
    """Shares of a line's power that the through and the drop photodiode see."""
    through, drop = (
        np.ascontiguousarray(power(field).swapaxes(0, 1)) for field in (bus.solved.through, bus.solved.drop)
    )
    return through, drop


def _solved(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, keep: bool) -> _Solved:
    """The first sweep; with ``keep`` what a second one needs."""
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
    # Rings, then settings.
    half = phasor(np.ascontiguousarray(half_rad.transpose(1, 2, 0, 3)))
    half *= leading(np.sqrt(params.a)[:, :, None] * light.half_turn)[:, None]
    t1, t2 = (
        np.sqrt(1.0 - leading((1.0 - t[:, :, None] ** 2) * factor))
        for t, factor in ((params.t1, light.kappa2_through), (params.t2, light.kappa2_drop))
    )
    split = splitting(params, beyond.backscatter)
    split = Splitting(*(np.broadcast_to(leading(leaf)[..., None], t1.shape) for leaf in split))
    phase = np.ones_like(light.p)
    phase[:, 1:-1] = np.exp(1j * unknowns.phase_rad)[:, :, None]
    reflection = (beyond.end_re + 1j * beyond.end_im)[:, :, None] * light.ends
    passed = np.sqrt(1.0 - beyond.end_re**2 - beyond.end_im**2)
    ends = Ends(tuple(leading(reflection)), tuple(passed.T[..., None]))  # type: ignore[arg-type]
    factors = RingFactors.of(t1, t2, split)
    along = leading(light.p * phase), leading(light.q)
    return _Solved(
        unknowns=unknowns,
        beyond=beyond,
        params=params,
        light=light,
        volts=volts,
        acting=acting,
        gain_A=gain_A,
        drop_ratio=drop_ratio,
        half=half,
        t1=t1,
        t2=t2,
        factors=factors,
        split=split,
        along=along,
        ends=ends,
        solved=from_far_ends(half, factors, along, ends, keep=keep),
    )


def leading(of_ring: Any) -> Any:
    """Rings, or segments or ends, before buses."""
    return np.moveaxis(of_ring, 1, 0)
