"""The stages of a calibration as records and figures: each a netCDF file beside a plot of the same name."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.record import write_dataset
from prism_photonics.calibration.resonance_search import Search
from prism_photonics.calibration.stages import stages
from prism_photonics.characterize.closed_loop import Trimmed
from prism_photonics.files import write_bytes
from prism_photonics.plotting import BLUE, GREY, RED, STYLE
from prism_photonics.report.axes import by_ring, resonances, whole
from prism_photonics.report.panels import panels


def write_stages(folder: Path, calibration: Calibration, survey: xr.Dataset) -> None:
    """Write every stage of a calibration, record and plot, into a folder.

    Raises:
        InputError: The folder cannot be written.
    """
    for name, dataset in stages(calibration, survey).items():
        write_dataset(dataset, folder / f"{name}.nc")
        _write(folder / f"{name}.png", FIGURES[name], dataset)


def write_search(folder: Path, found: Search) -> None:
    """Write the resonance search, record and plot, into the same folder.

    Raises:
        InputError: The folder cannot be written.
    """
    write_dataset(found.dataset(), folder / "search.nc")
    _write(folder / "search.png", search, found.dataset())


def write_trim(folder: Path, trimmed: Trimmed) -> None:
    """Write the closed-loop trim, record and plot, into the same folder.

    Raises:
        InputError: The folder cannot be written.
    """
    trimmed.write(folder / "trim.nc")
    _write(folder / "trim.png", trim, trimmed)


def _write[Stage: (xr.Dataset, Trimmed)](path: Path, draw: Callable[[Stage], Figure], stage: Stage) -> None:
    stream = io.BytesIO()
    with style.context(["default", STYLE]):
        draw(stage).savefig(stream, format="png", dpi=120)
    write_bytes(path, stream.getvalue())


def search(stage: xr.Dataset) -> Figure:
    """Where the rings of an untrimmed die rest, and how far heat has to move each to the channel that it serves."""
    figure, ((left, middle, right),) = panels(11.0, 3.2, 1, 3)
    by_ring(left, stage.offset_pm.values, stage.offset_std_pm.values)
    left.set(xlabel="ring, rows side by side", ylabel="resonance − design (pm)", title="As fabricated")
    image = middle.imshow(stage.channel.values, aspect="auto", cmap="viridis", interpolation="nearest")
    figure.colorbar(image, ax=middle, label="channel", ticks=MaxNLocator(integer=True))
    middle.grid(False)
    middle.set(xlabel="place of the ring", ylabel="row", title="The channel that it is to serve")
    by_ring(right, stage.tuning_pm.values * 1e-3, stage.offset_std_pm.values * 1e-3)
    total_W = float(stage.power_mW.sum()) * 1e-3
    title = f"Heat, {total_W:.3g} W; {1e2 * stage.attrs['crosstalk']:.2g} % next door"
    right.set(xlabel="ring, rows side by side", ylabel="red shift by heat (nm)", title=title)
    right.set_ylim(bottom=0.0)
    for axes in (left, middle, right):
        whole(axes)
    middle.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def dark(stage: xr.Dataset) -> Figure:
    """Readings without light at every setting, and each row's offset with what the rings let leak."""
    figure, ((left, right),) = panels(8.4, 3.2, 1, 2)
    reading_nA = stage.reading_A.values * 1e9
    left.plot(reading_nA, color=BLUE, lw=0.7, alpha=0.6)
    left.set(
        xlabel="survey setting", ylabel="dark reading (nA)", title="All modulators dark; the leak follows the rings"
    )
    rows = np.arange(reading_nA.shape[1])
    right.errorbar(rows, stage.offset_A.values * 1e9, stage.offset_std_A.values * 1e9, fmt="o", ms=3, color=BLUE)
    leak, error = float(stage.leak), float(stage.leak_std)
    right.set(xlabel="row", ylabel="offset (nA)", title=f"Offset; leak {leak:.2e} ± {error:.0e} of full light")
    whole(right)
    return figure


def power(stage: xr.Dataset) -> Figure:
    """Current of every line in every row, the light that evens them out, and the photodiodes' balance."""
    figure, ((left, middle, right),) = panels(11.0, 3.2, 1, 3)
    gain_uA, std_uA = stage.gain_A.values * 1e6, stage.gain_std_A.values * 1e6
    by_ring(left, gain_uA, std_uA)
    left.set(xlabel="line, rows side by side", ylabel="current (µA)", title="A line fully lit and fully passed")
    left.set_ylim(0.0, 1.1 * gain_uA.max())
    middle.bar(np.arange(stage.light_scale.size), stage.light_scale.values, color=BLUE)
    middle.set(xlabel="line", ylabel="transmission", title="Light that evens the lines", ylim=(0.0, 1.05))
    ratio, error = stage.drop_ratio.values, stage.drop_ratio_std.values
    for bus in range(ratio.shape[1]):
        right.errorbar(np.arange(len(ratio)), ratio[:, bus], error[:, bus], fmt="o", ms=3, label=f"bus {bus}")
    right.axhline(1.0, color=GREY, lw=0.8, ls=":")
    right.set(xlabel="row", ylabel="drop over through", title="Balance of the photodiodes")
    if ratio.shape[1] > 1:
        right.legend()
    for axes in (left, middle, right):
        whole(axes)
    return figure


def resonance(stage: xr.Dataset) -> Figure:
    """How far every ring rests from the channel that it serves, in linewidths of view."""
    figure, ((left, right),) = panels(8.4, 3.2, 1, 2, width_ratios=(2, 1))
    resonances(stage, left)
    used = stage.excluded.values == 0
    std_pm = stage.offset_std_pm.values
    right.hist(std_pm[used], bins=24, color=BLUE)
    right.set(xlabel="standard error (pm)", ylabel="rings", title="How well it is known")
    return figure


def tuning(stage: xr.Dataset) -> Figure:
    """Slope, curvature and crosstalk of the electrodes, with error bars."""
    figure, ((slope, curvature, crosstalk),) = panels(11.0, 3.2, 1, 3)
    by_ring(slope, stage.slope_pm_V.values, stage.slope_std_pm_V.values)
    slope.set(xlabel="ring, rows side by side", ylabel="slope (pm/V)", title="Linear tuning")
    by_ring(curvature, stage.curvature_pm_V2.values * 1e3, stage.curvature_std_pm_V2.values * 1e3)
    curvature.set(xlabel="ring, rows side by side", ylabel="curvature (fm/V²)", title="Curvature")
    share, error = (stage[n].values.reshape(stage.sizes["row"], -1) for n in ("crosstalk", "crosstalk_std"))
    by_ring(crosstalk, 1e3 * share, 1e3 * error)
    crosstalk.set(
        xlabel="gap between rings, rows side by side", ylabel="share of a neighbour's voltage (10⁻³)", title="Crosstalk"
    )
    for axes in (slope, curvature, crosstalk):
        whole(axes)
    return figure


def rows(stage: xr.Dataset) -> Figure:
    """Couplings, losses and bus phases of the coherent fit, and how well it explains the survey."""
    figure, ((coupling, loss, phase), (chi2, residual, known)) = panels(11.0, 5.6, 2, 3)
    for side, colour in (("through", BLUE), ("drop", RED)):
        kappa2, error = stage[f"kappa2_{side}"].values, stage[f"kappa2_{side}_std"].values
        by_ring(coupling, 1e3 * kappa2, 1e3 * error, colour=colour, label=f"{side} bus")
    coupling.set(xlabel="ring, rows side by side", ylabel="κ² (10⁻³)", title="Couplings")
    coupling.legend()
    by_ring(loss, stage.loss_dB.values * 1e3, stage.loss_std_dB.values * 1e3)
    loss.set(xlabel="ring, rows side by side", ylabel="loss (10⁻³ dB)", title="Loss of one round trip")
    between = (stage[n].values.reshape(stage.sizes["row"], -1) for n in ("phase_rad", "phase_std_rad"))
    by_ring(phase, *between)
    phase.set(
        xlabel="gap between rings, rows side by side", ylabel="phase (rad)", title="Bus phases", ylim=(0.0, 2.0 * np.pi)
    )
    count = np.arange(stage.sizes["row"])
    chi2.plot(count, stage.chi2.values, "o", ms=3, color=BLUE)
    chi2.axhline(1.0, color=GREY, lw=0.8, ls=":")
    chi2.set(xlabel="row", ylabel="χ² per degree of freedom", title="Misfit over noise")
    chi2.set_ylim(0.0, 1.15 * max(float(stage.chi2.max()), 1.0))
    residual.plot(count, 1e3 * stage.residual_rms.values, "o", ms=3, color=BLUE)
    residual.set(xlabel="row", ylabel="rms misfit (10⁻³ of a weight)", title="Misfit of the survey")
    residual.set_ylim(0.0, 1.15e3 * float(stage.residual_rms.max()))
    relative = [stage[f"{n}_std"].values / stage[n].values for n in ("kappa2_through", "kappa2_drop")]
    known.hist([1e2 * part.ravel() for part in relative], bins=20, color=(BLUE, RED), label=("through", "drop"))
    known.set(xlabel="standard error of κ² (%)", ylabel="rings", title="How well couplings are known")
    for axes in (coupling, loss, phase, chi2, residual):
        whole(axes)
    return figure


def trim(trimmed: Trimmed) -> Figure:
    """Accuracy open loop and after each correction, and the errors before and after."""
    figure, ((left, right),) = panels(8.4, 3.2, 1, 2)
    bits = trimmed.closed_loop_bits
    left.plot(np.arange(len(bits)), bits, "o-", color=BLUE)
    left.set(xlabel="corrections (0: open loop)", ylabel="accuracy (bits)", title="The same random targets, corrected")
    whole(left)
    error = 1e3 * (trimmed.measured - trimmed.commanded)[:, :, ~trimmed.excluded].reshape(len(bits), -1)
    edges = np.linspace(error.min(), error.max(), 41)
    right.hist(error[0], bins=edges, color=GREY, label="open loop")
    right.hist(error[-1], bins=edges, color=BLUE, alpha=0.6, label=f"{len(bits) - 1} corrections")
    right.set(xlabel="measured − commanded (10⁻³)", ylabel="weights", title="Errors")
    right.legend()
    return figure


FIGURES: Mapping[str, Callable[[xr.Dataset], Figure]] = {
    "dark": dark,
    "power": power,
    "resonance": resonance,
    "tuning": tuning,
    "rows": rows,
}
