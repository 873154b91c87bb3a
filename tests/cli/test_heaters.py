"""A record of an untrimmed chip at the doors that use it: its heaters are on first, and off when all is done."""

import threading

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.record import heat_as_recorded, write_record
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.units import InputError
from prism_photonics.workflow.bench import hold_tile

POWER_mW = np.linspace(3.0, 13.0, 6).reshape(2, 3)
ORDER = np.array([[[1, 2, 0]], [[2, 0, 1]]])


@pytest.fixture(scope="module")
def heated(small, altered):
    return altered(small, name="heated_2x3", trim={"method": "heater", "heater_mW_nm": 5.0})


@pytest.fixture(scope="module")
def fresh(heated):
    return lambda: VirtualChip.fabricate(heated, jax.random.key(0), trimmed=False)


@pytest.fixture(scope="module")
def record(heated, made_up, made_up_survey, tmp_path_factory):
    """As of an untrimmed die; the fit is made up, the heat and the order are what matters."""
    folder = tmp_path_factory.mktemp("heated") / "record"
    survey = made_up_survey(heated).assign(
        heater_mW=(("row", "ring"), POWER_mW, {"units": "mW"}), channel_of_ring=(("row", "bus", "place"), ORDER)
    )
    calibration = blank_calibration(heated, triggers=1)
    write_record(folder / "calibration.nc", calibration, survey, heated, bench="untrimmed:0", seed=0)
    validation = Validation.read(made_up / "record" / "validation.nc")
    object.__setattr__(validation, "spec_hash", heated.hash)
    validation.write(folder / "validation.nc")
    return folder


@pytest.fixture
def bench(heated):
    """A bench file at an address, with heaters or without."""

    def make(resource, *, heats=True):
        entry = {"resource": resource, "timeout_s": 5.0}
        rings = [{"rows": [0, 1], "rings": [0, 2], "first_channel": 1}]
        tables = {
            "voltage_source": [entry | {"max_voltage_V": 10.0, "channels": rings}],
            "light_source": [entry | {"channels": [{"lines": [0, 2], "first_channel": 1}]}],
            "current_meter": [entry | {"sample_s": 0.0, "channels": [{"rows": [0, 1], "first_channel": 1}]}],
        }
        if heats:
            tables["heater_source"] = [entry | {"max_power_mW": 50.0, "channels": rings}]
        return BenchFile.model_validate({"name": "heated", **tables})

    return make


def test_a_tile_is_held_with_the_records_heat_on_before_and_off_afterwards(record, fresh, bench, tmp_path):
    volts = np.full((1, 1, 2, 3), 2.0)
    np.savez(tmp_path / "volts.npz", volts_V=volts)
    box, seen, done = ServedChip(fresh(), idn="box", time_scale=0.0), [], threading.Event()

    def watch():
        while not done.wait(0.01):
            seen.append((box._volts.sent.any(), box._heat.sent.copy()))

    watcher = threading.Thread(target=watch)
    with serving(box) as resource:
        watcher.start()
        hold_tile(bench(resource), record, tmp_path / "volts.npz", page=0, piece=0, hold_s=0.3, tell=print, warn=print)
        done.set()
        watcher.join()
    held = [heat for driven, heat in seen if driven]
    assert held
    assert all(np.array_equal(heat, POWER_mW) for heat in held)
    assert not box._heat.sent.any()
    assert not box._volts.sent.any()
    assert (box.over_voltage_attempts, box.over_power_attempts) == (0, 0)


def test_a_bench_without_heaters_cannot_hold_it(record, bench, tmp_path):
    np.savez(tmp_path / "volts.npz", volts_V=np.zeros((1, 1, 2, 3)))
    with pytest.raises(InputError, match=r"no \[\[heater_source\]\], but the rings of heated_2x3 are held by heaters"):
        hold_tile(
            bench("x", heats=False), record, tmp_path / "volts.npz", page=0, piece=0, hold_s=0.0, tell=print, warn=print
        )


def test_a_chip_without_heaters_cannot_serve_it(record, small):
    chip = VirtualChip.fabricate(small, jax.random.key(0))
    with pytest.raises(InputError, match="its rings were held by heaters, and this chip has none"):
        heat_as_recorded(chip, record / "calibration.nc")


def test_the_circuit_that_ranks_is_heated_as_recorded(record, fresh, monkeypatch):
    from prism_photonics.workflow.circuit import circuit_reader

    made = []
    real = VirtualChip._fabricate
    monkeypatch.setattr(VirtualChip, "_fabricate", lambda c, key, **k: made.append((k, c)) or real(c, key, **k))
    circuit_reader(record)
    ((options, chip),) = made
    assert options == {"trimmed": False, "laser": None, "truth": None, "trimming": None}
    assert np.array_equal(chip.heater_mW, POWER_mW)
    assert np.array_equal(chip.channel_of_ring, ORDER)


def test_a_record_without_heat_heats_nothing(made_up, fresh):
    chip = fresh()
    heat_as_recorded(chip, made_up / "record" / "calibration.nc")
    assert not chip.heater_mW.any()


@pytest.mark.parametrize("command", [("bench", "serve"), ("run",)])
def test_only_a_chip_with_heaters_is_served_or_run_untrimmed(layouts, command):
    from prism_photonics.cli.app import app

    spec = str(layouts / "demo_8x8" / "spec.toml")
    result = CliRunner().invoke(app, [*command, spec, "--untrimmed"], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "demo_8x8 has no heaters to bring its rings to channels" in result.stderr


def test_a_die_is_served_before_its_trimming_or_after_it(layouts, tmp_path):
    from prism_photonics.chip.trimming import Trimming
    from prism_photonics.cli.app import app
    from prism_photonics.spec import load_spec

    spec = load_spec(layouts / "demo_8x8" / "spec.toml")
    none = np.zeros((8, 1, 8))
    order = np.broadcast_to(np.arange(8), none.shape)
    path = tmp_path / "trimming.csv"
    Trimming("untrimmed:0", spec.hash, order, none, none, none.astype(int), none, none).write(path)
    asked = ["bench", "serve", str(layouts / "demo_8x8" / "spec.toml"), "--untrimmed", "--trimming", str(path)]
    result = CliRunner().invoke(app, asked, env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "got --untrimmed too, want the die before or after; leave one out" in result.stderr
