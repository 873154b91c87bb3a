"""One file of a laboratory read, fitted, drawn and kept: what a process of its own does, and all that it imports."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from prism_photonics.files import write_bytes
from prism_photonics.laboratory.extract import Device, Record, extract
from prism_photonics.laboratory.ports import parse_ports
from prism_photonics.laboratory.read import read_sweep
from prism_photonics.laboratory.rings import SweepFit
from prism_photonics.units import InputError

_RECORD = TypeAdapter(Record)


@dataclass(frozen=True)
class Reading:
    """What is said of the content of files.

    Attributes:
        ports: The channel of each port, as ``through=2,drop=1``; None where the spectra show it.
        wavelength_unit: Of the axis, where files do not say it.
        power_unit: Of levels.
    """

    ports: str | None
    wavelength_unit: str | None
    power_unit: str | None


@dataclass(frozen=True)
class FileJob:
    """One file's question, and where what is found is kept.

    Attributes:
        path: The file.
        reading: What is said of its content.
        device: What is known of its ring.
        place: Where its record is kept.
        picture: Where its fit is drawn.
    """

    path: Path
    reading: Reading
    device: Device
    place: Path
    picture: Path


def fitted_file(job: FileJob) -> Record | str:
    """A file read and fitted, its picture drawn and its record kept; why not, where there is no ring."""
    reading = job.reading
    try:
        sweep = read_sweep(job.path, wavelength_unit=reading.wavelength_unit, power_unit=reading.power_unit)
        record, fit = extract(sweep, job.device, ports=parse_ports(reading.ports) if reading.ports else ())
    except InputError as error:
        return str(error)
    draw(job.picture, record, fit)
    # Last, so that what is kept is whole.
    write_bytes(job.place, _RECORD.dump_json(record, indent=1))
    return record


def kept_record(place: Path) -> Record | None:
    """What was kept of a file; None where there is nothing, or nothing that can be read."""
    try:
        return _RECORD.validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return None


def draw(picture: Path, record: Record, fit: SweepFit) -> None:
    """Draw a fit. Matplotlib takes as long to import as a fit: a file without a ring does not wait for it."""
    from prism_photonics.report.laboratory import write_sweep

    write_sweep(picture, record, fit)
