"""What a good die keeps: each limit with the cause that a die outside it dies of."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.explore.die import COLUMNS
from prism_photonics.explore.needed_snr import SHARED_dB
from prism_photonics.explore.plan import YieldPlan


class Limit(NamedTuple):
    """A limit on one number of a die.

    Attributes:
        cause: What a die outside it dies of, in words.
        column: The number, of `die.COLUMNS`.
        limit: The limit.
        side: Whether the number may be at most or must be at least this.
    """

    cause: str
    column: str
    limit: float
    side: Literal["most", "least"]

    def broken(self, dies: Float[ndarray, "dies columns"]) -> Bool[ndarray, " dies"]:
        """Dies outside the limit."""
        values = dies[:, COLUMNS.index(self.column)]
        return values > self.limit if self.side == "most" else values < self.limit


def limits_of(plan: YieldPlan) -> tuple[Limit, ...]:
    """The limits of a study, in the order in which a die meets them.

    The rules of `prism check` let a score's noise and its weights' errors each leave the required SNR; a die has both.
    """
    limits, trim, rings = plan.fab.limits, plan.spec.trim.method, plan.spec.chip.rows * plan.spec.chip.rings
    first = {
        "permanent": (Limit("trimming range", "trim_largest_nm", plan.fab.trimming.range_nm, "most"),),
        "heater": (Limit("heater power", "heater_W", limits.heater_W, "most"),),
        "none": (),
    }[trim]
    return (
        *first,
        *((Limit("TM crossings", "crossing_rings", limits.crossing_share * rings, "most"),) if plan.te_tm else ()),
        Limit("weights out of reach", "unreached_share", limits.unreached_share, "most"),
        Limit("converter clips", "clipped_share", limits.clipped_share, "most"),
        Limit("score noise", "snr_dB", plan.spec.ranking.required_snr_dB - SHARED_dB, "least"),
        Limit("recall", "recall", limits.recall, "least"),
    )


def limits_left_out(plan: YieldPlan) -> tuple[Limit, ...]:
    """The limits of a study whose rings on crossings of TE and TM are left out: their scores have to do without."""
    instead = {"snr_dB": "left_out_snr_dB", "recall": "left_out_recall"}
    return tuple(
        limit._replace(column=instead.get(limit.column, limit.column))
        for limit in limits_of(plan)
        if limit.column != "crossing_rings"
    )


def broken(limits: tuple[Limit, ...], dies: Float[ndarray, "dies columns"]) -> Bool[ndarray, "limits dies"]:
    """Which die breaks which limit; a good die breaks none."""
    return np.stack([limit.broken(dies) for limit in limits])
