"""The row with everything that reflects as a SAX netlist: an independent solution of `reflecting_row`."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prism_photonics.circuit.reflecting import ENDS, EndReflectors, ReflectingFields, RowReflections
from prism_photonics.circuit.saxrow import row_netlist, row_settings, strict_circuit
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.ring.saxmodel import split_ring
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.lightpath.waveguide.saxmirror import mirror
from prism_photonics.lightpath.waveguide.saxmodel import path

PORTS = ("in", "through", "drop", "far")
"""The row's ports in `row_netlist`, in the order of `ENDS`."""


def reflecting_netlist(rings: int, reflectors: int) -> dict[str, Any]:
    """The row of `row_netlist` with reflectors beyond its four ends; ports as there."""
    plain = row_netlist(rings)
    instances, connections, ports = dict(plain["instances"]), dict(plain["connections"]), {}
    for end, port in zip(ENDS, PORTS, strict=True):
        last = plain["ports"][port]
        for k in range(reflectors):
            instances |= {f"{end}_way_{k}": "path", f"{end}_mirror_{k}": "mirror"}
            connections |= {last: f"{end}_way_{k},o1", f"{end}_way_{k},o2": f"{end}_mirror_{k},o1"}
            last = f"{end}_mirror_{k},o2"
        ports[port] = last
    return {"instances": instances, "connections": connections, "ports": ports}


def end_settings(ends: EndReflectors) -> dict[str, dict[str, Any]]:
    """Settings of the reflectors of one row."""
    settings: dict[str, dict[str, Any]] = {}
    for n, end in enumerate(ENDS):
        for k in range(ends.amplitude.shape[-1]):
            at = jax.tree.map(lambda leaf, n=n, k=k: leaf[n, k], ends)
            settings[f"{end}_way_{k}"] = vars(at.way).copy()
            settings[f"{end}_mirror_{k}"] = {"amplitude": at.amplitude, "phase_rad": at.phase_rad}
    return settings


def sax_reflecting_row(
    wl: Float[Array, " wl"],
    rings: RingParams,
    buses: PathParams,
    *,
    shift_pm: Float[Array, " rings"],
    reflections: RowReflections,
) -> ReflectingFields:
    """The fields of `reflecting_row`, computed by SAX's KLU backend on the row's netlist.

    Every ring must scatter back: SAX's model divides by its splitting.
    """
    count = shift_pm.shape[0]
    netlist = reflecting_netlist(count, reflections.ends.amplitude.shape[-1])
    settings = row_settings(rings, buses, shift_pm) | end_settings(reflections.ends)
    for j in range(count):
        to_ccw_pm, to_cw_pm = reflections.backscatter.to_ccw_pm[j], reflections.backscatter.to_cw_pm[j]
        settings[f"ring_{j}"] |= {"to_ccw_pm": to_ccw_pm, "to_cw_pm": to_cw_pm}
    s = strict_circuit(netlist, {"ring": split_ring, "path": path, "mirror": mirror})(wl=wl, **settings)
    through, drop, reflected = (jnp.asarray(s["in", out]) for out in ("through", "drop", "in"))
    return ReflectingFields(through, drop, reflected)
