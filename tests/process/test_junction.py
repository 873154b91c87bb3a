"""What a bend's beginning loses: nothing for a straight guide, and by its offset for a bend."""

import numpy as np
import pytest

from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.junction import junction
from prism_photonics.process.solver.mesh import Grid
from prism_photonics.process.solver.tables import stack_of

COARSE = Grid(near=0.14, growth=0.4, far=0.4, side=1.8, below=1.1, above=0.9)


def of(radius_um: float):
    profile = load_profile("tfln600")
    return junction(stack_of(profile), crystal_named(profile.crystal), 1.55, radius_um=radius_um, grid=COARSE)


def test_a_guide_that_hardly_bends_passes_all():
    assert of(1e5).passed == pytest.approx(1.0, abs=1e-6)


def test_half_the_radius_loses_four_times_as_much():
    # The modes' offset goes as 1/R, the loss as its square.
    near, far = of(30.0), of(60.0)
    assert near.loss_dB / far.loss_dB == pytest.approx(4.0, rel=0.05)
    assert near.loss_dB == pytest.approx(0.085, rel=0.05)
    assert near.n_eff > far.n_eff


def test_what_is_lost_is_what_a_bend_turns_to_the_next_mode():
    # First order: n²·(2/R)·⟨0|x|1⟩ over the difference of the squares of both indices, TE0 and TE1 of the solver;
    # ⟨0|x|1⟩ of a box as wide as the rib at half its etch is 16/9π² of the width.
    stack = stack_of(load_profile("tfln600"))
    first, second = 1.9896, 1.8383
    arm_um = 16.0 / (9.0 * np.pi**2) * (stack.width_um + stack.wall_um)
    turned = (2.0 * first**2 / 60.0 * arm_um / (first**2 - second**2)) ** 2
    assert 1.0 - of(60.0).passed == pytest.approx(turned, rel=0.3)
