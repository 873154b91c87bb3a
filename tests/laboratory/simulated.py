"""Sweeps of rings through the exact ring of `lightpath`, with what a laboratory adds: ripple, wander, noise."""

import jax.numpy as jnp
import numpy as np

from prism_photonics.laboratory.response import RingShape, ring_response
from prism_photonics.laboratory.window import Window
from prism_photonics.lightpath.ring.model import RingParams, ring_fields

WL0_NM, FSR_NM = 1546.9, 9.18
DB = 10.0 / np.log(10.0)


def fields(wl_nm, *, wl0_nm=WL0_NM, fsr_nm=FSR_NM, kappa2=0.0062, kappa2_drop=None, loss_dB=0.02, split_pm=0.0):
    """Complex through and drop fields of a ring whose two standing waves lie ``split_pm`` (complex if lossy) apart."""
    kappa2_drop = kappa2 if kappa2_drop is None else kappa2_drop
    gpl_um = 1e-3 * wl0_nm**2 / fsr_nm
    order = round(gpl_um / (1e-3 * wl0_nm))
    ring = RingParams(
        *(jnp.asarray(v) for v in (np.sqrt(1 - kappa2), np.sqrt(1 - kappa2_drop), 10 ** (-loss_dB / 20))),
        *(jnp.asarray(v) for v in (order * 1e-3 * wl0_nm, gpl_um, 0.0, 0.0, 0.0, 1e-3 * wl0_nm)),
    )
    pair = [ring_fields(jnp.asarray(1e-3 * wl_nm), ring, sign * 0.5 * split_pm) for sign in (1.0, -1.0)]
    return tuple(np.asarray(0.5 * (getattr(pair[0], name) + getattr(pair[1], name))) for name in ("through", "drop"))


def wander_nm(rng, count, *, std_nm, alike):
    """A laser's error of wavelength at each step."""
    white, error = rng.standard_normal(count), np.zeros(count)
    error[0] = white[0]
    for n in range(1, count):
        error[n] = alike * error[n - 1] + np.sqrt(1.0 - alike**2) * white[n]
    return std_nm * error


def sweep(rng, *, low_nm, high_nm, step_nm=0.004, std_nm=0.8e-3, alike=0.4, ripple=0.02, meter=2e-4, **ring):
    """Wavelengths that the laser says, and powers at through and drop port, of one ring."""
    wl_nm = np.arange(low_nm, high_nm, step_nm) + step_nm * rng.uniform(-0.5, 0.5)
    true_nm = wl_nm + wander_nm(rng, len(wl_nm), std_nm=std_nm, alike=alike)
    powers = []
    for field, imbalance in zip(fields(true_nm, **ring), (1.0, 0.8), strict=True):
        away = wl_nm - WL0_NM
        log_gain = 0.05 * rng.standard_normal() * away - 0.002 * away**2
        for period_nm, size in ((0.24, ripple), (0.46, 0.7 * ripple)):
            log_gain = log_gain + size * np.cos(2 * np.pi * away / period_nm + rng.uniform(0, 2 * np.pi))
        light = imbalance * np.exp(log_gain) * np.abs(field) ** 2
        powers.append(
            light * (1 + 5e-4 * rng.standard_normal(len(wl_nm))) + meter * np.abs(rng.standard_normal(len(wl_nm)))
        )
    return wl_nm, *powers


def one_window(rng, *, split_pm, jitter, step_nm=0.001, kappa2=0.0123, loss_dB=0.02, fsr_nm=2.6):
    """What a laser that jitters reads behind one ring, beginnings of its fit, and its meter's noise."""
    wl_nm = np.arange(WL0_NM - 0.3, WL0_NM + 0.3, step_nm) + step_nm * rng.uniform(-0.5, 0.5)
    true_nm = wl_nm + wander_nm(rng, len(wl_nm), std_nm=jitter.std_nm, alike=jitter.alike)
    ring = RingShape(WL0_NM, np.log(kappa2), 0.0, loss_dB / DB, split_pm**2, 0.0)
    through = ring_response(true_nm, ring, fsr_nm=fsr_nm).through * (1.0 + 5e-4 * rng.standard_normal(len(wl_nm)))
    starts = [np.array([WL0_NM, np.log(kappa2), 0.0, loss_dB / DB, size**2, 0.0]) for size in (3.0, 7.0)]
    return Window(wl_nm, through, (), (), (fsr_nm,)), starts, (1e-5,)
