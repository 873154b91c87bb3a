"""The drawn chip simulated from its netlist: SAX on every cell, rows joined as the drawing joins them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.row import RowFields
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.netlist import Cell, Netlist
from prism_photonics.process.profile import Profile
from prism_photonics.units import InputError


def drawn_fields(
    netlist: Netlist,
    profile: Profile,
    *,
    loss_dB_cm: float,
    wl: Float[ndarray, " wl"],
    shift_pm: Float[ndarray, "rows rings"],
) -> RowFields:
    """Complex fields at every detector for unit field in the fibre, from the netlist alone.

    The feed (coupler and tree) and the rows are simulated as they are connected; a row sends no light back to the feed,
    so their product is exact. Rows that share a cell share one compiled circuit, banks that share a cell one feed.

    Args:
        netlist: The chip's netlist, drawn or designed.
        profile: The film stack.
        loss_dB_cm: Waveguide loss.
        wl: Wavelengths in µm.
        shift_pm: Resonance shift of every ring in pm, bus by bus.

    Returns:
        Fields by detector, leaves (rows, buses, wl): row n, bus b is what arrives at ``detector_n`` of bank b.

    Raises:
        InputError: A detector or a row is not connected as the design needs it.
    """
    models = device_models(profile, loss_dB_cm=loss_dB_cm)
    shifts = np.split(shift_pm, len(netlist.banks), axis=1)
    circuits: dict[str, Any] = {}
    banks = [
        _bank_fields(netlist, cell, models, circuits, jnp.asarray(wl), shift)
        for cell, shift in zip(netlist.banks.values(), shifts, strict=True)
    ]
    return RowFields(*(jnp.asarray(np.stack([bank[exit] for bank in banks], axis=1)) for exit in (0, 1)))


def _bank_fields(
    netlist: Netlist,
    name: str,
    models: dict[str, Any],
    circuits: dict[str, Any],
    wl: Any,
    shift_pm: Float[ndarray, "rows channels"],
) -> tuple[np.ndarray, np.ndarray]:
    """Fields (through, drop) of one bank's detectors, (rows, wl); ``circuits`` keeps what is compiled, by cell."""
    bank = netlist.cells[name]
    partner = {a: b for pair in bank.connections for a, b in (sorted(pair), sorted(pair, reverse=True))}
    if f"feed of {name}" not in circuits:
        circuits[f"feed of {name}"] = _feed(netlist, name, partner, models, wl)
    feed = circuits[f"feed of {name}"]
    through, drop = [], []
    for n in range(shift_pm.shape[0]):
        row, exit_port = _split(partner, f"detector_{n},o1")
        drop_row, drop_port = _split(partner, f"detector_{n},o2")
        if row != drop_row or row not in bank.instances:
            raise InputError(f"netlist: detector_{n} is fed by {row} and {drop_row}, not by one row; mend the drawing")
        cell = bank.instances[row].component
        if cell not in circuits:
            circuits[cell] = jax.jit(strict_circuit(netlist.to_sax(cell), models))
        index = int(row.removeprefix("row_"))
        settings = {f"ring_{c}": {"shift_pm": shift_pm[index, c]} for c in range(shift_pm.shape[1])}
        s = circuits[cell](wl=wl, **settings)
        arriving = feed[row]
        through.append(arriving * s["o1", exit_port])
        drop.append(arriving * s["o1", drop_port])
    return np.stack(through), np.stack(drop)


def _feed(netlist: Netlist, name: str, partner: dict[str, str], models: dict[str, Any], wl: Any) -> dict[str, Any]:
    """Field at the entrance of every row of a bank, by row name."""
    bank = netlist.cells[name]
    is_row = {name: inst.component.startswith("row") for name, inst in bank.instances.items()}
    kept = {n: i for n, i in bank.instances.items() if not is_row[n] and not n.startswith("detector_")}
    pairs = frozenset(p for p in bank.connections if all(end.split(",")[0] in kept for end in p))
    entrances = {name: partner[f"{name},o1"] for name in bank.instances if is_row[name] and f"{name},o1" in partner}
    ports = dict(bank.ports) | dict(entrances)
    flat = Netlist({**netlist.cells, name: Cell(kept, pairs, ports)}, name)
    s = strict_circuit(flat.to_sax(), models)(wl=wl)
    return {name: s["o1", name] for name in entrances}


def _split(partner: dict[str, str], end: str) -> tuple[str, str]:
    if end not in partner:
        raise InputError(f"netlist: {end} is not connected; mend the drawing")
    instance, port = partner[end].split(",")
    return instance, port
