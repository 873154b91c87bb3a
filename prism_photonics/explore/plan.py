"""Plan of a yield study: which die comes from which lot, wafer and place, and what its rings have in common there.

Everything of a die follows from the study's seed and the die's number alone, whoever computes it and beside which
others.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.rules_chip import die_um
from prism_photonics.chip.fabricate import DieShift
from prism_photonics.explore.wafer import QUANTITIES, Fab
from prism_photonics.process.polarization import TM_GAP_LAWS, tm_table
from prism_photonics.programming.solve import MOST_UNCOMPILED
from prism_photonics.seeds import LARGEST_SEED, require_seed
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

MOST_DIES = 100_000_000
LEAST_WAFERS, SAMPLED_PER_LOT = 40, 4
"""Design choices: a study of few dies takes them from many wafers, and from no more wafers of one lot than this."""
MOST_OFFSET_ERROR_PM, MOST_SPLITTING_PM, MOST_TE_TM = 1000.0, 100.0, 3.0
"""Largest that are taken; design choices."""
MOST_IN_BATCH = 128
"""Dies that are computed together at most (design choice)."""
OFFSET_ERROR_WIDTHS = 1.5e-3
"""What calibrations leave of a resonance unknown, in linewidths, rms over dies (design choice): weights are then off by
some 3e-3 rms. Whole calibrations of 14 small dies left 3.3e-3, apart from a shift common to all weights, and of three
banks 1.0e-3 (benchmarks/results/bank_calibrated.json): `prism yield --verify` shows both, and warns."""
FEATURES = 64
"""Plane waves of a random field (design choice)."""
TWIN_EVERY = 8
"""Of so many dies one is drawn again with other rings at the same place: it tells the rings' part of the variance."""
_LOT, _WAFER, _DIE, _TWIN, _SITES, _TM = range(6)


class Place(NamedTuple):
    """Where a die comes from; positions are of its middle from the wafer's, in mm."""

    lot: int
    wafer: int
    site: int
    x_mm: float
    y_mm: float


class Waves(NamedTuple):
    """Smooth random fields of unit variance as plane waves, ``√(2/K)·Σ cos(k·r + φ)``.

    Normally distributed wave numbers give the correlation ``exp(−d²/2ℓ²)``.

    Source: Rahimi and Recht, NIPS 20, 1177 (2007).
    """

    kx_mm: Float[ndarray, "*fields waves"]
    ky_mm: Float[ndarray, "*fields waves"]
    phase: Float[ndarray, "*fields waves"]

    def on_grid(
        self, x_mm: Float[ndarray, " columns"], y_mm: Float[ndarray, " rows"]
    ) -> Float[ndarray, "*fields rows columns"]:
        """The fields where the columns and rows of a grid cross."""
        along_y = np.exp(1j * (y_mm[:, None] * self.ky_mm[..., None, :] + self.phase[..., None, :]))
        along_x = np.exp(1j * (x_mm[:, None] * self.kx_mm[..., None, :]))
        fields = np.einsum("...rk,...ck->...rc", along_y, along_x)
        return math.sqrt(2.0 / self.phase.shape[-1]) * np.real(fields)


class _OfWafer(NamedTuple):
    """What the dies of a wafer have in common: of each quantity a number and a field, and the order of the sites."""

    common: list[float]
    waves: Waves
    sites: Int[ndarray, " sites"]


@dataclass(frozen=True)
class YieldPlan:
    """A study, complete: two with the same `hash` give the same numbers, die by die.

    Attributes:
        spec: The chip.
        fab: The line that makes it.
        dies: Dies drawn.
        wafers: Wafers that they are taken from.
        seed: Of everything random.
        k: Blocks that the chip is to find among its rows.
        offset_error_pm: What a calibration leaves of a ring's resonance unknown, rms: see `explore.surrogate`.
        batch: Dies that are computed together.
        splitting_pm: Median distance of a ring's two resonances by backscatter, which no calibration knows; 0: none.
        te_tm: Angle by which a half turn mixes TE and TM over that of the film's mode table; 0: not drawn.
    """

    spec: ChipSpec
    fab: Fab
    dies: int
    wafers: int
    seed: int
    k: int
    offset_error_pm: float
    batch: int
    splitting_pm: float = 0.0
    te_tm: float = 0.0

    @classmethod
    def make(
        cls,
        spec: ChipSpec,
        *,
        dies: int,
        fab: Fab | None = None,
        wafers: int | None = None,
        seed: int = 0,
        k: int | None = None,
        offset_error_pm: float | None = None,
        batch: int | None = None,
        splitting_pm: float = 0.0,
        te_tm: float = 0.0,
    ) -> "YieldPlan":
        """A study with the usual choices where none is given.

        Raises:
            InputError: Not 1 to 10⁸ dies, more dies than its wafers have, no whole die on a wafer, or k, the error
                of resonances, the splitting or the mixing out of range, or mixing on a film without TM.
        """
        fab, rows = fab or Fab(), spec.chip.rows
        require_seed(seed, where="yield")
        if not 1 <= dies <= MOST_DIES:
            raise InputError(f"yield: dies = {dies}, want 1 to {MOST_DIES}; choose --dies in this range")
        if rows < 2:
            raise InputError(f"yield: {spec.name} has 1 row, and nothing is ranked among one; want 2 rows or more")
        # As of 32 blocks among 256 rows, the share at which banks are compared.
        k = max(1, rows // 8) if k is None else k
        if not 1 <= k < rows:
            raise InputError(f"yield: k = {k}, want 1 to {rows - 1}, less than the {rows} rows; choose another --k")
        sites = len(_sites_mm(spec, fab))
        if wafers is None:
            wafers = max(math.ceil(dies / sites), min(LEAST_WAFERS, dies))
        if not 1 <= wafers <= dies or dies > wafers * sites:
            raise InputError(
                f"yield: {dies} dies of {wafers} wafers, and a wafer holds {sites} of {spec.name}; want "
                f"{math.ceil(dies / sites)} to {dies} wafers; choose --wafers in this range"
            )
        if offset_error_pm is None:
            offset_error_pm = OFFSET_ERROR_WIDTHS * ring_figures(spec).fwhm_pm
        for name, value, most in (
            ("offset_error_pm", offset_error_pm, MOST_OFFSET_ERROR_PM),
            ("splitting_pm", splitting_pm, MOST_SPLITTING_PM),
            ("te_tm", te_tm, MOST_TE_TM),
        ):
            if not 0.0 <= value <= most:
                raise InputError(f"yield: {name} = {value:g}, want 0 to {most:g}; choose one in this range")
        if te_tm > 0.0 and tm_table(spec.process) is None:
            raise InputError(
                f"yield: te_tm = {te_tm:g}, and film {spec.profile.name} guides no TM or none whose coupling is known; "
                f"want 0, films with TM are {', '.join(TM_GAP_LAWS)}"
            )
        if batch is None:
            # As many as are programmed without waiting for a compiler, in every process anew.
            batch = max(1, min(MOST_IN_BATCH, MOST_UNCOMPILED // (rows * spec.chip.rings * spec.chip.channels)))
        return cls(spec, fab, dies, wafers, seed, k, offset_error_pm, batch, splitting_pm, te_tm)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over all that decides a number."""
        content = {
            "spec": self.spec.hash,
            "fab": self.fab.model_dump(mode="json"),
            **self.numbers,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @cached_property
    def sites_mm(self) -> Float[ndarray, "sites 2"]:
        """Middles of the whole dies of a wafer, from its own, in mm."""
        return _sites_mm(self.spec, self.fab)

    @property
    def batches(self) -> int:
        """Batches of the study."""
        return math.ceil(self.dies / self.batch)

    @property
    def wafers_per_lot(self) -> int:
        """Wafers that are taken from one lot."""
        return min(SAMPLED_PER_LOT, self.fab.wafer.wafers_per_lot)

    @property
    def numbers(self) -> dict[str, int | float]:
        """What is a plain number of it, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int | float)}

    def dies_of(self, batch: int) -> range:
        """The dies of a batch."""
        return range(batch * self.batch, min((batch + 1) * self.batch, self.dies))

    def place(self, die: int) -> Place:
        """Where a die comes from: dies are shared out evenly over the wafers, on sites drawn without repetition."""
        each, more = divmod(self.dies, self.wafers)
        # The first wafers have one die more.
        if die < more * (each + 1):
            wafer, nth = divmod(die, each + 1)
        else:
            wafer, nth = divmod(die - more * (each + 1), each)
            wafer += more
        lot = wafer // self.wafers_per_lot
        site = int(self._of_wafer(lot, wafer).sites[nth])
        x_mm, y_mm = self.sites_mm[site].tolist()
        return Place(lot, wafer, site, x_mm, y_mm)

    def die_seed(self, die: int, *, twin: bool = False) -> int:
        """Seed of a die's rings: the same rings on an average wafer are the bench ``virtual:SEED``."""
        return int(self._draws(_TWIN if twin else _DIE, die).integers(LARGEST_SEED + 1))

    def shift(self, place: Place) -> DieShift:
        """What lot, wafer and place do to all rings of a die."""
        spec, wafer = self.spec, self.fab.wafer
        of_wafer = self._of_wafer(place.lot, place.wafer)
        columns_mm = 1e-3 * spec.ring.pitch_um * (np.arange(spec.chip.rings) - 0.5 * (spec.chip.rings - 1))
        rows_mm = 1e-3 * spec.row_pitch_um * (np.arange(spec.chip.rows) - 0.5 * (spec.chip.rows - 1))
        x_mm, y_mm = place.x_mm + columns_mm, place.y_mm + rows_mm
        radius_mm = np.hypot(x_mm, y_mm[:, None])
        rim = np.exp(-np.maximum(0.5 * wafer.diameter_mm - radius_mm, 0.0) / wafer.edge_mm)
        parts = {}
        for name, common, field in zip(QUANTITIES, of_wafer.common, of_wafer.waves.on_grid(x_mm, y_mm), strict=True):
            scatter = getattr(self.fab, name)
            parts[name] = common + scatter.place * field + scatter.edge * rim
        return DieShift(**parts)

    def tm_of_lot(self, lot: int) -> float:
        """Where a lot's TM resonances lie, -1 to 1: see `explore.tm_crossings.placed_tm`."""
        return float(self._draws(_TM, lot).uniform(-1.0, 1.0))

    def _of_wafer(self, lot: int, wafer: int) -> "_OfWafer":
        # Dies come wafer by wafer: the last one is kept, so that memory does not grow with a study.
        if self._last.get("of") != (lot, wafer):
            lots, wafers = self._draws(_LOT, lot), self._draws(_WAFER, wafer)
            common, drawn = [], []
            for name in QUANTITIES:
                scatter = getattr(self.fab, name)
                common.append(scatter.lot * lots.standard_normal() + scatter.wafer * wafers.standard_normal())
                k_mm = wafers.standard_normal((2, FEATURES)) / self.fab.wafer.correlation_mm
                drawn.append((*k_mm, wafers.uniform(0.0, 2.0 * np.pi, FEATURES)))
            sites = self._draws(_SITES, wafer).permutation(len(self.sites_mm))
            waves = Waves(*np.moveaxis(np.array(drawn), 1, 0))
            self._last.update(of=(lot, wafer), drawn=_OfWafer(common, waves, sites))
        return self._last["drawn"]

    @cached_property
    def _last(self) -> dict[str, Any]:
        return {}

    def _draws(self, stream: int, number: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, stream, number))


def _sites_mm(spec: ChipSpec, fab: Fab) -> Float[ndarray, "sites 2"]:
    """Dies in a square grid, one in the wafer's middle, as far as their corners lie within the rim.

    Raises:
        InputError: Not one die fits on the wafer.
    """
    pitch_mm = np.array(die_um(spec)) * 1e-3
    inner_mm = 0.5 * fab.wafer.diameter_mm - fab.wafer.exclusion_mm
    count = np.floor(inner_mm / pitch_mm).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in count), indexing="ij"), -1).reshape(-1, 2)
    corners_mm = (np.abs(grid) + 0.5) * pitch_mm
    sites_mm = grid[np.hypot(*corners_mm.T) <= inner_mm] * pitch_mm
    if not len(sites_mm):
        raise InputError(
            f"yield: a die of {spec.name} is {pitch_mm[0]:.1f} × {pitch_mm[1]:.1f} mm, too large for a wafer of "
            f"{fab.wafer.diameter_mm:g} mm; want a larger wafer.diameter_mm, or fewer rows or buses"
        )
    return sites_mm
