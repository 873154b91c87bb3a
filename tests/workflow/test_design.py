"""What a designer asks of a spec in Python is what the commands print."""

import numpy as np
import pytest
from typer.testing import CliRunner

import prism_photonics as pp
from prism_photonics.cli.app import app
from prism_photonics.units import InputError


def printed(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments]).stdout


@pytest.mark.parametrize("changes", [{}, {"drive": {"max_voltage_V": 2.0}}], ids=["feasible", "mended"])
def test_a_checked_spec_prints_as_the_command_does(demo, altered, tmp_path, changes):
    name = tmp_path / "spec.toml"
    name.write_text(str(altered(demo, **changes)), encoding="utf-8")
    feasibility = pp.check_spec(pp.load_spec(name))
    assert feasibility.feasible is not bool(changes)
    assert bool(feasibility.edits) is bool(changes)
    assert printed("check", name) == f"{feasibility}\n"
    assert printed("check", name, "--explain") == f"{feasibility.text(explain=True)}\n"
    assert repr(feasibility).startswith("<Feasibility: " + ("feasible" if feasibility.feasible else "not feasible: "))


def test_a_ledger_prints_as_the_command_does(demo):
    assert printed("budget", "demo_8x8") == f"{pp.compute_ledger(demo)}\n"
    assert "demo_8x8" in repr(pp.compute_ledger(demo))


@pytest.mark.parametrize("name", pp.example_names())
def test_a_printed_spec_is_a_spec_file_of_the_same_chip(name):
    spec = pp.load_spec(name)
    assert pp.ChipSpec.from_text(str(spec)) == spec
    assert repr(spec).startswith(f"<ChipSpec {spec.name}: {spec.chip.rows} rows × ")


def test_designed_weights_are_those_of_the_exact_row_at_one_voltage_or_many(small):
    rest, moved = pp.simulate_weights(small), pp.simulate_weights(small, np.full((2, 3), 5.0))
    assert np.array_equal(pp.simulate_weights(small, 0.0), rest)
    assert np.array_equal(pp.simulate_weights(small, 5.0), moved)
    assert (moved > rest).all()


def test_voltages_beyond_the_limit_or_of_another_shape_are_refused(small):
    with pytest.raises(InputError, match=r"10.5 V is not within the ±10 V limit"):
        pp.simulate_weights(small, -10.5)
    with pytest.raises(InputError, match="nan V is not within"):
        pp.simulate_weights(small, np.nan)
    with pytest.raises(InputError, match=r"volts of shape \(3,\), want \(2, 3\) or one number"):
        pp.simulate_weights(small, np.zeros(3))


def test_a_chip_that_is_not_feasible_is_not_drawn(tmp_path):
    with pytest.raises(InputError, match="not feasible"):
        pp.draw_chip(pp.load_spec("paper_64x1024"), tmp_path)
    assert list(tmp_path.iterdir()) == []
