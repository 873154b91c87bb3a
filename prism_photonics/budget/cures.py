"""Cures of a broken rule: single changes of the spec, each tried by the rule itself at the printed value.

A key is moved from where it stands towards an end of its range until the rule is kept; the least such move is rounded
and tried again. No key of nature is moved: a cure is what a designer decides.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import annotated_types
from pydantic import ValidationError

from prism_photonics.budget.finding import Cure, Finding, Judge, Search
from prism_photonics.budget.rules_ring import coercive_field
from prism_photonics.budget.trimming import least_heater_mW_nm
from prism_photonics.lightpath.splitter.design import smaller_trees
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

Rule = Callable[[ChipSpec], Finding]

NEAR = tuple(10.0 ** (-4.0 + 0.15 * step) for step in range(25))
FAR = tuple(1.0 - 10.0 ** (-0.5 - 0.25 * step) for step in range(11))
SHARES = tuple(sorted((*NEAR, *FAR, 1.0)))
"""Moves that are tried, as shares of the way to the end of a key's range: finer near its start and near its end."""
KEY_ITSELF = ("bend_radius", "electrode_gap")
"""Rules that hold a key against a limit: the limit itself is tried first."""
MENDED_BY_MORE_BUSES = ("fsr_aliasing", "band", "comb_range", "coherence", "row_reach")
"""Rules that a bus of fewer lines keeps: the same rings on more buses are tried too."""
MENDED_BY_TRIMMING = ("coherence", "tuning_range", "row_reach", "drift")
"""Rules that rings off their lines break: where nothing trims them, permanent trimming is tried."""
BY_THE_ROW = ("trimming_power", "connections", "die_area")
"""Rules that any number of fewer rows may keep; what the others ask is light, which goes by levels of the tree."""
BISECTIONS = 10
ROUNDED_DIGITS = range(2, 8)


@dataclass(frozen=True)
class Knob:
    """Keys that are changed together, and direction: each is set to one value, unless it lies beyond it already."""

    keys: tuple[str, ...]
    up: bool


def _up(*keys: str) -> Knob:
    return Knob(keys, True)


def _down(*keys: str) -> Knob:
    return Knob(keys, False)


SPACING = "comb.spacing"
FIRST = "comb.first"
GAPS = ("ring.gap_through_um", "ring.gap_drop_um")
# By rule, what a designer would turn first comes first. SPACING and FIRST stand for the keys of the spec's own grid.
KNOBS: Mapping[str, tuple[Knob, ...]] = {
    "fsr_aliasing": (_down("chip.channels"), _down(SPACING), _up(SPACING), _down("ring.radius_um")),
    "band": (_down("chip.channels"), _down(SPACING), _down("ring.radius_um")),
    "comb_range": (_up(FIRST), _down(FIRST), _down("chip.channels"), _down(SPACING)),
    "spacing_linewidths": (_up(SPACING), _up(*GAPS), _down("ring.straight_um")),
    "coherence": (
        _up(SPACING),
        _up(*GAPS),
        _down("ring.straight_um"),
        _down("chip.channels"),
        _down("trim.residual_pm"),
    ),
    "tuning_range": (
        _up("ring.bias_pm"),
        _down("ring.bias_pm"),
        _up("drive.max_voltage_V"),
        _down(*GAPS),
        _up(*GAPS),
        _up("ring.straight_um"),
        _down("ring.straight_um"),
        _down("trim.residual_pm"),
        _down("ranking.weight_limit"),
    ),
    "row_reach": (
        _up("ring.bias_pm"),
        _up("drive.max_voltage_V"),
        _up(SPACING),
        _up(*GAPS),
        _down(*GAPS),
        _down("ring.straight_um"),
        _down("trim.residual_pm"),
        _down("ranking.weight_limit"),
    ),
    "coercive_field": (_down("drive.max_voltage_V"), _up("ring.electrode_gap_um")),
    "electrode_gap": (_up("ring.electrode_gap_um"), _down("ring.electrode_gap_um")),
    "electrode_lobe": (_down("ring.lobe_half_angle_deg"),),
    "driver_step": (_up("drive.dac_bits"), _down("drive.max_voltage_V")),
    "bend_radius": (
        _up("waveguide.bend_radius_um"),
        _up("ring.radius_um"),
        _up("ring.radius_um", "waveguide.bend_radius_um"),
    ),
    "trimming_power": (_down("trim.heater_mW_nm"), _down("chip.rows"), _down("chip.channels")),
    "drift": (
        _up("ring.straight_um"),
        _down(*GAPS),
        _down("drift.gradient_K"),
        _down("trim.residual_pm"),
        _down("system.queries_per_program"),
        _down("ranking.required_snr_dB"),
    ),
    "drift_common": (
        _down("drift.temperature_K"),
        _up("ring.straight_um"),
        _down(*GAPS),
        _down("ranking.required_snr_dB"),
    ),
    "link_budget": (
        _up("comb.line_power_dBm"),
        _down("detector.adc_full_scale_uA"),
        _up("detector.adc_bits"),
        _down("chip.rows"),
    ),
    "line_swing": (
        _up("comb.line_power_dBm"),
        _down("detector.bandwidth_GHz"),
        _down("detector.tia_noise_pA_rtHz"),
        _down("detector.adc_full_scale_uA"),
        _up("detector.adc_bits"),
        _down("chip.rows"),
    ),
    "bus_power": (_down("comb.line_power_dBm"), _down("chip.channels")),
    "ring_power": (_down("comb.line_power_dBm"), _up("ring.straight_um"), _down(*GAPS)),
    "converter_range": (_up("detector.adc_full_scale_uA"), _down("comb.line_power_dBm")),
    "query_dac": (_up("modulator.dac_bits"), _down("modulator.dac_inl_lsb"), _down("ranking.required_snr_dB")),
    "adc_noise": (_up("detector.adc_bits"), _down("detector.adc_full_scale_uA")),
    "score_snr": (
        _up("comb.line_power_dBm"),
        _down("detector.bandwidth_GHz"),
        _down("detector.tia_noise_pA_rtHz"),
        _down("chip.rows"),
        _down("ranking.required_snr_dB"),
    ),
    "connections": (_up("ring.pitch_um"), _down("chip.rows")),
    "die_area": (_down("ring.pitch_um"), _down("chip.rows"), _down("chip.buses"), _down("chip.channels")),
}


def find_cures(finding: Finding, rule: Rule, spec: ChipSpec, *, before: list[Finding], judge: Judge) -> Search:
    """Search for single changes of the spec that mend a broken rule.

    Args:
        finding: The rule's finding.
        rule: The rule.
        spec: The spec that breaks it.
        before: All rules' findings on the spec.
        judge: All rules' findings on another spec: what a cure may spoil.
    """
    stood = {found.rule: found for found in before}
    cures = []
    for cure in candidates(finding, rule, spec):
        cured = applied(spec, cure)
        assert cured is not None
        try:
            after = judge(cured)
        except InputError:
            continue
        spoils = [f.rule for f in after if not f.passed and f.margin < _worse_from(stood[f.rule])]
        cures.append(replace(cure, spoils=tuple(spoils)))
    tried = dict.fromkeys(key for knob in _knobs(finding, spec) for key in knob.keys)
    # Sorting keeps the order of those that spoil equally many.
    return Search(tuple(sorted(cures, key=lambda cure: len(cure.spoils))), tuple(tried))


def candidates(finding: Finding, rule: Rule, spec: ChipSpec, *, fixed: Collection[str] = ()) -> Iterator[Cure]:
    """Changes with which a broken rule is kept, whatever they do to the other rules; each once.

    Args:
        finding: The rule's finding.
        rule: The rule.
        spec: The spec that breaks it.
        fixed: Keys that must stand: a search that could move nothing else is left out.
    """
    if finding.rule in MENDED_BY_TRIMMING and spec.trim.method == "none":
        trimmed = Cure(("trim.method",), ("permanent",))
        if _keeps(rule, spec, trimmed):
            yield trimmed
    by_one_key: dict[tuple[Any, ...], Cure] = {}  # two knobs come to one change where one of them moves no key more
    for knob in _knobs(finding, spec):
        if set(knob.keys) <= set(fixed):
            continue
        value = _least_move(knob, rule, spec, finding)
        if value is not None:
            keys = _moved(knob, spec, value)
            by_one_key.setdefault((keys, value), Cure(keys, (value,) * len(keys)))
    yield from by_one_key.values()
    if finding.rule in MENDED_BY_MORE_BUSES and (split := _least_split(rule, spec)) is not None:
        yield split
    if (
        finding.rule in ("tuning_range", "row_reach")
        and (driven := _most_drive_and_narrower_lines(rule, spec, finding)) is not None
    ):
        yield driven


def applied(spec: ChipSpec, cure: Cure) -> ChipSpec | None:
    """The spec with a cure's keys set, or None where no spec may hold those values."""
    data = spec.model_dump()
    for key, value in zip(cure.keys, cure.values, strict=True):
        table, name = key.split(".")
        data[table][name] = value
    try:
        return ChipSpec.model_validate(data)
    except (ValidationError, InputError):
        return None


def _most_drive_and_narrower_lines(rule: Rule, spec: ChipSpec, finding: Finding) -> Cure | None:
    """The drive that the film's coercive field allows, in whole volts, with the least wider gaps that then do."""
    most_V = float(math.floor(coercive_field(spec).limit * spec.ring.electrode_gap_um))
    drive = Cure(("drive.max_voltage_V",), (most_V,))
    driven = applied(spec, drive) if most_V > spec.drive.max_voltage_V else None
    gaps = _up(*GAPS)
    gap_um = None if driven is None else _least_move(gaps, rule, driven, finding)
    if gap_um is None:
        return None
    keys = _moved(gaps, spec, gap_um)
    return Cure((*drive.keys, *keys), (most_V, *[gap_um] * len(keys)))


def _keeps(rule: Rule, spec: ChipSpec, cure: Cure) -> bool:
    changed = applied(spec, cure)
    try:
        return changed is not None and rule(changed).passed
    except (InputError, ArithmeticError):
        return False


def _least_split(rule: Rule, spec: ChipSpec) -> Cure | None:
    """The fewest buses that share out a bus's channels, so that a row keeps its rings and the rule is kept."""
    channels, keys = spec.chip.channels, ("chip.channels", "chip.buses")
    splits = (
        Cure(keys, (channels // parts, spec.chip.buses * parts))
        for parts in range(2, channels + 1)
        if channels % parts == 0
    )
    return next((cure for cure in splits if _keeps(rule, spec, cure)), None)


def _least_move(knob: Knob, rule: Rule, spec: ChipSpec, finding: Finding) -> float | int | None:
    """The value nearest to the present one at which the rule is kept, in few digits; None if there is none."""

    def kept(value: float | int) -> bool:
        keys = _moved(knob, spec, value)
        return _keeps(rule, spec, Cure(keys, (value,) * len(keys)))

    start, end = _start(knob, spec), _end(knob, spec)
    if start == end:
        return None
    if isinstance(start, int):
        return next((value for value in _whole(knob, finding, start, int(end)) if kept(value)), None)
    if finding.rule in KEY_ITSELF and (limit := finding.limit) != start and (limit > start) == knob.up and kept(limit):
        return limit
    broken_at = start
    for share in SHARES:
        value = start + (end - start) * share
        if kept(value):
            return _rounded(knob, *_bisected(broken_at, value, kept), kept)
        broken_at = value
    return None


def _bisected(broken_at: float, kept_at: float, kept: Callable[[float], bool]) -> tuple[float, float]:
    for _ in range(BISECTIONS):
        middle = 0.5 * (broken_at + kept_at)
        if kept(middle):
            kept_at = middle
        else:
            broken_at = middle
    return broken_at, kept_at


def _rounded(knob: Knob, broken_at: float, kept_at: float, kept: Callable[[float], bool]) -> float:
    """A kept value with the fewest digits, rounded away from the broken one."""
    for digits in ROUNDED_DIGITS:
        # Of the move's size, not of the value's: 1546.5 nm is moved by tenths.
        scale = 10.0 ** (math.floor(math.log10(max(abs(kept_at), 1e-300))) - digits + 1)
        steps = math.ceil(kept_at / scale) if knob.up else math.floor(kept_at / scale)
        value = float(f"{steps * scale:.12g}")
        if abs(value - kept_at) <= 0.02 * max(abs(kept_at), abs(kept_at - broken_at)) and kept(value):
            return value
    return kept_at


def _whole(knob: Knob, finding: Finding, start: int, end: int) -> Iterator[int]:
    # Light is saved by a tree of fewer levels alone, room and heat by every row.
    if knob.keys == ("chip.rows",) and finding.rule not in BY_THE_ROW:
        yield from smaller_trees(start)
        return
    yield from range(start + 1, end + 1) if knob.up else range(start - 1, end - 1, -1)


def _knobs(finding: Finding, spec: ChipSpec) -> list[Knob]:
    """Keys that may mend a rule on this spec; the residual of trimming is among them only if the rings are trimmed."""
    knobs = [_of_grid(knob, spec) for knob in KNOBS[finding.rule]]
    return [knob for knob in knobs if spec.trim.method != "none" or "trim.residual_pm" not in knob.keys]


def _of_grid(knob: Knob, spec: ChipSpec) -> Knob:
    """The knob with the keys of the spec's grid of lines."""
    first = next(
        k for k in ("first_wl_nm", "first_channel_THz", "first_itu_channel") if getattr(spec.comb, k) is not None
    )
    own = {SPACING: f"comb.{spec.comb.spacing_key}", FIRST: f"comb.{first}"}
    return replace(knob, keys=tuple(own.get(key, key) for key in knob.keys))


def _moved(knob: Knob, spec: ChipSpec, value: float | int) -> tuple[str, ...]:
    """Keys of the knob that do not lie beyond the value already."""
    return tuple(key for key in knob.keys if (_value(spec, key) < value if knob.up else _value(spec, key) > value))


def _start(knob: Knob, spec: ChipSpec) -> float | int:
    values = [_value(spec, key) for key in knob.keys]
    return min(values) if knob.up else max(values)


def _end(knob: Knob, spec: ChipSpec) -> float | int:
    """The end of the keys' range towards which they are moved; just short of one that is not in it."""
    if knob.keys == ("trim.heater_mW_nm",):
        return min(least_heater_mW_nm(spec), spec.trim.heater_mW_nm)
    ends = [_range_end(key, up=knob.up) for key in knob.keys]
    return min(ends) if knob.up else max(ends)


def _range_end(key: str, *, up: bool) -> float | int:
    table, name = key.split(".")
    model: Any = ChipSpec.model_fields[table].annotation
    field = model.model_fields[name]
    whole = int in (field.annotation, *get_args(field.annotation))
    for bound in field.metadata:
        if up and isinstance(bound, annotated_types.Le):
            return bound.le  # type: ignore[return-value]
        if not up and isinstance(bound, annotated_types.Ge):
            return bound.ge  # type: ignore[return-value]
        if not up and isinstance(bound, annotated_types.Gt):
            # Of two keys that may not be 0 one is at most a millionth of what it is used at.
            return bound.gt + (1 if whole else 1e-6)  # type: ignore[operator]
    raise AssertionError(f"{key} has no end of its range")


def _value(spec: ChipSpec, key: str) -> float | int:
    table, name = key.split(".")
    return getattr(getattr(spec, table), name)


def _worse_from(before: Finding) -> float:
    """Margin below which a rule is spoiled: any broken one if it was kept, else one more broken than before."""
    return 0.0 if before.passed else before.margin - 1e-9 * max(abs(before.margin), abs(before.limit))
