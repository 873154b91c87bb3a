"""Distances of two layers' shapes as drawn tell what joined ones have, whether they overlap, abut or do not."""

import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.layout.drc import EUCLIDEAN, IGNORE_DEG, near_places
from prism_photonics.layout.polygons import deep_store

LEAST = 20


def shape(rng: np.random.Generator) -> kdb.Polygon:
    """A box, or one turned by an eighth, on a grid so coarse that many abut and some meet at corners."""
    x, y = (10 * rng.integers(0, 20, 2)).tolist()
    wide, high = (10 * rng.integers(1, 6, 2)).tolist()
    if rng.random() < 0.7:
        return kdb.Polygon(kdb.Box(x, y, x + wide, y + high))
    return kdb.Polygon([kdb.Point(x, y), kdb.Point(x + wide, y + wide), kdb.Point(x + wide - high, y + wide + high),
                        kdb.Point(x - high, y + high)])  # fmt: skip


def drawn(seed: int, store: kdb.DeepShapeStore) -> list[kdb.Region]:
    """Two layers of some shapes, half of them in a cell that is placed three times, once turned."""
    rng, layout = np.random.default_rng(seed), kdb.Layout()
    top, cell = layout.create_cell("top"), layout.create_cell("cell")
    for at in (kdb.Trans(0, 0), kdb.Trans(150, 40), kdb.Trans(1, False, 320, 10)):
        top.insert(kdb.CellInstArray(cell.cell_index(), at))
    layers = [layout.layer(n, 0) for n in (1, 2)]
    for layer in layers:
        for into, count in ((top, rng.integers(1, 4)), (cell, rng.integers(1, 3))):
            for _ in range(count):
                into.shapes(layer).insert(shape(rng))
    return [kdb.Region(top.begin_shapes_rec(layer), store) for layer in layers]


@pytest.mark.parametrize("kind", ["separation", "enclosing"])
def test_what_edges_as_drawn_tell_is_what_joined_shapes_have(kind: str):
    clean = 0
    for seed in range(150):
        store = deep_store()
        one, other = drawn(seed, store)
        check = getattr(kdb.Region, f"{kind}_check")
        found = near_places(check, one, other, LEAST)
        joined = check(one, other, LEAST, False, EUCLIDEAN, IGNORE_DEG)
        assert found.count() == joined.count(), seed
        assert found.is_empty() == check(one.merged(), other.merged(), LEAST, False, EUCLIDEAN, IGNORE_DEG).is_empty()
        clean += found.is_empty()
    assert 10 < clean < 140
