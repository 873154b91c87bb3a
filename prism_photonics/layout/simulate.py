"""The drawn chip simulated from its netlist: SAX on every kind of row, one pass of light through coupler and tree."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.row import RowFields
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.netlist import Cell, Instance, Netlist, detector_ends
from prism_photonics.process.profile import Profile
from prism_photonics.units import InputError

Field = Any  # complex, over wl


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
) -> list[DrawnRows]:
    """Light in every row of every bank, from the netlist alone.

    The feed sends no light back, so its transmissions multiply; each kind of subtree is followed once. Rows that share
    a cell share one compiled SAX circuit.

    Args:
        netlist: The chip's netlist, drawn or designed.
        profile: The film stack.
        loss_dB_cm: Waveguide loss.
        wl: Wavelengths in µm.
        shift_pm: Resonance shift of every ring in pm, those of a row bus by bus.
        broken: Given, a row that cannot be simulated is dark instead of an error, and its complaint is kept here.

    Returns:
        One entry per bank; its row n is what arrives at that row's detectors.

    Raises:
        InputError: A detector or a row is not connected as the design needs it, or a device of the feed reflects.
    """
    models = device_models(profile, loss_dB_cm=loss_dB_cm)
    feed = _Feed(netlist, models, jnp.asarray(wl))
    kinds: dict[str, Callable[..., Any]] = {}
    found = []
    for (bank, name), shift in zip(netlist.banks.items(), np.split(shift_pm, len(netlist.banks), axis=1), strict=True):
        cell = netlist.cells[name]
        partner, entering = _partners(cell), feed.to_rows(bank)
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


class _Feed:
    """Follows light through cells and devices that only pass it on."""

    def __init__(self, netlist: Netlist, models: Mapping[str, Callable[..., Any]], wl: Any):
        self._netlist, self._models, self._wl = netlist, models, wl
        self._known: dict[Any, dict[str, Field]] = {}

    def to_rows(self, bank: str) -> dict[str, Field]:
        """Field at o1 of every row of a bank, by row name, for unit field in the bank's fibre."""
        chip, banks = self._netlist.top, self._netlist.banks
        arriving: dict[str, Field] = {chip: 1.0 + 0.0j}
        if bank != chip:
            self._follow(chip, f"o{list(banks).index(bank) + 1}", arriving, goals={bank})
        if bank not in arriving:
            raise InputError(f"netlist: no light reaches {bank}; mend the drawing")
        rows: dict[str, Field] = {}
        content = self._netlist.cells[banks[bank]].instances
        goals = {name for name, inside in content.items() if self._has_rings(inside.component)}
        self._follow(banks[bank], "o1", rows, goals=goals)
        return {row: field * arriving[bank] for row, field in rows.items()}

    def _through(self, instance: Instance, port: str) -> dict[str, Field]:
        """Transmissions from one port of a device or cell to its others."""
        is_device = instance.component in self._models
        key = (instance.component, port, tuple(sorted(instance.settings.items())))
        if key not in self._known:
            self._known[key] = self._device(instance, port) if is_device else self._follow(instance.component, port, {})
        return self._known[key]

    def _device(self, instance: Instance, port: str) -> dict[str, Field]:
        s = self._models[instance.component](wl=self._wl, **instance.settings)
        passed = {}
        for (a, b), value in s.items():
            field = np.asarray(value)
            if a == port and np.any(field != 0.0):
                if b == port:
                    raise InputError(f"netlist: {instance.component} reflects; its feed cannot be followed one way")
                passed[b] = field
        return passed

    def _follow(
        self, name: str, port: str, reached: dict[str, Field], *, goals: Collection[str] = ()
    ) -> dict[str, Field]:
        """Transmissions from a cell's port to its others; the field at an instance of ``goals`` goes to ``reached``."""
        cell = self._netlist.cells[name]
        partner = _partners(cell)
        outer = {inner: out for out, inner in cell.ports.items()}
        left: dict[str, Field] = {}
        if port not in cell.ports:
            raise InputError(f"netlist: cell {name} has no port {port}; give a GDS file that `prism layout` wrote")
        waiting: list[tuple[str, Field]] = [(cell.ports[port], 1.0 + 0.0j)]
        for end, field in waiting:
            key, entered = end.split(",")
            instance = cell.instances[key]
            if key in goals:
                reached[key] = field
                continue
            if instance.component in ("detector", "photodiode"):
                continue
            for exit_port, passed in self._through(instance, entered).items():
                here = f"{key},{exit_port}"
                if here in outer:
                    left[outer[here]] = field * passed
                elif here in partner:
                    waiting.append((partner[here], field * passed))
        return left

    def _has_rings(self, component: str) -> bool:
        inside = self._netlist.cells.get(component)
        return inside is not None and any(i.component == "ring" for i in inside.instances.values())


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
    circuit = strict_circuit(netlist.to_sax(kind), models)
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


def _partners(cell: Cell) -> dict[str, str]:
    return {a: b for pair in cell.connections for a, b in (sorted(pair), sorted(pair, reverse=True))}


def _fed_by(partner: Mapping[str, str], end: str) -> tuple[str, str]:
    if end not in partner:
        raise InputError(f"netlist: {end} is not connected; mend the drawing")
    instance, port = partner[end].split(",")
    return instance, port
