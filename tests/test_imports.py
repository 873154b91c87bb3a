"""What a user does not ask for is not loaded: ranking needs no JAX, `prism --help` nothing heavy.

An interpreter takes its seconds to begin. So few do, each from the lightest to the heaviest: what one statement may not
load, those before it have not loaded either; what it must load was not there before it.
"""

import json
import subprocess
import sys

import pytest

HEAVY = {"jax", "sax", "equinox", "gdsfactory", "matplotlib", "klayout", "torch"}
SLOW = HEAVY | {
    "xarray", "pandas", "scipy", "dask", "distributed", "sympy", "skrf", "optax", "optuna", "onnx", "pyvisa", "h5py",
    "transformers", "skfem", "shapely", "trimesh",
}  # fmt: skip
"""Libraries that take a good part of a second each."""
DRAWING = {"gdsfactory", "klayout", "shapely", "trimesh", "matplotlib", "scipy"}


def loaded_after(statements: dict[str, str]) -> dict[str, set[str]]:
    """The top-level modules that a fresh interpreter holds after each of the statements, one after the other."""
    tell = "import json, sys\nprint('LOADED', json.dumps([m.partition('.')[0] for m in sys.modules]))\n"
    code = "".join(f"{statement}\n{tell}" for statement in statements.values())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    return {name: set(json.loads(line[7:])) for name, line in zip(statements, lines, strict=True)}


def modules(*names: str) -> str:
    return f"import {', '.join(f'prism_photonics.{name}' for name in names)}"


def call(*command: str, exit_code: int = 0, says: str = "") -> str:
    return (
        "from typer.testing import CliRunner\n"
        "from prism_photonics.cli.app import app\n"
        f"result = CliRunner().invoke(app, {list(command)!r})\n"
        f"assert result.exit_code == {exit_code} and {says!r} in result.output, result.output"
    )


def beginning(*commands: str) -> str:
    """The imports that commands begin with, whatever their options."""
    return f"""
import ast, importlib, inspect
for told in {commands}:
    module, name = told.split('.')
    command = getattr(importlib.import_module('prism_photonics.cli.' + module), name)
    for line in ast.parse(inspect.getsource(command)).body[0].body:
        if isinstance(line, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([line], []), 'imports', 'exec'), {{}})
"""


# ---------------------------------------------------------------- from --help to a solved netlist


@pytest.fixture(scope="module")
def computing(layouts, tmp_path_factory):
    text = (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")
    assert "bend_radius_um = 30.0" in text
    broken = tmp_path_factory.mktemp("broken") / "spec.toml"
    broken.write_text(text.replace("bend_radius_um = 30.0", "bend_radius_um = 12.0"), encoding="utf-8")
    explained = call("check", str(broken), "--explain", exit_code=1, says="set waveguide.bend_radius_um")
    return loaded_after(
        {
            "help": call("--help"),
            "bundle": modules("ranking", "export.read"),
            "check": explained,
            "design": beginning("wishes.design"),
            "chip": modules("circuit.row", "calibration.calibration", "chip.virtual", "workflow.session"),
            "compiling": beginning(
                "laboratory.measure",
                "calibration.calibrate",
                "calibration.program",
                "run.run",
                "track.track",
                "yields.study",
            ),
            "netlist": "from prism_photonics.circuit import row_response, strict_circuit",
            "sax": "from prism_photonics.saxlib import sax\nassert callable(sax.circuit) and sax.fit",
            "simulate": call("simulate", "layouts/demo_8x8/spec.toml"),
            "postponed": (
                "import xarray\nassert str(sax.fit.sympy.Symbol('x')) == 'x' and xarray.DataArray([1.0]).sum() == 1.0"
            ),
        }
    )


def test_prism_help_loads_nothing_heavy(computing):
    assert not computing["help"] & {*HEAVY, "numpy"}


def test_a_machine_without_jax_can_read_a_bundle_and_rank(computing):
    assert not computing["bundle"] & {"jax", "sax", "equinox", "gdsfactory", "torch", "transformers"}


def test_prism_check_needs_neither_a_simulator_nor_a_drawing_tool(computing):
    assert not computing["check"] & HEAVY


def test_the_circuit_and_the_calibration_load_no_file_format_no_optimizer_and_nothing_that_plots(computing):
    assert "equinox" in computing["chip"]
    heavier = {"sax", "xarray", "pandas", "scipy", "matplotlib", "dask", "gdsfactory", "torch"}
    assert not computing["chip"] & heavier


def test_sax_is_there_for_who_solves_a_netlist(computing):
    assert "sax" in computing["netlist"]


def test_sax_comes_without_the_libraries_that_solve_no_netlist(computing):
    assert not computing["sax"] & {"skrf", "sympy", "pandas", "xarray", "optax", "matplotlib"}


def test_prism_simulate_loads_neither_the_calibration_nor_a_drawing_tool_nor_what_plots(computing):
    assert "sax" in computing["simulate"]
    heavier = {"skrf", "sympy", "pandas", "xarray", "scipy", "matplotlib", "gdsfactory", "klayout", "torch"}
    assert not computing["simulate"] & heavier


def test_a_library_that_sax_has_postponed_is_there_for_sax_and_for_who_imports_it(computing):
    assert computing["postponed"] >= {"sympy", "xarray", "pandas"}
    assert "skrf" not in computing["postponed"]


# ---------------------------------------------------------------- spectra and drawings; searches and datasets


@pytest.fixture(scope="module")
def drawing():
    return loaded_after(
        {
            "fitting": modules("workflow.fit_file", "workflow.fit_structure"),
            "extract": beginning("laboratory.extract"),
            "layout": beginning("design.layout"),
        }
    )


@pytest.fixture(scope="module")
def writing(tmp_path_factory):
    path = tmp_path_factory.mktemp("dataset") / "a.nc"
    return loaded_after(
        {
            "explore": beginning("explore.explore"),
            "written": (
                "from prism_photonics.cli.output import guard\n"
                "from prism_photonics.files.datasets import dataset_of\n"
                "dataset = lambda: dataset_of({'a': ('x', [1.0])}, {})\n"
                f"guard(lambda: dataset().to_netcdf({str(path)!r}, engine='scipy'))()\n"
                f"assert open({str(path)!r}, 'rb').read(3) == b'CDF'"
            ),
            "calibration": modules("cli.calibration", "workflow.job", "report.page"),
            "dask": "import dask",
        }
    )


def test_a_process_that_fits_one_file_loads_neither_datasets_nor_what_plots(drawing):
    assert drawing["fitting"] & SLOW <= {"scipy"}


@pytest.mark.parametrize(
    ("process", "command", "needs"),
    [
        ("computing", "design", set()),
        ("computing", "compiling", {"jax", "equinox"}),
        ("drawing", "extract", {"scipy", "matplotlib"}),
        ("drawing", "layout", DRAWING),
        ("writing", "explore", {"jax", "equinox", "scipy", "optuna"}),
    ],
    ids=["design", "compiling", "extract", "layout", "explore"],
)
def test_a_command_begins_without_what_it_may_not_need(process, command, needs, request):
    assert request.getfixturevalue(process)[command] & SLOW <= needs


def test_a_command_that_writes_a_dataset_does_not_wait_for_dask_and_dask_is_there_afterwards(writing):
    assert "xarray" in writing["written"] - writing["explore"]
    assert not writing["written"] & {"dask", "distributed"}
    assert "dask" in writing["dask"]


def test_a_calibration_waits_for_neither_sax_nor_a_drawing_tool(writing):
    assert not writing["calibration"] & {"sax", "gdsfactory", "klayout", "torch", "sympy"}
