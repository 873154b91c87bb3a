"""Sphinx settings: MyST pages, and API pages made from the Google-form docstrings."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

# autodoc imports with TYPE_CHECKING set, which pydantic models of gdsfactory do not survive: import it before.
import gdsfactory  # noqa: F401

project = "prism_photonics"
author = "prism_photonics contributors"
copyright = f"2026, {author}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = project

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Our docstrings open with axes such as "(settings, rows, channels)"; those are no cross-references.
suppress_warnings = ["ref.python"]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "params_style"), ("Sources", "params_style")]


def escape_moduli(app, what, name, obj, options, lines: list[str]) -> None:
    """A bar in our docstrings is a modulus, |S21|², never an RST substitution."""
    for i, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [text.replace("|", r"\|") for text in parts[::2]]  # the odd ones are code
        lines[i] = "``".join(parts)


def setup(app) -> None:
    # After napoleon (priority 500).
    app.connect("autodoc-process-docstring", escape_moduli, priority=600)
