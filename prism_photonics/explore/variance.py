"""Variance of a number of a die, split by cause: lot, wafer, place on it, and the die's own rings.

Dies are nested: in wafers, those in lots. Sums of squares between and within the groups give the parts by the method of
moments; twins, other rings at the same place, give the rings' own part. Sums are kept of one wafer and one lot at a
time, so a study of any size takes the same memory.

Source: S. R. Searle, G. Casella, C. E. McCulloch, Variance Components (Wiley 1992), 10.1002/9780470316856, ch. 5.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

PARTS = ("lot", "wafer", "place", "rings")


@dataclass
class _Group:
    """Running sums of one wafer or one lot, or of all: n, Σy and Σ n²."""

    count: int = 0
    total: Float[ndarray, " numbers"] | float = 0.0

    def mean_squared(self) -> Float[ndarray, " numbers"] | float:
        """(Σy)²/n."""
        return self.total * self.total / self.count if self.count else 0.0


@dataclass
class NestedVariance:
    """Sums over dies that come wafer by wafer, lot by lot."""

    _squares: Float[ndarray, " numbers"] | float = 0.0
    _by_wafer: Float[ndarray, " numbers"] | float = 0.0
    _by_lot: Float[ndarray, " numbers"] | float = 0.0
    _all: _Group = field(default_factory=_Group)
    _lot: _Group = field(default_factory=_Group)
    _wafer: _Group = field(default_factory=_Group)
    _at: tuple[int, int] = (-1, -1)
    _lots: int = 0
    _wafers: int = 0
    _wafer2_in_lot: float = 0.0
    _wafer2_over_lot: float = 0.0
    _wafer2: float = 0.0
    _lot2: float = 0.0
    _twin_squares: Float[ndarray, " numbers"] | float = 0.0
    _twins: int = 0

    def add(self, lot: int, wafer: int, values: Float[ndarray, "dies numbers"]) -> None:
        """Count dies of one wafer; all of a wafer and of a lot come one after the other."""
        if (lot, wafer) != self._at:
            self._close(lot != self._at[0])
            self._at = (lot, wafer)
        total = values.sum(0)
        for group in (self._wafer, self._lot, self._all):
            group.count += len(values)
            group.total = group.total + total
        self._squares = self._squares + (values * values).sum(0)

    def add_twins(self, values: Float[ndarray, "twins numbers"], others: Float[ndarray, "twins numbers"]) -> None:
        """Count dies and their twins, which differ in their rings alone."""
        self._twin_squares = self._twin_squares + ((values - others) ** 2).sum(0)
        self._twins += len(values)

    def parts(self) -> dict[str, Float[ndarray, " numbers"]]:
        """Variance by cause; not negative, and 0 where a study has too few lots or wafers to tell."""
        self._close(True)
        self._at = (-1, -1)
        n, zero = self._all.count, np.zeros(np.shape(self._all.total))
        within = self._mean(self._squares - self._by_wafer, n - self._wafers, zero)
        rings = np.minimum(0.5 * self._twin_squares / self._twins, within) if self._twins else within
        wafers = self._mean(self._by_wafer - self._by_lot, self._wafers - self._lots, within)
        # What one unit of a wafer's and of a lot's variance adds to the mean squares.
        wafer_in_wafers = (n - self._wafer2_over_lot) / max(self._wafers - self._lots, 1)
        wafer = np.maximum(wafers - within, 0.0) / wafer_in_wafers if self._wafers > self._lots else zero
        lot = zero
        if self._lots > 1:
            lots = (self._by_lot - self._all.mean_squared()) / (self._lots - 1)
            wafer_in_lots = (self._wafer2_over_lot - self._wafer2 / n) / (self._lots - 1)
            lot_in_lots = (n - self._lot2 / n) / (self._lots - 1)
            lot = np.maximum(lots - within - wafer_in_lots * wafer, 0.0) / lot_in_lots
        return dict(zip(PARTS, map(np.asarray, (lot, wafer, within - rings, rings)), strict=True))

    @property
    def lots(self) -> int:
        """Lots that were closed."""
        return self._lots

    @staticmethod
    def _mean(
        squares: Float[ndarray, " numbers"] | float, free: int, otherwise: Float[ndarray, " numbers"]
    ) -> Float[ndarray, " numbers"]:
        # Rounding may leave less than nothing.
        return np.maximum(squares, 0.0) / free if free > 0 else otherwise

    def _close(self, lot_too: bool) -> None:
        """Put the sums of the wafer, and of the lot, with those before."""
        if self._wafer.count:
            self._by_wafer = self._by_wafer + self._wafer.mean_squared()
            self._wafer2_in_lot += self._wafer.count**2
            self._wafer2 += self._wafer.count**2
            self._wafers += 1
            self._wafer = _Group()
        if lot_too and self._lot.count:
            self._by_lot = self._by_lot + self._lot.mean_squared()
            self._wafer2_over_lot += self._wafer2_in_lot / self._lot.count
            self._lot2 += self._lot.count**2
            self._lots += 1
            self._wafer2_in_lot, self._lot = 0.0, _Group()
