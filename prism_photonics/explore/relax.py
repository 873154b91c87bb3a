"""The smallest change of wishes that makes them possible, where the wishes forbid every chip."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from prism_photonics.budget.repair import VOLTS
from prism_photonics.explore.sizing import Sized, first_feasible
from prism_photonics.explore.wishes import Wishes
from prism_photonics.lightpath.splitter.design import smaller_trees
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Change:
    """A change of wishes with which a chip is possible.

    Attributes:
        wishes: Wishes that change, and to what.
        size: How large the change is: sum of the logarithms of the ratios.
        found: The chip.
    """

    wishes: dict[str, Any]
    size: float
    found: Sized

    def __str__(self) -> str:
        """The change as lines of a file of wishes would have it."""
        return " and ".join(f"{key} = {value!r}" for key, value in self.wishes.items())


def smallest_change(wishes: Wishes, best: Sized | None) -> tuple[Change, ...]:
    """Changes of one wish that make the wishes possible, the smallest first; or one change of several together.

    Args:
        wishes: The wishes, which allow no chip.
        best: The chip that comes nearest; None where the wishes allow not even lines.
    """
    singles = []
    for key, values in _steps(wishes, {found.rule for found in best.broken} if best else {"band"}):
        change = _least_step(wishes, key, list(values))
        if change is not None:
            singles.append(change)
    if singles:
        return tuple(sorted(singles, key=lambda change: change.size))
    return (_together(wishes),)


def changed(wishes: Wishes, changes: dict[str, Any]) -> Wishes | None:
    """The wishes with some changed, or None where they then contradict each other."""
    data = wishes.model_dump(exclude_none=True) | changes
    if "required_snr_dB" in changes:
        data = {key: value for key, value in data.items() if key not in ("recall", "k", "bits")}
    try:
        return Wishes.model_validate({key: value for key, value in data.items() if value is not None})
    except ValidationError:
        return None


def _least_step(wishes: Wishes, key: str, values: Sequence[Any]) -> Change | None:
    """The first of ascending changes that makes a chip possible, found by halving."""

    def possible(value: Any) -> Sized | None:
        asked = changed(wishes, {key: value})
        return None if asked is None else first_feasible(asked)

    if not values or (farthest := possible(values[-1])) is None:
        return None
    low, high, best = -1, len(values) - 1, farthest
    while high - low > 1:
        middle = (low + high) // 2
        if (found := possible(values[middle])) is not None:
            high, best = middle, found
        else:
            low = middle
    return Change({key: values[high]}, _size(wishes, key, values[high]), best)


def _size(wishes: Wishes, key: str, value: Any) -> float:
    now = getattr(wishes, key)
    if key in ("most_line_power_dBm", "required_snr_dB"):
        now = wishes.snr_dB if now is None else now
        return abs(value - now) / 10.0 * math.log(10.0)
    return abs(math.log(value / now)) if now else 3.0


def _steps(wishes: Wishes, broken: set[str]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Wishes that may mend the broken rules, each with values ever farther from what is wished."""
    on_rings = {"tuning_range", "row_reach", "drift", "drift_common", "coherence", "spacing_linewidths", "fsr_aliasing"}
    on_lines = {"band", "fsr_aliasing", "spacing_linewidths", "coherence", "comb_range"}
    on_light = {"score_snr", "link_budget", "line_swing", "adc_noise", "ring_power", "bus_power", "query_dac"}
    if broken & on_rings:
        if wishes.max_voltage_V is not None:
            yield "max_voltage_V", [volts for volts in VOLTS if volts > wishes.max_voltage_V]
        yield "weight_limit", [w / 100.0 for w in range(int(wishes.weight_limit * 100.0) - 5, 5, -5)]
        if wishes.trimming != "none":
            yield "residual_pm", [pm for pm in (10.0, 7.0, 5.0, 3.0, 2.0, 1.0, 0.5) if pm < wishes.residual_pm]
    if broken & (on_rings | on_light):
        yield "required_snr_dB", [round(wishes.snr_dB - step, 1) for step in range(1, int(wishes.snr_dB) + 1, 1)]
    if broken & on_light:
        yield (
            "most_line_power_dBm",
            [
                wishes.most_line_power_dBm + step
                for step in range(1, 15, 2)
                if wishes.most_line_power_dBm + step <= 30.0
            ],
        )
        yield (
            "least_bandwidth_GHz",
            [
                round(wishes.least_bandwidth_GHz * 0.7**step, 4)
                for step in range(1, 8)
                if wishes.least_bandwidth_GHz * 0.7**step >= 0.01
            ],
        )
    if broken & on_lines:
        if wishes.itu_grid_GHz is not None:
            yield (
                "itu_grid_GHz",
                [wishes.itu_grid_GHz / 2**step for step in range(1, 5) if wishes.itu_grid_GHz / 2**step >= 6.25],
            )
        for key in ("spacing_GHz", "spacing_nm"):
            if (spacing := getattr(wishes, key)) is not None:
                yield key, [float(f"{spacing * 0.85**step:.3g}") for step in range(1, 16)]
                yield key, [float(f"{spacing * 1.15**step:.3g}") for step in range(1, 16)]
        if wishes.most_buses < 64:
            yield "most_buses", [n for n in range(wishes.most_buses + 1, 65) if wishes.dims % n == 0 or n == 64]
    if broken & (on_lines | {"die_area", "connections"}):
        yield "dims", _halved(wishes.dims)
    if broken & (on_light | {"die_area", "connections", "trimming_power"}):
        # Light is saved by a tree of fewer levels alone, room and heat by every row.
        fewer = smaller_trees(wishes.rows) if broken & on_light else range(wishes.rows - 1, 0, -1)
        yield "rows", [n for n in fewer if wishes.k is None or n > wishes.k]
    if "die_area" in broken and wishes.most_area_mm2 < 858.0:
        yield "most_area_mm2", [round(min(wishes.most_area_mm2 * 1.3**step, 858.0), 1) for step in range(1, 12)]


def _halved(count: int) -> list[int]:
    return [count >> step for step in range(1, count.bit_length()) if count >> step >= 1]


def _together(wishes: Wishes) -> Change:
    """A change of several wishes: all that may help as far as it goes, then each put back that need not be.

    Raises:
        InputError: Not even that is a chip: the base spec asks for it.
    """
    far: dict[str, Any] = {
        "max_voltage_V": 56.0,
        "residual_pm": 1.0,
        "required_snr_dB": min(wishes.snr_dB, 6.0),
        "weight_limit": min(wishes.weight_limit, 0.3),
        "most_line_power_dBm": max(wishes.most_line_power_dBm, 20.0),
        "least_bandwidth_GHz": 0.01,
        "most_buses": 64,
        "most_area_mm2": 858.0,
        "itu_grid_GHz": None,
        "first_itu_channel": None,
        "spacing_GHz": None,
        "spacing_nm": None,
        "trimming": "permanent" if wishes.trimming == "none" else wishes.trimming,
        "encoding": None if wishes.encoding is None else "two_shot",
        "rows": min(wishes.rows, 32),
        "dims": min(wishes.dims, 32),
    }
    far = {key: value for key, value in far.items() if value != getattr(wishes, key)}

    def possible(changes: dict[str, Any]) -> Sized | None:
        data = wishes.model_dump(exclude_none=True)
        if "required_snr_dB" in changes or "rows" in changes:
            data = {key: value for key, value in data.items() if key not in ("recall", "k", "bits")}
        merged = {key: value for key, value in (data | changes).items() if value is not None}
        try:
            return first_feasible(Wishes.model_validate(merged))
        except ValidationError:
            return None

    best = possible(far)
    if best is None:
        raise InputError(
            f"wishes: not even {', '.join(f'{key} = {value!r}' for key, value in far.items())} allow a chip on "
            f"{wishes.process}; begin with another base than {wishes.base}, whose drift or fabrication forbids it"
        )
    for key in list(far):
        fewer = {name: value for name, value in far.items() if name != key}
        if (found := possible(fewer)) is not None:
            far, best = fewer, found
    sizes = (_size(wishes, key, value) if isinstance(value, float) else 1.0 for key, value in far.items())
    return Change(far, math.fsum(sizes), best)
