"""What a user does not ask for is not loaded: ranking needs no JAX, `prism --help` nothing heavy."""

import json
import subprocess
import sys

import pytest

HEAVY = {"jax", "sax", "equinox", "gdsfactory", "matplotlib", "klayout", "torch"}


def loaded_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps([m.partition('.')[0] for m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_machine_without_jax_can_read_a_bundle_and_rank():
    loaded = loaded_after("import prism_photonics.ranking, prism_photonics.export.read")
    assert not loaded & {"jax", "sax", "equinox", "gdsfactory", "torch", "transformers"}


# What is loaded by the imports that a command begins with, whatever its options: libraries that take a good part of a
# second each.
BEGIN = """
import ast, importlib, inspect
for told in {commands}:
    module, name = told.split('.')
    command = getattr(importlib.import_module('prism_photonics.cli.' + module), name)
    for line in ast.parse(inspect.getsource(command)).body[0].body:
        if isinstance(line, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([line], []), 'imports', 'exec'), {{}})
"""
SLOW = HEAVY | {
    "xarray", "pandas", "scipy", "dask", "distributed", "sympy", "skrf", "optax", "optuna", "onnx", "pyvisa", "h5py",
    "transformers", "skfem", "shapely", "trimesh",
}  # fmt: skip
DRAWING = {"gdsfactory", "klayout", "shapely", "trimesh", "matplotlib", "scipy"}


# Commands that need the same begin in one interpreter: what none of them may load, all together have not loaded.
COMPILING = (
    "laboratory.measure", "calibration.calibrate", "calibration.program", "run.run", "track.track", "yields.study",
)  # fmt: skip


@pytest.mark.parametrize(
    ("commands", "needs"),
    [
        (("wishes.design",), set()),
        (("laboratory.extract",), {"scipy", "matplotlib"}),
        (COMPILING, {"jax", "equinox"}),
        (("explore.explore",), {"jax", "equinox", "scipy", "optuna"}),
        (("design.layout",), DRAWING),
    ],
    ids=["design", "extract", "compiling", "explore", "layout"],
)
def test_a_command_begins_without_what_it_may_not_need(commands, needs):
    assert loaded_after(BEGIN.format(commands=commands)) & SLOW <= needs


def test_a_process_that_fits_one_file_loads_neither_datasets_nor_what_plots():
    loaded = loaded_after("import prism_photonics.workflow.fit_file, prism_photonics.workflow.fit_structure")
    assert loaded & SLOW <= {"scipy"}


def test_a_command_that_writes_a_dataset_does_not_wait_for_dask_and_dask_is_there_afterwards(tmp_path):
    loaded = loaded_after(
        "from prism_photonics.cli.output import guard\n"
        "from prism_photonics.files.datasets import dataset_of\n"
        "dataset = lambda: dataset_of({'a': ('x', [1.0])}, {})\n"
        f"guard(lambda: dataset().to_netcdf({str(tmp_path / 'a.nc')!r}, engine='scipy'))()\n"
        "import sys\n"
        "assert 'dask' not in sys.modules and 'distributed' not in sys.modules\n"
        "import dask"
    )
    assert loaded >= {"xarray", "dask"}
    assert (tmp_path / "a.nc").exists()


def test_prism_help_loads_nothing_heavy():
    loaded = loaded_after(
        "from typer.testing import CliRunner\n"
        "from prism_photonics.cli.app import app\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0, result.output"
    )
    assert not loaded & {*HEAVY, "numpy"}


def test_prism_check_needs_neither_a_simulator_nor_a_drawing_tool(layouts, tmp_path):
    text = (layouts / "demo_8x8" / "spec.toml").read_text(encoding="utf-8")
    assert "bend_radius_um = 30.0" in text
    broken = tmp_path / "spec.toml"
    broken.write_text(text.replace("bend_radius_um = 30.0", "bend_radius_um = 12.0"), encoding="utf-8")
    loaded = loaded_after(
        "from typer.testing import CliRunner\n"
        "from prism_photonics.cli.app import app\n"
        f"result = CliRunner().invoke(app, ['check', {str(broken)!r}, '--explain'])\n"
        "assert result.exit_code == 1 and 'set waveguide.bend_radius_um' in result.output, result.output"
    )
    assert not loaded & HEAVY


def test_a_calibration_waits_for_neither_sax_nor_a_drawing_tool():
    modules = ("cli.calibration", "workflow.job", "report.page")
    loaded = loaded_after(f"import {', '.join(f'prism_photonics.{module}' for module in modules)}")
    assert not loaded & {"sax", "gdsfactory", "klayout", "torch", "sympy"}


def test_the_circuit_and_the_calibration_load_no_file_format_no_optimizer_and_nothing_that_plots():
    modules = ("circuit.row", "calibration.calibration", "chip.virtual", "workflow.session")
    loaded = loaded_after(f"import {', '.join(f'prism_photonics.{module}' for module in modules)}")
    assert "equinox" in loaded
    assert not loaded & {"sax", "xarray", "pandas", "scipy", "matplotlib", "dask", "gdsfactory", "torch"}


def test_sax_is_there_for_who_solves_a_netlist():
    loaded = loaded_after("from prism_photonics.circuit import row_response, strict_circuit")
    assert "sax" in loaded


def test_sax_comes_without_the_libraries_that_solve_no_netlist():
    loaded = loaded_after("from prism_photonics.saxlib import sax\nassert callable(sax.circuit) and sax.fit")
    assert not loaded & {"skrf", "sympy", "pandas", "xarray", "optax", "matplotlib"}


def test_a_library_that_sax_has_postponed_is_there_for_sax_and_for_who_imports_it():
    loaded = loaded_after(
        "from prism_photonics.saxlib import sax\n"
        "import xarray\n"
        "assert str(sax.fit.sympy.Symbol('x')) == 'x' and xarray.DataArray([1.0]).sum() == 1.0"
    )
    assert loaded >= {"sympy", "xarray", "pandas"}
    assert "skrf" not in loaded


def test_prism_simulate_loads_neither_the_calibration_nor_a_drawing_tool_nor_what_plots():
    loaded = loaded_after(
        "from typer.testing import CliRunner\n"
        "from prism_photonics.cli.app import app\n"
        "result = CliRunner().invoke(app, ['simulate', 'layouts/demo_8x8/spec.toml'])\n"
        "assert result.exit_code == 0, result.output"
    )
    assert "sax" in loaded
    assert not loaded & {"skrf", "sympy", "pandas", "xarray", "scipy", "matplotlib", "gdsfactory", "klayout", "torch"}
