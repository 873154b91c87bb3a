"""The user's cache folder, in which compiled programs and fetched models are kept."""

import os
from pathlib import Path

PLACE, OFF = "PRISM_CACHE_DIR", "off"


def cache_folder() -> Path:
    """The folder that ``PRISM_CACHE_DIR`` names, or the platform's own for caches where it names none or is ``off``."""
    asked = os.environ.get(PLACE, "")
    if asked and asked.lower() != OFF:
        return Path(asked).expanduser().absolute()
    # Here, as it comes with what computes.
    import platformdirs

    # Of the author none: only Windows has a folder for that.
    return Path(platformdirs.user_cache_dir("prism_photonics", appauthor=False)).absolute()
