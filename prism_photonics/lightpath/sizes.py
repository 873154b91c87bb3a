"""Limits of the sizes of devices on a film, in one table for drawing and optics.

Sizes that are traced by JAX are not looked at; a drawing has none.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from prism_photonics.lightpath.detector.design import LEAST_DIODE_UM, LEAST_HELD_UM
from prism_photonics.lightpath.ring.design import NECK_END_UM
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.layers import METAL1_SPACE_UM
from prism_photonics.process.profile import Profile
from prism_photonics.units import InputError

LEAST_NECK_UM = 0.25  # of the drawing rules' least rib
LEAST_TO_RIB_UM = 0.5  # mask misalignment that must not put metal on the rib; design choice
GRID_UM = 1e-3  # of the drawing

Sizes = Mapping[str, float]


def number(value: Any) -> float | None:
    """A size as a plain number; None where it is traced or an array."""
    # Asked for a float, a traced value searches all that was traced before for where it came from, to say so in its
    # refusal: a circuit of 64 rings spends a minute on such messages. Who has traced anything has loaded JAX.
    if (jax := sys.modules.get("jax")) is not None and isinstance(value, jax.core.Tracer):
        return None
    try:
        return float(value)
    except TypeError:
        return None


def require_number(device: str, field: str, value: Any) -> float | None:
    """As `number`, of what must not be a word.

    Raises:
        InputError: The value is a word or a truth value.
    """
    if isinstance(value, str | bool):
        raise InputError(f"{device}: {field} = {value!r}; want a number")
    return number(value)


def require_sizes(device: str, design: Any) -> None:
    """Refuse a design that cannot be drawn or has no optics.

    Args:
        device: Component name.
        design: Its design.

    Raises:
        InputError: A size is not finite, has the wrong sign, or does not fit another; the message names the least or
            the most that does.
    """
    sizes = _plain(design)
    for field, value in sizes.items():
        if not math.isfinite(value):
            raise InputError(f"{device}: {field} = {value:g}; want a finite number")
    for field, least, why in _limits(device, sizes):
        value = sizes[field]
        if value < least - 1e-9:
            raise InputError(f"{device}: {field} = {value:g}; want at least {least:.6g} ({why})")
    for field, most, why in _RULES_MOST[device](sizes) if device in _RULES_MOST else ():
        value = sizes[field]
        if value > most + 1e-9:
            raise InputError(f"{device}: {field} = {value:g}; want at most {most:.6g} ({why})")


def require_film(device: str, design: Any, profile: Profile) -> None:
    """Refuse a bend that the film does not bear, or a gap that its sloping walls close.

    Raises:
        InputError: The message names the film's limit.
    """
    least_radius, least_gap = profile.film.min_bend_radius_um.value, profile.least_gap_um
    plain = _plain(design)
    sharper = _sharper(plain)
    for field, value in plain.items():
        if field.startswith("radius") and value * sharper < least_radius - 1e-9:
            where = "" if sharper == 1.0 else f" between its ramps, where it is {value * sharper:.4g}"
            wanted = math.ceil(1e3 * least_radius / sharper - 1e-6) / 1e3
            raise InputError(
                f"{device}: {field} = {value:g}; want at least {wanted:g}, the least radius of {profile.name}{where}"
            )
        if field.startswith("gap_") and value < least_gap:
            raise InputError(
                f"{device}: {field} = {value:g}; want at least {least_gap:.3f}: below, the walls of two ribs of "
                f"{profile.name} meet"
            )


def require_mode(device: str, design: Any, profile: Profile) -> None:
    """Refuse a rib of another width than the film's, whose mode is the only one that is known.

    Raises:
        InputError: The message names both widths.
    """
    width, known = _plain(design).get("width_um"), profile.film.rib_width_um.value
    if width is not None and abs(width - known) > 1e-9:
        raise InputError(
            f"{device}: width_um = {width:g}; the mode of {profile.name} is known for ribs of {known:g} µm; give that"
        )


def _plain(design: Any) -> dict[str, float]:
    plain = {field: number(value) for field, value in asdict(design).items()}
    return {field: value for field, value in plain.items() if value is not None}


Limit = tuple[str, float, str]  # field, limit, reason


def _limits(device: str, sizes: Sizes) -> Iterator[Limit]:
    """Least value of every field: the grid where there is nothing without it, 0 where it may be absent."""
    may_be_zero = _MAY_BE_ZERO.get(device, ())
    for field in sizes:
        if field in _SIGNED.get(device, ()):
            continue
        if field in may_be_zero or field.endswith("_dB"):
            yield field, 0.0, "a length or loss"
        elif field == "euler_p":
            yield field, 0.0, "an arc of a circle"
        elif field == "cosine":
            yield field, 0.0, "clothoids"
        elif field.endswith("_um"):
            yield field, GRID_UM, "the drawing's grid"
        else:
            yield field, 0.1, "electrodes of some width"
    if device in _RULES_LEAST:
        yield from _RULES_LEAST[device](sizes)


_MAY_BE_ZERO = {
    "ring": ("straight_um", "arm_um", "heater_um", "neck_um"),
    "vernier": ("straight1_um", "straight2_um"),
    "guide": ("x_um", "y_um", "bend_um"),
}
_SIGNED = {"branch": ("dy_um",), "photodiode": ("length_um",)}


def _known(sizes: Sizes, *fields: str) -> bool:
    return all(field in sizes for field in fields)


def _inner(sizes: Sizes, *radii: str) -> Iterator[Limit]:
    for radius in radii:
        if _known(sizes, radius, "width_um"):
            least = (sizes["width_um"] / 2.0 + GRID_UM) / _sharper(sizes)
            yield radius, least, "half the rib, or the bend has no inner side"


def _sharper(sizes: Sizes) -> float:
    """Radius of a quarter turn's middle over that of the arc with its ends."""
    share = min(max(sizes.get("euler_p", 0.0), 0.0), 1.0)
    return QuarterTurn(1.0, share, sizes.get("cosine", 0.0) != 0.0).least_radius_um


def _ring_least(sizes: Sizes) -> Iterator[Limit]:
    yield from _inner(sizes, "radius_um")
    if _known(sizes, "radius_um", "straight_um", "width_um", "pitch_um"):
        ring_um = 2.0 * sizes["radius_um"] + sizes["straight_um"] + sizes["width_um"]
        yield "pitch_um", ring_um, "the ring itself"
        if sizes.get("neck_um"):
            yield "pitch_um", ring_um + 2.0 * NECK_END_UM, "the ring and the necks of its buses"
    if sizes.get("neck_um"):
        yield "neck_um", LEAST_NECK_UM, "what can be drawn, or 0 for none"
    yield from _electrodes(sizes)


def _vernier_least(sizes: Sizes) -> Iterator[Limit]:
    yield from _inner(sizes, "radius1_um", "radius2_um")
    for n in ("1", "2"):
        if _known(sizes, f"radius{n}_um", f"straight{n}_um", "width_um", "pitch_um"):
            loop = 2.0 * sizes[f"radius{n}_um"] + sizes[f"straight{n}_um"] + sizes["width_um"]
            yield "pitch_um", loop, f"ring {n} itself"
    yield from _electrodes(sizes)


def _electrodes(sizes: Sizes) -> Iterator[Limit]:
    if _known(sizes, "electrode_gap_um", "width_um"):
        least = max(METAL1_SPACE_UM, sizes["width_um"] + 2.0 * LEAST_TO_RIB_UM)
        yield "electrode_gap_um", least, "else it is too narrow for the rib and the metal's spacing"


def _branch_least(sizes: Sizes) -> Iterator[Limit]:
    yield from _inner(sizes, "radius_um")
    if _known(sizes, "radius_um", "dx_um"):
        yield "dx_um", 2.0 * sizes["radius_um"], "two bends"
    if _known(sizes, "radius_um", "dy_um") and sizes["dy_um"] >= 0.0:
        yield "dy_um", 2.0 * sizes["radius_um"], "two bends"


def _clothoid_most(sizes: Sizes) -> Iterator[Limit]:
    if "euler_p" in sizes:
        yield "euler_p", 1.0, "ramps alone"
    if "cosine" in sizes:
        yield "cosine", 1.0, "ramps of a raised cosine"


def _branch_most(sizes: Sizes) -> Iterator[Limit]:
    yield from _clothoid_most(sizes)
    if _known(sizes, "radius_um", "dy_um") and sizes["dy_um"] < 0.0:
        yield "dy_um", -2.0 * sizes["radius_um"], "two bends"


def _splitter_least(sizes: Sizes) -> Iterator[Limit]:
    if _known(sizes, "taper_width_um", "port_pitch_um", "mmi_width_um"):
        ports = sizes["port_pitch_um"] + sizes["taper_width_um"]
        yield "port_pitch_um", sizes["taper_width_um"] + GRID_UM, "else the two outputs are one"
        yield "mmi_width_um", ports, "its ports"


def _detector_least(sizes: Sizes) -> Iterator[Limit]:
    if _known(sizes, "length_um"):
        yield "length_um", LEAST_DIODE_UM, "a guide that widens, an absorber, a guide that narrows"
    if _known(sizes, "hold_um"):
        yield "hold_um", LEAST_HELD_UM, "wires beside each other"


def _photodiode_least(sizes: Sizes) -> Iterator[Limit]:
    if abs(sizes.get("length_um", LEAST_DIODE_UM)) < LEAST_DIODE_UM:
        yield "length_um", LEAST_DIODE_UM, "taper, absorber, taper; as much below 0 for light that heads west"
    if _known(sizes, "hold_um"):
        yield "hold_um", LEAST_HELD_UM, "wires beside each other"


def _tip_most(sizes: Sizes) -> Iterator[Limit]:
    if _known(sizes, "tip_um", "width_um"):
        yield "tip_um", sizes["width_um"], "the rib that it narrows"


def _lobe_most(sizes: Sizes) -> Iterator[Limit]:
    if _known(sizes, "neck_um", "width_um"):
        yield "neck_um", sizes["width_um"], "the rib that it narrows"
    yield from _clothoid_most(sizes)
    if "lobe_half_angle_deg" in sizes:
        yield "lobe_half_angle_deg", 90.0, "two lobes share the ring"


_RULES_LEAST: Mapping[str, Callable[[Sizes], Iterator[Limit]]] = {
    "ring": _ring_least,
    "vernier": _vernier_least,
    "uturn": lambda sizes: _inner(sizes, "radius_um"),
    "branch": _branch_least,
    "splitter": _splitter_least,
    "detector": _detector_least,
    "photodiode": _photodiode_least,
}
_RULES_MOST: Mapping[str, Callable[[Sizes], Iterator[Limit]]] = {
    "uturn": _clothoid_most,
    "branch": _branch_most,
    "edge_coupler": _tip_most,
    "terminator": _tip_most,
    "ring": _lobe_most,
    "vernier": _lobe_most,
}
