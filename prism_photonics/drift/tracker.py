"""Keeping a calibrated chip true while it drifts: few readings, the fitted row, and voltages that hold every detuning.

What moves is told by four numbers that all rings share, the common temperature, its gradients along x and y, and the
share of its own held voltage that the film has lost, and, if asked for, by a shift of each ring beside them. Both are
estimated by least squares through the fitted rows from readings at the voltages that are held anyway: the weights stay
in place while they are watched. A ring is true again when its resonance is back where its programmed voltage had put
it, which is a quadratic equation per ring and needs no new solve of the rows.
"""

from dataclasses import dataclass
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.calibration import Calibration, of_row
from prism_photonics.calibration.motion import thermal_patterns_pm
from prism_photonics.calibration.unknowns import row_transmission
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.lightpath.detector.model import white_noise_A2
from prism_photonics.lightpath.ring.model import electrode_volts
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

MODES = ("none", "common", "full")
AVERAGES = 256
# Design choices: lights of the common-mode refresh, and most full lines at once, where photodiodes are still straight.
COMMON_LIGHTS = 2
MOST_LINES = 2.0
# What a fitted row leaves on settings that it never saw, as rms weight: 12 bits on the demo.
MODEL_WEIGHT = 3e-4
# Of a ring's own shift between two refreshes: its wander, and a tenth of its share of the relaxation (design choice).
OWN_SHARE = 0.1
# Gauss–Newton steps of an estimate; it starts at the last one, which is near.
STEPS = 2
# Of so many refreshes one looks at each ring by itself: rings wander slower than the temperature (design choice).
OWN_EVERY = 20


class Moved(eqx.Module):
    """How far a chip has moved from its calibration.

    Attributes:
        common: Common temperature, gradients along x and y, in units of the spec's drift; lost share of the voltage.
        own_pm: Each ring's shift beside those, in pm.
        charge_V: Voltages that the film relaxes towards.
        kept_V: What it had lost when those were set.
    """

    common: Float[Array, "4"]
    own_pm: Float[Array, "rows rings"]
    charge_V: Float[Array, "rows rings"]
    kept_V: Float[Array, "rows rings"]

    @property
    def relaxed_V(self) -> Float[Array, "rows rings"]:
        """Voltage that each ring has lost, in V."""
        return self.kept_V + self.common[3] * self.charge_V

    def shift_pm(self, patterns_pm: Float[Array, "3 rows rings"]) -> Float[Array, "rows rings"]:
        """Shift of each ring by temperature and by itself, in pm."""
        return jnp.tensordot(self.common[:3], patterns_pm, 1) + self.own_pm


@final
class Tracker:
    """A chip that is held at programmed voltages and kept true there."""

    def __init__(
        self, chip: AbstractChip, calibration: Calibration, spec: ChipSpec, *, mode: str, averages: int = AVERAGES
    ) -> None:
        """Begin with the chip as calibrated.

        Args:
            chip: The chip.
            calibration: Its calibration.
            spec: Its spec: how much it may drift is the prior of the estimates.
            mode: ``none``, ``common`` (what all rings share) or ``full`` (and each ring by itself, at the first of
                every `OWN_EVERY` refreshes).
            averages: Converter samples per reading.

        Raises:
            InputError: Unknown mode, or the calibration is of another spec.
        """
        if mode not in MODES:
            raise InputError(f"track: mode {mode!r} is unknown; use one of {', '.join(MODES)}")
        if calibration.spec_hash != spec.hash:
            raise InputError(
                f"track: the calibration belongs to spec {calibration.spec_hash[:12]}, not to {spec.name} "
                f"({spec.hash[:12]}); give the record of this chip"
            )
        self.mode = mode
        self.triggers = 0
        self.refreshes = 0
        self.settings = 0
        self._chip, self._calibration, self._averages = chip, calibration, averages
        # By place along the bus, as voltages are.
        self._used = ~by_place(np.asarray(calibration.excluded), np.asarray(calibration.channel_of_ring))
        nothing = jnp.zeros(calibration.shape)
        self.moved = Moved(jnp.zeros(4), nothing, nothing, nothing)
        film = spec.profile.relaxation
        self.patterns_pm = jnp.asarray(thermal_patterns_pm(spec))
        self._share = film.fast_share.value + film.slow_share.value + film.memory_share.value
        self._wander_pm = spec.drift.wander_pm_rthour
        self._looks = {own: Look.of(calibration, spec, averages, own=own) for own in (False, True)}
        self._unlooked_s, self._until_own = 0.0, 0
        self._base_V = np.zeros(calibration.shape)
        self.now_V = self._base_V

    @property
    def calibration(self) -> Calibration:
        """The calibration as the chip is now: program fresh weights with it."""
        return moved_calibration(self._calibration, self.moved, self.patterns_pm)

    @property
    def pinned(self) -> list[tuple[int, int]]:
        """(row, ring) of those that would need more than the drive limit to be held true, and stand at it."""
        at_limit = np.abs(self.now_V) >= self._calibration.max_voltage_V - 0.5 * self._calibration.voltage_step_V
        within = np.abs(self._base_V) < self._calibration.max_voltage_V - 0.5 * self._calibration.voltage_step_V
        return [(int(n), int(c)) for n, c in np.argwhere(at_limit & within & self._used)]

    def hold(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Set voltages that the calibration *as made* gives for the wanted weights, and keep their detunings.

        Args:
            volts: Ring voltages in V, from `program` with the untouched calibration.
        """
        self._base_V = np.asarray(volts, dtype=float)
        held = jnp.where(self._used, jnp.asarray(self._base_V), 0.0)
        common = self.moved.common.at[3].set(0.0)
        self.moved = Moved(common, self.moved.own_pm, held, self.moved.relaxed_V)
        self.restore()

    def restore(self) -> None:
        """Set the held weights' voltages, corrected by all that is known."""
        exact = held_volts(self._calibration, jnp.asarray(self._base_V), self.moved, self.patterns_pm)
        # A ring beyond the limit stands at it, and is named by `pinned`.
        volts = self._calibration.on_dac_grid(np.where(self._used, np.asarray(exact), self._base_V))
        self._chip.set(volts)
        self.now_V = volts
        self.settings += 1

    def refresh(self, since_s: float) -> None:
        """Read, estimate what moved, and correct the voltages; without tracking nothing happens.

        Args:
            since_s: Time since the last refresh, in s.
        """
        if self.mode == "none":
            return
        own = self.mode == "full" and self._until_own == 0
        self._until_own = OWN_EVERY - 1 if own else self._until_own - 1
        self._unlooked_s += since_s
        look = self._looks[own]
        current_A = np.stack([self._chip.measure(light, averages=self._averages) for light in look.lights])
        self.triggers += len(look.lights)
        self.refreshes += 1
        self.moved = estimate(
            self._calibration,
            self.moved,
            self.patterns_pm,
            jnp.asarray(self.now_V),
            jnp.asarray(look.lights),
            jnp.asarray(np.nan_to_num(current_A, posinf=0.0, neginf=0.0)),
            # A reading that is no number has no weight.
            jnp.asarray(np.where(np.isfinite(current_A), look.sigma_A, np.inf)),
            self._share,
            jnp.asarray(self._own_step_pm()),
            own=own,
        )
        self._unlooked_s *= not own
        self.restore()

    def _own_step_pm(self) -> Float[ndarray, "rows rings"]:
        """How far each ring may have gone by itself since it was last looked at."""
        hours = self._unlooked_s / 3600.0
        relaxed_pm = self._share * np.abs(self._base_V * of_row(self._calibration.rows.rings.slope_pm_V))
        return np.hypot(self._wander_pm * np.sqrt(hours), OWN_SHARE * relaxed_pm * min(hours, 1.0)) + 1e-6


@eqx.filter_jit
def moved_calibration(calibration: Calibration, moved: Moved, patterns_pm: Float[Array, "3 rows rings"]) -> Calibration:
    """The calibration of a chip that has moved, exactly: ``shift(V − x) + δ`` is again a quadratic in V."""
    rings = calibration.rows.rings
    x = electrode_volts(moved.relaxed_V.reshape(rings.slope_pm_V.shape), calibration.rows.crosstalk)
    shift_pm = moved.shift_pm(patterns_pm).reshape(x.shape)
    return eqx.tree_at(
        lambda c: (c.rows.rings.offset_pm, c.rows.rings.slope_pm_V),
        calibration,
        (
            rings.offset_pm + shift_pm - rings.slope_pm_V * x + rings.curvature_pm_V2 * x**2,
            rings.slope_pm_V - 2.0 * rings.curvature_pm_V2 * x,
        ),
    )


@eqx.filter_jit
def held_volts(
    calibration: Calibration,
    volts: Float[Array, "rows rings"],
    moved: Moved,
    patterns_pm: Float[Array, "3 rows rings"],
) -> Float[Array, "rows rings"]:
    """Voltages that put every resonance back to where ``volts`` had put it as calibrated: ``V + x + Δ``.

    With s and q a ring's slope and curvature, δ its shift and e its acting voltage, ``q·Δ² + (s + 2·q·e)·Δ + δ = 0``.
    The crosstalk of the small Δ is neglected.
    """
    rings = calibration.rows.rings
    e = electrode_volts(volts.reshape(rings.slope_pm_V.shape), calibration.rows.crosstalk)
    delta = moved.shift_pm(patterns_pm).reshape(e.shape)
    q, b = rings.curvature_pm_V2, rings.slope_pm_V + 2.0 * rings.curvature_pm_V2 * e
    # The root that goes to −δ/b without curvature; where there is none, the nearest place.
    root = jnp.sqrt(jnp.maximum(b**2 - 4.0 * q * delta, 0.0))
    return volts + moved.relaxed_V + of_row(-2.0 * delta / (b + jnp.where(b < 0.0, -root, root)))


def predicted_A(
    calibration: Calibration,
    moved: Moved,
    patterns_pm: Float[Array, "3 rows rings"],
    volts: Float[Array, "rows rings"],
    lights: Float[Array, "lights rings"],
) -> Float[Array, "lights rows"]:
    """Readings of a chip that has moved, in A; arguments as of `estimate`."""
    rows = moved_calibration(calibration, moved, patterns_pm).rows
    by_bus = volts.reshape(rows.gain_A.shape)
    one = lambda row, v: row_transmission(calibration.wl_um, row, v)  # noqa: E731
    full_A = of_row(rows.gain_A * jax.vmap(jax.vmap(one))(rows, by_bus))
    return calibration.dark_A + (lights + calibration.leak) @ full_A.T


@eqx.filter_jit
def estimate(
    calibration: Calibration,
    moved: Moved,
    patterns_pm: Float[Array, "3 rows rings"],
    volts: Float[Array, "rows rings"],
    lights: Float[Array, "lights rings"],
    current_A: Float[Array, "lights rows"],
    sigma_A: Float[Array, "lights rows"],
    share: float,
    own_step_pm: Float[Array, "rows rings"],
    *,
    own: bool,
) -> Moved:
    """How far the chip has moved, from readings at known voltages.

    Args:
        calibration: As made.
        moved: The last estimate: where the new one starts, and what each ring's own shift is near to.
        patterns_pm: Shift of each ring by one unit of common temperature and of each gradient, in pm.
        volts: Voltages at which was read, in V.
        lights: Transmissions of the modulators.
        current_A: Readings in A.
        sigma_A: What they may be off by, in A; infinite where a reading has no weight.
        share: Share of a voltage that the film loses at most: the prior of the fourth common number.
        own_step_pm: How far each ring's own shift may have moved since the last estimate, rms, in pm.
        own: Also estimate each ring's own shift.

    Returns:
        The new estimate.
    """
    unit = jnp.array([1.0, 1.0, 1.0, share])

    def misfit(candidate: Moved) -> Float[Array, "lights rows"]:
        return (predicted_A(calibration, candidate, patterns_pm, volts, lights) - current_A) / sigma_A

    def shared(z: Float[Array, "4"]) -> Moved:
        return eqx.tree_at(lambda m: m.common, moved, z * unit)

    def common_misfit(z: Float[Array, "4"]) -> Float[Array, " readings"]:
        return misfit(shared(z)).ravel()

    z = moved.common / unit
    for _ in range(STEPS):
        slopes = jax.jacfwd(common_misfit)(z)
        gradient = slopes.T @ common_misfit(z) + z
        z = z - jnp.linalg.solve(slopes.T @ slopes + jnp.eye(z.size), gradient)
    found = shared(z)
    if not own:
        return found

    # Rows share no light path: one tangent per ring of a row moves that ring of every row at once.
    step = own_step_pm.T
    base = found.own_pm

    def own_misfit(shift: Float[Array, "rings rows"]) -> Float[Array, "lights rows"]:
        return misfit(eqx.tree_at(lambda m: m.own_pm, found, base + (shift * step).T))

    shift = jnp.zeros_like(step)
    for _ in range(STEPS):
        tangents = jnp.eye(step.shape[0])[:, :, None] * jnp.ones_like(step)
        residual = own_misfit(shift)
        slopes = jax.vmap(lambda t, at=shift: jax.jvp(own_misfit, (at,), (t,))[1])(tangents)
        jacobian = jnp.moveaxis(slopes, (2, 1, 0), (0, 1, 2))
        normal = jnp.einsum("nlc,nlk->nck", jacobian, jacobian) + jnp.eye(step.shape[0])
        gradient = jnp.einsum("nlc,ln->nc", jacobian, residual) + shift.T
        shift = shift - jnp.linalg.solve(normal, gradient[..., None])[..., 0].T
    order = calibration.channel_of_ring
    excluded = jnp.take_along_axis(calibration.excluded.reshape(order.shape), order, -1).reshape(base.shape)
    own_pm = jnp.where(excluded, 0.0, base + (shift * step).T)
    return eqx.tree_at(lambda m: m.own_pm, found, own_pm)


@dataclass(frozen=True)
class Look:
    """The readings of one refresh: lights, and what the readings may differ from the fitted rows' by, in A."""

    lights: Float[ndarray, "lights rings"]
    sigma_A: Float[ndarray, "lights rows"]

    @classmethod
    def of(cls, calibration: Calibration, spec: ChipSpec, averages: int, *, own: bool) -> "Look":
        """Each line alone, or a few groups of lines, as bright as the photodiodes take them."""
        lines = calibration.shape[1]
        count = lines if own else min(COMMON_LIGHTS, lines)
        return cls.at(np.arange(lines) % count == np.arange(count)[:, None], calibration, spec, averages)

    @classmethod
    def alone(cls, calibration: Calibration, spec: ChipSpec, averages: int) -> "Look":
        """Every single line, each read just as in the survey."""
        return cls.at(np.eye(calibration.shape[1], dtype=bool), calibration, spec, averages)

    @classmethod
    def at(
        cls, member: Bool[ndarray, "lights rings"], calibration: Calibration, spec: ChipSpec, averages: int
    ) -> "Look":
        """Given groups of lines; the difference is noise and the model's, infinite where an excluded ring is lit."""
        full, unit_A = np.asarray(calibration.light_scale), np.asarray(calibration.unit_A)
        level = member * np.minimum(1.0, MOST_LINES / member.sum(1, keepdims=True))
        white_A2 = white_noise_A2(spec.detector_design, level.sum(1)[:, None] * unit_A, pairs=spec.chip.buses)
        sigma_A = np.sqrt(white_A2 / averages + (MODEL_WEIGHT * unit_A) ** 2 * np.square(level).sum(1)[:, None])
        dead = (member[:, None] & np.asarray(calibration.excluded)).any(2)
        return cls(full * level, np.where(dead, np.inf, sigma_A))
