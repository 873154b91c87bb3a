"""The examples of the pages run: every ``python`` block, top to bottom, on a small chip in the demonstrator's place."""

import re
import shlex
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from examples import blocks_of, run_page

import prism_photonics as pp
from prism_photonics.workflow import session as sessions

ROOT = Path(__file__).resolve().parent.parent
PAGES = {page.name: page for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")) if blocks_of(page)}
# tests/test_readme.py runs the README's session, on the demonstrator itself.
# What asks SmolLM2 needs it fetched; tests/ranking runs the same calls on a small model.
NOT_RUN = (
    "pp.calibrate_chip(chip, seed=1)   # keeps its survey",
    "from prism_photonics.ranking.pretrained.cached import CachedText, Selection",
    "from prism_photonics.ranking.pretrained.by_layer import covered_by_head",
    "from prism_photonics.ranking.pretrained.distilled import DistilledGate, distil",
    "from prism_photonics.ranking.pretrained.taught import teach",
)

# What some pages print, and files that they leave.
LEAVES = {
    "calibrate.md": ("bits", ("out/record/calibration.nc", "out/record/validation.nc")),
    "design.md": ("fsr_aliasing", ("out/layout/chip.gds",)),
    "rank.md": ("behavioral all", ("out/bundle/selector.onnx", "out/bundle/selector.stablehlo")),
}


@pytest.fixture(scope="module")
def tiny(small, altered):
    """A chip of two rows that keeps every rule."""
    return altered(small, name="tiny_2x3", drive={"max_voltage_V": 20.0})


@pytest.fixture(scope="module")
def session(tiny):
    """It, calibrated once for all pages."""
    from prism_photonics.workflow.session import calibrate_chip

    return calibrate_chip(pp.VirtualChip(tiny, seed=0), seed=1)


@pytest.fixture
def desk(tiny, altered, made_up, tmp_path, monkeypatch):
    """A folder with what a reader has by then: records, bundles, a spec with heaters, and a bench that answers."""
    from prism_photonics.chip.serve import serving
    from prism_photonics.chip.served import ServedChip

    (tmp_path / "out" / "demo_8x8").mkdir(parents=True)
    for name in ("out", "out/demo_8x8"):
        for part in ("record", "bundle"):
            # Copies: the pages write into them.
            shutil.copytree(made_up / part, tmp_path / name / part)
    heated = altered(tiny, trim={"method": "heater", "heater_mW_nm": 5.0, "heater_crosstalk": 0.02})
    (tmp_path / "heated.toml").write_text(str(heated), encoding="utf-8")
    ours = pp.load_spec
    monkeypatch.setattr(pp, "load_spec", lambda name: tiny if name == "demo_8x8" else ours(name))
    monkeypatch.setattr(pp, "example_text", lambda name: str(tiny))
    monkeypatch.chdir(tmp_path)
    idn = "prism_photonics,tiny_2x3,virtual:0,test"
    box = ServedChip(pp.VirtualChip(tiny, seed=0), idn=idn, time_scale=0.0)
    with serving(box) as resource:
        bench = (ROOT / "calibration" / "demo_8x8" / "bench.toml").read_text(encoding="utf-8")
        for shipped, here in (
            (r"TCPIP::[^\"]*", resource),
            (r"demo_8x8\"", 'tiny_2x3"'),
            (r"rows = \[0, 7\]", "rows = [0, 1]"),
            (r"(rings|lines) = \[0, 7\]", r"\1 = [0, 2]"),
        ):
            bench = re.sub(shipped, here, bench)
        (tmp_path / "bench.toml").write_text(bench, encoding="utf-8")
        yield tmp_path
    assert box.over_voltage_attempts == 0


@pytest.fixture
def few_keys(monkeypatch):
    """The main job ranks one KV head of one sequence by a few dimensions: two rows would take long for all keys."""
    from prism_photonics.workflow import job

    whole = pp.KeyCache.load()
    group = whole.queries.shape[1] // whole.keys.shape[1]
    cut = {"keys": whole.keys[:1, :1, :, :6], "values": whole.values[:1, :1, :, :6]}
    cut["queries"] = whole.queries[:1, :group, :, :6]
    per_sequence = ("needle_position", "query_position", "token_ids", "recalled")
    few = replace(whole, **cut, **{name: getattr(whole, name)[:1] for name in per_sequence})
    monkeypatch.setattr(job, "load_keys", lambda keys: few)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(PAGES))
@pytest.mark.usefixtures("few_keys")
def test_the_examples_of_a_page_run(page, desk, tiny, made_up, request, monkeypatch, capsys):
    calibrate = pp.calibrate_chip

    def once(chip, *, seed):
        """The same chip and seed are calibrated once."""
        the_same = chip.label == "virtual:0" and seed == 1
        return request.getfixturevalue("session") if the_same else calibrate(chip, seed=seed)

    monkeypatch.setattr(pp, "calibrate_chip", once)
    # A sixth of the held-out targets, a quarter of the noise study's settings: what is asked of the numbers is little.
    monkeypatch.setattr(sessions, "validate", partial(sessions.validate, targets=8, settings=4))
    weights = np.random.default_rng(0).uniform(-0.3, 0.3, (tiny.chip.rows, tiny.chip.rings))
    found = run_page(PAGES[page], {"weights": weights}, skip=NOT_RUN)
    assert set(found) > {"weights"}
    if page == "rank.md":
        assert found["chosen"].shape == (5, 8)
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    words, files = LEAVES.get(page, ("", ()))
    assert words in said.out
    for name in files:
        # A record was there before, of other numbers.
        there = made_up / Path(name).relative_to("out")
        assert not there.is_file() or (desk / name).read_bytes() != there.read_bytes()
        assert (desk / name).is_file()


def test_what_is_not_run_is_said_block_by_block():
    blocks = [code for page in PAGES.values() for _, code in blocks_of(page)]
    assert [sum(mark in code for code in blocks) for mark in NOT_RUN] == [1] * len(NOT_RUN)
    for code in blocks:
        compile(code, "a page", "exec")


COMMANDS = [
    pytest.param(line, id=f"{page.name}: {line}")
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    for line in block.splitlines()
    if line.startswith("prism ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_a_page_prints_is_one_that_prism_takes(line):
    """Its name, its options, their values' kinds, and as many arguments as it wants; nothing is done."""
    import typer

    from prism_photonics.cli.app import app

    _, *words = shlex.split(line.removesuffix("&").replace(" & ", " "), comments=True)
    words = [word for word in words if word != "&"]
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    context = command.make_context(command.name, words)
    assert context.params


def test_the_pages_print_commands_of_every_group():
    said = {tuple(param.values[0].split()[1:3]) for param in COMMANDS}
    assert len(COMMANDS) > 40
    assert {("bench", "new"), ("bench", "check"), ("bench", "serve")} <= said
    assert {name for name, _ in said} >= {
        "check",
        "simulate",
        "layout",
        "calibrate",
        "program",
        "export",
        "rank",
        "track",
        "run",
    }
