"""Light that bends turn to other modes: in the guides to a row and back, and between the arcs of its rings.

Where an arc begins the guide's mode leans outwards at once, and part of the light does not follow (`process.bends`).
In a ring each straight between two arcs does so, twice a turn, and a racetrack's arms as well; what they turn comes
back or leaves by the buses, as its phase falls, so that the share is what is in play, not what is lost. A ring whose
curvature grows along ramps has no such places: what its four bends turn is told in their stead.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prism_photonics.budget.crossings import crossings
from prism_photonics.budget.finding import Cure, Judge
from prism_photonics.budget.ring_modes import mixed_rings
from prism_photonics.budget.smooth_turns import RADII_STEP, arms_near_um, smooth_keys
from prism_photonics.lightpath.ring.design import necked_pitch_um
from prism_photonics.lightpath.ring.place import coupler_um, coupling_angles
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.waveguide.turned import bends_dB, quarter_dB, quarter_turned
from prism_photonics.process.bends import load_bends
from prism_photonics.process.second_mode import second_mode_table
from prism_photonics.process.trench import least_gap_um
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import euler_p, uturn_design

RING_STEPS = 64  # along a ring's straight
LEAST_DB = 0.1  # of the guides' bends, and
LEAST_SHARE = 0.1  # of what a ring's couplers take, where no model has both modes in the ring; where one has them
LEAST_BROADER = 0.2  # of a line's width, above which it is told, or where a ring is of no use: design choices
WIDE_UM = 100.0  # rings as wide, with straights of a whole beat, are broader by less: a figure of the docs
GAPS = ("ring.gap_through_um", "ring.gap_drop_um")
MOST_STEPS = 16  # of ever wider turns that are tried: two and a half times the least


@dataclass(frozen=True)
class GuidesTurned:
    """Mean loss of a row's guides to other modes in their bends.

    Attributes:
        feed_dB: From the fibre to the row with the most bends.
        return_dB: In the U-turn of the drop bus; 0 where there is none.
    """

    feed_dB: float
    return_dB: float

    @property
    def loss_dB(self) -> float:
        """Both together."""
        return self.feed_dB + self.return_dB


def guides_turned(spec: ChipSpec) -> GuidesTurned:
    """What the bends of a chip's guides turn to other modes, each bend at the mean of its phase."""
    turn = uturn_design(spec)
    # A way with an S behind every splitter; only a row that is alone behind one has a straight there.
    most = 2 * (tree_levels(spec.chip.rows) + (spec.chip.buses > 1))
    back = 0.0 if spec.two_sided else bends_dB(spec.profile, turn)
    return GuidesTurned(most * quarter_dB(spec.profile, turn.quarter), back)


def straights_turned(spec: ChipSpec) -> list[float]:
    """Share of a ring's light that one of its coupling straights turns to other modes, by channel.

    In first order a straight of length s in a circle is its missing curvature: 4·(a/R)²·sin²(Δβ·s/2). It lies along
    layout x. Of ramps, which begin straight, it turns none.
    """
    if spec.ring.euler_p:
        return [0.0 for _ in spec.ring_designs]
    table = load_bends(spec.process)
    steps = np.ones(RING_STEPS)
    found = [
        table.turned(steps / ring.radius_um, ring.straight_um / RING_STEPS, angles_deg=(90.0,))
        for ring in spec.ring_designs
    ]
    return [float(one.drawn) for one in found]


def ramps_turned(spec: ChipSpec) -> float:
    """Share of a ring's light that its four bends turn to other modes in a turn, each at the mean of its phase.

    0 of rings of arcs, whose straights and arms are what turns.
    """
    turn = spec.ring_designs[0].quarter
    return 4.0 * quarter_turned(spec.profile, turn).mean if turn.euler_p else 0.0


def arm_turned(spec: ChipSpec) -> float:
    """Share of a ring's light that one of a racetrack's arms turns to other modes; 0 for circles and for ramps.

    The mean over its phase: an arm is many beats long, along layout y.
    """
    ring = spec.ring
    if ring.euler_p:
        return 0.0
    steps = np.ones(RING_STEPS)
    found = load_bends(spec.process).turned(steps / ring.radius_um, ring.arm_um / RING_STEPS, angles_deg=(0.0,))
    return float(found.mean)


def bend_warnings(spec: ChipSpec, judge: Judge | None = None) -> list[str]:
    """Remarks on bends that turn more of the light than a chip can leave out of account.

    Args:
        spec: The chip.
        judge: Rules' findings on a spec, by which a remark says what its cure spoils.
    """
    return [*_of_guides(spec), *_of_rings(spec, judge)]


def rings_told(spec: ChipSpec) -> bool:
    """Whether rings turn so much to a second mode that `prism check` says so."""
    mixed = mixed_rings(spec)
    if mixed is not None:
        return bool(mixed.linewidth.mean() - 1.0 >= LEAST_BROADER or mixed.spoiled)
    turned = ramps_turned(spec) if spec.ring.euler_p else 2.0 * (max(straights_turned(spec)) + arm_turned(spec))
    return turned >= LEAST_SHARE * _taken(spec)


def keeps_its_mode(spec: ChipSpec) -> bool:
    """Whether `prism check` has no remark on what a chip's rings turn to TE1, and to TM on the film as drawn.

    What TM is left on films that came out otherwise no ring mends on a film where it lies near TE.
    """
    if rings_told(spec):
        return False
    found = crossings(spec)
    return found is None or not found.told


def smooth_cure(spec: ChipSpec, judge: Judge | None = None) -> Cure | None:
    """The least turns whose curvature grows with which rings keep their light in its mode, with arms, necks and pitch.

    Where TM shows with all of them, as on very fine lines: the least that TE1 does not spoil.

    Args:
        spec: A chip on a film whose rib holds TE1.
        judge: Rules' findings on a spec: what the cure spoils.

    Returns:
        The keys, tried; None where no film's rib holds TE1, or none of those that are tried does.
    """
    ring, keys = spec.ring, smooth_keys(spec)
    if second_mode_table(spec.process) is None:
        return None
    smooth = _with_ring(spec, keys).ring
    least_um = smooth.radius_for_um(spec.profile.film.min_bend_radius_um.value)
    if ring.euler_p:  # sharper ones turn more; of arcs wide ones turn less, and would want arms of their own
        least_um = max(least_um, ring.radius_um)
    best: tuple[dict[str, float | int | str], ChipSpec] | None = None
    for step in range(MOST_STEPS):
        radius_um = max(round(least_um * RADII_STEP**step, 1), least_um)
        (arm_um,) = arms_near_um(spec, smooth, radius_um, (ring.arm_um,))
        moved = keys | {"ring.radius_um": radius_um, "ring.arm_um": arm_um}
        need_um = max(
            smooth.model_copy(update={"radius_um": radius_um}).least_pitch_um,
            necked_pitch_um(radius_um, ring.straight_um + 1.0, spec.width_um) if smooth.neck_um else 0.0,
        )
        moved["ring.pitch_um"] = max(ring.pitch_um, 5.0 * math.ceil(need_um / 5.0))
        if not ring.euler_p:  # ramps make couplers three times as long: lines as wide as before
            wider_um = _wider_um(spec, _with_ring(spec, moved))
            gaps_um = {key: getattr(ring, key.removeprefix("ring.")) + wider_um for key in GAPS}
            moved |= {key: round(max(um, least_gap_um(spec.profile)), 3) for key, um in gaps_um.items()}
        widest_deg = math.floor(10.0 * _with_ring(spec, moved).ring_designs[0].widest_lobe_deg - 1e-6) / 10.0
        moved["ring.lobe_half_angle_deg"] = min(ring.lobe_half_angle_deg, widest_deg)
        moved = {key: value for key, value in moved.items() if value != getattr(ring, key.removeprefix("ring."))}
        made = _with_ring(spec, moved)
        if rings_told(made):
            continue
        best = best or (moved, made)
        if keeps_its_mode(made):
            best = moved, made
            break
    if best is None:
        return None
    moved, made = best
    spoils: tuple[str, ...] = ()
    if judge is not None:
        kept = {found.rule for found in judge(spec) if found.passed}
        spoils = tuple(found.rule for found in judge(made) if not found.passed and found.rule in kept)
    return Cure(tuple(moved), tuple(moved.values()), spoils)


def _of_guides(spec: ChipSpec) -> list[str]:
    found, guide = guides_turned(spec), spec.waveguide
    if found.loss_dB < LEAST_DB:
        return []
    said = (
        f"bends of {guide.bend_radius_um:g} µm turn {found.feed_dB:.2g} dB of the light on its way to a row to other "
        f"modes, and the drop bus's U-turn {found.return_dB:.2g} dB"
    )
    best = spec.model_copy(update={"waveguide": guide.model_copy(update={"euler_p": None})})
    after = guides_turned(best)
    if after.loss_dB < 0.5 * found.loss_dB:
        return [f"{said}; waveguide.euler_p = {euler_p(best):g}, as without the key, leaves {after.loss_dB:.2g} dB"]
    return [f"{said}; raise waveguide.bend_radius_um: clothoids need a wider bend than the film's least"]


def _wider_um(spec: ChipSpec, made: ChipSpec) -> float:
    """How much wider gaps leave another chip's rings lines as broad: κ² goes as the length of a ring.

    ``C(g)·L_eff`` is κ of couplers that take little.
    """
    law = spec.profile.gap_law
    (before, length), (after, longer) = (
        (coupler_um(ring.quarter, ring.straight_um, law.decay_um), ring.length_um)
        for ring in (spec.ring_designs[0], made.ring_designs[0])
    )
    return law.decay_um * (math.log(after / before) - 0.5 * math.log(longer / length))


def _with_ring(spec: ChipSpec, keys: Mapping[str, float | int | str]) -> ChipSpec:
    ring = spec.ring.model_copy(update={key.removeprefix("ring."): value for key, value in keys.items()})
    return spec.model_copy(update={"ring": ring})


def _taken(spec: ChipSpec) -> float:
    """Share of a ring's light that both couplers take."""
    return sum(float(np.sin(angle)) ** 2 for angle in coupling_angles(spec.profile, spec.ring_designs[0]))


def _of_rings(spec: ChipSpec, judge: Judge | None) -> list[str]:
    if not rings_told(spec):
        return []
    shares, arm, table, ramps = straights_turned(spec), arm_turned(spec), load_bends(spec.process), ramps_turned(spec)
    taken, mixed, cure = _taken(spec), mixed_rings(spec), smooth_cure(spec, judge)
    mends = "" if cure is None else f"; turns whose curvature grows and falls mend it: set {cure}"
    if spec.ring.euler_p:
        least_um = spec.ring_designs[0].quarter.least_radius_um
        said = (
            f"the bends of a ring, sharpest at {least_um:.3g} µm, turn {100.0 * ramps:.2g} % of its light to other "
            f"modes in a turn, where both couplers take {100.0 * taken:.2g} %"
        )
        broader = "" if mixed is None else f"; lines come out up to {mixed.linewidth.max():.2g} times as broad"
        cosine = "" if spec.ring.cosine else ", or ring.ramp = 'raised_cosine'"
        tried = "" if cure is None else f": {cure} does"
        return [f"{said}{broader}; raise ring.radius_um, or ring.euler_p up to 1{cosine}{tried}"]
    straights = [ring.straight_um for ring in spec.ring_designs]
    arms = f", and each arm of {spec.ring.arm_um:g} µm {100.0 * arm:.2g} % in the mean" if arm else ""
    said = (
        f"each straight between a ring's arcs ({min(straights):.3g} to {max(straights):.3g} µm at "
        f"{spec.ring.radius_um:g} µm) turns {100.0 * min(shares):.2g} to {100.0 * max(shares):.2g} % of the ring's "
        f"light to other modes, twice a turn{arms}, where both couplers take {100.0 * taken:.2g} %; "
    )
    if mixed is None and second_mode_table(spec.process) is not None:
        return [f"{said}the guide holds them, and of racetracks of arcs no model has them{mends}"]
    if mixed is None:
        kept = "straight guides hold them, bends let them go" if table.second_mode else "the guide holds none"
        return [f"{said}{kept}; shorten ring.straight_um, or raise ring.radius_um"]
    return [
        f"{said}the guide holds TE1, and couplers turn light to it too: over its unknown phase lines come out "
        f"{mixed.linewidth.mean():.2g} times as broad as designed (up to {mixed.linewidth.max():.2g}), dips keep "
        f"{mixed.through.mean():.2f} of the light where {mixed.designed_through:.2g} is designed, and "
        f"{100.0 * mixed.spoiled:.2g} % of the rings less than half of their range of weights{mends}; "
        f"{'so do' if mends else 'they are next to none of'} rings of {WIDE_UM:g} µm with straights of "
        f"{table.beat_um:.1f} µm, a whole beat (docs/layout.md)"
    ]
