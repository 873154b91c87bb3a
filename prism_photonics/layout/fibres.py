"""Where fibres meet a drawn die, facet by facet, and the channels of an array that they are."""

import csv
import io
from collections.abc import Iterable, Mapping

Row = Mapping[str, str]  # a line of the manifest


def by_facet(lines: Iterable[Row]) -> dict[str, list[Row]]:
    """The fibres of a manifest's lines by the facet that they stand at, each facet's from the south."""
    fibres = sorted((line for line in lines if line["kind"] == "fibre"), key=lambda f: float(f["y_um"]))
    places = [float(f["x_um"]) for f in fibres]
    middle = (min(places) + max(places)) / 2.0
    return {
        facet: [f for f in fibres if (float(f["x_um"]) > middle) == eastern]
        for facet, eastern in (("western", False), ("eastern", True))
    }


def fibres_um(manifest: str) -> dict[str, tuple[float, float]]:
    """Where the fibres of a manifest meet the die, by name."""
    return {
        f["name"]: (float(f["x_um"]), float(f["y_um"]))
        for f in csv.DictReader(io.StringIO(manifest))
        if f["kind"] == "fibre"
    }


def fibre_lines(lines: Iterable[Row], pitch_um: float) -> list[tuple[str, ...]]:
    """Every fibre, with the channel of an array that it meets, counted from the facet's lowest."""
    told = []
    for facet, fibres in by_facet(lines).items():
        lowest = float(fibres[0]["y_um"])
        for f in fibres:
            channel = (float(f["y_um"]) - lowest) / pitch_um
            told.append((f["name"], facet, f"{round(channel, 3):g}", f["x_um"], f["y_um"]))
    return told
