"""A virtual die with everything that `truth` lists: drawn onto one that has what a calibration's model knows."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.truth import FullTruth
from prism_photonics.circuit.designed_second_mode import designed_second_mode
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.dispersion import designed_dispersion
from prism_photonics.circuit.ends import end_ways, facet_fields
from prism_photonics.circuit.params import BankParams, designed_bank, designed_feed
from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.circuit.reflecting import EndReflectors, RowReflections
from prism_photonics.lightpath.ring.backscatter import Backscatter
from prism_photonics.lightpath.ring.dispersion import RingDispersion
from prism_photonics.lightpath.ring.mixing import Coupler, along, te_like_turn
from prism_photonics.lightpath.ring.model import RingParams, half_turn, rad_per_pm
from prism_photonics.lightpath.ring.polarization import SecondPolarization, polarized_half_turn
from prism_photonics.lightpath.ring.second_mode import SecondMode, second_mode_half_turn
from prism_photonics.lightpath.ring.two_modes import mode_coupler, ring_coupler
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.process.polarization import TM_GAP_LAWS, conversion_on_film_rad, tm_table
from prism_photonics.process.second_mode import FILMS, second_mode_table
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, InputError

TRIMMINGS = 30
"""Steps towards where a ring's resonance shall lie, and as many along one resonance; those leave less than half of what
is missing."""
ROWS_AT_ONCE = 8  # of couplers of ramps
# Median of a Rayleigh distribution over the standard deviation of either part.
RAYLEIGH_MEDIAN = float(np.sqrt(2.0 * np.log(2.0)))

FilmErrors = tuple[Float[ndarray, "rows rings"], Float[ndarray, "rows rings"]]
"""Thickness of the film and width of the rib at every ring, off the design, in nm."""


@dataclass(frozen=True)
class Beyond:
    """What a full die's rings have beyond reflections; arrays (rows, buses, channels).

    Attributes:
        dispersion: Slopes with wavelength; None without.
        cubic_pm_V3: Tuning by the cube of the acting voltage, in pm/V³.
        absorbed_pm_W: Shift by the light that a ring takes from the bus, in pm/W.
        second_neighbour: Share of a ring's voltage that the ring after the next sees.
        second: TM in its rows; None without.
    """

    dispersion: RingDispersion | None
    cubic_pm_V3: Float[ndarray, "rows buses channels"]
    absorbed_pm_W: float
    second_neighbour: float
    second: TwoPolarizations | None

    def acting_V(
        self, acting_V: Float[ndarray, "rows buses channels"], volts: Float[ndarray, "rows buses channels"]
    ) -> Float[ndarray, "rows buses channels"]:
        """Acting voltages in V with the stray field of the electrodes after the next."""
        acting_V = acting_V.copy()
        acting_V[..., 2:] += self.second_neighbour * volts[..., :-2]
        acting_V[..., :-2] += self.second_neighbour * volts[..., 2:]
        return acting_V


def with_everything(
    spec: ChipSpec,
    bank: BankParams,
    truth: FullTruth,
    rng: np.random.Generator,
    *,
    tm_pm: Float[ndarray, "rows rings"] | None = None,
    film_nm: FilmErrors | None = None,
) -> tuple[BankParams, Beyond]:
    """The optics of a die with backscatter, the loss that belongs to it, and reflecting ends; and what is beyond.

    Args:
        spec: The chip.
        bank: Optics of the die without.
        truth: What is switched on.
        rng: Draws the die's own.
        tm_pm: Where TM's resonances lie, in pm off the mode table's; each ring's anywhere by default.
        film_nm: Thickness and width of every ring off the design, in nm, by which bends turn more of TE to TM, or less;
            none by default.
    """
    rings, backscatter = _scattering(bank, truth, rng)
    ends = _ends(spec, bank, truth, rng)
    cubic_pm_V3 = truth.cubic_pm_V3 * rng.standard_normal(bank.shape)
    # What came later is drawn last, and only where it is there: the rest of a die is the same with it or without.
    ends = _displaced(spec, ends, truth, rng)
    beyond = Beyond(
        dispersion=_dispersion(spec, truth, rng),
        cubic_pm_V3=cubic_pm_V3,
        absorbed_pm_W=1e3 * truth.absorbed_pm_mW,
        second_neighbour=truth.second_neighbour,
        second=_second(spec, rings, truth, rng, tm_pm=tm_pm, film_nm=film_nm),
    )
    if truth.dry and truth.reflections:
        ends = _dry(spec, ends, truth, rng)
    if beyond.second is not None:
        rings = _brought_back(bank.wl_um, rings, beyond.second.rings)
    full = replace(bank, rings=rings, reflections=RowReflections(backscatter, ends))
    return full, beyond


def _second(
    spec: ChipSpec,
    rings: RingParams,
    truth: FullTruth,
    rng: np.random.Generator,
    *,
    tm_pm: Float[ndarray, "rows rings"] | None,
    film_nm: FilmErrors | None,
) -> TwoPolarizations | None:
    """TM in the rows of a die: where its resonances lie no design says, only how films and lots move them apart.

    Raises:
        InputError: It is asked for on a film whose TM is not known, or leaks; or TE1 where no guide of the chip holds
            it, or its rings are racetracks.
    """
    if truth.second_mode:
        return _second_mode(spec, rings, rng)
    if not truth.te_tm:
        return None
    designed = designed_tm(spec)
    if designed is None:
        raise InputError(
            f"FullTruth: te_tm = {truth.te_tm:g} on film {spec.profile.name}, whose TM leaks or is not known, want 0; "
            f"films with TM are {', '.join(TM_GAP_LAWS)}"
        )
    of_rings: Any = designed.rings
    tm, te = of_rings.tm, designed_bank(spec, xp=np).rings

    def coupled(tm_t: Any, die_t: Any, te_t: Any) -> Any:
        # An error of a gap scales both polarisations' couplings: their decay lengths differ by a few percent.
        return np.cos(np.arccos(tm_t) * np.arccos(die_t) / np.arccos(te_t))

    # Half a turn tells even orders from odd ones: TM's resonances repeat after two free spectral ranges.
    anywhere_pm = tm.wl0_um**2 / tm.gpl_um * PM_PER_UM * rng.uniform(-1.0, 1.0, tm.t1.shape)
    tm = replace(
        tm,
        t1=coupled(tm.t1, rings.t1, te.t1),
        t2=coupled(tm.t2, rings.t2, te.t2),
        a=rings.a,
        offset_pm=anywhere_pm if tm_pm is None else tm_pm.reshape(tm.t1.shape),
    )
    buses = replace(designed.buses, phase_rad=rng.uniform(0.0, 2.0 * np.pi, designed.buses.phase_rad.shape))
    converted_rad = of_rings.conversion_rad if film_nm is None else _converted_rad(spec, film_nm, of_rings)
    second = replace(of_rings, tm=tm, conversion_rad=truth.te_tm * converted_rad)
    return replace(designed, rings=second, buses=buses)


def _converted_rad(
    spec: ChipSpec, film_nm: FilmErrors, designed: SecondPolarization
) -> Float[ndarray, "rows buses channels"]:
    """χ of every ring on its own film: what an arm was drawn to undo is not undone on another one."""
    table, design = tm_table(spec.process), spec.ring_designs[0]
    assert table is not None
    shape = np.shape(designed.conversion_rad)
    thicker_nm, wider_nm = (np.broadcast_to(part, (shape[0], shape[1] * shape[2])).ravel() for part in film_nm)
    if not (thicker_nm.any() or wider_nm.any()):
        return designed.conversion_rad
    lines_um = np.broadcast_to(np.asarray(spec.comb_design.wl_um), shape).ravel()
    return conversion_on_film_rad(
        table,
        lines_um,
        width_um=design.width_um + 1e-3 * wider_nm,
        thicker_nm=thicker_nm,
        turn=design.quarter,
        arm_um=design.arm_um,
    ).reshape(shape)


def _second_mode(spec: ChipSpec, rings: RingParams, rng: np.random.Generator) -> TwoPolarizations:
    """TE1 in TM's place, with couplers at the gaps that the die has."""
    designed, table = designed_second_mode(spec), second_mode_table(spec.process)
    if designed is None or table is None:
        raise InputError(
            f"FullTruth: second_mode on film {spec.profile.name} with arms of {spec.ring.arm_um:g} µm, want a film "
            f"that holds TE1 ({', '.join(FILMS)}) and circles, or ramps of curvature (ring.euler_p); switch it off"
        )
    te, law, designs = designed_bank(spec, xp=np).rings, spec.profile.gap_law, spec.ring_designs
    radius_um, straight_um, through_um, drop_um = np.array(
        [(one.radius_um, one.straight_um, one.gap_through_um, one.gap_drop_um) for one in designs]
    ).T

    def coupler(gap_um: Any, die_t: Any, te_t: Any) -> Coupler:
        # An error of a gap scales the angle of its coupler, as `fabricate` draws it.
        gap_um = gap_um - law.decay_um * np.log(np.arccos(die_t) / np.arccos(te_t))
        if spec.ring.euler_p:
            # A few rows after another: every ring takes 320 steps of 4×4 matrices, half a megabyte in all.
            parts = np.array_split(gap_um, -(-len(gap_um) // ROWS_AT_ONCE))
            each = [
                [ring_coupler(one, spec.profile, table, rows[..., channel]) for channel, one in enumerate(designs)]
                for rows in parts
            ]
            rows = [[np.stack(part, axis=-3) for part in zip(*one, strict=True)] for one in each]
            return Coupler(*(np.concatenate(part) for part in zip(*rows, strict=True)))
        # Row after row: every ring of a coupler takes 80 steps of 4×4 matrices, 20 kB each time.
        rows = [
            mode_coupler(table, law, gap_um=row, radius_um=radius_um, straight_um=straight_um, width_um=spec.width_um)
            for row in gap_um
        ]
        return Coupler(*(np.stack(part) for part in zip(*rows, strict=True)))

    of_rings: Any = designed.rings
    mode = of_rings.mode
    anywhere_pm = mode.wl0_um**2 / mode.gpl_um * PM_PER_UM * rng.uniform(-1.0, 1.0, mode.t1.shape)
    second = replace(
        of_rings,
        mode=replace(mode, a=rings.a, offset_pm=anywhere_pm),
        through=coupler(through_um, rings.t1, te.t1),
        drop=coupler(drop_um, rings.t2, te.t2),
    )
    buses = replace(designed.buses, phase_rad=rng.uniform(0.0, 2.0 * np.pi, designed.buses.phase_rad.shape))
    return replace(designed, rings=second, buses=buses)


def _brought_back(
    wl_um: Float[ndarray, " channels"], rings: RingParams, second: SecondPolarization | SecondMode
) -> RingParams:
    """Rings whose resonances TM's repel, shifted to where they would lie without: what is trimmed is what shows.

    The resonance is the phase of the round trip's eigenvalue that is the more TE's. Where TM's crosses TE's within half
    their repulsion of the line, that one lies on the line nowhere: it would hop over it step by step. So the one that
    it is at last is followed, whichever it becomes.
    """
    alone = rings.t1 * rings.t2 * half_turn(wl_um, rings, rings.offset_pm) ** 2
    shift_pm, before = rings.offset_pm, None
    for step in range(2 * TRIMMINGS):
        if isinstance(second, SecondMode):
            half = second_mode_half_turn(wl_um, rings, second, shift_pm)
            mean, root = te_like_turn(half, second.through, second.drop)
        else:
            half = polarized_half_turn(wl_um, rings, second, shift_pm)
            mean, root = te_like_turn(half, (rings.t1, second.tm.t1), (rings.t2, second.tm.t2))
        before = root if step < TRIMMINGS else along(root, before)
        shift_pm = shift_pm + np.angle(alone / (mean + before)) / rad_per_pm(rings)
    return replace(rings, offset_pm=shift_pm)


def _scattering(bank: BankParams, truth: FullTruth, rng: np.random.Generator) -> tuple[Any, Backscatter]:
    """Rings with the loss of discrete events, and the backscatter of those and of the walls.

    An event is a point: of the two standing waves that it couples, one has its node there and sees nothing, the other
    has all of its shift and loss. Loss and coupling then come in equal parts, and the ring stays passive.
    """
    shape = bank.shape
    sigma_pm = 0.5 * truth.splitting_pm / RAYLEIGH_MEDIAN
    wall = sigma_pm * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    to_ccw, to_cw = wall, wall.conj()
    ln_a, rad_pm = np.log(bank.rings.a), rad_per_pm(bank.rings)
    counts = rng.poisson(truth.loss_events, shape)
    added = np.zeros(shape)
    for n in range(int(counts.max(initial=0))):
        hit = counts > n
        # Rayleigh scattering by a small object: its loss goes with the square of what it couples.
        strength = rng.exponential(1.0, shape)
        there = rng.uniform(0.0, 2.0 * np.pi, shape)
        lost = np.where(hit, -truth.event_loss * strength * ln_a, 0.0)
        half_pm = np.where(hit, 0.5 * truth.event_splitting * truth.splitting_pm * np.sqrt(strength), 0.0)
        coupled = half_pm + 1j * lost / rad_pm
        to_ccw, to_cw = to_ccw + coupled * np.exp(1j * there), to_cw + coupled * np.exp(-1j * there)
        added += lost
    rings = replace(bank.rings, a=bank.rings.a * np.exp(-added))
    return rings, Backscatter(to_ccw, to_cw)


def _ends(spec: ChipSpec, bank: BankParams, truth: FullTruth, rng: np.random.Generator) -> EndReflectors:
    """Splitter and facet before the entrance, photodiodes behind both exits, the U-turn, and the drop bus's other end.

    What splitters and the coupler's taper weaken a facet by is in its amplitude.
    """
    rows, buses, _ = bank.shape
    levels = tree_levels(spec.chip.rows)

    def field(power_dB: float, *, there: bool = True) -> float:
        return 10.0 ** (power_dB / 20.0) if there and truth.reflections else 0.0

    facet = truth.facet * abs(facet_fields(spec, dry=truth.dry).facet) if truth.reflections else 0.0
    splitter, diode = field(truth.splitter_dB, there=levels > 0), field(truth.photodiode_dB)
    turn = field(truth.u_turn_dB, there=not spec.two_sided)
    sizes = [(splitter, facet), (diode, 0.0), (turn, diode), (field(truth.far_end_dB), 0.0)]
    amplitude = np.broadcast_to(sizes, (rows, buses, 4, 2)).copy()
    amplitude[..., 0, 1] *= _seen(spec)
    return EndReflectors(end_ways(spec), amplitude, rng.uniform(0.0, 2.0 * np.pi, amplitude.shape))


def _seen(spec: ChipSpec) -> Float[ndarray, "rows buses"]:
    """Field of what comes back from a facet that reaches a row, over what leaves it for the chip."""
    # There and back through the tree: the amplitude of the feed, twice, less the couplers: the facet lies before them.
    behind = 10.0 ** (-0.1 * spec.coupler_design.loss_dB)
    return designed_feed(spec, xp=np).amplitude ** 2 / behind


def _dry(spec: ChipSpec, ends: EndReflectors, truth: FullTruth, rng: np.random.Generator) -> EndReflectors:
    """Ends of a chip whose fibres are brought to it dry: facet and fibre's end interfere, by each fibre's own gap.

    Gaps of a few µm are too short for a comb of a few nm to see them change.
    """
    facet, fibre = facet_fields(spec, dry=True)
    # What passes the facet twice; a fibre's glass is denser than the air before it.
    turned = (1.0 - facet**2) * fibre * np.exp(1j * rng.uniform(0.0, 2.0 * np.pi, ends.amplitude.shape[1]))
    both, amplitude, phase_rad = facet + turned, ends.amplitude.copy(), ends.phase_rad.copy()
    amplitude[..., 0, 1] = truth.facet * np.abs(both) * _seen(spec)
    phase_rad[..., 0, 1] += np.angle(both)
    return replace(ends, amplitude=amplitude, phase_rad=phase_rad)


def _displaced(spec: ChipSpec, ends: EndReflectors, truth: FullTruth, rng: np.random.Generator) -> EndReflectors:
    """Ends that reflect elsewhere than designed."""
    if not truth.end_um:
        return ends
    longer_um, o = truth.end_um * rng.standard_normal(ends.amplitude.shape), spec.profile.optics
    opl_um = ends.way.opl_um + o.n_eff_along_x.value * longer_um
    gpl_um = ends.way.gpl_um + o.n_g_along_x.value * longer_um
    return replace(ends, way=replace(ends.way, opl_um=opl_um, gpl_um=gpl_um))


def _dispersion(spec: ChipSpec, truth: FullTruth, rng: np.random.Generator) -> RingDispersion | None:
    """Slopes of a die's rings with wavelength, each about the design's by itself; None where nothing disperses."""
    if not (truth.dispersion and truth.dispersion_scatter):
        return designed_dispersion(spec) if truth.dispersion else None
    return jax.tree.map(
        lambda slope: slope * (1.0 + truth.dispersion_scatter * rng.standard_normal(slope.shape)),
        designed_dispersion(spec),
    )
