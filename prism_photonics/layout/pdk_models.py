"""SAX models under the names of the PDK's cells: our devices, and gdsfactory's straights and bends on our film."""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import gdsfactory as gf
import jax.numpy as jnp

from prism_photonics.circuit.models import Model, device_models
from prism_photonics.layout.pdk_cells import VARIANTS
from prism_photonics.layout.spec_models import spec_models
from prism_photonics.lightpath.sizes import number, require_number
from prism_photonics.process.profile import Profile
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError

RADII = 1.5  # of a routing bend, in least radii of the film: an Euler bend is sharper in its middle


def pdk_models(profile: Profile, *, loss_dB_cm: float | None = None) -> dict[str, Model]:
    """Models for ``sax.circuit`` on netlists that gdsfactory extracts; ports as in the cells, contacts included.

    A straight's direction is in no netlist that SAX reads, so a straight counts as running along layout x unless its
    setting ``along`` says "y". And SAX (0.18.2) drops settings that a model does not take before the model is called.
    `component_circuit` reads the directions off the layout, and refuses such settings.

    Args:
        profile: The film.
        loss_dB_cm: Waveguide loss; the film's when none is given.
    """
    loss = profile.optics.loss_dB_cm.value if loss_dB_cm is None else loss_dB_cm
    models = device_models(profile, loss_dB_cm=loss)
    guide = models.pop("guide")
    least_um, rib_um = profile.film.min_bend_radius_um.value, profile.film.rib_width_um.value
    radius_um = RADII * least_um

    def bend_circular(
        *,
        wl: sax.FloatArrayLike = 1.55,
        radius: Any = None,
        angle: Any = 90.0,
        cross_section: Any = "rib",
        width: Any = None,
    ) -> sax.SDict:
        chosen = radius_um if radius is None else radius
        _require_bend("bend_circular", least_um, radius=chosen, angle=angle)
        _require_width("bend_circular", width, rib_um)
        return guide(
            wl=wl, bend_um=_of_our_rib("bend_circular", cross_section, rib_um) * math.radians(abs(angle)) * chosen
        )

    def bend_euler(
        *,
        wl: sax.FloatArrayLike = 1.55,
        radius: Any = None,
        angle: Any = 90.0,
        p: Any = 0.5,
        cross_section: Any = "rib",
        width: Any = None,
    ) -> sax.SDict:
        chosen = radius_um if radius is None else radius
        _require_bend("bend_euler", least_um, radius=chosen, angle=angle, p=p)
        _require_width("bend_euler", width, rib_um)
        turns = _of_our_rib("bend_euler", cross_section, rib_um) * _euler_um(float(angle), float(p))
        return guide(wl=wl, bend_um=turns * chosen)

    models |= {"facet_coupler": models["edge_coupler"]}
    models |= {name: _with_defaults(name, models["ring"], fixed) for name, fixed in VARIANTS.items()}
    wired = {name: _with_contacts(model, _CONTACTS[name]) for name, model in models.items() if name in _CONTACTS}
    routed = {"straight": _straight(models["straight"], guide, rib_um)}
    bends = {"bend_circular": bend_circular, "bend_euler": bend_euler}
    return {**models, **wired, **routed, **bends, **spec_models(profile)}


def _with_defaults(name: str, model: Model, fixed: Mapping[str, float]) -> Model:
    """The model under another name, some of its settings with defaults of their own."""

    def variant(**settings: Any) -> sax.SDict:
        return model(**{**fixed, **settings})

    _pose_as(variant, model, {})
    variant.__name__ = name
    signature = inspect.signature(model)
    parameters = [p.replace(default=fixed.get(p.name, p.default)) for p in signature.parameters.values()]
    vars(variant)["__signature__"] = signature.replace(parameters=parameters)
    return variant


# Contacts of each device: SAX wants a port in the model for every port that a netlist exports.
_CONTACTS = {
    "ring": ("e1", "e2", "e3", "e4"),
    **dict.fromkeys(VARIANTS, ("e1", "e2", "e3", "e4")),
    "vernier": ("e1", "e2", "e3", "e4"),
    "detector": ("e1", "e2", "e3"),
    "photodiode": ("e1", "e2"),
}


def _with_contacts(model: Model, contacts: tuple[str, ...]) -> Model:
    """The model with ports that no light passes."""

    def wired(**settings: Any) -> sax.SDict:
        fields = model(**settings)
        nothing = jnp.zeros_like(next(iter(fields.values())))
        return {**fields, **{(contact, contact): nothing for contact in contacts}}

    _pose_as(wired, model, {})
    return wired


def _straight(ours: Model, guide: Model, rib_um: float) -> Model:
    """Our straight by its fields, or gdsfactory's by its own; along layout x, or along y."""
    own = sax.get_settings(ours)

    def straight(
        *,
        wl: sax.FloatArrayLike = 1.55,
        length: Any = None,
        cross_section: Any = "rib",
        along: str = "x",
        **settings: Any,
    ) -> sax.SDict:
        width = settings.pop("width", None)
        settings.pop("npoints", None)
        if along not in ("x", "y"):
            raise InputError(f"straight: along = {along!r}; want 'x' or 'y', the layout's axes")
        if length is None:
            if width is not None:
                raise InputError("straight: width is gdsfactory's, length is not given; give length too, or width_um")
            along_x = ours(wl=wl, **settings)  # refuses what is no straight of ours
            length_um = settings.get("length_um", own["length_um"])
            return along_x if along == "x" else guide(wl=wl, y_um=length_um)
        # SAX hands over every setting, those that nobody gave at their defaults.
        mixed = sorted(key for key, value in settings.items() if number(value) not in (None, own.get(key)))
        if mixed:
            raise InputError(
                f"straight: length is gdsfactory's, {', '.join(mixed)} is not; give length_um and width_um, or length, "
                "cross_section and width"
            )
        _require_width("straight", width, rib_um)
        if (um := require_number("straight", "length", length)) is not None and not 0.0 <= um < math.inf:
            raise InputError(f"straight: length = {um:g}; want 0 or more (a length)")
        passed = _of_our_rib("straight", cross_section, rib_um) * length
        return guide(wl=wl, x_um=passed) if along == "x" else guide(wl=wl, y_um=passed)

    _pose_as(straight, ours, {"length": None, "cross_section": "rib", "width": None, "npoints": 2, "along": "x"})
    return straight


def _require_width(device: str, width: Any, rib_um: float) -> None:
    """Refuse a guide of another width than the film's rib."""
    um = None if width is None else require_number(device, "width", width)
    if um is not None and not abs(um - rib_um) <= 1e-6:
        raise InputError(f"{device}: width = {um:g}; the mode is known for ribs of {rib_um:g} µm; give that")


def _require_bend(device: str, least_um: float, *, radius: Any, angle: Any, p: Any = 0.0) -> None:
    """Refuse a bend that gdsfactory would not draw on the film."""
    um, turn_deg, share = (
        require_number(device, key, value) for key, value in (("radius", radius), ("angle", angle), ("p", p))
    )
    if um is not None and not least_um - 1e-9 <= um < math.inf:
        raise InputError(f"{device}: radius = {um:g}; want at least {least_um:g}, the least radius of the film")
    if turn_deg is not None and not 0.0 < abs(turn_deg) <= 360.0:
        raise InputError(f"{device}: angle = {turn_deg:g}; want above 0° and up to 360°, either way")
    if share is not None and not 0.0 <= share <= 1.0:
        raise InputError(f"{device}: p = {share:g}; want 0 (an arc) to 1 (no arc)")


def _pose_as(wrapper: Callable[..., sax.SDict], model: Model, more: dict[str, Any]) -> None:
    """Give a wrapper the signature that SAX reads, with more keywords."""
    signature = inspect.signature(model)
    extra = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in more.items()]
    wrapper.__name__ = model.__name__
    wrapper.__doc__ = model.__doc__
    vars(wrapper)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *extra])


def _of_our_rib(device: str, cross_section: Any, rib_um: float) -> float:
    """1 for a cross-section of the film's rib; the mode of any other is not known."""
    if isinstance(cross_section, str) and cross_section.startswith("xs_"):
        return 1.0  # a router has numbered a copy of the one it was given; the netlist says no more of it
    try:
        width = gf.get_cross_section(cross_section).width
    except ValueError as error:
        raise InputError(f"{device}: cross_section = {cross_section!r}: {error}; give 'rib'") from None
    if abs(width - rib_um) > 1e-6:
        raise InputError(
            f"{device}: cross_section = {cross_section!r} is {width:g} µm wide; the mode is known for {rib_um:g} µm; "
            f"give 'rib' of this film's PDK"
        )
    return 1.0


@cache
def _euler_um(angle_deg: float, p: float) -> float:
    """Length of an Euler bend over its radius."""
    return float(gf.path.euler(radius=1000.0, angle=angle_deg, p=p, use_eff=True).length()) / 1000.0
