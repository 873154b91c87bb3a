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

    Source: the default sizes are those that mode matching finds for ``tfln600`` (`process.parts`, which has every
    film's); width and outputs of the section are design choices. The optics take ``excess_loss_dB`` and nothing else
    from here.
    """

    excess_loss_dB: float
    mmi_width_um: float = 8.0
    mmi_length_um: float = 42.1
    taper_length_um: float = 20.95
    taper_width_um: float = 2.8
    port_pitch_um: float = 4.16
    width_um: float = 1.4

    @property
    def length_um(self) -> float:
        """Port-to-port length along x."""
        return self.mmi_length_um + 2.0 * self.taper_length_um


def tree_levels(rows: int) -> int:
    """Splitter levels ``⌈log2 N⌉`` of a tree that feeds N rows."""
    return (rows - 1).bit_length()


def tree_outputs(rows: int) -> int:
    """Outputs of the tree: the next power of two, so that every row is behind as many splitters and gets as much light.

    Where there are fewer rows, some splitters of the last level feed one row and end in a terminator.
    """
    return 1 << tree_levels(rows)


def smaller_trees(rows: int) -> list[int]:
    """Rows of the trees with fewer levels, every output used, the largest first: what fewer rows save light with."""
    return [2**level for level in reversed(range(tree_levels(rows)))]


def halves(rows: int) -> tuple[int, int]:
    """Rows behind the lower and the upper output of a splitter of the tree."""
    return rows - rows // 2, rows // 2


def outputs_of_rows(rows: int) -> list[int]:
    """At which of the tree's outputs, from the lowest up, each row is.

    The bits of an output's number, the highest first, tell which output of each splitter on its way it is behind, from
    the root on: 1 the upper one.
    """

    def behind(rows: int, level: int) -> list[int]:
        if level == 0:
            return [0]
        lower, upper = halves(rows)
        above = behind(upper, level - 1) if upper else []
        return behind(lower, level - 1) + [2 ** (level - 1) + n for n in above]

    return behind(rows, tree_levels(rows))
