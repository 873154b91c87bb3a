"""The spec of a chip: one TOML file, its tables, the geometry that follows from them, the chips that ship."""

from prism_photonics.spec.chip_spec import ChipSpec
from prism_photonics.spec.examples import example_names, example_text, load_spec

__all__ = ["ChipSpec", "example_names", "example_text", "load_spec"]
