"""What a die's film makes of the light that bends turn to TM."""

import json
from pathlib import Path

import numpy as np
import pytest

from prism_photonics.chip.fabricate import DieShift, draw_die, full_die, resonance_key
from prism_photonics.chip.film_field import film_errors_nm
from prism_photonics.chip.truth import FullTruth
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.lightpath.ring.polarization import SecondPolarization
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.modes import Polarization, load_modes
from prism_photonics.process.polarization import (
    APART_PER_NM,
    TM_THICKNESS_PM_NM,
    bend_coupling_per_um,
    conversion_on_film_rad,
    half_turn_conversion_rad,
)
from prism_photonics.seeds import die_key
from prism_photonics.spec import load_spec

TURN, ARM_UM = QuarterTurn(40.4, 1.0, True), 9.4
MODES: tuple[Polarization, ...] = ("TE", "TM")
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
WL_UM = np.array([1.5485, 1.55, 1.5515])


@pytest.fixture(scope="module")
def table():
    return load_modes("tfln600")


def designed_rad(spec):
    designed = designed_tm(spec)
    assert designed is not None
    assert isinstance(designed.rings, SecondPolarization)
    return designed.rings.conversion_rad


@pytest.fixture(scope="module")
def chip(altered):
    return altered(load_spec("demo_8x8"), chip={"rows": 2})


def conversion_of(spec, **options):
    die = full_die(spec, draw_die(spec, die_key(3)), FullTruth(te_tm=1.0), np.random.default_rng(1), **options)
    assert die.beyond is not None
    assert die.beyond.second is not None
    assert isinstance(die.beyond.second.rings, SecondPolarization)
    return die.beyond.second.rings.conversion_rad


def test_on_the_tables_own_film_conversion_is_that_of_the_design(table):
    nothing = np.zeros(WL_UM.size)
    found = conversion_on_film_rad(table, WL_UM, width_um=nothing + 1.4, thicker_nm=nothing, turn=TURN, arm_um=ARM_UM)
    assert found == pytest.approx(half_turn_conversion_rad(table, WL_UM, width_um=1.4, turn=TURN, arm_um=ARM_UM))
    wider = half_turn_conversion_rad(table, WL_UM, width_um=1.41, turn=TURN, arm_um=ARM_UM)
    assert conversion_on_film_rad(
        table, WL_UM, width_um=nothing + 1.41, thicker_nm=nothing, turn=TURN, arm_um=ARM_UM
    ) == pytest.approx(wider, rel=1e-9)


def test_a_thicker_film_converts_as_the_coupled_equations_say(table):
    """By Runge and Kutta's rule through both turns and the arm, with the index off as the film's slopes are."""
    nm, wl_um, steps = 3.0, 1.55, 4000
    along_y, along_x = APART_PER_NM["tfln600"]

    def apart(angle_deg):
        te, tm = (float(table.n_eff(1.4, wl_um, angle_deg=angle_deg, polarization=mode)) for mode in MODES)
        by_film = along_y + (along_x - along_y) * np.sin(np.radians(angle_deg)) ** 2
        return np.pi * (te - tm + nm * by_film) / wl_um

    half = 2.0 * steps
    curvature = TURN.curvature_1_um(int(half))
    heading = 90.0 - np.degrees(TURN.length_um / half * (np.cumsum(curvature) - 0.5 * curvature))
    some = np.linspace(0.0, 90.0, 91)
    delta = np.interp(heading, some, [apart(angle) for angle in some])
    g_y, g_x = (bend_coupling_per_um(table, 1.0 / curvature, angle) for angle in (0.0, 90.0))
    g = g_y + (g_x - g_y) * np.sin(np.radians(heading)) ** 2
    slope = 1j * np.moveaxis(np.array([[delta, g], [g, -delta]]), -1, 0)
    ds, quarter = TURN.length_um / steps, np.eye(2, dtype=complex)
    for n in range(steps):
        # Slopes stand in the middle of fine steps: of a coarse one at a quarter and at three.
        first, last = slope[2 * n], slope[2 * n + 1]
        middle = 0.5 * (first + last)
        k1 = first @ quarter
        k2 = middle @ (quarter + 0.5 * ds * k1)
        k3 = middle @ (quarter + 0.5 * ds * k2)
        k4 = last @ (quarter + ds * k3)
        quarter = quarter + ds / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    arm = np.diag(np.exp(1j * apart(0.0) * ARM_UM * np.array([1.0, -1.0])))
    share = abs((quarter.T @ arm @ quarter)[0, 1]) ** 2
    one = np.ones(1)
    found = conversion_on_film_rad(
        table, wl_um * one, width_um=1.4 * one, thicker_nm=nm * one, turn=TURN, arm_um=ARM_UM
    )
    assert share > 5e-4
    assert np.sin(found[0]) ** 2 == pytest.approx(share, rel=5e-3)


@pytest.mark.parametrize("film", sorted(APART_PER_NM))
def test_the_films_slopes_move_tm_against_te_as_the_resonances_do(film):
    modes, of_te = load_modes(film), {"tfln600": 271.6, "tfln600_narrow": 320.4, "tfln400": 552.7}[film]
    apart = [
        1e-3 * pm_nm * modes.ring_average("n_g", wl_um=1.55, polarization=mode) / 1550.0
        for pm_nm, mode in zip((of_te, TM_THICKNESS_PM_NM[film]), MODES, strict=True)
    ]
    file = "tm_coupling.json" if film == "tfln600" else f"tm_coupling_{film}.json"
    solved = json.loads((RESULTS / file).read_text(encoding="utf-8"))["index_per_nm"]
    assert APART_PER_NM[film] == pytest.approx(np.subtract(solved["TE"], solved["TM"]), rel=1e-3)
    assert np.mean(APART_PER_NM[film]) == pytest.approx(apart[0] - apart[1], rel=0.02)


def test_a_dies_rings_convert_as_the_film_under_them_does(chip):
    drawn, designed = conversion_of(chip, key=die_key(3)), designed_rad(chip)
    assert np.array_equal(conversion_of(chip), designed)
    thicker_nm = film_errors_nm(chip, resonance_key(die_key(3)))[0].reshape(drawn.shape)
    # 0.0087 rad a nanometre: by far the most of what is left, and alike along a row.
    assert drawn - designed == pytest.approx(0.0087 * thicker_nm, abs=0.0025)
    assert np.abs(drawn - designed).max() > 2.0 * np.abs(designed).max()
    shifted = conversion_of(chip, key=die_key(3), shift=DieShift(thickness_nm=1.0))
    assert shifted - drawn == pytest.approx(0.0087, abs=0.001)


def test_a_film_that_does_not_vary_leaves_the_design(chip, altered):
    even = altered(chip, variation={"thickness_nm": 0.0, "width_nm": 0.0})
    assert np.array_equal(conversion_of(even, key=die_key(3)), designed_rad(even))
