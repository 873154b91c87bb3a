"""Parts as they are kept against wavelength and errors of the making: possible, and alike by two solvers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prism_photonics.lightpath.ring.place import coupler_um
from prism_photonics.lightpath.waveguide.turned import quarter_turned
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.geometry import uturn_design

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def kept(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


CHIPS = ("circles_8x8", "film400_8x8")


@pytest.fixture(scope="module", params=CHIPS)
def chip(request: pytest.FixtureRequest) -> ChipSpec:
    return load_spec(request.param)


@pytest.fixture(scope="module")
def parts(chip: ChipSpec) -> dict[str, dict[str, Any]]:
    return {name: {row["case"]: row for row in rows} for name, rows in kept("parts")["chips"][chip.name].items()}


def test_every_part_is_kept_at_three_wavelengths_and_with_ribs_etch_film_and_walls_off(parts):
    off = {f"{what} {sign}" for what in ("ribs", "etch", "film", "walls") for sign in "-+"}
    for name in ("uturn", "coupler", "edge", "metal"):
        cases = {case[: case.find(" ") + 2] if case[:2] != "at" else case for case in parts[name]}
        assert off | {"at 1.50 µm", "at 1.60 µm", "as"} <= {case.replace("as d", "as") for case in cases}, name


def test_no_power_is_made_in_any_case_and_the_told_losses_are_those_of_the_amplitudes(parts):
    for row in parts["uturn"].values():
        passed = np.hypot(*row["s21"]) ** 2
        assert -10.0 * np.log10(passed) == pytest.approx(row["loss_dB"], abs=1e-4)
        assert passed + row["to_TM0"] + row["to_second_modes"] == pytest.approx(1.0, abs=2e-5)
    for row in parts["coupler"].values():
        through, cross = np.hypot(*row["through"]) ** 2, np.hypot(*row["cross"]) ** 2
        assert through + cross == pytest.approx(1.0, abs=1e-5)
        assert cross == pytest.approx(row["kappa2"], abs=1e-6)


def test_a_uturn_turns_no_more_to_second_modes_than_the_law_of_its_quarters_allows(parts, chip: ChipSpec):
    # Two quarters beat with each other: at most four times one's most.
    most = quarter_turned(chip.profile, uturn_design(chip).quarter).most
    assert all(row["to_second_modes"] < 4.0 * most for row in parts["uturn"].values())


def test_a_coupler_takes_what_the_gap_law_says_and_more_where_it_comes_nearer_than_the_law_is_about(
    parts, chip: ChipSpec
):
    # The law is one exponential about a gap of 0.6 µm; nearer ribs couple a little more than it has.
    ring, law, over = chip.ring_designs[0], chip.profile.gap_law, []
    length_um = coupler_um(ring.quarter, ring.straight_um, law.decay_um)
    for case in ("gap +10 nm", "as drawn", "gap -10 nm"):
        row = parts["coupler"][case]
        over.append(row["kappa2"] / np.sin(law.at(row["gap_um"]) * length_um) ** 2)
    if ring.gap_through_um < 0.5:
        assert 1.0 < over[0] < over[1] < over[2] < 1.07
    else:
        assert over == pytest.approx([1.0] * 3, abs=0.01)


def test_another_solver_finds_the_same_and_finer_numerics_move_nothing(parts, chip: ChipSpec):
    second = kept("parts_by_meow")["chips"][chip.name]
    assert second["uturn"]["loss_dB"] == pytest.approx(parts["uturn"]["as drawn"]["loss_dB"], abs=0.001)
    assert second["coupler"]["kappa2"] == pytest.approx(parts["coupler"]["as drawn"]["kappa2"], rel=0.05)
    for spot, loss_dB in parts["edge"]["as drawn"]["loss_dB"].items():
        assert second["edge"]["loss_dB"][spot] == pytest.approx(loss_dB, abs=0.02)
    for finer in ("twice the slices", "more curvatures solved", "finer elements, a wider window"):
        assert parts["uturn"][finer]["loss_dB"] == pytest.approx(parts["uturn"]["as drawn"]["loss_dB"], abs=5e-4)
    for finer in ("more slices", "finer elements"):
        assert parts["coupler"][finer]["kappa2"] == pytest.approx(parts["coupler"]["as drawn"]["kappa2"], rel=0.005)


def test_the_tip_and_the_metal_as_drawn_are_those_of_their_own_results(parts, chip: ChipSpec):
    edge = next(one for one in kept("edge_coupler")["couplers"] if one["film"] == chip.process)
    films = {film["film"]: film for film in kept("metal_over_rib")["films"]}
    alone = {f"{spot:g}": loss_dB for spot, loss_dB in zip(edge["spot_um"], edge["loss_dB"], strict=True)}
    for spot, loss_dB in parts["edge"]["as drawn"]["loss_dB"].items():
        assert loss_dB == pytest.approx(alone[spot], abs=1e-3)
    assert parts["metal"]["as drawn"]["loss_dB_cm"] == pytest.approx(films[chip.process]["loss_dB_cm"], rel=1e-3)


def test_couplers_of_rings_whose_curvature_grows_are_the_laws_within_its_single_exponential():
    rings = {row["case"]: row for row in kept("ring_bus")["rings"]}
    for chip in ("demo_8x8", "film400_8x8"):
        row, spec = rings[chip], load_spec(chip)
        assert row["gap_um"] == spec.ring.gap_through_um  # of today's chip
        assert row["over_law"] == pytest.approx(1.0, abs=0.03)
        assert row["more_slices"] == pytest.approx(row["kappa2"], rel=0.005)
        assert row["finer_elements"] == pytest.approx(row["kappa2"], rel=0.005)


def test_the_splitter_and_bends_of_both_films_are_alike_by_another_solver():
    splitters = {one["splitter"]: one for one in kept("splitter_by_meow")}
    bends = {one["film"]: one for one in kept("bends_by_meow")["found"]}
    for film in ("tfln600", "tfln400"):
        one, bend = splitters[f"drawn on {film}"], bends[film]
        assert one["best_um"]["meow"] == pytest.approx(one["best_um"]["elements"], abs=0.15)
        assert one["loss_as_drawn_dB"]["meow"] == pytest.approx(one["loss_as_drawn_dB"]["elements"], abs=0.005)
        assert bend["meow_dB"] == pytest.approx(bend["elements_dB"], rel=0.2)  # one has what goes to TM, too
