"""The report's figures, each a matplotlib figure of one question."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.plotting import BLUE, GREEN, GREY, RED, STYLE
from prism_photonics.ranking.evaluate import Evaluation
from prism_photonics.report import axes
from prism_photonics.spec import ChipSpec

styled = style.context(["default", STYLE])
"""Draws a figure in the report's style, whatever the user's matplotlib settings are."""


@styled
def spectrum(spec: ChipSpec) -> Figure:
    """Through and drop transmission of one designed row at rest, with the channels marked."""
    figure = Figure(figsize=(9, 2.8))
    axes.row_spectrum(spec, figure.subplots())
    return figure


@styled
def tuning(calibration: Calibration, spec: ChipSpec) -> Figure:
    """Fitted weight of every ring against its voltage, the others at 0 V."""
    figure = Figure(figsize=(4.4, 3.2))
    axes.tuning_curves(calibration, figure.subplots(), spec=spec)
    return figure


@styled
def accuracy(validation: Validation) -> Figure:
    """Measured against commanded weights on unseen targets, and the error's histogram."""
    figure = Figure(figsize=(8.4, 3.2))
    left, right = figure.subplots(1, 2)
    used = ~np.asarray(validation.excluded)
    commanded, measured = validation.commanded[:, used].ravel(), validation.measured[:, used].ravel()
    axes.accuracy(validation, left)
    error = (measured - commanded) * 1e3
    right.hist(error, bins=60, color=BLUE)
    right.set(
        xlabel="measured − commanded (10⁻³)",
        ylabel="weights",
        title=f"σ = {error.std():.2f}·10⁻³: {validation.accuracy_bits:.1f} bits",
    )
    return figure


@styled
def ranking(table: Sequence[Evaluation]) -> Figure:
    """Needle hits and recall per KV head for each scorer, with chance."""
    rows = [asdict(line) for line in table if line.kv_head != "all"]
    scorers = list(dict.fromkeys(row["scorer"] for row in rows))
    heads = sorted({row["kv_head"] for row in rows})
    figure = Figure(figsize=(8.4, 3.0))
    hit, recall = figure.subplots(1, 2)
    colours = dict(zip(scorers, (GREY, GREEN, BLUE), strict=False))
    width = 0.8 / len(scorers)
    for n, scorer in enumerate(scorers):
        mine = [row for row in rows if row["scorer"] == scorer]
        x = np.arange(len(heads)) + (n - (len(scorers) - 1) / 2) * width
        value = np.array([row["hit"] for row in mine])
        error = np.abs(np.array([[row["hit_low"], row["hit_high"]] for row in mine]).T - value)
        hit.bar(x, value, width * 0.92, color=colours[scorer], label=scorer, yerr=error, error_kw={"lw": 0.8})
        value = np.array([row["recall"] for row in mine])
        error = 1.96 * np.array([row["recall_error"] for row in mine])
        recall.bar(x, value, width * 0.92, color=colours[scorer], yerr=error, error_kw={"lw": 0.8})
    for panel, title in (
        (hit, "needle's block among the chosen"),
        (recall, "recall@k against attention mass"),
    ):
        panel.axhline(rows[0]["chance"], color=RED, lw=1, ls="--", label="chance")
        panel.set(xticks=range(len(heads)), xticklabels=[f"KV head {h}" for h in heads], ylim=(0, 1.05), title=title)
    figure.legend(*hit.get_legend_handles_labels(), loc="outside lower center", ncols=len(scorers) + 1)
    return figure
