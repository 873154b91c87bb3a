"""An instrument of another protocol is a small class under an entry point: the page's example, installed and run."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.draft import draft_served
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.serve import serving_all
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.files.toml import parse_toml
from prism_photonics.units import InputError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bench.md"
LASER = '''
from prism_photonics.chip.drivers import AbstractDriver


class Dial(AbstractDriver):
    """A laser without a wire: a dial in this program."""

    log = []

    def open(self):
        self.log.append("open")

    def idn(self):
        return "a dial"

    def close(self):
        self.log.append("close")

    def _tune(self, wavelength_nm):
        self.log.append(round(wavelength_nm, 3))

    def read_wavelength_nm(self):
        return self.log[-1] if isinstance(self.log[-1], float) else None

    def shine(self, *, lit):
        self.log.append("lit" if lit else "dark")
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The page's class and a laser's, as pip would have installed them."""
    (example,) = re.findall(r"```python\n(from prism_photonics\.chip\.drivers.*?)```", PAGE.read_text("utf-8"), re.S)
    (tmp_path / "my_package.py").write_text(example + LASER + "\n\nLASER = 1\n")
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[prism_photonics.drivers]\nqontrol = my_package:Qontrol\ndial = my_package:Dial\nnothing = my_package:LASER\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("my_package", None)


class QontrolBox:
    """What a Qontrol box says: OK to every setting that it takes."""

    def __init__(self):
        self.volts, self.said = {}, []

    def replies(self, line, client):
        self.said.append(line)
        if line == "ID?":
            yield "Q8iv-0001"
        elif match := re.fullmatch(r"V(\d+)=(-?[\d.]+)", line):
            self.volts[int(match[1])] = float(match[2])
            yield "OK" if int(match[1]) < 7 else "E02:07"

    def delay_s(self):
        return 0.0

    def leave(self, client):
        return None


@pytest.fixture
def bench(silent, steady):
    """A served laser bench whose rings hang on a Qontrol box."""
    box = ServedChip(steady(laser=TunableLaser.ideal()), idn=f"prism_photonics,{silent.name}", time_scale=0.0)
    qontrol = QontrolBox()
    with serving_all([box, qontrol]) as (chip, source):
        data = parse_toml(draft_served(silent, int(chip.split("::")[2]), light="tunable_laser"), where="draft")
        data["voltage_source"][0] |= {
            "resource": source, "driver": "qontrol", "idn": "Q8iv", "commands": {"error": ""}
        }  # fmt: skip

        def make(**changes):
            for role, table in changes.items():
                data[role][0] |= table
            return BenchFile.model_validate(data)

        yield make, qontrol


def test_the_page_s_source_drives_the_rings_and_parks_them(installed, silent, bench):
    make, qontrol = bench
    volts = np.linspace(-5.0, 5.0, 6).reshape(2, 3)
    with BenchChip(silent, make()) as chip:
        assert chip.names[0] == "Q8iv-0001"
        chip.set(volts)
        assert [qontrol.volts[i + 1] for i in range(6)] == pytest.approx(volts.ravel(), abs=1e-4)
        with pytest.raises(InputError, match=r"within the ±\d+ V limit"):
            chip.set(np.full((2, 3), 1e3))
        with pytest.raises(InputError, match=r"voltage_source.0 .*: channel 3: 1000 V is not within"):
            chip._sources[0].driver.write_volts([3], np.array([1000.0]))
    assert not any(qontrol.volts.values())
    assert not any("1000" in line for line in qontrol.said)


def test_what_the_page_s_source_refuses_is_one_line(installed, silent, bench):
    make, _ = bench
    shifted = [{"rows": [0, 1], "rings": [0, 2], "first_channel": 2}]

    def job():
        with BenchChip(silent, make(voltage_source={"channels": shifted})):
            pass

    with pytest.raises(BenchError, match=r"voltage_source.0: channel 7: answered 'E02:07' to 0.0000 V, want OK"):
        job()


def test_a_laser_may_be_a_class_too_and_is_left_dark(installed, silent, bench):
    make, _ = bench
    dial = {"driver": "dial", "idn": "", "fastest_nm_s": 0.0, "commands": {"error": ""}}
    with BenchChip(silent, make(laser=dial)) as chip:
        chip.measure(np.eye(3)[1])
        log = sys.modules["my_package"].Dial.log
        assert log[-2:] == [round(1e3 * silent.comb_design.wl_um[1], 3), "lit"]
        with pytest.raises(InputError, match="outside the laser's range"):
            chip.sweep(np.array([1400.0]))
    assert log[-2:] == ["dark", "close"]


def test_a_driver_that_is_none_is_refused_by_its_name(installed, silent, bench):
    make, _ = bench
    with pytest.raises(InputError, match=r"driver = 'qontroll': not installed; did you mean 'qontrol'\?"):
        BenchChip(silent, make(voltage_source={"driver": "qontroll"}))
    with pytest.raises(InputError, match=r"driver = 'nothing': the installed entry point is not a subclass"):
        BenchChip(silent, make(voltage_source={"driver": "nothing"}))
