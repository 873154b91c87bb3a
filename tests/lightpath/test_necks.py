"""Necks of buses: what they take of either mode, that they are drawn, and that models and dies have them."""

from dataclasses import asdict, replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import kfactory as kf
import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.budget.link import link_budget
from prism_photonics.budget.ring_sizing import least_pitch_um
from prism_photonics.circuit.designed_second_mode import designed_second_mode
from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.cell import ring
from prism_photonics.lightpath.sizes import require_sizes
from prism_photonics.process.layers import LAYERS
from prism_photonics.process.necks import first_dB, neck
from prism_photonics.process.profile import load_profile
from prism_photonics.spec import load_spec
from prism_photonics.units import InputError

FILM = load_profile("tfln600")
CHIP = load_spec("demo_8x8")
RING = CHIP.ring_designs[0]


def test_a_narrower_neck_takes_more_of_the_second_mode_and_hardly_any_of_the_first():
    widths = (0.30, 0.35, 0.40, 0.50, 0.60)
    taken = [neck("tfln600", width) for width in widths]
    assert all(one.second_dB > other.second_dB for one, other in pairwise(taken))
    assert max(one.first_dB for one in taken) < 0.006
    assert neck("tfln600", 0.35).second_dB == pytest.approx(3.93, abs=0.01)
    assert neck("tfln600", 0.0) == neck("lnoi400", 0.0) == (0.0, 0.0)


def test_the_kept_table_is_what_its_solver_says_on_a_grid_half_as_fine():
    from prism_photonics.process.solver.necks import taken_dB

    first, second = taken_dB("tfln600", 1.55, 0.40, step_um=0.1, steps=60)
    assert second == pytest.approx(3.04, rel=0.12)
    assert first == pytest.approx(0.0031, rel=0.5)


def test_a_neck_that_no_table_has_is_refused():
    with pytest.raises(InputError, match=r"ring.neck_um = 0.2; want 0, or 0.3 to 0.6"):
        neck("tfln600", 0.2)
    with pytest.raises(InputError, match="no table of necks on film lnoi400, want 0"):
        neck("lnoi400", 0.35)
    with pytest.raises(InputError, match="the ring and the necks of its buses"):
        require_sizes("ring", replace(RING, pitch_um=150.0))
    with pytest.raises(InputError, match="the rib that it narrows"):
        require_sizes("ring", replace(RING, neck_um=1.5))


def test_a_spec_whose_necks_cannot_be_drawn_or_have_no_table_is_refused(altered):
    with pytest.raises(ValueError, match=r"ring.pitch_um = 150: a ring and the necks of its buses take 165.4 µm"):
        altered(CHIP, ring={"pitch_um": 150.0})
    with pytest.raises(ValueError, match=r"ring.neck_um = 1; want 0, or 0.3 to 0.6"):
        altered(CHIP, ring={"neck_um": 1.0})
    with pytest.raises(ValueError, match="no table of necks on film lnoi400, want 0"):
        altered(load_spec("demo_lnoi400"), ring={"neck_um": 0.4})
    assert least_pitch_um(CHIP, radius_um=42.5, straight_um=1.0) >= 2.0 * 42.5 + 82.0


def test_both_buses_narrow_on_either_side_of_the_ring(request):
    cell = ring(RING, kcl=kf.KCLayout(request.node.name))
    ribs = kdb.Region(cell.kdb_cell.begin_shapes_rec(cell.kcl.layer(*LAYERS.ridge))).merged()
    for x_um, wide_um in ((0.5, 1.4), (21.0, 0.35), (45.0, 1.4), (85.0, 1.4), (149.0, 0.35), (169.5, 1.4)):
        x = round(1e3 * x_um)
        cut = (kdb.Edges([kdb.Edge(x, -1000, x, 1000)]) & ribs).merged()
        assert sum(edge.length() for edge in cut.each()) == pytest.approx(1e3 * wide_um, abs=2), x_um
    plain = ring(replace(RING, neck_um=0.0), kcl=kf.KCLayout(request.node.name + "0"))
    boxes = [one.kdb_cell.dbbox() for one in (cell, plain)]
    assert boxes[0] == boxes[1]


def test_a_circuits_ring_loses_what_two_necks_take_traced_or_not():
    model = device_models(FILM, loss_dB_cm=0.27)["ring"]

    def through(settings):
        return jnp.abs(model(wl=1.549, **settings)["o1", "o2"]) ** 2

    with_necks, without = through(asdict(RING)), through(asdict(RING) | {"neck_um": 0.0})
    assert -10.0 * np.log10(with_necks / without) == pytest.approx(2.0 * neck("tfln600", 0.35).first_dB, rel=1e-9)
    assert jax.jit(through)(asdict(RING)) == pytest.approx(float(with_necks), rel=1e-12)
    assert first_dB("tfln600", 0.35) == neck("tfln600", 0.35).first_dB


def test_the_link_counts_them_and_a_bus_without_any_has_no_such_line(altered):
    told = {entry.element: entry.loss_dB for entry in link_budget(CHIP)}
    assert told["necks"] == pytest.approx(16.0 * neck("tfln600", 0.35).first_dB)
    without = {entry.element: entry.loss_dB for entry in link_budget(altered(CHIP, ring={"neck_um": 0.0}))}
    assert without == {element: loss for element, loss in told.items() if element != "necks"}


def test_a_bus_has_two_necks_between_rings_and_one_at_either_end(altered):
    plain = altered(CHIP, ring={"neck_um": 0.0})
    taken = neck("tfln600", 0.35)
    lost = [
        -20.0 * np.log10(np.asarray(one.buses.amplitude / other.buses.amplitude))[0, 0, 0]
        for one, other in (
            (designed_bank(CHIP, xp=np), designed_bank(plain, xp=np)),
            (designed_second_mode(CHIP), designed_second_mode(plain)),
        )
    ]
    necks = np.array([1.0, *[2.0] * 7, 1.0])
    assert lost[0] == pytest.approx(necks * taken.first_dB, rel=1e-9)
    assert lost[1] == pytest.approx(necks * taken.second_dB, rel=1e-9)
