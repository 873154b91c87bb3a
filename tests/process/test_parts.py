"""Parts are drawn as their simulation asks, and the simulation is right where others have the answer."""

import numpy as np
import pytest
from pydantic import ValidationError

from prism_photonics.process.kits import load_kit
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.parts import load_parts
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.process.solver.matching import sections, slice_modes
from prism_photonics.process.solver.mesh import Grid, Stack
from prism_photonics.process.solver.splitter import Sizes, best_length_um, section
from prism_photonics.process.solver.tables import stack_of
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.examples import example_names
from prism_photonics.units import InputError

COARSE = Grid(near=0.14, growth=0.35, far=0.35, side=2.0, below=1.2, above=1.0)
RIB = Stack(thickness_um=0.6, etch_um=0.5, width_um=1.4, wall_deg=70.0)


def drawn(sizes, width_um: float) -> Sizes:
    total_um = sizes["mmi_length_um"] + 2.0 * sizes["taper_length_um"]
    return Sizes(sizes["mmi_width_um"], sizes["taper_width_um"], sizes["port_pitch_um"], width_um, total_um)


def loss_dB(found, length_um: float) -> float:
    return float(-10.0 * np.log10((np.abs(found.amplitude(length_um)) ** 2).sum()))


@pytest.mark.parametrize("film", profile_names())
def test_a_table_of_parts_is_for_the_films_own_cross_section(film):
    table, stack = load_parts(film).file, stack_of(load_profile(film))
    assert table.film == film
    assert table.provenance["stack"] == {
        "thickness_um": stack.thickness_um,
        "etch_um": stack.etch_um,
        "width_um": stack.width_um,
        "wall_deg": stack.wall_deg,
    }
    assert table.splitter.width_um == stack.width_um


@pytest.mark.parametrize("film", profile_names())
def test_todays_solver_finds_the_length_and_the_loss_of_the_table(film):
    parts, profile = load_parts(film), load_profile(film)
    sizes = drawn(parts.splitter_sizes, profile.film.rib_width_um.value)
    found = section(stack_of(profile), crystal_named(profile.crystal), 1.55, sizes, grid=COARSE)
    length_um = parts.splitter_sizes["mmi_length_um"]
    assert best_length_um(found, sizes) == pytest.approx(length_um, abs=0.3)
    assert loss_dB(found, length_um) == pytest.approx(parts.file.splitter.length_dB["+0"], abs=0.01)


def test_a_section_images_twice_where_its_first_two_even_modes_are_half_a_turn_apart():
    # L = 3·L_π/8 = λ/(2·(n_0 − n_2)): the textbook's parabola of indices, from which the section's departs by 2 %.
    sizes = drawn(load_parts("tfln600").splitter_sizes, 1.4)
    found = section(RIB, crystal_named("LiNbO3"), 1.55, sizes, grid=COARSE)
    assert best_length_um(found, sizes) == pytest.approx(1.55 / (2.0 * (found.n_eff[0] - found.n_eff[1])), rel=0.03)


def test_what_was_drawn_before_lost_most_of_the_light():
    before = Sizes(10.0, 3.2, 5.2, 1.4, 84.0)
    found = section(RIB, crystal_named("LiNbO3"), 1.55, before, grid=COARSE)
    assert loss_dB(found, 44.0) == pytest.approx(3.37, abs=0.1)
    assert best_length_um(found, before) == pytest.approx(64.8, abs=0.5)


def test_the_kits_splitter_is_as_long_as_light_along_crystal_y_asks_and_loses_what_the_kit_says():
    # 0.094 dB: |S21| = 0.6995 at 1550 nm of the kit's FDTD (Luxtelligence/lxt_pdk_gf, 1cea53e, lnoi400/data).
    profile, kit = load_profile("lnoi400"), load_kit("lnoi400").splitter.design
    sizes = Sizes(kit["mmi_width_um"], kit["taper_width_um"], kit["port_pitch_um"], 1.0, 40.0)
    along_y, along_z = (
        section(stack_of(profile), crystal_named("LiNbO3"), 1.55, sizes, angle_deg=angle) for angle in (0.0, 90.0)
    )
    assert best_length_um(along_y, sizes) == pytest.approx(kit["mmi_length_um"], rel=0.012)
    assert loss_dB(along_y, kit["mmi_length_um"]) == pytest.approx(0.094, abs=0.03)
    assert best_length_um(along_z, sizes) == pytest.approx(0.905 * kit["mmi_length_um"], rel=0.012)
    assert loss_dB(along_z, kit["mmi_length_um"]) == pytest.approx(0.60, abs=0.05)


def test_modes_of_a_slice_are_orthogonal_and_two_slices_pass_no_more_than_there_is():
    thin, wide = sections(RIB, COARSE, [[(0.0, 0.7)], [(0.0, 1.0)]])
    a, b = (slice_modes(s, crystal_named("LiNbO3"), 1.55, count=4) for s in (thin, wide))
    np.testing.assert_allclose(a.overlap(a), np.eye(4), atol=1e-7)
    np.testing.assert_allclose(a.overlap(b), b.overlap(a).T, atol=1e-12)
    assert np.linalg.svd(a.overlap(b), compute_uv=False).max() <= 1.0 + 1e-6
    assert (a.overlap(b)[0] ** 2).sum() == pytest.approx(1.0, abs=2e-2)


def test_walls_that_cross_above_the_slab_are_refused():
    with pytest.raises(ValueError, match="cross above the slab"):
        sections(RIB, COARSE, [[(0.0, 1.0)], [(1.1, 2.0)]])


@pytest.mark.parametrize("name", example_names())
def test_every_chip_is_drawn_with_its_films_splitter_or_its_kits(name):
    spec = load_spec(name)
    sizes = load_parts(spec.process).splitter_sizes if spec.kit is None else spec.kit.splitter.design
    for key, value in sizes.items():
        assert getattr(spec.splitter_design, key) == value


def test_a_spec_without_a_splitters_loss_takes_the_simulated_one_at_the_worst_line(demo: ChipSpec):
    data = demo.model_dump()
    del data["splitter"]
    spec, parts = ChipSpec.model_validate(data), load_parts("tfln600")
    each = [parts.splitter_loss_dB(wl) for wl in demo.comb_design.wl_um]
    assert spec.splitter.excess_loss_dB == max(each) > min(each)
    assert 0.0 < spec.splitter.excess_loss_dB < demo.splitter.excess_loss_dB


def test_a_spec_without_a_splitters_loss_is_refused_where_nobody_has_simulated_one(demo: ChipSpec):
    data = demo.model_dump()
    del data["splitter"]
    with pytest.raises(ValidationError, match=r"wl_um = 1\.4; want 1\.5 to 1\.6, .*give splitter\.excess_loss_dB"):
        ChipSpec.model_validate(data | {"comb": data["comb"] | {"first_wl_nm": 1400.0}})
    with pytest.raises(ValidationError, match="above the 1700 nm limit"):
        ChipSpec.model_validate(data | {"comb": data["comb"] | {"first_wl_nm": 1650.0, "spacing_nm": 20.0}})
    with pytest.raises(InputError, match="unknown profile 'tfln60'; did you mean 'tfln600'"):
        load_parts("tfln60")


def test_outside_its_wavelengths_a_table_refuses():
    parts = load_parts("tfln600")
    assert parts.splitter_loss_dB(1.55) == pytest.approx(parts.file.splitter.loss_dB[1], abs=1e-12)
    with pytest.raises(InputError, match=r"want 1\.5 to 1\.6"):
        parts.splitter_loss_dB(1.31)
