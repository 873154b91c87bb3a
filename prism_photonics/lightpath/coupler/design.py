"""Geometry of the edge coupler: an inverse taper at the die edge."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EdgeCouplerDesign:
    """Linear inverse taper from a narrow tip at the facet to the bus width, along layout x.

    Attributes:
        loss_dB: Fibre-to-chip loss, a positive number.
        length_um: Taper length.
        tip_um: Width at the facet.
        width_um: Width of the bus.

    Source: the default taper is a design choice; the optics take ``loss_dB`` and nothing else from here.
    """

    loss_dB: float
    length_um: float = 200.0
    tip_um: float = 0.30
    width_um: float = 1.4
