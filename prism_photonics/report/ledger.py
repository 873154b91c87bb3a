"""The ledger's figure: energy and latency of one selection against context, photonic and electronic."""

import io
from pathlib import Path

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prism_photonics.budget.baselines import baselines, kv_fetch
from prism_photonics.budget.crossover import CASES, LARGEST_BLOCKS, MAIN, baseline_cost, photonic_cost
from prism_photonics.budget.energy import HeaterPower, no_heaters
from prism_photonics.budget.workload import PAPERS, Workload
from prism_photonics.files import write_bytes
from prism_photonics.plotting import STYLE
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

SHOWN = {
    "main": ("photonic, all charged", "#c53030", "-"),
    "one_head": ("photonic, one head a chip", "#c53030", "-."),
    "pages": ("photonic, pages (to its limit)", "#dd6b20", "-"),
    "gated_optics_only": ("photonic, gated optics alone", "#dd6b20", ":"),
}
COLOURS = ("#1a365d", "#2b6cb0", "#63b3ed", "#0bc5ea", "#718096", "#2f855a")
"""Of the electronic selectors, in their order."""
FORMATS = (".png", ".svg", ".pdf")


def write_plot(path: Path, spec: ChipSpec, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS) -> None:
    """Write the figure; the file's name says the format.

    Raises:
        InputError: The name ends in no known format, or the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: got '{path.suffix}', want a name that ends in {', '.join(FORMATS)}; rename it")
    stream = io.BytesIO()
    # A date would make equal runs give unequal files.
    dates = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    kind = path.suffix.lower()
    with style.context(["default", STYLE]):
        selection(spec, heater_W, work).savefig(stream, format=kind[1:], dpi=150, metadata=dates[kind])
    write_bytes(path, stream.getvalue())


def selection(spec: ChipSpec, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS) -> Figure:
    """Energy (left) and latency (right) of one query against context, host link and reprogramming as each line says."""
    # A chip more for every so many blocks: the photonic lines are stairs, which this grid shows.
    blocks = np.unique(np.round(np.geomspace(1, LARGEST_BLOCKS, 400)))
    tokens = blocks * work.block_tokens
    figure = Figure(figsize=(10.5, 4.6))
    energy, latency = figure.subplots(1, 2)
    electronic = baselines(work).values()
    for baseline, colour in zip(electronic, COLOURS, strict=True):
        cost = baseline_cost(spec, baseline, MAIN, blocks, work=work)
        energy.plot(tokens, cost.energy_J, color=colour, lw=1.2, ls="--", label=baseline.name)
        latency.plot(tokens, cost.time_s, color=colour, lw=1.2, ls="--")
    for case in CASES:
        if case.name in SHOWN:
            label, colour, line = SHOWN[case.name]
            cost = photonic_cost(spec, case, blocks, heater_W, work=work)
            reached = np.where(np.isfinite(cost.energy_J), cost.energy_J, np.nan)
            energy.plot(tokens, reached, color=colour, lw=1.6, ls=line, label=label)
            latency.plot(tokens, cost.time_s, color=colour, lw=1.6, ls=line)
    fetch_J, fetch_s = kv_fetch(work)
    energy.axhline(fetch_J, color="black", lw=0.8, ls=(0, (1, 3)), label=f"fetch of {work.chosen} blocks, atop each")
    latency.axhline(fetch_s, color="black", lw=0.8, ls=(0, (1, 3)))
    _axes(energy, "energy per query (J)", f"{spec.name}: energy of one selection")
    _axes(latency, "latency (s)", "latency of one selection")
    # Legends fill column by column: electronic on the left, photonic on the right.
    figure.legend(handles=energy.get_lines(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _axes(axes: Axes, ylabel: str, title: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel="context (tokens)", ylabel=ylabel, title=title)
    ticks = [2**10, 2**13, 2**17, 2**20, 2**24]
    axes.set_xticks(ticks, labels=["1K", "8K", "128K", "1M", "16M"])
    axes.set_xticks([], minor=True)
