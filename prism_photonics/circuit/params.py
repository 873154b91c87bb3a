"""Optics of a designed chip: geometry and film in, parameters of the exact solver out."""

import math
from types import ModuleType

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.circuit.reflecting import RowReflections
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.figures import tuning_slope_pm_V
from prism_photonics.lightpath.ring.model import RingParams, fsr_um
from prism_photonics.lightpath.ring.place import coupling_angles, optical_lengths_um, resonance_um
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.vernier.coupling import vernier_angles
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.vernier.model import VernierParams
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.lightpath.waveguide.model import PathParams, path_phase
from prism_photonics.lightpath.waveguide.turned import bends_passed, quarter_dB
from prism_photonics.process.necks import neck
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.spec.geometry import DROP_LEAD_UM, feed_lengths, quarters, tree_branches, uturn_design
from prism_photonics.units import PM_PER_UM, attenuation_per_um, ratio_from_dB


class BankParams(eqx.Module):
    """Optical parameters of a whole chip, for `row_response`.

    Attributes:
        wl_um: Wavelengths of a bus's channels in µm; every bus has the same.
        rings: Leaves of shape (rows, buses, channels).
        buses: Bus segments, leaves of shape (rows, buses, 2, channels + 1): through bus first, then drop bus; segment
            j lies before ring j, the last one behind the last ring. The drop bus's segment 0 reaches to the exit.
        feed: From the fibre to the bus's entrance: coupler and splitter tree, leaves of shape (rows, buses).
        reflections: What sends light back, leaves of shape (rows, buses, …); ``None`` where nothing does.
    """

    wl_um: Float[Numbers, " channels"]
    rings: RingParams
    buses: PathParams
    feed: PathParams
    reflections: RowReflections | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, buses of a row, channels of a bus."""
        rows, buses, channels = self.rings.t1.shape
        return rows, buses, channels


def path_params(lengths: Lengths, profile: Profile, *, loss_dB_cm: float, xp: ModuleType = jnp) -> PathParams:
    """Optics of a waveguide path from its lengths by direction; a bend averages the two directions.

    ``xp`` is the array library of the result: ``numpy`` has nothing to compile, ``jax.numpy`` has gradients.
    """
    opl_um, gpl_um = optical_lengths_um(profile, lengths)
    amplitude = xp.exp(-0.5 * attenuation_per_um(loss_dB_cm) * lengths.total_um)
    wl0_um = profile.optics.wl0_um.value
    return PathParams(*(xp.asarray(v, dtype=float) for v in (opl_um, gpl_um, amplitude, 0.0, wl0_um)))


def ring_params(design: RingDesign, profile: Profile, *, loss_dB_cm: float, xp: ModuleType = jnp) -> RingParams:
    """Optics of one ring from its geometry: κ from gap and coupling length, tuning from V_πL and coverage.

    ``xp`` is as of `path_params`.
    """
    through_rad, drop_rad = coupling_angles(profile, design, xp)
    turn = path_params(design.lengths, profile, loss_dB_cm=loss_dB_cm, xp=xp)
    return RingParams(
        t1=xp.asarray(xp.cos(through_rad)),
        t2=xp.asarray(xp.cos(drop_rad)),
        a=turn.amplitude,
        opl_um=turn.opl_um,
        gpl_um=turn.gpl_um,
        offset_pm=xp.zeros(()),
        slope_pm_V=xp.asarray(tuning_slope_pm_V(profile, design), dtype=float),
        curvature_pm_V2=xp.zeros(()),
        wl0_um=turn.wl0_um,
    )


def vernier_params(design: VernierDesign, profile: Profile, *, loss_dB_cm: float) -> VernierParams:
    """Optics of one Vernier pair from its geometry: κ from gaps and coupling lengths."""
    through_rad, between_rad, drop_rad = vernier_angles(profile, design, jnp)
    turn1, turn2 = (path_params(ring.lengths, profile, loss_dB_cm=loss_dB_cm) for ring in design.rings)
    return VernierParams(
        t1=jnp.cos(through_rad),
        t12=jnp.cos(between_rad),
        t2=jnp.cos(drop_rad),
        a1=turn1.amplitude,
        a2=turn2.amplitude,
        opl1_um=turn1.opl_um,
        opl2_um=turn2.opl_um,
        gpl1_um=turn1.gpl_um,
        gpl2_um=turn2.gpl_um,
        wl0_um=turn1.wl0_um,
    )


def in_series(*paths: PathParams, xp: ModuleType = jnp) -> PathParams:
    """One path equivalent to several in a row; ``xp`` as of `path_params`."""
    opl_um, gpl_um, phase_rad = (sum(getattr(p, name) for p in paths) for name in ("opl_um", "gpl_um", "phase_rad"))
    amplitude = math.prod(p.amplitude for p in paths)
    # A sum of NumPy's arrays without axes is a number.
    return PathParams(*(xp.asarray(v) for v in (opl_um, gpl_um, amplitude, phase_rad, paths[0].wl0_um)))


def designed_bank(spec: ChipSpec, *, xp: ModuleType = jnp) -> BankParams:
    """The chip as designed: every row and bus alike, no fabrication error, bus phases from the drawn lengths.

    ``xp`` is as of `path_params`.
    """
    return jax.tree.map(xp.asarray, _designed_bank(spec))


def designed_feed(spec: ChipSpec, *, xp: ModuleType = jnp) -> PathParams:
    """From the fibre to each bus's entrance as designed, leaves of shape (rows, buses); ``xp`` as of `path_params`."""
    return jax.tree.map(xp.asarray, _designed_bank(spec).feed)


@cached_by_spec
def _designed_bank(spec: ChipSpec) -> BankParams:
    """`designed_bank` as NumPy arrays: they are many small ones, which JAX would compile one by one."""
    profile, loss = spec.profile, spec.waveguide.loss_dB_cm
    rings = _stack([ring_params(design, profile, loss_dB_cm=loss, xp=np) for design in spec.ring_designs])
    lanes = (spec.chip.rows, spec.chip.buses)

    def path(lengths: Lengths) -> PathParams:
        return path_params(lengths, profile, loss_dB_cm=loss, xp=np)

    def along_x(length_um: float) -> PathParams:
        return path(Lengths(x_um=length_um))

    pitch, count = spec.ring.pitch_um, spec.chip.channels
    neck_dB = neck(spec.process, spec.ring.neck_um).first_dB
    stub, span = _loses(along_x(pitch / 2.0), neck_dB), _loses(along_x(pitch), 2.0 * neck_dB)
    turn = uturn_design(spec)
    if spec.two_sided:
        way_out = [along_x(DROP_LEAD_UM)]
    else:
        way_out = [_round(path(turn.lengths), bends_passed(profile, turn)), along_x(count * pitch)]
    inner = [span] * (count - 1)
    buses = _stack([_stack([stub, *inner, stub]), _stack([in_series(stub, *way_out, xp=np), *inner, stub])])
    feeds = [_feeds(spec, bus) for bus in range(spec.chip.buses)]
    return BankParams(
        wl_um=np.asarray(spec.comb_design.wl_um),
        rings=_repeat(rings, lanes),
        buses=_repeat(buses, lanes),
        feed=jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *feeds),
    )


def rings_on_film(spec: ChipSpec, film: Profile, *, trimmed: bool) -> RingParams:
    """The rings as drawn, on a film other than the one that they were designed on; leaves (rows, buses, channels).

    Args:
        spec: The chip.
        film: The film.
        trimmed: Whether they have been brought to where they were designed to resonate, whatever the film.
    """
    loss = film.optics.loss_dB_cm.value
    rings = _stack([ring_params(design, film, loss_dB_cm=loss, xp=np) for design in spec.ring_designs])
    if trimmed:
        near_um = np.asarray(spec.comb_design.wl_um)
        want_um = np.array(
            [
                resonance_um(spec.profile, design.lengths, near_um=wl_um)
                for design, wl_um in zip(spec.ring_designs, near_um, strict=True)
            ]
        )
        # The optical length whose resonance, of the nearest order, is the wanted one.
        orders = np.rint(rings.gpl_um / want_um - (rings.gpl_um - rings.opl_um) / rings.wl0_um)
        opl_um = rings.gpl_um - rings.wl0_um * (rings.gpl_um / want_um - orders)
        rings = eqx.tree_at(lambda ring: ring.opl_um, rings, opl_um)
    return _repeat(rings, (spec.chip.rows, spec.chip.buses))


def designed_crossings_pm(bank: BankParams) -> Float[ndarray, "rows buses places channels"]:
    """The shift that brings each designed ring onto each channel, in pm; it repeats with one FSR.

    A shift turns a ring's phase alike at all wavelengths (first-order dispersion), so its FSR is one for all channels.
    """
    lead = jax.tree.map(lambda leaf: np.asarray(leaf)[..., None], bank.rings)
    turns = path_phase(np.asarray(bank.wl_um), lead.opl_um, lead.gpl_um, lead.wl0_um) / (2.0 * np.pi)
    return (np.round(turns) - turns) * fsr_um(lead) * PM_PER_UM


def assigned_bank(
    spec: ChipSpec, channel_of_ring: Int[ndarray, "rows buses channels"], *, xp: ModuleType = jnp
) -> BankParams:
    """The designed chip with every ring brought to the channel that it serves, as far from it as designed.

    ``xp`` is as of `path_params`.
    """
    bank = _designed_bank(spec)
    crossing_pm = designed_crossings_pm(bank)
    own = np.diagonal(crossing_pm, axis1=-2, axis2=-1)
    moved_pm = np.take_along_axis(crossing_pm, channel_of_ring[..., None], -1)[..., 0] - own
    opl_um = bank.rings.opl_um + bank.rings.gpl_um * moved_pm / PM_PER_UM / bank.rings.wl0_um
    return jax.tree.map(xp.asarray, eqx.tree_at(lambda b: b.rings.opl_um, bank, opl_um))


def _round(path: PathParams, passed: float) -> PathParams:
    """A path whose bends leave so much of the power in the guide's mode."""
    return eqx.tree_at(lambda p: p.amplitude, path, path.amplitude * math.sqrt(passed))


def _loses(path: PathParams, loss_dB: float) -> PathParams:
    return path if loss_dB == 0.0 else _round(path, ratio_from_dB(-loss_dB))


def _feeds(spec: ChipSpec, bus: int) -> PathParams:
    """Coupler, way to the bank, for each tree level a splitter arm and a branch; by row."""
    loss_dB_cm = spec.waveguide.loss_dB_cm
    to_bank, levels = feed_lengths(spec, bus=bus), tree_levels(spec.chip.rows)
    bend_dB = quarter_dB(spec.profile, uturn_design(spec).quarter)
    # Plain numbers: a tree of a thousand rows would be a graph of a hundred thousand operations.
    columns = []
    for way in tree_branches(spec):
        passed = [to_bank, *(branch.lengths for branch in way)]
        lengths = Lengths(*(sum(getattr(b, axis) for b in passed) for axis in ("x_um", "y_um", "bend_um")))
        loss_dB = spec.coupler.loss_dB + loss_dB_cm * lengths.total_um * 1e-4 + quarters(spec, way) * bend_dB
        columns.append((*optical_lengths_um(spec.profile, lengths), 10.0 ** (-loss_dB / 20.0)))
    opl_um, gpl_um, amplitude = (np.asarray(column, dtype=float) for column in zip(*columns, strict=True))
    arm = math.sqrt(ratio_from_dB(-spec.splitter.excess_loss_dB) / 2.0)
    zero = np.zeros_like(opl_um)
    return PathParams(opl_um, gpl_um, amplitude * arm**levels, zero, zero + spec.profile.optics.wl0_um.value)


def _stack[Params: (PathParams, RingParams)](items: list[Params]) -> Params:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *items)


def _repeat[Params: (PathParams, RingParams)](params: Params, lanes: tuple[int, int]) -> Params:
    return jax.tree.map(lambda leaf: np.broadcast_to(leaf, (*lanes, *leaf.shape)), params)
