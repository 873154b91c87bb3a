"""Loading a causal language model: one of the two built-in needle models, or a Hugging Face folder."""

import importlib.resources
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prism_photonics.extras import asked_by
from prism_photonics.ranking.needle.tokens import Vocabulary
from prism_photonics.ranking.pretrained.place import NAME, fetched_folder
from prism_photonics.units import InputError

BUILT_IN = {"needle": "selectable", "needle:selectable": "selectable", "needle:plain": "plain"}
"""Names of the built-in models: trained with block selection in the loop, and without."""


def load_model(name: str | os.PathLike[str]) -> tuple[Any, Vocabulary]:
    """A causal language model in float32 on the CPU, without dropout, and the needle vocabulary that fits it.

    Nothing is downloaded and no code of a model folder is run.

    Args:
        name: "needle" or "needle:selectable", "needle:plain", "smollm2" once it is fetched, or a folder with
            config.json and safetensors.

    Returns:
        The model and its vocabulary.

    Raises:
        InputError: The folder is missing or holds no such model, or torch and transformers are not installed.
    """
    # Whether it is there is told before anything is imported, which takes seconds.
    path = fetched_folder() if str(name) == NAME else Path(name)
    transformers = import_transformers()
    if str(name) in BUILT_IN:
        folder = importlib.resources.files("prism_photonics.ranking.needle") / "weights" / BUILT_IN[str(name)]
        with importlib.resources.as_file(folder) as built_in:
            return _load(transformers, built_in), Vocabulary.needle()
    if not (path / "config.json").is_file():
        raise InputError(
            f"model {path}: no config.json there, want {', '.join(BUILT_IN)}, {NAME} or a Hugging Face model folder; "
            "check the path"
        )
    model = _load(transformers, path)
    size = int(model.config.get_text_config().vocab_size)
    # A needle model that `prism needle train` wrote has the built-in vocabulary.
    needle = (path / "needle.json").is_file()
    return model, Vocabulary.needle() if needle else Vocabulary.of_any(size)


def import_transformers() -> Any:
    """The transformers package, or an ``InputError`` that says how to get it."""
    with asked_by("language models"):
        import torch  # noqa: F401
        import transformers
    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers while it lasts: they would stand among our own lines on stderr."""
    logging = import_transformers().utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _load(transformers: Any, path: Path) -> Any:
    import torch

    try:
        with quiet():
            model = transformers.AutoModelForCausalLM.from_pretrained(
                str(path), local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
    except Exception as error:  # damaged configs and weights raise a dozen different types
        raise InputError(
            f"model {path}: cannot be loaded ({type(error).__name__}: {str(error)[:120]}), want a causal language "
            "model in safetensors; save it again"
        ) from error
    return model.eval()
