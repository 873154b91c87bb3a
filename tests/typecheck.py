"""The type checker that the tests lay over the package: beartype, wherever beartype can read the types.

jaxtyping's own decorator binds the arguments of every call by `inspect`, and checks them twice, before the call and
with the result: a third of the suite's time. Here one function that beartype has made checks both, within the same
scope of axes: `float[n]` in an argument and in the result are one n.

What a check finds follows from the types of what is handed in and out, and from shapes and kinds of numbers of arrays.
So a call that is alike in all of these to one that has passed is not checked again. Where a check looks at values, as
into a list, every call is checked.
"""

import builtins
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
from beartype.door import is_bearable
from jaxtyping import _import_hook

_jaxtyped = jaxtyping.jaxtyped


def checked(function: Any) -> Any:
    """Check arguments and results at run time, except where a drawing is handed over, and in the designs.

    A design is written in floats, but SAX hands its numbers over as arrays, traced ones under `jax.jit`.

    beartype 0.23 stumbles over the generic classes of kfactory (`ProtoKCell[T, TB: BaseKCell[Any]]`), so
    that a module with a function annotated `gf.Component` could not even be imported.
    """
    return function if _left_out(function) else beartype(function)


def _left_out(function: Any) -> bool:
    hints = [str(hint) for hint in getattr(function, "__annotations__", {}).values()]
    drawn = any(library in hint for hint in hints for library in ("gdsfactory", "kfactory"))
    return drawn or function.__module__.endswith(".design")


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
    asked = (typechecker, function.__module__, function.__annotations__, function.__defaults__, function.__kwdefaults__)
    found = _within_others.get(function.__code__)
    if found is not None and _alike(found[0], asked):
        return found[1](function)
    of = _Checks(function, typechecker)
    if "<locals>" in function.__qualname__:
        _within_others[function.__code__] = (asked, of)
    return of(function)


_within_others: dict[types.CodeType, tuple[tuple[Any, ...], Callable[[Any], Any]]] = {}


def _alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether functions of one code have the same types; and defaults of the same types, whose values may differ."""
    kinds = [
        (tuple(map(type, defaults or ())), {name: type(value) for name, value in (by_name or {}).items()})
        for *_, defaults, by_name in (one, other)
    ]
    return one[:3] == other[:3] and kinds[0] == kinds[1]


class _Checks:
    """The checks of a function, and of any other of the same code and types."""

    def __init__(self, function: Any, typechecker: Any) -> None:
        self.first, self.typechecker = function, typechecker
        self.passed: dict[Any, set[Any]] = {}
        self._make()

    def __call__(self, function: Any) -> Any:
        """Lay the checks over a function."""
        if self.inner is self.own:
            return function
        scope: dict[str, Any] = {"__builtins__": builtins.__dict__, "__config__": jaxtyping.config}
        scope |= {"__checks__": self, "__function__": function}
        laid: Any = types.FunctionType(self.code, scope, function.__name__)
        self._fill(laid, scope, function)
        return functools.update_wrapper(laid, function)

    def _fill(self, laid: Any, scope: dict[str, Any], function: Any) -> None:
        inner = _over(self.inner, function)
        scope.update(self.scope, __check__=inner if self.scopeless else _in_scope(inner))
        scope["__defaults__"] = _defaults(function)
        if self.source is not _EVERY_CALL:
            laid.__defaults__, laid.__kwdefaults__ = function.__defaults__, function.__kwdefaults__

    def _make(self) -> None:
        function = self.first
        own: Any = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        functools.update_wrapper(own, function)
        del own.__wrapped__
        own.__kwdefaults__ = function.__kwdefaults__
        own.__annotations__ = {name: _read(hint, function) for name, hint in function.__annotations__.items()}
        self.own, self.inner = own, self.typechecker(own)
        if self.inner is own:
            return
        self.scopeless = not any(map(_may_name_axes, own.__annotations__.values()))
        code = function.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        hints = {name: own.__annotations__.get(name, Any) for name in names}
        tellers = {name: _told_by(hint) for name, hint in hints.items()}
        self.told_by_result = _told_by(own.__annotations__.get("return", Any))
        # Checks a result that stands already, beside the arguments that it came from. Few are ever asked to.
        self.held = threading.local()
        handed_on = functools.partial(_handing_on, own, names, self.held)
        self.check_result = functools.cache(lambda: _in_scope(self.typechecker(handed_on())))
        self.scope = {"__passed__": self.passed, "__type__": type}
        values_count = None in tellers.values() or self.told_by_result is None
        variadic = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
        wrong = any(not _bearable(value, hints[name]) for name, value in _defaults(function).items())
        if values_count or variadic or code.co_posonlyargcount or wrong:
            self.source = _EVERY_CALL
        else:
            self.scope |= {f"__tell_{name}__": tell for name, tell in tellers.items()}
            self.scope["__tell_result__"] = self.told_by_result
            kinds = [_kind(name, hint, tellers[name]) for name, hint in hints.items() if hint is not Any]
            of_result = _kind("__result__", own.__annotations__.get("return", Any), self.told_by_result, "result")
            self.source = _once_each(function, names, kinds, of_result)
        made: dict[str, Any] = {}
        exec(self.source, made)
        self.code = made["laid"].__code__.replace(co_name=function.__name__, co_qualname=function.__qualname__)

    def first_of(self, scope: dict[str, Any], key: Any, values: tuple[Any, ...]) -> Any:
        """Check a call that is unlike all before it."""
        result = scope["__check__"](**self._given(scope, values))
        self.passed.setdefault(key, set()).add(self.told_by_result(result))
        return result

    def another(self, scope: dict[str, Any], key: Any, values: tuple[Any, ...], result: Any) -> Any:
        """Check a result that is unlike all that a call alike has given."""
        self.held.result = result
        self.check_result()(**self._given(scope, values))
        self.passed[key].add(self.told_by_result(result))
        return result

    def _given(self, scope: dict[str, Any], values: tuple[Any, ...]) -> dict[str, Any]:
        """The arguments but for those that are left at what the function takes for them."""
        code = self.own.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        defaults = scope["__defaults__"]
        pairs = zip(names, values, strict=True)
        return {name: value for name, value in pairs if name not in defaults or value is not defaults[name]}


_EVERY_CALL = """
def laid(*args, **kwargs):
    if __config__.jaxtyping_disable:
        return __function__(*args, **kwargs)
    return __check__(*args, **kwargs)
"""


def _once_each(function: Any, names: tuple[str, ...], kinds: list[str], of_result: str) -> str:
    """The code of a function that checks a call unless one like it has passed; of its own signature, and short.

    These lines are run at every call of all that the package has.
    """
    positional = function.__code__.co_argcount
    signature = [*names[:positional], *(["*"] if len(names) > positional else []), *names[positional:]]
    handed = ", ".join([*names[:positional], *(f"{name}={name}" for name in names[positional:])])
    values = "".join(f"{name}, " for name in names)
    key = "()" if not kinds else f"({', '.join(kinds)})" if len(kinds) > 1 or "," in kinds[0] else kinds[0]
    return f"""
def laid({", ".join(signature)}):
    if __config__.jaxtyping_disable:
        return __function__({handed})
    try:
        __results__ = __passed__.get(__key__ := {key})
    except AttributeError:  # no array where one is wanted
        return __check__(**__checks__._given(globals(), ({values})))
    if __results__ is None:
        return __checks__.first_of(globals(), __key__, ({values}))
    __result__ = __function__({handed})
    return __result__ if {of_result} in __results__ else __checks__.another(globals(), __key__, ({values}), __result__)
"""


def _kind(name: str, hint: Any, tell: Any, of: str = "") -> str:
    """An expression for all that a check of a value looks at."""
    if tell is type:
        return f"__type__({name})"
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray) and not of:
        return f"{name}.shape, {name}.dtype, __type__({name})"
    return f"__tell_{of or name}__({name})"


def _defaults(function: Any) -> dict[str, Any]:
    """What a function takes for an argument that is left out, by its name."""
    names, values = function.__code__.co_varnames[: function.__code__.co_argcount], function.__defaults__ or ()
    return dict(zip(names[len(names) - len(values) :], values, strict=True)) | (function.__kwdefaults__ or {})


def _bearable(value: Any, hint: Any) -> bool:
    """Whether a value that nobody handed over is what the type says, and has no axes: it need not be checked."""
    if value is None or (isinstance(hint, type) and type(value) is hint):
        return value is not None or hint is Any or hint is None or type(None) in typing.get_args(hint)
    try:
        return not getattr(value, "shape", ()) and is_bearable(value, hint)
    except Exception:
        return False


def _may_name_axes(hint: Any) -> bool:
    """Whether a check of a hint may look at the axes of arrays, which one call's arguments and result share."""
    if hint is None or hint is Any or hint is Ellipsis or typing.get_origin(hint) is typing.Literal:
        return False
    if isinstance(hint, list | tuple):  # the arguments of a Callable
        return any(map(_may_name_axes, hint))
    if typing.get_args(hint):
        return any(map(_may_name_axes, typing.get_args(hint)))
    return not isinstance(hint, type) or issubclass(hint, jaxtyping.AbstractArray | jaxtyping.PyTree)


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
