"""Leaf cells: their ports, their metal, and that what is drawn has the length that is simulated."""

import math
from dataclasses import asdict, replace
from itertools import pairwise

import gdsfactory as gf
import kfactory as kf
import klayout.db as kdb
import pytest

from prism_photonics.layout.check import electrode_middles_um
from prism_photonics.layout.measure import measure_um
from prism_photonics.lightpath.coupler.cell import edge_coupler
from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.detector.cell import detector
from prism_photonics.lightpath.detector.design import DetectorSiteDesign
from prism_photonics.lightpath.ring.cell import ring
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.splitter.cell import splitter
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.lightpath.vernier.cell import vernier
from prism_photonics.lightpath.vernier.design import VernierDesign
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
    measured = measure_um("ring", region(cell, LAYERS.ridge), region(cell, LAYERS.metal1), {})
    said = asdict(RING)
    assert len(measured) == 9
    for field, value in measured.items():
        assert value == pytest.approx(said[field], abs=0.9e-3), field


def test_a_drawn_ring_is_as_long_as_the_simulated_one(kcl: kf.KCLayout):
    loop = next(p for p in region(ring(RING, kcl=kcl), LAYERS.ridge).each() if p.holes() == 1)
    # The area of a closed rib is its width times its middle line.
    assert loop.area() / 1e6 / RING.width_um == pytest.approx(RING.length_um, rel=1e-4)


TRACK = replace(RING, arm_um=80.0)


@pytest.mark.parametrize("design", [RING, TRACK], ids=["circle", "racetrack"])
def test_a_measured_racetrack_is_its_design_in_every_length(kcl: kf.KCLayout, design: RingDesign):
    cell = ring(design, kcl=kcl)
    ribs = region(cell, LAYERS.ridge)
    measured = measure_um("ring", ribs, region(cell, LAYERS.metal1), {})
    assert measured["arm_um"] == pytest.approx(design.arm_um)
    loop = next(p for p in ribs.each() if p.holes() == 1)
    assert loop.area() / 1e6 / design.width_um == pytest.approx(design.length_um, rel=1e-4)
    assert loop.bbox().center().y / 1e3 == pytest.approx(design.center_y_um, abs=1e-3)


def test_a_loop_that_is_no_racetrack_is_refused(kcl: kf.KCLayout):
    cell = ring(TRACK, kcl=kcl)
    ribs = region(cell, LAYERS.ridge)
    loop = next(p for p in ribs.each() if p.holes() == 1)
    notch = kdb.Region(kdb.Box(loop.bbox().right - 50, 40_000, loop.bbox().right, 60_000))
    with pytest.raises(InputError, match="neither a circle nor a racetrack"):
        measure_um("ring", (ribs - notch).merged(), region(cell, LAYERS.metal1), {})


def test_a_racetracks_electrodes_run_along_its_arms(kcl: kf.KCLayout):
    metal = region(ring(TRACK, kcl=kcl), LAYERS.metal1)
    nets = electrode_nets(ring(TRACK, kcl=kcl), TRACK)
    assert nets["right_out"] == nets["left_in"] == nets["e1"] != nets["e2"]
    assert nets["right_in"] == nets["left_out"] == nets["e2"]
    for rise in (-39.0, 0.0, 39.0):  # at both ends of the arms and in their middle
        y = round((TRACK.center_y_um + rise) * 1e3)
        across = (kdb.Edges([kdb.Edge(0, y, 130_000, y)]) & metal).merged()
        assert sorted(edge.length() for edge in across.each()) == [8000] * 4, rise


def test_a_heater_lies_over_the_ring_between_its_contacts(kcl: kf.KCLayout):
    design = replace(TRACK, heater_um=2.0)
    cell = ring(design, kcl=kcl)
    heater, loop = region(cell, LAYERS.heater), region(cell, LAYERS.ridge)
    assert heater.count() == 1
    bare = region(ring(TRACK, kcl=kcl), LAYERS.metal2)
    contacts = region(cell, LAYERS.metal2) - bare
    assert (contacts - heater).is_empty()
    assert contacts.count() == 2
    # Over the ring's northern side, a rib's width of it and more.
    assert (loop & heater).bbox().top == round((design.center_y_um + 60.0 + design.width_um / 2) * 1e3)
    assert {"e3", "e4"} <= set(ports_um(cell))
    assert "e3" not in ports_um(ring(TRACK, kcl=kcl))


PAIR = VernierDesign(20.0, 23.0, 2.6, 3.1, 0.4, 0.78, 0.45, 1.4, 130.0, 48.5, 5.4, 8.0)


def test_a_vernier_pair_is_two_closed_rings_between_its_buses(kcl: kf.KCLayout):
    cell = vernier(PAIR, kcl=kcl)
    islands = sorted(region(cell, LAYERS.ridge).each(), key=lambda p: p.bbox().bottom)
    assert [p.holes() for p in islands] == [0, 1, 1, 0]
    boxes = [p.bbox() for p in islands]
    gaps = [above.bottom - below.top for below, above in pairwise(boxes)]
    assert gaps == [400, 780, 450]
    for island, one in zip(islands[1:3], PAIR.rings, strict=True):
        assert island.area() / 1e6 / PAIR.width_um == pytest.approx(one.length_um, rel=1e-4)
    assert ports_um(cell)["o4"] == (130, pytest.approx(PAIR.bus_pitch_um), 0)


def test_one_voltage_moves_both_rings_of_a_pair_alike(kcl: kf.KCLayout):
    cell = vernier(PAIR, kcl=kcl)
    metals = [region(cell, layer) for layer in (LAYERS.metal1, LAYERS.via, LAYERS.metal2)]
    assert (metals[0] & region(cell, LAYERS.ridge)).is_empty()
    assert metals[0].separation_check(region(cell, LAYERS.ridge), 1998).is_empty()
    tracer = metal_nets(cell)
    assert sum(1 for circuit in tracer.netlist().each_circuit() for _ in circuit.each_net()) == 2
    base = 2 * 20.0 + 1.4 + 0.4
    for one, y in zip(PAIR.rings, (PAIR.rings[0].center_y_um, base + PAIR.rings[1].center_y_um), strict=True):
        left_out, left_in, right_in, right_out = (
            tracer.probe_net(tracer.layer_by_name("metal1"), kdb.DPoint(x, y)).cluster_id
            for x in electrode_middles_um(one)
        )
        assert right_out == left_in != left_out == right_in


def metal_nets(cell: gf.Component) -> kdb.LayoutToNetlist:
    """The conductors of a cell, over both metals and the vias."""
    tracer = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(cell.kcl.layout, cell.kdb_cell, []))
    names = ("metal1", "via", "metal2")
    metals = [tracer.make_layer(cell.kcl.layer(*getattr(LAYERS, name)), name) for name in names]
    for metal in metals:
        tracer.connect(metal)
    tracer.connect(metals[0], metals[1])
    tracer.connect(metals[1], metals[2])
    tracer.extract_netlist()
    return tracer


def electrode_nets(cell: gf.Component, design: RingDesign = RING) -> dict[str, int]:
    """Which conductor each of the four electrodes and two contacts belongs to."""
    tracer = metal_nets(cell)
    metal1, metal2 = (tracer.layer_by_name(name) for name in ("metal1", "metal2"))
    names = ("left_out", "left_in", "right_in", "right_out")
    found = {
        name: tracer.probe_net(metal1, kdb.DPoint(x, design.center_y_um)).cluster_id
        for name, x in zip(names, electrode_middles_um(design), strict=True)
    }
    places = ports_um(cell)
    for port, inward in (("e1", -0.5), ("e2", 0.5)):
        x, height, _ = places[port]
        found[port] = tracer.probe_net(metal2, kdb.DPoint(x + inward, height)).cluster_id
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
    assert measure_um("branch", region(cell, LAYERS.ridge), kdb.Region(), {})["dy_um"] == dy_um


def test_a_uturn_is_as_long_as_its_design_says(kcl: kf.KCLayout):
    design = UTurnDesign(30.0)
    cell = uturn(design, kcl=kcl)
    assert ports_um(cell) == {"o1": (0, 0, 0), "o2": (0, 60, 0)}
    assert region(cell, LAYERS.ridge).area() / 1e6 / 1.4 == pytest.approx(design.lengths.bend_um, rel=1e-4)


def test_splitter_coupler_straight_and_terminator_have_their_ports_at_their_ends(kcl: kf.KCLayout):
    assert ports_um(splitter(SplitterDesign(0.2), kcl=kcl)) == {
        "o1": (0, 0, 180),
        "o2": (84, 2.08, 0),
        "o3": (84, -2.08, 0),
    }
    assert ports_um(edge_coupler(EdgeCouplerDesign(2.0), kcl=kcl)) == {"o1": (0, 0, 180), "o2": (200, 0, 0)}
    assert ports_um(straight(StraightDesign(50.0), kcl=kcl)) == {"o1": (0, 0, 180), "o2": (50, 0, 0)}
    assert ports_um(terminator(TerminatorDesign(), kcl=kcl)) == {"o1": (0, 0, 180)}


def test_a_detector_site_offers_three_separate_conductors(kcl: kf.KCLayout):
    cell = detector(DetectorSiteDesign(104.0, 1.4), kcl=kcl)
    assert region(cell, LAYERS.metal2).count() == 3
    assert region(cell, LAYERS.ridge).count() == 2
    assert {name for name in ports_um(cell)} == {"o1", "o2", "e1", "e2", "e3"}


def test_a_detector_site_too_narrow_for_its_wires_is_refused(kcl: kf.KCLayout):
    with pytest.raises(InputError, match="no room for the wires of two photodiodes"):
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
