"""Which code wrote a table: a hash of the solver's statements, blind to comments, docstrings, types and layout."""

import ast
import hashlib
from pathlib import Path

FILES = ("mesh.py", "fem.py", "optics.py", "bend.py", "electrode.py", "tables.py", "evidence.py", "../materials.py")


def sources_hash() -> str:
    """SHA-256 over the statements of the files that a table depends on."""
    room = Path(__file__).resolve().parent
    return hashlib.sha256(
        "".join(_statements((room / name).read_text(encoding="utf-8")) for name in FILES).encode()
    ).hexdigest()


def _statements(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in (*node.args.args, *node.args.kwonlyargs):
                argument.annotation = None
    return ast.unparse(tree)
