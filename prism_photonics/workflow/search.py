"""An untrimmed chip brought to its channels: its rings found, and each heated to the channel that it is to serve."""

from collections.abc import Callable

from prism_photonics.calibration.dip_search import search_by_laser
from prism_photonics.calibration.resonance_search import Search, search
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.heaters import require_heaters


def search_rings(chip: AbstractChip, *, tell: Callable[[str], None] = lambda line: None) -> Search:
    """Find the rings of an untrimmed chip, and heat each to the channel that it is to serve.

    With a comb their heaters sweep them over its lines; a tunable laser is swept over them.

    Args:
        chip: A chip with heaters, its rings where fabrication left them; a bench that is not open yet is opened.
        tell: Told of a laser's progress in a line now and then.

    Returns:
        Where the rings were found, and the heat that each was given.

    Raises:
        InputError: The chip has no heaters, or its rings cannot be found or brought to their channels.
    """
    chip.open()
    require_heaters(chip.spec)
    found = search(chip, chip.spec) if chip.laser is None else search_by_laser(chip, chip.spec, tell=tell)
    chip.assign(found.assignment.channel_of_ring, found.power_mW)
    return found
