"""SAX, without the libraries that it imports and that no circuit needs: ``from prism_photonics.saxlib import sax``.

``import sax`` takes six seconds. Five of them load readers of Touchstone files (scikit-rf, with matplotlib), symbolic
algebra (SymPy), tables (pandas, xarray) and an optimizer (optax), of which SAX uses one name or two, in functions that
solve no netlist. While SAX is imported, stand-ins lie in their place; each fetches its library when a name of it is
first asked for, so that every function of SAX still works.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

POSTPONED = ("optax", "pandas", "skrf", "sympy", "xarray")


class _StandIn(ModuleType):
    """A library that is imported when one of its names is first asked for."""

    def __getattr__(self, name: str) -> Any:
        # Otherwise the import would find the stand-in.
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _postponed() -> Iterator[None]:
    """Stand-ins for what is not loaded yet; who imports those libraries later finds themselves."""
    stand_ins = {name: _StandIn(name) for name in POSTPONED if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


with _postponed():
    import sax

__all__ = ["sax"]
