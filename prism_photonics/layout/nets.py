"""Conductors and ribs of a drawing, traced by KLayout through the hierarchy: their number, and the one at a point."""

from collections.abc import Sequence

import klayout.db as kdb

from prism_photonics.process.layers import LAYERS

Net = tuple[str, ...]


class Nets:
    """Electrical or optical nets over the given layers; shapes on one layer that touch are one net.

    Args:
        layout: The drawing.
        layers: Names of the layers, bottom to top.
        joints: Pairs of layers that are joined where they overlap.
    """

    def __init__(self, layout: kdb.Layout, layers: Sequence[str], joints: Sequence[tuple[str, str]] = ()):
        self._top = layout.top_cell()
        self._tracer = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(layout, self._top, []))
        # Banks joined to nothing on the chip are circuits of their own all the same: else two would look like one.
        self._tracer.include_floating_subcircuits = True
        self._layers = {name: self._tracer.make_layer(layout.layer(*getattr(LAYERS, name)), name) for name in layers}
        for region in self._layers.values():
            self._tracer.connect(region)
        for a, b in joints:
            self._tracer.connect(self._layers[a], self._layers[b])
        self._tracer.extract_netlist()

    @property
    def count(self) -> int:
        """How many there are on the chip."""
        # Not from the circuits' subcircuits: a cell that is joined to nothing has none.
        placed = {self._top.cell_index(): 1}
        layout = self._top.layout()
        for index in layout.each_cell_top_down():
            for inst in layout.cell(index).each_inst():
                placed[inst.cell_index] = placed.get(inst.cell_index, 0) + inst.size() * placed.get(index, 0)
        total = 0
        for circuit in self._tracer.netlist().each_circuit():
            # A net with a pin goes on in the circuit above and is counted there.
            nets = sum(1 for net in circuit.each_net() if net.pin_count() == 0)
            total += nets * placed[layout.cell(circuit.name).cell_index()]
        return total

    def at(self, layer: str, x_um: float, y_um: float) -> Net | None:
        """The net under a point, None where there is nothing."""
        path: list[kdb.SubCircuit] = []
        net = self._tracer.probe_net(self._layers[layer], kdb.DPoint(x_um, y_um), path)
        return None if net is None else (*(sub.expanded_name() for sub in path), net.expanded_name())


def conductors(layout: kdb.Layout) -> Nets:
    """Both metals, joined by the vias, and the contacts of photodiodes, each metal of its own."""
    contacts = (("contact_via", "metal2"), ("contact_n", "contact_via"), ("contact_p", "contact_via"))
    layers = ("metal1", "via", "metal2", "contact_n", "contact_p", "contact_via")
    return Nets(layout, layers, (("metal1", "via"), ("via", "metal2"), *contacts))


def ribs(layout: kdb.Layout) -> Nets:
    """The ribs: a guide and all that it touches."""
    return Nets(layout, ("ridge",))
