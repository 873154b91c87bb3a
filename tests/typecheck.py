"""The type checker that the tests lay over the package: beartype, wherever beartype can read the types.

jaxtyping's own decorator binds the arguments of every call by `inspect`, and checks them twice, before the call and
with the result: a third of the suite's time. Here one function that beartype has made checks both, within the same
scope of axes: `float[n]` in an argument and in the result are one n.

What a check finds follows from the types of what is handed in and out, and from shapes and kinds of numbers of arrays.
So a call that is alike in all of these to one that has passed is not checked again. Where a check looks at values, as
into a list, every call is checked.
"""

import collections.abc
import dataclasses
import functools
import inspect
import threading
import types
import typing
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from typing import Any
from unittest import mock

import jaxtyping
from beartype import beartype
from jaxtyping import _import_hook

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
    """Have jaxtyping's import hook, which looks its decorator up by name, lay this one over what it imports.

    The hook gives the bytecode of what it has changed another name. It does so for as long as a module is executed, so
    that JAX, torch and all that our modules import are looked for under that name, not found, and compiled anew by
    every process. Here it does so while it reads a module's own code.
    """
    jaxtyping.jaxtyped = jaxtyped
    loader = _import_hook._JaxtypingLoader
    if loader.exec_module is not SourceFileLoader.exec_module:
        loader.exec_module, loader.get_code = SourceFileLoader.exec_module, _code_of_the_module_alone


def _code_of_the_module_alone(self: Any, fullname: str) -> Any:
    name = functools.partial(_import_hook._optimized_cache_from_source, self._typechecker.get_hash())
    with mock.patch("importlib._bootstrap_external.cache_from_source", name):
        return SourceFileLoader.get_code(self, fullname)


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
    # A function within another is made anew at every call of that one; what beartype makes for it need not be.
    # Code of another file may be equal; types in quotes are then what they are called there.
    asked = (typechecker, function.__module__, function.__annotations__)
    found = _within_others.get(function.__code__)
    if found is not None and found[0] == asked:
        return found[1](function)
    of = _checking(function, typechecker)
    if "<locals>" in function.__qualname__:
        _within_others[function.__code__] = (asked, of)
    return of(function)


_within_others: dict[types.CodeType, tuple[tuple[Any, ...], Callable[[Any], Any]]] = {}


def _checking(function: Any, typechecker: Any) -> Callable[[Any], Any]:
    """Lays the checks over a function, and over any other of the same code and types."""
    own: Any = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    functools.update_wrapper(own, function)
    del own.__wrapped__
    own.__kwdefaults__ = function.__kwdefaults__
    own.__annotations__ = {name: _read(hint, function) for name, hint in function.__annotations__.items()}
    inner = typechecker(own)
    if inner is own:
        return lambda function: function
    names = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
    told_or_none = {name: _told_by(own.__annotations__.get(name, Any)) for name in names}
    told = {name: tell for name, tell in told_or_none.items() if tell is not None}
    told_by_result = _told_by(own.__annotations__.get("return", Any))
    variadic = function.__code__.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    if variadic or told_by_result is None or len(told) < len(names):
        return lambda function: functools.wraps(function)(_in_scope(_over(inner, function)))
    in_order, config = tuple(told.values()), jaxtyping.config
    # As short as can be: these lines are run at every call of all that the package has.
    most, by_type = len(in_order), all(tell is type for tell in in_order)
    held = threading.local()
    # Checks a result that stands already, beside the arguments that it came from. Few are ever asked to.
    check_result = functools.cache(lambda: _in_scope(typechecker(_handing_on(own, names, held))))
    passed: dict[Any, set[Any]] = {}

    def of(function: Any) -> Any:
        in_scope = _in_scope(_over(inner, function))

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if config.jaxtyping_disable or len(args) > most:
                return in_scope(*args, **kwargs)
            key: Any = tuple(map(type, args)) if by_type else tuple([t(value) for t, value in zip(in_order, args)])  # noqa: B905
            if kwargs:
                if not kwargs.keys() <= told.keys():
                    return in_scope(*args, **kwargs)
                key = key, tuple([(name, told[name](value)) for name, value in kwargs.items()])
            results = passed.get(key)
            if results is None:
                result = in_scope(*args, **kwargs)
                passed.setdefault(key, set()).add(told_by_result(result))
                return result
            result = function(*args, **kwargs)
            if (found := told_by_result(result)) not in results:
                held.result = result
                check_result()(*args, **kwargs)
                results.add(found)
            return result

        return wrapped

    return of


def _over(inner: Any, function: Any) -> Any:
    """What beartype made for one function, calling another of the same code and types."""
    made: Any = types.FunctionType(
        inner.__code__, inner.__globals__, inner.__name__, inner.__defaults__, inner.__closure__
    )
    made.__kwdefaults__ = inner.__kwdefaults__ | {"__beartype_func": function}
    vars(made).update(vars(inner), __wrapped__=function)
    return made


def _in_scope(inner: Any) -> Callable[..., Any]:
    """Calls a function that checks, with axes of its own."""

    def called(*args: Any, **kwargs: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:
            return inner.__wrapped__(*args, **kwargs)
        with _jaxtyped("context"):
            return inner(*args, **kwargs)

    return called


def _handing_on(own: Any, names: tuple[str, ...], held: threading.local) -> Any:
    """A function of the same arguments and types, which gives what is held, and lets go of it."""
    code = own.__code__
    given = [*names[: code.co_argcount], *(["*"] if code.co_kwonlyargcount else []), *names[code.co_argcount :]]
    # What is left out is not checked, whatever its default.
    arguments = ", ".join(name if name == "*" else f"{name}=None" for name in given)
    scope: dict[str, Any] = {"held": held}
    exec(f"def {own.__name__}({arguments}):\n    return vars(held).pop('result')", scope)
    made = scope[own.__name__]
    made.__annotations__, made.__module__, made.__qualname__ = own.__annotations__, own.__module__, own.__qualname__
    return made


def _told_by(hint: Any) -> Callable[[Any], Any] | None:
    """Of a value that is held against a hint: all that the check looks at; None where that is more than its type."""
    if typing.get_origin(hint) is tuple and Ellipsis not in typing.get_args(hint):
        of_each = [tell for each in typing.get_args(hint) if (tell := _told_by(each)) is not None]
        if len(of_each) < len(typing.get_args(hint)):
            return None
        return lambda value: (
            (type(value), *(tell(each) for tell, each in zip(of_each, value, strict=False)), len(value))
            if isinstance(value, tuple)
            else type(value)
        )
    leaves = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if not all(_by_type_alone(leaf) for leaf in leaves):
        return None
    if any(isinstance(leaf, type) and issubclass(leaf, jaxtyping.AbstractArray) for leaf in leaves):
        return _kind_of_array
    return type


def _by_type_alone(leaf: Any) -> bool:
    """Whether a check for a leaf of a hint looks at a value's type alone, or at an array's shape and kind of number."""
    if leaf is None or leaf is Any:
        return True
    if typing.get_origin(leaf) is collections.abc.Callable:
        return True
    return isinstance(leaf, type) and not typing.get_args(leaf) and not issubclass(leaf, jaxtyping.PyTree)


def _kind_of_array(value: Any) -> Any:
    shape = getattr(value, "shape", None)
    return (type(value), shape, value.dtype) if isinstance(shape, tuple) else type(value)


def _read(hint: Any, function: Any) -> Any:
    """A hint without quotes; one that names what is not imported there says nothing, as jaxtyping has it."""
    if isinstance(hint, type):
        return hint
    holder = types.SimpleNamespace(__annotations__={"hint": hint})
    try:
        return typing.get_type_hints(holder, function.__globals__, include_extras=True)["hint"]
    except Exception:
        return Any
