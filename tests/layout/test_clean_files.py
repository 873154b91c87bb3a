"""What goes to a mask house holds cells and polygons, and nothing of any tool."""

import re
from pathlib import Path

import klayout.db as kdb
import pytest

from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.polygons import save_clean
from prism_photonics.layout.write import CLEAN, LayoutFiles, write
from prism_photonics.process.layers import load_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

STRNAME, PROPATTR, PROPVALUE = 0x06, 0x2B, 0x2C  # kinds of record of the GDS standard


@pytest.fixture(scope="module")
def cleaned(tiny: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> LayoutFiles:
    return write(tiny, tmp_path_factory.mktemp("clean"), clean=True)


def records(path: Path) -> list[tuple[int, bytes]]:
    """Kind and content of every record, read as the standard says, with no library."""
    raw, at, found = path.read_bytes(), 0, []
    while at + 4 <= len(raw) and (length := int.from_bytes(raw[at : at + 2], "big")) >= 4:
        found.append((raw[at + 2], raw[at + 4 : at + length]))
        at += length
    return found


def plain(path: Path) -> kdb.Layout:
    layout = kdb.Layout()
    layout.read(str(path))
    return layout


def test_it_holds_no_property_no_private_cell_and_no_name_that_a_strict_reader_refuses(cleaned: LayoutFiles):
    assert cleaned.clean is not None
    told = records(cleaned.gds)
    assert any(kind == PROPVALUE and len(value) > 126 for kind, value in told)  # what is to be gone
    kinds = [kind for kind, _ in records(cleaned.clean)]
    assert PROPATTR not in kinds
    assert PROPVALUE not in kinds
    names = [value.rstrip(b"\0").decode("ascii") for kind, value in records(cleaned.clean) if kind == STRNAME]
    assert len(names) == len(set(names)) > 5
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9_?$]{1,32}", name)] == []
    assert not any(name.startswith("$$$") for name in names)
    layout = plain(cleaned.clean)
    assert [cell.name for cell in layout.top_cells()] == ["chip"]
    assert not [info.name for info in layout.each_meta_info() if "factory" in info.name]
    assert not [cell.name for cell in layout.each_cell() if list(cell.each_meta_info())]
    assert not [inst for cell in layout.each_cell() for inst in cell.each_inst() if inst.has_prop_id()]


def test_its_polygons_are_those_of_the_annotated_file(cleaned: LayoutFiles):
    assert cleaned.clean is not None
    ours, theirs = plain(cleaned.gds), plain(cleaned.clean)
    assert {cell.name for cell in theirs.each_cell()} == {cell.name for cell in ours.each_cell()}
    assert theirs.dbu == ours.dbu
    numbers = {(info.layer, info.datatype) for info in ours.layer_infos()}
    assert {(info.layer, info.datatype) for info in theirs.layer_infos()} == numbers
    for number in numbers:
        a, b = (kdb.Region(each.top_cell().begin_shapes_rec(each.layer(*number))) for each in (ours, theirs))
        assert (a ^ b).is_empty()
        assert not b.is_empty()


def test_the_rules_find_the_same_in_both(cleaned: LayoutFiles, tmp_path: Path):
    assert cleaned.clean is not None
    assert run_drc(cleaned.clean) == run_drc(cleaned.gds) == cleaned.drc
    broken = plain(cleaned.gds)
    broken.top_cell().shapes(broken.layer(*load_deck().layers.metal2)).insert(kdb.Box(-100_000, 0, -98_000, 50_000))
    options = kdb.SaveLayoutOptions()
    options.write_context_info = True
    broken.write(str(tmp_path / "broken.gds"), options)
    save_clean(tmp_path / "broken.gds", tmp_path / "clean.gds")
    found = run_drc(tmp_path / "clean.gds")
    assert found == run_drc(tmp_path / "broken.gds")
    assert found.counts["metal2_width"] > 0


def test_it_is_the_same_bytes_each_time_and_says_that_it_is_no_netlist(cleaned: LayoutFiles, tmp_path: Path):
    assert cleaned.clean is not None
    save_clean(cleaned.gds, tmp_path / "again.gds")
    assert (tmp_path / "again.gds").read_bytes() == cleaned.clean.read_bytes()
    with pytest.raises(InputError, match="the metadata of `prism layout` is gone"):
        extract(cleaned.clean)


def test_a_clean_file_in_the_folder_is_never_that_of_another_drawing(cleaned: LayoutFiles, tiny: ChipSpec):
    assert cleaned.clean is not None
    good = cleaned.clean.read_bytes()
    cleaned.clean.write_bytes(b"of another chip")
    again = write(tiny, cleaned.gds.parent)
    assert again.clean == cleaned.clean
    assert cleaned.clean.read_bytes() == good
    assert again.to_json()["clean_gds"].endswith(CLEAN)


def test_a_file_that_is_no_drawing_is_not_cleaned(tmp_path: Path):
    (tmp_path / "no.gds").write_bytes(b"not a drawing")
    with pytest.raises(InputError, match=r"no\.gds: cannot read the layout") as refusal:
        save_clean(tmp_path / "no.gds", tmp_path / "clean.gds")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "clean.gds").exists()


def test_a_place_that_cannot_be_written_is_refused_in_one_line(cleaned: LayoutFiles, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"clean\.gds: cannot be written") as refusal:
        save_clean(cleaned.gds, tmp_path / "file" / "clean.gds")
    assert "\n" not in str(refusal.value)
