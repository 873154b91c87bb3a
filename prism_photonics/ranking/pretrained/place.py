"""Folder of the user's cache in which a fetched language model lies."""

import os
from pathlib import Path

from prism_photonics.units import InputError

NAME = "smollm2"
PLACE = "PRISM_CACHE_DIR"
"""Names another folder for what is kept, as for compiled programs."""
DONE = "prism.json"
"""Written last: a folder without it is unfinished."""


def model_folder() -> Path:
    """Where the model lies once it is fetched."""
    asked = os.environ.get(PLACE, "")
    if asked and asked.lower() != "off":
        return Path(asked).expanduser().absolute() / "models" / NAME
    import platformdirs

    return Path(platformdirs.user_cache_dir("prism_photonics", appauthor=False)) / "models" / NAME


def is_fetched() -> bool:
    """Whether the model is there, whole."""
    return (model_folder() / DONE).is_file()


def fetched_folder() -> Path:
    """The model's folder.

    Raises:
        InputError: It was not fetched.
    """
    if not is_fetched():
        raise InputError(
            f"model {NAME}: got none in {model_folder().parent}, want it fetched; 'prism lm fetch' gets it by pip"
        )
    return model_folder()
