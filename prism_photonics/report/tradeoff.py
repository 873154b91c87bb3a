"""The figure beside a designed spec: reach and headroom against the drive voltage."""

import io
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from prism_photonics.explore.design import Design
from prism_photonics.files import write_bytes
from prism_photonics.plotting import STYLE


def write_tradeoff(path: Path, design: Design) -> None:
    """Write the figure as SVG.

    Raises:
        InputError: The file cannot be written.
    """
    stream = io.BytesIO()
    with style.context(["default", STYLE]):
        # A date would make equal runs give unequal files.
        tradeoff_figure(design).savefig(stream, format="svg", metadata={"Date": None})
    write_bytes(path, stream.getvalue())


def tradeoff_figure(design: Design) -> Figure:
    """Largest reach (left) and least headroom at the wished reach (right) against the drive limit."""
    spec, points = design.spec, design.tradeoff
    volts = [point.max_voltage_V for point in points]
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    reach, room = figure.subplots(1, 2)
    reach.plot(volts, [point.reach for point in points], "o-", color="#2b6cb0", ms=4)
    reach.axhline(spec.ranking.weight_limit, color="#718096", ls="--", lw=1.0, label="wished")
    reach.set(xlabel="drive limit (V)", ylabel="largest weight that all rings reach", ylim=(0.0, 1.0))
    room.plot(volts, [100.0 * point.headroom for point in points], "o-", color="#2f855a", ms=4)
    room.axhline(0.0, color="#c53030", lw=1.0, label="a rule is broken below")
    room.set(xlabel="drive limit (V)", ylabel="least headroom of the rules on rings (%)")
    last, above = "", False
    for point in points:
        if point.rule != last:
            room.annotate(
                point.rule,
                (point.max_voltage_V, 100.0 * point.headroom),
                textcoords="offset points",
                xytext=(5, 6 if above else -9),
                fontsize=7,
            )
            above = not above
        last = point.rule
    for axes in (reach, room):
        axes.axvline(spec.drive.max_voltage_V, color="black", ls=":", lw=1.0, label=f"{spec.name}")
        axes.legend(fontsize=8, loc="lower right")
    figure.suptitle(
        f"{spec.name} on {spec.process}: R = {spec.ring.radius_um:g} µm, gap and bias sized at each voltage"
    )
    return figure
