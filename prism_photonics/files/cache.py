"""The user's cache folder: compiled programs and fetched models lie in it."""

import os
from pathlib import Path

PLACE, OFF = "PRISM_CACHE_DIR", "off"
"""Names another folder than the platform's own, or switches the keeping of compiled programs off."""


def cache_folder() -> Path:
    """The folder that ``PRISM_CACHE_DIR`` names, or the platform's own for this package; it need not exist."""
    # Here, as NumPy alone does without it.
    import platformdirs

    asked = os.environ.get(PLACE, "")
    named = "" if asked.lower() == OFF else asked
    # Of the author none: only Windows has a folder for that.
    return Path(named or platformdirs.user_cache_dir("prism_photonics", appauthor=False)).expanduser().absolute()
