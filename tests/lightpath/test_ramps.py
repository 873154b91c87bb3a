"""Rings whose curvature grows along ramps: their curve, their couplers, what is tuned, and what is drawn of them."""

import importlib.util
import json
import math
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import kfactory as kf
import klayout.db as kdb
import numpy as np
import pytest
from scipy.integrate import quad

from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.params import ring_params
from prism_photonics.circuit.ring import Ring
from prism_photonics.layout.measure import measure_um
from prism_photonics.lightpath.defaults import default_settings
from prism_photonics.lightpath.ring.cell import ring
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.figures import free_spectral_range_um
from prism_photonics.lightpath.ring.heater import figures
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.lightpath.ring.place import (
    coupler_um,
    lobes_on_ramps,
    optical_lengths_um,
    resonance_um,
    tuned_share,
)
from prism_photonics.lightpath.ring.two_modes import ramp_coupler
from prism_photonics.lightpath.waveguide.design import Lengths, QuarterTurn
from prism_photonics.lightpath.waveguide.turned import quarter_turned
from prism_photonics.process.electrooptics import coverage, effective_pockels_pm_V, two_lobes
from prism_photonics.process.layers import LAYERS, Layer
from prism_photonics.process.modes import load_modes
from prism_photonics.process.polarization import unmixing_arm_um
from prism_photonics.process.profile import load_profile
from prism_photonics.process.second_mode import second_mode_table
from prism_photonics.units import InputError

FILM = load_profile("tfln600")
TABLE = second_mode_table("tfln600")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FINE = 50_000
TURNS = [QuarterTurn(40.4, 1.0, True), QuarterTurn(30.0, 0.5, True), QuarterTurn(30.3, 0.8), QuarterTurn(30.0, 1.0)]
RING = RingDesign(40.4, 0.5, 0.52, 0.52, 1.4, 170.0, 55.0, 5.4, 8.0, 9.4, 0.0, 1.0, 1.0)
SHAPES = [RING, replace(RING, cosine=0.0, euler_p=0.8, radius_um=30.3, arm_um=0.0, lobe_half_angle_deg=45.0)]
turns = pytest.mark.parametrize("turn", TURNS, ids=lambda one: f"{one.euler_p}{'c' * one.cosine}")
shapes = pytest.mark.parametrize("design", SHAPES, ids=["raised", "clothoid"])


def along(turn: QuarterTurn):
    """A fine curve by nothing but the turn's curvature: length, heading, place."""
    step = turn.length_um / FINE
    curvature = turn.curvature_1_um(FINE)
    heading = step * (np.cumsum(curvature) - 0.5 * curvature)
    steps = step * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return step * (np.arange(FINE) + 0.5), heading, np.cumsum(steps, axis=0) - 0.5 * steps


@turns
def test_a_turn_is_the_curve_of_its_curvature(turn):
    way, heading, places = along(turn)
    assert heading[-1] == pytest.approx(0.5 * math.pi, abs=1e-4)
    assert turn.curvature_1_um(FINE).max() == pytest.approx(1.0 / turn.least_radius_um, rel=1e-3)
    points, angle = turn.places_um(way[::500])
    assert angle == pytest.approx(heading[::500], abs=1e-6)
    assert points == pytest.approx(places[::500], abs=1e-5 * turn.radius_um)
    # It ends where the arc of its radius does.
    assert turn.points_um(1)[0][-1] == pytest.approx([turn.radius_um] * 2, rel=1e-9)
    for at in (2000, 20_000, 30_000, 48_000):
        assert turn.way_um(float(heading[at])) == pytest.approx(way[at], abs=1e-3)


def test_a_raised_cosine_turns_less_than_a_tenth_of_what_a_clothoid_as_long_turns():
    clothoid = QuarterTurn(40.4, 1.0)
    raised = QuarterTurn(40.4 * QuarterTurn(1.0, 1.0, True).radius_um, 1.0, True)
    assert raised.length_um == pytest.approx(clothoid.length_um, rel=0.03)
    assert quarter_turned(FILM, raised).mean < 0.1 * quarter_turned(FILM, clothoid).mean
    assert 4.0 * quarter_turned(FILM, raised).mean < 1e-4


def test_the_layout_pages_table_of_ramps_is_what_the_film_says():
    page = (Path(__file__).parents[2] / "docs" / "layout.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) µm \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) nm \|$", page, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["15", "18", "20", "22"]
    for least_um, clothoids, cosines, fsr_nm in (tuple(map(float, row)) for row in rows):
        linear, raised = (
            QuarterTurn(least_um / QuarterTurn(1.0, 1.0, kind).least_radius_um, 1.0, kind) for kind in (False, True)
        )
        for turn, told in ((linear, clothoids), (raised, cosines)):
            assert 400.0 * quarter_turned(FILM, turn).mean == pytest.approx(told, rel=0.05), turn
        arm_um = unmixing_arm_um(load_modes("tfln600"), 1.55, width_um=1.4, turn=raised)
        _, gpl_um = optical_lengths_um(FILM, Lengths(1.0, 2.0 * arm_um, 4.0 * raised.length_um))
        assert 1e3 * free_spectral_range_um(wl_um=1.55, gpl_um=gpl_um) == pytest.approx(fsr_nm, abs=0.051)


@turns
@pytest.mark.parametrize("straight_um", [0.0, 2.5])
def test_a_coupler_is_as_long_as_the_opening_gap_says(turn, straight_um):
    _, _, places = along(turn)
    decay_um = FILM.gap_law.decay_um
    side = np.trapezoid(np.exp(-places[:, 1] / decay_um), places[:, 0])
    assert coupler_um(turn, straight_um, decay_um) == pytest.approx(straight_um + 2.0 * side, rel=2e-3)


def test_a_long_clothoids_coupler_is_its_closed_form_and_a_short_ones_the_circles():
    turn, decay_um = QuarterTurn(37.4, 1.0), FILM.gap_law.decay_um
    closed = 2.0 * math.gamma(4.0 / 3.0) * (6.0 * turn.least_radius_um * turn.ramp_um * decay_um) ** (1.0 / 3.0)
    assert coupler_um(turn, 0.0, decay_um) == pytest.approx(closed, rel=1e-5)
    circle = math.sqrt(2.0 * math.pi * 37.4 * decay_um)
    for cosine in (False, True):
        assert coupler_um(QuarterTurn(37.4, 1e-5, cosine), 0.0, decay_um) == pytest.approx(circle, rel=2e-3)
    assert coupler_um(QuarterTurn(37.4), 0.0, decay_um) == circle


@turns
@pytest.mark.parametrize("lobe_deg", [20.0, 55.0, 90.0])
def test_the_tuned_share_is_the_integral_along_the_curve(turn, lobe_deg):
    way, heading, _ = along(turn)
    # The quarter from the arm's end on is the mirrored one: its heading is the normal's angle to crystal z.
    seen = np.array([effective_pockels_pm_V(a, FILM.tensor) for a in heading[::50]]) / FILM.tensor.r33_pm_V
    mirrored = np.array([effective_pockels_pm_V(-a, FILM.tensor) for a in heading[::50]]) / FILM.tensor.r33_pm_V
    inside = heading[::50] <= math.radians(lobe_deg)
    share = np.sum(0.5 * (seen + mirrored) * inside) * 50 * (way[1] - way[0]) / turn.length_um
    assert lobes_on_ramps(lobe_deg, turn, FILM.tensor) == pytest.approx(share, abs=2e-3)


def test_next_to_no_ramp_is_tuned_as_a_circle():
    share = lobes_on_ramps(48.5, QuarterTurn(20.0, 1e-4), FILM.tensor)
    assert share == pytest.approx(coverage(two_lobes(48.5), FILM.tensor), rel=1e-4)
    many = lobes_on_ramps(np.array([20.0, 48.5]), QuarterTurn(20.0, 0.5), FILM.tensor)
    assert many[1] == lobes_on_ramps(48.5, QuarterTurn(20.0, 0.5), FILM.tensor) > many[0]


def region(cell, layer: Layer) -> kdb.Region:
    return kdb.Region(cell.kdb_cell.begin_shapes_rec(cell.kcl.layer(*layer))).merged()


@shapes
def test_a_drawn_ring_is_its_design(design, request):
    cell = ring(design, kcl=kf.KCLayout(request.node.name))
    ribs, metal = region(cell, LAYERS.ridge), region(cell, LAYERS.metal1)
    loop = next(p for p in ribs.each() if p.holes() == 1)
    # The area of a closed rib is its width times its middle line.
    assert loop.area() / 1e6 / design.width_um == pytest.approx(design.length_um, rel=1e-4)
    said = asdict(design)
    measured = measure_um("ring", ribs, metal, said)
    assert len(measured) == 9
    for field, value in measured.items():
        assert value == pytest.approx(said[field], abs=1.1e-3), field
    # Lobes lie half the electrodes' gap from the middle line, all along: what is between them is that gap wide.
    lobes = [p.area() for p in metal.each()]
    assert len(lobes) == 4
    half_mm = kdb.Region(loop).sized(int(1e3 * (design.electrode_gap_um - design.width_um) / 2.0 - 3))
    assert (metal & half_mm).is_empty()


@shapes
def test_a_circuit_of_it_has_the_exact_rings_fields_traced_or_not(design):
    model, wl = device_models(FILM, loss_dB_cm=0.27)["ring"], np.linspace(1.549, 1.551, 11)
    exact = ring_fields(wl, ring_params(design, FILM, loss_dB_cm=0.27, xp=np), 0.0)

    def drop(settings):
        return model(wl=jnp.asarray(wl), **settings)["o1", "o3"]

    plain, traced = drop(asdict(design)), jax.jit(drop)(asdict(design))
    # The cell has half a pitch of bus on either side.
    stubs = 10.0 ** (-0.27 * 1e-4 * design.pitch_um / 20.0)
    assert np.abs(plain) == pytest.approx(stubs * np.abs(exact.drop), abs=1e-12)
    assert traced == pytest.approx(np.asarray(plain), abs=1e-11)


@pytest.mark.parametrize("field", ["euler_p", "cosine"])
def test_either_number_of_a_ramp_may_be_traced_alone(field):
    model, said = device_models(FILM, loss_dB_cm=0.27)["ring"], asdict(RING)

    def drop(value):
        return model(wl=1.5499, **said | {field: value})["o1", "o3"]

    assert jax.jit(drop)(said[field]) == pytest.approx(complex(drop(said[field])), abs=1e-11)


def test_a_voltage_asks_for_plain_ramps():
    model = device_models(FILM, loss_dB_cm=0.27)["ring"]
    assert model(**asdict(RING), volts_V=1.0)["o1", "o2"].shape == ()
    with pytest.raises(InputError, match="euler_p and cosine"):
        jax.jit(lambda p: model(**asdict(RING) | {"euler_p": p}, volts_V=1.0)["o1", "o2"])(1.0)


def test_a_ring_by_itself_has_its_turns():
    one = Ring(
        radius_um=40.4, straight_um=0.2, gap_through_um=0.52, gap_drop_um=0.52, arm_um=9.4, euler_p=1.0, cosine=True
    )
    assert one.design.quarter == QuarterTurn(40.4, 1.0, True)
    assert 25.0 < one.fwhm_pm < 50.0
    with pytest.raises(InputError, match=r"euler_p = 1\.5, want 0 \(arcs\) to 1"):
        Ring(euler_p=1.5)
    assert {"euler_p", "cosine"} <= default_settings(FILM)["ring"].keys()


def test_a_heater_lies_over_as_much_of_the_ring_as_its_angle_takes():
    design = replace(RING, heater_um=2.0)
    way_um = design.quarter.way_um(math.radians(30.0))
    o = FILM.optics
    gained, _ = quad(lambda s: math.sin(float(design.quarter.angle_rad(np.array([s]))[0])) ** 2, 0.0, way_um)
    along_x, along_y = o.thermal_along_x_pm_K.value, o.thermal_along_y_pm_K.value
    own = 2.0 * (way_um * along_x + gained * (along_y - along_x)) + design.straight_um * along_x
    found = figures(design, FILM, conductance_W_K_um=4e-6, rib_share=0.5)
    flowing = 1e-3 / (4e-6 * (2.0 * way_um + design.straight_um)) * 0.5
    assert found.shift_pm_mW > own / design.length_um * flowing
    assert found.rib_K_mW > flowing


def test_the_coupler_of_two_modes_is_lossless_alike_from_both_ends_and_that_of_the_law_where_one_is_left():
    turn, gaps = QuarterTurn(40.4, 1.0, True), np.array([0.45, 0.52])
    found = ramp_coupler(TABLE, FILM.gap_law, gap_um=gaps, turn=turn, straight_um=0.3, width_um=1.4)
    whole = np.concatenate(
        [
            np.concatenate([found.bus, found.over.swapaxes(-1, -2)], axis=-1),
            np.concatenate([found.over, found.ring], axis=-1),
        ],
        axis=-2,
    )
    assert np.abs(whole.conj().swapaxes(-1, -2) @ whole - np.eye(4)).max() < 1e-11
    assert np.abs(whole - whole.swapaxes(-1, -2)).max() < 1e-11
    law = np.sin(FILM.gap_law.at(gaps) * coupler_um(turn, 0.3, FILM.gap_law.decay_um)) ** 2
    assert np.abs(found.over[:, 0, 0]) ** 2 == pytest.approx(law, rel=0.05)
    # To the other mode next to nothing goes, where a circle of 20 µm gives it a quarter as much.
    assert (np.abs(found.over[:, 0, 1]) ** 2 < 2e-3 * law).all()
    one = ramp_coupler(TABLE, FILM.gap_law, gap_um=gaps[1], turn=turn, straight_um=0.3, width_um=1.4)
    assert one.over == pytest.approx(found.over[1], abs=1e-12)


def test_the_coupler_in_a_plane_is_what_waves_there_give():
    """The benchmark's own modes in place of the film's, against the kept powers of its finite differences."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("ramp_bus_waves", BENCHMARKS / "ramp_bus_waves.py")
        road = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(road)
    finally:
        sys.path.remove(str(BENCHMARKS))
    kept = json.loads((BENCHMARKS / "results" / "ramp_bus_waves.json").read_text(encoding="utf-8"))["rings"]
    for case, ring_kept in zip(road.RINGS, kept, strict=True):
        ours, waves = road.by_modes(case), ring_kept["waves"]
        like = np.diag(waves["over"])
        assert np.diag(ours["over"]) == pytest.approx(like, rel=0.2)
        assert ours["over"][0][1] == pytest.approx(waves["over"][0][1], abs=2e-3)
        assert ours["over"][1][0] == pytest.approx(waves["over"][1][0], abs=2e-4)
    # Of the shipped chip's turn what goes over is right to a hundredth.
    assert road.by_modes(road.RINGS[0])["over"][0][0] == pytest.approx(kept[0]["waves"]["over"][0][0], rel=0.01)


@shapes
def test_its_resonance_and_its_tuning_follow_from_its_lengths(design):
    length_um = 4.0 * design.quarter.length_um + 2.0 * (design.straight_um + design.arm_um)
    assert design.length_um == pytest.approx(length_um)
    found = resonance_um(FILM, design.lengths, near_um=1.55)
    assert abs(found - 1.55) < 2e-3
    turns_um = 4.0 * design.quarter.length_um * lobes_on_ramps(design.lobe_half_angle_deg, design.quarter, FILM.tensor)
    assert tuned_share(FILM, design) == pytest.approx((turns_um + 2.0 * design.arm_um) / length_um)
