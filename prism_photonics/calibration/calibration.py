"""The calibrated chip: fitted model of its rows, and the calibration that fits it."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.faults import Fault, find_faults
from prism_photonics.calibration.fit_workers import fit_workers, wanted
from prism_photonics.calibration.head_start import HeadStart, head_start
from prism_photonics.calibration.leftover import EFFECTS, Leftover
from prism_photonics.calibration.survey import head_of, on_dac_grid, survey_and_faults
from prism_photonics.calibration.survey_fit import RowFit, fit_survey
from prism_photonics.calibration.survey_readings import fit_readings
from prism_photonics.calibration.unknowns import (
    RowModel,
    Scatter,
    Unknowns,
    designed_gain_A,
    row_model,
    row_transmission,
)
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.circuit.params import designed_bank
from prism_photonics.codec.modulation import modulate
from prism_photonics.files.datasets import Dataset
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.lightpath.ring.polarization import SecondPolarization
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import split
from prism_photonics.units import InputError

# Noise alone moves χ² of one row by about 0.1; 2 means unmodelled physics as large as the noise.
DOUBTFUL_CHI2 = 2.0


class Calibration(eqx.Module):
    """Fitted model of every row of one chip.

    The *effective weight* W of a ring is what its row's converter reads with that channel alone fully lit, in units of
    the row's `unit_A`: ``W = (I − I_dark)/unit``. Lines of unequal strength are evened out by `light_scale`, so that a
    score is Σ W·p for light p·light_scale.

    Attributes:
        rows: Fitted optics, leaves with leading axes (rows, buses).
        std: Standard errors of the fit, in units of the spec's scatter (see `Unknowns`); phases in rad.
        estimate: The estimate in the same units.
        scatter: Standard deviation that one unit of each unknown stands for.
        wl_um: Channel wavelengths in µm.
        dark_A: Reading without light, per row.
        leak: Light that a dark modulator lets through, in units of its swing from dark to full.
        light_scale: Modulator transmission that stands for full light, per channel, at most 1.
        unit_A: Current of one unit of weight at full light, per row.
        residual_rms: Misfit of the survey per bus, in units of weight.
        chi2: Mean squared misfit over expected noise, per degree of freedom; one when the model holds.
        triggers: Readings taken (one light and one voltage setting each, all rows at once).
        max_voltage_V: Largest ring voltage, either sign.
        voltage_step_V: One code of the ring drivers.
        adc_full_scale_A: The converters read from minus to plus this current.
        spec_hash: The spec that was calibrated.
        excluded: Rings that are left out because something is broken; nothing is asked of them. `find_faults` on the
            survey says why.
        channel_of_ring: The channel that the ring at each place along its bus serves. Rings and voltages count by
            place; weights, gains and what is excluded by channel.
        film: Ratio of the film's relaxation to its profile's, less one; 0 where the survey was too short.
        left: Misfit of every line, and what it goes along with; None of a calibration that none was fitted for.
    """

    rows: RowModel
    estimate: Unknowns
    std: Unknowns
    scatter: Scatter
    wl_um: Float[Numbers, " channels"]
    dark_A: Float[Numbers, " rows"]
    leak: Float[Numbers, ""]
    light_scale: Float[Numbers, " rings"]
    unit_A: Float[Numbers, " rows"]
    residual_rms: Float[Numbers, "rows buses"]
    chi2: Float[Numbers, "rows buses"]
    triggers: int = eqx.field(static=True)
    max_voltage_V: float = eqx.field(static=True)
    voltage_step_V: float = eqx.field(static=True)
    adc_full_scale_A: float = eqx.field(static=True)
    spec_hash: str = eqx.field(static=True)
    excluded: Bool[Numbers, "rows rings"]
    channel_of_ring: Int[Numbers, "rows buses channels"]
    film: Float[Numbers, ""]
    left: Leftover | None = None

    @property
    def readings_per_ring(self) -> float:
        """Triggers per ring of a bus: all rows are read at once, the channels of a row one by one."""
        return self.triggers / self.wl_um.shape[0]

    @property
    def offset_pm(self) -> Float[Numbers, "rows rings"]:
        """Each ring's resonance shift from fabrication, in pm."""
        return of_row(self.rows.rings.offset_pm)

    @property
    def offset_std_pm(self) -> Float[Numbers, "rows rings"]:
        """Its standard error, in pm."""
        return of_row(self.std.offset * self.scatter.offset_pm)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and rings of a row."""
        return self.unit_A.shape[0], self.light_scale.shape[0]

    @property
    def spoiled(self) -> Bool[ndarray, "rows rings"]:
        """Rings, by the line that they serve, whose line no fit explains: known less well than the others."""
        if self.left is None or self.left.apart is None:
            return np.zeros(self.shape, dtype=bool)
        return np.asarray(self.left.apart, dtype=bool).reshape(self.shape)

    def doubts(self) -> tuple[str, ...]:
        """Rings whose lines no fit explains, and rows whose fit does not explain their readings, a sentence each."""
        worst = np.asarray(self.chi2).max(1)
        return self._spoiled_lines() + tuple(
            f"row {n}: the fit misses its readings by χ² = {chi2:.1f} per degree of freedom (1 when the model "
            f"holds, {DOUBTFUL_CHI2:g} is allowed){self._worst_line(n)}; is this the right spec? If so, calibrate with "
            "more settings, or find what the fit lacks"
            for n, chi2 in enumerate(worst)
            if not chi2 <= DOUBTFUL_CHI2
        )

    def _spoiled_lines(self) -> tuple[str, ...]:
        """What is to be told of rings whose lines no fit explains."""
        if self.left is None:
            return ()
        chi2 = np.asarray(self.left.chi2).reshape(self.shape)
        return tuple(
            f"ring {ring} of row {row} is known less well than the others: no fit explains its line (χ² = "
            f"{chi2[row, ring]:.3g}), and without that line the others of its bus are explained, as where TE and TM "
            f"cross; it is driven by what its line tells, which its error bars say; trim the ring elsewhere, or leave "
            f"line {ring} dark, which all rows share"
            for row, ring in np.argwhere(self.spoiled)
        )

    def _worst_line(self, row: int) -> str:
        """Which line of a row the fit misses most, and what that misfit goes along with."""
        if self.left is None:
            return ""
        of_row = np.asarray(self.left.chi2)[row]
        bus, line = np.unravel_index(int(of_row.argmax()), of_row.shape)
        channel = int(bus) * of_row.shape[1] + int(line)
        return f", most on channel {channel}: {self.left.named((row, int(bus), int(line)))}"

    @property
    def weight_leak(self) -> float:
        """The leak in units of full light as scores mean it, the mean over the evened lines."""
        return float(self.leak) * float(np.mean(1.0 / np.asarray(self.light_scale)))

    def effective_scale(self) -> Float[Array, "rows buses channels"]:
        """Effective weight per unit of ``T_through − ρ·T_drop``."""
        scale = self.light_scale.reshape(self.rows.gain_A.shape[1:])
        return self.rows.gain_A * scale / self.unit_A[:, None, None]

    def on_dac_grid(self, volts: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
        """The nearest voltage that the ring drivers can write."""
        return on_dac_grid(volts, max_voltage_V=self.max_voltage_V, step_V=self.voltage_step_V)

    def weights(self, volts: Float[Array, "rows rings"]) -> Float[Array, "rows rings"]:
        """Predicted effective weights at ring voltages in V."""
        return predicted_weights(self, jnp.asarray(volts, dtype=float))

    def weight_of_current(self, current_A: Float[ndarray, "... rows"]) -> Float[ndarray, "... rows"]:
        """Readings in A as effective weights."""
        return (current_A - np.asarray(self.dark_A)) / np.asarray(self.unit_A)


@eqx.filter_jit
def predicted_weights(calibration: Calibration, volts: Float[Array, "rows rings"]) -> Float[Array, "rows rings"]:
    """Effective weights of all rows through their fitted models; differentiable."""
    one = lambda bus, v: row_transmission(calibration.wl_um, bus, v)  # noqa: E731
    by_bus = volts.reshape(calibration.rows.gain_A.shape)
    transmission = jax.vmap(jax.vmap(one))(calibration.rows, by_bus)
    return of_row(calibration.effective_scale() * transmission)


def of_row(by_bus: Float[Numbers, "rows buses channels"]) -> Float[Numbers, "rows rings"]:
    """A row's rings one after the other, bus by bus."""
    return by_bus.reshape(by_bus.shape[0], -1)


def calibrate(
    chip: AbstractChip,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    settings: int | None = None,
    averages: int | None = None,
) -> Calibration:
    """Calibrate a chip from its photocurrents: survey, then least squares through the exact row.

    Args:
        chip: The chip on its bench.
        spec: Its spec, where the fit starts.
        key: JAX random key of survey voltages and fit starts.
        settings: Voltage settings of the survey; each costs one reading per channel.
        averages: Converter samples per reading.

    Returns:
        The calibration.

    Raises:
        InputError: The chip has another shape, or a ring, line or detector is dead.
    """
    survey_key, fit_key = split(key)
    with HeadStart(spec, key=fit_key) as ahead:
        survey, faults = survey_and_faults(
            chip, spec, key=survey_key, settings=settings, averages=averages, at_head=ahead.begin
        )
        return from_survey(survey, spec, key=fit_key, faults=faults, start=ahead.result())


def from_survey(
    survey: Dataset,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    faults: tuple[Fault, ...] | None = None,
    start: Float[ndarray, "all unknowns"] | None = None,
) -> Calibration:
    """Fit a calibration to a recorded survey.

    Args:
        survey: Result of `take_survey`.
        spec: The chip's spec.
        key: JAX random key of the fit's starts.
        faults: Result of `find_faults` of this survey; computed if not given.
        start: Result of `head_start` of its first settings; computed if not given.

    Returns:
        The calibration.

    Raises:
        InputError: The survey was taken for another spec.
    """
    if survey.attrs["spec_hash"] != spec.hash:
        raise InputError(
            f"calibrate: the survey belongs to spec {str(survey.attrs['spec_hash'])[:12]}, not to {spec.name} "
            f"({spec.hash[:12]}); calibrate with the chip's own spec"
        )
    own = survey.channel_of_ring.values
    readings = fit_readings(survey, find_faults(survey, spec) if faults is None else faults, spec)
    use = readings.use
    if readings.laser is None:
        dark_A, leak = dark_and_leak(survey.dark_A.values, readings.current_A, trusted=use.whole_rows)
    else:
        # A laser that is off is dark.
        dark_A, leak = np.nan_to_num(survey.dark_A.values).mean(0), 0.0
    with fit_workers(wanted(readings.current_A.size * spec.chip.channels)):
        if start is None and (head := head_of(survey, spec)) is not None:
            start = head_start(head, spec, key=key)
        fit, drift = fit_survey(survey, spec, readings, key=key, start=start)
    calibration = _from_fit(
        fit,
        np.asarray(spec.comb_design.wl_um),
        dark_A=dark_A,
        leak=leak,
        triggers=int(survey.attrs["triggers"]),
        spec=spec,
        modulated=readings.laser is None,
    )
    found = {"excluded": use.excluded, "film": drift.film, "channel_of_ring": own}
    return dataclasses.replace(calibration, **{name: jnp.asarray(value) for name, value in found.items()})


def dark_and_leak(
    dark_A: Float[ndarray, "settings rows"],
    current_A: Float[ndarray, "settings channels rows"],
    *,
    trusted: Bool[ndarray, " rows"] | bool = True,
) -> tuple[Float[ndarray, " rows"], float]:
    """Each row's reading without light, and the modulators' common leak, from the dark level's dependence on the rings.

    Least squares of ``dark = offset_row + leak·Σ_c I_c``: one offset for each row, one leak for the chip.

    Args:
        dark_A: Readings with every modulator dark.
        current_A: Readings of each channel lit alone, less the dark level. Settings with a NaN are left out.
        trusted: Rows that tell the leak: those whose detectors all work.

    Returns:
        Offsets in A and the leak, dimensionless, not negative.
    """
    seen = np.isfinite(current_A).all(1)
    lit_A, dark_A = (np.where(seen, part, 0.0) for part in (current_A.sum(1), dark_A))
    count = np.maximum(seen.sum(0), 1)
    mean_lit, mean_dark = lit_A.sum(0) / count, dark_A.sum(0) / count
    swing = np.where(seen & trusted, lit_A - mean_lit, 0.0)
    leak = max(float((swing * (dark_A - mean_dark)).sum() / max((swing**2).sum(), np.finfo(float).tiny)), 0.0)
    return mean_dark - leak * mean_lit, leak


def blank_calibration(spec: ChipSpec, *, triggers: int) -> Calibration:
    """A calibration with the design's values, whose arrays readers of files replace."""
    design, scatter = designed_bank(spec, xp=np), Scatter.from_spec(spec)
    rows, buses, channels = design.shape
    bus, gap, ring = np.zeros((rows, buses)), np.zeros((rows, buses, channels - 1)), np.zeros(design.shape)
    nothing = Unknowns(ring, ring, ring, ring, ring, ring, gap, gap, ring, bus)
    model = row_model(nothing, design.rings, design.buses, gain_A=designed_gain_A(spec), scatter=scatter)
    fit = RowFit(*jax.tree.map(jnp.asarray, (model, nothing, nothing, bus, bus + 1.0)))
    return _from_fit(fit, design.wl_um, dark_A=np.zeros(rows), leak=0.0, triggers=triggers, spec=spec)


def _from_fit(
    fit: RowFit,
    wl_um: Float[ndarray, " channels"],
    *,
    dark_A: Float[ndarray, " rows"],
    leak: float,
    triggers: int,
    spec: ChipSpec,
    modulated: bool = True,
) -> Calibration:
    shape = fit.model.gain_A.shape
    gain_A = np.asarray(fit.model.gain_A).reshape(shape[0], -1)
    line = np.exp(np.log(gain_A).mean(0))
    # On the modulators' grid, or full light would not be what the calibration says it is.
    # One laser without a modulator is read at full power, and its lines are weighed as they are.
    light_scale = modulate(line.min() / line, spec.modulator.dac_bits) if modulated else np.ones_like(line)
    return Calibration(
        rows=fit.model,
        estimate=fit.unknowns,
        std=fit.std,
        scatter=jax.tree.map(jnp.asarray, Scatter.from_spec(spec)),
        wl_um=jnp.asarray(wl_um),
        dark_A=jnp.asarray(dark_A),
        leak=jnp.asarray(leak, dtype=float),
        light_scale=jnp.asarray(light_scale),
        unit_A=jnp.asarray((gain_A * light_scale).mean(-1)),
        residual_rms=fit.residual_rms,
        chi2=fit.chi2,
        left=fit.left,
        triggers=triggers,
        max_voltage_V=spec.drive.max_voltage_V,
        voltage_step_V=spec.voltage_step_V,
        adc_full_scale_A=spec.detector_design.adc_full_scale_A,
        spec_hash=spec.hash,
        excluded=jnp.asarray(np.zeros((spec.chip.rows, spec.chip.rings), dtype=bool)),
        channel_of_ring=jnp.asarray(np.broadcast_to(np.arange(spec.chip.channels), shape)),
        film=jnp.asarray(0.0),
    )


def summary(calibration: Calibration) -> dict[str, Any]:
    """The calibration's figures as plain data, with units in the names."""
    beyond = calibration.rows.beyond
    # Of buses that are explained by the plain row it is nothing.
    split = {} if beyond is None else {"splitting_pm": round(float(np.median(beyond.splitting_pm)), 2)}
    left = {}
    if calibration.left is not None:
        # Each line's shares count by its misfit.
        by_line, misfit = (np.asarray(part) for part in (calibration.left.shares, calibration.left.chi2))
        shares = np.average(by_line.reshape(-1, len(EFFECTS)), axis=0, weights=misfit.ravel())
        left = {"misfit_along_with": {name: round(float(s), 3) for name, s in zip(EFFECTS, shares, strict=True)}}
    # Rows and buses in which a ring on a crossing of TE and TM was fitted: in the others none converts.
    tm = {}
    if beyond is not None and beyond.tm is not None:
        assert isinstance(beyond.tm.rings, SecondPolarization)
        tm = {"buses_with_tm": np.argwhere(np.asarray(beyond.tm.rings.conversion_rad).any(-1)).tolist()}
    spoiled = {"spoiled_rings": found} if (found := np.argwhere(calibration.spoiled).tolist()) else {}
    return (
        split
        | left
        | spoiled
        | tm
        | {
            "readings_per_ring": round(calibration.readings_per_ring, 2),
            "residual_rms": float(np.sqrt(np.mean(np.square(calibration.residual_rms)))),
            "chi2": float(np.mean(calibration.chi2)),
            "excluded_rings": np.argwhere(np.asarray(calibration.excluded)).tolist(),
            "unit_uA": [round(float(u) * 1e6, 3) for u in calibration.unit_A],
        }
    )
