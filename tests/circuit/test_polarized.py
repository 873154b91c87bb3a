"""The exact row in two polarisations: laws, the row of one as its limit, and a second road from ring to ring."""

from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest

from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.polarized import (
    PolarizedFields,
    TwoPolarizations,
    dropped_alone,
    exit_powers,
    polarized_fields,
    prepare_polarized_row,
)
from prism_photonics.circuit.prepared_reflecting import exit_powers as one_polarization
from prism_photonics.circuit.prepared_reflecting import prepare_reflecting_row
from prism_photonics.circuit.reflecting import EndReflectors, RowReflections, end_reflectors, reflecting_row
from prism_photonics.lightpath.ring.backscatter import Backscatter
from prism_photonics.lightpath.ring.mixing import polarized_ports
from prism_photonics.lightpath.ring.polarization import SecondPolarization, polarized_half_turn
from prism_photonics.lightpath.waveguide.model import PathParams, transmission

COUNT = 4
FIELDS = ("through", "drop", "reflected")


@pytest.fixture(scope="module")
def row(random_row):
    """A random row of four rings with everything that reflects, and TM's random rings and buses beside it."""
    wl, rings, buses, shift_pm = jax.tree.map(np.asarray, random_row(COUNT, points=10))
    _, tm, tm_buses, _ = jax.tree.map(np.asarray, random_row(COUNT, seed=9))
    rng = np.random.default_rng(3)
    scatter = rng.uniform(1.0, 30.0, COUNT) * np.exp(1j * rng.uniform(0.0, 6.28, COUNT))
    way = PathParams(*(rng.uniform(low, high, (4, 1)) for low, high in ((10, 500), (10, 600), (0.8, 1), (0, 6))),
                     np.full((4, 1), 1.55))  # fmt: skip
    ends = EndReflectors(way, rng.uniform(0.0, 0.5, (4, 1)), rng.uniform(0.0, 6.28, (4, 1)))
    reflections = RowReflections(Backscatter(scatter, scatter.conj()), ends)
    second = TwoPolarizations(SecondPolarization(tm, rng.uniform(0.05, 0.3, COUNT), np.full(COUNT, 0.35)), tm_buses)
    return wl, rings, buses, shift_pm, reflections, second


def solved(wl, rings, buses, shift_pm, reflections, second) -> PolarizedFields:
    return polarized_fields(prepare_polarized_row(wl, rings, buses, reflections, second=second), shift_pm)


def without_loss(row):
    wl, rings, buses, shift_pm, reflections, second = row
    one, bare = np.ones(COUNT), np.ones((2, COUNT + 1))
    rings = eqx.tree_at(lambda r: r.a, rings, one)
    buses = eqx.tree_at(lambda b: b.amplitude, buses, bare)
    second = eqx.tree_at(lambda s: (s.rings.tm.a, s.buses.amplitude), second, (one, bare))
    # Nothing leaves by the drop bus's far end either.
    amplitude = np.where(np.arange(4)[:, None] == 3, 1.0, reflections.ends.amplitude)
    ends = eqx.tree_at(lambda e: (e.way.amplitude, e.amplitude), reflections.ends, (np.ones((4, 1)), amplitude))
    return wl, rings, buses, shift_pm, RowReflections(reflections.backscatter, ends), second


def power(fields):
    return sum((np.abs(getattr(fields, name)) ** 2).sum(-1) for name in FIELDS)


def test_a_lossless_row_gives_out_exactly_the_power_that_it_takes_in(row):
    assert power(solved(*without_loss(row))) == pytest.approx(np.ones(row[0].size), abs=1e-10)


def test_a_row_with_loss_gives_out_less(row):
    assert power(solved(*row)).max() < 1.0


def test_without_conversion_it_is_the_row_of_te_and_no_tm_comes_out(row):
    wl, rings, buses, shift_pm, reflections, second = row
    still = eqx.tree_at(lambda s: s.rings.conversion_rad, second, np.zeros(COUNT))
    ours = solved(wl, rings, buses, shift_pm, reflections, still)
    plain = reflecting_row(wl, rings, buses, shift_pm=shift_pm, reflections=reflections)
    for name in FIELDS:
        te, tm = np.moveaxis(getattr(ours, name), -1, 0)
        assert np.abs(te - getattr(plain, name)).max() < 1e-11
        assert np.abs(tm).max() == 0.0


def test_without_reflections_a_row_is_what_ring_after_ring_passes_and_sends_to_the_drop_bus(row):
    """A second road: the waves that run east on the through bus and west on the drop bus, in one linear system."""
    wl, rings, buses, shift_pm, _, second = row
    nothing = RowReflections(
        Backscatter(np.zeros(COUNT) + 0j, np.zeros(COUNT) + 0j), end_reflectors(np.zeros(4), np.zeros(4))
    )
    ours = solved(wl, rings, buses, shift_pm, nothing, second)
    segments = np.stack([transmission(wl[:, None, None], part) for part in (buses, second.buses)], axis=-1)
    for n, one_wl in enumerate(wl):
        half = polarized_half_turn(one_wl, rings, second.rings, shift_pm)
        tm = second.rings.tm
        ports = polarized_ports(half, (rings.t1, tm.t1), (rings.t2, tm.t2))
        along = segments[n][..., None] * np.eye(2)
        # Unknowns: into each ring from the west on the through bus, and from the east on the drop bus.
        size = 4 * COUNT
        system, light = np.eye(size, dtype=complex), np.zeros(size, dtype=complex)
        east, west = (lambda j: slice(2 * j, 2 * j + 2)), (lambda j: slice(2 * (COUNT + j), 2 * (COUNT + j) + 2))
        light[east(0)] = along[0][0] @ [1.0, 0.0]
        back = ports.drop.swapaxes(-1, -2)
        for j in range(COUNT - 1):
            system[east(j + 1), east(j)] -= along[0][j + 1] @ ports.through[j]
            system[east(j + 1), west(j)] -= along[0][j + 1] @ back[j]
            system[west(j), east(j + 1)] -= along[1][j + 1] @ ports.drop[j + 1]
            system[west(j), west(j + 1)] -= along[1][j + 1] @ ports.drop_bus[j + 1]
        x = np.linalg.solve(system, light)
        through = along[0][COUNT] @ (ports.through[-1] @ x[east(COUNT - 1)] + back[-1] @ x[west(COUNT - 1)])
        drop = along[1][0] @ (ports.drop[0] @ x[east(0)] + ports.drop_bus[0] @ x[west(0)])
        assert np.abs(ours.through[n] - through).max() < 1e-10
        assert np.abs(ours.drop[n] - drop).max() < 1e-10
    assert np.abs(ours.through[:, 1]).max() > 0.01


def test_slopes_by_a_common_shift_are_those_of_te_alone_without_conversion(row):
    wl, rings, buses, shift_pm, reflections, second = row
    still = eqx.tree_at(lambda s: s.rings.conversion_rad, second, np.zeros(COUNT))
    ours = exit_powers(prepare_polarized_row(wl, rings, buses, reflections, second=still), shift_pm)
    plain = one_polarization(prepare_reflecting_row(wl, rings, buses, reflections), shift_pm)
    assert ours[0] == pytest.approx(plain[0], abs=1e-11)
    assert ours[1] == pytest.approx(plain[1], rel=1e-6, abs=1e-9)


def test_photodiodes_see_tm_or_do_not(row):
    prepared = prepare_polarized_row(*row[:3], row[4], second=row[5])
    fields = polarized_fields(prepared, row[3])
    blind = replace(prepared, detected=0.0)
    for seen, share in ((prepared, 1.0), (blind, 0.0)):
        powers, _ = exit_powers(seen, row[3])
        for found, field in zip(powers, (fields.through, fields.drop), strict=True):
            assert found == pytest.approx(np.abs(field[:, 0]) ** 2 + share * np.abs(field[:, 1]) ** 2, abs=1e-14)


def test_tm_of_a_drawn_chip_is_what_the_film_and_the_spec_say(small_circles, altered):
    two = designed_tm(small_circles)
    bank = designed_bank(small_circles, xp=np)
    assert two.rings.tm.t1.shape == bank.shape
    # The modes page: four percent a half turn at 20 µm, and a third of TE's tuning.
    assert np.sin(two.rings.conversion_rad) ** 2 == pytest.approx(np.full(bank.shape, 0.037), abs=0.005)
    assert 0.3 < two.rings.tuning_ratio.max() < 0.4
    assert (two.detected, designed_tm(altered(small_circles, detector={"tm": "lost"})).detected) == (1.0, 0.0)
    assert designed_tm(altered(small_circles, process="ltoi300", ring={"radius_um": 80.0, "pitch_um": 300.0})) is None


def test_a_ring_alone_hands_on_what_a_plain_one_does_without_conversion(row):
    wl, rings, buses, shift_pm, reflections, second = row
    still = eqx.tree_at(lambda s: s.rings.conversion_rad, second, np.zeros(COUNT))
    alone, mixed = (
        dropped_alone(prepare_polarized_row(wl, rings, buses, reflections, second=each), shift_pm)
        for each in (still, second)
    )
    assert 0.3 < alone.max() <= 1.0
    assert mixed.max() < alone.max()
