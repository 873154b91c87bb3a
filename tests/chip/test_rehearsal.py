"""The shipped laser benches are rehearsed: what they read by their own commands is what the chip gives."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.rehearsal import Rehearsal, laser_like, rehearsing
from prism_photonics.chip.resource import canonical
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.served_laser import DROP_GAIN, TRIGGER_LATENCY_S
from prism_photonics.chip.session import Client
from prism_photonics.chip.tunable import TunableLaser

EXAMPLES = ("keysight", "santec", "mixed")


@pytest.fixture(scope="module")
def examples(layouts):
    return layouts.parent / "calibration" / "laser_benches"


@pytest.fixture
def rehearsed(examples, steady, silent):
    """A shipped example with the file's waits and the unequal photodiodes of the served meter, and what plays it."""

    def make(which):
        data = BenchFile.from_toml(examples / f"{which}.toml").model_dump()
        for role in ("voltage_source", "laser", "current_meter"):
            for entry in data[role]:
                entry |= {"settle_s": 0.0, "timeout_s": 60.0}
        for meter in data["current_meter"]:
            meter |= {"range_s": 0.0}
            for block in meter["channels"]:
                one = [1.0, DROP_GAIN] if block["balanced"] else [DROP_GAIN if block["side"] == "drop" else 1.0]
                block |= {"gains": one}
        file = BenchFile.model_validate(data)
        speed = laser_like(file)
        assert speed is not None
        ideal = replace(TunableLaser.ideal(), speed_nm_s=speed.speed_nm_s)
        return file, ServedChip(steady(laser=ideal), idn="x", time_scale=0.0)

    return make


def test_every_example_is_there(examples):
    assert sorted(path.stem for path in examples.glob("*.toml")) == sorted(EXAMPLES)


@pytest.mark.parametrize("which", EXAMPLES)
def test_an_example_reads_the_chip_that_plays_it(which, rehearsed, silent, steady):
    file, box = rehearsed(which)
    inside = steady(laser=TunableLaser.ideal())
    lines_nm = 1e3 * np.array(silent.comb_design.wl_um)
    grid_nm = lines_nm[0] + np.arange(-10, 10) * 0.008
    with rehearsing(file, box, rings=3) as bench, BenchChip(silent, bench) as chip:
        assert chip.names[0].endswith(",rehearsed")
        volts = np.linspace(-5.0, 5.0, 6).reshape(2, 3)
        chip.set(volts)
        inside.set(volts)
        chip.measure(np.zeros(3))
        for line in range(3):
            light = np.eye(3)[line]
            # A meter that answers in dBm as text has twelve digits; one of floats seven.
            assert chip.measure(light) == pytest.approx(inside.measure(light), abs=1e-8)
        assert box.laser.lit
        found = chip.sweep(grid_nm)
        late_nm = box.laser._sweep["SPE"] * TRIGGER_LATENCY_S if chip.tally.sweeps else 0.0
        assert found.current_A == pytest.approx(inside.sweep(grid_nm + late_nm).current_A, abs=2e-8)
        assert found.wavelength_nm == pytest.approx(grid_nm, abs=1e-6)
        assert bool(chip.tally.sweeps) == (which != "mixed")
    assert not box.laser.lit
    assert not box._volts.sent.any()
    assert box.over_voltage_attempts == 0


def test_a_command_that_the_file_does_not_have_is_an_error_of_the_rehearsal(rehearsed):
    """What a file sends is what it says it sends: the player knows nothing else."""
    file, box = rehearsed("keysight")
    laser = Rehearsal(file, box, rings=3).instruments[canonical(file.laser[0].resource)]
    client = Client()
    assert list(laser.replies(":SOUR0:POW:STAT 1", client)) == [None]
    assert list(laser.replies(":SYST:ERR?", client)) == ['0,"No error"']
    assert list(laser.replies(":SOUR0:POW:STAT 2", client)) == []
    (complaint,) = laser.replies(":SYST:ERR?", client)
    assert complaint == '-113,"Undefined header; :SOUR0:POW:STAT 2 is no command of the bench file"'
    # What the chip's own box refuses comes back on the line that asked.
    list(laser.replies(":SOUR0:WAV 1200.000000NM", client))
    assert str(next(laser.replies(":SYST:ERR?", client))).startswith("-222")
