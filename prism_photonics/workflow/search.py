"""An untrimmed chip brought to its channels: its rings found, and each heated to the channel that it is to serve, or a
table written of how far each has to be trimmed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prism_photonics.calibration.dip_search import search_by_laser
from prism_photonics.calibration.resonance_search import Search, search
from prism_photonics.calibration.trimming_plan import plan_trimming
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.heaters import require_heaters
from prism_photonics.chip.trimming import FILE, Trimming


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


def ordered(chip: AbstractChip, trimming: Trimming | None) -> AbstractChip:
    """The same chip, told which ring serves which channel since a trimming, if there was one; a bench is opened.

    Raises:
        InputError: The table is of another chip's size.
    """
    if trimming is not None:
        chip.open()
        chip.assign(trimming.channel_of_ring, None)
    return chip


def write_trimming(
    chip: AbstractChip, folder: Path, *, bench: str, tell: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Find the rings of an untrimmed chip without heaters by one laser, and write how far each has to be trimmed.

    Args:
        chip: The chip; a bench that is not open yet is opened.
        folder: Where ``trimming.csv`` goes.
        bench: How the command named the chip.
        tell: Told of progress.

    Returns:
        What the command prints.

    Raises:
        InputError: No laser, rings that cannot be told apart, or a folder that cannot be written.
    """
    chip.open()
    if chip.laser is None:
        require_heaters(chip.spec)
    plan = plan_trimming(chip, chip.spec, tell=tell)
    path, trimming = folder / FILE, plan.trimming
    trimming.write(path)
    after = f"--bench trimmed:{path}" if bench.startswith("untrimmed:") else f"--bench {bench} --trimming {path}"
    tell(f"trim each ring by its shift_pm in {path}; then calibrate with {after}")
    return {
        "trimming": str(path),
        "rings_found": int((trimming.dips > 0).sum()),
        "rings": int(trimming.dips.size),
        "rings_on_shared_lines": plan.shared,
        "largest_shift_pm": float(abs(trimming.shift_pm).max()),
        "search_readings": plan.plan.sweeps,
        "over_voltage_attempts": chip.over_voltage_attempts,
        "spec_hash": chip.spec.hash,
    }
