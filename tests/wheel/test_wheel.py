"""The built wheel in bare environments: a reader that needs NumPy alone, and the whole way outside any checkout.

Run by ``make wheel``, not by ``make test``: environments are made and packages installed.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")

INPUTS = """
import numpy as np, torch
torch.set_num_threads(1)
rng = np.random.default_rng(0)
weights = rng.uniform(-0.5, 0.5, (8, 8))
keys = torch.as_tensor(rng.standard_normal((64, 8)))
query = torch.as_tensor(rng.standard_normal((3, 8)))
"""
OUTCOME = """
assert calibration.readings_per_ring <= 60
assert accuracy.accuracy_bits > 11.0, accuracy.accuracy_bits
assert not programmed.out_of_reach
exact = query @ keys.T
assert scores.shape == exact.shape and blocks.shape == (3, 8)
assert torch.corrcoef(torch.stack([scores.ravel(), exact.ravel()]))[0, 1] > 0.98
from pathlib import Path
assert {path.name for path in Path("out/bundle").iterdir()} == {"bundle.json", "bundle.safetensors"}
"""


def run(command: list[str | Path], *, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing of the checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT], cwd=out)
    return next(out.glob("*.whl"))


def environment(folder: Path, wheel: Path, *, lock: Path | None) -> Path:
    """A bare environment with the wheel and what the lock pins, or what the wheel itself asks for: its programs."""
    run([UV, "venv", "--quiet", "--python", sys.executable, folder / "env"], cwd=folder)
    programs = folder / "env" / "bin"
    install: list[str | Path] = [UV, "pip", "install", "--quiet", "--python", programs / "python"]
    if lock is None:
        pins = folder / "pins.txt"
        pins.write_text(
            "\n".join(re.findall(r"^[\w.-]+==[^\s\\]+", (ROOT / "requirements-dev.lock").read_text(), re.M)), "utf-8"
        )
        run([*install, "--constraints", pins, wheel], cwd=folder)
    else:
        run([*install, "--require-hashes", "-r", lock], cwd=folder)
        run([*install, "--no-deps", wheel], cwd=folder)
    return programs


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    return environment(tmp_path_factory.mktemp("core"), wheel, lock=None)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    return environment(tmp_path_factory.mktemp("everything"), wheel, lock=ROOT / "requirements-dev.lock")


@pytest.fixture(scope="module")
def session(everything: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README's session ran, as printed."""
    folder = tmp_path_factory.mktemp("session")
    printed = re.search(
        r"```python\n(import prism_photonics as pp\n.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S
    )
    assert printed
    (folder / "session.py").write_text(INPUTS + printed[1] + OUTCOME, "utf-8")
    run([everything / "python", "session.py"], cwd=folder)
    return folder


def test_the_core_holds_no_simulator_and_no_drawing_tool(core, tmp_path):
    names = json.loads(run([UV, "pip", "list", "--python", core / "python", "--format", "json"], cwd=tmp_path).stdout)
    assert {"numpy", "safetensors", "prism-photonics"} <= {each["name"] for each in names}
    heavy = {"jax", "sax", "equinox", "gdsfactory", "scipy", "torch", "matplotlib", "xarray", "beartype"}
    assert {each["name"] for each in names} & heavy == set()


def test_the_core_checks_a_chip_that_ships_and_names_the_extra_that_a_job_lacks(core, tmp_path):
    assert "feasible" in run([core / "prism", "check", "demo_8x8"], cwd=tmp_path).stdout
    told = run([core / "prism", "run", "demo_8x8"], cwd=tmp_path, code=2).stderr
    assert "prism_photonics[" in told
    assert len(told.strip().splitlines()) == 1
    told = run([core / "python", "-c", "import prism_photonics as pp; pp.VirtualChip"], cwd=tmp_path, code=1).stderr
    assert "pip install 'prism_photonics[sim]'" in told


def test_the_session_of_the_readme_runs_from_the_wheel(session):
    assert (session / "out" / "layout" / "chip.gds").is_file()


def test_the_core_reads_and_ranks_with_the_bundle_of_another_machine(core, session):
    script = (
        "import numpy as np\n"
        "from prism_photonics.export.read import load\n"
        "rng = np.random.default_rng(0)\n"
        "query, signatures = rng.standard_normal((3, 8)), rng.standard_normal((64, 8))\n"
        "scores, blocks = load('out/bundle').top_k(query, signatures, k=8)\n"
        "assert np.corrcoef(scores.ravel(), (query @ signatures.T).ravel())[0, 1] > 0.98\n"
    )
    run([core / "python", "-c", script], cwd=session)
    run([core / "prism", "rank", "out/bundle"], cwd=session)


def test_the_main_job_runs_outside_any_checkout_on_a_full_die_whose_accuracy_comes_first(everything, tmp_path):
    run([everything / "prism", "run", "demo_8x8", "--full", "-o", "out"], cwd=tmp_path)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["die"] == "virtual:0,full"
    assert 11.0 < summary["accuracy_bits"] < summary["accuracy_bits_of_model_class"] < 13.0
    cards = re.findall(r'class="card"><b>([^<]*)</b><span>(.*?)</span>', (tmp_path / "out" / "report.html").read_text())
    first, told = cards[0]
    assert first == f"{summary['accuracy_bits']:.1f} bits"
    assert "of a full die" in told
    assert f"{summary['accuracy_bits_of_model_class']:.1f} bits" in told
