"""Size the rings of a spec: linewidth, gap, radius, straights, bias and drive from reach, lines and drift.

The linewidth lies between two walls. A wider line needs more drive to reach the same weights: ``FWHM ≤ 4·(s −
k·σ)/(u_high − u_low)``, s the swing of the drive, u the detunings of ± weight_limit in half linewidths. A narrower one
turns drift into weight error: ``FWHM ≥ 1.3·A·drift/error``. Between them the gap follows in closed form, the bias is
the middle of the travel or the line itself, and of all radii, straights and arms the ones with the most room on both
sides are taken.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from prism_photonics.budget.ring_margins import (
    RingDemand,
    RingNumbers,
    best_bias_pm,
    reach_headroom,
    ring_demand,
    ring_numbers,
    row_headroom,
    shape_headrooms,
)
from prism_photonics.budget.rules_ring import COERCIVE_SHARE
from prism_photonics.budget.smooth_turns import RADII_STEP, arms_near_um
from prism_photonics.lightpath.ring.design import RingDesign, necked_pitch_um
from prism_photonics.lightpath.ring.place import coupler_um, optical_lengths_um, straights_um
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.process.trench import least_gap_um
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, attenuation_per_um

ENOUGH = 0.25
"""Headroom beyond which no more drive voltage is bought: fabrication 25 % worse than stated (design choice)."""
BAND_ROUNDING = 2e-3
"""Share of a band by which closed forms and rule may differ: a spacing in frequency is no even one in wavelength."""
RADII = 7
WIDER_UM = 0.1
"""By how much gaps of rings with ramps are wider than the narrowest that may be drawn, where lines can be as wide so:
their couplers are three times as long as a circle's (design choice). On `tfln600` 0.126 µm are open at the foot, and
walls may come out 6° flatter before they close it."""
MOST_GAP_UM = 2.9
"""Widest gap that is tried: the spec's key ends at 3."""
FWHM_PM = np.geomspace(2.0, 3000.0, 73)
"""Linewidths that are tried: 10 % apart."""
STRAIGHTS_UM = (0.0, 2.0, 5.0, 10.0, 20.0, 40.0)
"""Least lengths of the coupling straights that are tried; a longer one couples more through the same gap."""
TRACK_UM, GROUND_TRACK_UM = 10.0, 18.0
"""Room beside a ring for each wire to a bonded pad and for the ground: the layout's own."""
HEATER_BUMPS_UM = 60.0
"""More that a flipped ring with a heater takes: bump pads of 30 µm beside each other and its straps; design choice."""
FLIPPED_PITCH_UM = 130.0
"""Least pitch of rings that is given on a die with bumps, as `bank_32x256` has it: more than the rule asks for (design
choice)."""


@dataclass(frozen=True)
class RingChoice:
    """Rings that were found best.

    Attributes:
        keys: Keys of the spec and their values.
        headroom: Smallest headroom of the rules on rings.
        rule: The rule that has it.
        fwhm_pm: Linewidth.
    """

    keys: dict[str, float | int]
    headroom: float
    rule: str
    fwhm_pm: float


def size_rings(
    spec: ChipSpec,
    *,
    voltages_V: Sequence[float],
    arms_um: Sequence[float] = (0.0,),
    radii_um: Sequence[float] | None = None,
    straights: Sequence[float] = STRAIGHTS_UM,
    on_grid: bool = True,
) -> RingChoice:
    """The rings with the most headroom for a spec's lines, ranking, drift and trimming.

    Args:
        spec: The spec; its rings and its drive are not looked at.
        voltages_V: Drive limits to choose from, ascending: the least one with which `ENOUGH` is reached, if any.
        arms_um: Arms to choose from; 0 is a circle. Of rings with ramps they are moved to where bends leave no TM.
        radii_um: Radii to choose from; by default from the film's least to where one FSR holds all lines.
        straights: Least lengths of the coupling straights to choose from.
        on_grid: Whether resonances may miss their places by the grid of the drawing; a bound on what any drawing
            reaches does without.
    """
    demand = ring_demand(spec)
    most_V = COERCIVE_SHARE * _coercive_V_um(spec) * _electrode_gap_um(spec)
    allowed_V = [volts for volts in voltages_V if volts <= most_V] or [min(voltages_V)]
    grid = _grid(spec, demand, _radii_um(spec, demand) if radii_um is None else radii_um, (arms_um, straights))
    drawn = np.flatnonzero(grid.pop("drawn"))
    grid = {name: values[drawn] if len(drawn) else values[:1] for name, values in grid.items()}
    with np.errstate(all="ignore"):
        # The first ring of a row is the narrowest in linewidth, which drift holds up; the last one needs most drive.
        first, last = (
            ring_numbers(
                spec,
                radius_um=grid["radius"],
                arm_um=grid["arm"],
                straight_um=grid[straight],
                gap_um=grid["gap"],
                lobe_deg=grid["lobe"],
            )
            for straight in ("first_straight", "last_straight")
        )
        last = last if on_grid else replace(last, grid_pm=np.zeros_like(last.fwhm_pm))
        shape = shape_headrooms(demand, first)
        # One FSR holds the lines or does not: no scatter moves that.
        shape["band"] = np.where(shape["band"] >= -BAND_ROUNDING, np.inf, shape["band"])
        most = np.min(np.array(list(shape.values())), axis=0)
        most = np.where(np.isfinite(most) & bool(len(drawn)), most, -np.inf)
        # Beside their lines rings are carried through the travel, about them to either side of it: less, of fine lines.
        beside = best_bias_pm(demand, last)
        best: tuple[float, int, float, str, float] | None = None
        for volts in allowed_V:
            # Where line shapes alone leave less room than is found already, no drive makes more of it.
            at = np.flatnonzero(most > best[0]) if best else np.arange(len(most))
            if not len(at):
                break
            ring = RingNumbers(*(getattr(last, figure.name)[at] for figure in fields(RingNumbers)))
            carried = [
                reach_headroom(demand, ring, bias_pm=pm, voltage_V=volts) for pm in (beside[at], 0.0 * beside[at])
            ]
            rests_pm = np.where(carried[0] >= carried[1], beside[at], 0.0)
            by_rule = {
                **{rule: room[at] for rule, room in shape.items()},
                "tuning_range": np.maximum(*carried),
                "row_reach": row_headroom(demand, ring, bias_pm=rests_pm, voltage_V=volts),
            }
            room = np.minimum(most[at], np.minimum(by_rule["tuning_range"], by_rule["row_reach"]))
            room = np.where(np.isfinite(room), room, -np.inf)
            here = int(np.argmax(room))
            if best is None or room[here] > best[0] + 1e-9:
                rule = min(by_rule, key=lambda name: float(by_rule[name][here]))
                best = float(room[here]), int(at[here]), volts, rule, float(rests_pm[here])
            if best[0] >= ENOUGH:
                break
    assert best is not None
    headroom, at, volts, rule, bias_pm = best
    keys = _keys(spec, {name: float(values[at]) for name, values in grid.items()}, bias_pm, volts)
    return RingChoice(keys, headroom, rule, float(first.fwhm_pm[at]))


def gap_um(spec: ChipSpec, *, fwhm_pm: Any, radius_um: Any, arm_um: Any, straight_um: Any) -> Any:
    """Gap, equal on both sides, that gives a ring a linewidth; infinite where its loss alone is wider.

    ``FWHM = λ²·(1 − x)/(π·n_g·L·√x)`` with ``x = t²·a`` is solved for x, then ``κ = sin(C(g)·L_eff)`` for g.
    """
    profile = spec.profile
    turn = spec.ring.turn(radius_um)
    lengths = Lengths(2.0 * straight_um, 2.0 * arm_um, 4.0 * turn.length_um)
    _, gpl_um = optical_lengths_um(profile, lengths)
    a = np.exp(-0.5 * attenuation_per_um(spec.waveguide.loss_dB_cm) * lengths.total_um)
    width = fwhm_pm / PM_PER_UM * math.pi * gpl_um / profile.optics.wl0_um.value**2
    root_x = 0.5 * (np.sqrt(width**2 + 4.0) - width)
    angle = np.arcsin(np.sqrt(np.clip(1.0 - root_x**2 / a, 0.0, 0.98)))
    law = profile.gap_law
    reach_um = coupler_um(turn, straight_um, law.decay_um)
    with np.errstate(divide="ignore"):
        return law.gap_um - law.decay_um * np.log(angle / reach_um / law.coupling_per_um)


def least_pitch_um(spec: ChipSpec, *, radius_um: float, straight_um: float) -> float:
    """Pitch of rings of a radius that leaves room for the wires beside them, on a grid of 5 µm."""
    reach_um = radius_um + 0.5 * _electrode_gap_um(spec) + spec.ring.electrode_width_um
    outer_um = 2.0 * reach_um + straight_um + 1.0
    if spec.flip_chip:
        need_um = max(outer_um + (HEATER_BUMPS_UM if spec.trim.method == "heater" else 5.0), FLIPPED_PITCH_UM)
    else:
        need_um = outer_um + TRACK_UM * ((spec.chip.rows + 1) // 2) + GROUND_TRACK_UM
    if spec.ring.neck_um:
        need_um = max(need_um, necked_pitch_um(radius_um, straight_um + 1.0, spec.width_um))
    return 5.0 * math.ceil(need_um / 5.0)


def widest_lobe_deg(spec: ChipSpec, *, radius_um: float, arm_um: float, gap_um: float) -> float:
    """The widest electrode lobe that clears both buses, in tenths of a degree."""
    design = RingDesign(
        radius_um=radius_um,
        straight_um=0.0,
        gap_through_um=gap_um,
        gap_drop_um=gap_um,
        width_um=spec.width_um,
        pitch_um=0.0,
        lobe_half_angle_deg=0.0,
        electrode_gap_um=_electrode_gap_um(spec),
        electrode_width_um=spec.ring.electrode_width_um,
        arm_um=arm_um,
        euler_p=spec.ring.euler_p,
        cosine=float(spec.ring.cosine),
    )
    return max(math.floor(design.widest_lobe_deg * 10.0 - 1e-6) / 10.0, 0.1)


def _grid(
    spec: ChipSpec, demand: RingDemand, radii_um: Sequence[float], lengths: tuple[Sequence[float], Sequence[float]]
) -> dict[str, Any]:
    """All geometries that are tried, as flat arrays; the straights are those of a row's first and last ring."""
    profile, wl_um, least_um = spec.profile, spec.comb_design.wl_um, least_gap_um(spec.profile)
    rows = []
    for radius in radii_um:
        for arm in arms_near_um(spec, spec.ring, radius, tuple(lengths[0])):
            lobe = widest_lobe_deg(spec, radius_um=radius, arm_um=arm, gap_um=least_um)
            for least in lengths[1]:
                placed = straights_um(
                    profile,
                    radius_um=radius,
                    wl_um=(wl_um[0], wl_um[-1]),
                    bias_pm=0.0,
                    arm_um=arm,
                    euler_p=spec.ring.euler_p,
                    cosine=spec.ring.cosine,
                    least_um=least,
                )
                rows.append((radius, arm, *placed, lobe))
    columns = np.repeat(np.array(rows), len(FWHM_PM), axis=0).T
    grid: dict[str, Any] = dict(zip(("radius", "arm", "first_straight", "last_straight", "lobe"), columns, strict=True))
    fwhm_pm = np.tile(FWHM_PM, len(rows))
    with np.errstate(all="ignore"):
        gaps = gap_um(
            spec, fwhm_pm=fwhm_pm, radius_um=grid["radius"], arm_um=grid["arm"], straight_um=grid["first_straight"]
        )
    drawn = (gaps >= least_um) & (gaps <= MOST_GAP_UM)
    wider = drawn & (gaps >= least_um + WIDER_UM)
    grid["drawn"] = wider if spec.ring.euler_p and wider.any() else drawn
    if not grid["drawn"].any():
        grid["drawn"] = np.isfinite(gaps)
    grid["gap"] = np.round(np.clip(np.nan_to_num(gaps, posinf=MOST_GAP_UM), least_um, MOST_GAP_UM), 3)
    return grid


def _radii_um(spec: ChipSpec, demand: RingDemand) -> list[float]:
    """From the film's least radius to the one whose FSR just holds the lines and one spacing of guard."""
    o, least_um = spec.profile.optics, spec.ring.radius_for_um(spec.profile.film.min_bend_radius_um.value)
    n_g = 0.5 * (o.n_g_along_x.value + o.n_g_along_y.value)
    band_um = demand.channels * float(demand.spacing_pm) / PM_PER_UM
    most_um = min(
        max(o.wl0_um.value**2 / (n_g * band_um) / (4.0 * spec.ring.turn(1.0).length_um), least_um),
        4.0 * least_um,
        1000.0,
    )
    if spec.ring.euler_p:
        ladder_um = least_um * RADII_STEP ** np.arange(
            math.floor(math.log(most_um / least_um) / math.log(RADII_STEP)) + 1
        )
        steps = ladder_um[np.unique(np.round(np.linspace(0, len(ladder_um) - 1, RADII)).astype(int))]
    else:
        steps = np.linspace(least_um, most_um, RADII)
    return [float(radius) for radius in np.unique(np.maximum(np.round(steps, 1), least_um))]


def _keys(spec: ChipSpec, at: dict[str, float], bias_pm: float, volts: float) -> dict[str, float | int]:
    """Keys of the spec for one geometry of the grid."""
    radius_um, arm_um, gap = at["radius"], at["arm"], at["gap"]
    straight_um = max(math.floor(at["first_straight"] * 10.0 - 0.5) / 10.0, 0.0)
    return {
        "ring.radius_um": radius_um,
        "ring.arm_um": arm_um,
        "ring.straight_um": straight_um,
        "ring.gap_through_um": gap,
        "ring.gap_drop_um": gap,
        "ring.lobe_half_angle_deg": at["lobe"],
        "ring.electrode_gap_um": _electrode_gap_um(spec),
        "ring.pitch_um": least_pitch_um(spec, radius_um=radius_um, straight_um=straight_um + 1.0),
        "ring.bias_pm": float(round(bias_pm)) + 0.0,
        "drive.max_voltage_V": volts,
    }


def _coercive_V_um(spec: ChipSpec) -> float:
    return spec.profile.electrooptics.coercive_field_V_um.value


def _electrode_gap_um(spec: ChipSpec) -> float:
    return spec.profile.electrooptics.electrode_gap_um.value
