"""What of a drawn chip is to be measured: rows of rings and test structures, their sizes, fibres and files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import klayout.db as kdb

from prism_photonics.layout.pads import NOWHERE, is_coupler, named_um, on_bank
from prism_photonics.layout.teststructures import LOOPBACK_P, SERPENTINE_P, serpentine_length_um
from prism_photonics.lightpath.waveguide.design import QuarterTurn

Line = tuple[str, str, float, float, str, int, int, int, str]
"""Name, kind, place in µm, port, row, bus, channel and pad of a line of the manifest."""
SWEEPS = ("gap_sweep", "length_sweep")
FAMILIES = ("cutback", "taper")  # of several lines, told apart by a number


@dataclass(frozen=True)
class Measured:
    """What the manifest says beyond places.

    Attributes:
        added: Lines of structures and test rings.
        columns: By a line's name, what stands in its columns for measurement.
    """

    added: tuple[Line, ...]
    columns: Mapping[str, Mapping[str, str]]


def measured_lines(layout: kdb.Layout, lines: Sequence[Line], *, buses: int) -> Measured:
    """The structures of a chip, from its drawing and the lines of its rings.

    Args:
        layout: The drawing, with its metadata.
        lines: Lines of rings and fibres.
        buses: How many buses a row has.
    """
    columns: dict[str, dict[str, str]] = {}
    added: list[Line] = []
    fibres = {name: (x, y) for name, kind, x, y, *_ in lines if kind == "fibre"}
    sizes = _row_ring_sizes(layout)
    rows: dict[tuple[int, int], str] = {}
    for name, kind, _, _, _, row, bus, channel, _ in lines:
        if kind == "ring":
            file = rows[bus, row] = name.rpartition("/")[0].replace("/", "_")
            columns[name] = {"structure": "row", "file": file, **sizes.get(channel, {})}
    pads = {str(pad) for *_, pad in lines}
    for (bus, row), file in rows.items():
        entrance = "coupler" if buses == 1 else f"coupler_{bus}"
        if entrance not in fibres:
            continue
        added.append((file, "structure", *fibres[entrance], "", row, bus, NOWHERE, ""))
        through, drop = (
            next((pad for name in names if (pad := on_bank(f"detector_{row}_{name}", bus, buses)) in pads), "")
            for names in (("cathode", "through_anode"), ("anode", "drop_anode"))
        )
        columns[file] = {"structure": "row", "fibre_in": entrance, "through": through, "drop": drop, "file": file}
    if {"monitor_through", "monitor_drop"} <= fibres.keys():
        bus, row = max(rows)  # the top row of the last bus
        entrance = "coupler" if buses == 1 else f"coupler_{bus}"
        added.append(("monitor", "structure", *fibres[entrance], "", row, bus, NOWHERE, ""))
        ends = {"fibre_in": entrance, "through": "monitor_through", "drop": "monitor_drop"}
        columns["monitor"] = {"structure": "monitor", **ends, "file": "monitor"}
    for name, kind, at, told in _tests(layout, fibres):
        added.append((name, kind, *at, "", NOWHERE, NOWHERE, NOWHERE, ""))
        columns[name] = told
    return Measured(tuple(added), columns)


def _tests(
    layout: kdb.Layout, fibres: Mapping[str, tuple[float, float]]
) -> Iterator[tuple[str, str, tuple[float, float], dict[str, str]]]:
    """Test structures in the order of their inputs from the north, each followed by its rings from the west."""
    for owner in layout.top_cell().each_inst():
        if owner.cell.name != "tests":
            continue
        placed = {str(inst.property(0)): inst for inst in owner.cell.each_inst()}
        at_um = {name: (inst.dtrans.disp.x, inst.dtrans.disp.y) for name, inst in placed.items()}
        at_um |= named_um(owner.cell)
        bent = _said(owner.cell, "info")
        couplers = (inst.cell for inst in placed.values() if is_coupler(inst))
        lengths = [float(_said(cell, "settings")["length_um"]) for cell in couplers]  # all alike: only tips differ
        for entrance in sorted((n for n in at_um if n.endswith("_in")), key=lambda n: -at_um[n][1]):
            name = entrance.removesuffix("_in")
            # Light leaves by a fibre, or into a photodiode.
            away = next((end for end in (f"{name}_out", name) if end in at_um), "")
            if not away or entrance not in fibres or not lengths:
                continue
            family, _, number = name.rpartition("_")
            kind, passes = (family, int(number)) if family in FAMILIES else (name, 0)
            through = away if away != name else f"{name}_cathode"
            told = {"structure": kind, "fibre_in": entrance, "through": through, "file": name}
            if f"{name}_drop" in placed:
                told["drop"] = f"{name}_drop"
            if kind not in SWEEPS:
                passes = passes if kind == "cutback" else 0
                couplers_um = lengths[0] * (1.0 if away == name else 2.0)
                told["length_um"] = (
                    f"{_guide_um(at_um[entrance], at_um[away], couplers_um, passes=passes, bent=bent):.3f}"
                )
                told["passes"] = str(passes)
            yield name, "structure", fibres[entrance], told
            rings = sorted(
                (n for n in placed if n.startswith(f"{name}_ring_") and not n.endswith(("_signal", "_ground"))),
                key=lambda n: placed[n].dtrans.disp.x,
            )
            for ring in rings:
                box = (owner.dtrans * placed[ring].dtrans) * placed[ring].cell.dbbox()
                at = (box.center().x, box.center().y)
                yield ring, "test_ring", at, {"structure": kind, "file": name, **_ring_sizes(placed[ring].cell)}


def _guide_um(
    entrance_um: tuple[float, float],
    away_um: tuple[float, float],
    couplers_um: float,
    *,
    passes: int,
    bent: Mapping[str, Any],
) -> float:
    """Length of the guide between the couplers at its ends: a half turn, a straight, or a serpentine."""
    (x0, y0), (x1, y1) = entrance_um, away_um
    if abs(x1 - x0) < couplers_um:  # both in the west
        return 2.0 * QuarterTurn(abs(y1 - y0) / 2.0, bent.get(LOOPBACK_P, 0.0)).length_um
    guide_um = abs(x1 - x0) - couplers_um
    if passes == 0:
        return guide_um
    turn = QuarterTurn(abs(y1 - y0) / (4.0 * passes), bent.get(SERPENTINE_P, 0.0))
    return serpentine_length_um(passes, turn, guide_um=guide_um)


def _row_ring_sizes(layout: kdb.Layout) -> dict[int, dict[str, str]]:
    """Sizes of a row's rings by channel; all rows are drawn alike."""
    if not layout.has_cell("row"):
        return {}
    placed = {str(inst.property(0)): inst for inst in layout.cell("row").each_inst()}
    return {
        int(name.removeprefix("ring_")): _ring_sizes(inst.cell)
        for name, inst in placed.items()
        if name.startswith("ring_")
    }


def _ring_sizes(cell: kdb.Cell) -> dict[str, str]:
    said = {key: float(value) for key, value in _said(cell, "settings").items() if isinstance(value, (int, float))}
    if not {"gap_through_um", "straight_um", "radius_um"} <= said.keys():
        return {}
    turns_um = 4.0 * QuarterTurn(said["radius_um"], said.get("euler_p", 0.0), said.get("cosine", 0.0) != 0.0).length_um
    length_um = 2.0 * (said["straight_um"] + said.get("arm_um", 0.0)) + turns_um
    return {"gap_nm": f"{1e3 * said['gap_through_um']:.0f}", "length_um": f"{length_um:.4f}"}


def _said(cell: kdb.Cell, what: str) -> Mapping[str, Any]:
    """What a cell's metadata says: of a leaf its design's settings, of the tests' what their places do not tell."""
    said = cell.meta_info(f"kfactory:{what}")
    return said.value if said is not None else {}
