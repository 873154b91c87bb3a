"""Leaf cells: their ports, their metal, and that what is drawn has the length that is simulated."""

import math
from dataclasses import asdict

import gdsfactory as gf
import kfactory as kf
import klayout.db as kdb
import pytest

from prism_photonics.layout.measure import measure_um
from prism_photonics.lightpath.coupler.cell import edge_coupler
from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.detector.cell import detector
from prism_photonics.lightpath.detector.design import DetectorSiteDesign
from prism_photonics.lightpath.ring.cell import ring
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.splitter.cell import splitter
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.lightpath.waveguide.cell import branch, straight, terminator, uturn
from prism_photonics.lightpath.waveguide.design import BranchDesign, StraightDesign, TerminatorDesign, UTurnDesign
from prism_photonics.process.layers import LAYERS, Layer
from prism_photonics.units import InputError

RING = RingDesign(20.0, 0.421, 0.6, 0.65, 1.4, 130.0, 49.0, 5.4, 8.0)


@pytest.fixture
def kcl(request: pytest.FixtureRequest) -> kf.KCLayout:
    return kf.KCLayout(request.node.name)


def region(cell: gf.Component, layer: Layer) -> kdb.Region:
    return kdb.Region(cell.kdb_cell.begin_shapes_rec(cell.kcl.layer(*layer))).merged()


def ports_um(cell: gf.Component) -> dict[str, tuple[float, float, int]]:
    placed = {port.name: port.trans for port in kf.KCell(base=cell.base).ports}
    return {name: (trans.disp.x / 1000, trans.disp.y / 1000, trans.angle * 90) for name, trans in placed.items()}


def test_a_ring_cell_has_its_buses_where_the_design_has_them(kcl: kf.KCLayout):
    top = RING.bus_pitch_um
    optical = {name: place for name, place in ports_um(ring(RING, kcl=kcl)).items() if name.startswith("o")}
    assert optical == {"o1": (0, 0, 180), "o2": (130, 0, 0), "o3": (0, top, 180), "o4": (130, top, 0)}


def test_a_drawn_ring_measures_what_its_design_says(kcl: kf.KCLayout):
    cell = ring(RING, kcl=kcl)
    measured = measure_um("ring", region(cell, LAYERS.ridge), region(cell, LAYERS.metal1))
    said = asdict(RING)
    assert len(measured) == 8
    for field, value in measured.items():
        assert value == pytest.approx(said[field], abs=0.9e-3), field


def test_a_drawn_ring_is_as_long_as_the_simulated_one(kcl: kf.KCLayout):
    loop = next(p for p in region(ring(RING, kcl=kcl), LAYERS.ridge).each() if p.holes() == 1)
    # The area of a closed rib is its width times its middle line.
    assert loop.area() / 1e6 / RING.width_um == pytest.approx(RING.length_um, rel=1e-4)


def electrode_nets(cell: gf.Component) -> dict[str, int]:
    """Which conductor each of the four electrodes and two contacts belongs to."""
    tracer = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(cell.kcl.layout, cell.kdb_cell, []))
    metals = [
        tracer.make_layer(cell.kcl.layer(*layer), str(layer)) for layer in (LAYERS.metal1, LAYERS.via, LAYERS.metal2)
    ]
    for metal in metals:
        tracer.connect(metal)
    tracer.connect(metals[0], metals[1])
    tracer.connect(metals[1], metals[2])
    tracer.extract_netlist()
    middle, y = RING.pitch_um / 2, RING.center_y_um
    found = {
        name: tracer.probe_net(metals[0], kdb.DPoint(middle + x, y)).cluster_id
        for name, x in {"left_out": -27.0, "left_in": -14.0, "right_in": 14.0, "right_out": 27.0}.items()
    }
    places = ports_um(cell)
    for port, inward in (("e1", -0.5), ("e2", 0.5)):
        x, height, _ = places[port]
        found[port] = tracer.probe_net(metals[2], kdb.DPoint(x + inward, height)).cluster_id
    return found


def test_the_two_lobes_have_opposite_polarity_so_their_tuning_adds(kcl: kf.KCLayout):
    nets = electrode_nets(ring(RING, kcl=kcl))
    # The field points outwards from signal inside, inwards from signal outside: along x both lobes agree.
    assert nets["right_out"] == nets["left_in"] == nets["e1"]
    assert nets["right_in"] == nets["left_out"] == nets["e2"]
    assert nets["e1"] != nets["e2"]


def test_lobes_span_the_designed_angle(kcl: kf.KCLayout):
    metal = region(ring(RING, kcl=kcl), LAYERS.metal1)
    edge = RING.radius_um - RING.electrode_gap_um / 2 - 0.05
    for angle, covered in ((0.0, True), (48.8, True), (49.3, False), (-48.8, True), (-49.3, False)):
        for side in (1, -1):
            x = RING.pitch_um / 2 + side * (RING.straight_um / 2 + edge * math.cos(math.radians(angle)))
            y = RING.center_y_um + edge * math.sin(math.radians(angle))
            spot = kdb.Box(round(x * 1000) - 5, round(y * 1000) - 5, round(x * 1000) + 5, round(y * 1000) + 5)
            assert (kdb.Region(spot) & metal).is_empty() != covered, (angle, side)


def test_first_metal_keeps_two_micrometres_from_every_rib(kcl: kf.KCLayout):
    cell = ring(RING, kcl=kcl)
    metal, rib = region(cell, LAYERS.metal1), region(cell, LAYERS.ridge)
    assert (metal & rib).is_empty()
    assert metal.separation_check(rib, 1998).is_empty()
    assert not metal.separation_check(rib, 2010).is_empty()


def test_the_design_travels_with_the_cell(kcl: kf.KCLayout):
    assert ring(RING, kcl=kcl).settings.model_dump() == asdict(RING)


def test_the_same_design_is_drawn_once(kcl: kf.KCLayout):
    assert ring(RING, kcl=kcl).kdb_cell.name == ring(RING, kcl=kcl).kdb_cell.name
    assert sum(1 for cell in kcl.layout.each_cell()) == 1


@pytest.mark.parametrize("dy_um", [82.4, -82.4])
def test_a_branch_is_as_long_as_its_design_says(kcl: kf.KCLayout, dy_um: float):
    design = BranchDesign(80.0, dy_um, 30.0)
    cell = branch(design, kcl=kcl)
    lengths = design.lengths
    assert ports_um(cell) == {"o1": (0, 0, 180), "o2": (80, dy_um, 0)}
    total = lengths.x_um + lengths.y_um + lengths.bend_um
    assert region(cell, LAYERS.ridge).area() / 1e6 / 1.4 == pytest.approx(total, rel=1e-4)
    assert measure_um("branch", region(cell, LAYERS.ridge), kdb.Region())["dy_um"] == dy_um


def test_a_uturn_is_as_long_as_its_design_says(kcl: kf.KCLayout):
    design = UTurnDesign(30.0)
    cell = uturn(design, kcl=kcl)
    assert ports_um(cell) == {"o1": (0, 0, 0), "o2": (0, 60, 0)}
    assert region(cell, LAYERS.ridge).area() / 1e6 / 1.4 == pytest.approx(design.lengths.bend_um, rel=1e-4)


def test_splitter_coupler_straight_and_terminator_have_their_ports_at_their_ends(kcl: kf.KCLayout):
    assert ports_um(splitter(SplitterDesign(0.2), kcl=kcl)) == {
        "o1": (0, 0, 180),
        "o2": (84, 2.6, 0),
        "o3": (84, -2.6, 0),
    }
    assert ports_um(edge_coupler(EdgeCouplerDesign(2.0), kcl=kcl)) == {"o1": (0, 0, 180), "o2": (200, 0, 0)}
    assert ports_um(straight(StraightDesign(50.0), kcl=kcl)) == {"o1": (0, 0, 180), "o2": (50, 0, 0)}
    assert ports_um(terminator(TerminatorDesign(), kcl=kcl)) == {"o1": (0, 0, 180)}


def test_a_detector_site_offers_three_separate_conductors(kcl: kf.KCLayout):
    cell = detector(DetectorSiteDesign(104.0, 1.4), kcl=kcl)
    assert region(cell, LAYERS.metal2).count() == 3
    assert region(cell, LAYERS.ridge).count() == 2
    assert {name for name in ports_um(cell)} == {"o1", "o2", "e1", "e2", "e3"}


def test_a_detector_site_too_narrow_for_its_pads_is_refused(kcl: kf.KCLayout):
    with pytest.raises(InputError, match="no room for two pads"):
        detector(DetectorSiteDesign(40.0, 1.4), kcl=kcl)


def test_every_rib_lies_inside_its_slab(kcl: kf.KCLayout):
    cells = (
        ring(RING, kcl=kcl),
        uturn(UTurnDesign(30.0), kcl=kcl),
        branch(BranchDesign(80.0, 82.4, 30.0), kcl=kcl),
        splitter(SplitterDesign(0.2), kcl=kcl),
    )
    for cell in cells:
        assert (region(cell, LAYERS.ridge) - region(cell, LAYERS.slab)).is_empty(), cell.name
