"""A splitter of others in the feed of our chip."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.sparameter_files import write_touchstone
from prism_photonics.circuit.sparameters import SParameters, sampled
from prism_photonics.cli.app import app
from prism_photonics.units import InputError
from prism_photonics.workflow.parts import feed_with_parts

WL = np.linspace(1.53, 1.57, 41)


@pytest.fixture(scope="module")
def splitter(small):
    models = device_models(small.profile, loss_dB_cm=small.waveguide.loss_dB_cm)
    return sampled(models["splitter"], WL, excess_loss_dB=small.splitter.excess_loss_dB)


def with_input_reflection(splitter, r):
    s = splitter.s.copy()
    s[:, 0, 0] = r
    return SParameters("mmi", splitter.ports, WL, s)


def test_our_own_splitter_by_file_changes_nothing(small, splitter, tmp_path):
    (change,) = feed_with_parts(small, {"splitter": write_touchstone(splitter, tmp_path / "mmi.s3p")})
    np.testing.assert_allclose(change.change_dB, 0.0, atol=1e-9)
    assert change.arriving_dB.shape == (small.chip.rows, small.chip.channels)


def test_a_splitter_that_reflects_feeds_less_where_the_coupler_reflects_too(small, splitter, tmp_path):
    mmi = write_touchstone(with_input_reflection(splitter, 0.04), tmp_path / "mmi.s3p")
    s = np.full((len(WL), 2, 2), 0.1 + 0.0j)
    s[:, 0, 1] = s[:, 1, 0] = 0.79
    coupler = write_touchstone(SParameters("c", ("o1", "o2"), WL, s), tmp_path / "coupler.s2p")
    (alone,) = feed_with_parts(small, {"splitter": mmi})
    np.testing.assert_allclose(alone.change_dB, 0.0, atol=1e-9)  # what it sends back meets no second mirror
    (both,) = feed_with_parts(small, {"splitter": mmi, "edge_coupler": coupler})
    (one,) = feed_with_parts(small, {"edge_coupler": coupler})
    echo = -20.0 * np.log10(1.0 - 0.1 * 0.04)
    np.testing.assert_allclose(np.abs(both.change_dB - one.change_dB), echo, rtol=0.02)


def test_what_is_not_passive_is_refused_or_projected_as_asked(small, splitter, tmp_path):
    loud = SParameters("mmi", splitter.ports, WL, 1.2 * splitter.s)
    file = write_touchstone(loud, tmp_path / "mmi.s3p")
    with pytest.raises(InputError, match="not passive"):
        feed_with_parts(small, {"splitter": file})
    with pytest.warns(UserWarning, match="not passive"):
        (change,) = feed_with_parts(small, {"splitter": file}, project=True)
    np.testing.assert_allclose(change.change_dB, small.splitter.excess_loss_dB, atol=1e-6)  # as much as there is


def test_parts_that_feed_no_row_and_files_of_other_ports_are_refused(small, splitter, tmp_path):
    file = write_touchstone(splitter, tmp_path / "mmi.s3p")
    with pytest.raises(InputError, match="did you mean 'splitter'"):
        feed_with_parts(small, {"spliter": file})
    with pytest.raises(InputError, match="ports o1, o2, o3; edge_coupler has o1, o2"):
        feed_with_parts(small, {"edge_coupler": file})


def test_a_splitter_that_sends_a_row_no_light_is_refused_and_the_row_is_named(small, splitter, tmp_path):
    s = splitter.s.copy()
    s[:, 2, 0] = s[:, 0, 2] = 0.0
    file = write_touchstone(SParameters("mmi", splitter.ports, WL, s), tmp_path / "mmi.s3p")
    with pytest.raises(InputError, match=r"chip, row_\d: the parts send no light there"):
        feed_with_parts(small, {"splitter": file})


def test_the_command_prints_what_reaches_each_row(splitter, tmp_path):
    file = write_touchstone(splitter, tmp_path / "mmi.s3p")
    result = CliRunner().invoke(app, ["simulate", "demo_8x8", "--part", f"splitter={file}", "--json"])
    assert result.exit_code == 0, result.output
    (bank,) = json.loads(result.stdout)["feed"]
    assert np.shape(bank["arriving_dB"]) == (8, 8)
    refused = CliRunner().invoke(app, ["simulate", "demo_8x8", "--part", "splitter"])
    assert refused.exit_code == 2


@pytest.fixture(scope="module")
def reflecting(small, splitter, altered, tmp_path_factory):
    """A chip whose spec binds a splitter and a coupler that reflect, and whose light falls along the comb."""
    folder = tmp_path_factory.mktemp("parts")
    fall = 1.0 - 4.0 * (WL - WL[0])
    s = np.full((len(WL), 2, 2), 0.1 + 0.0j)
    s[:, 0, 1] = s[:, 1, 0] = 0.75 * fall
    mmi = write_touchstone(with_input_reflection(splitter, 0.04), folder / "mmi.s3p")
    coupler = write_touchstone(SParameters("c", ("o1", "o2"), WL, s), folder / "coupler.s2p")
    return altered(small, splitter={"sparameters": str(mmi)}, coupler={"sparameters": str(coupler)})


def test_parts_that_the_spec_binds_are_those_that_the_command_may_name(small, reflecting):
    (bound,) = feed_with_parts(reflecting)
    files = {"splitter": reflecting.splitter.sparameters, "edge_coupler": reflecting.coupler.sparameters}
    (named,) = feed_with_parts(small, files)
    np.testing.assert_allclose(bound.arriving_dB, named.arriving_dB, atol=1e-12)
    # The ledger counts the worst line, so that no line has less but by what parts send back to each other.
    assert bound.change_dB.min() > -0.1
    assert np.ptp(bound.arriving_dB, axis=1).min() > 0.01


def test_a_virtual_chip_gets_the_light_that_such_parts_let_through_line_by_line(small, reflecting):
    import jax

    from prism_photonics.chip.fabricate import draw_die

    key = jax.random.key(3)
    plain, fed = draw_die(small, key), draw_die(reflecting, key)
    (ours,), (ideal,) = feed_with_parts(reflecting), feed_with_parts(small)
    want = 10.0 ** (0.1 * (ours.arriving_dB - ideal.arriving_dB))
    got = fed.full_A / plain.full_A
    np.testing.assert_allclose(got, np.broadcast_to(want, got.shape), rtol=1e-9)


def test_a_laser_that_sweeps_sees_them_too(small, reflecting):
    import jax

    from prism_photonics.chip.fabricate import draw_die
    from prism_photonics.chip.tunable import LaserLight, TunableLaser

    key, volts = jax.random.key(3), np.zeros((2, 3))
    lines_nm = 1e3 * np.asarray(small.comb_design.wl_um)
    totals = []
    for spec in (small, reflecting):
        light = LaserLight(spec, draw_die(spec, key), TunableLaser.ideal(), np.random.default_rng(0))
        light.read(lines_nm, volts, volts, averages=1, bus=0)
        totals.append(light.total_A)
    (ours,), (ideal,) = feed_with_parts(reflecting), feed_with_parts(small)
    want = 10.0 ** (0.1 * (ours.arriving_dB - ideal.arriving_dB))
    np.testing.assert_allclose(totals[1] / totals[0], want.T, rtol=1e-9)


def test_the_spectra_of_a_virtual_dies_rows_see_them_line_by_line(small, reflecting):
    from prism_photonics.chip.structures import virtual_structures

    sites = {f"{name}_ring_{n}": (240.0 * n, -1700.0) for name in ("gap_sweep", "length_sweep") for n in range(5)}
    plain, fed = (virtual_structures(s, seed=3, guides_um={}, sites_um=sites) for s in (small, reflecting))
    (ours,), (ideal,) = feed_with_parts(reflecting), feed_with_parts(small)
    want = 10.0 ** (0.1 * (ours.arriving_dB - ideal.arriving_dB))
    lines_nm = 1e3 * np.asarray(small.comb_design.wl_um)
    for row in range(small.chip.rows):
        got = fed[f"row_{row}"].powers(lines_nm) / plain[f"row_{row}"].powers(lines_nm)
        np.testing.assert_allclose(got, np.broadcast_to(want[row], got.shape), rtol=1e-9)


def test_the_command_prints_the_feed_of_a_spec_that_binds_parts(reflecting, tmp_path):
    (tmp_path / "spec.toml").write_text(str(reflecting))
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "spec.toml"), "--json"])
    assert result.exit_code == 0, result.output
    (bank,) = json.loads(result.stdout)["feed"]
    (own,) = feed_with_parts(reflecting)
    assert bank == own.to_json()
