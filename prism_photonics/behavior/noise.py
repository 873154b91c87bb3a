"""Four noise coefficients from repeated, quantised readings: by moments or, below an LSB, by likelihood."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

SMALLEST_FOR_MOMENTS = 0.5
"""LSB. Sheppard's correction step²/12 errs by exp(-2π²σ²/step²) of its size: 0.7 % at half a step."""
_STARTS = (0.5, 0.1)
_GRID = 101


@dataclass(frozen=True)
class NoiseStudy:
    """Repeated readings at known light, one line per (setting, row).

    Attributes:
        codes: Readings in steps of the converter, relative to the lowest of their row.
        step: The converter's step for each line, weight units.
        terms: Factors of (noise_floor², noise_shot², noise_rin², noise_common²): 1, Σp, Σ(W·p)², (Σ W·p)².
    """

    codes: Int[np.ndarray, "lines repeats"]
    step: Float[np.ndarray, " lines"]
    terms: Float[np.ndarray, "lines 4"]


def fit_noise(study: NoiseStudy) -> tuple[Float[np.ndarray, " 4"], bool]:
    """Fit σ² = floor² + shot²·Σp + rin²·Σ(W·p)² + common²·(Σ W·p)².

    Above half a step the sample variances, less the converter's own step²/12, are fitted by non-negative
    least squares weighted by their own uncertainty. Below it the variance depends on where in its code a
    reading lies, so the four coefficients maximise the likelihood of the codes seen, every line's true mean
    integrated over a flat prior.

    Args:
        study: Readings with their design.

    Returns:
        (floor², shot², rin², common²), weight units squared, and whether the likelihood was needed.

    Source: moments: weighted least squares; likelihood: the probability of a code is the normal distribution
        between
    its edges.
    """
    coefficients = _by_moments(study)
    std_lsb = np.sqrt(study.terms @ coefficients) / study.step
    if np.median(std_lsb) >= SMALLEST_FOR_MOMENTS:
        return coefficients, False
    return _by_likelihood(study), True


def _by_moments(study: NoiseStudy) -> Float[np.ndarray, " 4"]:
    # Here and below: SciPy's optimizer takes long to load, and whoever only calibrates needs none of it.
    from scipy.optimize import nnls

    own = study.step**2 / 12
    variance = study.codes.var(axis=1, ddof=1) * study.step**2

    def weighted(spread: Float[np.ndarray, " studied"]) -> Float[np.ndarray, " 4"]:
        design = study.terms / spread[:, None]
        size = np.linalg.norm(design, axis=0)
        size[size == 0] = 1.0
        return nnls(design / size, (variance - own) / spread)[0] / size

    spread = np.full(len(variance), max(variance.mean(), own.mean()))  # of a variance: proportional to the variance
    for _ in range(4):
        spread = study.terms @ weighted(spread) + own
    return weighted(spread)


def _by_likelihood(study: NoiseStudy) -> Float[np.ndarray, " 4"]:
    from scipy.optimize import minimize
    from scipy.special import ndtr

    lowest = study.codes.min(axis=1, keepdims=True)
    width = int((study.codes - lowest).max()) + 1
    counts = np.stack([(study.codes - lowest == code).sum(axis=1) for code in range(width)], axis=1)
    edges = np.arange(width + 1) - 0.5
    mean = np.linspace(-1.0, width, _GRID)  # in steps above the lowest code seen; the flat prior
    scale = np.mean(study.step) ** 2
    size = np.maximum(study.terms.mean(axis=0), 1e-12)
    floor = 1e-4  # LSB: far below what any number of readings resolves

    def loss_and_slope(roots: np.ndarray) -> tuple[float, np.ndarray]:
        variance = study.terms @ (roots**2 / size) * scale
        root = np.sqrt(variance) / study.step
        sigma = (root + floor)[:, None, None]
        z = (edges[None, None, :] - mean[None, :, None]) / sigma
        code = np.maximum(np.diff(ndtr(z), axis=2), 1e-300)
        log_line = np.einsum("lgc,lc->lg", np.log(code), counts)
        top = log_line.max(axis=1, keepdims=True)
        likelihood = np.exp(log_line - top)
        total = likelihood.mean(axis=1)
        code_slope = -np.diff(z * np.exp(-(z**2) / 2), axis=2) / (np.sqrt(2 * np.pi) * sigma * code)
        line_slope = np.einsum("lg,lgc,lc->l", likelihood, code_slope, counts, optimize=True) / (total * _GRID)
        per_variance = line_slope / (2 * np.maximum(root, 1e-9) * study.step**2)
        slope = -2 * roots * (study.terms.T @ per_variance) * scale / size
        return -float(np.sum(top[:, 0] + np.log(total))), slope

    # The loss is flat where the noise is far too small, so the search starts from several sizes.
    trials = [
        minimize(
            loss_and_slope,
            np.full(4, start / 2.0),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * 4,
        )
        for start in _STARTS
    ]
    return min(trials, key=lambda trial: trial.fun).x ** 2 / size * scale
