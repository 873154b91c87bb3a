"""Tables of a film that a solver wrote, kept beside the code as text: one JSON file a film."""

from functools import cache
from importlib import resources

from pydantic import BaseModel

from prism_photonics.process.profile import load_profile


def film_table[File: BaseModel](process: str, folder: str, file: type[File]) -> File:
    """The table of a film by its name, or of the film that a measured profile overlays.

    Args:
        process: Name of the film or path of a measured profile, as a spec has it.
        folder: Where its kind of table lies, beside this file.
        file: What the file holds.

    Raises:
        InputError: No such film, or the measured profile cannot be read.
    """
    return _read(load_profile(process).name, folder, file)


@cache
def _read[File: BaseModel](film: str, folder: str, file: type[File]) -> File:
    text = (resources.files(__package__) / folder / f"{film}.json").read_text(encoding="utf-8")
    return file.model_validate_json(text)
