"""Results of a calibration by stage: dark, power, resonance, tuning and rows, each a dataset with error bars.

All rings answer at once, so one survey and one fit give every stage. The records part what they found by the question
that a laboratory asks, in its units.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.beyond import Beyond
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.faults import lit_currents_A
from prism_photonics.files.datasets import Dataset, dataset_of
from prism_photonics.lightpath.ring.model import fsr_um, fwhm_pm
from prism_photonics.lightpath.waveguide.model import path_phase
from prism_photonics.units import PM_PER_UM

SCHEMA = "prism_photonics.stage/2"
STAGES = ("dark", "power", "resonance", "tuning", "rows")
RING, LINE = ("row", "ring"), ("row", "line")
BUS, GAP = ("row", "bus"), ("row", "bus", "gap")
Entry = tuple[tuple[str, ...], Any, str, str]
"""Axes, values, unit, meaning."""


def stages(calibration: Calibration, survey: Dataset) -> dict[str, Dataset]:
    """The stages of a calibration by name, in the order of `STAGES`; a ``…_std`` is the standard error of its like.

    Args:
        calibration: The calibrated chip.
        survey: The survey that it came from.

    Returns:
        Datasets whose every array says its unit and its meaning. Rings count by place along the row, bus by bus, lines
        and all that belongs to them by channel.
    """
    # What is computed here is a few sums of many sizes: JAX would compile a program for each.
    calibration = jax.tree.map(np.asarray, calibration)
    found = (_dark(calibration, survey), _power(calibration), _resonance(calibration), _tuning(calibration))
    attrs = {"schema": SCHEMA, "spec_hash": calibration.spec_hash}
    return {
        name: _dataset(entries, attrs | {"stage": name})
        for name, entries in zip(STAGES, (*found, _rows(calibration)), strict=True)
    }


def _dark(calibration: Calibration, survey: Dataset) -> dict[str, Entry]:
    """Each row's reading without light, and the leak of dark modulators."""
    reading_A = np.asarray(survey.dark_A.values)
    lit_A = lit_currents_A(survey).sum(1)
    offset_A, leak = np.asarray(calibration.dark_A), float(calibration.leak)
    rest_A = reading_A - (offset_A + leak * lit_A)
    seen = np.isfinite(rest_A)
    rest_A = np.where(seen, rest_A, 0.0)
    count = seen.sum(0)
    rms_A = np.sqrt((rest_A**2).sum(0) / np.maximum(count - 1, 1))
    swing_A = np.where(seen, lit_A, 0.0)
    swing_A = np.where(seen, swing_A - swing_A.sum(0) / np.maximum(count, 1), 0.0)
    # One leak for all rows: each row's swing tells it as well as the row is quiet.
    power = np.maximum((swing_A**2).sum(), np.finfo(float).tiny)
    leak_std = float(np.sqrt(((swing_A * rms_A) ** 2).sum()) / power)
    return {
        "reading_A": (("setting", "row"), reading_A, "A", "reading with every modulator dark, at each survey setting"),
        "offset_A": (("row",), offset_A, "A", "reading without light"),
        "offset_std_A": (("row",), rms_A / np.sqrt(np.maximum(count, 1)), "A", "its standard error"),
        "leak": ((), leak, "1", "light of a dark modulator over its swing from dark to full"),
        "leak_std": ((), leak_std, "1", "its standard error"),
        "rest_rms_A": (("row",), rms_A, "A", "rms of what offset and leak leave of the readings"),
    }


def _power(calibration: Calibration) -> dict[str, Entry]:
    """Photocurrent of each line in each row, and the transmissions that even the lines out."""
    gain_A = _by_ring(calibration.rows.gain_A)
    ratio_dB = 10.0 * np.log10(gain_A / gain_A.mean())
    return {
        "gain_A": (LINE, gain_A, "A", "current of a line, fully lit and fully passed: power times responsivity"),
        "gain_std_A": (
            RING,
            gain_A * _by_ring(calibration.std.gain * calibration.scatter.gain),
            "A",
            "its standard error",
        ),
        "line_dB": (("line",), ratio_dB.mean(0), "dB", "line over the mean of all, averaged over rows"),
        "row_dB": (("row",), ratio_dB.mean(1), "dB", "row over the mean of all, averaged over lines"),
        "light_scale": (("line",), calibration.light_scale, "1", "modulator transmission that stands for full light"),
        "unit_A": (("row",), calibration.unit_A, "A", "current of one unit of weight at full light"),
        "drop_ratio": (BUS, calibration.rows.drop_ratio, "1", "drop photodiode's responsivity over the through one's"),
        "drop_ratio_std": (
            BUS,
            calibration.std.drop_ratio * calibration.scatter.drop_ratio,
            "1",
            "its standard error",
        ),
    }


def _resonance(calibration: Calibration) -> dict[str, Entry]:
    """Resonance of each ring at 0 V, and its distance from the line that it serves."""
    own = np.asarray(calibration.channel_of_ring)
    served = _by_ring(own).astype(int)
    std_pm = np.asarray(calibration.offset_std_pm)
    return {
        "channel": (RING, served, "1", "wavelength that the ring serves, counted within its bus"),
        "channel_wl_nm": (RING, np.asarray(calibration.wl_um)[served] * 1e3, "nm", "that wavelength"),
        "offset_pm": (RING, calibration.offset_pm, "pm", "resonance minus design"),
        "offset_std_pm": (RING, std_pm, "pm", "standard error of offset_pm and of distance_pm"),
        "distance_pm": (RING, rest_distance_pm(calibration), "pm", "nearest resonance at 0 V minus its channel"),
        "fwhm_pm": (RING, _by_ring(fwhm_pm(calibration.rows.rings)), "pm", "full width at half maximum"),
        "fsr_nm": (RING, 1e3 * _by_ring(fsr_um(calibration.rows.rings)), "nm", "free spectral range"),
        "excluded": (RING, by_place(np.asarray(calibration.excluded), own), "1", "left out: something is broken"),
    }


def rest_distance_pm(calibration: Calibration) -> Float[ndarray, "rows rings"]:
    """The nearest resonance of every ring at 0 V minus the channel that it serves, in pm."""
    rings = calibration.rows.rings
    opl_um = rings.opl_um + rings.gpl_um * rings.offset_pm / PM_PER_UM / rings.wl0_um
    wl = calibration.wl_um[calibration.channel_of_ring]
    phase = np.asarray(path_phase(wl, opl_um, rings.gpl_um, rings.wl0_um))
    # At a wavelength below its resonance a ring has turned by more than whole turns; one turn is one FSR there.
    turns, fsr = phase / (2.0 * np.pi), np.asarray(wl**2 / rings.gpl_um)
    return _by_ring((turns - np.round(turns)) * fsr) * PM_PER_UM


def _tuning(calibration: Calibration) -> dict[str, Entry]:
    """Tuning of the resonances by voltage, by the neighbours' voltages too."""
    rings, std, scatter = calibration.rows.rings, calibration.std, calibration.scatter
    designed_pm_V = rings.slope_pm_V / (1.0 + scatter.slope * calibration.estimate.slope)
    curvature_std = _by_ring(std.curvature * scatter.curvature_pm_V2)
    return {
        "slope_pm_V": (RING, _by_ring(rings.slope_pm_V), "pm/V", "shift of the resonance per volt at 0 V"),
        "slope_std_pm_V": (
            RING,
            _by_ring(abs(designed_pm_V) * std.slope * scatter.slope),
            "pm/V",
            "its standard error",
        ),
        "curvature_pm_V2": (RING, _by_ring(rings.curvature_pm_V2), "pm/V²", "quadratic part of the shift"),
        "curvature_std_pm_V2": (RING, curvature_std, "pm/V²", "its standard error"),
        "crosstalk": (GAP, calibration.rows.crosstalk, "1", "share of a ring's voltage that its neighbour sees"),
        "crosstalk_std": (GAP, std.crosstalk * scatter.crosstalk, "1", "its standard error"),
    }


def _rows(calibration: Calibration) -> dict[str, Entry]:
    """The coherent row: couplings, losses, bus phases, and residuals of the survey."""
    rings, std, scatter = calibration.rows.rings, calibration.std, calibration.scatter
    entries: dict[str, Entry] = {}
    for bus, t, error in (("through", rings.t1, std.kappa1), ("drop", rings.t2, std.kappa2)):
        kappa2 = _by_ring(1.0 - t**2)
        entries[f"kappa2_{bus}"] = (RING, kappa2, "1", f"power that the coupler to the {bus} bus crosses")
        # κ² is log-normal: its error is relative.
        relative = _by_ring(error * scatter.kappa)
        entries[f"kappa2_{bus}_std"] = (RING, kappa2 * relative, "1", "its standard error")
    loss_dB = -20.0 * np.log10(_by_ring(rings.a))
    phase_rad = np.asarray(calibration.estimate.phase_rad) % (2.0 * np.pi)
    if calibration.rows.beyond is not None:
        entries |= _beyond(calibration.rows.beyond)
    return entries | {
        "loss_dB": (RING, loss_dB, "dB", "loss of one round trip"),
        "loss_std_dB": (RING, loss_dB * _by_ring(std.loss * scatter.loss), "dB", "its standard error"),
        "phase_rad": (GAP, phase_rad, "rad", "sum of both buses' phases between two rings, beyond design"),
        "phase_std_rad": (GAP, std.phase_rad, "rad", "its standard error"),
        "chi2": (BUS, calibration.chi2, "1", "mean squared misfit over noise, per degree of freedom"),
        "residual_rms": (BUS, calibration.residual_rms, "1", "misfit of the survey, in units of weight"),
    }


def _beyond(beyond: Beyond) -> dict[str, Entry]:
    """What the readings asked for beyond the plain row."""
    end = np.hypot(beyond.end_re, beyond.end_im)
    return {
        "splitting_pm": (RING, _by_ring(beyond.splitting_pm), "pm", "distance of a ring's two resonances"),
        "cubic_pm_V3": (RING, _by_ring(beyond.cubic_pm_V3), "pm/V³", "cubic part of the shift"),
        "end_reflection": (
            (*BUS, "end"),
            end,
            "1",
            "field that the entrance, the through exit, the drop exit and the drop bus's far end reflect",
        ),
    }


def _by_ring(by_bus: Any) -> Float[ndarray, "rows rings"]:
    """A row's rings one after the other, bus by bus."""
    array = np.asarray(by_bus, dtype=float)
    return array.reshape(array.shape[0], -1)


def _dataset(entries: Mapping[str, Entry], attrs: Mapping[str, Any]) -> Dataset:
    arrays = {}
    for name, (axes, values, unit, meaning) in entries.items():
        numbers = np.asarray(values, dtype=float)
        arrays[name] = (axes, numbers, {"units": unit, "long_name": meaning})
    return dataset_of(arrays, attrs)
