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


@pytest.mark.parametrize("module", ["prism_photonics.ranking", "prism_photonics.export.read"])
def test_a_machine_without_jax_can_read_a_bundle_and_rank(module):
    loaded = loaded_after(f"import {module}")
    assert not loaded & {"jax", "sax", "equinox", "gdsfactory", "torch", "transformers"}


def test_prism_help_loads_nothing_heavy():
    loaded = loaded_after(
        "from typer.testing import CliRunner\n"
        "from prism_photonics.cli.app import app\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0, result.output"
    )
    assert not loaded & {*HEAVY, "numpy"}


def test_prism_check_needs_neither_a_simulator_nor_a_drawing_tool():
    loaded = loaded_after(
        "from typer.testing import CliRunner\n"
        "from prism_photonics.cli.app import app\n"
        "result = CliRunner().invoke(app, ['check', 'layouts/paper_64x1024/spec.toml', '--explain'])\n"
        "assert result.exit_code == 1, result.output"
    )
    assert not loaded & HEAVY


@pytest.mark.parametrize("module", ["cli.calibration", "workflow.job", "report.page"])
def test_a_calibration_waits_for_neither_sax_nor_a_drawing_tool(module):
    assert not loaded_after(f"import prism_photonics.{module}") & {"sax", "gdsfactory", "klayout", "torch", "sympy"}


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
