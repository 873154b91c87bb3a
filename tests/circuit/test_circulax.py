"""A row in time against another simulator's: circulax, whose guides are delays and whose steps are its own.

The extra ``[circulax]`` brings it; ``make circulax`` runs this file in an environment of its own.
"""

import math
from typing import Any

import numpy as np
import pytest

from prism_photonics.circuit.row import row_response
from prism_photonics.circuit.transient import Receivers, transmit
from prism_photonics.lightpath.ring.model import RingParams, half_turn
from prism_photonics.lightpath.waveguide.model import PathParams, transmission
from prism_photonics.units import SPEED_OF_LIGHT_UM_S

# Warnings of the package's own dependencies.
pytestmark = [pytest.mark.circulax, pytest.mark.filterwarnings("ignore")]

WL, HALF_UM, STEPS, ROUNDS = 1.55, 146.0, 32, 3  # half a ring's group circumference; as many half turns to a symbol
STEP_S = HALF_UM / SPEED_OF_LIGHT_UM_S
SYMBOL_S, MODULATOR_HZ, DROP_RATIO = STEPS * STEP_S, 60e9, 0.9
GUIDES = np.array([[1, 2, 1, 1], [2, 1, 3, 1]])  # lengths of the buses' segments, in half turns
SHIFTS_PM = np.array([0.0, 25.0, 300.0])


@pytest.fixture(scope="module")
def circulax():
    return pytest.importorskip("circulax", reason="the extra [circulax] is not installed: make circulax")


@pytest.fixture(scope="module")
def row():
    """Three rings of one circumference on buses of whole half turns."""
    full = lambda value: np.full(3, value)  # noqa: E731
    rings = RingParams(
        full(0.985), full(0.985), full(0.998), full(159 * WL), full(2 * HALF_UM), full(0.0), full(0.0), full(0.0),
        full(WL),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    buses = PathParams(
        rng.uniform(100.0, 300.0, (2, 4)), GUIDES * HALF_UM, np.full((2, 4), 0.99), rng.uniform(0, 6, (2, 4)),
        np.full((2, 4), WL),
    )  # fmt: skip
    return rings, buses


@pytest.fixture(scope="module")
def light():
    return np.random.default_rng(3).uniform(0.0, 1.0, (6, 1))


def netlist(row):
    """Every guide a delay that keeps a share of the field and turns its phase; two couplers for each ring."""
    rings, buses = row
    passed = transmission(np.full((8, 1), WL), PathParams(*(leaf.reshape(8, 1) for leaf in vars(buses).values())))
    passed, half = passed.reshape(2, 4), np.asarray(half_turn(WL, rings, SHIFTS_PM))
    instances: dict[str, Any] = {name: {"component": name} for name in ("ground", "light", "dark")}
    instances |= {name: {"component": "exit"} for name in ("through", "drop")}
    nets: dict[str, Any] = {
        "light,p1": "through0,p1",
        "dark,p1": "drop3,p1",
        "through3,p2": "through,p1",
        "drop0,p2": "drop,p1",
    }
    nets["ground,p1"] = tuple(f"{name},p2" for name in ("light", "dark", "through", "drop"))

    def guide(name, field, steps):
        settings = {"real": float(field.real), "imaginary": float(field.imag), "delay_s": float(steps * STEP_S)}
        instances[name] = {"component": "guide", "settings": settings}

    for segment in range(4):
        guide(f"through{segment}", passed[0, segment], GUIDES[0, segment])
        guide(f"drop{segment}", passed[1, segment], GUIDES[1, segment])
    for ring in range(3):
        guide(f"down{ring}", half[ring], 1)
        guide(f"up{ring}", half[ring], 1)
        for place, t in (("near", rings.t1), ("far", rings.t2)):
            instances[f"{place}{ring}"] = {"component": "coupler", "settings": {"bar": float(t[ring])}}
        nets |= {
            f"through{ring},p2": f"near{ring},p1",
            f"up{ring},p2": f"near{ring},p2",
            f"near{ring},p3": f"through{ring + 1},p1",
            f"near{ring},p4": f"down{ring},p1",
            f"drop{ring + 1},p2": f"far{ring},p1",
            f"down{ring},p2": f"far{ring},p2",
            f"far{ring},p3": f"drop{ring},p1",
            f"far{ring},p4": f"up{ring},p1",
        }
    return {"instances": instances, "connections": nets}


def components(light):
    """Parts of the netlist, in circulax's manner: what a part sends on is a constraint, with a current to hold it."""
    import jax.numpy as jnp

    parts = pytest.importorskip("circulax.components.base_component")
    component, source = parts.component, parts.source
    volts = np.arcsin(np.sqrt(light[:, 0])) / (0.5 * math.pi)
    kept, begun = math.exp(-2.0 * math.pi * MODULATOR_HZ * SYMBOL_S), np.zeros(len(volts))
    for n in range(20 * len(volts)):
        begun[(n + 1) % len(volts)] = volts[n % len(volts)] + (begun[n % len(volts)] - volts[n % len(volts)]) * kept
    held, begun = jnp.asarray(volts), jnp.asarray(begun)

    @component(ports=("p1", "p2"), states=("sent",))
    def guide(signals, real: float = 1.0, imaginary: float = 0.0, delay_s: float = 1e-12):
        arrived = (real + 1j * imaginary) * signals.at_delay(delay_s).p1
        return {"p1": 0.0, "p2": signals.sent, "sent": signals.p2 - arrived}, {}

    @component(ports=("p1", "p2", "p3", "p4"), states=("along", "across"), holomorphic=True)
    def coupler(signals, bar: float = 0.9):
        cross = 1j * jnp.sqrt(1.0 - bar**2)
        along = signals.p3 - bar * signals.p1 - cross * signals.p2
        across = signals.p4 - cross * signals.p1 - bar * signals.p2
        return {"p1": 0.0, "p2": 0.0, "p3": signals.along, "p4": signals.across, "along": along, "across": across}, {}

    @source(ports=("p1", "p2"), states=("sent",))
    def lit(signals, t, full: float = 1.0):
        symbol = jnp.floor(t / SYMBOL_S)
        n = symbol.astype(int) % len(held)
        drive = held[n] + (begun[n] - held[n]) * jnp.exp(-2.0 * math.pi * MODULATOR_HZ * (t - symbol * SYMBOL_S))
        field = full * jnp.sin(0.5 * math.pi * drive)
        return {"p1": signals.sent, "p2": -signals.sent, "sent": signals.p1 - signals.p2 - field}, {}

    @component(ports=("p1", "p2"), states=("sent",))
    def dark(signals, none: float = 0.0):
        return {"p1": signals.sent, "p2": -signals.sent, "sent": signals.p1 - signals.p2 - none}, {}

    @component(ports=("p1", "p2"))
    def leaving(signals, share: float = 1.0):
        field = share * (signals.p1 - signals.p2)
        return {"p1": field, "p2": -field}, {}

    return {"guide": guide, "coupler": coupler, "light": lit, "dark": dark, "exit": leaving, "ground": lambda: 0}


def test_currents_are_those_of_another_simulator_to_what_its_step_allows(circulax, row, light):
    import jax.numpy as jnp

    rings, buses = row

    def respond(wl):
        fields = row_response(wl, rings, buses, SHIFTS_PM)
        return np.asarray(fields.through), np.asarray(fields.drop)

    receivers = Receivers(MODULATOR_HZ, 1e24, 1e24, drop_ratio=DROP_RATIO)
    sent = transmit(light, np.array([WL]), respond, symbol_s=SYMBOL_S, receivers=receivers, samples=32 * STEPS)
    # Held from step to step, a modulator has moved by one step when a symbol begins.
    ours = np.roll(sent.current, 1)[::32]
    circuit = circulax.compile_circuit(netlist(row), components(light), is_complex=True)
    round_s = len(light) * SYMBOL_S
    at_s = (ROUNDS - 1) * round_s + STEP_S * np.arange(len(light) * STEPS)

    def missed(finer):
        """Largest difference over the currents' range; by the last round what the start left has died away."""
        found = circuit.transient(
            t0=0.0, t1=ROUNDS * round_s, dt0=STEP_S / finer, saveat=jnp.asarray(at_s),
            max_steps=int(ROUNDS * len(light) * STEPS * finer) + 10,
        )  # fmt: skip
        through, drop = (np.asarray(circuit.port(found.ys, port)) for port in ("through,p1", "drop,p1"))
        return np.abs(abs(through) ** 2 - DROP_RATIO * abs(drop) ** 2 - ours).max() / np.ptp(ours)

    # Every delay is a whole number of half turns; between other steps circulax draws straight lines.
    assert missed(1.0) < 0.001
    coarse, fine = missed(1.7), missed(3.4)
    assert coarse < 0.04
    assert fine < 0.7 * coarse
