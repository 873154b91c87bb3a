"""Parts as they are kept against wavelength and errors of the making: possible, and alike by two solvers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prism_photonics.lightpath.waveguide.turned import quarter_turned
from prism_photonics.process.coupling import kappa
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import uturn_design

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def kept(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def parts() -> dict[str, dict[str, Any]]:
    return {name: {row["case"]: row for row in rows} for name, rows in kept("parts")["parts"].items()}


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


def test_a_uturn_turns_no_more_to_second_modes_than_the_law_of_its_quarters_allows(parts, demo: ChipSpec):
    # Two quarters beat with each other: at most four times one's most.
    most = quarter_turned(demo.profile, uturn_design(demo).quarter).most
    assert all(row["to_second_modes"] < 4.0 * most for row in parts["uturn"].values())


def test_a_coupler_takes_what_the_gap_law_says_and_more_the_nearer_it_comes_to_its_bus(parts, circles: ChipSpec):
    # The law is one exponential about a gap of 0.6 µm; nearer ribs couple a little more than it has.
    ring, over = circles.ring_designs[0], []
    at: dict[str, Any] = {"radius_um": ring.radius_um, "straight_um": ring.straight_um}
    for case in ("gap +10 nm", "as drawn", "gap -10 nm"):
        row = parts["coupler"][case]
        over.append(row["kappa2"] / float(kappa(row["gap_um"], circles.profile.gap_law, **at)) ** 2)
    assert 1.0 < over[0] < over[1] < over[2] < 1.07


def test_another_solver_finds_the_same_and_finer_numerics_move_nothing(parts):
    second = kept("parts_by_meow")["found"]
    assert second["uturn"]["loss_dB"] == pytest.approx(parts["uturn"]["as drawn"]["loss_dB"], abs=0.001)
    assert second["coupler"]["kappa2"] == pytest.approx(parts["coupler"]["as drawn"]["kappa2"], rel=0.05)
    for spot, loss_dB in parts["edge"]["as drawn"]["loss_dB"].items():
        assert second["edge"]["loss_dB"][spot] == pytest.approx(loss_dB, abs=0.02)
    for finer in ("twice the slices", "more curvatures solved", "finer elements, a wider window"):
        assert parts["uturn"][finer]["loss_dB"] == pytest.approx(parts["uturn"]["as drawn"]["loss_dB"], abs=5e-4)
    assert parts["coupler"]["more slices"]["kappa2"] == pytest.approx(parts["coupler"]["as drawn"]["kappa2"], rel=0.005)


def test_the_tip_and_the_metal_as_drawn_are_those_of_their_own_results(parts):
    edge, films = kept("edge_coupler"), {film["film"]: film for film in kept("metal_over_rib")["films"]}
    alone = {f"{spot:g}": loss_dB for spot, loss_dB in zip(edge["spot_um"], edge["loss_dB"], strict=True)}
    for spot, loss_dB in parts["edge"]["as drawn"]["loss_dB"].items():
        assert loss_dB == pytest.approx(alone[spot], abs=1e-3)
    assert parts["metal"]["as drawn"]["loss_dB_cm"] == pytest.approx(films["tfln600"]["loss_dB_cm"], rel=1e-3)
