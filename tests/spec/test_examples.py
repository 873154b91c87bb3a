"""The chips that ship are found by name, from a source tree and from a wheel alike."""

import importlib

import pytest

from prism_photonics.spec import ChipSpec, example_names, example_text, load_spec
from prism_photonics.units import InputError

SHIPPED = (
    "bank_32x256",
    "bank_64x64_dual",
    "circles_8x8",
    "demo_8x8",
    "demo_lnoi400",
    "film400_8x8",
    "lnoi400_8x8",
    "paper_32x256",
    "paper_64x1024",
    "single_mode_8x8",
    "standard_8x8",
)


def refused(given):
    with pytest.raises(InputError) as caught:
        load_spec(given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_folder_with_a_spec_ships_it_by_name():
    assert example_names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_spec_is_read_by_its_name(name):
    assert load_spec(name).name == name
    assert load_spec(name) == ChipSpec.from_text(example_text(name))


def test_a_name_and_the_path_of_its_file_are_the_same_chip(layouts):
    path = layouts / "demo_8x8" / "spec.toml"
    assert load_spec("demo_8x8") == load_spec(path) == load_spec(str(path))


def test_a_name_comes_before_a_file_and_a_folder_called_like_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo_8x8").mkdir()
    assert load_spec("demo_8x8").name == "demo_8x8"
    (tmp_path / "demo_lnoi400").write_text("name = 3\n", encoding="utf-8")
    assert load_spec("demo_lnoi400").name == "demo_lnoi400"
    assert "demo_lnoi400" in refused("./demo_lnoi400")


def test_a_file_without_a_suffix_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text(example_text("demo_8x8"), encoding="utf-8")
    assert load_spec("mine").name == "demo_8x8"


def test_an_unknown_name_lists_all_and_names_the_nearest():
    message = refused("demo_8x9")
    assert message.startswith("demo_8x9: ")
    assert "did you mean 'demo_8x8'?" in message
    assert all(name in message for name in SHIPPED)
    assert all(name in refused("zzz") for name in SHIPPED)
    with pytest.raises(InputError, match="did you mean 'demo_8x8'"):
        example_text("demo_8x9")


def test_a_path_that_does_not_exist_is_refused_as_a_path(tmp_path):
    assert "cannot read the spec" in refused(tmp_path / "none.toml")
    assert "cannot read the spec" in refused("none.toml")


def test_a_wheels_own_folder_is_read_where_there_is_no_source_tree(tmp_path, monkeypatch):
    examples = importlib.import_module("prism_photonics.spec.examples")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "__init__.py").touch()
    (tmp_path / "examples" / "demo_8x8.toml").write_text(example_text("demo_8x8"), encoding="utf-8")
    monkeypatch.setattr(examples.resources, "files", lambda package: tmp_path)
    monkeypatch.setattr(examples, "SOURCE_TREE", tmp_path / "none")
    assert examples.example_names() == ("demo_8x8",)
    assert examples.load_spec("demo_8x8").name == "demo_8x8"
