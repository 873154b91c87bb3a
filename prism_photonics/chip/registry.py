"""The drivers that are installed, by the name that a bench file picks them by.

The SCPI driver serves most instruments by its command templates. For another protocol write a subclass of
`AbstractDriver` and name it as an entry point of the group ``prism_photonics.drivers``. A bench file cannot name a
module: nothing is imported that was not installed.
"""

from importlib.metadata import entry_points

from prism_photonics.chip.drivers import AbstractDriver
from prism_photonics.chip.scpi import ScpiDriver
from prism_photonics.units import InputError, nearest

GROUP = "prism_photonics.drivers"
OURS: dict[str, type[AbstractDriver]] = {"scpi": ScpiDriver}


def driver_class(name: str) -> type[AbstractDriver]:
    """The installed driver of that name.

    Raises:
        InputError: None is installed; the nearest name is given.
    """
    if name in OURS:
        return OURS[name]
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in installed:
        raise InputError(f"driver = '{name}': not installed; {nearest(name, [*installed, *OURS])}")
    found = installed[name].load()
    if not (isinstance(found, type) and issubclass(found, AbstractDriver)):
        raise InputError(f"driver = '{name}': the installed entry point is not a subclass of AbstractDriver; mend it")
    return found
