"""One resonance in a designer's numbers, with errors carried over from the fit's."""

from dataclasses import dataclass, replace

import numpy as np

from prism_photonics.laboratory.couplers import Branch, branches
from prism_photonics.laboratory.fit import WindowFit
from prism_photonics.laboratory.response import RingShape
from prism_photonics.laboratory.splitting import UNKNOWN, SquaredSplitting, splitting
from prism_photonics.laboratory.window import RING

DB = 10.0 / np.log(10.0)
DIFFERENCE = 1e-4
"""Step, in standard errors, of the derivatives by which errors are carried over."""
LEAST_KAPPA2_SURE = 0.7
"""Relative error of κ² or Q beyond which a resonance says nothing."""


@dataclass(frozen=True)
class Resonance:
    """What a resonance tells; NaN where it cannot.

    Attributes:
        wl_nm: Wavelength in nm.
        fsr_nm: Free spectral range there, in nm.
        q_loaded: λ/FWHM of one of its two standing waves.
        q_intrinsic: The same without buses.
        kappa2_through: Power coupling to the through bus.
        kappa2_drop: To the drop bus; 0 without one.
        loss_dB_turn: Loss of a turn, couplers aside, in dB.
        splitting_pm: Distance of the two standing waves, in pm; NaN where it is not told from none, and on a ring too
            wide to tell.
        splitting_limit_pm: What it is below with a chance of 95 %.
        squared_splitting: What both come from, and what resonances can be averaged by.
        extinction_dB: Depth of the dip behind the ring.
        fwhm_pm: Linewidth in pm.
        other_kappa2: κ² of the through coupler on the other branch, which the same powers fit: of an all-pass ring, or
            of one whose couplers differ; NaN where there is none.
        other_kappa2_drop: Of the drop coupler there.
        other_loss_dB_turn: The loss on that branch.
        residual_through: Root mean square of what the fit leaves behind the ring, of the baseline.
        residual_drop: The same at the drop port, of its peak.
    """

    wl_nm: float
    wl_nm_std: float
    fsr_nm: float
    q_loaded: float
    q_loaded_std: float
    q_intrinsic: float
    q_intrinsic_std: float
    kappa2_through: float
    kappa2_through_std: float
    kappa2_drop: float
    kappa2_drop_std: float
    loss_dB_turn: float
    loss_dB_turn_std: float
    splitting_pm: float
    splitting_pm_std: float
    splitting_limit_pm: float
    squared_splitting: SquaredSplitting
    extinction_dB: float
    fwhm_pm: float
    other_kappa2: float
    other_kappa2_drop: float
    other_loss_dB_turn: float
    residual_through: float
    residual_drop: float

    @property
    def sure(self) -> bool:
        """Whether its width is known at all."""
        return bool(self.q_loaded > 0.0 and self.q_loaded_std < LEAST_KAPPA2_SURE * self.q_loaded)


def resonance(fit: WindowFit, k: int, *, fsr_known: bool, split: bool, balance_dB: float | None = None) -> Resonance:
    """The k-th ring of a window as a resonance.

    Args:
        fit: The fitted window.
        k: Which of its rings.
        fsr_known: Whether its free spectral range is; without it neither coupling nor loss is.
        split: Whether its splitting was fitted.
        balance_dB: Gain of the drop port's path over the through port's; None where couplers are taken to be alike.
    """
    at = slice(RING * k, RING * (k + 1))
    numbers, covariance = fit.p[at], fit.covariance[at, at]
    window = fit.model.window
    fsr_nm = window.fsr_nm[k]
    values = _figures(numbers, fsr_nm, dropped=window.dropped)
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    by = np.zeros((len(values), RING))
    for n in np.flatnonzero(std > 0.0):
        step = DIFFERENCE * std[n]
        up, down = numbers.copy(), numbers.copy()
        up[n], down[n] = up[n] + step, down[n] - step
        by[:, n] = (_figures(up, fsr_nm, dropped=window.dropped) - _figures(down, fsr_nm, dropped=window.dropped)) / (
            2.0 * step
        )
    errors = np.sqrt(np.maximum(np.einsum("an,nm,am->a", by, covariance, by), 0.0))
    q_loaded, q_intrinsic, kappa2, kappa2_drop, loss_dB, fwhm_pm = values
    # A peak alone has a width and no depth to tell coupling from loss by.
    through = len(window.through) > 0
    known = 1.0 if fsr_known and through else np.nan
    squared = SquaredSplitting.of(numbers[4:6], covariance[4:6, 4:6]) if split else UNKNOWN
    told = splitting(squared)
    drops = [n for n, of in enumerate(window.drop_of) if of == k]
    other = not window.dropped
    ring = RingShape(*numbers)
    survives = np.exp(np.clip(-ring.loss, -60.0, 60.0))
    one = Resonance(
        wl_nm=float(numbers[0]),
        wl_nm_std=float(std[0]),
        fsr_nm=fsr_nm if fsr_known else np.nan,
        q_loaded=q_loaded,
        q_loaded_std=errors[0],
        q_intrinsic=q_intrinsic if through and q_intrinsic > 0.0 else np.nan,
        q_intrinsic_std=errors[1] if through and q_intrinsic > 0.0 else np.nan,
        kappa2_through=kappa2 * known,
        kappa2_through_std=errors[2] * known,
        kappa2_drop=kappa2_drop * known,
        kappa2_drop_std=errors[3] * known,
        loss_dB_turn=loss_dB * known,
        loss_dB_turn_std=errors[4] * known,
        splitting_pm=told.pm,
        splitting_pm_std=told.std_pm,
        splitting_limit_pm=told.limit_pm,
        squared_splitting=squared,
        extinction_dB=_extinction_dB(fit, float(numbers[0]), fwhm_pm) if through else np.nan,
        fwhm_pm=fwhm_pm,
        other_kappa2=(1.0 - survives) * known if other else np.nan,
        other_kappa2_drop=np.nan,
        other_loss_dB_turn=-DB * np.log1p(-np.exp(ring.log_kappa2)) * known if other else np.nan,
        residual_through=fit.rms(0) if through else np.nan,
        residual_drop=fit.rms(int(through) + drops[0]) if drops else np.nan,
    )
    if balance_dB is None or not (known == 1.0 and drops):
        return one
    return _unlike(one, branches(fit, k, 1 + drops[0], balance_dB=balance_dB))


def _unlike(one: Resonance, found: list[Branch]) -> Resonance:
    """The resonance with couplers of their own, on the weaker coupled branch; the other beside it, if it may be."""
    if not found:
        # No ring drops so much light: the balance is another.
        return replace(
            one,
            **{
                f"{name}{end}": np.nan
                for name in ("kappa2_through", "kappa2_drop", "loss_dB_turn")
                for end in ("", "_std")
            },
        )
    first, other = found[0], found[1] if len(found) > 1 else None
    a = np.exp(-0.5 * first.loss_dB_turn / DB)
    own_nm = one.fsr_nm * (1.0 - a) / (np.pi * np.sqrt(a))
    intrinsic = one.wl_nm / own_nm if own_nm > 0.0 else np.nan
    return replace(
        one,
        **first._asdict(),
        q_intrinsic=intrinsic,
        q_intrinsic_std=intrinsic * first.loss_dB_turn_std / first.loss_dB_turn if own_nm > 0.0 else np.nan,
        other_kappa2=other.kappa2_through if other else np.nan,
        other_kappa2_drop=other.kappa2_drop if other else np.nan,
        other_loss_dB_turn=other.loss_dB_turn if other else np.nan,
    )


def _figures(numbers: np.ndarray, fsr_nm: float, *, dropped: bool) -> np.ndarray:
    ring = RingShape(*numbers)
    # A fit that ran away keeps its figures finite; it is told by its errors.
    kappa2 = np.exp(np.clip(ring.log_kappa2, -60.0, 60.0))
    kappa2_drop = kappa2 * np.exp(np.clip(ring.log_ratio, -60.0, 60.0)) if dropped else 0.0
    a = np.exp(np.clip(-0.5 * ring.loss, -60.0, 60.0))
    x = np.sqrt(max((1.0 - kappa2) * (1.0 - kappa2_drop), 1e-12)) * a
    fwhm_nm = fsr_nm * (1.0 - x) / (np.pi * np.sqrt(x))
    own_nm = fsr_nm * (1.0 - a) / (np.pi * np.sqrt(a))
    intrinsic = ring.wl_nm / own_nm if own_nm > 0.0 else np.nan
    return np.array([ring.wl_nm / fwhm_nm, intrinsic, kappa2, kappa2_drop, DB * ring.loss, 1e3 * fwhm_nm])


def _extinction_dB(fit: WindowFit, wl_nm: float, fwhm_pm: float) -> float:
    """Depth of the dip at one ring's resonance: others of the window may be deeper."""
    # The ring's own, not what a laser that jitters makes of it.
    model = replace(fit.model, window=replace(fit.model.window, jitter_nm=0.0, blur_nm=0.0))
    m, _, _ = model.evaluate(fit.p, fit.model.window.wl_nm)
    passed = m[0] / fit.model.baseline(fit.p, 0)
    away_pm = 1e3 * np.abs(fit.model.window.wl_nm - wl_nm)
    near = away_pm <= max(0.5 * fwhm_pm, float(np.min(away_pm)))
    return float(-10.0 * np.log10(max(np.min(passed[near]), 1e-9)))
