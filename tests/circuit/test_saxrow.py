"""SAX circuits that refuse what they do not know."""

import gc
import weakref

import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit import saxrow
from prism_photonics.circuit.saxrow import row_netlist, strict_circuit
from prism_photonics.lightpath.ring.saxmodel import ring
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.units import InputError

WL = jnp.asarray([1.549, 1.55])


@pytest.fixture(scope="module")
def circuit():
    return strict_circuit(row_netlist(2), {"ring": ring, "path": path})


def test_a_known_setting_changes_the_answer(circuit):
    resting, shifted = circuit(wl=WL), circuit(wl=WL, ring_1={"shift_pm": 50.0})
    assert np.abs(resting["in", "drop"] - shifted["in", "drop"]).max() > 1e-6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ring_1": {"shft_pm": 1.0}}, r"circuit\.ring_1: unknown setting 'shft_pm'; did you mean 'shift_pm'\?"),
        ({"rng_1": {"shift_pm": 1.0}}, r"circuit: unknown setting 'rng_1'; did you mean 'ring_1'\?"),
        ({"ring_0": {"t1": {"value": 0.9}}}, r"circuit\.ring_0\.t1: is a number"),
        ({"ring_0": 3.0}, r"circuit\.ring_0: is a group of settings"),
    ],
    ids=["setting", "instance", "group for a number", "number for a group"],
)
def test_a_setting_that_no_device_has_is_refused_and_the_nearest_named(circuit, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        circuit(wl=WL, **settings)
    assert "\n" not in str(caught.value)


def test_a_wavelength_may_be_given_to_the_whole_circuit(circuit):
    assert circuit(wl=WL)["in", "through"].shape == WL.shape


def test_the_other_exact_backend_agrees(random_row):
    wl = random_row(2)[0]
    answers = [
        strict_circuit(row_netlist(2), {"ring": ring, "path": path}, backend=backend)(wl=wl, ring_0={"t1": 0.95})
        for backend in ("klu", "filipsson_gunnar")
    ]
    for ports in (("in", "through"), ("in", "drop"), ("in", "far")):
        assert np.abs(answers[0][ports] - answers[1][ports]).max() < 1e-9


def test_a_circuit_outlives_whoever_forgets_it(random_row):
    """JAX may still be solving with KLU's analysis, which goes with the circuit."""
    wl = random_row(2)[0]
    circuit = strict_circuit(row_netlist(2), {"ring": ring, "path": path})
    analysed = weakref.ref(saxrow._KEPT[-1])
    answer = circuit(wl=wl)
    del circuit
    gc.collect()
    assert analysed() is not None
    assert np.isfinite(np.asarray(answer["in", "through"])).all()
