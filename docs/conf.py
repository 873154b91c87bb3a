"""Sphinx settings: MyST pages, and API pages made from the Google-form docstrings."""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

# autodoc imports with TYPE_CHECKING set, which pydantic models of gdsfactory do not survive: import it before.
import gdsfactory  # noqa: F401
from nbconvert import MarkdownExporter

project = "prism_photonics"
author = "prism_photonics contributors"
copyright = f"2026, {author}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

HERE = Path(__file__).parent


def write_gallery() -> None:
    """The executed notebooks as pages of the gallery, their pictures beside them."""
    folder = HERE / "gallery"
    folder.mkdir(exist_ok=True)
    for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        text, resources = MarkdownExporter().from_filename(str(notebook), resources={"unique_key": notebook.stem})
        (folder / f"{notebook.stem}.md").write_text(text, encoding="utf-8")
        for name, content in resources["outputs"].items():
            (folder / name).write_bytes(content)


write_gallery()

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["page.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Our docstrings open with axes such as "(settings, rows, channels)"; those are no cross-references.
suppress_warnings = ["ref.python"]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "params_style"), ("Sources", "params_style")]


LONGEST_SIGNATURE = 300


def escape_moduli(app, what, name, obj, options, lines: list[str]) -> None:
    """A bar in our docstrings is a modulus, |S21|², never an RST substitution."""
    for i, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [text.replace("|", r"\|") for text in parts[::2]]  # the odd ones are code
        lines[i] = "``".join(parts)


def keep_sentence(app, what, name, obj, options, lines: list[str]) -> None:
    """A property's type stands in its signature: napoleon would take the first sentence up to a colon for it."""
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " – ")


def short_signature(app, what, name, obj, options, signature, return_annotation):
    """What a reader or a fit makes of dozens of fields is not called by hand: its attributes tell more."""
    if what == "class" and signature and len(signature) > LONGEST_SIGNATURE:
        return "", return_annotation
    return None


def setup(app) -> None:
    app.connect("autodoc-process-signature", short_signature)
    # Before napoleon (priority 500), and after it.
    app.connect("autodoc-process-docstring", keep_sentence, priority=400)
    app.connect("autodoc-process-docstring", escape_moduli, priority=600)
