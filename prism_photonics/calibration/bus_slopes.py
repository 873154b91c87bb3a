"""Currents of a bus and their slopes by all of its unknowns, in two sweeps over the rings.

The row is solved as in `circuit.prepared`: with u = h², h = √a·e^{jφ/2}, τ = t1·t2, k = κ1·κ2 and the load Γ that a
ring sees on its far side,

    D = 1 − τ·u + k·h·Γ      N = t1 − t2·u      E = Γ·(τ − u) − k·h
    f = N/D                  ρ = E/D            Γ_j = p·q·c_j·ρ_{j+1}

and what the balanced pair sees is ``T = |p|²·Π|f|² − r·|q·ρ_1|²``. A change of ring j acts through dN, dD and dE:

    d ln f = dN/N − dD/D     dρ = (dE − ρ·dD)/D     dT = 2·Re(T_through·d ln f + A_j·dρ)
                                                       = 2·Re(α·dN − β·dD + ε·dE)

The first sweep, from the far end, finds Γ, f and ρ; the second, from the entrance, carries A_j, what a change of ρ_j
does to T. With α = T_through/N, ε = A_j/D, β = T_through/D + ρ·ε and Q = k·h·(Γ·β + ε) half the slopes of T are the
real parts of

    by ln h    −2·(t2·α·u − τ·β·u + Γ·ε·u) − Q
    by t1      α + t2·(β·u + Γ·ε)               at constant k
    by t2      −α·u + t1·(β·u + Γ·ε)            at constant k
    by ln k    −Q
    by ln c_j  τ·Γ·ε − Γ·ε·u − k·h·Γ·β

of which few products are complex. So all slopes of a reading cost about two readings.

The phase φ_j between two rings enters as c_j = e^{jφ_j}. *Relaxed*, c_j may be any complex number: T is then smooth in
c, and nearly linear around c = 0, where the rings do not interfere.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, Shaped
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, unravel
from prism_photonics.calibration.unknowns import Unknowns, columns, ring_model
from prism_photonics.lightpath.phasor import phasor
from prism_photonics.lightpath.ring.model import RingParams

# Far below any power that counts, far above the least number that a float holds.
TINY = 1e-30
OfRings = Float[ndarray, "buses rings settings wavelengths"]


@dataclass(frozen=True)
class Slopes:
    """Currents of all readings in A, and their slopes.

    Attributes:
        current_A: The currents.
        by_unknown: Slopes by each unknown; relaxed, the real part of c stands in place of each phase, and the imaginary
            parts follow at the end.
        by_shift: Slopes by each ring's resonance shift, in A/pm.
        by_volt: Slopes by the voltage of each ring, its neighbours' crosstalk included, in A/V.
    """

    current_A: Float[ndarray, "buses settings wavelengths"]
    by_unknown: Float[ndarray, "buses unknowns settings wavelengths"]
    by_shift: Float[ndarray, "buses rings settings wavelengths"]
    by_volt: Float[ndarray, "buses rings settings wavelengths"]


@dataclass(frozen=True)
class _Ring:
    """A ring in front of its load, as of the module's equations."""

    u: Complex[ndarray, "buses settings wavelengths"]
    kh: Complex[ndarray, "buses settings wavelengths"]
    gamma: Complex[ndarray, "buses settings wavelengths"]
    inverse: Complex[ndarray, "buses settings wavelengths"]
    numerator: Complex[ndarray, "buses settings wavelengths"]
    rho: Complex[ndarray, "buses settings wavelengths"]


@dataclass(frozen=True)
class _Solved:
    """Buses at their unknowns, solved from the far end."""

    unknowns: Unknowns
    params: RingParams
    c: Complex[ndarray, "buses gaps"]
    volts: Float[ndarray, "buses rings settings wavelengths"]
    acting: Float[ndarray, "buses rings settings wavelengths"]
    rings: list[_Ring]
    entrance: Complex[ndarray, "buses settings wavelengths"]
    gain_A: Float[ndarray, "buses 1 wavelengths"]
    through: Float[ndarray, "buses settings wavelengths"]
    drop: Float[ndarray, "buses 1 wavelengths"]
    drop_ratio: Float[ndarray, "buses 1 1"]

    @property
    def current_A(self) -> Float[ndarray, "buses settings wavelengths"]:
        """The currents of all readings."""
        return self.gain_A * (self.through - self.drop_ratio * self.drop * _power(self.entrance))


def readings_A(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, relaxed: bool = False
) -> Float[ndarray, "buses settings wavelengths"]:
    """The currents that the unknowns predict, in A.

    Args:
        survey: The buses.
        flat: Their unknowns.
        relaxed: Whether the phases are relaxed, see `Slopes.by_unknown`.
    """
    return _solved(survey, flat, relaxed=relaxed, keep=False).current_A


def reading_slopes(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, relaxed: bool = False) -> Slopes:
    """The currents that the unknowns predict and their slopes; arguments as of `readings_A`."""
    bus = _solved(survey, flat, relaxed=relaxed, keep=True)
    params, light = bus.params, survey.light
    # Once: Equinox takes as long to look an attribute up as NumPy to compute a short array.
    t1s, t2s = params.t1, params.t2
    count, rings = t1s.shape
    places = columns(rings)
    by = np.zeros((count, flat.shape[1], *bus.through.shape[1:]), dtype=bus.through.dtype)
    shape = (count, rings, *bus.through.shape[1:])
    by_turn, by_loss, by_kappa1, by_kappa2 = (np.empty(shape, dtype=by.dtype) for _ in range(4))
    twice_A, through = 2.0 * bus.gain_A, bus.through
    pull = bus.drop_ratio * bus.drop * bus.entrance.conj()
    carried = -pull
    for j, ring in enumerate(bus.rings):
        t1, t2, inverse = each_bus(t1s[:, j]), each_bus(t2s[:, j]), ring.inverse
        # Written with |N|² so that a ring that drops everything divides nothing by nothing.
        alpha = ring.numerator.conj()
        alpha *= through / (_power(ring.numerator) + TINY)
        epsilon = carried * inverse
        beta = ring.rho * epsilon
        beta += through * inverse
        alpha_u, beta_u, gamma_epsilon = alpha * ring.u, beta * ring.u, ring.gamma * epsilon
        gamma_epsilon_u, kh_gamma_beta = gamma_epsilon * ring.u, ring.kh * ring.gamma * beta
        q = kh_gamma_beta + ring.kh * epsilon

        turned = t2 * alpha_u - (t1 * t2) * beta_u + gamma_epsilon_u
        turned += 0.5 * q
        # By ln h: half of it is what ln a does, and j/2 of it what the round-trip phase does.
        np.multiply(twice_A, np.imag(turned), out=by_turn[:, j])
        np.multiply(-twice_A, np.real(turned), out=by_loss[:, j])
        # κ² goes as e^z: dt = −κ²/2t·dz and dk = k/2·dz.
        both, crossed = np.real(beta_u) + np.real(gamma_epsilon), 0.5 * np.real(q)
        by_kappa1[:, j] = twice_A * (0.5 * (t1 - 1.0 / t1) * (np.real(alpha) + t2 * both) - crossed)
        by_kappa2[:, j] = twice_A * (0.5 * (t2 - 1.0 / t2) * (t1 * both - np.real(alpha_u)) - crossed)
        if j < rings - 1:
            load = light.load[:, j, None, :]
            if relaxed:
                # c may be nothing: then its logarithm says nothing.
                by_c = twice_A * load * bus.rings[j + 1].rho * (epsilon * (t1 * t2 - ring.u) - ring.kh * beta)
                by[:, places["phase_rad"].start + j], by[:, places["drop_ratio"].stop + j] = (
                    np.real(by_c),
                    -np.imag(by_c),
                )
            else:
                by_ln_c = (t1 * t2) * np.imag(gamma_epsilon) - np.imag(gamma_epsilon_u) - np.imag(kh_gamma_beta)
                np.multiply(-twice_A, by_ln_c, out=by[:, places["phase_rad"].start + j])
            onwards = load * each_bus(bus.c[:, j]) * inverse
            carried = carried * (t2 - t1 * ring.u)
            carried *= ring.numerator
            carried *= inverse
            carried -= through * ring.kh
            carried *= onwards
    slope_pm_V = each_ring(params.slope_pm_V) + 2.0 * each_ring(params.curvature_pm_V2) * bus.acting
    current_A = bus.current_A
    by_shift, by_volt = plain_columns(
        survey,
        by,
        unknowns=bus.unknowns,
        current_A=current_A,
        own=(by_turn, by_loss, by_kappa1, by_kappa2),
        slope_pm_V=slope_pm_V,
        volts=(bus.volts, bus.acting),
    )
    by[:, places["drop_ratio"].start] = -survey.scatter.drop_ratio * bus.gain_A * bus.drop * _power(bus.entrance)
    return Slopes(current_A, by, by_shift, by_volt)


def plain_columns(
    survey: BusSurvey,
    by: Float[ndarray, "buses unknowns settings wavelengths"],
    *,
    unknowns: Unknowns,
    current_A: Float[ndarray, "buses settings wavelengths"],
    own: tuple[OfRings, OfRings, OfRings, OfRings],
    slope_pm_V: OfRings,
    volts: tuple[OfRings, OfRings],
) -> tuple[OfRings, OfRings]:
    """Write the slopes by the unknowns of rings, which reflect or do not, and by the lines' gains.

    Args:
        survey: The readings.
        by: Slopes by all unknowns in A, written to.
        unknowns: Where they are taken.
        current_A: The currents there, in A.
        own: Slopes by each ring's round-trip phase in A/rad, and by the logarithms of its loss and of both couplings.
        slope_pm_V: Tuning of each ring at its acting voltage, in pm/V.
        volts: Voltages, and acting voltages, in V.

    Returns:
        Slopes by each ring's resonance shift, in A/pm, and by each ring's voltage, in A/V.
    """
    scatter, places = survey.scatter, columns(slope_pm_V.shape[1])
    (by_turn, by_loss, by_kappa1, by_kappa2), (volts_V, acting_V) = own, volts
    by_shift = by_turn * each_ring(survey.light.rad_pm)
    by_acting = by_shift * slope_pm_V
    by_volt, share = by_acting.copy(), each_ring(scatter.crosstalk * unknowns.crosstalk)
    by_volt[:, :-1] += share * by_acting[:, 1:]
    by_volt[:, 1:] += share * by_acting[:, :-1]
    by[:, places["kappa1"]], by[:, places["kappa2"]] = scatter.kappa * by_kappa1, scatter.kappa * by_kappa2
    # Of the logarithm, not of what is left of the light: far from the minimum that may be nothing.
    log_a = np.log(survey.rings.a) * np.exp(scatter.loss * unknowns.loss)
    by[:, places["loss"]] = scatter.loss * each_ring(log_a) * by_loss
    by[:, places["offset"]] = scatter.offset_pm * by_shift
    by[:, places["slope"]] = scatter.slope * each_ring(survey.rings.slope_pm_V) * by_shift * acting_V
    by[:, places["curvature"]] = scatter.curvature_pm_V2 * by_shift * acting_V**2
    by[:, places["crosstalk"]] = scatter.crosstalk * (
        by_acting[:, 1:] * volts_V[:, :-1] + by_acting[:, :-1] * volts_V[:, 1:]
    )
    # A line's gain is seen by its own readings alone.
    wavelengths = np.arange(current_A.shape[-1])
    by[:, places["gain"]][:, survey.line_of_wavelength, :, wavelengths] = scatter.gain * np.moveaxis(current_A, -1, 0)
    return by_shift, by_volt


def _solved(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, relaxed: bool, keep: bool) -> _Solved:
    """The sweep from the far end; without ``keep`` the rings are let go, and what is at hand stays in the cache."""
    light, scatter = survey.light, survey.scatter
    # Unknowns stay double; what is looked at is as precise as the survey is.
    flat = flat.astype(survey.current_A.dtype, copy=False)
    count, gaps = survey.rings.t1.shape[1], survey.rings.t1.shape[1] - 1
    unknowns = unravel(flat[:, : columns(count)["drop_ratio"].stop], count)
    params = ring_model(unknowns, survey.rings, scatter)
    phase = unknowns.phase_rad
    c = phase + 1j * flat[:, flat.shape[1] - gaps :] if relaxed else np.exp(1j * phase)
    volts, acting = ring_volts(survey, unknowns)
    gain_A, drop_ratio = receiving(survey, unknowns)
    shift_pm = (
        each_ring(params.offset_pm)
        + (each_ring(params.slope_pm_V) + each_ring(params.curvature_pm_V2) * acting) * acting
    )
    half_rad = 0.5 * each_ring(light.rad_pm) * (shift_pm + np.moveaxis(survey.drift_pm, -1, 1))
    half_turn = phasor(half_rad)
    half_turn *= (np.sqrt(params.a)[:, :, None] * light.half_turn)[:, :, None, :]
    t1s, t2s = params.t1, params.t2
    kappa = np.sqrt((1.0 - t1s**2) * (1.0 - t2s**2))
    rho, power = np.zeros_like(half_turn[:, 0]), np.ones_like(half_rad[:, 0])
    rings: list[_Ring] = []
    for j in reversed(range(count)):
        t1, t2, h = each_bus(t1s[:, j]), each_bus(t2s[:, j]), half_turn[:, j]
        u, kh, tau = h * h, each_bus(kappa[:, j]) * h, t1 * t2
        numerator = t1 - t2 * u
        if j < gaps:
            gamma = (light.load[:, j] * c[:, j, None])[:, None, :] * rho
            denominator = (1.0 - tau * u) + kh * gamma
            rho = gamma * (tau - u) - kh
        else:
            gamma, denominator, rho = np.zeros_like(rho), 1.0 - tau * u, -kh
        over = 1.0 / _power(denominator)
        inverse = denominator.conj() * over
        rho *= inverse
        power *= _power(numerator) * over
        if keep:
            rings.append(_Ring(u, kh, gamma, inverse, numerator, rho))
    return _Solved(
        unknowns=unknowns,
        params=params,
        c=c,
        volts=volts,
        acting=acting,
        rings=rings[::-1],
        entrance=rho,
        gain_A=gain_A,
        through=light.through[:, None, :] * power,
        drop=light.drop[:, None, :],
        drop_ratio=drop_ratio,
    )


def ring_volts(survey: BusSurvey, unknowns: Unknowns) -> tuple[OfRings, OfRings]:
    """Voltages of rings in V, and those that act on them; as `electrode_volts`, with the readings last."""
    volts = np.moveaxis(survey.volts, -1, 1)
    acting, share = volts.copy(), each_ring(survey.scatter.crosstalk * unknowns.crosstalk)
    acting[:, 1:] += share * volts[:, :-1]
    acting[:, :-1] += share * volts[:, 1:]
    return volts, acting


def receiving(
    survey: BusSurvey, unknowns: Unknowns
) -> tuple[Float[ndarray, "buses 1 wavelengths"], Float[ndarray, "buses 1 1"]]:
    """Current of a fully lit, fully passed line in A, and the drop photodiode's responsivity over the through one's."""
    gain_A = survey.gain_A * np.exp(survey.scatter.gain * unknowns.gain[:, survey.line_of_wavelength])
    return gain_A[:, None, :], each_bus(1.0 + survey.scatter.drop_ratio * unknowns.drop_ratio)


def each_bus(of_bus: Shaped[ndarray, " buses"]) -> Shaped[ndarray, "buses 1 1"]:
    """A number of each bus, for all of its readings."""
    return of_bus[:, None, None]


def each_ring(of_ring: Float[ndarray, "buses rings"]) -> Float[ndarray, "buses rings 1 1"]:
    """A number of each ring, for all readings."""
    return of_ring[:, :, None, None]


def _power(field: Complex[ndarray, "..."]) -> Float[ndarray, "..."]:
    real, imaginary = np.real(field), np.imag(field)
    power = real * real
    power += imaginary * imaginary
    return power
