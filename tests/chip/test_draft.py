"""A bench file for one's own chip is complete but for its marks, and refused until the last one is filled in."""

import re

import numpy as np
import pytest

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import MARK, BenchFile, marks
from prism_photonics.chip.draft import draft, draft_served
from prism_photonics.chip.instruments import channel_map
from prism_photonics.files.toml import parse_toml
from prism_photonics.units import InputError

FILLED = {
    "resource": '"TCPIP::10.0.0.5::5025::SOCKET"',
    "idn": '"Maker,Type"',
    "error": '"SYST:ERR?"',
    "settle_s": "0.002",
    "sample_s": "1e-3",
    "set": '"VOLT {value},(@{channel})"',
    "query": '""',
    "average": '"AVER {averages}"',
    "trigger": '""',
    "read": '"READ? (@{channels})"',
}


def fill(text):
    """The file after its user has filled in every mark."""
    lines, table = text.splitlines(), ""
    for i, line in enumerate(lines):
        key, _, value = line.partition(" = ")
        table = line if line.startswith("[") else table
        if value.startswith(f'"{MARK}'):
            heat = (table, key) == ("[heater_source.commands]", "set")
            lines[i] = f"{key} = " + ('"HEAT {value},(@{channel})"' if heat else FILLED[key])
    return "\n".join(lines)


@pytest.fixture
def heated(small, altered):
    return altered(small, trim={"method": "heater", "heater_mW_nm": 5.0})


@pytest.mark.parametrize("which", ["small", "two_bus", "heated", "demo"])
def test_a_filled_in_draft_holds_the_chip(which, request, tmp_path):
    spec = request.getfixturevalue(which)
    path = tmp_path / "bench.toml"
    path.write_text(fill(draft(spec)))
    chip = BenchChip(spec, path)
    assert chip.max_voltage_V == spec.drive.max_voltage_V
    assert bool(chip.max_heater_mW) == (which == "heated")
    assert channel_map(chip.bench.voltage_source[0])[(spec.chip.rows - 1, spec.chip.rings - 1)] == (
        spec.chip.rows * spec.chip.rings
    )


LASER_FILLED = FILLED | {
    "shortest_nm": "1500.0",
    "longest_nm": "1600.0",
    "wavelength_error_pm": "10.0",
    "jitter_pm": "1.0",
    "smallest_step_pm": "0.2",
    "slowest_nm_s": "0.5",
    "fastest_nm_s": "50.0",
    "sweep_s": "1.0",
    "wavelength_unit": '"m"',
    "log_unit": '"m"',
    "log_format": '"float64"',
    "ranges_A": "[1e-6, 1e-4]",
}


def fill_laser(text):
    """A laser's file after its user has taken the commands that each mark suggests."""
    lines = []
    for line in text.splitlines():
        line = re.sub(f'"{MARK}: what makes[^"]*"', "[1.0, 1.1]", line)
        key, _, value = line.partition(" = ")
        if value.startswith((f'"{MARK}', f'["{MARK}')):
            suggested = re.sub(f'{MARK}: such as ([^"]*)', r"\1", value)
            line = f"{key} = {LASER_FILLED.get(key, suggested)}"
        lines.append(line)
    return "\n".join(lines)


def test_a_draft_for_a_laser_holds_a_pair_of_meter_channels_for_each_row(small, tmp_path):
    path, text = tmp_path / "bench.toml", draft(small, light="tunable_laser")
    path.write_text(text)
    with pytest.raises(InputError, match=r"not filled in yet; .* more are marked FILL IN"):
        BenchFile.from_toml(path)
    path.write_text(fill_laser(text))
    chip = BenchChip(small, path)
    assert chip.laser is not None
    assert (chip.laser.shortest_nm, chip.laser.speed_nm_s, chip.laser.dead_s) == (1500.0, 50.0, 1.0)
    assert chip.bench.laser[0].smallest_step_pm == 0.2
    assert channel_map(chip.bench.current_meter[0]) == {
        (0, "through"): 1, (0, "drop"): 2, (1, "through"): 3, (1, "drop"): 4,
    }  # fmt: skip
    assert chip.bench.current_meter[0].weights()[(1, "drop")] == -1.1


@pytest.mark.parametrize(
    ("light", "resources", "message"),
    [
        ("tunable_laser", {"light_source": ["A"]}, "light_source A: a bench whose light is 'tunable_laser' has none"),
        ("comb", {"laser": ["A"]}, "laser A: a bench whose light is 'comb' has none; leave it out, or give the other"),
        ("tunable_laser", {"laser": ["A", "B"]}, "laser: 2 instruments for 1 bench"),
        ("laser", {}, r"--light laser: unknown kind of light; did you mean 'tunable_laser'\?"),
    ],
)
def test_light_that_does_not_fit_is_refused(small, light, resources, message):
    with pytest.raises(InputError, match=message):
        draft(small, light=light, resources=resources)


def test_a_draft_is_refused_in_one_line_until_its_last_mark_is_filled_in(small, tmp_path):
    path, text = tmp_path / "bench.toml", draft(small)
    path.write_text(text)
    count = len(marks(parse_toml(text, where="draft")))
    assert count == text.count(f'"{MARK}') > 10
    with pytest.raises(InputError) as caught:
        BenchFile.from_toml(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: voltage_source.0.resource = '{MARK}: VISA resource")
    assert str(caught.value).endswith(
        f"not filled in yet; write your instrument's there ({count - 1} more are marked FILL IN)"
    )
    path.write_text(fill(text).replace('"READ? (@{channels})"', f'"{MARK}: such as FETC?"'))
    with pytest.raises(
        InputError, match=r"current_meter\.0\.commands\.read = 'FILL IN.*write your instrument's there$"
    ):
        BenchFile.from_toml(path)


def test_several_instruments_of_a_role_share_its_rows_in_order(demo, tmp_path):
    path = tmp_path / "bench.toml"
    path.write_text(fill(draft(demo, resources={"voltage_source": ["A", "B", "C"], "light_source": ["D", "E"]})))
    bench = BenchFile.from_toml(path)
    bench.require_complete(demo.chip.rows, demo.chip.rings)
    assert [(source.resource, source.channels[0].rows) for source in bench.voltage_source] == [
        ("A", [0, 1]),
        ("B", [2, 4]),
        ("C", [5, 7]),
    ]
    assert [source.channels[0].lines for source in bench.light_source] == [[0, 3], [4, 7]]


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"current_meter": ["A", "B", "C"]}, "current_meter: 3 instruments for 2 rows; give at most one for each"),
        (
            {"heater_source": ["A"]},
            r"heater source A: small_2x3 has no heaters \(trim.method = 'permanent'\); leave it",
        ),
        ({"voltage_source": ['A"\n']}, "not printable ASCII; give a VISA resource, such as TCPIP::"),
    ],
)
def test_instruments_that_do_not_fit_are_refused(small, resources, message):
    with pytest.raises(InputError, match=message):
        draft(small, resources=resources)


def test_a_quoted_resource_is_the_one_that_was_given(small):
    text = draft(small, resources={"current_meter": [r"A\"B"]})
    assert parse_toml(text, where="draft")["current_meter"][0]["resource"] == r"A\"B"


def test_a_served_chip_is_measured_by_its_file_as_it_is(heated, tmp_path):
    from prism_photonics.chip.serve import serving
    from prism_photonics.chip.served import ServedChip
    from prism_photonics.chip.virtual import VirtualChip

    box = ServedChip(VirtualChip(heated, seed=0), idn=f"prism_photonics,{heated.name},virtual:0,test", time_scale=0.0)
    with serving(box) as resource:
        path = tmp_path / "bench.toml"
        path.write_text(draft_served(heated, int(resource.split("::")[2])))
        with BenchChip(heated, path) as chip:
            chip.set(np.full((2, 3), 5.0))
            chip.heat(np.full((2, 3), 1.0))
            served_A = chip.measure(np.ones(3), averages=16)
            chip.wait(0.5)
    virtual = VirtualChip(heated, seed=0)
    virtual.set(np.full((2, 3), 5.0))
    virtual.heat(np.full((2, 3), 1.0))
    assert served_A == pytest.approx(virtual.measure(np.ones(3), averages=16), rel=0.2)
    assert box.over_voltage_attempts == box.over_power_attempts == 0
