"""What published devices tell of a bias that fades, as shares of its shift, and what a film's relaxation says of them.

A film that has been held at V since time 0 acts as V·(1 − x(t)): `lost_share`, of the parts of `Relaxation`. A
publication tells x by what its device did meanwhile, which is turned to a share by the device's own law:

- a Mach–Zehnder modulator at quadrature, P = P_max·(1 + sin φ)/2, that loses so many dB (`quadrature_share`);
- a phased array whose phases are set anywhere within a turn, and all lose the same share: its side lobes rise
  (`array_lobe_dB`), the main one being what is left of the mean phasor, sin(π·x)/(π·x);
- a modulator whose switching voltage is told down to a frequency: what relaxes within a period is lost
  (`switching_change`), for a linear film by its transfer function 1 − Σ share/(1 + j·2π·f·τ).

`RECORDS` has what is known by crystal. Devices of other films and electrodes than ours, all of them: they say between
what a film may lie, and the profiles' numbers are held to that (`tests/process/test_bias.py`).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prism_photonics.process.profile import Relaxation

HOUR_S = 3600.0
PADDING = 16
"""Directions between two orders of an array, for its highest side lobe."""


@dataclass(frozen=True)
class BiasRecord:
    """What a publication says that a held bias has lost.

    Attributes:
        crystal: Of its film.
        hours: How long the bias was held.
        low: Share that was lost at least.
        high: Share that was lost at most.
        source: Where it stands, and how the share follows.
    """

    crystal: str
    hours: float
    low: float
    high: float
    source: str


RECORDS = (
    BiasRecord(
        "LiNbO3",
        46.0,
        0.446,
        1.0,
        "arXiv 2405.05169: a modulator 5 dB off quadrature, read as 4.5 dB; at most, the other device has lost more",
    ),
    BiasRecord("LiNbO3", 1.0, 0.0, 0.658, "10.1364/optica.537730: a modulator 8 dB off in an hour, read as 8.5 dB"),
    BiasRecord("LiTaO3", 46.0, 0.0, 0.132, "arXiv 2405.05169: a modulator under 1 dB off quadrature"),
    BiasRecord(
        "LiTaO3",
        4.0,
        0.0,
        0.53,
        "arXiv 2603.22811: an array keeps its main lobe 8 dB above all others for over 4 h; `array_share` of 64 "
        "elements, as its abstract tells no number of them, and fewer would bound more (0.27 of 8, 0.35 of 16)",
    ),
)
"""What is known of held biases. A transducer's days on one (arXiv 2606.12726) tell no share, nor does a switching
voltage that is constant down to 10 mHz (arXiv 2604.14836): neither abstract says within what."""


def lost_share(film: Relaxation, seconds: float) -> float:
    """Share of a bias that a film, long without voltage before, has lost after so many seconds at it."""
    return float(sum(share * -math.expm1(-seconds / time_s) for share, time_s in _parts(film)))


def switching_change(film: Relaxation, frequency_Hz: float) -> float:
    """How much more voltage a modulator takes at a frequency than at one at which nothing relaxes, relative."""
    acts = 1.0 - sum(share / (1.0 + 2j * math.pi * frequency_Hz * time_s) for share, time_s in _parts(film))
    return 1.0 / abs(acts) - 1.0


def quadrature_share(loss_dB: float) -> float:
    """Share of the π/2 that a bias set, where a modulator at quadrature has lost so many dB of its light."""
    return math.asin(1.0 - 10.0 ** (-0.1 * loss_dB)) / (0.5 * math.pi)


def array_lobe_dB(share: float, phases_rad: Float[np.ndarray, "arrays elements"]) -> Float[np.ndarray, " arrays"]:
    """Main lobe over the highest side lobe in dB, of arrays whose phases have each lost a share.

    Args:
        share: The share.
        phases_rad: What biases set, over the phases that the array would have without any; −π to π.
    """
    elements = phases_rad.shape[1]
    far = np.abs(np.fft.fft(np.exp(-1j * share * phases_rad), PADDING * elements)) ** 2
    # Beyond the first zero on either side of where the lobe was steered to.
    return 10.0 * np.log10(far[:, 0] / far[:, PADDING : (elements - 1) * PADDING + 1].max(1))


def array_share(lobe_dB: float, elements: int, *, arrays: int = 2000, seed: int = 0) -> float:
    """Share at which half of all arrays, their phases anywhere within a turn, still keep a main lobe so high.

    Args:
        lobe_dB: Main lobe over the highest side lobe; under the 13 dB of an array without errors.
        elements: Elements of an array, all of equal light.
        arrays: How many are drawn.
        seed: Draws them.
    """
    phases_rad = np.random.default_rng(seed).uniform(-np.pi, np.pi, (arrays, elements))
    low, high = 0.0, 1.0
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        kept = np.median(array_lobe_dB(middle, phases_rad)) > lobe_dB
        low, high = (middle, high) if kept else (low, middle)
    return low


def _parts(film: Relaxation) -> tuple[tuple[float, float], ...]:
    return (
        (film.fast_share.value, film.fast_s.value),
        (film.slow_share.value, film.slow_h.value * HOUR_S),
        (film.memory_share.value, film.memory_h.value * HOUR_S),
    )
