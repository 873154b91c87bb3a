"""Long texts that every Python carries, and in which questions hide: its language reference and its licences."""

import os
from pathlib import Path
from pydoc_data.topics import topics

from prism_photonics.files.toml import read_text
from prism_photonics.units import InputError, nearest

HELP, LICENCE = "help", "licence"
HAYSTACKS = (HELP, LICENCE)
"""Names of the texts."""


def haystack(*, train: bool) -> str:
    """The language reference: one half of its topics for training, the other for the test."""
    names = sorted(topics)[0 if train else 1 :: 2]
    return "\n".join(" ".join(topics[name].split()) for name in names)


def licence() -> str:
    """Python's own licences, some 14,000 letters (3,000 tokens) of law, of which no lesson is made.

    Raises:
        InputError: This Python came without them.
    """
    file = Path(os.__file__).with_name("LICENSE.txt")
    return " ".join(read_text(file, what="Python's licences", name="LICENSE.txt").split())


def text_of(name: str) -> str:
    """The text of a name, as the test has it.

    Raises:
        InputError: There is none.
    """
    if name not in HAYSTACKS:
        raise InputError(f"haystack '{name}': unknown, want one of {', '.join(HAYSTACKS)}; {nearest(name, HAYSTACKS)}")
    return licence() if name == LICENCE else haystack(train=False)
