"""The conventions of physics.md §1, pinned: phase, key order, sign of a weight, axes, units."""

import re
from dataclasses import fields, is_dataclass
from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import BaseModel

from prism_photonics.calibration.calibration import designed_gain_A
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.row import bank_powers, bank_weights
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.lightpath.ring.saxmodel import ring
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.saxlib import sax

QUARTER_UM = 1.55 / 4


def test_a_longer_path_gains_phase():
    short, long = (complex(path(wl=1.55, opl_um=length)["o1", "o2"]) for length in (100.0, 100.0 + QUARTER_UM))
    assert np.angle(long / short) == pytest.approx(np.pi / 2)


def test_a_shorter_wavelength_gains_phase():
    red, blue = (complex(path(wl=wl, opl_um=100.0, gpl_um=100.0)["o1", "o2"]) for wl in (1.55, 1.549))
    assert np.angle(blue / red) == pytest.approx(2 * np.pi * 100 * (1 / 1.549 - 1 / 1.55))


def test_a_rings_drop_lags_its_through_by_the_coupled_field_s_quarter_twice():
    """κ enters as jκ, so at resonance the dropped field has the sign −1, half a turn later: e^{jφ/2} with φ = 2πm."""
    even = ring(wl=1.55, opl_um=160 * 1.55, gpl_um=300.0, t1=0.98, t2=0.98)
    assert complex(even["o1", "o3"]) == pytest.approx(-1, abs=1e-9)


def test_sax_keys_are_in_port_then_out_port():
    def isolator(*, wl=1.55):
        one = jnp.ones_like(jnp.asarray(wl), dtype=complex)
        return {("o1", "o2"): one, ("o2", "o1"): 0 * one}

    netlist = {
        "instances": {"a": "path", "b": "isolator"},
        "connections": {"a,o2": "b,o1"},
        "ports": {"in": "a,o1", "out": "b,o2"},
    }
    s = strict_circuit(netlist, {"path": path, "isolator": isolator})(wl=1.55)
    assert abs(s["in", "out"]) == pytest.approx(1)
    assert abs(s["out", "in"]) == pytest.approx(0)


def test_optical_ports_are_o1_to_o4_with_the_drop_against_the_input():
    s = ring(wl=1.55, opl_um=160 * 1.55, gpl_um=300.0, t1=0.98, t2=0.98)
    assert {port for key in s for port in key} == {"o1", "o2", "o3", "o4"}
    # West in, west out: o1 and o3 are the west ends.
    assert abs(s["o1", "o3"]) ** 2 == pytest.approx(1, abs=1e-9)
    assert ("o1", "o4") not in s


def test_a_weight_is_through_minus_drop_and_runs_from_minus_one_to_one(small):
    bank = designed_bank(small)
    # The first row near its resonances (27 pm above the channels, 8 pm/V), the second far from them.
    volts = jnp.asarray([[-3.3] * 3, [10.0] * 3])
    through, drop = bank_powers(bank, volts)
    weights = np.asarray(bank_weights(bank, volts))
    assert weights == pytest.approx(np.asarray(through - drop), abs=1e-14)
    assert -1 <= weights.min() < 0 < weights.max() <= 1


def test_a_bank_is_rows_by_rings_and_a_query_one_number_per_channel(small):
    bank = designed_bank(small)
    weights = bank_weights(bank, jnp.zeros((small.chip.rows, small.chip.channels)))
    assert weights.shape == (2, 3)
    assert (weights @ jnp.ones(small.chip.channels)).shape == (2,)


def test_wavelengths_are_micrometres_and_ascend_with_the_channel(demo):
    wl = np.asarray(designed_bank(demo).wl_um)
    assert (wl > 1.4).all()
    assert (wl < 1.7).all()
    assert (np.diff(wl) > 0).all()
    assert sax.get_settings(path)["wl"] == 1.55


def test_currents_are_amperes(demo):
    # 3 dBm, −3 −2 −9.6 −1 dB: a few hundredths of a milliwatt at 0.6 A/W.
    assert np.asarray(designed_gain_A(demo)) == pytest.approx(np.full((8, 1, 8), 3e-5), rel=0.3)


UNITS = (
    r"_([unp]m|deg|dBm?|dB_cm|dB_Hz|V|V_um|V_cm|pm_V|pm_V2|pm_K|[mun]?A|A_W|p?A_rtHz|W|K|ohm|[kMGT]?Hz|rad|bits"
    r"|[un]?s|lsb|mW|mW_nm|uW_ring|pm_rthour|fF|fJ_step|pJ_(symbol|row|bit))$"
)
# Ratios and counts go bare.
BARE = {
    "spacing_linewidths",
    "euler_p",
    "cosine",
    "slope_relative",
    "crosstalk_relative",
    "heater_crosstalk",
    "responsivity_relative",
    "splitter_imbalance",
    "loss_log",
    "weight_limit",
    "queries_per_program",
    "laser_wall_plug",
}


def numbers_of(table, prefix=""):
    """Names of all float fields below a pydantic model."""
    for name, field in table.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from numbers_of(kind, f"{prefix}{name}.")
        elif float in (kind, *get_args(kind)):
            yield f"{prefix}{name}"


def decimals_in(data, prefix=""):
    """Names of all float values in a spec's plain data: the second road to `numbers_of`."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from decimals_in(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            yield f"{prefix}{name}"


def has_unit(name):
    return re.search(UNITS, name) or name in BARE


def test_every_number_of_a_spec_carries_its_unit(demo, altered):
    names = list(numbers_of(type(demo)))
    # No number of a real chip is overlooked, in whatever table and with whatever annotation it stands.
    # Keys that are left out at their defaults are shown by other values.
    coloured = {"detector": {"tia_corner_kHz": 1.0, "tia_rise_GHz": 1.0}, "comb": {"rin_corner_kHz": 1.0}}
    whole = altered(
        demo,
        trim={"heater_crosstalk": 0.02},
        system={"ring_fF": 300.0},
        drive={"output_ohm": 50.0},
        coupler={"fibre_pitch_um": 250.0},
        waveguide={"euler_p": 0.3},
        ring={"euler_p": 0.3, "neck_um": 0.35},
        **coloured,
    )
    # A comb has one of two grids.
    hertz = {"first_wl_nm": None, "spacing_nm": None, "first_channel_THz": 193.4, "spacing_GHz": 100.0}
    seen = [decimals_in(spec.model_dump()) for spec in (whole, altered(demo, comb=hertz))]
    assert set(names) == set().union(*seen)
    assert {"comb.first_wl_nm", "detector.bandwidth_GHz", "drift.wander_pm_rthour", "system.tec_W"} <= set(names)
    assert [name for name in names if not has_unit(name.rpartition(".")[2])] == []


def test_every_length_of_a_design_is_in_micrometres(demo):
    designs = [demo.ring_designs[0], demo.coupler_design, demo.splitter_design, demo.comb_design, demo.detector_design]
    for design in designs:
        assert is_dataclass(design)
        names = [field.name for field in fields(design) if isinstance(getattr(design, field.name), float)]
        assert names
        assert [name for name in names if not has_unit(name)] == []
