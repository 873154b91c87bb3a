"""Strict SAX circuits, and the row as a SAX netlist: an independent solution of the same fields."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from prism_photonics.circuit.models import required_settings
from prism_photonics.circuit.row import RowFields
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.ring.saxmodel import ring
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError, nearest

_KEPT: list[Callable[..., sax.SType]] = []
"""Circuits made so far. A circuit owns KLU's analysis of its matrix, of which a solve that JAX has started, or
compiled, knows the address alone: were it forgotten before its result is there, klujax 0.5 would read freed memory.
Some kilobytes each; who solves one netlist many times should make its circuit once."""


def strict_circuit(
    netlist: Mapping[str, Any],
    models: Mapping[str, Callable[..., sax.SDict]],
    *,
    backend: Literal["klu", "filipsson_gunnar"] = "klu",
) -> Callable[..., sax.SDict]:
    """`sax.circuit`, except that unknown settings, and devices left to their defaults, are errors.

    SAX drops what a model does not take: a straight of another library, its length called otherwise, would be simulated
    with our model's default length.

    Args:
        netlist: Flat or recursive SAX netlist.
        models: SAX models by component name.
        backend: SAX backend: ``klu`` or ``filipsson_gunnar`` (the other two are wrong or never return on rings).

    Returns:
        The circuit function; call it with ``wl=`` and nested settings.

    Raises:
        InputError: An instance has a setting that its model does not take, or lacks one of its design. On call, a
            setting that no instance has; the message names the nearest known one.
    """
    _refuse_odd_instances(netlist, models)
    circuit, _ = sax.circuit(dict(netlist), models=dict(models), backend=backend)
    _KEPT.append(circuit)
    known = sax.get_settings(circuit)

    def checked(**settings: Any) -> sax.SDict:
        _refuse_unknown(settings, known, "circuit")
        return sax.sdict(circuit(**settings))

    return checked


def _refuse_odd_instances(netlist: Mapping[str, Any], models: Mapping[str, Callable[..., sax.SDict]]) -> None:
    cells = [netlist] if "instances" in netlist else list(netlist.values())
    for name, instance in ((n, i) for cell in cells for n, i in cell["instances"].items()):
        component = instance if isinstance(instance, str) else instance["component"]
        if component not in models or isinstance(instance, str):
            continue
        given, known = instance.get("settings", {}), sax.get_settings(models[component])
        for key in sorted(given.keys() - known.keys()):
            raise InputError(
                f"netlist: {name} is a {component} with the setting '{key}', which its model does not take; "
                f"{nearest(key, known)}"
            )
        missing = sorted(required_settings(models[component]) - given.keys())
        if missing:
            raise InputError(
                f"netlist: {name} is a {component} without {', '.join(missing)}; its model would take defaults; give "
                f"every field of its design"
            )


def _refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for key, value in given.items():
        if key not in known and key != "wl":
            raise InputError(f"{where}: unknown setting '{key}'; {nearest(key, known)}")
        if isinstance(value, Mapping):
            if not isinstance(known.get(key), Mapping):
                raise InputError(f"{where}.{key}: is a number, not a group of settings; give a number")
            _refuse_unknown(value, known[key], f"{where}.{key}")
        elif isinstance(known.get(key), Mapping):
            raise InputError(f"{where}.{key}: is a group of settings, not a number; give its settings by name")


def row_netlist(rings: int) -> dict[str, Any]:
    """The row as a flat SAX netlist: ``rings`` rings between through and drop segments; ports as in `row_response`."""
    names = range(rings + 1)
    instances = {f"through_{j}": "path" for j in names} | {f"drop_{j}": "path" for j in names}
    instances |= {f"ring_{j}": "ring" for j in range(rings)}
    connections = {}
    for j in range(rings):
        connections |= {f"through_{j},o2": f"ring_{j},o1", f"ring_{j},o2": f"through_{j + 1},o1"}
        connections |= {f"drop_{j},o2": f"ring_{j},o3", f"ring_{j},o4": f"drop_{j + 1},o1"}
    ports = {
        "in": "through_0,o1",
        "through": f"through_{rings},o2",
        "drop": "drop_0,o1",
        "far": f"drop_{rings},o2",
    }
    return {"instances": instances, "connections": connections, "ports": ports}


def row_settings(rings: RingParams, buses: PathParams, shift_pm: Float[Numbers, " rings"]) -> dict[str, dict[str, Any]]:
    """Settings of `row_netlist` for the parameters of one row."""
    count = shift_pm.shape[0]
    settings: dict[str, dict[str, Any]] = {}
    for j in range(count):
        one = jax.tree.map(lambda leaf, j=j: leaf[j], rings)
        settings[f"ring_{j}"] = {
            "t1": one.t1, "t2": one.t2, "a": one.a, "opl_um": one.opl_um, "gpl_um": one.gpl_um,
            "shift_pm": shift_pm[j], "wl0_um": one.wl0_um,
        }  # fmt: skip
    for bus, name in enumerate(("through", "drop")):
        for j in range(count + 1):
            segment = jax.tree.map(lambda leaf, bus=bus, j=j: leaf[bus, j], buses)
            settings[f"{name}_{j}"] = vars(segment).copy()
    return settings


def sax_row_response(
    wl: Float[Numbers, " wl"], rings: RingParams, buses: PathParams, shift_pm: Float[Numbers, " rings"]
) -> RowFields:
    """The fields of `row_response`, computed by SAX's KLU backend on the row's netlist."""
    s = _row_circuit(shift_pm.shape[0])(wl=wl, **row_settings(rings, buses, shift_pm))
    return RowFields(jnp.asarray(s["in", "through"]), jnp.asarray(s["in", "drop"]))


@functools.cache
def _row_circuit(rings: int) -> Callable[..., sax.SDict]:
    """The circuit of a row: it is kept anyway, so one serves all rows of so many rings."""
    # Op by op, either model would be some thirty programs to compile.
    return strict_circuit(row_netlist(rings), {"ring": jax.jit(ring), "path": jax.jit(path)})


def max_field_error(ours: RowFields, theirs: RowFields) -> float:
    """Largest complex difference between two sets of fields."""
    through = np.abs(np.asarray(ours.through) - np.asarray(theirs.through)).max()
    return float(max(through, np.abs(np.asarray(ours.drop) - np.asarray(theirs.drop)).max()))
