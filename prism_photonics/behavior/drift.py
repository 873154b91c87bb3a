"""Drift of weights after programming, fitted to a drift study: mean, part common to all weights, part of each."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.characterize.drift_study import DriftStudy
from prism_photonics.codec.arithmetic import POWERS


class DriftFit(NamedTuple):
    """Drift at the study's times, as ``behavior.model.BehavioralModel`` carries it."""

    time_s: Float[ndarray, " times"]
    mean: Float[ndarray, "times powers channels"]
    common: Float[ndarray, "times channels"]
    own: Float[ndarray, "times channels"]


def no_drift(channels: int) -> DriftFit:
    """The drift of a chip that was never watched: no times."""
    return DriftFit(np.zeros(0), np.zeros((0, POWERS, channels)), np.zeros((0, channels)), np.zeros((0, channels)))


def fit_drift(study: DriftStudy, *, centre: float, span: float, excluded: Bool[ndarray, "rows channels"]) -> DriftFit:
    """Fit each time's changes by channel.

    The mean change is a straight line in the weight's place ``s = (w − centre)/span``. What is left of it is common
    as far as it goes with the mean over all rings of its target, and each weight's own for the rest, less the variance
    of the measurement. Charge that the film kept from the weights before counts as own: it is as random as they were.

    Args:
        study: The measurements.
        centre: Middle of the model's weight range.
        span: Half of its width.
        excluded: Rings that are left out.
    """
    s = (study.commanded - centre) / span
    lines = [_one_time(s, study.change[:, n], study.change_std[:, n] ** 2, ~excluded) for n in range(len(study.time_s))]
    return DriftFit(np.asarray(study.time_s, float), *(np.stack(part) for part in zip(*lines, strict=True)))


def _one_time(s: ndarray, change: ndarray, own_variance: ndarray, working: ndarray) -> tuple[ndarray, ...]:
    targets, _, channels = change.shape
    mean, common, own = np.zeros((POWERS, channels)), np.zeros(channels), np.zeros(channels)
    left = np.zeros_like(change)
    for c in np.flatnonzero(working.any(0)):
        rows = working[:, c]
        design = np.stack([s[:, rows, c].ravel() ** power for power in range(POWERS)], axis=1)
        mean[:, c], *_ = np.linalg.lstsq(design, change[:, rows, c].ravel(), rcond=None)
        left[:, rows, c] = change[:, rows, c] - (design @ mean[:, c]).reshape(targets, -1)
    rings = working.sum()
    together = (left * working).sum((1, 2)) / max(rings, 1)
    # A mean over so many rings also holds their own parts: that share of its variance is not common.
    noise = float((left[:, working] ** 2).mean()) / max(rings, 1)
    spread = max(float((together**2).sum()) / (targets - 1) - noise, 0.0) ** 0.5
    for c in np.flatnonzero(working.any(0)):
        rows = working[:, c]
        mine = left[:, rows, c]
        if spread > 0.0:
            tied = float((mine.mean(1) * together).sum()) / (targets - 1) - float((mine**2).mean()) / rings
            common[c] = tied / spread
        own[c] = max(float((mine**2).mean() - own_variance[:, rows, c].mean()) - common[c] ** 2, 0.0) ** 0.5
    return mean, common, own
