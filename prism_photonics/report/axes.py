"""One question, one pair of axes: what the objects of the public API draw of themselves, and the report's figures of
them. Every function draws into matplotlib axes that it is given; `plotting.drawn` calls them by name.
"""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.ring import Ring
from prism_photonics.circuit.row import row_response
from prism_photonics.circuit.transient import Transient
from prism_photonics.lightpath.ring.model import resonance_shift_pm
from prism_photonics.plotting import BLUE, GREEN, GREY, RED
from prism_photonics.spec import ChipSpec

MANY_ROWS = 12
SPECTRUM_POINTS, LINEWIDTHS = 2001, 12.0
FLOOR = 1e-9


def ring_spectrum(ring: Ring, axes: Axes, *, volts: float = 0.0) -> None:
    """Through and drop transmission of a ring alone, a few linewidths about the resonance that is nearest to its own
    wavelength.
    """
    centre_nm, half_nm = 1e3 * ring.resonance_um(volts), 0.5e-3 * LINEWIDTHS * ring.fwhm_pm
    wl_nm = np.linspace(centre_nm - half_nm, centre_nm + half_nm, SPECTRUM_POINTS)
    for name, power, colour in zip(("through", "drop"), ring.spectrum(wl_nm * 1e-3, volts), (BLUE, RED), strict=True):
        axes.plot(wl_nm, _dB(power), color=colour, label=name)
    title = f"One ring at {volts:g} V: {ring.fwhm_pm:.0f} pm wide, Q = {ring.q_loaded:,.0f}"
    axes.set(xlabel="wavelength (nm)", ylabel="transmission (dB)", title=title)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.legend()


def ring_tuning(ring: Ring, axes: Axes, *, max_voltage_V: float) -> None:
    """Weight of a ring alone against its voltage, at the wavelength where it rests."""
    volts = np.linspace(-max_voltage_V, max_voltage_V, 401)
    axes.plot(volts, ring.weight(volts), color=BLUE)
    title = f"One ring tuned by {ring.tuning_pm_V:.1f} pm/V"
    axes.set(xlabel="ring voltage (V)", ylabel="weight, through − drop", ylim=(-1.1, 1.1), title=title)


def row_spectrum(spec: ChipSpec, axes: Axes) -> None:
    """Through and drop transmission of one designed row at rest, with the channels marked."""
    bank = designed_bank(spec)
    rings, buses = jax.tree.map(lambda leaf: leaf[0, 0], (bank.rings, bank.buses))
    spacing = spec.comb_design.spacing_um
    wl = jnp.linspace(bank.wl_um[0] - spacing, bank.wl_um[-1] + spacing, 6001)
    rest = resonance_shift_pm(rings, jnp.zeros(spec.chip.channels))
    fields = jax.jit(row_response)(wl, rings, buses, rest)
    for name, field, colour in (("through", fields.through, BLUE), ("drop", fields.drop, RED)):
        power = np.abs(np.asarray(field)) ** 2
        axes.plot(np.asarray(wl) * 1e3, _dB(power), color=colour, lw=0.9, label=name)
    for n, line in enumerate(np.asarray(bank.wl_um)):
        axes.axvline(line * 1e3, color=GREY, lw=0.8, ls=":", label="channel" if n == 0 else None)
    axes.set(
        xlabel="wavelength (nm)",
        ylabel="transmission (dB)",
        ylim=(-45, 3),
    )
    # Left, so that the legend finds room beside it.
    axes.set_title("One row as designed, rings at 0 V", loc="left")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)


def tuning_curves(calibration: Calibration, axes: Axes, *, spec: ChipSpec) -> None:
    """Fitted weight of every ring against its voltage, the others at 0 V."""
    volts = np.linspace(-spec.drive.max_voltage_V, spec.drive.max_voltage_V, 161)
    curves = ring_curves(calibration, volts)
    axes.plot(volts, curves.reshape(len(volts), -1), color=BLUE, lw=0.5, alpha=0.5)
    axes.axhspan(-spec.ranking.weight_limit, spec.ranking.weight_limit, color=GREEN, alpha=0.08)
    axes.set(
        xlabel="ring voltage (V)",
        ylabel="effective weight",
        ylim=(-1.1, 1.1),
        title="Fitted tuning curves, all rings",
    )


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


def resonances(stage: xr.Dataset, axes: Axes) -> None:
    """How far every ring rests from the channel that it serves, in linewidths of view."""
    used = stage.excluded.values == 0
    distance_pm, std_pm = (np.where(used, stage[n].values, np.nan) for n in ("distance_pm", "offset_std_pm"))
    by_ring(axes, distance_pm, std_pm)
    half_pm = 0.5 * float(np.median(stage.fwhm_pm.values))
    axes.axhspan(-half_pm, half_pm, color=GREEN, alpha=0.1, lw=0, label="the channel, one linewidth wide")
    axes.set(xlabel="ring, rows side by side", ylabel="resonance − channel (pm)", title="Rings at 0 V")
    axes.legend(loc="lower right")
    whole(axes)


def accuracy(validation: Validation, axes: Axes) -> None:
    """Measured against commanded weights on unseen targets."""
    used = ~np.asarray(validation.excluded)
    commanded, measured = validation.commanded[:, used].ravel(), validation.measured[:, used].ravel()
    axes.plot(commanded, measured, ".", ms=2, color=BLUE)
    axes.set(
        xlabel="commanded weight",
        ylabel="measured weight",
        title="Unseen targets, all rings moving, open loop",
    )


def by_ring(
    axes: Axes,
    values: Float[ndarray, "rows places"],
    std: Float[ndarray, "rows places"],
    *,
    colour: str = BLUE,
    label: str | None = None,
) -> None:
    """Values of every row side by side at each place, with error bars; of many rows paler."""
    count = len(values)
    for n, (row, error) in enumerate(zip(values, std, strict=True)):
        at = np.arange(len(row)) + 0.6 * ((n + 0.5) / count - 0.5)
        bars = axes.errorbar(at, row, error, fmt="o", ms=2, lw=0.8, color=colour, label=label if n == 0 else None)
        for part in (bars.lines[0], *bars.lines[2]):
            part.set_alpha(1.0 if count <= MANY_ROWS else 0.4)


def whole(axes: Axes) -> None:
    """Ticks at whole numbers only: rows, rings, lines."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _dB(power: ndarray) -> ndarray:
    return 10.0 * np.log10(power + FLOOR)


def eye_diagram(transient: Transient, axes: Axes) -> None:
    """Two symbols of a row's current, every symbol laid over the others, and the instant at which it is sampled."""
    per_symbol = transient.eye.shape[1]
    time_ns = np.arange(2 * per_symbol + 1) * transient.symbol_s / per_symbol * 1e9
    for start in range(len(transient.settled)):
        window = np.take(transient.current, np.arange(2 * per_symbol + 1) + start * per_symbol, mode="wrap")
        axes.plot(time_ns, window, color="C0", linewidth=0.6, alpha=0.5)
    axes.axvline(transient.delay_s * 1e9, color="C1", linewidth=1.0)
    axes.annotate("sampled", (transient.delay_s * 1e9, axes.get_ylim()[1]), color="C1", ha="center", va="bottom")
    axes.set(xlabel="time (ns)", ylabel="balanced current, of one fully lit line")
