"""The row of Vernier pairs as a SAX netlist: the second road to the fields of `vernier_row_response`."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prism_photonics.circuit.row import RowFields
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.lightpath.vernier.model import VernierParams, vernier
from prism_photonics.lightpath.waveguide.model import PathParams, path


def vernier_netlist(pairs: int) -> dict[str, Any]:
    """The row as a flat SAX netlist: ``pairs`` pairs between through and drop segments, both exits in the east."""
    names = range(pairs + 1)
    instances = {f"through_{j}": "path" for j in names} | {f"drop_{j}": "path" for j in names}
    instances |= {f"pair_{j}": "vernier" for j in range(pairs)}
    connections = {}
    for j in range(pairs):
        connections |= {f"through_{j},o2": f"pair_{j},o1", f"pair_{j},o2": f"through_{j + 1},o1"}
        connections |= {f"drop_{j},o2": f"pair_{j},o3", f"pair_{j},o4": f"drop_{j + 1},o1"}
    ports = {
        "in": "through_0,o1",
        "through": f"through_{pairs},o2",
        "add": "drop_0,o1",
        "drop": f"drop_{pairs},o2",
    }
    return {"instances": instances, "connections": connections, "ports": ports}


def sax_vernier_response(
    wl: Float[Array, " wl"], pairs: VernierParams, buses: PathParams, shift_pm: Float[Array, "pairs 2"]
) -> RowFields:
    """The fields of `vernier_row_response`, computed by SAX's KLU backend on the row's netlist."""
    count = shift_pm.shape[0]
    settings: dict[str, dict[str, Any]] = {}
    for j in range(count):
        one = jax.tree.map(lambda leaf, j=j: leaf[j], pairs)
        optics = {name: value for name, value in vars(one).items() if not name.startswith(("offset", "slope"))}
        settings[f"pair_{j}"] = optics | {"shift1_pm": shift_pm[j, 0], "shift2_pm": shift_pm[j, 1]}
    for bus, name in enumerate(("through", "drop")):
        for j in range(count + 1):
            settings[f"{name}_{j}"] = vars(jax.tree.map(lambda leaf, bus=bus, j=j: leaf[bus, j], buses)).copy()
    circuit = strict_circuit(vernier_netlist(count), {"vernier": vernier, "path": path})
    s = circuit(wl=wl, **settings)
    return RowFields(jnp.asarray(s["in", "through"]), jnp.asarray(s["in", "drop"]))
