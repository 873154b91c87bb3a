"""The mode solver is right where the answer is known, and stands by the tables that it wrote."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skfem import MeshTri

from prism_photonics.process.materials import LITHIUM_NIOBATE
from prism_photonics.process.modes import load_modes
from prism_photonics.process.solver.__main__ import lines
from prism_photonics.process.solver.bend import straightened
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import FILM, Grid, Stack, half_pair, rib
from prism_photonics.process.solver.optics import by_temperature, by_wavelength, film_axes, permittivity
from prism_photonics.process.solver.tables import TEMPERATURE_K, solve_rib

RIB = Stack(thickness_um=0.6, etch_um=0.5, width_um=1.4, wall_deg=70.0)
COARSE = Grid(near=0.1, growth=0.3, side=2.0, below=1.3, above=1.1)


def filled_guide(eps, *, nodes=9, near, wl=1.55, count=2):
    """A metal rectangle of 2 × 1 µm, filled with one material."""
    mesh = MeshTri.init_tensor(np.linspace(0.0, 2.0, 2 * nodes - 1), np.linspace(0.0, 1.0, nodes))
    problem = Problem(mesh)
    tensor = np.broadcast_to(np.asarray(eps)[:, :, None], (3, 3, mesh.nelements)).copy()
    return [mode.n_eff for mode in problem.solve(tensor, wl, near=near, count=count)]


def test_a_metal_rectangle_has_its_textbook_modes():
    # n² = ε − (λ/2a)² for TE10 and ε − (λ/a)² or ε − (λ/2b)² for the next two, equal here because a = 2b.
    eps = 4.0
    found = filled_guide(eps * np.eye(3), near=1.97, count=3)
    expected = [np.sqrt(eps - (1.55 / 4) ** 2)] + 2 * [np.sqrt(eps - (1.55 / 2) ** 2)]
    assert [n.real for n in found] == pytest.approx(expected, abs=2e-6)


def test_a_metal_rectangle_filled_with_a_crystal_sees_the_axis_along_its_field():
    # TE10's field stands along y alone, TE01's along x alone; the axis along the guide plays no part.
    found = filled_guide(np.diag([4.4, 4.0, 5.0]), near=1.97, count=3)
    te10, te01 = np.sqrt(4.0 - (1.55 / 4) ** 2), np.sqrt(4.4 - (1.55 / 2) ** 2)
    for expected in (te10, te01):
        assert min(abs(n.real - expected) for n in found) < 2e-6


def test_a_crystal_at_an_angle_keeps_a_lossless_guide_lossless_and_symmetric():
    section = rib(RIB, COARSE)
    problem = Problem(section.mesh)
    found = []
    for angle in (30.0, -30.0):
        eps = permittivity(section, LITHIUM_NIOBATE, 1.55, angle_deg=angle, temperature_K=TEMPERATURE_K)
        found.append(problem.solve(eps, 1.55, near=2.2, count=2)[0].n_eff)
    assert abs(found[0].imag) < 1e-12
    assert found[0].real == pytest.approx(found[1].real, abs=1e-10)


@pytest.mark.parametrize("cross", [0.0, 0.3, 0.9])
def test_between_metal_plates_a_tilted_crystal_has_its_exact_modes(cross):
    # Plates at x = 0 and a, nothing changing along y. With d = ε_xx·ε_ll − ε_xl² the plane waves obey
    # ε_xx·(k_x + ε_xl·k_l/ε_xx)² + d/ε_xx·k_l² = d·k0², and the plates ask for mπ/a in the bracket.
    across, along, wl, a = 4.7, 4.4, 1.55, 1.0
    mesh = MeshTri.init_tensor(np.linspace(0.0, a, 17), np.linspace(0.0, 0.3, 3))
    problem = Problem(mesh)
    plates = mesh.facets_satisfying(lambda x: (x[0] < 1e-9) | (x[0] > a - 1e-9))
    held = np.concatenate([problem.t.get_dofs(plates).all(), problem.t.N + problem.z.get_dofs(plates).all()])
    problem.free = np.setdiff1d(np.arange(problem.t.N + problem.z.N), held)
    tensor = np.array([[across, 0.0, cross], [0.0, 4.0, 0.0], [cross, 0.0, along]])
    eps = np.broadcast_to(tensor[:, :, None], (3, 3, mesh.nelements)).copy()
    determinant = across * along - cross**2
    for m in (0, 1):
        n = np.sqrt(across - across**2 * (m * wl / (2 * a)) ** 2 / determinant)
        found = problem.solve(eps, wl, near=n + 0.003, count=3)
        assert min(abs(mode.n_eff - n) for mode in found) < 3e-6


def test_turning_the_crystal_by_a_right_angle_swaps_its_axes():
    assert film_axes((4.9, 4.6), 0.0) == pytest.approx(np.diag([4.6, 4.9, 4.9]))
    assert film_axes((4.9, 4.6), 90.0) == pytest.approx(np.diag([4.9, 4.9, 4.6]))
    assert np.linalg.eigvalsh(film_axes((4.9, 4.6), 33.0)) == pytest.approx([4.6, 4.9, 4.9])


def test_the_group_index_and_the_thermal_slope_are_finite_differences_of_the_index():
    def index(wl=1.55, temperature_K=TEMPERATURE_K):
        section = rib(RIB, COARSE)
        eps = permittivity(section, LITHIUM_NIOBATE, wl, angle_deg=0.0, temperature_K=temperature_K)
        return Problem(section.mesh).solve(eps, wl, near=2.2, count=2)[0].n_eff.real

    solved = solve_rib(rib(RIB, COARSE), LITHIUM_NIOBATE, 1.55, 0.0, with_tm=False)["TE"]
    by_wl = (index(wl=1.551) - index(wl=1.549)) / 0.002
    assert index() - 1.55 * by_wl == pytest.approx(solved["n_g"], abs=1e-5)
    by_temperature = (index(temperature_K=305.0) - index(temperature_K=295.0)) / 10.0
    assert by_temperature == pytest.approx(solved["dn_dT"], rel=1e-4)


def test_along_x_a_third_of_the_thermal_shift_comes_from_the_field_along_the_guide():
    section, at = rib(RIB, COARSE), {"angle_deg": 90.0, "temperature_K": TEMPERATURE_K}
    problem, eps = Problem(section.mesh), permittivity(section, LITHIUM_NIOBATE, 1.55, **at)
    mode = problem.solve(eps, 1.55, near=2.2, count=2)[0]
    warm = by_temperature(section, LITHIUM_NIOBATE, 1.55, **at)
    pm_K = 1.55e6 / problem.group_index(mode, eps, by_wavelength(section, LITHIUM_NIOBATE, 1.55, **at), 1.55)
    along = warm * np.diag([0.0, 0.0, 1.0])[:, :, None] * (section.material == FILM)
    whole, part = (pm_K * problem.slope(mode, problem.permittivity(change)) for change in (warm, along))
    assert whole == pytest.approx(load_modes("tfln600").thermal_pm_K(90.0), rel=0.01)
    assert whole - part == pytest.approx(2.5, rel=0.15)


def test_a_coarse_solve_meets_the_committed_table():
    solved = solve_rib(rib(RIB, COARSE), LITHIUM_NIOBATE, 1.55, 0.0, with_tm=True)
    table = load_modes("tfln600")
    for polarization in ("TE", "TM"):
        at = {"angle_deg": 0.0, "polarization": polarization}
        assert solved[polarization]["n_eff"] == pytest.approx(table.n_eff(1.4, 1.55, **at), abs=2e-4)
        assert solved[polarization]["n_g"] == pytest.approx(table.n_g(1.4, 1.55, **at), abs=5e-4)


def test_the_mesh_holds_the_ribs_area_and_its_walls():
    section = rib(RIB, COARSE)
    p, t = section.mesh.p, section.mesh.t
    (x1, y1), (x2, y2), (x3, y3) = p[:, t[0]], p[:, t[1]], p[:, t[2]]
    area = 0.5 * np.abs((x2 - x1) * (y3 - y1) - (x3 - x1) * (y2 - y1))
    edge = p[0].max()
    film = RIB.slab_um * 2 * edge + RIB.etch_um * (RIB.width_um + RIB.wall_um)
    assert area[section.material == FILM].sum() == pytest.approx(film, rel=1e-9)


def test_a_gap_whose_walls_meet_above_the_slab_is_refused():
    with pytest.raises(ValueError, match="closes above the slab"):
        half_pair(RIB, COARSE, 0.36)
    assert half_pair(replace(RIB, wall_deg=85.0), COARSE, 0.36).mesh.nelements > 0


def test_a_bend_of_huge_radius_is_straight_away_from_its_absorber():
    section = rib(RIB, COARSE, outer_um=6.0)
    eps = permittivity(section, LITHIUM_NIOBATE, 1.55, angle_deg=0.0, temperature_K=TEMPERATURE_K)
    bent, mu = straightened(section, eps, 1e9)
    inside = section.mesh.p[0][section.mesh.t].mean(axis=0) < section.mesh.p[0].max() - 3.0
    assert bent[:, :, inside] == pytest.approx(eps[:, :, inside], rel=1e-6)
    assert mu[:, :, inside] == pytest.approx(np.broadcast_to(np.eye(3)[:, :, None], (3, 3, inside.sum())), rel=1e-6)
    assert np.imag(bent[2, 2, ~inside]).max() > 1.0


def test_a_tables_text_holds_what_it_was_given():
    value = {"a": [[[0.1, 2.0], [3.0, 4.0]]], "b": {"c": "x", "d": [1.5] * 60}, "e": []}
    assert json.loads(lines(value)) == value
