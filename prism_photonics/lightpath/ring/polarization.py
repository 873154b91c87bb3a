"""An add-drop ring in two polarisations: bends turn TE into TM, and light of either kind comes out at every port.

Half a turn is a symmetric matrix H in the basis (TE, TM): each mode's own loss and phase, and between them the coupler
of angle χ that the bends are (`process.polarization`),

    H = ((cos χ·h_TE, j·sin χ·√(h_TE·h_TM)), (j·sin χ·√(h_TE·h_TM), cos χ·h_TM)),    h = √a·e^{jφ/2}.

With t and κ diagonal, of TE and TM at either bus, what a ring passes is

    T  = t1 − κ1·H·t2·H·(1 − t1·H·t2·H)⁻¹·κ1         through bus, in → out
    T' = t2 − κ2·H·t1·H·(1 − t2·H·t1·H)⁻¹·κ2         drop bus, in → out
    D  = −κ2·H·(1 − t1·H·t2·H)⁻¹·κ1                   from the through bus to the drop bus; back it is D^T

`model` is the case χ = 0. All is passive where |h| ≤ 1, and reciprocal. Where an order of TM meets one of TE the two
repel each other: an avoided crossing.

Source: the matrices are the scalar closed form (10.1002/lpor.201100017) with numbers in their order; arXiv 2403.06374
for conversion by the birefringence of X-cut rings.
"""

from types import ModuleType
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Float, Shaped

from prism_photonics.lightpath.arrays import Numbers, library
from prism_photonics.lightpath.ring.mixing import HalfTurn, mixed_half_turn
from prism_photonics.lightpath.ring.model import RingParams, half_turn


class SecondPolarization(eqx.Module):
    """TM in one or many rings, beside the `RingParams` of TE.

    Attributes:
        tm: Couplings, loss and lengths of TM; its ``offset_pm`` is where its resonances lie off the design. Its tuning
            is not used.
        conversion_rad: χ of half a turn: sin²χ of the light changes its polarisation.
        tuning_ratio: Phase that TM turns by over that of TE, by the same voltage. Temperature and fabrication are taken
            to turn both in the same proportion: design choice, as neither is known for TM.
    """

    tm: RingParams
    conversion_rad: Float[Numbers, "..."]
    tuning_ratio: Float[Numbers, "..."]


def polarized_half_turn(
    wl: Shaped[Numbers, "..."] | float,
    ring: RingParams,
    second: SecondPolarization,
    shift_pm: Shaped[Numbers, "..."] | float,
) -> HalfTurn:
    """H at wavelength ``wl`` (µm) of rings whose TE resonance is shifted by ``shift_pm``."""
    xp = library(ring.a, second.tm.a, second.conversion_rad)
    tm, ratio = second.tm, second.tuning_ratio
    # What turns TE's phase by one radian turns TM's by the ratio.
    tm_pm = tm.offset_pm + ratio * shift_pm * (ring.gpl_um / tm.gpl_um)
    between = mean_half_turn(wl, (ring, shift_pm), (tm, tm_pm), xp)
    return mixed_half_turn(half_turn(wl, ring, shift_pm), half_turn(wl, tm, tm_pm), between, second.conversion_rad)


def mean_half_turn(wl: Any, one: tuple[RingParams, Any], other: tuple[RingParams, Any], xp: ModuleType) -> Any:
    """``√(h0·h1)`` of two modes in rings, each with its shift in pm.

    It is half a turn of the ring between the two: no sign of a root to choose.
    """
    (ring, shift_pm), (second, second_pm) = one, other
    mean = jax.tree.map(lambda first, last: 0.5 * (first + last), ring, second)
    mean = eqx.tree_at(lambda m: m.a, mean, xp.sqrt(ring.a * second.a))
    mean_pm = 0.5 * (ring.gpl_um * shift_pm + second.gpl_um * second_pm) / mean.gpl_um
    return half_turn(wl, mean, mean_pm)
