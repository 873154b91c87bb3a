"""The drawn chip simulated from its netlist: SAX on every kind of row, and the exact feed of coupler and tree."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.circuit.feed import Feed, partners
from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.row import RowFields
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.netlist import Cell, Netlist, detector_ends
from prism_photonics.process.profile import Profile
from prism_photonics.units import InputError


@dataclass(frozen=True)
class DrawnRows:
    """Light in the rows of a drawn bank.

    Attributes:
        arriving: Complex field at each row's entrance for unit field in the bank's fibre.
        fields: Complex fields at each row's detectors for unit field at its entrance.
    """

    arriving: Complex[ndarray, "rows wl"]
    fields: RowFields

    @property
    def weights(self) -> Float[ndarray, "rows wl"]:
        """``w = T_through − T_drop``, dimensionless in [−1, 1]."""
        return np.abs(np.asarray(self.fields.through)) ** 2 - np.abs(np.asarray(self.fields.drop)) ** 2


def drawn_fields(
    netlist: Netlist,
    profile: Profile,
    *,
    loss_dB_cm: float,
    wl: Float[ndarray, " wl"],
    shift_pm: Float[ndarray, "rows rings"],
) -> RowFields:
    """Complex fields at every detector for unit field in each bank's fibre, leaves (rows, buses, wl).

    Arguments and errors as `drawn_rows`.
    """
    banks = drawn_rows(netlist, profile, loss_dB_cm=loss_dB_cm, wl=wl, shift_pm=shift_pm)
    through = np.stack([bank.arriving * np.asarray(bank.fields.through) for bank in banks], axis=1)
    drop = np.stack([bank.arriving * np.asarray(bank.fields.drop) for bank in banks], axis=1)
    return RowFields(jnp.asarray(through), jnp.asarray(drop))


def drawn_rows(
    netlist: Netlist,
    profile: Profile,
    *,
    loss_dB_cm: float,
    wl: Float[ndarray, " wl"],
    shift_pm: Float[ndarray, "rows rings"],
    broken: dict[int, str] | None = None,
    parts: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
) -> list[DrawnRows]:
    """Light in every row of every bank, from the netlist alone.

    The feed is solved exactly, with what its parts reflect (`prism_photonics.circuit.feed`); rows are taken to send no
    light back into it. Rows that share a cell share one compiled SAX circuit.

    Args:
        netlist: The chip's netlist, drawn or designed.
        profile: The film stack.
        loss_dB_cm: Waveguide loss.
        wl: Wavelengths in µm.
        shift_pm: Resonance shift of every ring in pm, those of a row bus by bus.
        broken: Given, a row that cannot be simulated is dark instead of an error, and its complaint is kept here.
        parts: Models that stand in for devices of the feed, by component name, such as `sax_model` of a simulated
            splitter; they take the wavelength alone.

    Returns:
        One entry per bank; its row n is what arrives at that row's detectors.

    Raises:
        InputError: A detector or a row is not connected as the design needs it.
    """
    models = device_models(profile, loss_dB_cm=loss_dB_cm)
    feed = Feed(netlist, models, wl, parts=parts)
    kinds: dict[str, Callable[..., Any]] = {}
    found = []
    for (bank, name), shift in zip(netlist.banks.items(), np.split(shift_pm, len(netlist.banks), axis=1), strict=True):
        cell = netlist.cells[name]
        partner, entering = partners(cell), feed.to_rows(bank)
        arriving, through, drop = [], [], []
        for n in range(shift.shape[0]):
            try:
                row, exit_port, drop_port = _row_at(cell, partner, n, entering)
                kind = cell.instances[row].component
                if kind not in kinds:
                    kinds[kind] = _row_circuit(
                        netlist, kind, models, exit_port=exit_port, drop_port=drop_port, rings=shift.shape[1]
                    )
            except InputError as error:
                if broken is None:
                    raise
                broken[n] = str(error)
                for dark in (arriving, through, drop):
                    dark.append(np.zeros(wl.shape, complex))
                continue
            out, dropped = kinds[kind](jnp.asarray(wl), jnp.asarray(shift[int(row.removeprefix("row_"))]))
            arriving.append(np.broadcast_to(entering[row], wl.shape))
            through.append(np.asarray(out))
            drop.append(np.asarray(dropped))
        fields = RowFields(jnp.asarray(np.stack(through)), jnp.asarray(np.stack(drop)))
        found.append(DrawnRows(np.stack(arriving), fields))
    return found


def _row_at(cell: Cell, partner: Mapping[str, str], n: int, entering: Collection[str]) -> tuple[str, str, str]:
    """The row at a row number's detectors, and the ports that lead to them."""
    ends = detector_ends(cell.instances, n)
    (row, exit_port), (drop_row, drop_port) = (_fed_by(partner, end) for end in ends)
    if row != drop_row or row not in entering:
        fed = " and ".join(dict.fromkeys(end.split(",")[0] for end in ends))
        raise InputError(f"netlist: {fed} is fed by {row} and {drop_row}, not by one row; mend the drawing")
    return row, exit_port, drop_port


def _row_circuit(
    netlist: Netlist,
    kind: str,
    models: Mapping[str, Callable[..., Any]],
    *,
    exit_port: str,
    drop_port: str,
    rings: int,
) -> Callable[..., Any]:
    held = sum(1 for instance in netlist.cells[kind].instances.values() if instance.component == "ring")
    if held != rings:
        raise InputError(f"netlist: cell {kind} holds {held} rings; want {rings}; mend the drawing")
    # Within a program sizes are traced, and nothing is held against a limit. A device is traced once so, not once for
    # each instance: following a ring's geometry and optics takes longer than all else of a row.
    circuit = strict_circuit(netlist.to_sax(kind), {name: jax.jit(model) for name, model in models.items()})
    names = sorted(
        (name for name, inst in netlist.cells[kind].instances.items() if inst.component == "ring"),
        key=lambda name: int(name.removeprefix("ring_")),
    )

    @jax.jit
    def both(wl: Any, shift_pm: Any) -> tuple[Any, Any]:
        settings = {name: {"shift_pm": shift_pm[c]} for c, name in enumerate(names)}
        s = circuit(wl=wl, **settings)
        return s["o1", exit_port], s["o1", drop_port]

    return both


def _fed_by(partner: Mapping[str, str], end: str) -> tuple[str, str]:
    if end not in partner:
        raise InputError(f"netlist: {end} is not connected; mend the drawing")
    instance, port = partner[end].split(",")
    return instance, port
