"""No function of the package asks its caller to count: beyond the fourth, arguments are named."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import prism_photonics
from prism_photonics.cli.app import app

PACKAGE = Path(prism_photonics.__file__).parent
MOST_POSITIONAL = 4

# Functions whose arguments another library hands over in an order of its own, or whose code is pinned by what it made.
CALLED_BY_OTHERS = {
    "export.buffers.ChipBuffers._load_from_state_dict": "torch calls this hook of a module",
    "export.stablehlo.stablehlo_bytes.select": "jax.export keeps the inputs of a program in their order",
    "process.solver.tables.Run.coupling": "the mode tables carry the hash of the code that wrote them",
    "process.solver.tables.supermodes": "the mode tables carry the hash of the code that wrote them",
    "ranking.interface._dispatch.attend": "transformers calls a function of its attention interface",
}


def positional(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, *, bound: bool) -> int:
    """Arguments that may be given by place, without self or cls."""
    return len(function.args.posonlyargs) + len(function.args.args) - bound


def functions_with_too_many(source: str, module: str) -> Iterator[str]:
    """Names, with the module's, of functions and lambdas that take more arguments by place than may be."""

    def visit(node: ast.AST, name: str, *, in_class: bool) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            inside, child_in_class = name, in_class
            if isinstance(child, ast.ClassDef):
                inside, child_in_class = f"{name}.{child.name}", True
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inside = f"{name}.{child.name}" if not isinstance(child, ast.Lambda) else f"{name}.<lambda>"
                static = not isinstance(child, ast.Lambda) and any(
                    isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in child.decorator_list
                )
                bound = in_class and not isinstance(child, ast.Lambda) and not static
                if positional(child, bound=bound) > MOST_POSITIONAL:
                    yield inside
                child_in_class = False
            yield from visit(child, inside, in_class=child_in_class)

    yield from visit(ast.parse(source), module, in_class=False)


def commands(group: typer.Typer) -> Iterator[str]:
    """Names, with their modules', of a group's commands: typer reads their parameters by name."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{command.callback.__module__}.{command.callback.__qualname__}".removeprefix("prism_photonics.")
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance)


@pytest.fixture(scope="module")
def crowded() -> set[str]:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 100
    return {
        name
        for file in files
        for name in functions_with_too_many(
            file.read_text(), ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        )
    }


def test_no_function_takes_more_than_four_arguments_by_place(crowded):
    assert crowded - set(commands(app)) - set(CALLED_BY_OTHERS) == set()


def test_every_exception_is_still_one(crowded):
    assert set(CALLED_BY_OTHERS) <= crowded


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(a, b, c, d): ...", []),
        ("def f(a, b, c, d, *, e): ...", []),
        ("def f(a, b, c, d, e): ...", ["m.f"]),
        ("def f(a, b, /, c, d, e): ...", ["m.f"]),
        ("f = lambda a, b, c, d, e: a", ["m.<lambda>"]),
        ("class C:\n def f(self, a, b, c, d): ...", []),
        ("class C:\n def f(self, a, b, c, d, e): ...", ["m.C.f"]),
        ("class C:\n if True:\n  def f(self, a, b, c, d): ...", []),
        ("class C:\n @staticmethod\n def f(a, b, c, d, e): ...", ["m.C.f"]),
        ("def f():\n async def g(a, b, c, d, e): ...", ["m.f.g"]),
    ],
)
def test_places_are_counted_without_self(source, found):
    assert list(functions_with_too_many(source, "m")) == found
