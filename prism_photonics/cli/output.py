"""Output of commands: results on stdout, progress and warnings on stderr, bad input in one line and exit code 2."""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any, cast

import typer
from rich.console import Console

from prism_photonics.compiled import keep_on_disk
from prism_photonics.extras import explained
from prism_photonics.units import InputError

# By SIGHUP and SIGTERM, as shells number it.
ENDED_BY_SIGNAL = (128 + 1, 128 + 15)
progress = Console(stderr=True, highlight=False)


def guard(function: Callable[..., None], *, compiles: bool = False, cluster: bool = False) -> Callable[..., None]:
    """The function, ending in one line on stderr and exit code 2 on bad input.

    Args:
        function: A command.
        compiles: Whether it computes with JAX: its compiled programs are then kept on disk.
        cluster: Whether it may spread its work over a cluster, with dask.
    """

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            if compiles:
                keep_on_disk()
            with nullcontext() if cluster else _without_dask():
                function(*args, **kwargs)
        except InputError as error:
            print(f"prism: {_one_line(str(error))}", file=sys.stderr)
            raise typer.Exit(2) from None
        except ModuleNotFoundError as error:
            if not isinstance(missing := explained(error, what="this command"), InputError):
                raise
            print(f"prism: {missing}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("prism: interrupted; what was finished is in the output folder", file=sys.stderr)
            raise typer.Exit(130) from None
        except SystemExit as error:
            if error.code in ENDED_BY_SIGNAL:
                print("prism: told to end; what was finished is in the output folder", file=sys.stderr)
            raise

    return guarded


@contextmanager
def _without_dask() -> Iterator[None]:
    """As where dask is not installed: where it is, xarray imports it with a dataset, half a second for nothing."""
    # An xarray that is there already may know that dask is installed, and would miss it.
    if "dask" in sys.modules or "xarray" in sys.modules:
        yield
        return
    # With None in its place an import of it is refused.
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    modules["dask"] = None
    try:
        yield
    finally:
        del modules["dask"]


def tell(line: str) -> None:
    """Print a line of progress as it is: paths in it are neither broken nor taken for markup."""
    progress.print(line, soft_wrap=True, markup=False)


def warn(line: str) -> None:
    """Print a warning."""
    progress.print(f"warning: {line}", soft_wrap=True, markup=False)


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """Print a result line by line, numbers to six digits, or as JSON with all of them."""
    if as_json:
        print_json(result)
        return
    for key, value in result.items():
        print(f"{key}:{_shown(value)}")


def print_json(result: Any) -> None:
    """Print a result as JSON."""
    print(json.dumps(result, indent=2))


def _shown(value: Any, indent: str = "\n  ") -> str:
    """A value for a person, as it follows a colon: numbers to six digits, what has names a line each."""
    if isinstance(value, dict) and value:
        return "".join(f"{indent}{name}:{_shown(one, indent + '  ')}" for name, one in value.items())
    if isinstance(value, float):
        return f" {value:.6g}"
    if isinstance(value, list):
        return f" [{', '.join(_shown(one)[1:] for one in value)}]" if not _named(value) else f" {value}"
    return value if isinstance(value, str) and value.startswith("\n") else f" {value}"


def _named(values: list[Any]) -> bool:
    return any(isinstance(one, dict) for one in values)


def _one_line(message: str) -> str:
    """A message with every line break and control character spelled out: a path or a key may hold any."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
