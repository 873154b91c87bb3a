"""Tables of a page in Markdown, and where their figures come from."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def section(title: str, name: str, found: dict[str, Any], body: str) -> str:
    """One section: where its figures come from, and of which chip, if its name means another one by now; then they."""
    then = f" Measured on {found['chip_then']}." if "chip_then" in found else ""
    then += f" Its chip's rows were {found['read_then']}." if "read_then" in found else ""
    return (
        f"## {title}\n\n`{found['command']}`, {found['date']}, {found['hardware']} (`results/{name}.json`).{then}\n\n"
        f"{body}"
    )


def table(columns: Mapping[str, Callable[..., Any]], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table: each column makes its cell from a row."""
    return grid(tuple(columns), [[cell(*row) for cell in columns.values()] for row in rows])


def grid(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table of cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def of_which(found: dict[str, Any]) -> str:
    """Which rings were measured, where a chip's name means others by now."""
    then = found.get("chip_then", "")
    return ", of the demonstrator's rings" if "`demo_8x8` with" in then else ", of circles" if then else ""


def bits(found: dict[str, float], digits: int = 1) -> str:
    """Median (worst)."""
    return f"{found['median']:.{digits}f} ({found['worst']:.{digits}f})"


def case(found: dict[str, Any], name: str) -> dict[str, Any]:
    """One case of the tracking benchmark."""
    return next(one for one in found["cases"] if one["case"] == name)


def load(name: str) -> dict[str, Any]:
    """A result file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def resumed(name: str) -> dict[str, Any]:
    """What a result file has to go on with: nothing where its chip's name means another one by now."""
    found = load(name) if (RESULTS / f"{name}.json").exists() else {}
    return {} if "chip_then" in found else found
