"""Rivers: whatever the starts and ends, no two wires meet."""

import klayout.db as kdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_photonics.layout.routing import heading, wire
from prism_photonics.lightpath.drawing import EAST, NORTH, SOUTH
from prism_photonics.spec.river import plan_river

CLEARANCE, WIDTH = 14.0, 10.0


def drawn(starts: list[float], ends: list[float]) -> kdb.Region:
    river = plan_river(starts, ends, clearance_um=CLEARANCE)
    top = (river.height + 2) * CLEARANCE
    wires = kdb.Region()
    for n in range(len(starts)):
        wires += wire(river.points(n, base_um=0.0, lane_um=CLEARANCE, end_um=top), WIDTH)
    return wires


gaps = st.lists(st.integers(14, 200), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(starts=gaps, shift=st.integers(-800, 800), data=st.data())
def test_wires_of_a_river_never_meet(starts: list[int], shift: int, data: st.DataObject):
    count = len(starts)
    steps = data.draw(st.lists(st.integers(14, 120), min_size=count, max_size=count))
    first = [float(sum(starts[: n + 1])) for n in range(count)]
    last = [float(shift + sum(steps[: n + 1])) for n in range(count)]
    wires = drawn(first, last)
    assert wires.merged().count() == count
    assert wires.merged().isolated_check(3000).count() == 0


def test_wires_that_go_straight_need_no_lane():
    assert plan_river([0.0, 20.0, 40.0], [0.0, 20.0, 40.0], clearance_um=CLEARANCE).height == 1


@pytest.mark.parametrize("direction", [NORTH, SOUTH, EAST])
def test_turning_to_an_edge_and_back_changes_nothing(direction: int):
    point = kdb.Point(3, 5)
    assert heading(direction) * (heading(direction) * point) == point
