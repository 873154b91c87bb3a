"""A layout of one's own as a SAX circuit: our cells and gdsfactory's guides, each as it was drawn and turned.

A netlist names what was placed; how it was turned stands beside it, in the placements, which SAX does not read. On a
film whose index differs by direction a straight along layout y is another guide than one along x.
"""

from collections.abc import Callable, Mapping
from typing import Any

import gdsfactory as gf
from gdsfactory.get_netlist import function_namer

from prism_photonics.circuit.models import Model
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError

# How gdsfactory draws its bends, which light does not see.
_DRAWING_ONLY = frozenset(("with_arc_floorplan", "npoints", "angular_step", "layer", "allow_min_radius_violation"))
NO_LIGHT = "no_light"
SETTING_DIGITS = 12  # of the netlist's settings: gdsfactory's own 3 make a loss of 0.2345 dB one of 0.234
_ALONG_X_ONLY = ("ring", "vernier", "branch")  # whose optics is known as they are drawn, not across


def component_circuit(component: gf.Component, *, pdk: gf.Pdk | None = None) -> Callable[..., sax.SDict]:
    """The SAX circuit of a layout of one's own, as `sax.circuit` makes it, except that nothing is dropped or guessed.

    Straights are simulated along the direction in which they lie, and a ring that is turned by half a turn has its
    electrodes' field reversed. Cells of one's own are gone through, turned as they are placed; pads and wires, which no
    light meets, are left out.

    Args:
        component: The layout; its optical ports are the circuit's.
        pdk: Whose models simulate; the active one when none is given.

    Returns:
        A function of ``wl`` (µm) and of settings by instance name, such as ``ring={"volts_V": 3.0}``.

    Raises:
        InputError: A cell has no model, a setting that its model does not take, or stands at an angle at which its
            optics is not known. On call, a setting that no instance has.
    """
    models = (pdk or gf.get_active_pdk()).models
    drawn: Mapping[str, Any] = component.get_netlist(
        recursive=True,
        on_dangling_port="ignore",
        serialization_max_digits=SETTING_DIGITS,
        component_namer=_light_or_none,
    )
    cells: dict[str, Any] = {}
    # A cell that a function made stands under that function's name; the top comes first either way.
    top = next(iter(drawn), component.name or "")
    _visit(top, 0, drawn=drawn, models=models, cells=cells)
    return strict_circuit(cells, models)


def _light_or_none(cell: Any) -> str:
    """A part's name in the netlist: its function's, or one word for all that no light meets, such as pads and wires."""
    ports = list(cell.ports)
    dark = bool(ports) and all(port.port_type != "optical" for port in ports)
    return NO_LIGHT if dark else function_namer(cell)


def _visit(
    name: str, turn_deg: int, *, drawn: Mapping[str, Any], models: Mapping[str, Model], cells: dict[str, Any]
) -> str:
    """Add a cell as it stands when turned, and what is in it; returns its name among the cells."""
    key = name if turn_deg == 0 else f"{name}_turned_{turn_deg}"
    if key in cells:
        return key
    if not drawn.get(name, {}).get("instances"):
        raise InputError(f"netlist: {name or 'the component'} holds no instances; place it in a component of your own")
    cells[key] = {}  # first, so that the top cell stands first
    instances = {}
    for own, part in drawn[name]["instances"].items():
        if part["component"].startswith(NO_LIGHT):  # of several cells gdsfactory numbers the names
            continue
        if part.get("array"):
            raise InputError(
                f"netlist: {own} is an array of {part['component']}, whose ports SAX cannot name; "
                "place its parts one by one"
            )
        place = drawn[name]["placements"].get(own, {})
        turned = _turned_deg(turn_deg, place, where=f"{own} ({part['component']})")
        component, settings = part["component"], dict(part.get("settings") or {})
        if component in models:
            instances[own] = {
                "component": component,
                "settings": _as_placed(own, component, settings, turned, model=models[component]),
            }
        elif component in drawn:
            inner = _visit(component, turned, drawn=drawn, models=models, cells=cells)
            instances[own] = {"component": inner, "settings": {}}
        else:
            raise InputError(
                f"netlist: {own} is a {component}, which has no model; add one to the PDK's models, or use a cell that "
                f"has one: {', '.join(sorted(models))}"
            )
    cells[key] = {
        "instances": instances,
        "nets": [
            dict(net)
            for net in drawn[name].get("nets", ())
            if all(net[end].split(",")[0] in instances for end in ("p1", "p2"))
        ],
        "ports": {port: end for port, end in drawn[name]["ports"].items() if end.split(",")[0] in instances},
    }
    return key


def _turned_deg(turn_deg: int, place: Mapping[str, Any], *, where: str) -> int:
    """Angle to layout x of what lies along a part's own x axis: 0, 90, 180 or 270 degrees.

    A cell that is turned turns its parts; a mirror, about a part's own x axis, comes first and leaves that axis.
    """
    angle = float(place.get("rotation") or 0.0)
    if abs(angle / 90.0 - round(angle / 90.0)) > 1e-6:
        raise InputError(
            f"netlist: {where} is turned by {angle:g}°; the film's index is known along x and y; turn by 90° steps"
        )
    return (turn_deg + 90 * round(angle / 90.0)) % 360


def _as_placed(name: str, component: str, settings: dict[str, Any], turned_deg: int, *, model: Model) -> dict[str, Any]:
    """A part's settings as its model takes them, with the way it is turned."""
    known = sax.get_settings(model)
    settings = {key: value for key, value in settings.items() if key in known or key not in _DRAWING_ONLY}
    if turned_deg in (90, 270) and component in _ALONG_X_ONLY:
        raise InputError(
            f"netlist: {name} is a {component} turned by {turned_deg}°; its optics is known along layout x; turn it by "
            f"0° or 180°"
        )
    if "along" in known:
        settings["along"] = "x" if turned_deg in (0, 180) else "y"
    if "polarity" in known and turned_deg == 180:
        settings["polarity"] = -1.0
    return settings
