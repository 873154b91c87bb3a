"""Folder of the user's cache in which a fetched language model lies."""

from pathlib import Path

from prism_photonics.cache_folder import cache_folder
from prism_photonics.units import InputError

NAME = "smollm2"
DONE = "prism.json"
"""Written last: a folder without it is unfinished."""


def model_folder() -> Path:
    """Where the model lies once it is fetched."""
    return cache_folder() / "models" / NAME


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
