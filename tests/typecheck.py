"""The type checker that the tests lay over the package: beartype, wherever beartype can read the types.

jaxtyping's own decorator binds the arguments of every call by `inspect`, and checks them twice, before the call and
with the result: a third of the suite's time. Here one function that beartype has made checks both, within the same
scope of axes: `float[n]` in an argument and in the result are one n.
"""

import dataclasses
import functools
import inspect
import types
import typing
from typing import Any

import jaxtyping
from beartype import beartype

_jaxtyped = jaxtyping.jaxtyped


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


def install() -> None:
    """Have jaxtyping's import hook, which looks its decorator up by name, lay this one over what it imports."""
    jaxtyping.jaxtyped = jaxtyped


def jaxtyped(function: Any = None, *, typechecker: Any = None) -> Any:
    """In the place of `jaxtyping.jaxtyped`: functions, and what makes a dataclass; all else is handed on to it."""
    if function is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    if inspect.isclass(function):
        made = vars(function).get("__init__")
        if dataclasses.is_dataclass(function) and inspect.isfunction(made) and not hasattr(made, "__wrapped__"):
            function.__init__ = jaxtyped(made, typechecker=typechecker)
        return function
    # What a generator hands out one by one is jaxtyping's own affair.
    if typechecker is None or not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
        return _jaxtyped(function, typechecker=typechecker)
    own = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    functools.update_wrapper(own, function)
    del own.__wrapped__
    own.__kwdefaults__ = function.__kwdefaults__
    own.__annotations__ = {name: _read(hint, function) for name, hint in function.__annotations__.items()}
    inner = typechecker(own)
    if inner is own:
        return function

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        with _jaxtyped("context"):
            return inner(*args, **kwargs)

    return wrapped


def _read(hint: Any, function: Any) -> Any:
    """A hint without quotes; one that names what is not imported there says nothing, as jaxtyping has it."""
    if isinstance(hint, type):
        return hint
    holder = types.SimpleNamespace(__annotations__={"hint": hint})
    try:
        return typing.get_type_hints(holder, function.__globals__, include_extras=True)["hint"]
    except Exception:
        return Any
