"""What a search may change of a chip, and the spec that a choice stands for.

A choice holds what a designer decides freely: Q, gap, radius, spacing, how the channels are split over buses, encoding,
bandwidth, light, bits, drive. What follows from it is worked out: turns that keep the light of a rib of two modes, and
the arms that they want; straights from Q and gap (or a wider gap, where none
couple too much already), lobes that stay clear of the buses, rings and rows as close as they can stand, the converter's
range from a die's brightest line. Everything else stays as it is in the spec that the search begins from.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from prism_photonics.budget.crossings import unmixing_at_um
from prism_photonics.budget.light_sizing import FULL_SCALE_ROOM
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.ring_sizing import HEATER_BUMPS_UM
from prism_photonics.budget.rules_chip import BUMP_PITCH_UM
from prism_photonics.budget.rules_light import converter_range
from prism_photonics.budget.rules_ring import COERCIVE_SHARE
from prism_photonics.budget.smooth_turns import smooth_ring
from prism_photonics.codec.encoding import RAILS
from prism_photonics.lightpath.ring.design import necked_pitch_um
from prism_photonics.process.trench import least_gap_um
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.floorplan import comfortable_pitch_um
from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError

CENTRE_NM = 1550.0
"""Middle of the comb, where the film's tables were solved (design choice)."""
LOBE_MARGIN_DEG = 0.1
"""Of a lobe to the widest that clears the buses (design choice)."""
USUAL_Q = (7_500.0, 15_000.0, 30_000.0)
"""Of the first chips: about that of `bank_32x256`, twice and four times it (design choice)."""
WIDEST_GAP_UM, LONGEST_UM = 1.5, 100.0
"""Widest gap and longest straight that a Q is looked for with (design choices)."""
HALVINGS = 40
"""At most; far fewer reach the two parts in ten thousand that are wanted."""

Choice = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Knob:
    """One thing that a search decides.

    Attributes:
        name: Its name in a choice.
        low: Least value, of a number.
        high: Largest one.
        log: Whether it is searched by its logarithm.
        whole: Whether it is a whole number.
        options: What it may be, if it is no number.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    options: tuple[int | str, ...] = ()


def knobs(spec: ChipSpec) -> tuple[Knob, ...]:
    """What a search over chips of as many rows and dimensions, on the same film, decides (design choices)."""
    profile = spec.profile
    dims = dims_of(spec)
    narrowest_um, least_radius_um = least_gap_um(profile), profile.film.min_bend_radius_um.value
    ring_um = smooth_ring(spec.ring, spec.process).radius_for_um(least_radius_um)
    return (
        Knob("buses", options=tuple(n for n in (1, 2, 4, 8, 16, 32, 64) if dims % n == 0)),
        Knob("encoding", options=("two_shot", "offset", "dual_rail")),
        Knob("radius_um", ring_um, 3.0 * ring_um, log=True),
        Knob("q_loaded", 2_000.0, 100_000.0, log=True),
        Knob("gap_um", narrowest_um, narrowest_um + 0.6),
        Knob("spacing_of_fsr", 0.3, 0.999),
        Knob("bias_widths", 0.0, 1.5),
        Knob("drive_of_coercive", 0.02, 0.999, log=True),
        Knob("weight_limit", 0.3, 0.9),
        Knob("line_power_dBm", -10.0, 16.0),
        Knob("bandwidth_GHz", 0.01, 1.0, log=True),
        Knob("query_bits", 4.0, 10.0, whole=True),
        Knob("adc_bits", 6.0, 14.0, whole=True),
        Knob("drive_bits", 8.0, 16.0, whole=True),
        Knob("bend_radius_um", least_radius_um, 2.0 * least_radius_um, log=True),
    )


def dims_of(spec: ChipSpec) -> int:
    """Values of a signature: as many as there are rings of a row, or half of that where each takes two rails."""
    return spec.chip.rings // RAILS[spec.modulator.encoding]


def choice_of(spec: ChipSpec) -> dict[str, float | int | str]:
    """The choice that a spec stands for, within the ranges of `knobs`: where a search begins."""
    ring, figures = spec.ring, ring_figures(spec)
    given: dict[str, float | int | str] = {
        "buses": spec.chip.buses,
        "encoding": spec.modulator.encoding,
        "radius_um": ring.radius_um,
        "q_loaded": figures.q_loaded,
        "gap_um": ring.gap_through_um,
        "spacing_of_fsr": spec.comb_design.spacing_um * 1e3 * spec.chip.channels / figures.fsr_nm,
        "bias_widths": ring.bias_pm / figures.fwhm_pm,
        "drive_of_coercive": spec.drive.max_voltage_V / _coercive_V(spec),
        "weight_limit": spec.ranking.weight_limit,
        "line_power_dBm": spec.comb.line_power_dBm,
        "bandwidth_GHz": spec.detector.bandwidth_GHz,
        "query_bits": spec.modulator.dac_bits,
        "adc_bits": spec.detector.adc_bits + _finer_bits(spec),
        "drive_bits": spec.drive.dac_bits,
        "bend_radius_um": spec.waveguide.bend_radius_um,
    }
    return {knob.name: within(knob, given[knob.name]) for knob in knobs(spec)}


def usual_choices(spec: ChipSpec) -> list[dict[str, float | int | str]]:
    """Chips of every split over buses and of some Q: the smallest rings, nearly all of the drive.

    Few of them keep every rule; they lie nearer to those that do than chance would.
    """
    usual: dict[str, float | int | str] = {
        "radius_um": 0.0, "q_loaded": 7_500.0, "gap_um": 0.0, "spacing_of_fsr": 0.97, "bias_widths": 0.7,
        "drive_of_coercive": 0.99, "weight_limit": 0.6, "line_power_dBm": 10.0, "bandwidth_GHz": 0.05, "query_bits": 8,
        "adc_bits": 11, "drive_bits": 14, "bend_radius_um": 0.0, "encoding": "two_shot",
    }  # fmt: skip
    buses = next(knob for knob in knobs(spec) if knob.name == "buses")
    return [
        {knob.name: within(knob, (usual | {"buses": count, "q_loaded": q})[knob.name]) for knob in knobs(spec)}
        for count in buses.options
        for q in USUAL_Q
    ]


def within(knob: Knob, value: float | int | str) -> float | int | str:
    """A value within a knob's range: the nearest one."""
    if knob.options:
        return value if value in knob.options else knob.options[0]
    assert not isinstance(value, str)
    nearest = min(max(value, knob.low), knob.high)
    return round(nearest) if knob.whole else float(nearest)


def spec_of(base: ChipSpec, choice: Choice) -> ChipSpec:
    """The spec that a choice stands for.

    Args:
        base: The spec that the search begins from.
        choice: A value of each of the `knobs`.

    Raises:
        InputError: The choice makes no chip, such as a Q that no straight gives.
    """
    c: Any = choice
    profile, encoding = base.profile, c["encoding"]
    dims = dims_of(base)
    channels = RAILS[encoding] * dims // c["buses"]
    radius_um, gap_um = round(c["radius_um"], 2), round(c["gap_um"], 3)
    electrode_gap_um = profile.electrooptics.electrode_gap_um.value
    slower = base.detector.bandwidth_GHz / c["bandwidth_GHz"]
    turns = smooth_ring(base.ring, base.process)
    arm_um = base.ring.arm_um
    if turns.euler_p:
        turn = turns.turn(radius_um)
        unmixing_um = unmixing_at_um(base.process, 1e-3 * CENTRE_NM, base.width_um, turn, near_um=arm_um)
        arm_um = arm_um if unmixing_um is None else unmixing_um
    made = _changed(
        base,
        chip={"buses": c["buses"], "channels": channels},
        ring={
            "radius_um": radius_um,
            "arm_um": arm_um,
            "euler_p": turns.euler_p,
            "ramp": turns.ramp,
            "neck_um": turns.neck_um,
            "gap_through_um": gap_um,
            "gap_drop_um": gap_um,
            "electrode_gap_um": electrode_gap_um,
            "straight_um": 1.0,
            "pitch_um": 5000.0,
            "bias_pm": 0.0,
        },
        comb=_comb(base.comb.model_dump(), 0.1),
        waveguide={"bend_radius_um": round(c["bend_radius_um"], 1)},
        modulator={
            "encoding": encoding,
            "dac_bits": c["query_bits"],
        },
        detector={
            "bandwidth_GHz": float(f"{c['bandwidth_GHz']:.3g}"),
            "adc_bits": c["adc_bits"],
            "adc_full_scale_uA": 1e6,
        },
        drive={"max_voltage_V": round(c["drive_of_coercive"] * _coercive_V(base), 1), "dac_bits": c["drive_bits"]},
        ranking={"weight_limit": round(c["weight_limit"], 3)},
        # V²/8R for as long as a symbol lasts.
        system={"modulator_pJ_symbol": float(f"{base.system.modulator_pJ_symbol * slower:.4g}")},
    )
    # Channels are placed by one more wavelength of straight, a µm at most: so close rings may stand.
    made = _with_q(made, c["q_loaded"])
    lobe_deg = math.floor(10.0 * (made.ring_designs[0].widest_lobe_deg - LOBE_MARGIN_DEG)) / 10.0
    pitch_um = made.ring.least_pitch_um + (HEATER_BUMPS_UM if made.trim.method == "heater" else 0.0)
    if made.ring.neck_um:
        pitch_um = max(pitch_um, necked_pitch_um(radius_um, made.ring.straight_um + 1.0, made.width_um))
    if not _changed(made, ring={"pitch_um": pitch_um}).flip_chip:
        pitch_um = max(pitch_um, comfortable_pitch_um(made))
    figures = ring_figures(made)
    spacing_nm = float(f"{c['spacing_of_fsr'] * figures.fsr_nm / channels:.4g}")
    made = _changed(
        made,
        ring={
            "lobe_half_angle_deg": lobe_deg,
            "pitch_um": max(BUMP_PITCH_UM, math.ceil(pitch_um)) + 0.0,
            "bias_pm": round(c["bias_widths"] * figures.fwhm_pm, 1),
        },
        comb=_comb(base.comb.model_dump(), spacing_nm, channels) | {"line_power_dBm": round(c["line_power_dBm"], 2)},
    )
    made = _with_bumps(made)
    range_uA = FULL_SCALE_ROOM * converter_range(made).value
    return _changed(made, detector={"adc_full_scale_uA": float(f"{range_uA:.3g}")})


def _changed(spec: ChipSpec, **tables: dict[str, Any]) -> ChipSpec:
    """A spec with some keys set; None leaves a key out.

    Raises:
        InputError: The values make no spec.
    """
    data = spec.model_dump()
    for name, keys in tables.items():
        known = type(getattr(spec, name)).model_fields
        data[name] = {key: value for key, value in (data[name] | keys).items() if key in known and value is not None}
    try:
        return ChipSpec.model_validate(data)
    except ValidationError as error:
        raise InputError(f"explore: no chip ({error.errors()[0]['msg']})") from None


def _comb(comb: dict[str, Any], spacing_nm: float, channels: int = 1) -> dict[str, Any]:
    """The comb's keys with another spacing about the middle, on the grid of the spec."""
    if comb.get("spacing_GHz") is None:
        first_nm = CENTRE_NM - 0.5 * spacing_nm * (channels - 1)
        return {"first_wl_nm": round(first_nm, 3), "spacing_nm": spacing_nm}
    spacing_GHz = SPEED_OF_LIGHT_UM_S / CENTRE_NM**2 * spacing_nm * 1e-6
    first_THz = SPEED_OF_LIGHT_UM_S / CENTRE_NM * 1e-9 + 0.5e-3 * spacing_GHz * (channels - 1)
    return {
        "spacing_GHz": float(f"{spacing_GHz:.5g}"),
        "first_channel_THz": round(first_THz, 4),
        "first_itu_channel": None,
    }


def _with_q(spec: ChipSpec, q_loaded: float) -> ChipSpec:
    """The spec with the straights that give its rings a loaded Q: the longer they are, the more couples out.

    Where even rings without straights couple out more, with the gap that does.

    Raises:
        InputError: None does.
    """
    if _q(spec, straight_um=0.0) < q_loaded:
        gap_um = _halved(lambda um: _q(spec, gap_um=um) < q_loaded, spec.ring.gap_through_um, WIDEST_GAP_UM)
        gap_um = math.ceil(1e3 * gap_um) / 1e3
        return _changed(spec, ring={"gap_through_um": gap_um, "gap_drop_um": gap_um, "straight_um": 0.0})
    straight_um = _halved(lambda um: _q(spec, straight_um=um) > q_loaded, 0.0, LONGEST_UM)
    return _changed(spec, ring={"straight_um": round(straight_um, 2)})


def _halved(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest number, of a range, up to which something holds."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
        if high - low < 2e-4 * high:
            break
    return low


def _q(spec: ChipSpec, *, straight_um: float = 0.0, gap_um: float | None = None) -> float:
    """Loaded Q; 0 where all light crosses the couplers."""
    keys = {"straight_um": straight_um}
    if gap_um is not None:
        keys |= {"gap_through_um": gap_um, "gap_drop_um": gap_um}
    try:
        return ring_figures(spec.model_copy(update={"ring": spec.ring.model_copy(update=keys)})).q_loaded
    except InputError:
        return 0.0


def _with_bumps(spec: ChipSpec) -> ChipSpec:
    """The spec with bends wide enough that a bump finds room in every ring's cell."""
    bend_um = spec.waveguide.bend_radius_um
    while spec.row_pitch_um < BUMP_PITCH_UM and spec.flip_chip:
        bend_um += 1.0
        spec = _changed(spec, waveguide={"bend_radius_um": bend_um})
    return spec


def _finer_bits(spec: ChipSpec) -> int:
    """Bits that keep a converter's step where a search gives it a wider range than a spec does."""
    light = converter_range(spec)
    return max(math.ceil(math.log2(FULL_SCALE_ROOM * light.value / light.limit) - 1e-9), 0)


def _coercive_V(spec: ChipSpec) -> float:
    """The drive at which the rule of the coercive field is just kept."""
    eo = spec.profile.electrooptics
    return COERCIVE_SHARE * eo.coercive_field_V_um.value * eo.electrode_gap_um.value
