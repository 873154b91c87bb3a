"""Errors of a row: bias, spread and correlation of its weights, gain and offset of its readings."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

SMALLEST_EIGENVALUE = 1e-6


class WeightError(NamedTuple):
    """Programming error of a row: mean, standard deviation, and correlation between channels (see the model)."""

    bias: Float[ndarray, " channels"]
    std: Float[ndarray, " channels"]
    mix: Float[ndarray, "channels channels"]


def fit_weight_error(
    deviation: Float[ndarray, "targets rows channels"],
    own_variance: Float[ndarray, "targets rows channels"],
    excluded: Bool[ndarray, "rows channels"],
) -> WeightError:
    """Bias, spread and correlation of measured minus commanded weights, less the variance of the measurement itself.

    Args:
        deviation: Measured minus commanded weights.
        own_variance: Variance of each measurement, independent from channel to channel.
        excluded: Rings that are left out; a channel of nothing else has no error.

    Source: correlations are shrunk towards none by ``Σ Var(r)/Σ r²`` (10.2202/1544-6115.1175).
    """
    used = np.broadcast_to(~excluded, deviation.shape).reshape(-1, deviation.shape[-1]).astype(float)
    count = np.maximum(used.sum(0), 2.0)
    flat = np.where(used > 0, deviation.reshape(used.shape), 0.0)
    bias = flat.sum(0) / count
    centred = (flat - bias) * used
    pairs = np.maximum(used.T @ used, 2.0)
    covariance = (centred.T @ centred) / (pairs - 1.0)
    total = np.diag(covariance).copy()
    variance = np.maximum(total - (own_variance.reshape(used.shape) * used).sum(0) / count, 0.0)
    std = np.sqrt(variance)
    return WeightError(bias, std, _mix(covariance, total, variance, pairs))


def _mix(covariance: ndarray, total: ndarray, variance: ndarray, pairs: ndarray) -> ndarray:
    channels = len(total)
    size = np.sqrt(np.outer(variance, variance))
    known = (size > 0) & ~np.eye(channels, dtype=bool)
    safe = np.where(known, size, 1.0)
    r = np.where(known, covariance / safe, 0.0)
    uncertainty = np.where(known, np.outer(total, total) / safe**2 / (pairs - 1.0), 0.0)
    size_r = float((r**2).sum())
    kept = max(0.0, 1.0 - float(uncertainty.sum()) / size_r) if size_r > 0 else 0.0
    correlation = np.clip(kept * r, -1.0, 1.0) + np.eye(channels)
    # Pairs are estimated one by one, so together they may promise more than a row can keep.
    values, vectors = np.linalg.eigh(correlation)
    positive = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(np.diag(positive))
    return np.linalg.cholesky(positive / np.outer(scale, scale)).T


def fit_gain_offset(
    predicted: Float[ndarray, "settings rows"],
    read: Float[ndarray, "settings rows"],
    inside: Bool[ndarray, "settings rows"],
) -> tuple[Float[ndarray, " rows"], Float[ndarray, " rows"]]:
    """Gain and offset of every row's readings over what its weights predict.

    A straight line per row, then each number drawn towards the rows' mean, and the mean towards the ideal, as far as
    its own standard error asks for.

    Args:
        predicted: Σ W·p by the calibration, weight units.
        read: Mean readings, weight units.
        inside: Readings that did not clip.
    """
    rows = predicted.shape[1]
    excess, error = np.zeros((2, rows)), np.full((2, rows), np.inf)
    for n in range(rows):
        y, missed = predicted[inside[:, n], n], (read - predicted)[inside[:, n], n]
        design = np.stack([y, np.ones_like(y)], axis=1)
        if len(y) < 4 or np.ptp(y) == 0.0:
            continue
        excess[:, n], *_ = np.linalg.lstsq(design, missed, rcond=None)
        rest = float(((missed - design @ excess[:, n]) ** 2).sum()) / (len(y) - 2)
        error[:, n] = np.sqrt(rest * np.diag(np.linalg.inv(design.T @ design)))
    gain, offset = (_shrunk(value, std) for value, std in zip(excess, error, strict=True))
    return 1.0 + gain, offset


def _shrunk(values: ndarray, error: ndarray) -> ndarray:
    known = np.isfinite(error)
    if not known.any():
        return np.zeros_like(values)
    own = float((error[known] ** 2).mean())
    mean = float(values[known].mean())
    of_mean = own / known.sum()
    mean *= max(0.0, 1.0 - of_mean / mean**2) if mean else 0.0
    between = max(0.0, float(((values[known] - mean) ** 2).mean()) - own)
    share = np.where(known, between / np.maximum(between + np.where(known, error, 1.0) ** 2, 1e-300), 0.0)
    return mean + share * (values - mean)
