"""``python -m prism_photonics``: the same as ``prism``."""

from prism_photonics.cli.app import app

app(prog_name="prism")
