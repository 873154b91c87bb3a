"""A finished study in numbers: yield with its interval, what kills dies, the wafer, the variance's causes, the cost.

The file of dies is read twice from front to back, a batch at a time: memory does not grow with a study.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.budget.crossings import crossings
from prism_photonics.explore.die import COLUMNS, TWINNED
from prism_photonics.explore.plan import TWIN_EVERY, YieldPlan
from prism_photonics.explore.store import DieStore
from prism_photonics.explore.variance import NestedVariance
from prism_photonics.explore.verdict import Limit, broken, limits_left_out, limits_of
from prism_photonics.ranking.recall import wilson_interval

BINS = 400
"""Of the histograms that quantiles are read from (design choice)."""
QUANTILE = 1.959963984540054
"""Of the normal distribution, for 95 %."""
MEASURED = COLUMNS[COLUMNS.index("thickness_nm") :]
"""Columns with a distribution worth telling."""


@dataclass(frozen=True)
class Distribution:
    """One number over all dies.

    Attributes:
        edges: Bin edges, from the least to the largest value.
        counts: Dies by bin.
        mean: Mean.
        std: Standard deviation.
    """

    edges: Float[ndarray, " edges"]
    counts: Float[ndarray, " bins"]
    mean: float
    std: float

    def quantile(self, share: float) -> float:
        """The value below which a share of the dies lies, to a bin."""
        if self.std == 0.0:
            return self.mean
        below = np.concatenate([[0.0], np.cumsum(self.counts)])
        return float(np.interp(share * below[-1], below, self.edges))

    def to_json(self) -> dict[str, float]:
        """Mean, deviation and quantiles."""
        named = {f"p{round(100 * share):02d}": self.quantile(share) for share in (0.05, 0.5, 0.95)}
        return {
            "mean": self.mean,
            "std": self.std,
            "least": float(self.edges[0]),
            "most": float(self.edges[-1]),
            **named,
        }


@dataclass(frozen=True)
class Killer:
    """A cause that dies die of.

    Attributes:
        limit: The limit that they break.
        dies: Dies that break it.
        alone: Dies that break no other.
    """

    limit: Limit
    dies: int
    alone: int


@dataclass(frozen=True)
class Yield:
    """What a study found.

    Attributes:
        plan: The study.
        good: Dies within all limits.
        good_left_out: Dies within all limits where rings on crossings of TE and TM are left out.
        with_crossings: Dies with such rings.
        independent: Number of independent dies that tell as much: those of one lot are alike.
        killers: Causes, those that kill most dies first.
        distributions: Numbers of a die, by name.
        sites: By place on the wafer: dies, good ones, and sums of recall and of the film's thickness.
        variance: Variance by cause of some numbers of a die, and of being good.
        lots: Lots of the study.
    """

    plan: YieldPlan
    good: int
    good_left_out: int
    with_crossings: int
    independent: float
    killers: tuple[Killer, ...]
    distributions: dict[str, Distribution]
    sites: Float[ndarray, "sites 4"]
    variance: dict[str, dict[str, float]]
    lots: int

    @property
    def share(self) -> float:
        """Share of good dies."""
        return self.good / self.plan.dies

    def interval_of(self, good: int) -> tuple[float, float]:
        """95 % interval (Wilson) of the share of so many good dies, for as many as are independent in effect."""
        # That of n/d trials is that of n with a quantile √d times as large.
        dies = self.plan.dies
        return wilson_interval(good, trials=dies, z=QUANTILE * math.sqrt(dies / self.independent))

    def crossings(self) -> dict[str, Any] | None:
        """Rings on crossings of TE and TM, and the yield with them left out; None on a film without TM."""
        expected = crossings(self.plan.spec)
        if expected is None:
            return None
        said = {"te_tm": self.plan.te_tm, "rings": expected.of, "expected_a_die": expected.rings}
        if not self.plan.te_tm:
            return said
        low, high = self.interval_of(self.good_left_out)
        return said | {
            "drawn_a_die": self.distributions["crossing_rings"].mean,
            "dies_with": self.with_crossings,
            "left_out": {
                "good": self.good_left_out,
                "yield": self.good_left_out / self.plan.dies,
                "yield_low": low,
                "yield_high": high,
            },
        }

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of good dies."""
        return self.interval_of(self.good)

    def costs_usd(self) -> dict[str, float]:
        """Cost of a good, packaged chip and its parts; infinite where no die was good.

        A wafer's dies share its price, every die is probed and calibrated, and the good ones pay for all; a package is
        bought for a good die alone.
        """
        cost = self.plan.fab.cost
        die = cost.wafer_usd / len(self.plan.sites_mm)
        made = die + cost.test_usd + cost.calibration_usd
        whole = made / self.share + cost.package_usd if self.good else math.inf
        return {"die": die, "probed_and_calibrated": made, "package": cost.package_usd, "good_chip": whole}

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data; a cost that is not finite is null."""
        plan = self.plan
        return {
            "name": plan.spec.name,
            "spec_hash": plan.spec.hash,
            "study": plan.hash,
            "dies": plan.dies,
            "wafers": plan.wafers,
            "lots": self.lots,
            "sites_per_wafer": len(plan.sites_mm),
            "seed": plan.seed,
            "k": plan.k,
            "offset_error_pm": plan.offset_error_pm,
            "good": self.good,
            "yield": self.share,
            "yield_low": self.interval[0],
            "yield_high": self.interval[1],
            "independent_dies": self.independent,
            "killers": [
                {"cause": k.limit.cause, "column": k.limit.column, "limit": k.limit.limit, "side": k.limit.side,
                 "dies": k.dies, "alone": k.alone}
                for k in self.killers
            ],
            "crossings": self.crossings(),
            "distributions": {name: found.to_json() for name, found in self.distributions.items()},
            "variance": self.variance,
            "cost_usd": {name: usd if math.isfinite(usd) else None for name, usd in self.costs_usd().items()},
        }  # fmt: skip


def summarize(store: DieStore) -> Yield:
    """Read a finished study.

    Raises:
        InputError: A batch is missing.
    """
    plan = store.plan
    limits = limits_of(plan)
    tally = _Tally(plan, limits)
    for batch in store.batches():
        tally.add(batch.dies, batch.twins)
    counts = {name: np.zeros(BINS) for name in MEASURED}
    edges = {name: np.linspace(low, high, BINS + 1) for name, (low, high) in tally.ends().items()}
    for batch in store.batches():
        for name in MEASURED:
            counts[name] += np.histogram(batch.dies[:, COLUMNS.index(name)], edges[name])[0]
    mean, std = tally.moments()
    distributions = {
        name: Distribution(edges[name], counts[name], float(mean[n]), float(std[n])) for n, name in enumerate(MEASURED)
    }
    variance, likeness = tally.variance()
    independent = _independent(plan, likeness)
    killers = sorted(
        (Killer(limit, *map(int, pair)) for limit, pair in zip(limits, tally.killed.T, strict=True)),
        key=lambda killer: -killer.dies,
    )
    return Yield(
        plan=plan,
        good=tally.good,
        good_left_out=tally.good_left_out,
        with_crossings=tally.with_crossings,
        independent=independent,
        killers=tuple(killers),
        distributions=distributions,
        sites=tally.sites,
        variance=variance,
        lots=tally.lots,
    )


def _independent(plan: YieldPlan, likeness: float) -> float:
    """How many independent dies tell as much of the yield: dies of one lot are alike.

    Source: design effect 1 + (m − 1)·ρ of clusters of m (L. Kish, Survey Sampling, Wiley 1965).
    """
    of_one_lot = plan.dies / math.ceil(plan.wafers / plan.wafers_per_lot)
    return max(plan.dies / (1.0 + max(of_one_lot - 1.0, 0.0) * likeness), 1.0)


class _Tally:
    """Sums over the dies of a study."""

    def __init__(self, plan: YieldPlan, limits: Sequence[Limit]) -> None:
        self._limits, self._left_out = tuple(limits), limits_left_out(plan)
        self.good, self.good_left_out, self.with_crossings = 0, 0, 0
        self.killed = np.zeros((2, len(limits)))
        self.sites = np.zeros((len(plan.sites_mm), 4))
        self._low, self._high = np.full(len(MEASURED), np.inf), np.full(len(MEASURED), -np.inf)
        self._count, self._mean, self._squares = 0, np.zeros(len(MEASURED)), np.zeros(len(MEASURED))
        self._nested = NestedVariance()
        self._first = 0

    def add(self, dies: Float[ndarray, "dies columns"], twins: Float[ndarray, "twins columns"]) -> None:
        """Count one batch; batches come in order."""
        outside = broken(self._limits, dies)
        good = ~outside.any(0)
        self.good += int(good.sum())
        self.good_left_out += int((~broken(self._left_out, dies).any(0)).sum())
        self.with_crossings += int((dies[:, COLUMNS.index("crossing_rings")] > 0.0).sum())
        self.killed += np.stack([outside.sum(1), (outside & (outside.sum(0) == 1)).sum(1)])
        recall, thickness = (dies[:, COLUMNS.index(name)] for name in ("recall", "thickness_nm"))
        site = dies[:, COLUMNS.index("site")].astype(int)
        np.add.at(self.sites, site, np.stack([np.ones(len(dies)), good, recall, thickness], 1))
        self._distributed(dies[:, -len(MEASURED) :])
        self._by_cause(dies, twins, good)

    def ends(self) -> dict[str, tuple[float, float]]:
        """Least and largest value of each number; apart where all are the same."""
        return {
            name: (low, high if high > low else low + max(abs(low), 1.0) * 1e-3)
            for name, low, high in zip(MEASURED, self._low.tolist(), self._high.tolist(), strict=True)
        }

    def moments(self) -> tuple[Float[ndarray, " numbers"], Float[ndarray, " numbers"]]:
        """Mean and standard deviation of each number."""
        return self._mean, np.sqrt(self._squares / max(self._count - 1, 1))

    def variance(self) -> tuple[dict[str, dict[str, float]], float]:
        """Variance by cause, and the share of being good that dies of one lot have in common."""
        parts = self._nested.parts()
        names = (*TWINNED, "good")
        split = {name: {part: float(values[n]) for part, values in parts.items()} for n, name in enumerate(names)}
        whole = sum(split["good"].values())
        return split, (split["good"]["lot"] / whole if whole else 0.0)

    @property
    def lots(self) -> int:
        """Lots; known once the variance was asked for."""
        return self._nested.lots

    def _distributed(self, values: Float[ndarray, "dies numbers"]) -> None:
        self._low, self._high = np.minimum(self._low, values.min(0)), np.maximum(self._high, values.max(0))
        # Means and squares of two sets put together: no difference of large numbers.
        count, mean = len(values), values.mean(0)
        apart, whole = mean - self._mean, self._count + count
        self._squares += ((values - mean) ** 2).sum(0) + apart**2 * self._count * count / whole
        self._mean, self._count = self._mean + apart * count / whole, whole

    def _by_cause(self, dies: ndarray, twins: ndarray, good: ndarray) -> None:
        chosen = [COLUMNS.index(name) for name in TWINNED]
        values = np.column_stack([dies[:, chosen], good])
        lot, wafer = (dies[:, COLUMNS.index(name)].astype(int) for name in ("lot", "wafer"))
        borders = np.flatnonzero(np.diff(wafer, prepend=-1)).tolist()
        for first, last in zip(borders, [*borders[1:], len(dies)], strict=True):
            self._nested.add(int(lot[first]), int(wafer[first]), values[first:last])
        if len(twins):
            own = np.flatnonzero((self._first + np.arange(len(dies))) % TWIN_EVERY == 0)
            twin_good = ~broken(self._limits, twins).any(0)
            self._nested.add_twins(values[own], np.column_stack([twins[:, chosen], twin_good]))
        self._first += len(dies)
