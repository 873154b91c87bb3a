"""Every stage of a calibration has a record and a plot; its numbers are the die's; a killed job goes on."""

import json
import os
import re
import resource as limits
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.calibration.record import read_dataset, read_record
from prism_photonics.calibration.stages import SCHEMA, STAGES, stages
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.characterize.closed_loop import Trimmed, trim
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.report import stages as plots
from prism_photonics.units import InputError
from prism_photonics.workflow import session
from prism_photonics.workflow.job import calibrate_and_validate

KEY = jax.random.key(0)
# A quarter of the held-out targets and of the noise study's settings, which take most of a job's processor time.
FEW = {"targets": 12, "settings": 4}


def fresh_die(spec):
    return VirtualChip.fabricate(spec, KEY)


def job(chip, spec, folder):
    """What ``prism calibrate`` does between opening the journal and removing it."""
    calibrate_and_validate(chip, folder, seed=3, bench="virtual:0")


def journaled_job(spec, folder, **options):
    with JournaledChip(fresh_die(spec), spec, folder / "journal.jsonl", identity={}, **options) as chip:
        job(chip, spec, folder)


@pytest.fixture(scope="module", autouse=True)
def few_held_out():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "validate", partial(session.validate, **FEW))
        yield


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """The folder of a calibration that nothing stopped, its journal beside its records."""
    folder = tmp_path_factory.mktemp("whole")
    journaled_job(small, folder)
    return folder


@pytest.fixture(scope="module")
def stage(whole):
    return lambda name: read_dataset(whole / "stages" / f"{name}.nc", schema=SCHEMA)


@pytest.fixture(scope="module")
def die(small):
    """The truth, which no code of the package can read off a chip."""
    return draw_die(small, jax.random.split(KEY)[0])


def records(folder, kinds=(".nc", ".png")):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.suffix in kinds}


# ---------------------------------------------------------------- records and plots


def test_each_stage_leaves_a_record_and_a_plot(whole):
    found = {path.name for path in (whole / "stages").iterdir()}
    assert found == {f"{name}.{kind}" for name in (*STAGES, "trim") for kind in ("nc", "png")}
    for path in (whole / "stages").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [*STAGES, "trim"])
def test_every_number_has_a_unit_and_a_meaning(stage, small, name):
    dataset = stage(name)
    assert dataset.attrs["stage"] == name
    assert dataset.attrs["spec_hash"] == small.hash
    for array in dataset.values():
        assert array.attrs["units"]
        assert array.attrs["long_name"]
        assert np.isfinite(array.values).all()


def test_the_stages_of_a_record_can_be_told_again(whole, stage):
    calibration, _, _ = read_record(whole / "calibration.nc")
    survey = read_dataset(whole / "calibration.nc", schema="prism_photonics.record/6")
    for name, again in stages(calibration, survey).items():
        for key, array in again.items():
            assert array.values == pytest.approx(stage(name)[key].values, rel=1e-12, abs=0.0), key


def test_the_numbers_are_the_dies_within_their_error_bars(stage, die, small):
    rings = jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], die.bank.rings)
    # From dark to full, as the photodiode gives it: it saturates a little.
    lit_A = np.asarray(die.full_A[0]) / (1.0 + small.modulator_design.leak)
    lit_A = lit_A / (1.0 + lit_A / small.detector_design.saturation_A)
    truth = {
        ("resonance", "offset_pm", "offset_std_pm"): rings.offset_pm,
        ("tuning", "slope_pm_V", "slope_std_pm_V"): rings.slope_pm_V,
        ("tuning", "curvature_pm_V2", "curvature_std_pm_V2"): rings.curvature_pm_V2,
        ("tuning", "crosstalk", "crosstalk_std"): np.asarray(die.crosstalk),
        ("rows", "kappa2_through", "kappa2_through_std"): 1.0 - rings.t1**2,
        ("rows", "kappa2_drop", "kappa2_drop_std"): 1.0 - rings.t2**2,
        ("rows", "loss_dB", "loss_std_dB"): -20.0 * np.log10(rings.a),
        ("power", "gain_A", "gain_std_A"): lit_A,
        ("power", "drop_ratio", "drop_ratio_std"): np.asarray((die.full_A[1] / die.full_A[0])[:, :1]),
    }
    pulls = {}
    for (name, value, std), true in truth.items():
        found = stage(name)
        pulls[value] = (found[value].values - np.asarray(true)) / found[std].values
        assert np.abs(pulls[value]).max() < 4.0, value
    # Not wider than they must be: together they scatter as standard errors do.
    assert np.sqrt(np.mean(np.concatenate([p.ravel() for p in pulls.values()]) ** 2)) > 0.4
    assert float(stage("dark").leak) == pytest.approx(10 ** (-small.modulator.extinction_dB / 10), rel=0.05)
    assert abs(float(stage("dark").leak) - 1e-3) < 5 * float(stage("dark").leak_std) + 1e-5


def test_a_ring_drops_most_light_where_its_record_says_that_it_rests(whole, stage):
    calibration, _, _ = read_record(whole / "calibration.nc")
    rings = jax.tree.map(lambda leaf: leaf.reshape(2, 3), calibration.rows.rings)
    around_pm = jnp.linspace(-150.0, 150.0, 3001)
    wl = calibration.wl_um + around_pm[:, None, None] * 1e-6
    dropped = jnp.abs(ring_fields(wl, rings, rings.offset_pm).drop)
    assert stage("resonance").distance_pm.values == pytest.approx(
        np.asarray(around_pm[jnp.argmax(dropped, 0)]), abs=0.1
    )


# ---------------------------------------------------------------- closed loop


def test_corrections_come_down_to_the_drivers_codes(whole, small):
    trimmed = Trimmed.read(whole / "stages" / "trim.nc")
    assert trimmed.measured.shape == (3, 8, 2, 3)
    open_loop = trimmed.closed_loop_bits[0]
    assert open_loop == pytest.approx(Validation.read(whole / "validation.nc").accuracy_bits, abs=0.8)
    assert np.abs(trimmed.volts_V).max() <= small.drive.max_voltage_V
    # This die's model leaves no more than the codes do. One that is a third of a picometre off leaves far more.
    calibration, _, _ = read_record(whole / "calibration.nc")
    wrong = eqx.tree_at(lambda c: c.rows.rings.offset_pm, calibration, calibration.rows.rings.offset_pm + 0.3)
    far, first, last = trim(fresh_die(small), wrong, small, key=jax.random.key(5)).closed_loop_bits
    assert far < 8.0 < 10.0 < first < last
    assert last > open_loop - 0.5


def test_a_trim_comes_back_and_no_other_stage_is_taken_for_it(whole, tmp_path):
    trimmed = Trimmed.read(whole / "stages" / "trim.nc")
    trimmed.write(tmp_path / "trim.nc")
    assert (tmp_path / "trim.nc").read_bytes() == (whole / "stages" / "trim.nc").read_bytes()
    with pytest.raises(InputError, match="lacks commanded"):
        Trimmed.read(whole / "stages" / "dark.nc")


# ---------------------------------------------------------------- it survives


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.97])
def test_a_calibration_killed_at_any_reading_and_resumed_is_the_same(small, whole, tmp_path, share, monkeypatch):
    """What kill -9 leaves is whole lines and at most a torn one: of the survey, held-out targets, noise study, trim."""
    # The plots, which are drawn of the records, are compared below, of jobs that were killed at every stage.
    monkeypatch.setattr(plots, "_write", lambda path, draw, stage: None)
    journal = (whole / "journal.jsonl").read_bytes()
    torn = journal[: int(share * len(journal))]
    path = tmp_path / "journal.jsonl"
    path.write_bytes(torn)
    with JournaledChip(fresh_die(small), small, path, identity={}, resume=True, retake=True) as chip:
        assert chip.kept == torn.count(b'"A"') - (not torn.endswith(b"\n") and b'"A"' in torn.rpartition(b"\n")[2])
        job(chip, small, tmp_path)
    assert records(tmp_path, (".nc",)) == records(whole, (".nc",))
    assert path.read_bytes() == journal


@pytest.fixture
def full_at():
    """From the moment that a file of this name is being written, no file may grow beyond a kilobyte.

    A real refusal of the operating system.
    """
    real, (soft, hard) = os.fdopen, limits.getrlimit(limits.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with pytest.MonkeyPatch.context() as patch:

        def fill(name):
            def full(handle, mode):
                if Path(os.readlink(f"/proc/self/fd/{handle}")).name.startswith(f".{name}."):
                    limits.setrlimit(limits.RLIMIT_FSIZE, (1000, hard))
                return real(handle, mode)

            patch.setattr(os, "fdopen", full)

        yield fill
    limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, old)


@pytest.mark.parametrize("name", ["calibration.nc", "rows.png", "validation.nc"])
def test_a_disk_that_is_full_is_one_clear_line_and_nothing_is_lost(small, whole, tmp_path, full_at, name):
    full_at(name)
    with pytest.raises(InputError) as caught:
        journaled_job(small, tmp_path)
    assert re.fullmatch(rf".*/{name}: cannot be written \(File too large\); choose a folder .*", str(caught.value))
    assert name not in {path.name for path in tmp_path.rglob("*")}
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))
    assert (whole / "journal.jsonl").read_bytes().startswith((tmp_path / "journal.jsonl").read_bytes())


def test_after_a_full_disk_the_job_goes_on(small, whole, tmp_path):
    """What such a refusal leaves: the journal and the records before it."""
    journal = (whole / "journal.jsonl").read_bytes()
    survey_end = [n for n, line in enumerate(journal.split(b"\n")) if b'"set"' in line][32]
    (tmp_path / "journal.jsonl").write_bytes(b"\n".join(journal.split(b"\n")[:survey_end]) + b"\n")
    (tmp_path / "calibration.nc").write_bytes((whole / "calibration.nc").read_bytes())
    journaled_job(small, tmp_path, resume=True, retake=True)
    assert records(tmp_path) == records(whole)


JOB = """
import json, os, signal, sys
from functools import partial
from pathlib import Path
import jax
from prism_photonics.workflow import job, session
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.spec import ChipSpec

spec, folder = ChipSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])
session.validate = partial(session.validate, **json.loads(sys.argv[3]))
kill = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)

def run(dies_at):
    if dies_at == "fit":
        session.from_survey = kill
    elif dies_at.isdigit():
        real_write, left = JournaledChip._write, [int(dies_at)]
        def write(self, entry):
            real_write(self, entry)
            left[0] -= 1
            left[0] or kill()
        JournaledChip._write = write
    else:
        real = os.replace
        os.replace = lambda old, new: kill() if str(new).endswith(dies_at) else real(old, new)
    die = VirtualChip.fabricate(spec, jax.random.key(0))
    with JournaledChip(die, spec, folder / "journal.jsonl", identity={}, resume=True, retake=True) as chip:
        job.calibrate_and_validate(chip, folder, seed=3, bench="virtual:0")

for dies_at in sys.argv[4:]:
    # Each a process of its own; JAX, which must not be forked once it runs, has only been imported.
    if not (child := os.fork()):
        run(dies_at)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([dies_at, code, *((folder / f"{name}.nc").exists() for name in ("calibration", "validation"))]))
"""


@pytest.mark.slow
def test_a_job_killed_at_every_stage_one_after_the_other_ends_with_the_same_records(small, whole, tmp_path):
    """Killed amid the survey, in the fit, and before a stage's and the trim's file has its name."""
    folder = tmp_path / "record"
    # What one process compiled, however quickly, the next ones need not.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    told = [sys.executable, "-c", JOB, small.model_dump_json(), str(folder), json.dumps(FEW)]
    told += ["100", "fit", "tuning.nc", "trim.nc"]
    done = subprocess.run(told, env=os.environ | cache, check=True, stdout=subprocess.PIPE, text=True)
    # Where each died, how, and whether there was a calibration and a validation by then.
    assert list(map(json.loads, done.stdout.splitlines())) == [
        ["100", -signal.SIGKILL, False, False],
        ["fit", -signal.SIGKILL, False, False],
        ["tuning.nc", -signal.SIGKILL, True, False],
        ["trim.nc", -signal.SIGKILL, True, True],
    ]
    kept = (folder / "journal.jsonl").read_bytes()
    assert kept == (whole / "journal.jsonl").read_bytes()
    journaled_job(small, folder, resume=True, retake=True)
    found = {name: content for name, content in records(folder).items() if not name.name.startswith(".")}
    assert found == records(whole)
