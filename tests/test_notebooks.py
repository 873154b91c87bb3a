"""The notebooks were executed as they stand, and what a newcomer reads names public things only.

`make notebooks` executes the notebooks; here the committed files are judged. tests/test_pages.py runs the pages' code.
"""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = ("design", "budget", "calibrate", "rank")
MAX_NOTEBOOK_BYTES = 1_500_000


def code_cells(notebook: Path) -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    """The cell's Python, without IPython's magics."""
    return "\n".join(line for line in "".join(cell["source"]).splitlines() if not line.startswith("%"))


def code_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), re.M | re.S)


def modules_imported(code: str) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom) and node.module]
    return {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}


def test_there_is_a_tour():
    assert "01_tour.ipynb" in [notebook.name for notebook in NOTEBOOKS]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_was_executed_in_order_and_without_complaint(notebook):
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert all(cell["outputs"] for cell in cells)
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_nothing_worth_reusing(notebook):
    nodes = [node for cell in code_cells(notebook) for node in ast.walk(ast.parse(source(cell)))]
    assert [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)] == []


@pytest.mark.parametrize(
    "code",
    [source(cell) for notebook in NOTEBOOKS for cell in code_cells(notebook)]
    + [block for page in PAGES for block in code_blocks(page)],
)
def test_examples_use_public_names_only(code):
    private = {name for name in modules_imported(code) if any(part.startswith("_") for part in name.split("."))}
    attributes = {node.attr for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)}
    assert private | {name for name in attributes if name.startswith("_") and name != "__init__"} == set()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_stays_small(notebook):
    assert notebook.stat().st_size < MAX_NOTEBOOK_BYTES
