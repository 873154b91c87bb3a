"""The ``python`` examples of a page, run as a reader would: top to bottom, in one session, in a folder of their own."""

import re
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
HEADING = re.compile(r"^#+ (.*)$", re.M)


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """(nearest heading, code) of every example of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        headings = HEADING.findall(text, 0, block.start())
        found.append((headings[-1].strip("`") if headings else page.stem, block[1]))
    return found


def run_page(page: Path, given: dict[str, Any], *, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run every example of a page.

    Args:
        page: A Markdown file.
        given: Names that a reader brings along, such as weights of their own.
        skip: Blocks that hold one of these texts are not run.

    Returns:
        All names that stand at the end.

    Raises:
        AssertionError: An example raises; the message names its heading.
    """
    names = dict(given)
    for heading, code in blocks_of(page):
        if any(mark in code for mark in skip):
            continue
        try:
            exec(compile(code, f"{page.name}: {heading}", "exec"), names)
        except Exception as error:
            raise AssertionError(f"{page.name}, {heading}: {type(error).__name__}: {error}") from error
    return names
