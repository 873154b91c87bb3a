"""The exact row in TE0 and TE1: laws, a second road from ring to ring, slopes, and what a drawn chip has of it."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from prism_photonics.circuit.designed_second_mode import designed_second_mode
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.polarized import dropped_alone, exit_powers, polarized_fields, prepare_polarized_row
from prism_photonics.circuit.prepared_polarized import balanced, balanced_alone, balanced_and_slopes
from prism_photonics.circuit.reflecting import EndReflectors, RowReflections, end_reflectors
from prism_photonics.lightpath.ring.backscatter import Backscatter
from prism_photonics.lightpath.ring.mixing import polarized_ports
from prism_photonics.lightpath.ring.second_mode import second_mode_half_turn
from prism_photonics.lightpath.waveguide.model import PathParams, transmission

FIELDS = ("through", "drop", "reflected")


def first_row(leaves):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[0, 0], leaves)


@pytest.fixture(scope="module")
def row(small_circles):
    """The first row of a small chip as drawn, its TE1 beside it; some things reflect."""
    bank, second = designed_bank(small_circles, xp=np), designed_second_mode(small_circles)
    rings, buses, second = first_row(bank.rings), first_row(bank.buses), first_row(second)
    count, rng = rings.t1.size, np.random.default_rng(3)
    scatter = rng.uniform(1.0, 30.0, count) * np.exp(1j * rng.uniform(0.0, 6.28, count))
    way = PathParams(*(rng.uniform(low, high, (4, 1)) for low, high in ((10, 500), (10, 600), (0.8, 1), (0, 6))),
                     np.full((4, 1), 1.55))  # fmt: skip
    ends = EndReflectors(way, rng.uniform(0.0, 0.5, (4, 1)), rng.uniform(0.0, 6.28, (4, 1)))
    wl = np.asarray(bank.wl_um)
    return (
        wl,
        rings,
        buses,
        rng.uniform(-20.0, 20.0, count),
        RowReflections(Backscatter(scatter, scatter.conj()), ends),
        second,
    )


def prepared(wl, rings, buses, reflections, second):
    return prepare_polarized_row(wl, rings, buses, reflections, second=second)


def test_a_row_with_loss_gives_out_less_than_it_takes_and_te1_comes_out(row):
    wl, rings, buses, shift_pm, reflections, second = row
    found = polarized_fields(prepared(wl, rings, buses, reflections, second), shift_pm)
    assert sum((np.abs(getattr(found, name)) ** 2).sum(-1) for name in FIELDS).max() < 1.0
    assert np.abs(found.through[..., 1]).max() > 0.01


def test_a_lossless_row_gives_out_exactly_what_it_takes_in(row):
    wl, rings, buses, shift_pm, _, second = row
    count = rings.t1.size
    one, bare = np.ones(count), np.ones((2, count + 1))
    of_rings = replace(second.rings, mode=replace(second.rings.mode, a=one))
    lit = replace(second, rings=of_rings, buses=replace(second.buses, amplitude=bare))
    # The drop bus's far end sends all back: nothing leaves by it.
    way = PathParams(*(np.full((4, 1), value) for value in (100.0, 120.0, 1.0, 0.3, 1.55)))
    ends = EndReflectors(way, np.array([[0.3], [0.2], [0.4], [1.0]]), np.full((4, 1), 0.7))
    nothing = Backscatter(np.full(count, 9.0 + 4.0j), np.full(count, 9.0 - 4.0j))
    found = polarized_fields(
        prepared(wl, replace(rings, a=one), replace(buses, amplitude=bare), RowReflections(nothing, ends), lit),
        shift_pm,
    )
    total = sum((np.abs(getattr(found, name)) ** 2).sum(-1) for name in FIELDS)
    assert total == pytest.approx(np.ones(wl.size), abs=1e-10)


def test_without_reflections_it_is_what_ring_after_ring_passes(row):
    """A second road: the waves of both modes on both buses in one linear system."""
    wl, rings, buses, shift_pm, _, second = row
    count = rings.t1.size
    nothing = RowReflections(
        Backscatter(np.zeros(count) + 0j, np.zeros(count) + 0j), end_reflectors(np.zeros(4), np.zeros(4))
    )
    ours = polarized_fields(prepared(wl, rings, buses, nothing, second), shift_pm)
    segments = np.stack([transmission(wl[:, None, None], part) for part in (buses, second.buses)], axis=-1)
    for n, one_wl in enumerate(wl):
        half = second_mode_half_turn(one_wl, rings, second.rings, shift_pm)
        ports = polarized_ports(half, second.rings.through, second.rings.drop)
        along = segments[n][..., None] * np.eye(2)
        system, light = np.eye(4 * count, dtype=complex), np.zeros(4 * count, dtype=complex)
        east, west = (lambda j: slice(2 * j, 2 * j + 2)), (lambda j: slice(2 * (count + j), 2 * (count + j) + 2))
        light[east(0)] = along[0][0] @ [1.0, 0.0]
        back = ports.drop.swapaxes(-1, -2)
        for j in range(count - 1):
            system[east(j + 1), east(j)] -= along[0][j + 1] @ ports.through[j]
            system[east(j + 1), west(j)] -= along[0][j + 1] @ back[j]
            system[west(j), east(j + 1)] -= along[1][j + 1] @ ports.drop[j + 1]
            system[west(j), west(j + 1)] -= along[1][j + 1] @ ports.drop_bus[j + 1]
        x = np.linalg.solve(system, light)
        through = along[0][count] @ (ports.through[-1] @ x[east(count - 1)] + back[-1] @ x[west(count - 1)])
        drop = along[1][0] @ (ports.drop[0] @ x[east(0)] + ports.drop_bus[0] @ x[west(0)])
        assert np.abs(ours.through[n] - through).max() < 1e-10
        assert np.abs(ours.drop[n] - drop).max() < 1e-10


def test_slopes_are_those_of_finite_differences_and_a_ring_swept_alone_is_the_row(row):
    wl, rings, buses, shift_pm, reflections, second = row
    ready, ratio = prepared(wl, rings, buses, reflections, second), np.asarray(0.97)
    value, slopes = balanced_and_slopes(ready, shift_pm, ratio)
    assert value == pytest.approx(balanced(ready, shift_pm, ratio), abs=1e-12)
    for j in range(shift_pm.size):
        step = 1e-3 * (np.arange(shift_pm.size) == j)
        found = (balanced(ready, shift_pm + step, ratio) - balanced(ready, shift_pm - step, ratio)) / 2e-3
        assert np.abs(slopes[j] - found).max() < 1e-6 * np.abs(slopes).max()
    swept = shift_pm + np.array([[-15.0], [0.0], [8.0]])
    alone = balanced_alone(ready, shift_pm, swept, ratio)
    for n, setting in enumerate(swept):
        for j in range(shift_pm.size):
            moved = np.where(np.arange(shift_pm.size) == j, setting, shift_pm)
            assert alone[n, j] == pytest.approx(balanced(ready, moved, ratio)[j], abs=1e-11)


def test_te1_at_the_exits_is_lost_unless_it_is_said_to_be_seen(row):
    wl, rings, buses, shift_pm, reflections, second = row
    ready = prepared(wl, rings, buses, reflections, second)
    assert second.detected == 0.0
    fields = polarized_fields(ready, shift_pm)
    for found, field in zip(exit_powers(ready, shift_pm)[0], (fields.through, fields.drop), strict=True):
        assert found == pytest.approx(np.abs(field[:, 0]) ** 2, abs=1e-14)
    assert dropped_alone(ready, shift_pm).max() <= 1.0


def test_a_chip_without_such_a_film_or_with_racetracks_has_none(small_circles, altered):
    assert (
        designed_second_mode(altered(small_circles, process="ltoi300", ring={"radius_um": 80.0, "pitch_um": 300.0}))
        is None
    )
    assert designed_second_mode(altered(small_circles, ring={"arm_um": 40.0, "pitch_um": 300.0})) is None
