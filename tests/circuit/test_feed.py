"""Light from the fibre to the rows, where couplers and splitters reflect."""

import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.feed import Feed
from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.layout.simulate import drawn_rows
from prism_photonics.netlist import Cell, Netlist, from_spec

WL = np.linspace(1.549, 1.551, 5)


def part(s):
    """A SAX model of one matrix for all wavelengths."""
    ports = [f"o{n + 1}" for n in range(len(s))]

    def model(*, wl=1.55):
        ones = jnp.ones_like(jnp.asarray(wl, dtype=float))
        return {(b, a): s[i, j] * ones for i, b in enumerate(ports) for j, a in enumerate(ports)}

    return model


@pytest.fixture(scope="module")
def quad(demo, altered):
    """Four rows of two channels: a tree of two levels."""
    return altered(demo, name="quad", chip={"rows": 4, "channels": 2})


@pytest.fixture(scope="module")
def parts():
    """A splitter and a coupler that reflect, reciprocal and passive."""
    random = np.random.default_rng(4)

    def reciprocal(ports):
        u = np.linalg.qr(random.normal(size=(ports, ports)) + 1j * random.normal(size=(ports, ports)))[0]
        return 0.9 * u @ u.T

    return {"splitter": part(reciprocal(3)), "edge_coupler": part(reciprocal(2))}


def models(spec):
    return device_models(spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm)


def rows_by_sax(spec, parts):
    """The same from SAX: the tree's outputs are ports of the circuit, and so are matched."""
    netlist = from_spec(spec)
    chip = netlist.cells["chip"]
    feed = Cell(
        {name: chip.instances[name] for name in ("coupler", "tree")},
        frozenset((frozenset(("coupler,o2", "tree,o1")),)),
        {"o1": "coupler,o1"} | {f"o{n + 2}": f"tree,o{n + 2}" for n in range(spec.chip.rows)},
    )
    cells = Netlist({**netlist.cells, "chip": feed}).to_sax()
    for cell in cells.values():
        for instance in cell["instances"].values():
            if instance["component"] in parts:
                instance["settings"] = {}
    s = strict_circuit(cells, {**models(spec), **parts})(wl=WL)
    return {f"row_{n}": np.asarray(s["o1", f"o{n + 2}"]) for n in range(spec.chip.rows)}


def test_a_tree_of_reflecting_splitters_is_that_of_sax(quad, parts):
    ours = Feed(from_spec(quad), models(quad), WL, parts=parts).to_rows("chip")
    theirs = rows_by_sax(quad, parts)
    assert ours.keys() == theirs.keys()
    for row, field in theirs.items():
        np.testing.assert_allclose(ours[row], field, rtol=0.0, atol=1e-12, err_msg=row)


def test_splitters_that_reflect_make_the_rows_ripple_with_the_trees_length(quad, parts):
    wl = np.linspace(1.5495, 1.5505, 101)
    matched = Feed(from_spec(quad), models(quad), wl, parts={}).to_rows("chip")
    rippled = Feed(from_spec(quad), models(quad), wl, parts=parts).to_rows("chip")
    assert np.ptp(np.abs(matched["row_0"])) < 1e-12
    assert np.ptp(np.abs(rippled["row_0"])) > 0.1 * np.abs(rippled["row_0"]).mean()


def test_no_more_light_reaches_the_rows_than_the_fibre_gives(quad, parts):
    rows = Feed(from_spec(quad), models(quad), WL, parts=parts).to_rows("chip")
    assert np.all(sum(np.abs(field) ** 2 for field in rows.values()) <= 1.0)


def test_each_bank_has_its_own_fibre_and_its_own_echoes(two_bus, parts):
    feed = Feed(from_spec(two_bus), models(two_bus), WL, parts=parts)
    first, second = (feed.to_rows(bank) for bank in ("bank_0", "bank_1"))
    assert first.keys() == second.keys() == {f"row_{n}" for n in range(two_bus.chip.rows)}
    assert np.abs(first["row_0"] - second["row_0"]).max() > 1e-3  # their leads differ in length


def test_a_drawn_chip_is_simulated_with_a_simulated_splitter(quad, parts):
    asked = {"loss_dB_cm": quad.waveguide.loss_dB_cm, "wl": np.asarray(quad.comb_design.wl_um)}
    asked["shift_pm"] = np.zeros((quad.chip.rows, quad.chip.rings))
    (plain,), (reflecting,) = (drawn_rows(from_spec(quad), quad.profile, **asked, parts=given) for given in ({}, parts))
    np.testing.assert_array_equal(plain.weights, reflecting.weights)
    assert np.abs(plain.arriving - reflecting.arriving).max() > 1e-2
