"""Light on its way from a fibre to the rows of a drawn chip, reflections between couplers and splitters included.

The waves that enter parts are solved for cell by cell: a = e + C·a, with the light from outside e and, from port to
port, what parts scatter into one another, C. Every kind of cell is solved once. Rows and photodiodes take all light.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.netlist import Cell, Instance, Netlist
from prism_photonics.units import InputError

Field = Any  # complex, over wl


@dataclass(frozen=True)
class _Response:
    """What becomes of unit light that enters a cell: fields that leave, by port, and that reach rows, by instance."""

    leaving: Mapping[str, Field]
    arriving: Mapping[str, Field]


class Feed:
    """The feed of a netlist: couplers, leads and splitter trees.

    Args:
        netlist: The chip's.
        models: SAX models of the devices by component name, which take their designs' fields.
        wl: Wavelengths in µm.
        parts: Models that stand in for a device's, by component name; they take the wavelength alone.
    """

    def __init__(
        self,
        netlist: Netlist,
        models: Mapping[str, Callable[..., Any]],
        wl: Float[ndarray, " wl"],
        *,
        parts: Mapping[str, Callable[..., Any]],
    ):
        self._netlist, self._models, self._parts, self._wl = netlist, models, parts, jnp.asarray(wl)
        self._known: dict[Any, _Response] = {}

    def to_rows(self, bank: str) -> dict[str, Field]:
        """Field at o1 of every row of a bank, by row name, for unit field in the bank's fibre.

        Raises:
            InputError: No light reaches the bank, or a cell lacks a port.
        """
        chip, banks = self._netlist.top, self._netlist.banks
        if bank == chip:
            return dict(self._cell(chip, "o1").arriving)
        arriving = self._cell(chip, f"o{list(banks).index(bank) + 1}").arriving
        rows = {name.removeprefix(f"{bank}/"): field for name, field in arriving.items() if name.startswith(f"{bank}/")}
        if not rows:
            raise InputError(f"netlist: no light reaches {bank}; mend the drawing")
        return rows

    def _part(self, instance: Instance, port: str) -> _Response:
        """What becomes of unit light that enters a device or cell."""
        component = instance.component
        if component in ("detector", "photodiode"):
            return _Response({}, {})
        settings = {} if component in self._parts else instance.settings
        key = (component, port, tuple(sorted(settings.items())))
        if key not in self._known:
            is_device = component in self._models
            self._known[key] = self._device(component, settings, port) if is_device else self._cell(component, port)
        return self._known[key]

    def _device(self, component: str, settings: Mapping[str, Any], port: str) -> _Response:
        model = self._parts.get(component, self._models[component])
        s = {ports: np.asarray(field) for ports, field in model(wl=self._wl, **settings).items()}
        return _Response({b: field for (a, b), field in s.items() if a == port and np.any(field != 0.0)}, {})

    def _cell(self, name: str, port: str) -> _Response:
        cell = self._netlist.cells[name]
        if port not in cell.ports:
            raise InputError(f"netlist: cell {name} has no port {port}; give a GDS file that `prism layout` wrote")
        partner = partners(cell)
        outer = {inner: out for out, inner in cell.ports.items()}
        entered, scattered = [cell.ports[port]], []
        arriving: dict[str, dict[str, Field]] = {}
        for end in entered:  # grows: wherever light goes on to
            own, at = end.split(",")
            instance = cell.instances[own]
            if self._is_row(instance.component):
                arriving[end] = {own: np.ones(self._wl.shape, complex)}
                scattered.append({})
                continue
            response = self._part(instance, at)
            arriving[end] = {f"{own}/{row}": field for row, field in response.arriving.items()}
            scattered.append({f"{own},{out}": field for out, field in response.leaving.items()})
            entered += [partner[there] for there in scattered[-1] if there in partner and partner[there] not in entered]
        waves = self._solved(entered, scattered, partner)
        leaving: dict[str, Field] = {}
        reached: dict[str, Field] = {}
        for end, wave, fields in zip(entered, waves, scattered, strict=True):
            for there, field in fields.items():
                if there in outer:
                    leaving[outer[there]] = leaving.get(outer[there], 0.0) + wave * field
            for row, field in arriving[end].items():
                reached[row] = reached.get(row, 0.0) + wave * field
        return _Response(leaving, reached)

    def _solved(self, entered: list[str], scattered: list[dict[str, Field]], partner: Mapping[str, str]) -> Field:
        """The waves that enter at each end: those of ends that scatter are solved for, the others follow."""
        place = {end: n for n, end in enumerate(entered)}
        active = [n for n, fields in enumerate(scattered) if fields]
        light = np.zeros((*self._wl.shape, len(entered), 1), complex)
        light[..., 0, 0] = 1.0
        if not active:
            return np.moveaxis(light[..., 0], -1, 0)
        scatter = np.zeros((*self._wl.shape, len(entered), len(active)), complex)
        for column, n in enumerate(active):
            for there, field in scattered[n].items():
                if there in partner:
                    scatter[..., place[partner[there]], column] += field
        waves = np.linalg.solve(np.eye(len(active)) - scatter[..., active, :], light[..., active, :])
        return np.moveaxis((light + scatter @ waves)[..., 0], -1, 0)

    def _is_row(self, component: str) -> bool:
        inside = self._netlist.cells.get(component)
        return inside is not None and any(i.component == "ring" for i in inside.instances.values())


def partners(cell: Cell) -> dict[str, str]:
    """The end that each end of a cell's connections is joined to, as ``"instance,port"``."""
    return {a: b for pair in cell.connections for a, b in (sorted(pair), sorted(pair, reverse=True))}
