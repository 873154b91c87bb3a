"""Optics of a designed chip: geometry and film in, parameters of the exact solver out."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.splitter.model import split_amplitudes
from prism_photonics.lightpath.waveguide.design import Lengths, StraightDesign, UTurnDesign
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.netlist import branch_design
from prism_photonics.process.electrooptics import coverage, tuning_pm_V, two_lobes
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.units import attenuation_per_um


class BankParams(eqx.Module):
    """Everything the light of one chip meets, ready for `row_response`.

    Attributes:
        wl_um: Channel wavelengths in µm.
        rings: Leaves of shape (rows, rings).
        buses: Bus segments, leaves of shape (rows, 2, rings + 1): through bus first, then drop bus; segment j lies
            before ring j, the last one behind the last ring. The drop bus's segment 0 reaches to the row's exit.
        feed: From the fibre to the row's entrance: coupler and splitter tree, leaves of shape (rows,).
    """

    wl_um: Float[Array, " channels"]
    rings: RingParams
    buses: PathParams
    feed: PathParams


def path_params(lengths: Lengths, profile: Profile, *, loss_dB_cm: float) -> PathParams:
    """Optics of a waveguide path from its lengths by direction; a bend averages the two directions."""
    o = profile.optics
    n_bend = 0.5 * (o.n_eff_along_x.value + o.n_eff_along_y.value)
    ng_bend = 0.5 * (o.n_g_along_x.value + o.n_g_along_y.value)
    x, y, bend = lengths.x_um, lengths.y_um, lengths.bend_um
    opl_um = o.n_eff_along_x.value * x + o.n_eff_along_y.value * y + n_bend * bend
    gpl_um = o.n_g_along_x.value * x + o.n_g_along_y.value * y + ng_bend * bend
    amplitude = jnp.exp(-0.5 * attenuation_per_um(loss_dB_cm) * (x + y + bend))
    return PathParams(*(jnp.asarray(v, dtype=float) for v in (opl_um, gpl_um, amplitude, 0.0, o.wl0_um.value)))


def coupling_kappa2(gap_um: Float[Array, "..."] | float, profile: Profile) -> Float[Array, "..."]:
    """Power coupling ``κ² = κ0²·exp(−(g − g0)/g_decay)`` of ring and bus at gap ``gap_um``."""
    o = profile.optics
    return o.coupler_kappa2.value * jnp.exp(-(gap_um - o.coupler_gap_um.value) / o.coupler_decay_um.value)


def ring_params(design: RingDesign, profile: Profile, *, loss_dB_cm: float) -> RingParams:
    """Optics of one ring from its geometry: κ from the gaps, tuning from V_πL and the electrodes' coverage."""
    bend_um = design.length_um - 2.0 * design.straight_um
    turn = path_params(Lengths(x_um=2.0 * design.straight_um, bend_um=bend_um), profile, loss_dB_cm=loss_dB_cm)
    circle_share = bend_um / design.length_um
    slope = tuning_pm_V(
        wl=profile.optics.wl0_um.value,
        n_g=1.0,
        coverage=coverage(two_lobes(design.lobe_half_angle_deg), profile.tensor) * circle_share,
        vpil_single_V_cm=2.0 * profile.electrooptics.vpil_push_pull_V_cm.value,
    ) / (turn.gpl_um / design.length_um)
    return RingParams(
        t1=jnp.sqrt(1.0 - coupling_kappa2(design.gap_through_um, profile)),
        t2=jnp.sqrt(1.0 - coupling_kappa2(design.gap_drop_um, profile)),
        a=turn.amplitude,
        opl_um=turn.opl_um,
        gpl_um=turn.gpl_um,
        offset_pm=jnp.zeros(()),
        slope_pm_V=slope,
        curvature_pm_V2=jnp.zeros(()),
        wl0_um=turn.wl0_um,
    )


def in_series(*paths: PathParams) -> PathParams:
    """One path equivalent to several in a row."""
    return PathParams(
        opl_um=sum((p.opl_um for p in paths), jnp.zeros(())),
        gpl_um=sum((p.gpl_um for p in paths), jnp.zeros(())),
        amplitude=jnp.prod(jnp.stack([p.amplitude for p in paths]), axis=0),
        phase_rad=sum((p.phase_rad for p in paths), jnp.zeros(())),
        wl0_um=paths[0].wl0_um,
    )


def designed_bank(spec: ChipSpec) -> BankParams:
    """The chip as designed: every row alike, no fabrication error, bus phases from the drawn lengths."""
    profile, loss = spec.profile, spec.waveguide.loss_dB_cm
    rings = _stack([ring_params(design, profile, loss_dB_cm=loss) for design in spec.ring_designs])
    rows = spec.chip.rows

    def along_x(length_um: float) -> PathParams:
        return path_params(Lengths(x_um=length_um), profile, loss_dB_cm=loss)

    pitch, count = spec.ring.pitch_um, spec.chip.channels
    stub, span = along_x(pitch / 2.0), along_x(pitch)
    turn = path_params(UTurnDesign(spec.waveguide.bend_radius_um).lengths, profile, loss_dB_cm=loss)
    home = path_params(StraightDesign(count * pitch).lengths, profile, loss_dB_cm=loss)
    inner = [span] * (count - 1)
    buses = _stack([_stack([stub, *inner, stub]), _stack([in_series(stub, turn, home), *inner, stub])])
    feeds = _stack([_feed(spec, row, profile) for row in range(rows)])
    return BankParams(
        wl_um=jnp.asarray(spec.comb_design.wl_um),
        rings=_repeat(rings, rows),
        buses=_repeat(buses, rows),
        feed=feeds,
    )


def _feed(spec: ChipSpec, row: int, profile: Profile) -> PathParams:
    """Coupler, then for each tree level a splitter arm and a branch: the row's bit decides upper or lower."""
    coupler = 10.0 ** (-spec.coupler.loss_dB / 20.0)
    upper, lower = split_amplitudes(spec.splitter.excess_loss_dB, 0.0)
    path = path_params(Lengths(), profile, loss_dB_cm=0.0)
    amplitude = jnp.asarray(coupler)
    for level in range(tree_levels(spec.chip.rows), 0, -1):
        is_upper = bool(row >> (level - 1) & 1)
        branch = branch_design(spec, rows=2**level, upper=is_upper)
        path = in_series(path, path_params(branch.lengths, profile, loss_dB_cm=spec.waveguide.loss_dB_cm))
        amplitude = amplitude * jnp.abs(upper if is_upper else lower)
    return PathParams(path.opl_um, path.gpl_um, path.amplitude * amplitude, path.phase_rad, path.wl0_um)


def _stack[Params: (PathParams, RingParams)](items: list[Params]) -> Params:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)


def _repeat[Params: (PathParams, RingParams)](params: Params, rows: int) -> Params:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (rows, *leaf.shape)), params)
