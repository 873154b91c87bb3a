"""Least drive voltage that rings of a film with equal gaps need for a reach: a bound by laws, else of any geometry.

No ring is tuned by more than ``λ/(n_g·V_πL)`` times the largest coverage, as if all of it lay between electrodes. Of a
line of a given width the film's loss leaves the depth ``A = 2 − 2ρ``, ρ the linewidth by loss alone over its own (equal
gaps to both buses), and a lossier ring of the die drops less. Both go as one over the ring's mean group index, which
lies between that of straights along layout y and that of straights along x: of each step of it the end that tunes
farther and the end that loses less are taken together, and the best of all steps counts. Drift allows no line below
``1.299·A·drift/error``. From the middle of the detunings of ± weight_limit the drive has to carry the rings through
half of that travel or, about their lines, from the farthest ring to the lower end and the nearest one to the upper end,
beyond the scatter that trimming leaves. Of all linewidths the one that takes least voltage is the bound.

Neighbours, the free spectral range and the grid of a drawing only ask for more. Unequal gaps make a line a little
deeper, (2 − ρ)²/2, or shallower, so that drift lets it be finer: that takes up to 2 % less, and is not designed here.

Source: B. E. Little et al., J. Lightwave Technol. 15, 998 (1997), for the depth of a lossy ring's line.
"""

import math
from dataclasses import dataclass

import numpy as np

from prism_photonics.budget.carry import RingScatter, sigmas_carried
from prism_photonics.budget.ring_margins import ring_demand, two_lobe_coverage
from prism_photonics.budget.rules_ring import COERCIVE_SHARE
from prism_photonics.budget.trimming import SPREAD_SIGMAS
from prism_photonics.process.electrooptics import tuning_pm_V
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, attenuation_per_um

FWHM_PM = np.geomspace(1.0, 3000.0, 321)
"""Linewidths that are tried first: 2.5 % apart."""
FINER, STEPS = 321, 32
"""Linewidths between the best one's neighbours, and steps of the group index: twice as many of either move no bound of
the films' by 0.004 V, and more steps only raise it."""
BISECTIONS = 30
"""Halvings of the voltage; what is told is the lower end of the last."""
MOST_V = 1000.0
"""No voltage beyond it is looked at: every film's coercive field forbids less (design choice)."""


@dataclass(frozen=True)
class VoltageBound:
    """What the drive of the best conceivable ring has to do.

    Attributes:
        least_V: Voltage below which no ring reaches the weights; infinite where none does.
        most_V: Voltage that the film's coercive field allows.
        tuning_pm_V: Largest tuning that the film allows.
        fwhm_pm: The linewidth that takes least voltage.
        travel_pm: Distance of the detunings of ± weight_limit there.
        rest_pm: Scatter after trimming, of as many standard deviations as the rule asks for.
    """

    least_V: float
    most_V: float
    tuning_pm_V: float
    fwhm_pm: float
    travel_pm: float
    rest_pm: float

    def __str__(self) -> str:
        """The bound and where it comes from, in one line."""
        does = "no voltage does for rings with equal gaps"
        if math.isfinite(self.least_V):
            does = f"no ring with equal gaps does with less than {self.least_V:.2f} V"
        return (
            f"V_πL and drift: {does} (at most {self.tuning_pm_V:.3g} pm/V, all of a ring between electrodes; loss "
            f"and drift leave lines of {self.fwhm_pm:.3g} pm or the like, whose weights lie {self.travel_pm:.3g} pm "
            f"apart; trimming leaves ± {self.rest_pm:.3g} pm; the coercive field allows {self.most_V:.3g} V)"
        )


def least_voltage(spec: ChipSpec) -> VoltageBound:
    """The bound for a spec's film, reach, trimming, fabrication and drift, for any rings of equal gaps."""
    o = spec.profile.optics
    low, high = sorted((o.n_g_along_x.value, o.n_g_along_y.value))
    n_g = np.linspace(low, high, STEPS + 1)
    best = _least(spec, (n_g[:-1, None], n_g[1:, None]), FWHM_PM)
    if not math.isfinite(best.least_V):
        return best
    at = int(np.argmin(np.abs(FWHM_PM - best.fwhm_pm)))
    near_pm = np.geomspace(FWHM_PM[max(at - 1, 0)], FWHM_PM[min(at + 1, FWHM_PM.size - 1)], FINER)
    return min(best, _least(spec, (n_g[:-1, None], n_g[1:, None]), near_pm), key=lambda found: found.least_V)


def _least(spec: ChipSpec, n_g: tuple[np.ndarray, np.ndarray], fwhm_pm: np.ndarray) -> VoltageBound:
    """The bound over some linewidths, (linewidths,), and steps of the group index from and to so much, (steps, 1)."""
    demand, profile = ring_demand(spec), spec.profile
    wl_um, eo = profile.optics.wl0_um.value, profile.electrooptics
    tuned = tuning_pm_V(
        wl=wl_um,
        n_g=1.0,
        coverage=max(1.0, float(two_lobe_coverage(90.0, profile.tensor))),
        vpil_single_V_cm=2.0 * eo.vpil_push_pull_V_cm.value,
    )
    most_pm_V = tuned / n_g[0]
    per_um = attenuation_per_um(spec.waveguide.loss_dB_cm)
    lossy = np.minimum(wl_um**2 * per_um / (2.0 * math.pi * n_g[1]) * PM_PER_UM / fwhm_pm, 1.0)
    depth = 2.0 - 2.0 * lossy
    # Of a ring with more loss the drop peak is (2κ²/(2κ² + mℓ))², and by the photodiodes' ratio it differs besides.
    more = math.exp(SPREAD_SIGMAS * spec.variation.loss_log) - 1.0
    lower = demand.weight_limit + np.hypot(1.0 - 1.0 / (1.0 + more * lossy) ** 2, demand.mismatch)
    upper = min(demand.weight_limit, 1.0 - 1e-9)
    own_pm = math.hypot(demand.wander_pm, demand.sigma_pm * demand.relaxing[0])
    drawn = (depth >= 1.0 + lower) & (0.75 * math.sqrt(3.0) * depth / fwhm_pm * own_pm <= demand.allowed)
    low_pm, high_pm = (
        0.5 * fwhm_pm * np.sqrt(np.maximum(depth / (1.0 - weight) - 1.0, 0.0)) for weight in (-lower, upper)
    )

    def kept(volts: np.ndarray) -> np.ndarray:
        """Whether rings of each linewidth reach the weights, beside their lines or about them."""
        swing_pm = volts * most_pm_V
        scatter = RingScatter(demand.sigma_pm, demand.slope_sigma, demand.curvature_sigma * volts**2)
        beside = sigmas_carried(-0.5 * (high_pm - low_pm), swing_pm, scatter) >= SPREAD_SIGMAS
        about = sigmas_carried(low_pm, swing_pm, scatter) >= SPREAD_SIGMAS
        return beside | (about & (swing_pm * (1.0 - SPREAD_SIGMAS * demand.slope_sigma) >= high_pm))

    low_V, high_V = np.zeros(depth.shape), np.full(depth.shape, MOST_V)
    for _ in range(BISECTIONS):
        middle_V = 0.5 * (low_V + high_V)
        does = kept(middle_V)
        low_V, high_V = np.where(does, low_V, middle_V), np.where(does, middle_V, high_V)
    least_V = np.where(drawn & kept(high_V), low_V, np.inf)
    step, best = (int(index) for index in np.unravel_index(int(np.argmin(least_V)), least_V.shape))
    return VoltageBound(
        float(least_V[step, best]),
        COERCIVE_SHARE * eo.coercive_field_V_um.value * eo.electrode_gap_um.value,
        float(most_pm_V.max()),
        float(fwhm_pm[best]),
        float(high_pm[step, best] - low_pm[step, best]),
        SPREAD_SIGMAS * demand.sigma_pm,
    )
