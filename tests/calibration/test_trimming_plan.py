"""A die whose rings rest anywhere and that has no heaters: found by voltages, trimmed as a table says, calibrated."""

from itertools import combinations

import numpy as np
import pytest

from prism_photonics.calibration.dip_search import find_by_laser
from prism_photonics.calibration.trimming_plan import most_on_shared_lines, plan_trimming
from prism_photonics.characterize.accuracy import validate
from prism_photonics.chip.named_die import named_die
from prism_photonics.chip.trimming import COLUMNS, read_trimming
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import fsr_um
from prism_photonics.seeds import validation_key
from prism_photonics.units import InputError
from prism_photonics.workflow.bench import may_be_same_chip
from prism_photonics.workflow.recorded import open_record
from prism_photonics.workflow.search import write_trimming
from prism_photonics.workflow.session import calibrate_chip


@pytest.fixture(scope="module")
def wild(small, altered):
    """The small chip, its rings anywhere in their free spectral range."""
    return altered(small, variation={"resonance_local_pm": 2000.0})


@pytest.fixture(scope="module")
def planned(wild, tmp_path_factory):
    """What the command wrote of die 3, and what it printed."""
    folder, told = tmp_path_factory.mktemp("found"), []
    chip = VirtualChip(wild, seed=3, trimmed=False, light="tunable_laser")
    printed = write_trimming(chip, folder, bench="untrimmed:3", tell=told.append)
    return folder / "trimming.csv", printed, told


def test_all_rings_are_found_without_heaters_and_the_next_command_is_told(planned):
    path, printed, told = planned
    assert printed["rings_found"] == printed["rings"] == 6
    assert printed["over_voltage_attempts"] == 0
    assert any(f"--bench trimmed:{path}" in line for line in told)
    assert any(f"would meet {printed['rings_on_shared_lines']} of 6 rings at most" in line for line in told)


def test_voltages_alone_do_not_bring_rings_from_anywhere_to_shared_lines(planned):
    _, printed, _ = planned
    assert printed["rings_on_shared_lines"] < 6
    assert printed["largest_shift_pm"] > 500.0


def test_a_die_that_was_trimmed_as_the_table_says_has_its_rings_beside_their_lines(planned, wild, altered):
    path, _, _ = planned
    trimming = read_trimming(path, wild)
    chip = named_die(f"trimmed:{path}").chip(wild, light="tunable_laser")
    assert (chip.channel_of_ring == trimming.channel_of_ring).all()
    found, _ = find_by_laser(chip, wild)
    bank = designed_bank(wild, xp=np)
    crossing_pm = designed_crossings_pm(bank)[0, 0]
    want_pm = np.take_along_axis(
        np.broadcast_to(crossing_pm - np.diagonal(crossing_pm)[:, None], (*found.offset_pm.shape, 3)),
        trimming.channel_of_ring[..., None],
        -1,
    )[..., 0]
    fsr_pm = np.asarray(fsr_um(bank.rings))[0, 0] * 1e6
    off_pm = (found.offset_pm - want_pm + 0.5 * fsr_pm) % fsr_pm - 0.5 * fsr_pm
    # What the tool misses by, and the search.
    assert np.abs(off_pm).max() < 4.0 * np.hypot(wild.trim.residual_pm, 8.0)


def test_a_trimmed_die_is_named_by_its_table_and_is_not_the_untrimmed_one(planned, wild, tmp_path):
    path, _, _ = planned
    label = named_die(f"trimmed:{path}").chip(wild, light="tunable_laser").label
    (moved := tmp_path / "trimming.csv").write_bytes(path.read_bytes())
    assert label == f"trimmed:{path}"
    assert may_be_same_chip(label, f"trimmed:{moved}")
    assert not may_be_same_chip(label, "untrimmed:3")


def test_a_trimmed_die_is_calibrated_in_whatever_order_its_rings_are_and_its_record_opened(planned, wild, tmp_path):
    path, _, _ = planned
    session = calibrate_chip(named_die(f"trimmed:{path}").chip(wild, light="tunable_laser"), seed=1, settings=16)
    assert (np.asarray(session.fit.channel_of_ring) != np.arange(3)).any()
    found = validate(
        session.chip, session.fit, wild, key=validation_key(2), targets=8, settings=4, repeats=16,
        tracker=session.tracker,
    )  # fmt: skip
    assert found.accuracy_bits > 8.5
    assert session.chip.over_voltage_attempts == 0
    session.save(tmp_path)
    opened = open_record(tmp_path, named_die(f"trimmed:{path}").chip(wild, light="tunable_laser"), since_s=0.0)
    assert (np.asarray(opened.calibration.channel_of_ring) == np.asarray(session.fit.channel_of_ring)).all()


def test_the_other_way_round_is_one_free_spectral_range_less(planned, wild):
    trimming = read_trimming(planned[0], wild)
    assert (trimming.shift_pm * trimming.other_way_pm <= 0.0).all()
    fsr_pm = np.asarray(fsr_um(designed_bank(wild, xp=np).rings))[0, 0] * 1e6
    assert np.abs(trimming.shift_pm) + np.abs(trimming.other_way_pm) == pytest.approx(
        np.broadcast_to(fsr_pm, trimming.shift_pm.shape), abs=0.02
    )
    assert (np.abs(trimming.shift_pm) <= np.abs(trimming.other_way_pm)).all()


def test_the_most_on_shared_lines_is_what_trying_all_lines_finds():
    rng = np.random.default_rng(0)
    for _ in range(5):
        place_pm = rng.uniform(0.0, 400.0, (4, 1, 3))
        place_pm[0, 0, 0] = np.nan
        grid = np.arange(0.0, 400.0, 2.0)
        away = np.abs((grid[:, None, None] - place_pm[:, 0] + 200.0) % 400.0 - 200.0)
        met = (np.nan_to_num(away, nan=np.inf) <= 20.0).any(2).sum(1)
        tried = grid[::5].astype(int)
        best = max(
            sum(met[line // 2] for line in lines)
            for lines in combinations(tried, 3)
            if all(min((b - a) % 400, (a - b) % 400) >= 60 for a, b in combinations(lines, 2))
        )
        found = most_on_shared_lines(place_pm, fsr_pm=400.0, reach_pm=20.0, apart_pm=60.0)
        # Finer places may meet one more.
        assert best <= found <= best + 2


def test_lines_closer_than_twice_the_reach_meet_rings_that_lie_together():
    together_pm = np.full((2, 1, 3), 100.0)
    assert most_on_shared_lines(together_pm, fsr_pm=400.0, reach_pm=20.0, apart_pm=15.0) == 6
    # One ring serves one line, however many reach it.
    together_pm[:, :, 1:] = np.nan
    assert most_on_shared_lines(together_pm, fsr_pm=400.0, reach_pm=20.0, apart_pm=15.0) == 2


def test_a_comb_finds_no_rings_without_heaters(wild, tmp_path):
    with pytest.raises(InputError, match="has no heaters"):
        write_trimming(VirtualChip(wild, trimmed=False), tmp_path, bench="untrimmed:0")
    with pytest.raises(InputError, match="a comb lights this bench"):
        plan_trimming(VirtualChip(wild, trimmed=False), wild)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# trimming of ", "# plan of ", "got no trimming, want a 'trimming.csv'"),
        ("0,0,1,", "0,0,9,", "got ring (0, 0, 9), want row, bus and place"),
        ("0,0,1,", "0,0,0,", "got ring (0, 0, 0) a second time, want every ring once"),
        (
            "\n0,0,1,",
            "\n0,0,0,0,1550.0,1.0,3,0.0,0.0\n0,0,1,",
            "got ring (0, 0, 0) a second time, want every ring once",
        ),
        ("\n0,0,1,", f"\n0,0,{'1' * 140_000},", "place = '1111"),
        (",3,", ",3.5,", "want a whole number"),
        (",3,", ",nan,", "dips = 'nan', want a whole number"),
        (",3,", ",", "got 8 cells, want 9"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(planned, wild, tmp_path, old, new, words):
    text = planned[0].read_text(encoding="utf-8")
    path = tmp_path / "trimming.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        read_trimming(path, wild)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert text.splitlines()[1] == ",".join(COLUMNS)


def test_a_table_without_one_of_the_rings_is_refused(planned, wild, tmp_path):
    path = tmp_path / "trimming.csv"
    kept = [line for line in planned[0].read_text(encoding="utf-8").splitlines() if not line.startswith("0,0,1,")]
    path.write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(InputError, match="got no ring 1 of row 0, bus 0, want every ring once"):
        read_trimming(path, wild)


def test_the_table_of_another_chip_or_bench_is_refused(planned, small, tmp_path):
    with pytest.raises(InputError, match="give the trimming of this chip"):
        read_trimming(planned[0], small)
    path = tmp_path / "trimming.csv"
    path.write_text(planned[0].read_text(encoding="utf-8").replace("untrimmed:3", "bench.toml", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"give that chip's bench\.toml, and this file as --trimming"):
        named_die(f"trimmed:{path}")
