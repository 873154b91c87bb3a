"""The table as pictures: accuracy and needle hit against context, recall against bits, drift and signal-to-noise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prism_photonics.files import write_bytes
from prism_photonics.plotting import STYLE

FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("limits", "#718096", ("full", "oracle", "random")),
    (
        "photonic",
        "#c53030",
        ("photonic_mean_key", "photonic_bound", "photonic_learned", "photonic_hierarchical", "circuit"),
    ),
    ("float", "#2b6cb0", ("mean_key", "bound", "pca", "random_projection")),
    ("hierarchical", "#2f855a", ("hierarchical", "hierarchical_learned", "hierarchical_mean")),
    ("others", "#b7791f", ("salca_like", "streaming_llm", "h2o")),
)
"""Panels of the context figure: title, colour, selectors."""
MARKERS = "os^Dv"
LINES = ("-", "--", "-.", ":", "-")
# Letters as letters: drawn as paths they are most of the file.
LETTERS = {"svg.fonttype": "none"}


def plot_contexts(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Accuracy and needle hit against context, one column per family of selectors, Wilson 95 % intervals as bars.

    Args:
        rows: Rows of one model and one block size, as dictionaries.
        path: Image file; its suffix decides the format.

    Returns:
        The file.
    """
    from matplotlib import style

    with style.context(["default", STYLE, LETTERS]):
        from matplotlib.figure import Figure

        present = {row["selector"] for row in rows}
        families = [f for f in FAMILIES if present & set(f[2])]
        figure = Figure(figsize=(2.5 * len(families) + 0.5, 5.4))
        grid = figure.subplots(2, len(families), sharex=True, sharey=True, squeeze=False)
        for column, (title, colour, names) in enumerate(families):
            for line, quantity in enumerate(("accuracy", "hit")):
                axes = grid[line][column]
                for number, name in enumerate(names):
                    mine = sorted((row for row in rows if row["selector"] == name), key=lambda row: row["context"])
                    if not mine:
                        continue
                    x = [row["context"] * (1 + 0.04 * (number - 1.5)) for row in mine]
                    y = [row[quantity] for row in mine]
                    bars = [
                        [max(0.0, row[quantity] - row[f"{quantity}_low"]) for row in mine],
                        [max(0.0, row[f"{quantity}_high"] - row[quantity]) for row in mine],
                    ]
                    axes.errorbar(
                        x, y, yerr=bars, color=colour, marker=MARKERS[number], ms=4, lw=1, capsize=2,
                        ls=LINES[number], alpha=1 - 0.13 * number, label=name.replace("_", " "),
                    )  # fmt: skip
                chance = sorted(
                    {(row["context"], row["k"] / row["blocks"]) for row in rows if row["selector"] != "full"}
                )
                axes.plot(*zip(*chance, strict=True), color="black", ls=":", lw=0.8)
                axes.set(xscale="log", ylim=(0, 1.04), ylabel=f"{quantity} (0–1)" if column == 0 else "")
                if line == 0:
                    axes.set_title(title)
                else:
                    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0, -0.25))
            contexts = sorted({row["context"] for row in rows})
            grid[1][column].set_xticks(contexts, [f"{c // 1024}K" if c % 1024 == 0 else str(c) for c in contexts])
            grid[1][column].tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
            grid[1][column].set(xlabel="context (tokens)")
        first = next(row for row in rows if row["selector"] != "full")
        figure.suptitle(
            f"{first['model']}: blocks of {first['block']}, 1 in {first['blocks'] / first['k']:g} chosen "
            "(black dots: chance of a hit)"
        )
        return _save(figure, path)


def plot_sweeps(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Recall and hit of the impaired chip against bits, drift and signal-to-noise; float as dashed lines.

    Args:
        rows: Rows of ``sweep``, as dictionaries.
        path: Image file; its suffix decides the format.

    Returns:
        The file.
    """
    from matplotlib import style

    with style.context(["default", STYLE, LETTERS]):
        from matplotlib.figure import Figure

        panels = [("bits", "setting", "bits of converters and signatures"), ("drift", "setting", "drift (weight, σ)"),
                  ("light", "snr_dB", "signal-to-noise of a reading (dB)")]  # fmt: skip
        if any(row["impairment"] == "time" for row in rows):
            panels.insert(2, ("time", "setting", "time since programming (s)"))
        impaired = next(row for row in rows if row["impairment"] != "none")
        figure = Figure(figsize=(3 * len(panels), 4.8))
        grid = figure.subplots(2, len(panels), sharey="row")
        for column, (impairment, against, label) in enumerate(panels):
            for line, quantity in enumerate(("recall", "hit")):
                axes = grid[line][column]
                for name, colour, marker in (("mean_key", "#2b6cb0", "o"), ("bound", "#c53030", "s")):
                    mine = [r for r in rows if r["selector"] == f"photonic_{name}" and r["impairment"] == impairment]
                    # No drift has no place on a logarithmic axis; it is next to the float line.
                    mine = [r for r in mine if impairment not in ("drift", "time") or r["setting"] > 0]
                    mine.sort(key=lambda row: row[against])
                    axes.plot(
                        [row[against] for row in mine], [row[quantity] for row in mine], color=colour, marker=marker,
                        ms=4, lw=1, label=f"chip, {name.replace('_', ' ')}",
                    )  # fmt: skip
                    flat = next(row for row in rows if row["selector"] == name)
                    axes.axhline(
                        flat[quantity], color=colour, ls="--", lw=0.8, label=f"float, {name.replace('_', ' ')}"
                    )
                axes.axhline(impaired["k"] / impaired["blocks"], color="black", ls=":", lw=0.8, label="chance")
                axes.set(ylim=(0, 1.04), ylabel=f"{quantity} (0–1)" if column == 0 else "")
                if impairment in ("drift", "time"):
                    axes.set_xscale("log")
                if line == 1:
                    axes.set(xlabel=label)
        grid[1][0].legend(fontsize=7)
        first = rows[0]
        figure.suptitle(
            f"{first['model']}: {first['context']} tokens, blocks of {first['block']}, {impaired['k']} chosen"
        )
        return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    import io

    buffer = io.BytesIO()
    kind = path.suffix.lstrip(".") or "svg"
    figure.savefig(buffer, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
    write_bytes(path, buffer.getvalue())
    return path
