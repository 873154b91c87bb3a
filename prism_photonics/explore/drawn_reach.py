"""Whether the rings of drawn dies reach the weights asked of them, each in its row with its neighbours' light.

`tuning_range` looks at rings that stand alone, `row_reach` by a closed form at what neighbours' light and linewidths
do to them in their row. A search finds the chips of which formulas say too much, so it draws some
hundred rings and looks.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.budget.finding import Finding, at_least
from prism_photonics.budget.light_sizing import with_keys
from prism_photonics.budget.row_reach import MOST_MISSED
from prism_photonics.chip.fabricate import NO_SHIFT, draw_dies
from prism_photonics.explore.surrogate import side_by_side
from prism_photonics.programming.solve import reachable_weights
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import seed_words, splits

RINGS = 512
"""Rings that are drawn, at least: a few rows of a large chip, several dies of a small one (design choice)."""
MOST_ROWS = 16
"""Of a drawn die: rings of one row have their photodiodes in common (design choice)."""


def drawn_reaches(spec: ChipSpec) -> Float[ndarray, " rings"]:
    """± weights that the rings of some dies reach, neighbours at rest."""
    few = with_keys(spec, {"chip.rows": min(spec.chip.rows, MOST_ROWS)})
    count = -(-RINGS // (few.chip.rows * few.chip.rings))
    # The virtual chip draws its die from the first half of its key.
    dies = draw_dies(few, splits(seed_words(range(count)))[:, 0], [NO_SHIFT] * count).together
    known, _ = side_by_side(few, dies, np.zeros((count * few.chip.rows, few.chip.rings)))
    low, high = reachable_weights(known)
    return np.minimum(-low, high).ravel()


def drawn_reach(spec: ChipSpec) -> Finding:
    """All but `MOST_MISSED` of the rings of drawn dies must reach ± weight_limit."""
    reaches = drawn_reaches(spec)
    return at_least(
        "drawn_reach",
        float(np.quantile(reaches, MOST_MISSED)),
        spec.ranking.weight_limit,
        "weight",
        explain=f"of {reaches.size} drawn rings, neighbours at rest, all but {MOST_MISSED:.0%} reach as much",
    )
