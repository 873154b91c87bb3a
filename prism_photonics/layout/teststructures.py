"""Test structures along the die's southern edge, which separate errors of the film from errors of the circuit.

Lines run from the western to the eastern facet at the pitch of a fibre array: a loopback that aligns the array, a
reference guide, two cutback serpentines, two rows of single rings that sweep the gap and the length, each with two pads
for probes, a splitter by itself, couplers with other tips, and a photodiode's site by itself. Beside the loopback stand
the electrical ones. They are no part of the netlist: their ribs and metals are counted, and the drawing rules hold for
them.

Every ring of a row has a resonance of its own. Those of the gap sweep share a drop bus, which leaves by a fibre: five
peaks a sixth of a free spectral range apart, so that the wider step says where the sweep begins.
"""

from collections.abc import Sequence
from dataclasses import replace

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.layout import processcontrol
from prism_photonics.layout.devices import DEVICES
from prism_photonics.layout.frame import border_um, letters, overrun, text
from prism_photonics.layout.pads import PROBE_CELL, bond_pad, name_place
from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.detector.cell import photodiode
from prism_photonics.lightpath.drawing import box, half_turn, nm, put_cell, s_bend, s_points, taper
from prism_photonics.lightpath.ring.cell import STRAP_UM, ground_contact_um, ring, signal_contact_um
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.waveguide.cell import terminator
from prism_photonics.lightpath.waveguide.design import QuarterTurn, TerminatorDesign
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM, load_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import (
    CLEAR_UM,
    CUTBACK_PASSES,
    PROBE_BELOW_UM,
    PROBE_UM,
    RINGS_APART_UM,
    bank_origins_um,
    control_west_um,
    cutback_slots,
    detector_site,
    drop_port_um,
    euler_p,
    photodiode_slots,
    ring_slots,
    s_length_um,
    tapers,
    test_lead_um,
    turn_radius_um,
)
from prism_photonics.spec.outline import monitor_bend_um, monitor_heights_um, monitor_last_um
from prism_photonics.spec.structures import GAP_STEPS_UM, LENGTH_STEPS, gap_sweep, length_sweep

# Design choices.
TIP_STEP_UM = 0.1
SLAB_GAP_UM = 1.5
CONTROL_ABOVE_UM = 50.0  # from the reference guide to the line of pads of the electrical structures
TURN_SETBACK_UM = 20.0  # of a serpentine's turns from the couplers
LABEL_UM = 16.0
SERPENTINE_P, LOOPBACK_P = "serpentine_euler_p", "loopback_euler_p"  # what the cell of tests says of its half turns
PROBE_PITCH_UM = 100.0  # of the two pads of a ring, at least


def extra_ribs(spec: ChipSpec) -> int:
    """Ribs of the test structures that touch nothing else."""
    # Loopback, reference, serpentines, splitter, couplers with other tips, the photodiode's guide.
    guides = 1 + 1 + len(CUTBACK_PASSES) + 1 + tapers(spec) + 1
    # A bus, a drop bus and rings; a bus, and rings with a drop bus each.
    return guides + (2 + len(GAP_STEPS_UM)) + (1 + 2 * len(LENGTH_STEPS)) + processcontrol.EXTRA_RIBS


# Signal and ground of every test ring, both contacts of the photodiode.
EXTRA_METALS = 2 * (len(GAP_STEPS_UM) + len(LENGTH_STEPS)) + 2 + processcontrol.EXTRA_METALS


def draw_tests(spec: ChipSpec, chip: gf.Component, *, west_um: float, east_um: float, top_um: float) -> gf.Component:
    """The cell of test structures below ``top_um`` between two facets, and the labels of its lines."""
    block = _Block(spec, chip, west_um, east_um)
    y = top_um - CLEAR_UM
    y = block.loopback(y)
    y = block.line("reference", y, ())
    for passes in CUTBACK_PASSES:
        y = block.serpentine(passes, y)
    y = block.line("gap_sweep", y, gap_sweep(spec), drop_port=True)
    y = block.line("length_sweep", y, length_sweep(spec))
    y = block.splitter(y)
    for n, tip_um in enumerate(tips_um(spec)[: tapers(spec)]):
        y = block.line(f"taper_{n}", y, (), coupler=replace(spec.coupler_design, tip_um=tip_um))
    block.photodiode(y)
    if not spec.two_sided:
        block.monitor()
    pads_um = top_um - CLEAR_UM - 2.0 * spec.coupler.fibre_pitch_um + CONTROL_ABOVE_UM
    processcontrol.draw_control(spec, block.cell, at_um=(west_um + control_west_um(spec), pads_um))
    return block.cell


def tips_um(spec: ChipSpec) -> tuple[float, ...]:
    """Widths at the facet of the couplers that are tried beside the chip's: the narrowest of the rules, and wider."""
    designed, least = spec.coupler_design.tip_um, load_deck(spec.process).value_um("ridge_width")
    wider = round(designed + TIP_STEP_UM, 3)
    return (least if least < designed else round(wider + TIP_STEP_UM, 3)), wider


def serpentine_length_um(passes: int, turn: QuarterTurn, *, guide_um: float) -> float:
    """Length of a serpentine's guide between its two couplers, which a straight one of ``guide_um`` would join."""
    inner_um = guide_um - 2.0 * (turn.radius_um + TURN_SETBACK_UM)
    # Eastwards from the coupler, back, and again; at the end once more to the far coupler.
    return guide_um + 2.0 * passes * (inner_um + 2.0 * turn.length_um)


class _Block:
    def __init__(self, spec: ChipSpec, chip: gf.Component, west_um: float, east_um: float):
        self._spec, self._kcl, self._west, self._east = spec, chip.kcl, west_um, east_um
        self._width, self._pitch = spec.width_um, spec.coupler.fibre_pitch_um
        self._inside = west_um + spec.coupler_design.length_um  # where guides begin
        self._outside = east_um - spec.coupler_design.length_um  # where they end
        _, draw_coupler = DEVICES["edge_coupler"]
        self._coupler = draw_coupler(spec.coupler_design, kcl=chip.kcl)
        self.cell = gf.Component("tests", kcl=chip.kcl)
        # What a half turn's place does not tell: half its height is its radius.
        self.cell.info[SERPENTINE_P] = euler_p(spec, turn_radius_um(spec))
        self.cell.info[LOOPBACK_P] = euler_p(spec, self._pitch / 2.0)
        self._once = kf.KCLayout(f"{chip.kcl.name}_once")  # parts that the chip has once: drawn here, copied

    def loopback(self, y_um: float) -> float:
        """Two neighbouring fibres joined by a half turn; returns the next free line."""
        low = y_um - self._pitch
        self._facet_west("loopback_out", low)
        self._facet_west("loopback_in", y_um)
        self._turn((self._inside, low + self._pitch / 2.0), self._pitch / 2.0, west=False)
        self._label("LOOPBACK", y_um)
        return low - self._pitch

    def line(
        self,
        name: str,
        y_um: float,
        rings: Sequence[RingDesign],
        *,
        drop_port: bool = False,
        coupler: EdgeCouplerDesign | None = None,
    ) -> float:
        """A guide from facet to facet with test rings in it; returns the next free line.

        With ``drop_port`` the rings' drop buses are one, which leaves by a western facet: light drops westwards. Its
        couplers are the chip's unless another is given.
        """
        if rings:
            y_um -= (ring_slots(self._spec) - 1) * self._pitch
        self._facet_west(f"{name}_in", y_um, coupler)
        x = self._guide(self._inside, test_lead_um(self._spec) if rings else RINGS_APART_UM, y_um)
        before = self._drop_port(f"{name}_drop", y_um) if drop_port else None
        for n, design in enumerate(rings):
            self._put(ring(design, kcl=self._kcl), f"{name}_ring_{n}", x, y_um)
            self._probes(f"{name}_ring_{n}", design, x, y_um)
            end = terminator(TerminatorDesign(width_um=design.width_um), kcl=self._kcl)
            top = y_um + design.bus_pitch_um
            if before is None:
                self._put(end, f"{name}_end_west_{n}", x, top, turn=kdb.Trans.M90)
            else:
                self._join(before, (x, top))
            if before is None or n == len(rings) - 1:
                self._put(end, f"{name}_end_east_{n}", x + design.pitch_um, top)
            else:
                before = (x + design.pitch_um, top)
            x = self._guide(x + design.pitch_um, RINGS_APART_UM, y_um)
        self._guide(x, self._outside - x, y_um)
        self._facet_east(f"{name}_out", y_um, coupler)
        self._label(name.replace("_", " ").upper(), y_um)
        return y_um - self._pitch

    def serpentine(self, passes: int, y_um: float) -> float:
        """A guide that runs ``passes`` times back and forth before it leaves; returns the next free line."""
        name = f"cutback_{passes}"
        radius = turn_radius_um(self._spec)
        low, high = self._inside + radius + TURN_SETBACK_UM, self._outside - radius - TURN_SETBACK_UM
        self._facet_west(f"{name}_in", y_um)
        x, y = self._inside, y_um
        for _ in range(passes):
            # Downwards: the way on lies below.
            self._guide(x, high - x, y)
            self._turn((high, y - radius), radius, west=False)
            self._guide(low, high - low, y - 2.0 * radius)
            self._turn((low, y - 3.0 * radius), radius, west=True)
            x, y = low, y - 4.0 * radius
        self._guide(x, self._outside - x, y)
        self._facet_east(f"{name}_out", y)
        self._label(f"CUTBACK {passes}", y_um)
        return y_um - cutback_slots(self._spec, passes) * self._pitch

    def splitter(self, y_um: float) -> float:
        """One splitter between a western and two eastern facets; returns the next free line.

        Its upper output lies at a fibre's height; its lower one bends down to the next fibre.
        """
        design = self._spec.splitter_design
        _, draw_splitter = DEVICES["splitter"]
        part = draw_splitter(design, kcl=self._kcl)
        radius, half = self._spec.waveguide.bend_radius_um, design.port_pitch_um / 2.0
        self._facet_west("splitter_in", y_um)
        x = self._s((self._inside, y_um), -half)
        self._put(part, "splitter", x, y_um - half)
        x += design.length_um
        self._guide(x, self._outside - x, y_um)
        fall, low = self._pitch - 2.0 * half, y_um - 2.0 * half
        turn = QuarterTurn(radius, euler_p(self._spec))
        length = s_length_um(fall, radius)
        rib, slab = s_bend((x, low), -fall, turn, length_um=length, width_um=self._width)
        # Between the two sleeves a notch would be acute: slab fills it up to where they lie SLAB_GAP_UM apart.
        reach = self._width / 2.0 + SLAB_MARGIN_UM
        fallen = reach + SLAB_GAP_UM - 2.0 * half
        side = s_points(turn, fall, -reach, length_um=length).tolist()
        end = x + next(far for far, down in side if down >= fallen)
        fill = box(x, y_um - reach - 2.0 * SLAB_GAP_UM, end, y_um - reach + SLAB_GAP_UM)
        # One polygon with the bend's: where edges of two cross, there is a point of no grid.
        self._insert((rib, (slab + kdb.Region(fill)).merged()))
        bent = round(x + length, 3)
        self._guide(bent, self._outside - bent, y_um - self._pitch)
        self._facet_east("splitter_out", y_um)
        self._facet_east("splitter_drop", y_um - self._pitch)
        self._label("SPLITTER", y_um)
        return y_um - 2.0 * self._pitch

    def photodiode(self, y_um: float) -> None:
        """A photodiode at the end of a guide, and a pad for a probe beyond either contact."""
        y_um -= (photodiode_slots(self._spec) - 1) * self._pitch
        site = self._spec.photodiode_design
        self._facet_west("photodiode_in", y_um)
        x = self._guide(self._inside, RINGS_APART_UM, y_um)
        self._put_flat(photodiode(site, kcl=self._once), "photodiode", x, y_um)
        metal, pad = (
            self.cell.kdb_cell.shapes(self._kcl.layer(*LAYERS.metal2)),
            bond_pad(PROBE_CELL, PROBE_UM, self._kcl),
        )
        # Side by side along x, so that the pads need no more height than the site's.
        for n, (name, rise) in enumerate((("cathode", 0.0), ("anode", site.hold_pitch_um))):
            end = x + site.reach_um + PROBE_PITCH_UM * (1.0 + n)
            metal.insert(box(x + site.reach_um - 2.0, y_um + rise - STRAP_UM, end, y_um + rise + STRAP_UM))
            self._put(pad, f"photodiode_{name}", end, y_um + rise)
        self._label("PHOTODIODE", y_um)

    def monitor(self) -> None:
        """Guides on from the top row's photodiode site, of the last bus, to the eastern facet.

        The light that no photodiode takes leaves by fibres: all of it, as long as no III–V is bonded.
        """
        spec, site = self._spec, detector_site(self._spec)
        heights, row_um = monitor_heights_um(spec), (spec.chip.rows - 1) * spec.row_pitch_um
        start = bank_origins_um(spec)[-1] + spec.chip.channels * spec.ring.pitch_um
        end, past = start + site.guide_um, start + monitor_bend_um(spec)
        drop_um = row_um + site.port_pitch_um
        self._guide(end, past - end, drop_um)
        past = self._s((past, drop_um), heights[1] - drop_um)
        self._guide(past, self._outside - past, heights[1])
        # Beside its fibre: east of where the photodiodes' wires leave below the upper guide.
        past = self._east - monitor_last_um(spec)
        self._guide(end, past - end, row_um)
        past = self._s((past, row_um), heights[0] - row_um)
        self._guide(past, self._outside - past, heights[0])
        for name, y in zip(("monitor_through", "monitor_drop"), heights, strict=True):
            self._facet_east(name, y)
        # Between the two: beyond them lie pads, and marks in the die's corner.
        self._label_east("THROUGH", heights[0] + 12.0)
        self._label_east("DROP", heights[1] - 12.0 - LABEL_UM)

    def _facet_west(self, name: str, y_um: float, design: EdgeCouplerDesign | None = None) -> None:
        put = self._put if design is None else self._put_flat
        put(self._drawn_coupler(design), name, self._west, y_um)
        self._overrun(design, y_um, east=False)

    def _facet_east(self, name: str, y_um: float, design: EdgeCouplerDesign | None = None) -> None:
        put = self._put if design is None else self._put_flat
        put(self._drawn_coupler(design), name, self._east, y_um, turn=kdb.Trans.M90)
        self._overrun(design, y_um, east=True)

    def _overrun(self, design: EdgeCouplerDesign | None, y_um: float, *, east: bool) -> None:
        if self._spec.kit is None:
            overrun(self.cell, design or self._spec.coupler_design, self._east if east else self._west, y_um, east=east)

    def _drawn_coupler(self, design: EdgeCouplerDesign | None) -> gf.Component:
        if design is None:
            return self._coupler
        _, draw_coupler = DEVICES["edge_coupler"]
        return draw_coupler(design, kcl=self._once)

    def _guide(self, x_um: float, length_um: float, y_um: float) -> float:
        """A guide of the block's own: a cell for every length would say nothing more. Returns its end."""
        end = round(x_um + length_um, 3)
        for layer, width in ((LAYERS.ridge, self._width), (LAYERS.slab, self._width + 2.0 * SLAB_MARGIN_UM)):
            self.cell.kdb_cell.shapes(self._kcl.layer(*layer)).insert(taper(x_um, end, width, width, y_um=y_um))
        return end

    def _drop_port(self, name: str, y_um: float) -> tuple[float, float]:
        """A facet in the west and the S down from it; returns where the drop bus begins."""
        fibre, rise = drop_port_um(self._spec)
        self._facet_west(name, y_um + fibre)
        return self._s((self._inside, y_um + fibre), -rise), y_um + fibre - rise

    def _join(self, start_um: tuple[float, float], end_um: tuple[float, float]) -> None:
        """A guide from the end of one drop bus to the next, which lies a fraction of a µm higher."""
        for layer, width in ((LAYERS.ridge, self._width), (LAYERS.slab, self._width + 2.0 * SLAB_MARGIN_UM)):
            low, high = nm(width) // 2, nm(width) - nm(width) // 2
            (x0, y0), (x1, y1) = ((nm(x), nm(y)) for x, y in (start_um, end_um))
            corners = [(x0, y0 - low), (x0, y0 + high), (x1, y1 + high), (x1, y1 - low)]
            polygon = kdb.Polygon([kdb.Point(*corner) for corner in corners])
            self.cell.kdb_cell.shapes(self._kcl.layer(*layer)).insert(polygon)

    def _turn(self, center_um: tuple[float, float], radius_um: float, *, west: bool) -> None:
        """Half a turn of guide about a centre, to its west or east."""
        turn = QuarterTurn(radius_um, euler_p(self._spec, radius_um))
        x, y = center_um
        at = kdb.Trans(nm(x), nm(y - radius_um)) * (kdb.Trans.R0 if west else kdb.Trans.M90)
        rib, slab = half_turn(turn, width_um=self._width)
        self._insert((rib.transformed(at), slab.transformed(at)))

    def _s(self, start_um: tuple[float, float], rise_um: float) -> float:
        """An S of guide eastwards; returns its end."""
        if nm(rise_um) == 0:
            return start_um[0]
        radius = self._spec.waveguide.bend_radius_um
        length, turn = s_length_um(rise_um, radius), QuarterTurn(radius, euler_p(self._spec))
        self._insert(s_bend(start_um, rise_um, turn, length_um=length, width_um=self._width))
        return round(start_um[0] + length, 3)

    def _insert(self, rib_and_slab: tuple[kdb.Region, kdb.Region]) -> None:
        for layer, region in zip((LAYERS.ridge, LAYERS.slab), rib_and_slab, strict=True):
            self.cell.kdb_cell.shapes(self._kcl.layer(*layer)).insert(region)

    def _probes(self, name: str, design: RingDesign, x_um: float, y_um: float) -> None:
        """Two pads below a ring's guide, and the wires down from its contacts."""
        half, metal = STRAP_UM / 2.0, self.cell.kdb_cell.shapes(self._kcl.layer(*LAYERS.metal2))
        middle, low = x_um + design.pitch_um / 2.0, y_um - PROBE_BELOW_UM
        contacts = (("signal", signal_contact_um(design), -1.0), ("ground", ground_contact_um(design), 1.0))
        for kind, (x, y), inward in contacts:
            x, y = x_um + x, y_um + y
            metal.insert(box(min(x, x + inward * STRAP_UM), low, max(x, x + inward * STRAP_UM), y + half))
            reach = max(PROBE_PITCH_UM / 2.0, abs(x - middle))
            self._put(bond_pad(PROBE_CELL, PROBE_UM, self._kcl), f"{name}_{kind}", middle - inward * reach, low)

    def _put(self, part: gf.Component, name: str, x_um: float, y_um: float, *, turn: kdb.Trans = kdb.Trans.R0) -> None:
        put_cell(self.cell, part, name, kdb.Trans(nm(x_um), nm(y_um)) * turn)

    def _put_flat(
        self, part: gf.Component, name: str, x_um: float, y_um: float, *, turn: kdb.Trans = kdb.Trans.R0
    ) -> None:
        """As `_put`, for a part that a chip has once: its polygons in the block's own cell, its name as a text.

        The acceptance of layouts leaves 30 cells beside a chip's rings and tree.
        """
        at, drawn = kdb.Trans(nm(x_um), nm(y_um)) * turn, part.kcl.layout
        for index in drawn.layer_indexes():
            polygons = kdb.Region(part.kdb_cell.begin_shapes_rec(index)).transformed(at)
            self.cell.kdb_cell.shapes(self._kcl.layer(drawn.get_info(index))).insert(polygons)
        name_place(self.cell, name, (x_um, y_um))

    def _label(self, words: str, y_um: float) -> None:
        letters(self.cell, text(words, LABEL_UM, (self._west + border_um(self._spec) + 10.0, y_um + 12.0)))

    def _label_east(self, words: str, y_um: float) -> None:
        drawn, right = text(words, LABEL_UM, (0.0, y_um)), self._east - border_um(self._spec) - 10.0
        letters(self.cell, drawn.moved(nm(right) - drawn.bbox().right, 0))
