"""Waveguides, splitters and edge couplers: passive, reciprocal, and their phases add."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.lightpath.coupler.saxmodel import edge_coupler
from prism_photonics.lightpath.sizes import number
from prism_photonics.lightpath.splitter.design import (
    SplitterDesign,
    outputs_of_rows,
    smaller_trees,
    tree_levels,
    tree_outputs,
)
from prism_photonics.lightpath.splitter.model import split_amplitudes
from prism_photonics.lightpath.splitter.saxmodel import splitter
from prism_photonics.lightpath.waveguide.design import BranchDesign, StraightDesign, UTurnDesign
from prism_photonics.lightpath.waveguide.model import PathParams, path_phase, transmission
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.saxlib import sax

WL = jnp.linspace(1.53, 1.57, 41)


def matrices(s, ports):
    """S-matrices (wl, out, in) of a device."""
    s = sax.sdict(s)
    zero = np.zeros(WL.shape, dtype=complex)
    return np.moveaxis(np.array([[np.asarray(s.get((i, o), zero)) for i in ports] for o in ports]), -1, 0)


DEVICES = {
    "path": (path(wl=WL, opl_um=123.0, gpl_um=145.0, amplitude=0.9, phase_rad=1.0), ("o1", "o2")),
    "coupler": (edge_coupler(wl=WL, loss_dB=2.0), ("o1", "o2")),
    "splitter": (splitter(wl=WL, excess_loss_dB=0.09, imbalance=0.1), ("o1", "o2", "o3")),
    "lossless splitter": (splitter(wl=WL, excess_loss_dB=0.0, imbalance=-1.0), ("o1", "o2", "o3")),
}


@pytest.mark.parametrize("name", DEVICES)
def test_is_passive(name):
    assert np.linalg.svd(matrices(*DEVICES[name]), compute_uv=False).max() <= 1 + 1e-12


@pytest.mark.parametrize("name", DEVICES)
def test_is_reciprocal_and_has_a_value_at_every_wavelength(name):
    s = matrices(*DEVICES[name])
    assert np.array_equal(s, s.swapaxes(1, 2))
    assert s.shape[0] == WL.size


@pytest.mark.parametrize("imbalance", np.linspace(-1, 1, 9))
def test_a_splitter_divides_its_power_whatever_the_imbalance(imbalance):
    upper, lower = split_amplitudes(0.3, imbalance)
    up, low = abs(complex(upper)) ** 2, abs(complex(lower)) ** 2
    assert up + low == pytest.approx(10**-0.03, rel=1e-12)
    assert (up - low) / (up + low) == pytest.approx(imbalance, abs=1e-12)


def test_an_edge_coupler_of_3_01_dB_halves_the_power():
    s = edge_coupler(wl=WL, loss_dB=10 * np.log10(2))
    assert np.abs(s["o1", "o2"]) ** 2 == pytest.approx(np.full(WL.size, 0.5), rel=1e-12)


def test_no_length_is_no_device():
    assert np.array_equal(path(wl=WL)["o1", "o2"], np.ones(WL.size))


def test_two_paths_in_a_row_are_one_of_their_summed_lengths():
    netlist = {
        "instances": {"a": "path", "b": "path"},
        "connections": {"a,o2": "b,o1"},
        "ports": {"o1": "a,o1", "o2": "b,o2"},
    }
    circuit, _ = sax.circuit(netlist, models={"path": path}, backend="klu")
    first, second = {"opl_um": 100.0, "gpl_um": 120.0}, {"opl_um": 33.0, "gpl_um": 40.0, "amplitude": 0.8}
    s = sax.sdict(circuit(wl=WL, a=first, b=second))
    whole = path(wl=WL, opl_um=133.0, gpl_um=160.0, amplitude=0.8)
    assert np.abs(s["o1", "o2"] - whole["o1", "o2"]).max() < 1e-12


def test_the_group_index_is_the_slope_of_the_phase():
    n_eff, n_g, length = 1.993, 2.361, 1000.0
    step = 1e-6
    phase = [float(path_phase(1.55 + s, n_eff * length, n_g * length, 1.55)) for s in (-step, step)]
    # dβ/dλ = −2π·n_g/λ² at λ0.
    assert (phase[1] - phase[0]) / (2 * step) == pytest.approx(-2 * np.pi * n_g * length / 1.55**2, rel=1e-6)


def test_the_fabrication_phase_adds_to_the_paths():
    params = PathParams(*(jnp.asarray(x) for x in (100.0, 120.0, 0.5, 0.7, 1.55)))
    bare = PathParams(*(jnp.asarray(x) for x in (100.0, 120.0, 1.0, 0.0, 1.55)))
    assert complex(transmission(1.56, params)) == pytest.approx(
        0.5 * np.exp(0.7j) * complex(transmission(1.56, bare)), rel=1e-12
    )


def test_every_design_knows_its_length_by_direction():
    assert StraightDesign(50.0).lengths.x_um == 50.0
    assert UTurnDesign(30.0).lengths.bend_um == pytest.approx(np.pi * 30)
    branch = BranchDesign(dx_um=80.0, dy_um=-200.0, radius_um=30.0).lengths
    # Two quarter turns use up one radius each in x and in y.
    assert (branch.x_um, branch.y_um) == (20.0, 140.0)
    assert branch.bend_um == pytest.approx(np.pi * 30)
    assert SplitterDesign(0.1).length_um == 84.0


@pytest.mark.parametrize(("rows", "levels"), [(1, 0), (2, 1), (3, 2), (8, 3), (256, 8), (1024, 10)])
def test_a_tree_needs_the_rounded_up_logarithm_of_its_rows(rows, levels):
    assert tree_levels(rows) == levels


def test_rows_take_every_output_of_a_full_tree_and_of_others_the_lower_one_of_each_last_fork():
    assert outputs_of_rows(8) == list(range(8))
    assert outputs_of_rows(5) == [0, 1, 2, 4, 6]
    for rows in range(1, 65):
        taken = outputs_of_rows(rows)
        assert taken == sorted(set(taken))
        assert len(taken) == rows
        assert max(taken) < tree_outputs(rows) < 2 * rows
        # No splitter is without a row.
        assert {output // 2 for output in taken} == set(range(max(tree_outputs(rows) // 2, 1)))


def test_fewer_rows_save_light_where_their_tree_has_fewer_levels():
    assert smaller_trees(1) == []
    assert smaller_trees(8) == [4, 2, 1]
    assert smaller_trees(12) == [8, 4, 2, 1]
    assert all(tree_outputs(rows) == 8 for rows in range(5, 9))


def test_a_traced_size_is_not_asked_for_its_value(monkeypatch):
    # JAX would search the whole trace for where it came from, only to say so in its refusal.
    def refused(traced):
        raise AssertionError(f"{traced} is traced")

    monkeypatch.setattr(jax.core.Tracer, "__float__", refused)
    found = []
    jax.jit(lambda size_um: found.append(number(size_um)) or size_um)(1.0)
    assert found == [None]
    assert number(jnp.float64(2.5)) == number(2.5) == 2.5
