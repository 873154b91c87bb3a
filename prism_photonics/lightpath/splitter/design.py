"""Geometry of the 1×2 multimode-interference splitter and of the binary tree made of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SplitterDesign:
    """A 1×2 MMI with linear access tapers, light travelling along layout x.

    Attributes:
        excess_loss_dB: Loss beyond the 3.01 dB of the division, positive.
        mmi_width_um: Width of the multimode section.
        mmi_length_um: Length of the multimode section.
        taper_length_um: Length of each access taper.
        taper_width_um: Access width at the multimode section.
        port_pitch_um: Centre distance of the two outputs.
        width_um: Width of the bus.

    Source: the default lengths and widths are a design choice, without an MMI simulation behind them. The optics take
    ``excess_loss_dB`` and nothing else from here.
    """

    excess_loss_dB: float
    mmi_width_um: float = 10.0
    mmi_length_um: float = 44.0
    taper_length_um: float = 20.0
    taper_width_um: float = 3.2
    port_pitch_um: float = 5.2
    width_um: float = 1.4

    @property
    def length_um(self) -> float:
        """Port-to-port length along x."""
        return self.mmi_length_um + 2.0 * self.taper_length_um


def tree_levels(rows: int) -> int:
    """Splitter levels ``⌈log2 N⌉`` of a tree that feeds N rows."""
    return (rows - 1).bit_length()
