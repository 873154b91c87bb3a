"""Back-annotation: simulation of the drawing, and its differences from the design, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import klayout.db as kdb
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.layout.extract import extract
from prism_photonics.layout.polygons import refusing_damage, title
from prism_photonics.layout.simulate import drawn_rows
from prism_photonics.layout.tiles import cut
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.place import resonance_um
from prism_photonics.netlist import Cell, Netlist, from_spec
from prism_photonics.process.layers import load_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, InputError


@dataclass(frozen=True)
class Annotation:
    """A drawn chip beside its design, rings at rest (no voltage).

    Attributes:
        differences: How the drawn netlist departs from the design's, one sentence each; and what else was redrawn.
        broken: Rows that cannot be simulated, each with the reason; zero in the arrays below.
        resonance_pm: Drawn minus designed resonance of every ring.
        weight: Weight of every ring's channel as drawn.
        weight_change: The same, minus the designed weight.
    """

    differences: tuple[str, ...]
    broken: Mapping[int, str]
    resonance_pm: Float[ndarray, "rows rings"]
    weight: Float[ndarray, "rows rings"]
    weight_change: Float[ndarray, "rows rings"]

    def to_json(self) -> dict[str, Any]:
        """Differences, the largest changes, and every row that differs."""
        rows = [
            {
                "row": row,
                "resonance_pm": self.resonance_pm[row].round(3).tolist(),
                "weight_change": self.weight_change[row].round(6).tolist(),
            }
            for row in self.changed_rows()
        ]
        return {
            "differences": list(self.differences),
            "broken_rows": {str(row): reason for row, reason in self.broken.items()},
            "resonance_max_pm": round(float(np.abs(self.resonance_pm).max()), 3),
            "weight_max_change": round(float(np.abs(self.weight_change).max()), 6),
            "rows": rows,
        }

    def lines(self) -> list[str]:
        """The same for people: what differs, then every row that does, ring by ring."""
        found = [*self.differences]
        found += [f"row {row}: cannot be simulated: {reason}" for row, reason in self.broken.items()]
        for row in self.changed_rows():
            found.append(f"row {row}: resonance {_signed(self.resonance_pm[row], 1)} pm")
            found.append(f"row {row}: weight    {_signed(self.weight_change[row], 4)}")
        return found or ["the drawing is the design: no ring and no weight differs"]

    def changed_rows(self) -> list[int]:
        """Rows in which a resonance moved by 1 fm, or a weight by 1e-9."""
        moved = (np.abs(self.resonance_pm) > 1e-3).any(axis=1) | (np.abs(self.weight_change) > 1e-9).any(axis=1)
        return [int(row) for row in np.flatnonzero(moved)]


def back_annotate(gds: Path | str | kdb.Layout, spec: ChipSpec) -> Annotation:
    """Simulate a drawing as it is, also one of ours that was edited by hand, and compare it with its design.

    Sizes are measured on the polygons; a leaf cell whose ribs no design draws is refused.

    Raises:
        InputError: The file cannot be read, is no chip of ours, or not one of its rows can be simulated.
    """
    spec, notes, broken = cut(spec).tile, [], {}
    drawn, design = extract(gds, notes=notes, deck=load_deck(spec.process)), from_spec(spec)
    wl, rest = np.asarray(spec.comb_design.wl_um), np.zeros((spec.chip.rows, spec.chip.rings))

    def weights(netlist: Netlist) -> Float[ndarray, "rows rings"]:
        banks = drawn_rows(
            netlist, spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm, wl=wl, shift_pm=rest, broken=broken
        )
        return np.concatenate([bank.weights for bank in banks], axis=1)

    designed = weights(design)  # first: for what it raises no drawing is to blame
    with refusing_damage(gds):
        weight = weights(drawn)
        if len(broken) == spec.chip.rows:
            raise InputError(f"{title(gds)}: no row can be simulated; row 0: {broken[0]}")
        moved = np.zeros((2, *rest.shape))
        for row in sorted(set(range(spec.chip.rows)) - broken.keys()):
            moved[:, row] = [_resonances_um(netlist, row, spec) for netlist in (drawn, design)]
        differences = (*design.differences(drawn), *_row_differences(design, drawn), *notes)
    change = weight - designed
    change[list(broken)] = 0.0
    return Annotation(
        differences=differences,
        broken=broken,
        resonance_pm=(moved[0] - moved[1]) * PM_PER_UM,
        weight=weight,
        weight_change=change,
    )


def _row_differences(design: Netlist, drawn: Netlist) -> list[str]:
    """Differences from the design in rows that were edited by hand and so have a cell of their own."""
    found = []
    for place, bank in drawn.banks.items():
        for name, instance in sorted(drawn.cells[bank].instances.items()):
            if name.startswith("row_") and instance.component not in design.cells:
                one, other = (Netlist({"row": cell}) for cell in (design.cells["row"], drawn.cells[instance.component]))
                owner = f"{place}, {name}" if len(drawn.banks) > 1 else name
                found += [f"{owner}: {line.removeprefix('row.')}" for line in one.differences(other)]
    return found


def _signed(values: Float[ndarray, " rings"], digits: int) -> str:
    return " ".join(f"{value:+.{digits}f}" for value in values)


def _resonances_um(netlist: Netlist, row: int, spec: ChipSpec) -> list[float]:
    """Resonance of every ring of a row, bus by bus."""
    found = []
    for bank in netlist.banks.values():
        cell = _row_cell(netlist, bank, f"row_{row}")
        for channel, near in enumerate(spec.comb_design.wl_um):
            ring = cell.instances.get(f"ring_{channel}")
            if ring is None:
                raise InputError(f"row {row}: ring_{channel} is missing from the drawing; draw it again")
            lengths = RingDesign(**{name: float(value) for name, value in ring.settings.items()}).lengths
            found.append(resonance_um(spec.profile, lengths, near_um=near))
    return found


def _row_cell(netlist: Netlist, bank: str, name: str) -> Cell:
    rows = netlist.cells[bank].instances
    if name not in rows:
        raise InputError(f"{name} is missing from the drawing; draw it again")
    return netlist.cells[rows[name].component]
