"""The splitter as a beam in the film's plane is right where modes have the answer, and its slopes are exact."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from prism_photonics.process.materials import SILICA, crystal_named, sellmeier
from prism_photonics.process.modes import load_modes
from prism_photonics.process.parts import load_parts
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.beam import Matrix, Shape, guided, matrix
from prism_photonics.process.solver.mesh import Grid
from prism_photonics.process.solver.plane import Plane, planes, slab_index
from prism_photonics.process.solver.splitter import Sizes, best_length_um, section
from prism_photonics.process.solver.splitter_shape import Limits, improved, worst_and_slopes
from prism_photonics.process.solver.tables import stack_of
from prism_photonics.units import InputError

WIDTH_UM = 1.4
COARSE = Grid(near=0.14, growth=0.35, far=0.35, side=2.0, below=1.2, above=1.0)
BEFORE = Shape(10.0, 44.0, 3.2, 20.0, 5.2)  # drawn until it was simulated: 3.4 dB
STACK, CRYSTAL = stack_of(load_profile("tfln600")), crystal_named("LiNbO3")


@pytest.fixture(scope="module")
def film() -> Plane:
    return planes(STACK, CRYSTAL, (1.55,))


@pytest.fixture(scope="module")
def plane(film: Plane) -> Plane:
    return jax.tree.map(lambda leaf: leaf[0], film)


@pytest.fixture(scope="module")
def loss_and_slopes(film: Plane) -> Callable[[Shape], tuple[float, Shape]]:
    # What the search asks for; of one wavelength and one width the worst loss is the loss. JAX compiles it once.
    return partial(worst_and_slopes, film, width_um=WIDTH_UM, wider_um=jnp.zeros(1))


def drawn() -> Shape:
    sizes = load_parts("tfln600").splitter_sizes
    return Shape(*(sizes[name] for name in Shape._fields))


def dense(found: Matrix) -> np.ndarray:
    off = np.asarray(found.beside)
    return np.diag(np.asarray(found.diagonal)) + np.diag(off, 1) + np.diag(off, -1)


def judged(shape: Shape) -> tuple[float, float]:
    """Best length of the section and loss at the shape's own, by vectorial elements."""
    sizes = Sizes(shape.mmi_width_um, shape.taper_width_um, shape.port_pitch_um, WIDTH_UM, 84.0)
    found = section(STACK, CRYSTAL, 1.55, sizes, grid=COARSE)
    power = (np.abs(found.amplitude(shape.mmi_length_um)) ** 2).sum()
    return best_length_um(found, sizes), float(-10.0 * np.log10(power))


def test_a_slabs_wave_is_that_of_the_closed_equation_and_of_a_thick_film_the_films_own():
    # In oxide on both sides, half of it a mirror: tan(κh/2) = γ/κ.
    k, n = 2.0 * np.pi / 1.55, slab_index(0.6, 2.2, 1.444, 1.55)
    inside, beside = np.sqrt(2.2**2 - n**2), np.sqrt(n**2 - 1.444**2)
    assert np.tan(0.5 * k * inside * 0.6) == pytest.approx(beside / inside, rel=1e-9)
    assert slab_index(50.0, 2.2, 1.444, 1.55) == pytest.approx(2.2, abs=1e-4)


def test_the_plane_is_the_slabs_beside_a_rib_inside_it_and_half_way_down_its_wall(plane: Plane):
    n_e, oxide = float(sellmeier(1.55, CRYSTAL.extraordinary)), float(sellmeier(1.55, SILICA))
    edges_um = np.arange(0.0, 4.0, 0.001)
    found = np.asarray(plane.along.cells(jnp.asarray(edges_um), -1.0, 1.0))
    for at_um, height_um in ((0.5, 0.6), (1.0 + 0.5 * STACK.wall_um, 0.35), (3.0, 0.1)):
        n = found[int(at_um / 0.001)] ** 0.5
        assert n == pytest.approx(slab_index(height_um, n_e, oxide, 1.55), abs=2e-3)  # 300 K are not the Sellmeier's


def test_a_cell_holds_the_mean_of_what_lies_in_it(plane: Plane):
    fine, coarse = jnp.linspace(0.0, 4.0, 4001), jnp.linspace(0.0, 4.0, 41)
    for wall in (plane.across, plane.along):
        cells = wall.cells(fine, 0.813, 2.021).reshape(40, 100).mean(axis=1)
        np.testing.assert_allclose(wall.cells(coarse, 0.813, 2.021), cells, rtol=1e-9)


def test_a_guides_mode_is_one_of_its_matrix_and_its_index_the_mode_tables(plane: Plane):
    field, found = guided(plane, -0.7, 0.7), matrix(plane, -0.7, 0.7)
    value = float(field @ found.times(field))
    np.testing.assert_allclose(found.times(field), value * field, rtol=0.0, atol=1e-6 * value)
    n_eff = load_modes("tfln600").n_eff(WIDTH_UM, 1.55, angle_deg=90.0)
    assert np.sqrt(value) * 1.55 / (2.0 * np.pi) == pytest.approx(n_eff, abs=0.01)


def test_steps_along_the_section_pass_what_its_own_modes_do(plane: Plane, loss_and_slopes: Callable):
    # Another road: no steps and no Padé form, all modes of the section by their own constants; tapers of one width.
    shape = drawn()._replace(taper_width_um=WIDTH_UM, taper_length_um=0.0)
    values, modes = scipy.linalg.eigh(dense(matrix(plane, -4.0, 4.0)))
    start, out = (np.asarray(guided(plane, middle - 0.7, middle + 0.7)) for middle in (0.0, 2.08))
    along = np.exp(1j * np.emath.sqrt(values) * shape.mmi_length_um)
    passed = abs((out @ modes * along) @ (modes.T @ start)) ** 2
    assert loss_and_slopes(shape)[0] == pytest.approx(-10.0 * np.log10(passed), abs=0.02)


def test_slopes_are_those_of_central_differences(loss_and_slopes: Callable):
    shape, step_um = drawn()._replace(mmi_length_um=43.5), 1e-4
    _, slopes = loss_and_slopes(shape)
    for name in Shape._fields:
        up, down = (
            loss_and_slopes(shape._replace(**{name: getattr(shape, name) + by}))[0] for by in (step_um, -step_um)
        )
        assert getattr(slopes, name) == pytest.approx((up - down) / (2.0 * step_um), rel=1e-3, abs=1e-6)


def test_a_search_from_a_splitter_that_loses_half_ends_at_one_that_loses_nothing_by_vectorial_modes(film: Plane):
    found = improved(film, BEFORE, width_um=WIDTH_UM, wider_um=jnp.zeros(1))
    assert found.loss_dB[0] == pytest.approx(3.37, abs=0.1)  # tests/process/test_parts.py
    assert found.loss_dB[-1] < 0.01
    length_um, loss_dB = judged(found.shape)
    assert found.shape.mmi_length_um == pytest.approx(length_um, rel=0.02)
    assert loss_dB < 0.03
    inside = np.array([Limits().place(found.shape)]).T
    low, high = np.array(Limits().bounds).T[:, :, None]
    assert ((inside >= low - 1e-9) & (inside <= high + 1e-9)).all()
    total_um = found.shape.mmi_length_um + 2.0 * found.shape.taper_length_um
    assert total_um == pytest.approx(Limits().total_um, abs=1e-9)


def test_limits_that_the_window_cannot_hold_are_refused(film: Plane):
    wide = Limits(access_um=(1.6, 5.0))
    with pytest.raises(InputError, match=r"sections up to 14\.4 µm wide; want 11\.2 µm at most"):
        improved(film, drawn(), width_um=WIDTH_UM, wider_um=jnp.zeros(1), limits=wide)
