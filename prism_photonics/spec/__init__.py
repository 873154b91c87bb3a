"""The spec of a chip: one TOML file, its tables, the geometry that follows from them, the chips that ship."""

from prism_photonics.spec.chip_spec import ChipSpec

__all__ = ["ChipSpec"]
