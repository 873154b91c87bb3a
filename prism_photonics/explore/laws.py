"""Which law each number of a designed spec follows from, and which law forbids a wish."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from prism_photonics.budget.crossings import crossings
from prism_photonics.budget.feasibility import check
from prism_photonics.budget.finding import Finding
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.second_mode import guides_turned, ramps_turned
from prism_photonics.explore.wishes import Wishes
from prism_photonics.lightpath.splitter.design import tree_outputs
from prism_photonics.process.necks import neck
from prism_photonics.spec import ChipSpec

LAWS = {
    "fsr_aliasing": "FSR: a ring resonates again one free spectral range away, λ²/(n_g·L)",
    "band": "FSR: all lines of a bus lie within one free spectral range, λ²/(n_g·L)",
    "comb_range": "mode tables: beyond their wavelengths no number of the film is known",
    "spacing_linewidths": "coherent neighbours: lines stand some linewidths apart",
    "coherence": "coherent neighbours: what a ring drops of its neighbour's line interferes",
    "tuning_range": "V_πL and coverage: dλ/dV = λ²·F/(2·n_g·V_πL) must carry every ring through the reach",
    "row_reach": "neighbours' light and linewidths: the line shape's flat end, where they count, must hold the reach",
    "coercive_field": "coercive field: half of it is the most that the electrodes may apply",
    "electrode_gap": "V_πL: it was computed for one electrode gap",
    "electrode_lobe": "drawing: the electrodes keep clear of both buses",
    "driver_step": "driver resolution: one code on the steepest slope",
    "bend_radius": "bending loss: the film's least radius",
    "trimming_power": "heat: what a cooled package carries away",
    "drift": "drift on the resonance's slope: too narrow a line turns it into weight error",
    "drift_common": "drift on the resonance's slope: too narrow a line turns temperature into weight error",
    "link_budget": "link loss against the converter's step",
    "line_swing": "calibration: the weakest line must swing beyond the receiver's noise",
    "bus_power": "guided power in the first splitter",
    "ring_power": "photorefraction: circulating light in a ring",
    "converter_range": "the converter's full scale",
    "query_dac": "the query converter's step",
    "adc_noise": "the receiver converter's step",
    "score_snr": "shot and thermal noise of the receiver",
    "connections": "pads or bumps for every ring",
    "die_area": "the die's area",
}
"""Law behind every rule of `prism check`, by the rule's name."""


@dataclass(frozen=True)
class Reason:
    """A key of the spec and what its value follows from."""

    key: str
    value: float | int | str
    law: str


def law_of(finding: Finding) -> str:
    """The law behind a rule, with the numbers that broke it."""
    return f"{LAWS[finding.rule]} ({_room(finding)} allowed)"


def reasons(wishes: Wishes, spec: ChipSpec) -> list[Reason]:
    """What each number follows from that was not simply taken from the base spec, in the order of the spec file."""
    ring, rules = ring_figures(spec), {found.rule: found for found in check(spec).findings}
    chip, least = spec.chip, spec.profile.film.min_bend_radius_um
    outputs = tree_outputs(chip.rows)
    dark = "" if outputs == chip.rows else f"; the splitter tree has {outputs} outputs"
    split = f"{chip.buses} × {chip.channels} rings for {wishes.dims} values in {spec.modulator.encoding}"
    grid = "wished" if wishes.itu_grid_GHz is None else f"lines on the wished ITU grid of {wishes.itu_grid_GHz:g} GHz"
    free = wishes.itu_grid_GHz is wishes.spacing_GHz is wishes.spacing_nm is None
    fsr = f"{chip.channels} lines in one FSR of {ring.fsr_nm:.3g} nm"
    swing_pm = spec.drive.max_voltage_V * abs(ring.tuning_pm_V)
    texts = {
        "chip.rows": f"wished{dark}",
        "chip.channels": split,
        "chip.buses": f"{split}; {fsr}",
        f"comb.{spec.comb.spacing_key}": f"widest of its choices with the most headroom: {fsr}" if free else grid,
        _first_key(spec): "wished" if wishes.first_itu_channel is not None else "comb about the film's 1550 nm",
        "comb.line_power_dBm": f"noise from below, {_room(rules['score_snr'])}; photorefraction from above, "
        f"{_room(rules['ring_power'])}",
        "modulator.encoding": "wished" if wishes.encoding else "the most robust; two shots have no pedestal",
        "ring.radius_um": f"coverage against FSR: {fsr}; least radius {least.value:g} µm",
        "ring.straight_um": "coupling at a gap that can be etched",
        "ring.gap_through_um": f"κ of FWHM {ring.fwhm_pm:.3g} pm (Q {ring.q_loaded:.0f}): between drift and drive",
        "ring.gap_drop_um": "equal gaps: deepest through dip",
        **_turns(spec),
        "ring.pitch_um": "electrodes, and wires or bumps beside them"
        + (", and the necks of the buses" if spec.ring.neck_um else ""),
        "ring.lobe_half_angle_deg": f"widest that is clear of the buses: limit {rules['electrode_lobe'].limit:.1f}°",
        "ring.electrode_gap_um": "V_πL was computed for it",
        "ring.bias_pm": "middle of the detunings of ± weight_limit, or the line; settled on the drawing's 1 nm grid",
        "trim.residual_pm": "wished: what trimming leaves",
        "drive.max_voltage_V": f"± {swing_pm:.0f} pm at {ring.tuning_pm_V:.3g} pm/V: {_room(rules['tuning_range'])}",
        "drive.dac_bits": _room(rules["driver_step"]),
        "waveguide.loss_dB_cm": "the film's",
        "waveguide.bend_radius_um": f"room for clothoids: {guides_turned(spec).loss_dB:.2g} dB to a row and back; the "
        f"film's least bend {least.value:g} µm, and room for bumps",
        "detector.bandwidth_GHz": f"widest with enough headroom: {_room(rules['score_snr'])}",
        "detector.adc_bits": f"{_room(rules['adc_noise'])}",
        "detector.adc_full_scale_uA": f"brightest line of a die: {_room(rules['converter_range'])}",
        "ranking.required_snr_dB": _snr_reason(wishes),
        "ranking.weight_limit": "wished reach",
    }
    return [Reason(key, _value(spec, key), law) for key, law in texts.items()]


def _turns(spec: ChipSpec) -> dict[str, str]:
    """Why a ring's turns, arms and necks are as they are, and what they cost."""
    if not spec.ring.euler_p:
        return {"ring.arm_um": "racetrack: more of it tuned" if spec.ring.arm_um else "circle: the widest FSR"}
    turn = spec.ring_designs[0].quarter
    longer = turn.length_um / (0.5 * math.pi * turn.least_radius_um)
    texts = {
        "ring.euler_p": f"curvature grows from the straight's, sharpest at {turn.least_radius_um:.3g} µm: a turn leaves"
        f" {100.0 * ramps_turned(spec):.2g} % in other modes, for {longer:.2g} times a circle's length: less FSR"
    }
    if spec.ring.cosine:
        texts["ring.ramp"] = "turns ten to forty times less light to other modes than a clothoid as long"
    crossed = crossings(spec)
    if crossed is not None:
        share = f"{100.0 * crossed.converted:.2g} %"
        left = (
            f"each bend undoes what the last one turned to TM: {share} is left over the comb"
            if spec.ring.arm_um
            else f"bends turn {share} to TM, which no arm need undo"
        )
        texts["ring.arm_um"] = f"{left}; a fit of TE alone leaves {crossed.bits:.3g} bits"
    elif spec.ring.arm_um:
        texts["ring.arm_um"] = "racetrack: more of it tuned"
    if spec.ring.neck_um:
        taken = neck(spec.process, spec.ring.neck_um)
        texts["ring.neck_um"] = (
            f"buses let go {2.0 * taken.second_dB:.2g} dB of the second mode from ring to ring, and "
            f"{2.0 * taken.first_dB:.2g} dB of the first"
        )
    return texts


def table(rows: Iterable[Reason]) -> str:
    """The reasons as lines of a table."""
    rows = list(rows)
    wide = max(len(row.key) for row in rows)
    return "\n".join(f"{row.key:<{wide}}  {row.value!s:>9}  {row.law}" for row in rows)


def commented(spec: ChipSpec, rows: Iterable[Reason], *, base: str) -> str:
    """The spec as a file, with the law behind each number that was designed."""
    law_by_key = {row.key: row.law for row in rows}
    lines, table_name = [f"# Designed by prism design; what has no comment is taken from {base}."], ""
    for line in str(spec).splitlines():
        if line.startswith("["):
            table_name = line.strip("[]")
        law = law_by_key.get(f"{table_name}.{line.split(' = ')[0]}")
        lines.append(f"{line:<30} # {law}" if law else line)
    return "\n".join(lines) + "\n"


def _room(finding: Finding) -> str:
    return f"{finding.rule} {finding.value:.3g} {finding.unit} against {finding.limit:.3g}"


def _snr_reason(wishes: Wishes) -> str:
    if wishes.recall is not None:
        return f"recall {wishes.recall:g} of {wishes.k} in {wishes.rows} Gaussian scores, half of the error to weights"
    if wishes.bits is not None:
        return f"6.02 × {wishes.bits:g} bits + 1.76 dB"
    return "wished" if wishes.required_snr_dB is not None else "arXiv 2603.21576"


def _first_key(spec: ChipSpec) -> str:
    names = ("first_wl_nm", "first_channel_THz", "first_itu_channel")
    return next(f"comb.{name}" for name in names if getattr(spec.comb, name) is not None)


def _value(spec: ChipSpec, key: str) -> float | int | str:
    table_name, name = key.split(".")
    return getattr(getattr(spec, table_name), name)
