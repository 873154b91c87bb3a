"""Design-rule check: the rules of a deck on the polygons of a drawing, hierarchically, with KLayout's engine."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb
import klayout.rdb as rdb

from prism_photonics.layout.fill import density_faults
from prism_photonics.layout.polygons import WHOLE, deep_store, in_units, open_layout, refusing_damage, steps
from prism_photonics.process.layers import Deck, Rule, load_deck

EUCLIDEAN = kdb.Metrics.Euclidian  # KLayout's spelling
IGNORE_DEG = 80.0  # edges that meet at more than this belong to a corner, not to a narrow place
CORNER_SLACK_DEG = 0.5  # short edges of circles on the grid turn a little more than the circle
MOST_MARKERS = 1000  # per rule, in the report file


@dataclass(frozen=True)
class Drc:
    """Result of the design-rule check.

    Attributes:
        counts: Violations of every rule; deep mode may count one place twice, so zero is the only pass.
        first_um: Centre of the first violation of each broken rule.
    """

    counts: Mapping[str, int]
    first_um: Mapping[str, tuple[float, float]]

    @property
    def violations(self) -> int:
        """Violations of all rules together."""
        return sum(self.counts.values())

    def sentences(self) -> tuple[str, ...]:
        """One sentence per broken rule."""
        return tuple(
            f"rule {name}: {self.counts[name]} places, first near ({x:g}, {y:g}) µm"
            for name, (x, y) in self.first_um.items()
        )


def run_drc(gds: Path | str | kdb.Layout, *, deck: Deck | None = None, report: Path | str | None = None) -> Drc:
    """Check a drawing against every rule of a deck, in µm whatever the drawing's database unit.

    A limit that is no whole number of units counts as the next longer one, so that rounding never lets a fault pass.

    Args:
        gds: A layout file, or a layout in memory, of any database unit.
        deck: Layers and rules; our own when none is given.
        report: Where a KLayout marker database (``.lyrdb``) goes.

    Raises:
        InputError: The file cannot be read, holds several top cells or none, or its unit is too small for the rules.
    """
    with refusing_damage(gds):
        found, database = _run_drc(open_layout(gds), deck or load_deck())
    if report is not None:
        database.save(str(report))
    return found


def _run_drc(layout: kdb.Layout, deck: Deck) -> tuple[Drc, rdb.ReportDatabase]:
    top = layout.top_cell()
    store = deep_store()
    regions = {name: _region(layout, top, number, store) for name, number in deck.layers.items()}

    database = rdb.ReportDatabase("drc")
    database.description = f"prism_photonics, deck {deck.name}"
    database.top_cell_name = top.name
    cell = database.create_cell(top.name)
    counts: dict[str, int] = {}
    first: dict[str, tuple[float, float]] = {}
    found = {"grid": _off_grid(regions, deck, layout)}
    found |= {name: _Check(rule, regions, deck, layout).run() for name, rule in deck.rules.items()}
    for layer, windows in density_faults(layout, deck).items():
        boxes = kdb.Region()
        for window in windows:
            boxes.insert(window.to_itype(layout.dbu))
        boxes.merged_semantics = False
        found[f"{layer}_density"] = [boxes]
    for name, places in found.items():
        category = database.create_category(name)
        category.description = _said(name, deck)
        counts[name] = sum(shapes.count() for shapes in places)
        for shapes in places:
            for shape, _ in zip(shapes.each(), range(MOST_MARKERS), strict=False):
                item = database.create_item(cell.rdb_id(), category.rdb_id())
                item.add_value(rdb.RdbItemValue(shape.to_dtype(layout.dbu)))
                if name not in first:
                    at = shape.bbox().to_dtype(layout.dbu).center()  # not a whole number of units
                    first[name] = (at.x, at.y)
    return Drc(counts, first), database


Places = kdb.Region | kdb.EdgePairs


class _Check:
    """One rule, applied."""

    def __init__(self, rule: Rule, regions: Mapping[str, kdb.Region], deck: Deck, layout: kdb.Layout):
        self._rule = rule
        self._layer = regions[rule.layer]
        self._other = regions[rule.other] if rule.other else kdb.Region()
        self._outside = regions[rule.outside] if rule.outside else None
        exact = rule.value_um if rule.kind != "separation" else rule.value_um - deck.curve_tolerance_um
        self._least = in_units(exact, layout)
        self._least_area = math.ceil(rule.value_um2 / layout.dbu**2 * (1.0 - WHOLE))

    def run(self) -> list[Places]:
        places = getattr(self, f"_{self._rule.kind}")()
        if self._outside is None or self._rule.kind == "separation":
            return places
        beyond = self._outside.sized(self._least)
        return [_as_region(found).not_inside(beyond) for found in places]

    def _width(self) -> list[Places]:
        return [self._layer.width_check(self._least, False, EUCLIDEAN, IGNORE_DEG)]

    def _space(self) -> list[Places]:
        return [self._layer.space_check(self._least, False, EUCLIDEAN, IGNORE_DEG)]

    def _separation(self) -> list[Places]:
        layer = self._layer if self._outside is None else self._layer.not_interacting(self._outside)
        return [near_places(kdb.Region.separation_check, layer, self._other, self._least)]

    def _enclosure(self) -> list[Places]:
        near = near_places(kdb.Region.enclosing_check, self._other, self._layer, self._least)
        return [near, self._layer - self._other]

    def _inside(self) -> list[Places]:
        inner = self._other.sized(-self._least)
        # A die is one rectangle: what lies within it need not be subtracted shape by shape.
        if inner.is_box() and self._layer.bbox().inside(inner.bbox()):
            return []
        return [self._layer - inner]

    def _apart(self) -> list[Places]:
        return [self._layer & self._other]

    def _corner(self) -> list[Places]:
        turn = 180.0 - self._rule.value_deg + CORNER_SLACK_DEG
        return [self._layer.corners(turn, 180.0), self._layer.corners(-180.0, -turn)]

    def _area(self) -> list[Places]:
        return [self._layer.with_area(0, self._least_area, False)]


def near_places(check: Callable[..., kdb.EdgePairs], one: kdb.Region, other: kdb.Region, least: int) -> kdb.EdgePairs:
    """Places where the boundaries of two layers come nearer than so many database units, by one of KLayout's checks.

    The boundary of shapes that touch is part of theirs: where none comes near another as drawn, none does once they are
    joined, which makes of a bank's ribs, from row to row, one shape of a million corners.
    """
    shapes = [layer.dup() for layer in (one, other)]
    for layer in shapes:
        layer.merged_semantics = False
    found = check(*shapes, least, False, EUCLIDEAN, IGNORE_DEG)
    return found if found.is_empty() else check(one, other, least, False, EUCLIDEAN, IGNORE_DEG)


def _as_region(found: Places) -> kdb.Region:
    """Places as polygons, a unit wider all round, so that none has no area."""
    return found if isinstance(found, kdb.Region) else found.polygons(1)


def _off_grid(regions: Mapping[str, kdb.Region], deck: Deck, layout: kdb.Layout) -> list[Places]:
    step = steps(deck.grid_um, layout)
    return [] if step <= 1 else [region.grid_check(step, step) for region in regions.values()]


def _region(layout: kdb.Layout, top: kdb.Cell, number: tuple[int, int], store: kdb.DeepShapeStore) -> kdb.Region:
    index = layout.find_layer(*number)
    return kdb.Region() if index is None else kdb.Region(top.begin_shapes_rec(index), store)


def _said(name: str, deck: Deck) -> str:
    """What a category of the report is about."""
    layer = name.removesuffix("_density")
    if name in deck.rules or layer not in deck.fill:
        return describe(deck.rules.get(name), deck)
    asked = deck.fill[layer]
    return f"density of {layer} in windows of {asked.window_um:g} µm: {asked.least:g} to {asked.most:g}"


def describe(rule: Rule | None, deck: Deck) -> str:
    """A rule in words; the grid where there is none."""
    if rule is None:
        return f"every point on the grid of {deck.grid_um:g} µm"
    value = f"{rule.value_deg:g}°" if rule.value_deg else f"{rule.value_um2 or rule.value_um:g} µm"
    return f"{rule.kind} of {rule.layer}{' and ' + rule.other if rule.other else ''}: at least {value}"
