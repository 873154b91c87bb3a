"""One structure of a die read, fitted, drawn and kept: what a process of its own does, and all that it imports."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from prism_photonics.files import write_bytes
from prism_photonics.laboratory.die import Part, characterised
from prism_photonics.laboratory.manifest import Structure
from prism_photonics.laboratory.ports import parse_ports
from prism_photonics.laboratory.read import read_sweep
from prism_photonics.units import InputError
from prism_photonics.workflow.fit_file import Reading, draw

_PART = TypeAdapter(Part)


@dataclass(frozen=True)
class StructureJob:
    """One structure's question, and where what is found is kept.

    Attributes:
        path: Its file.
        reading: What is said of its content.
        one: The structure, as drawn.
        group_index: Of the film, where a spec says it.
        blur_nm: Standard deviation of the laser's wavelength within a reading.
        axis_nm: Standard error of the axis as a whole; None where nobody said.
        place: Where what is found is kept.
        picture: Where its fit is drawn.
    """

    path: Path
    reading: Reading
    one: Structure
    group_index: float | None
    blur_nm: float
    axis_nm: float | None
    place: Path
    picture: Path


def fitted_structure(job: StructureJob) -> Part | str:
    """A structure's file read and fitted, its picture drawn and what was found kept; why not, where it cannot be."""
    reading = job.reading
    try:
        sweep = read_sweep(job.path, wavelength_unit=reading.wavelength_unit, power_unit=reading.power_unit)
        part, shown, fit = characterised(
            sweep,
            job.one,
            group_index=job.group_index,
            ports=parse_ports(reading.ports) if reading.ports else (),
            blur_nm=job.blur_nm,
            axis_nm=job.axis_nm,
        )
    except InputError as error:
        return str(error)
    if shown is not None and fit is not None:
        draw(job.picture, shown, fit)
    # Last, so that what is kept is whole.
    write_bytes(job.place, _PART.dump_json(part, indent=1))
    return part


def kept_part(place: Path) -> Part | None:
    """What was kept of a structure; None where there is nothing, or nothing that can be read."""
    try:
        return _PART.validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return None
