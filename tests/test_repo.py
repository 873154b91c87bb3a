"""The repository keeps its own promises: a tidy top level, small modules, no pickles, no machine's paths."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

TOP_LEVEL = {
    *("prism_photonics", "layouts", "calibration", "notebooks", "tests", "benchmarks", "docs", "findings", ".ci"),
    *("README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml"),
    *("requirements.lock", "requirements-dev.lock", ".python-version", ".gitignore", ".gitattributes"),
}
MAX_MODULE_LINES = 400
MAX_NOTEBOOK_CELLS = 14

# Put together here, so that this file does not name what it forbids.
REGISTRY_HOSTS = ["pypi" + ".org", "pythonhosted" + ".org", "anaconda" + ".org", "registry.npmjs" + ".org"]
MACHINE_PATH = re.compile(rb"(?<![\w.~*-])/(?:work|root|home|Users)/[\w./-]+")


def tracked() -> list[Path]:
    """The files that git tracks; before the first commit, or without git, those that would be."""
    for options in ([], ["--others", "--exclude-standard"]):
        git = subprocess.run(["git", "ls-files", "-z", *options], cwd=ROOT, capture_output=True, text=True, check=False)
        files = [ROOT / name for name in git.stdout.split("\0") if name]
        if files:
            return [file for file in files if file.is_file()]
    return [file for name in TOP_LEVEL for file in [ROOT / name, *(ROOT / name).rglob("*")] if file.is_file()]


TRACKED = tracked()
PYTHON = [file for file in TRACKED if file.suffix == ".py"]
PACKAGE = [file for file in PYTHON if file.is_relative_to(ROOT / "prism_photonics")]


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_the_top_level_holds_only_the_agreed_names():
    assert {file.relative_to(ROOT).parts[0] for file in TRACKED} <= TOP_LEVEL


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    offences = []
    for file in TRACKED:
        content = file.read_bytes()
        offences += [(name_of(file), host) for host in REGISTRY_HOSTS if host.encode() in content]
        offences += [(name_of(file), path.decode()) for path in MACHINE_PATH.findall(content)]
    assert offences == []


def test_modules_stay_small():
    lines = {name_of(file): len(file.read_text().splitlines()) for file in PACKAGE}
    assert {name: n for name, n in lines.items() if n > MAX_MODULE_LINES} == {}


def test_nothing_is_pickled():
    pattern = re.compile(r"^\s*(?:import|from)\s+(?:pickle|cloudpickle|dill|joblib|shelve)\b", re.MULTILINE)
    assert [name_of(file) for file in PYTHON if pattern.search(file.read_text())] == []


@pytest.mark.parametrize("file", [file for file in PYTHON if file.name.startswith("test_")], ids=name_of)
def test_a_test_file_asserts_something(file):
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(file.read_text())))


def test_notebooks_stay_short():
    notebooks = [file for file in TRACKED if file.suffix == ".ipynb"]
    cells = {name_of(file): len(json.loads(file.read_text())["cells"]) for file in notebooks}
    assert {name: n for name, n in cells.items() if n > MAX_NOTEBOOK_CELLS} == {}
