"""Names of the version before: they work and warn, or say in one line where to go."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from prism_photonics import deprecation
from prism_photonics.units import InputError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def forgotten():
    """Old names are asked for anew in each test: Python remembers what it has once imported."""
    _forget()
    yield
    _forget()


def _forget():
    for name in [name for name, module in sys.modules.items() if isinstance(module, deprecation._OldModule)]:
        del sys.modules[name]


def test_a_module_that_moved_warns_with_both_names_and_the_version_in_which_the_old_one_goes():
    # Loaded first: its files must not be found, and loaded again, under the old name.
    new = importlib.import_module("prism_photonics.ranking.keys")
    with pytest.warns(DeprecationWarning, match="prism_photonics.rank") as caught:
        old = importlib.import_module("prism_photonics.rank.keys")
    assert [str(warning.message) for warning in caught] == [
        "prism_photonics.rank is prism_photonics.ranking now; the old name goes in version 0.3.0",
        "prism_photonics.rank.keys is prism_photonics.ranking.keys now; the old name goes in version 0.3.0",
    ]
    assert isinstance(old, deprecation._OldModule)
    assert old.KeyCache is new.KeyCache


@pytest.mark.parametrize("module", sorted(deprecation.MODULES))
def test_every_module_that_moved_is_found_where_it_is_said_to_be(module):
    with pytest.warns(DeprecationWarning, match="the old name goes in version 0.3.0"):
        old = importlib.import_module(f"prism_photonics.{module}")
    new = importlib.import_module(f"prism_photonics.{deprecation.MODULES[module]}")
    public = [name for name, value in vars(new).items() if getattr(value, "__module__", None) == new.__name__]
    assert all(getattr(old, name) is getattr(new, name) for name in public)
    for name, home in deprecation.NAMES.get(module, {}).items():
        found, _, new_name = home.partition(":")
        assert getattr(old, name) is getattr(importlib.import_module(f"prism_photonics.{found}"), new_name)


@pytest.mark.parametrize("module", sorted(deprecation.REMOVED))
def test_a_module_that_went_says_what_to_use_instead(module):
    with pytest.raises(ModuleNotFoundError) as caught:
        # As Python asks for it: its package is not loaded, which would warn of its own name first.
        deprecation._OldModules().find_spec(f"prism_photonics.{module}")
    line = str(caught.value)
    assert line.startswith(f"prism_photonics.{module}: removed in version 0.2.0; ")
    assert "\n" not in line
    named = next(word for word in line.split() if word.startswith("prism_photonics.") and ":" not in word)
    *path, last = named.split(".")
    assert ROOT.joinpath(*path, last).is_dir() or ROOT.joinpath(*path, f"{last}.py").is_file() or hasattr(
        importlib.import_module(".".join(path)), last
    )  # fmt: skip


def test_no_old_name_is_that_of_a_module_of_today():
    for old in [*deprecation.MODULES, *deprecation.REMOVED]:
        path = ROOT.joinpath("prism_photonics", *old.split("."))
        assert not path.is_dir(), old
        assert not path.with_suffix(".py").is_file(), old


def test_a_function_is_not_hidden_by_the_module_of_its_name():
    with pytest.warns(DeprecationWarning, match="the old name goes in version 0.3.0"):
        importlib.import_module("prism_photonics.program.validate")
    program = importlib.import_module("prism_photonics.program")
    from prism_photonics.characterize.accuracy import validate

    assert program.validate is validate


def test_a_name_that_the_module_of_today_lacks_is_said_to_be_missing_there():
    with pytest.warns(DeprecationWarning, match="is prism_photonics.calibration now"):
        old = importlib.import_module("prism_photonics.calibrate")
    with pytest.raises(AttributeError, match=r"calibrate is prism_photonics.calibration since .* has no 'calibrat'"):
        old.calibrat  # noqa: B018


def test_a_module_that_never_was_is_missing_as_ever():
    for name in ("prism_photonics.no_such_room", "prism_photonics.ranking.no_such_file"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
            importlib.import_module(name)


def test_a_single_name_that_left_a_module_warns_there():
    find = deprecation.moved_names("prism_photonics.example", {"BadInput": "units:InputError"}, until="0.4.0")
    with pytest.warns(DeprecationWarning, match=r"example.BadInput is prism_photonics.units.InputError now; .* 0.4.0"):
        assert find("BadInput") is InputError
    with pytest.raises(AttributeError, match=r"'prism_photonics.example' has no attribute 'Other'"):
        find("Other")


def test_the_session_of_version_0_1_still_imports_and_each_line_that_uses_an_old_name_is_told():
    script = (
        "from prism_photonics.calibrate import calibrate\n"
        "from prism_photonics.program import Validation, program\n"
        "from prism_photonics.rank import top_k\n"
        "from prism_photonics.spec import ChipSpec\n"
        "print(calibrate.__module__, program.__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["prism_photonics.calibration.calibration", "prism_photonics.programming.solve"]
    told = [line for line in done.stderr.splitlines() if "DeprecationWarning" in line]
    assert [line.partition(": ")[0] for line in told] == ["<string>:1", "<string>:2", "<string>:3"]
