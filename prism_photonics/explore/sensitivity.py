"""How weights and recall answer to each physical parameter while the voltages are held: exact gradients of a design.

The recall is made smooth by the noise of a score: a block that is to be found is chosen with the probability that its
score, read with noise, passes the threshold between the chosen and the rest. What calibration, trimming or programming
anew would take back is not taken back here: large bars say what has to be corrected, small ones what need not be.
"""

import dataclasses
import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from prism_photonics.budget.snr import evened_line_current_A, score_noise_A2
from prism_photonics.calibration.unknowns import RowModel
from prism_photonics.chip.fabricate import CROSSTALK_SPREAD, draw_die
from prism_photonics.circuit.prepared import balanced, prepare_row
from prism_photonics.codec.encoding import rails
from prism_photonics.codec.topk import top_k
from prism_photonics.explore.die import asked_of
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.surrogate import known_calibration, known_rows
from prism_photonics.explore.wafer import QUANTITIES
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.lightpath.ring.model import electrode_volts, resonance_shift_pm
from prism_photonics.programming.solve import program
from prism_photonics.seeds import die_key
from prism_photonics.spec.neighbours import voltage_share
from prism_photonics.threefry import split

UNITS = {
    "thickness_nm": "nm", "width_nm": "nm", "gap_nm": "nm", "loss_log": "ln", "residual_pm": "pm", "slope_relative": "",
    "curvature_pm_V2": "pm/V²", "crosstalk_relative": "", "splitter_imbalance": "", "responsivity_relative": "",
    "line_power_dB": "dB", "temperature_K": "K",
}  # fmt: skip
"""Parameters, as the spec names their scatter, with units; all are 0 on the design."""

Parameters = dict[str, Float[Array, "rows buses channels"]]


@dataclass(frozen=True)
class Sensitivity:
    """Answer of the design to one parameter.

    Attributes:
        name: The parameter, a key of `UNITS`.
        unit: Its unit.
        sigma: Its standard deviation from die to die and ring to ring.
        by_recall: Gradient of the smooth recall by a change common to all rings, per unit.
        by_weight_rms: Rms over all rings of the weights' gradient by such a change, per unit.
        ring_by_ring: Rms change of the smooth recall when each ring has a change of its own of one sigma, to first
            order.
        below: Smooth recall with all rings one sigma below the design.
        above: With all rings one sigma above.
    """

    name: str
    unit: str
    sigma: float
    by_recall: float
    by_weight_rms: float
    ring_by_ring: float
    below: float
    above: float


class Held(eqx.Module):
    """A programmed design of which the voltages are held.

    Attributes:
        wl_um: Wavelengths of a bus's channels.
        rows: Its rows as they are.
        volts: Ring voltages in V, by row and bus.
        scale: Effective weight per unit of ``T_through − ρ·T_drop``.
        queries: Queries on the channels, as light counts them.
        wanted: The blocks to be found, by query.
        noise: Standard deviation of a score, in units of weight.
        decay_um: Of the coupling by gap.
        pm: Resonance shift per nm of thickness and of width, and per K.
    """

    wl_um: Float[Numbers, " channels"]
    rows: RowModel
    volts: Float[Numbers, "rows buses channels"]
    scale: Float[Numbers, "rows buses channels"]
    queries: Float[Numbers, "queries rings"]
    wanted: Int[Numbers, "queries k"]
    noise: Float[Numbers, ""]
    decay_um: float = eqx.field(static=True)
    pm: tuple[float, float, float] = eqx.field(static=True)

    def weights(self, p: Parameters) -> Float[Array, "rows rings"]:
        """Effective weights with parameters off the design."""
        rings = self.rows.rings
        narrowing = jnp.exp(-1e-3 * p["gap_nm"] / self.decay_um)
        moved_pm = self.pm[0] * p["thickness_nm"] + self.pm[1] * p["width_nm"] + self.pm[2] * p["temperature_K"]
        rings = dataclasses.replace(
            rings,
            t1=jnp.cos(jnp.arccos(rings.t1) * narrowing),
            t2=jnp.cos(jnp.arccos(rings.t2) * narrowing),
            a=rings.a ** jnp.exp(p["loss_log"]),
            offset_pm=rings.offset_pm + moved_pm + p["residual_pm"],
            slope_pm_V=rings.slope_pm_V * (1.0 + p["slope_relative"]),
            curvature_pm_V2=rings.curvature_pm_V2 + p["curvature_pm_V2"],
        )
        crosstalk = self.rows.crosstalk + p["crosstalk_relative"][..., 1:]
        shift_pm = resonance_shift_pm(rings, electrode_volts(self.volts, crosstalk))
        # One photodiode of a pair differs from the other.
        ratio = self.rows.drop_ratio * (1.0 + p["responsivity_relative"][..., 0])
        powers = balanced(prepare_row(self.wl_um, rings, self.rows.buses), shift_pm, ratio)
        gain = 10.0 ** (p["line_power_dB"] / 10.0) * (1.0 + p["splitter_imbalance"])
        return (self.scale * gain * powers).reshape(len(self.volts), -1)

    def recall(self, p: Parameters) -> Float[Array, ""]:
        """Smooth recall with parameters off the design."""
        scores = self.queries @ self.weights(p).T
        k = self.wanted.shape[1]
        ranked = jnp.sort(scores, axis=-1)
        threshold = 0.5 * (ranked[:, -k] + ranked[:, -k - 1])
        found = jnp.take_along_axis(scores, self.wanted, axis=-1) - threshold[:, None]
        return jax.scipy.stats.norm.cdf(found / self.noise).mean()


def held_design(plan: YieldPlan) -> Held:
    """The design without scatter, programmed with a die's signatures; its bus phases are a die's."""
    spec = plan.spec
    still = {name: 0.0 for name in type(spec.variation).model_fields if name != "correlation_length_um"}
    ideal = spec.model_copy(
        update={
            "variation": spec.variation.model_copy(update=still),
            "trim": spec.trim.model_copy(update={"residual_pm": 0.0}),
        }
    )
    die = draw_die(ideal, split(die_key(plan.seed))[0])
    calibration, asked = known_calibration(ideal, die), asked_of(plan, plan.seed)
    rows, light_scale = known_rows(ideal, die)
    shares = asked.queries / np.abs(asked.queries).max(-1, keepdims=True)
    shape = rows.gain_A.shape
    optics, film = spec.profile.optics, spec.profile.gap_law
    return jax.tree.map(
        jnp.asarray,
        Held(
            wl_um=np.asarray(spec.comb_design.wl_um),
            rows=rows,
            volts=program(calibration, asked.targets).volts[0].reshape(shape),
            scale=rows.gain_A * light_scale.reshape(shape[1:]) / calibration.unit_A[:, None, None],
            # Two rails carry (q⁺, q⁻) with (s, −s): together as q/2 on both, but for the middle of their weights.
            queries=rails(shares, spec.modulator.encoding) * (0.5 if spec.modulator.encoding == "dual_rail" else 1.0),
            wanted=top_k(asked.queries @ asked.signatures.T, plan.k),
            noise=np.asarray(math.sqrt(sum(score_noise_A2(spec).values())) / evened_line_current_A(spec)),
            decay_um=film.decay_um,
            pm=(optics.thickness_pm_nm.value, optics.width_pm_nm.value, optics.thermal_pm_K.value),
        ),
    )


def sigmas(plan: YieldPlan) -> dict[str, float]:
    """Standard deviation of each parameter: the die's and the rings' parts together."""
    v, spec, fab = plan.spec.variation, plan.spec, plan.fab
    found = {name: getattr(v, name) for name in UNITS if hasattr(v, name)}
    found["crosstalk_relative"] = CROSSTALK_SPREAD * voltage_share(spec)
    for name in QUANTITIES:
        part = getattr(fab, name)
        found[name] = math.hypot(found[name], part.lot, part.wafer, part.place)
    return found | {"residual_pm": spec.resonance_pm, "temperature_K": spec.drift.temperature_K}


def sensitivities(plan: YieldPlan) -> tuple[float, tuple[Sensitivity, ...]]:
    """Answers of a study's design to every parameter.

    Returns:
        The smooth recall of the design, and the answers, those that move the recall most first.
    """
    held, sigma = held_design(plan), sigmas(plan)
    none = {name: jnp.zeros(held.volts.shape) for name in UNITS}
    recall, gradient = _recall_and_gradient(held, none)
    found = []
    for name, unit in UNITS.items():
        one = none | {name: jnp.ones(held.volts.shape)}
        slope = np.asarray(_weight_slope(held, none, one))
        below, above = (float(_recall(held, none | {name: sign * sigma[name] * one[name]})) for sign in (-1.0, 1.0))
        by_ring = np.asarray(gradient[name])
        found.append(
            Sensitivity(
                name,
                unit,
                sigma[name],
                float(by_ring.sum()),
                float(np.sqrt(np.mean(slope**2))),
                sigma[name] * float(np.sqrt((by_ring**2).sum())),
                below,
                above,
            )
        )
    moved = lambda s: max(abs(s.below - float(recall)), abs(s.above - float(recall)))  # noqa: E731
    return float(recall), tuple(sorted(found, key=moved, reverse=True))


@eqx.filter_jit
def _recall(held: Held, p: Parameters) -> Float[Array, ""]:
    return held.recall(p)


@eqx.filter_jit
def _recall_and_gradient(held: Held, p: Parameters) -> tuple[Float[Array, ""], Parameters]:
    return jax.value_and_grad(held.recall)(p)


@eqx.filter_jit
def _weight_slope(held: Held, p: Parameters, direction: Parameters) -> Float[Array, "rows rings"]:
    return jax.jvp(held.weights, (p,), (direction,))[1]
