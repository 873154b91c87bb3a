"""``import prism_photonics as pp``: fast, typed, forty names that users need, and a clear word where an extra lacks."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import prism_photonics as pp
from prism_photonics.units import InputError

ROOT = Path(__file__).resolve().parent.parent
STUB = ast.parse((ROOT / "prism_photonics" / "__init__.pyi").read_text(encoding="utf-8"))
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = sorted(set(dir(pp)) - {"__version__"})


def run(code: str, *arguments: str) -> subprocess.CompletedProcess:
    """A fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def without(*packages: str) -> str:
    """Code that makes packages missing, as they are where their extra is not installed."""
    return f"import sys\nsys.modules.update(dict.fromkeys({packages}))\n"


# ---------------------------------------------------------------- the names


def test_importing_the_package_loads_nothing_that_a_user_did_not_ask_for():
    done = run("import prism_photonics, sys, json; print(json.dumps(sorted(sys.modules)))")
    loaded = {name.partition(".")[0] for name in ast.literal_eval(done.stdout)}
    heavy = {"jax", "equinox", "sax", "gdsfactory", "klayout", "matplotlib", "torch", "xarray", "scipy"}
    assert not loaded & (heavy | {"numpy", "pydantic", "rich", "typer", "safetensors"})
    ours = {name for name in ast.literal_eval(done.stdout) if name.startswith("prism_photonics.")}
    assert ours == {f"prism_photonics.{name}" for name in ("deprecation", "extras", "units")}


def test_about_forty_names_are_public_and_each_says_what_it_is():
    assert 35 <= len(NAMES) <= 45
    for name in NAMES:
        assert len((getattr(pp, name).__doc__ or "").splitlines()[0]) > 15, name


def test_a_name_is_found_once_and_then_known():
    assert pp.load_spec is pp.load_spec
    assert vars(pp)["load_spec"] is importlib.import_module("prism_photonics.spec.examples").load_spec


def test_no_public_name_hides_a_room():
    rooms = {path.stem for path in (ROOT / "prism_photonics").iterdir()}
    assert not rooms & set(NAMES)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(AttributeError, match=r"no public name 'calibrate_chp'; did you mean 'calibrate_chip'\?"):
        pp.calibrate_chp  # noqa: B018
    assert not hasattr(pp, "__wrapped__")


def test_the_stub_types_the_very_names_that_are_found():
    typed = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in STUB.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {name: f"prism_photonics.{home}" for name, home in pp._HOMES.items()}
    (listed,) = (ast.literal_eval(n.value) for n in STUB.body if isinstance(n, ast.Assign))
    assert sorted(listed) == sorted([*typed, "__version__"])


def test_the_api_page_explains_every_public_name_with_an_example():
    examples = "\n".join(re.findall(r"```python\n(.*?)```", API, re.S))
    for name in NAMES:
        assert f"### `{name}`\n" in API, name
        assert re.search(rf"\bpp\.{name}\b", examples), name


def test_the_examples_of_the_api_page_use_public_names_only():
    for block in re.findall(r"```python\n(.*?)```", API, re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pp":
                assert node.attr in dir(pp), node.attr


# ---------------------------------------------------------------- extras


@pytest.mark.parametrize(
    ("packages", "code", "line"),
    [
        (("jax",), "pp.calibrate_chip", "prism_photonics.calibration: got no module 'jax', want it installed; "
         "pip install 'prism_photonics[sim]'"),
        (("sax",), "from prism_photonics.circuit import strict_circuit", "prism_photonics.circuit: got no module "
         "'sax', want it installed; pip install 'prism_photonics[sim]'"),
        (("xarray",), "from prism_photonics.files.datasets import dataset_of\ndataset_of({}, {})", "a dataset: got no "
         "module 'xarray', want it installed; pip install 'prism_photonics[sim]'"),
        (("gdsfactory",), "pp.draw_chip(pp.load_spec('demo_8x8'), sys.argv[1])", "prism_photonics.layout: got no "
         "module 'gdsfactory', want it installed; pip install 'prism_photonics[layout]'"),
        (("matplotlib",), "pp.load_spec('demo_8x8').plot_row()", "a plot: got no module 'matplotlib', want it "
         "installed; pip install 'prism_photonics[sim]'"),
        (("torch",), "pp.PhotonicSelector", "prism_photonics.PhotonicSelector: got no module 'torch', want it "
         "installed; pip install 'prism_photonics[ml]'"),
    ],
)  # fmt: skip
def test_an_import_that_lacks_its_extra_says_which_one_to_install(packages, code, line, tmp_path):
    done = run(f"{without(*packages)}import prism_photonics as pp\n{code}", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"prism_photonics.extras.MissingExtraError: {line}"


def test_a_missing_extra_is_an_import_error_and_bad_input_both():
    assert issubclass(pp.MissingExtraError, ImportError)
    assert issubclass(pp.MissingExtraError, InputError)


def test_a_module_that_no_extra_brings_is_missing_as_ever():
    from prism_photonics.extras import load

    with pytest.raises(ModuleNotFoundError, match="no_such_room") as caught:
        load("prism_photonics.no_such_room", what="a test")
    assert not isinstance(caught.value, pp.MissingExtraError)


def test_a_command_that_lacks_its_extra_says_so_in_one_line():
    code = f"{without('jax')}from prism_photonics.cli.app import app\napp()"
    done = run(code, "simulate", "demo_8x8")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "got no module 'jax', want it installed; pip install 'prism_photonics[sim]'" in done.stderr


def test_every_extra_that_is_named_is_declared_and_brings_the_package():
    import tomllib

    from prism_photonics.extras import EXTRA_OF

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["optional-dependencies"]
    # Those whose distribution has another name, or that come with another package.
    named = {
        "yaml": "pyyaml",
        "skfem": "scikit-fem",
        "pyvisa_py": "pyvisa-py",
        "jaxlib": "jax",
        "kfactory": "gdsfactory",
        "skrf": "scikit-rf",
        "dask": "distributed",
    }
    for package, extra in EXTRA_OF.items():
        wanted = named.get(package, package)
        assert any(re.match(rf"{wanted}\b", line) for line in declared[extra]), package
        assert not any(re.match(rf"{wanted}\b", line) for line in project["dependencies"]), package


def test_a_bundle_is_read_and_ranked_with_numpy_alone(made_up):
    code = without("jax", "equinox", "sax", "xarray", "scipy", "matplotlib", "gdsfactory", "klayout", "torch") + (
        "import numpy as np, prism_photonics as pp\n"
        "bundle = pp.load_bundle(sys.argv[1])\n"
        "keys = np.random.default_rng(0).standard_normal((16, 3))\n"
        "scores = bundle.scores(keys[3], keys, 0)\n"
        "print(pp.top_k(scores, 4).shape, pp.recall_at_k(scores[None], (keys @ keys[3])[None], k=4).shape)"
    )
    done = run(code, str(made_up / "bundle"))
    assert done.stderr == ""
    assert done.stdout == "(4,) (1,)\n"
