"""How many rings of a bank sit on a crossing of TE and TM, what that costs in bits, and what cures it.

Bends turn TE into TM (`process.polarization`), and where an order of TM lies near the line of a ring the two resonances
repel each other: the ring takes less of its line, and no longer as a ring of one polarisation would. Where TM's orders
lie no design says: an index is not known to the thousandth that moves them by a fifth of their distance. So each place
is as likely as any other, and what is counted is an expectation: over TM's phases, all other things as drawn. On one
die most rings share their fate, as films differ little within it: `explore.tm_crossings` draws that.

An arm undoes what bends mix on the film as drawn. On a film that came out thicker or thinner it leaves some, so that
what dies show is counted over the films that `variation.thickness_nm` makes (`on_films`).

A ring on a crossing is one that keeps less than half of the range of weights that it would have without. What the
rings are off any ring of one polarisation is what a calibration leaves that knows of no TM: nearly all of it on the
crossings.

Source: derived here; ``tests/budget/test_crossings.py`` holds the closed form against the ring of
`lightpath.ring.polarization`.
"""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.mixing import HalfTurn, along, mixed_half_turn, polarized_ports, te_like_turn
from prism_photonics.lightpath.ring.place import coupler_um, coupling_angles
from prism_photonics.process.modes import ModeTable
from prism_photonics.process.polarization import (
    TM_GAP_LAWS,
    Turn,
    conversion_on_film_rad,
    half_turn_conversion_rad,
    most_converted_rad,
    tm_table,
    tm_tuning_ratio,
    unmixing_arm_um,
)
from prism_photonics.process.profile import film_name
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import attenuation_per_um

PHASES, POINTS, LINEWIDTHS, TRIMMINGS = 64, 81, 3.0, 40
"""Phases of TM, detunings of TE over so many linewidths to either side, steps of trimming and as many along one
resonance; doubled, a count moves by one in a hundred."""
NEAR_TM = 0.05
"""Distance of the phases where TM meets TE, in units of that of even ones: a weak crossing is a linewidth wide, a
hundredth of a turn."""
FILMS, GOLDEN = 16, 0.5 * (math.sqrt(5.0) - 1.0)
"""Films over which is counted what dies show, each as likely as any other of them, and the step of their lines along
the comb."""
LEAST_POINTS = 12
"""Detunings at which a weight must be of use; a ring with fewer gives no weight at all."""
RARE = 0.005
"""Share of rings on a crossing of which nothing is said; design choice: three chips of 64 rings for one ring."""
RARE_DIES = 0.1
"""Spoiled rings a die of which nothing is said; design choice: one die in ten has one."""
LEAST_BITS = 11.0
"""Accuracy that the mixing of TE and TM must leave, else the warning comes (design choice): that of a full die."""
UNSEEN_RAD = 0.005
"""χ that half a turn may have with any arm, so that none need undo it (design choice): beside it a fit of TE alone
leaves the demonstrator's lines 14 bits."""
ARM_DECIMALS, WL_DECIMALS = 1, 4
"""Digits of a µm to which an arm is said: a tenth turns TE against TM by 0.003 rad; and to which its wavelength is
taken, so that the combs of a search share it: it moves the arm by less."""


@dataclass(frozen=True)
class Crossings:
    """What the mixing of TE and TM makes of a bank.

    Attributes:
        converted: Share of the light that half a turn converts.
        rings: Expected number of rings on a crossing.
        of: Rings of the bank.
        bits: Accuracy that a fit of one polarisation leaves of the rings that are on no crossing, over ± weight_limit.
            One on a crossing has no weight of use: what a fit makes of it is no accuracy.
        spoiled: Expected number of rings each of which alone, on a crossing or near one, leaves its bank less than
            `LEAST_BITS`: what such a fit is off on the line of one ring it is off on all lines of its bus.
    """

    converted: float
    rings: float
    of: int
    bits: float
    spoiled: float

    @property
    def told(self) -> bool:
        """Whether they are so many, or cost so much, that `prism check` says so."""
        return self.bits < LEAST_BITS or self.rings > RARE * self.of


@cached_by_spec
def crossings(spec: ChipSpec) -> Crossings | None:
    """Expected crossings of a bank on the film as drawn; None on a film whose TM mode leaks."""
    table = tm_table(spec.process)
    if table is None:
        return None
    design = spec.ring_designs[spec.chip.channels // 2]
    # What is none in the middle of the comb is some at its ends.
    wl_um, width_um = _inside(
        table, np.asarray(spec.comb_design.wl_um)[[0, spec.chip.channels // 2, -1]], spec.width_um
    )
    chi = half_turn_conversion_rad(table, wl_um, width_um=width_um, turn=design.quarter, arm_um=design.arm_um)
    return _counted(spec, design, chi)


@cached_by_spec
def on_films(spec: ChipSpec) -> Crossings | None:
    """The same over the films that dies have: thicker or thinner by ``variation.thickness_nm`` rms.

    The scatter of the ribs' widths is left out: a tenth of it.
    """
    table, rms_nm = tm_table(spec.process), spec.variation.thickness_nm
    if table is None or rms_nm == 0.0:
        return crossings(spec)
    design = spec.ring_designs[spec.chip.channels // 2]
    wl_um, width_um = _inside(table, np.asarray(spec.comb_design.wl_um)[[0, -1]], spec.width_um)
    # As many films as fill the normal distribution evenly, each with another place in the comb.
    shares = (np.arange(FILMS) + 0.5) / FILMS
    thicker_nm = rms_nm * np.array([NormalDist().inv_cdf(share) for share in shares])
    lines_um = wl_um[0] + (wl_um[1] - wl_um[0]) * (np.arange(FILMS) * GOLDEN % 1.0)
    chi = conversion_on_film_rad(
        table,
        lines_um,
        width_um=np.full(FILMS, width_um),
        thicker_nm=thicker_nm,
        turn=design.quarter,
        arm_um=design.arm_um,
    )
    return _counted(spec, design, chi)


def _counted(spec: ChipSpec, design: RingDesign, chi: Float[np.ndarray, " some"]) -> Crossings:
    """The count of rings whose half turns convert by each of χ as likely."""
    limit, of = spec.ranking.weight_limit, spec.chip.rows * spec.chip.rings
    of_tm, share = _tm_phases()
    # One row for each χ and each phase of TM.
    *mixed, plain = _weights(spec, design, np.append(chi, 0.0), of_tm)
    weight, share = np.concatenate(mixed), np.tile(share, len(chi)) / len(chi)
    on = 1.0 - weight.min(1) < 0.5 * (1.0 - plain.min())
    off = np.array([0.0 if lost else off_a_plain_ring(one, limit) for lost, one in zip(on, weight, strict=True)])
    kept = float(share[~on].sum())
    rms = math.sqrt(float((share * off**2).sum()) / kept) if kept else 0.0
    # Of one bus among so many.
    allowed = math.sqrt(of / spec.chip.channels) * 2.0 * limit / 2.0**LEAST_BITS
    return Crossings(
        converted=float(np.mean(np.sin(chi) ** 2)),
        rings=of * (1.0 - kept),
        of=of,
        bits=math.log2(2.0 * limit / max(rms, 1e-9)) if kept else 0.0,
        spoiled=of * float(share[on | (off > allowed)].sum()),
    )


def _tm_phases() -> tuple[Float[np.ndarray, " phases"], Float[np.ndarray, " phases"]]:
    """TM's phases beside TE's over a turn, dense where both meet, and how likely each is.

    Half a turn tells TM's even orders from odd ones, so all repeats after two turns: the second mirrors the first.
    """
    at = (np.arange(PHASES) + 0.5) / PHASES
    share = NEAR_TM + 3.0 * (1.0 - NEAR_TM) * at**2
    return 2.0 * np.pi * (NEAR_TM * at + (1.0 - NEAR_TM) * at**3), share / share.sum()


def cure(spec: ChipSpec) -> tuple[str, ChipSpec] | None:
    """The arm between a ring's quarter turns with which they undo each other's mixing; None where TM leaks."""
    arm_um = unmixing_um(spec, spec.ring_designs[0].quarter)
    if arm_um is None:
        return None
    return f"ring.arm_um = {arm_um:g}", spec.model_copy(
        update={"ring": spec.ring.model_copy(update={"arm_um": arm_um})}
    )


def unmixing_um(spec: ChipSpec, turn: Turn, *, near_um: float = 0.0) -> float | None:
    """The arm between quarter turns, in tenths of a µm, with which they undo each other's mixing at a comb's middle.

    Args:
        spec: Film and comb.
        turn: Each of a ring's quarter turns.
        near_um: Of all such arms the one nearest to it is wanted; itself, where bends turn next to nothing.

    Returns:
        None where TM leaks.
    """
    return unmixing_at_um(spec.process, float(np.median(spec.comb_design.wl_um)), spec.width_um, turn, near_um=near_um)


def unmixing_at_um(process: str, wl_um: float, width_um: float, turn: Turn, *, near_um: float = 0.0) -> float | None:
    """The same at a wavelength, to a tenth of a nanometre, of a rib's width; ``process`` is the film."""
    return _unmixing_um(film_name(process), round(wl_um, WL_DECIMALS), width_um, turn, near_um=near_um)


@cache
def _unmixing_um(film: str, wl_um: float, width_um: float, turn: Turn, *, near_um: float) -> float | None:
    table = tm_table(film)
    if table is None:
        return None
    (at_um,), inside_um = _inside(table, np.array([wl_um]), width_um)
    if most_converted_rad(table, float(at_um), width_um=inside_um, turn=turn) <= UNSEEN_RAD:
        return round(near_um, ARM_DECIMALS)
    return round(unmixing_arm_um(table, float(at_um), width_um=inside_um, turn=turn, near_um=near_um), ARM_DECIMALS)


def weights_beside_tm(spec: ChipSpec, design: RingDesign, chi: float) -> Float[np.ndarray, "phases detunings"]:
    """Weight of a ring on its own line against its detuning, for TM's phases evenly over a turn; trimmed as it shows.

    TM's power counts as `detector.tm` says.
    """
    return _weights(spec, design, np.array([chi]), 2.0 * np.pi * np.arange(PHASES) / PHASES)[0]


def _weights(
    spec: ChipSpec, design: RingDesign, conversion_rad: Float[np.ndarray, " some"], of_tm: Float[np.ndarray, " phases"]
) -> Float[np.ndarray, "some phases detunings"]:
    chi = conversion_rad[:, None, None]
    te, law = coupling_angles(spec.profile, design), TM_GAP_LAWS[spec.profile.name]
    reach_um = coupler_um(design.quarter, design.straight_um, law.decay_um)
    tm = [law.at(gap_um) * reach_um for gap_um in (design.gap_through_um, design.gap_drop_um)]
    through, drop = (tuple(np.cos(bus)) for bus in np.array([te, tm], dtype=float).T)
    a = math.exp(-0.5 * attenuation_per_um(spec.waveguide.loss_dB_cm) * design.length_um)
    ratio = tm_tuning_ratio(spec.profile)
    of_tm = of_tm[:, None]
    rest = np.zeros((len(chi), len(of_tm), 1))
    before = rest + 0j
    for step in range(2 * TRIMMINGS):
        mean, root = te_like_turn(_half_turn(rest, of_tm + ratio * rest, chi, a), through, drop)
        # Where no resonance that is the more TE's can lie on the line, the one that it is at last is followed.
        before = root if step < TRIMMINGS else along(root, before)
        rest = rest - np.angle(mean + before)
    x = through[0] * drop[0] * a
    linewidth = 2.0 * (1.0 - x) / math.sqrt(x)
    theta = rest + linewidth * np.linspace(-LINEWIDTHS, LINEWIDTHS, POINTS)
    ports = polarized_ports(_half_turn(theta, of_tm + ratio * theta, chi, a), through, drop)
    seen = np.array([1.0, float(spec.detector.tm == "detected")])
    # Light comes in as TE alone.
    return (abs(ports.through[..., 0]) ** 2 - abs(ports.drop[..., 0]) ** 2) @ seen


def _inside(
    table: ModeTable, wl_um: Float[np.ndarray, " wl"], width_um: float
) -> tuple[Float[np.ndarray, " wl"], float]:
    """Wavelengths and a width within the table: of lines beyond it, which `comb_range` refuses, its end is counted."""
    widths, nodes = table.file.axes["width_um"], table.file.axes["wl_um"]
    return np.clip(wl_um, nodes[0], nodes[-1]), float(np.clip(width_um, widths[0], widths[-1]))


def _half_turn(
    te_rad: Float[np.ndarray, "chis phases some"],
    tm_rad: Float[np.ndarray, "chis phases some"],
    chi: Float[np.ndarray, "chis 1 1"],
    a: float,
) -> HalfTurn:
    """Half a turn from the round-trip phases of TE and TM, which lose alike."""
    te, tm, mean = (math.sqrt(a) * np.exp(0.5j * phase) for phase in (te_rad, tm_rad, 0.5 * (te_rad + tm_rad)))
    return mixed_half_turn(te, tm, mean, chi)


def off_a_plain_ring(weight: Float[np.ndarray, " detunings"], limit: float) -> float:
    """Rms of a weight curve less that of the nearest ring of one polarisation, where the weight is of use.

    ``1/(1 − w)`` of such a ring is a parabola of its detuning; that TM bends the tuning too is its third power. So the
    fit is linear, of readings that count as (1 − w)².
    """
    used = weight <= limit
    if used.sum() < LEAST_POINTS:
        return 2.0 * limit
    x, y = np.linspace(-1.0, 1.0, weight.size)[used], 1.0 / (1.0 - weight[used])
    columns = np.stack([np.ones_like(x), x, x**2, x**3], -1)
    counts = 1.0 / y**2
    found: Any = np.linalg.lstsq(columns * counts[:, None], y * counts, rcond=None)[0]
    fitted = 1.0 - 1.0 / (columns @ found)
    return float(np.sqrt(np.mean((fitted - weight[used]) ** 2)))
