"""The chip drawn, proved and written, or refused."""

from pathlib import Path
from typing import TYPE_CHECKING

from prism_photonics.budget.feasibility import require_feasible
from prism_photonics.extras import load
from prism_photonics.spec import ChipSpec

if TYPE_CHECKING:
    from prism_photonics.layout.write import LayoutFiles


def draw_chip(
    spec: ChipSpec, folder: Path | str, *, simulate: bool = True, seed: int = 0, anyway: bool = False
) -> "LayoutFiles":
    """Draw a chip, prove that the drawing is the design and keeps the film's rules, and write its files.

    Args:
        spec: The chip.
        folder: Where the files go; made if missing.
        simulate: Also compare the drawn chip's fields with the design's.
        seed: Of that comparison's random resonance shifts.
        anyway: Draw a chip that `check_spec` finds not feasible, too.

    Returns:
        The files, and what was proved.

    Raises:
        InputError: The chip is not feasible, its metal finds no room, the drawing is not the design or breaks a rule,
            or the folder cannot be written.
    """
    if not anyway:
        require_feasible(spec)
    # Here, because a drawing tool takes seconds to load.
    write = load("prism_photonics.layout.write", what="draw_chip")
    return write.require_sound(write.write(spec, folder, simulate=simulate, seed=seed))
