"""The gap sweep among the test structures: five peaks at one fibre, each of a known ring."""

from dataclasses import asdict
from pathlib import Path

import jax.numpy as jnp
import klayout.db as kdb
import numpy as np
import pytest
from scipy.signal import find_peaks, peak_widths

from prism_photonics.budget.ring import ring_figures
from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.measure import measure_um
from prism_photonics.layout.teststructures import GAP_STEPS_UM, gap_sweep, length_sweep
from prism_photonics.layout.write import LayoutFiles, write_gds
from prism_photonics.lightpath.drawing import s_bend
from prism_photonics.lightpath.ring.figures import free_spectral_range_um
from prism_photonics.lightpath.ring.place import optical_lengths_um, resonance_um
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.lightpath.waveguide.turned import quarter_turned
from prism_photonics.process.bends import load_bends
from prism_photonics.process.layers import LAYERS, load_deck
from prism_photonics.saxlib import sax
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.geometry import euler_p, s_length_um, turn_radius_um
from prism_photonics.spec.structures import LENGTH_STEP_UM


def strip_of(gds: Path) -> tuple[kdb.Layout, kdb.Cell]:
    layout = kdb.Layout()
    layout.read(str(gds))
    return layout, layout.cell("tests")


def drawn_sizes(gds: Path, spec: ChipSpec) -> list[dict[str, float]]:
    """Sizes of the five rings as their polygons tell them, from west to east."""
    said = asdict(spec.ring_designs[0])
    layout, tests = strip_of(gds)
    placed = {str(inst.property(0)): inst for inst in tests.each_inst()}
    cells = [placed[f"gap_sweep_ring_{n}"].cell for n in range(len(GAP_STEPS_UM))]
    ribs, metals = (
        [kdb.Region(cell.begin_shapes_rec(layout.layer(*layer))).merged() for cell in cells]
        for layer in (LAYERS.ridge, LAYERS.metal1)
    )
    return [dict(measure_um("ring", rib, metal, said)) for rib, metal in zip(ribs, metals, strict=True)]


@pytest.mark.parametrize("name", ["bank_32x256", "circles_8x8", "demo_8x8", "lnoi400_8x8", "single_mode_8x8"])
def test_rings_of_the_length_sweep_lie_200_pm_apart_whatever_their_size(name: str):
    chip = load_spec(name)
    designs, near_um, found = length_sweep(chip), 1.55, []
    for design in designs:
        found.append(float(resonance_um(chip.profile, design.lengths, near_um=near_um)))
        near_um = found[-1] + LENGTH_STEP_UM
    # Straights lie on a grid of 1 nm: each of both is off by half of one at most, two rings by one.
    nm_pm = 1e6 * (found[1] - found[0]) / (1e3 * (designs[1].straight_um - designs[0].straight_um))
    assert 1e6 * np.diff(found) == pytest.approx(200.0, abs=nm_pm + 1.0)


def drop_spectrum(spec: ChipSpec, rings: list[dict[str, float]], wl: np.ndarray) -> np.ndarray:
    """Power at the drop port for unit power into the line, facets and the guides between rings left out."""
    # What no polygon of a ring's rib alone tells.
    design = spec.ring_designs[0]
    told = {key: getattr(design, key) for key in ("lobe_half_angle_deg", "euler_p", "cosine")} | {"heater_um": 0.0}
    instances = {f"ring_{n}": {"component": "ring", "settings": {**ring, **told}} for n, ring in enumerate(rings)}
    last = len(rings) - 1
    joints = {f"ring_{n},o2": f"ring_{n + 1},o1" for n in range(last)}
    joints |= {f"ring_{n},o4": f"ring_{n + 1},o3" for n in range(last)}
    ports = {"o1": "ring_0,o1", "o2": f"ring_{last},o2", "o3": "ring_0,o3", "o4": f"ring_{last},o4"}
    models = device_models(spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm)
    circuit = strict_circuit({"instances": instances, "connections": joints, "ports": ports}, models)
    return np.abs(np.asarray(sax.sdict(circuit(wl=jnp.asarray(wl)))["o1", "o3"])) ** 2


def fsr_um(spec: ChipSpec) -> float:
    """Free spectral range of the sweep's first ring."""
    _, gpl_um = optical_lengths_um(spec.profile, gap_sweep(spec)[0].lengths)
    return float(free_spectral_range_um(wl_um=1.55, gpl_um=gpl_um))


def test_the_five_rings_of_the_drawn_gap_sweep_are_told_apart_in_one_spectrum(files: LayoutFiles, spec: ChipSpec):
    rings, designs = drawn_sizes(files.gds, spec), gap_sweep(spec)
    fsr = fsr_um(spec)
    first = resonance_um(spec.profile, designs[0].lengths, near_um=1.55)
    wl = np.arange(first - fsr / 12.0, first + fsr * 11.0 / 12.0, 0.5e-6)
    power = drop_spectrum(spec, rings, wl)
    peaks, _ = find_peaks(power, prominence=0.1)
    assert len(peaks) == len(GAP_STEPS_UM)
    # In the order of the rings, a sixth of the range apart, with a sixth more before the next order begins.
    assert wl[peaks] == pytest.approx(first + fsr / 6.0 * np.arange(5), abs=0.02 * fsr)
    # The wider the gap, the narrower the line: each peak is the ring of its place.
    width_um = 0.5e-6 * peak_widths(power, peaks)[0]
    assert (np.diff(width_um) < 0.0).all()
    # Lines as wide as designed, and no nearer than a sixth of the range: circles, with twice the range, had 20 widths.
    assert width_um.max() == pytest.approx(1e-6 * ring_figures(spec).fwhm_pm, rel=0.05)
    assert np.diff(wl[peaks]).min() > max(0.95 * fsr / 6.0, 15.0 * width_um.max())
    for n, ring in enumerate(rings):
        alone = drop_spectrum(spec, [ring], wl)
        assert abs(wl[np.argmax(alone)] - wl[peaks[n]]) < 2e-6


def test_the_rings_differ_by_their_gaps_and_by_less_than_a_half_wave_of_straight(spec: ChipSpec):
    designs = gap_sweep(spec)
    gaps = np.array([(design.gap_through_um, design.gap_drop_um) for design in designs])
    assert gaps - gaps[0] == pytest.approx(np.outer(GAP_STEPS_UM, (1.0, 1.0)))
    straights = [design.straight_um for design in designs]
    assert 0.0 < straights[-1] - straights[0] < 0.4
    assert len({round(float(resonance_um(spec.profile, d.lengths, near_um=1.55)), 6) for d in length_sweep(spec)}) == 5


def test_all_rings_share_a_drop_bus_that_reaches_a_fibre_of_its_own(files: LayoutFiles):
    layout, tests = strip_of(files.gds)
    ribs = kdb.Region(tests.begin_shapes_rec(layout.layer(*LAYERS.ridge))).merged()
    at = {str(inst.property(0)): inst.dtrans.disp for inst in tests.each_inst()}
    assert at["gap_sweep_drop"].y - at["gap_sweep_in"].y == pytest.approx(127.0)
    assert at["gap_sweep_drop"].x == at["gap_sweep_in"].x

    def island(x: float, y: float) -> kdb.Region:
        point = kdb.Region(kdb.DBox(x - 0.05, y - 0.05, x + 0.05, y + 0.05).to_itype(layout.dbu))
        return ribs.interacting(point)

    drop = island(at["gap_sweep_drop"].x + 1.0, at["gap_sweep_drop"].y)
    assert drop.count() == 1
    for n in range(5):
        ring = next(inst for inst in tests.each_inst() if inst.property(0) == f"gap_sweep_ring_{n}")
        assert not (drop & kdb.Region(ring.bbox())).is_empty()
        assert (drop ^ island(ring.dbbox().left + 1.0, ring.dbbox().top - 4.7)).is_empty()
    through = island(at["gap_sweep_in"].x + 1.0, at["gap_sweep_in"].y)
    assert (through & drop).is_empty()
    assert (through ^ island(at["gap_sweep_out"].x - 1.0, at["gap_sweep_out"].y)).is_empty()


def test_on_a_film_of_wide_bends_the_drop_port_finds_its_way_too(layouts: Path, tmp_path: Path):
    spec = ChipSpec.from_toml(layouts / "demo_lnoi400" / "spec.toml")
    deck = load_deck(spec.process)
    gds = write_gds(draw(spec), tmp_path / "chip.gds", deck)
    assert run_drc(gds, deck=deck).sentences() == ()
    designs = gap_sweep(spec)
    near = [float(resonance_um(spec.profile, design.lengths, near_um=1.55)) for design in designs]
    fsr = fsr_um(spec)
    turns = np.mod(np.diff(near), fsr) / fsr
    assert turns == pytest.approx(np.full(4, 1.0 / 6.0), abs=0.02)


@pytest.mark.parametrize("euler_p", [0.0, 0.3])
@pytest.mark.parametrize("radius_um", [15.0, 30.0, 100.0])
@pytest.mark.parametrize("rise_um", [-150.0, -40.0, -0.2, 0.2, 3.3, 60.0, 83.0, 230.0])
def test_an_s_ends_at_its_rise_and_keeps_its_width(rise_um: float, radius_um: float, euler_p: float):
    length_um = s_length_um(rise_um, radius_um)
    rib, slab = s_bend((5.0, 7.0), rise_um, QuarterTurn(radius_um, euler_p), length_um=length_um, width_um=1.4)
    box = rib.bbox().to_dtype(1e-3)
    assert box.left == pytest.approx(5.0, abs=1e-3)
    assert box.width() == pytest.approx(length_um, abs=2e-3)
    assert box.height() == pytest.approx(abs(rise_um) + 1.4, abs=2e-3)
    assert rib.width_check(1398, False, kdb.Metrics.Euclidian, 80.0).is_empty()
    assert (rib - slab).is_empty()


@pytest.mark.parametrize("rise_um", [2.08, 10.0, 40.0])
def test_bends_of_test_structures_turn_next_to_no_light_to_other_modes(spec: ChipSpec, rise_um: float):
    # Was: arcs, of which each turned up to 0.7 dB, where the splitter that they lead to loses 0.04 dB.
    film, least = spec.profile, spec.waveguide.bend_radius_um
    for radius_um in (least, turn_radius_um(spec), spec.coupler.fibre_pitch_um / 2.0):
        turn = QuarterTurn(radius_um, euler_p(spec, radius_um))
        assert quarter_turned(film, turn).most < 4e-3, radius_um
        assert quarter_turned(film, QuarterTurn(radius_um)).most > 4e-3, radius_um
    length_um, steps = s_length_um(rise_um, least), 256
    u = (np.arange(steps) + 0.5) / steps
    curvature = 2.0 * np.pi * rise_um / length_um**2 * np.sin(2.0 * np.pi * u)
    assert load_bends(film.name).turned(curvature, length_um / steps, np).most < 4e-3
