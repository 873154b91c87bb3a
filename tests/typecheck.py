"""The type checker that the tests lay over the package: beartype, wherever beartype can read the types."""

from typing import Any

from beartype import beartype


def checked(function: Any) -> Any:
    """Check arguments and results at run time, except where a drawing is handed over, and in the designs.

    A design is written in floats, but SAX hands its numbers over as arrays, traced ones under `jax.jit`.

    beartype 0.23 stumbles over the generic classes of kfactory (`ProtoKCell[T, TB: BaseKCell[Any]]`), so
    that a module with a function annotated `gf.Component` could not even be imported.
    """
    if function.__module__.endswith(".design"):
        return function
    hints = [str(hint) for hint in getattr(function, "__annotations__", {}).values()]
    if any(library in hint for hint in hints for library in ("gdsfactory", "kfactory")):
        return function
    return beartype(function)
