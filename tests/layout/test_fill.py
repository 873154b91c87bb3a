"""Fill brings a layer to the density that a foundry asks for, and leaves the chip as it was."""

from importlib import resources
from pathlib import Path

import klayout.db as kdb
import pytest

from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.fill import densities, density_faults, save_filled
from prism_photonics.layout.lvs import lvs
from prism_photonics.layout.polygons import open_layout
from prism_photonics.layout.write import write_gds
from prism_photonics.process.layers import Deck, load_deck, parse_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

ASKED = {"side_um": 20.0, "space_um": 12.0, "clear_um": 10.0, "window_um": 1000.0, "least": 0.1, "most": 0.7}
FILL = {"metal2": {"number": (23, 20), **ASKED}, "ridge": {"number": (2, 20), **ASKED}}


@pytest.fixture(scope="module")
def asking() -> Deck:
    return Deck.model_validate(load_deck("tfln600").model_dump() | {"fill": FILL})


@pytest.fixture(scope="module")
def bare(tiny: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gds(draw(tiny), tmp_path_factory.mktemp("bare") / "chip.gds")


@pytest.fixture(scope="module")
def filled(bare: Path, asking: Deck) -> Path:
    counts = save_filled(bare, bare.with_name("filled.gds"), asking)
    assert all(count > 1000 for count in counts.values())
    return bare.with_name("filled.gds")


def region(layout: kdb.Layout, number: tuple[int, int]) -> kdb.Region:
    return kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*number))).merged()


def test_a_bare_chip_is_too_thin_in_some_window_and_a_filled_one_in_none(bare: Path, filled: Path, asking: Deck):
    assert all(density_faults(bare, asking).values())
    assert density_faults(filled, asking) == {"metal2": [], "ridge": []}


def test_the_rules_check_tells_where_density_is_missing(bare: Path, filled: Path, asking: Deck, tmp_path: Path):
    report = tmp_path / "drc.lyrdb"
    found = run_drc(bare, deck=asking, report=report)
    assert found.counts["metal2_density"] == len(density_faults(bare, asking)["metal2"]) > 0
    assert "density of metal2 in windows of 1000 µm: 0.1 to 0.7" in report.read_text(encoding="utf-8")
    assert run_drc(filled, deck=asking).violations == 0


def test_fill_keeps_away_from_all_that_is_drawn_and_from_the_border(filled: Path, asking: Deck):
    layout = open_layout(filled)
    squares = [region(layout, fill.number) for fill in asking.fill.values()]
    for name, number in asking.layers.items():
        if name not in ("contour", "exclusion", "labels"):
            near = region(layout, number).sized(9_990)
            assert all((some & near).is_empty() for some in squares), name
    die = region(layout, asking.layers.contour) - region(layout, asking.layers.exclusion)
    assert all((some - die).is_empty() for some in squares)


def test_a_filled_chip_is_the_same_design_and_all_of_its_drawing_is_there(tiny: ChipSpec, bare: Path, filled: Path):
    compared, _ = lvs(filled, tiny, simulate=False)
    assert compared.faults == ()
    before, after = open_layout(bare), open_layout(filled)
    for name, number in load_deck("tfln600").layers.items():
        assert (region(before, number) ^ region(after, number)).is_empty(), name


def test_windows_cover_the_die_once(bare: Path, asking: Deck):
    layout = open_layout(bare)
    die = layout.top_cell().dbbox(layout.layer(*asking.layers.contour))
    windows = [window for window, _ in densities(bare, asking)["metal2"]]
    assert sum(window.area() for window in windows) == pytest.approx(die.area())
    assert all(window.inside(die) for window in windows)


def test_a_window_knows_its_share():
    layout = kdb.Layout()
    top, layers = layout.create_cell("top"), load_deck("tfln600").layers
    top.shapes(layout.layer(*layers.contour)).insert(kdb.DBox(0, 0, 2000, 1000))
    top.shapes(layout.layer(*layers.metal2)).insert(kdb.DBox(0, 0, 500, 500))
    top.shapes(layout.layer(*layers.metal2)).insert(kdb.DBox(400, 0, 1200, 500))  # met metal counts once
    deck = Deck.model_validate(load_deck("tfln600").model_dump() | {"fill": {"metal2": FILL["metal2"]}})
    assert [round(share, 9) for _, share in densities(layout, deck)["metal2"]] == [0.5, 0.1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"side_um": 40.0}, "cover 0.592; want between least = 0.1 and most = 0.5"),
        ({"side_um": 3.0}, "cover 0.04; want between least = 0.1"),
    ],
)
def test_squares_that_cannot_reach_the_density_are_refused(changes: dict[str, float], said: str):
    asked = ASKED | {"most": 0.5} | changes
    table = "[fill.metal2]\nnumber = [23, 20]\n" + "".join(f"{key} = {value}\n" for key, value in asked.items())
    text = (resources.files("prism_photonics.process") / "rules" / "tfln600.toml").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=said):
        parse_deck(f"{text}\n{table}", where="foundry.toml")


def test_fill_of_no_layer_and_a_number_that_is_taken_are_refused():
    deck = load_deck("tfln600").model_dump()
    with pytest.raises(ValueError, match="unknown layer 'metal3'"):
        Deck.model_validate(deck | {"fill": {"metal3": FILL["metal2"]}})
    with pytest.raises(ValueError, match="21/0 is given twice"):
        Deck.model_validate(deck | {"fill": {"metal2": FILL["metal2"] | {"number": (21, 0)}}})
