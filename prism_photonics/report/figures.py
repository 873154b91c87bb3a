"""The report's figures, each a matplotlib figure of one question."""

from collections.abc import Sequence
from dataclasses import asdict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib import style
from matplotlib.figure import Figure
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.row import row_response
from prism_photonics.lightpath.ring.model import resonance_shift_pm
from prism_photonics.plotting import BLUE, GREEN, GREY, RED, STYLE
from prism_photonics.ranking.evaluate import Evaluation
from prism_photonics.spec import ChipSpec

styled = style.context(["default", STYLE])
"""Draws a figure in the report's style, whatever the user's matplotlib settings are."""


@styled
def spectrum(spec: ChipSpec) -> Figure:
    """Through and drop transmission of one designed row at rest, with the channels marked."""
    bank = designed_bank(spec)
    rings, buses = jax.tree.map(lambda leaf: leaf[0, 0], (bank.rings, bank.buses))
    spacing = spec.comb_design.spacing_um
    wl = jnp.linspace(bank.wl_um[0] - spacing, bank.wl_um[-1] + spacing, 6001)
    rest = resonance_shift_pm(rings, jnp.zeros(spec.chip.channels))
    fields = jax.jit(row_response)(wl, rings, buses, rest)
    figure = Figure(figsize=(9, 2.8))
    axes = figure.subplots()
    for name, field, colour in (("through", fields.through, BLUE), ("drop", fields.drop, RED)):
        axes.plot(
            np.asarray(wl) * 1e3,
            10 * np.log10(np.abs(np.asarray(field)) ** 2 + 1e-9),
            color=colour,
            lw=0.9,
            label=name,
        )
    for n, line in enumerate(np.asarray(bank.wl_um)):
        axes.axvline(line * 1e3, color=GREY, lw=0.8, ls=":", label="channel" if n == 0 else None)
    axes.set(
        xlabel="wavelength (nm)",
        ylabel="transmission (dB)",
        ylim=(-45, 3),
        title="One row as designed, rings at 0 V",
    )
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)
    return figure


@styled
def tuning(calibration: Calibration, spec: ChipSpec) -> Figure:
    """Fitted weight of every ring against its voltage, the others at 0 V."""
    volts = np.linspace(-spec.drive.max_voltage_V, spec.drive.max_voltage_V, 161)
    curves = ring_curves(calibration, volts)
    figure = Figure(figsize=(4.4, 3.2))
    axes = figure.subplots()
    axes.plot(volts, curves.reshape(len(volts), -1), color=BLUE, lw=0.5, alpha=0.5)
    axes.axhspan(-spec.ranking.weight_limit, spec.ranking.weight_limit, color=GREEN, alpha=0.08)
    axes.set(
        xlabel="ring voltage (V)",
        ylabel="effective weight",
        ylim=(-1.1, 1.1),
        title="Fitted tuning curves, all rings",
    )
    return figure


def ring_curves(calibration: Calibration, volts: Float[ndarray, " volts"]) -> Float[ndarray, "volts rows rings"]:
    """Own-channel weight of every ring swept alone."""
    shape = calibration.shape
    at = jax.jit(jax.vmap(calibration.weights))
    own = np.asarray(calibration.channel_of_ring)
    curves = [
        by_place(np.asarray(at(volts[:, None, None] * (np.arange(shape[1]) == c) * np.ones(shape))), own)[:, :, c]
        for c in range(shape[1])
    ]
    return np.stack(curves, -1)


@styled
def accuracy(validation: Validation) -> Figure:
    """Measured against commanded weights on unseen targets, and the error's histogram."""
    figure = Figure(figsize=(8.4, 3.2))
    left, right = figure.subplots(1, 2)
    used = ~np.asarray(validation.excluded)
    commanded, measured = validation.commanded[:, used].ravel(), validation.measured[:, used].ravel()
    left.plot(commanded, measured, ".", ms=2, color=BLUE)
    left.set(
        xlabel="commanded weight",
        ylabel="measured weight",
        title="Unseen targets, all rings moving, open loop",
    )
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
    for axes, title in (
        (hit, "needle's block among the chosen"),
        (recall, "recall@k against attention mass"),
    ):
        axes.axhline(rows[0]["chance"], color=RED, lw=1, ls="--", label="chance")
        axes.set(xticks=range(len(heads)), xticklabels=[f"KV head {h}" for h in heads], ylim=(0, 1.05), title=title)
    figure.legend(*hit.get_legend_handles_labels(), loc="outside lower center", ncols=len(scorers) + 1)
    return figure
