"""Size light and receiver of a spec: line power, bandwidth, full scale and bits, by the rules themselves.

Light is bounded from above by what a ring may hold (photorefraction) and a guide may carry, from below by the
receiver's noise. Full scale and bits then follow, bit by bit.
"""

import math
from collections.abc import Collection
from typing import Any

from prism_photonics.budget.finding import Finding, Judge
from prism_photonics.budget.headroom import headrooms
from prism_photonics.budget.ring_sizing import ENOUGH
from prism_photonics.spec import ChipSpec

Changes = dict[str, float | int | str]

ON_LIGHT = ("ring_power", "bus_power", "link_budget", "line_swing", "score_snr")
STEP_dB, LEAST_POWER_DBM = 0.5, -30.0
FULL_SCALE_ROOM = 3.5
"""Full scale over what the brightest line of a die gives (design choice): where all rings drift together a row's sum is
several lines. With 1.15 converters of rows of 32 clipped from a drift of 17 pm on, with 2.0 at 35 pm."""
BANDWIDTH_STEP = 0.8
LEAST_BANDWIDTH_GHZ = 0.01
MOST_BITS = {"detector.adc_bits": 16, "modulator.dac_bits": 16, "drive.dac_bits": 20}
"""Converters that can be bought at these speeds; design choices."""
BITS_BY_RULE = {"adc_noise": "detector.adc_bits", "query_dac": "modulator.dac_bits", "driver_step": "drive.dac_bits"}


def size_light(
    spec: ChipSpec,
    judge: Judge,
    *,
    most_dBm: float,
    least_bandwidth_GHz: float = LEAST_BANDWIDTH_GHZ,
    free: Collection[str] = ("comb.line_power_dBm", "detector.bandwidth_GHz"),
) -> Changes:
    """Keys of light and receiver with which a spec's rules on light have the most headroom, up to `ENOUGH`.

    Args:
        spec: The spec, its rings sized.
        judge: Rules' findings on a spec.
        most_dBm: Power of a line that may be bought.
        least_bandwidth_GHz: Bandwidth of the receiver that must be left.
        free: Which of line power and bandwidth may be moved; full scale and bits follow in any case.

    Raises:
        InputError: A number leaves what floating point holds.
    """
    changes: Changes = {}
    if "comb.line_power_dBm" in free:
        changes |= _line_power(spec, judge, most_dBm)
    if "detector.bandwidth_GHz" in free:
        changes |= _bandwidth(with_keys(spec, changes), judge, least_bandwidth_GHz)
    changes |= _full_scale(with_keys(spec, changes), judge)
    return changes | _bits(with_keys(spec, changes), judge)


def with_keys(spec: ChipSpec, changes: Changes) -> ChipSpec:
    """The spec with keys such as ``"ring.bias_pm"`` set.

    Raises:
        pydantic.ValidationError: No spec may hold these values.
    """
    data: dict[str, Any] = spec.model_dump()
    for key, value in changes.items():
        table, _, name = key.rpartition(".")
        (data[table] if table else data)[name] = value
    return ChipSpec.model_validate(data)


def _line_power(spec: ChipSpec, judge: Judge, most_dBm: float) -> Changes:
    """The least power with `ENOUGH` headroom on all that light is bounded by, or else the best there is."""
    stood = _by_rule(judge(spec, ("ring_power", "bus_power")))
    # Circulating and guided power grow with the light.
    room_dB = min(10.0 * math.log10(stood[rule].limit / stood[rule].value) for rule in ("ring_power", "bus_power"))
    top_dBm = min(most_dBm, spec.comb.line_power_dBm + room_dB, 30.0)
    best: tuple[float, float] | None = None
    power_dBm = math.floor(top_dBm / STEP_dB) * STEP_dB
    while power_dBm >= LEAST_POWER_DBM:
        power: Changes = {"comb.line_power_dBm": power_dBm}
        changed = with_keys(spec, power | _full_scale(with_keys(spec, power), judge))
        room = min(_least(changed, judge, ON_LIGHT), ENOUGH)
        if best is None or room >= best[0]:
            best = room, power_dBm
        elif room < best[0] - 0.2:
            break
        power_dBm -= STEP_dB
    return {} if best is None else {"comb.line_power_dBm": best[1]}


def _bandwidth(spec: ChipSpec, judge: Judge, least_GHz: float) -> Changes:
    """The widest bandwidth, in steps of 1 dB, at which the noise leaves `ENOUGH` headroom; else the least."""
    width_GHz = start_GHz = spec.detector.bandwidth_GHz
    while _least(with_keys(spec, {"detector.bandwidth_GHz": width_GHz}), judge, ("score_snr", "line_swing")) < ENOUGH:
        if width_GHz <= least_GHz:
            break
        width_GHz = max(float(f"{width_GHz * BANDWIDTH_STEP:.2g}"), least_GHz)
    return {} if width_GHz == start_GHz else {"detector.bandwidth_GHz": width_GHz}


def _full_scale(spec: ChipSpec, judge: Judge) -> Changes:
    (brightest,) = judge(spec, ("converter_range",))
    return {"detector.adc_full_scale_uA": float(f"{max(FULL_SCALE_ROOM * brightest.value, 1e-3):.2g}")}


def _bits(spec: ChipSpec, judge: Judge) -> Changes:
    """Bits that the rules on converters ask for, none taken away."""
    changes: Changes = {}
    for rule, key in BITS_BY_RULE.items():
        table, name = key.split(".")
        bits = getattr(getattr(spec, table), name)
        while True:
            found = _by_rule(judge(with_keys(spec, changes), (rule, "link_budget")))
            weak = found[rule].margin < 0.0 or (rule == "adc_noise" and found["link_budget"].margin < 0.0)
            if not weak or bits >= MOST_BITS[key]:
                break
            bits += 1
            changes[key] = bits
    return changes


def _least(spec: ChipSpec, judge: Judge, rules: Collection[str]) -> float:
    return min(headrooms(spec, judge(spec, rules)).values())


def _by_rule(findings: list[Finding]) -> dict[str, Finding]:
    return {found.rule: found for found in findings}
