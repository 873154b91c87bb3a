"""What the pages say of the code is so: the tree, the walls, the names, and every figure."""

import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

import prism_photonics
from prism_photonics.spec import ChipSpec, example_text

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "prism_photonics"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def drawn_tree() -> list[tuple[str, bool]]:
    """(name, inside the package) of every line of the drawn tree, from the top."""
    block = re.search(r"```text\n(.*?)```", ARCHITECTURE, re.S)
    assert block
    lines = [line for line in block[1].splitlines() if line.strip()]
    return [(line.split()[0], line.startswith("  ")) for line in lines]


def test_the_drawn_tree_is_the_package():
    drawn = [name for name, inside in drawn_tree() if inside]
    there = {f"{path.name}/" if path.is_dir() else path.name for path in PACKAGE.iterdir() if path.name[0] not in "._"}
    assert set(drawn) == there - {"py.typed"}
    assert len(drawn) == len(set(drawn))


def test_the_drawn_tree_names_every_folder_at_the_top():
    drawn = {name for name, inside in drawn_tree() if not inside}
    there = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    assert there - drawn <= {"out/", "dist/", "build/", "findings/"}


def test_the_tree_is_drawn_from_bottom_to_top_as_imports_run():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    place: dict[str, int] = {}
    for height, layer in enumerate(reversed(layers)):
        for name in re.findall(r"[\w.]+", layer):
            place[name.partition(".")[0]] = height  # a room of two parts stands where its higher part does
    rooms = [name.rstrip("/").removesuffix(".py") for name, inside in drawn_tree() if inside]
    heights = [place[room] for room in rooms]
    assert heights == sorted(heights)


def test_the_tree_is_drawn_in_one_place_only():
    rooms = [name.rstrip("/") for name, inside in drawn_tree() if inside and name.endswith("/")]
    for page in PAGES:
        if page.name != "architecture.md":
            drawn = [room for room in rooms if re.search(rf"^\s+{room}/\s", page.read_text(encoding="utf-8"), re.M)]
            assert drawn == [], page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_module_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    missing = []
    for name in set(re.findall(r"\bprism_photonics(?:\.[a-z_]\w*)+", text)):
        parts = name.split(".")
        if name == "prism_photonics.drivers":  # the group of entry points under which drivers of one's own are found
            continue
        if parts[1] in dir(prism_photonics):  # a public name
            continue
        # The last one or two parts may be a function, a class, or what it holds.
        if not any((ROOT.joinpath(*parts[:end])).is_dir() or ROOT.joinpath(*parts[:end]).with_suffix(".py").is_file()
                   for end in range(max(2, len(parts) - 2), len(parts) + 1)):  # fmt: skip
            missing.append(name)
    missing += [path for path in set(re.findall(r"\bprism_photonics/[\w/.]*\w", text)) if not (ROOT / path).exists()]
    assert missing == []


ROOMS = "|".join(sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] not in "._"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_name_in_a_module_that_a_page_names_is_there(page):
    """Names such as `drift.tracker.Tracker`, short for ``prism_photonics.drift.tracker.Tracker``."""
    missing = []
    for name in set(re.findall(rf"`((?:{ROOMS})(?:\.\w+){{2,}})`", page.read_text(encoding="utf-8"))):
        room, module, thing, *_ = name.split(".")
        if name.endswith((".yml", ".gds")):  # files, such as chip.clean.gds
            continue
        file = PACKAGE / room / f"{module}.py"
        source = file.read_text(encoding="utf-8") if file.is_file() else ""
        deeper = (PACKAGE / room / module / f"{thing}.py").is_file()
        if not deeper and not re.search(rf"\b(?:class|def) {thing}\b|^{thing}\b", source, re.M):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_page_names_a_room_by_its_old_name(page):
    assert re.findall(r"`(?:calibrate|program|rank|job|check)\.\w+[\w.]*`", page.read_text(encoding="utf-8")) == []


def test_every_figure_on_the_benchmarks_page_and_in_the_readme_is_that_of_the_results():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "page.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_kept_result_says_which_chip_it_is_of_where_a_name_means_another_one_by_now():
    benchmarks, unsaid = ROOT / "benchmarks", []
    for script in sorted(benchmarks.glob("*.py")):
        result = benchmarks / "results" / f"{script.stem}.json"
        moved = re.search("demo_8x8|standard_8x8|bank_32x256|bank_64x64_dual", script.read_text(encoding="utf-8"))
        found = json.loads(result.read_text(encoding="utf-8")) if moved and result.exists() else {}
        # On that day the rings of these chips, circles until then, became ones of growing curvature.
        if found.get("date", "") and found["date"] < "2026-11-30" and "chip_then" not in found:
            unsaid.append(result.name)
    assert unsaid == []


def test_no_benchmark_goes_on_with_results_of_another_chip(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    tables = importlib.import_module("sections.tables")

    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert tables.resumed("bank") == {}
    kept = {"command": "python bank.py", "date": "2026-11-29", "hardware": "2 cores", "banks": {"8x8": {}}}
    for found, told in ((kept, "`)."), (kept | {"chip_then": "the old `bank`"}, "`). Measured on the old `bank`.")):
        (tmp_path / "bank.json").write_text(json.dumps(found), encoding="utf-8")
        assert tables.resumed("bank") == (kept if found == kept else {})
        assert tables.section("Bank", "bank", found, "|").splitlines()[2].endswith(told)


def test_signing_that_is_timed_anew_keeps_the_parts_of_it_that_the_page_tells(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    paged = importlib.import_module("paged_signatures")
    results = tmp_path / "paged_signatures.json"
    results.write_text(paged.RESULTS.read_text(encoding="utf-8"), encoding="utf-8")
    kept = json.loads(results.read_text(encoding="utf-8"))
    monkeypatch.setattr(paged, "RESULTS", results)
    monkeypatch.setattr(paged, "timed", lambda dims, kind: {"dims": dims, "signature": kind})
    monkeypatch.setattr(sys, "argv", ["paged_signatures.py"])
    paged.main()
    written = json.loads(results.read_text(encoding="utf-8"))
    assert written["parts"] == kept["parts"]
    assert written["rows"] != kept["rows"]


def test_the_readme_quotes_no_figure_beside_its_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = re.sub(r"<!-- figures.*?end of figures -->|```.*?```", "", text, flags=re.S)
    assert re.findall(r"\d+(?:\.\d+)?\s*(?:bits|%|µJ|ns|times|×\s*faster|s\b)", prose) == []


def test_the_version_is_the_same_everywhere():
    spec = importlib.util.spec_from_file_location("prism_photonics", PACKAGE / "__init__.py")
    assert spec is not None
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f'__version__ = "{version}"' in (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_key_that_the_demonstrator_s_spec_leaves_out_is_told():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = page.split("### Keys that demo_8x8 does not use")[1].split("\n## ")[0]
    written = tomllib.loads(example_text("demo_8x8"))
    tables = {name: field.annotation for name, field in ChipSpec.model_fields.items() if name in written}
    keys = {
        f"{name}.{key}"
        for name, table in tables.items()
        if isinstance(table, type) and issubclass(table, BaseModel)
        for key in table.model_fields.keys() - written[name].keys()
    }
    assert "chip.buses" in keys
    assert {key for key in keys if key not in section} == set()
