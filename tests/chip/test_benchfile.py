"""The bench file: every fault is one line that says where, and nothing in it is ever run."""

import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.instruments import channel_map
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.template import Template
from prism_photonics.chip.walltime import spelled, wall_time_s
from prism_photonics.units import InputError

FIELDS = ("channel", "channels", "value", "values")


@pytest.fixture(scope="module")
def shipped(layouts):
    return layouts.parent / "calibration" / "demo_8x8" / "bench.toml"


@pytest.fixture
def refused(tmp_path, shipped):
    """The complaint about the shipped file with one text replaced by another."""

    def read(old, new):
        text = shipped.read_text()
        assert old in text
        path = tmp_path / "bench.toml"
        path.write_text(text.replace(old, new))
        with pytest.raises(InputError) as caught:
            BenchFile.from_toml(path)
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{path}: ")

    return read


def test_the_shipped_bench_holds_the_demonstrator(shipped, demo):
    bench = BenchFile.from_toml(shipped)
    bench.require_complete(demo.chip.rows, demo.chip.channels)
    assert channel_map(bench.voltage_source[0])[(7, 7)] == 64
    assert channel_map(bench.light_source[0])[(3,)] == 4
    assert BenchChip(demo, bench).max_voltage_V == demo.drive.max_voltage_V


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_voltage_V = 20.0", "max_voltage_V = 1e3", "voltage_source.0.max_voltage_V = 1000.0: input should be"),
        ("max_voltage_V = 20.0", "max_volts = 10.0", "unknown key 'voltage_source.0.max_volts'; did you mean 'max_v"),
        ("max_voltage_V = 20.0", "", "missing key 'voltage_source.0.max_voltage_V'"),
        ("max_voltage_V = 20.0", 'max_voltage_V = "10"', "voltage_source.0.max_voltage_V = '10'"),
        ("max_voltage_V = 20.0", "max_voltage_V = nan", "voltage_source.0.max_voltage_V = nan"),
        ("safe_voltage_V = 0.0", "safe_voltage_V = 21.0", "safe_voltage_V = 21: above voltage_source.0.max_voltage_V"),
        ("lines = [0, 7]", "lanes = [0, 7]", "unknown key 'light_source.0.channels.0.lanes'; did you mean 'lines'"),
        ("rings = [0, 7]", "rings = [7, 0]", "voltage_source.0.channels.0: rings = [7, 0]: want a number from 0"),
        ("rings = [0, 7]", "rings = [0, 4, 7]", "voltage_source.0.channels.0: rings = [0, 4, 7]: want"),
        ("[light_source.commands]", "[light_source.commandz]", "'light_source.0.commandz'; did you mean 'commands'"),
        ("trigger =", "trigg =", "unknown key 'current_meter.0.commands.trigg'; did you mean 'trigger'"),
        ("{values:.12g}", "{volts:.12g}", "unknown field {volts}; did you mean 'values'?"),
        ("FETC? (@{channels})", "FETC? (@{values})", "unknown field {values}"),
        ('trigger = "INIT"', 'trigger = "INIT {value}"', "unknown field {value}"),
        ('name = "demo_8x8_virtual"', 'name = "Demo 8×8"', "name = 'Demo 8×8'"),
        ("[[current_meter]]", "[[current_meters]]", "unknown key 'current_meters'; did you mean 'current_meter'"),
        ('name = "demo_8x8_virtual"', 'name = "demo"\nvisa_library = "@os"', "visa_library = '@os'"),
        ('driver = "scpi"', 'driver = "os.system"', "voltage_source.0.driver = 'os.system'"),
        ("settle_s = 0.002", "settle_s = -1.0", "voltage_source.0.settle_s = -1.0"),
        ('error = "SYST:ERR?"', 'error = "SYST:ERR?\\nSOUR:VOLT 99"', "one line of printable ASCII"),
        ("[[light_source]]", "[[light_source", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_fault_in_the_file_is_named_with_its_place(refused, old, new, message):
    assert message in refused(old, new)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the bench file \(No such file"):
        BenchFile.from_toml(tmp_path / "bench.toml")


@pytest.mark.parametrize(
    ("role", "channels", "message"),
    [
        (
            "voltage_source",
            [{"rows": [0, 1], "rings": [0, 1], "first_channel": 1}],
            "ring 2 of row 0 has no channel (2 missing of 6)",
        ),
        (
            "voltage_source",
            [{"rows": [0, 2], "rings": [0, 2], "first_channel": 1}],
            "ring 0 of row 2 (channel 7) is not on this 2×3",
        ),
        ("light_source", [{"lines": [0, 3], "first_channel": 1}], "line 3 (channel 4) is not on this 2×3"),
        ("current_meter", [{"rows": 0, "first_channel": 1}], "row 1 has no channel (1 missing of 2)"),
    ],
)  # fmt: skip
def test_a_channel_map_must_hold_every_ring_line_and_row(small, bench_of, role, channels, message):
    with pytest.raises(InputError) as caught:
        BenchChip(small, bench_of("x", **{role: {"channels": channels}}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([{"rows": 0, "first_channel": 1}, {"rows": 1, "first_channel": 1}], "channel 1 holds row 0 and row 1"),
        ([{"rows": [0, 1], "first_channel": 1}, {"rows": 1, "first_channel": 9}], r"\(1,\) is mapped twice"),
    ],
)
def test_two_rows_on_one_channel_or_one_row_on_two_are_refused(bench_of, blocks, message):
    with pytest.raises(ValueError, match=message):
        bench_of("x", current_meter={"channels": blocks})


def test_reading_back_needs_a_question(bench_of):
    with pytest.raises(ValueError, match=r"voltage_source.0.verify_V: needs commands.query"):
        bench_of("x", voltage_source={"verify_V": 0.1, "commands": {"query": ""}})


# ---------------------------------------------------------------- templates


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("SOUR:VOLT {values:.3g},(@{channels})", "SOUR:VOLT 1,-2.5,(@3,14)"),
        ("SOUR{channel}:VOLT {value}", "SOUR3:VOLT 1.0"),
        ("VOLT {value:.2e},(@1{channel:02d})", "VOLT 1.00e+00,(@103)"),
        ("set {{{channel}}} to {value:.4f}V", "set {3} to 1.0000V"),
    ],
)
def test_a_template_is_filled_with_numbers_and_nothing_else(text, filled):
    values = {"channels": [3, 14], "values": [1.0, -2.5], "channel": 3, "value": 1.0}
    assert Template.parse(text, FIELDS).fill(values) == filled


@pytest.mark.parametrize(
    "text",
    [
        "{value.__class__}", "{value[0]}", "{value!r}", "{value:>30}", "{value:{channel}}", "{}", "{0}", "{", "}",
        "VOLT 1{value}", "VOLT 1e{value}", "VOLT -{value}", "VOLT {value}0", "VOLT {value}e3", "VOLT {value} KV",
        "VOLT {value}{value}", "VOLT {value}.5", "{channels} {channel}", "{channel:.3g}", "{seconds}",
        "VOLT {value}\n", "µV {value}",
    ],
)  # fmt: skip
def test_what_could_reach_further_or_change_a_number_is_no_template(text):
    with pytest.raises(InputError):
        Template.parse(text, FIELDS)


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_refused_in_one_line(text):
    try:
        template = Template.parse(text, FIELDS)
    except InputError as error:
        said = str(error)
    else:
        said = template.fill({"channels": [1], "values": [2.0], "channel": 1, "value": 2.0})
    assert "\n" not in said


@given(value=st.floats(-10, 10), digits=st.integers(1, 17))
def test_what_is_sent_is_known_beforehand(value, digits):
    template = Template.parse(f"V {{value:.{digits}f}}", FIELDS)
    assert template.as_sent("value", value) == float(template.fill({"value": value}).removeprefix("V "))


# ---------------------------------------------------------------- wall time


def test_the_wall_time_adds_up(bench_of):
    """By hand: two settings of 0.3 s, three lights of 0.02 s, four readings, ten samples, and the commands between."""
    bench = bench_of(
        "x",
        voltage_source={"settle_s": 0.3, "command_s": 0.01, "channels_per_command": 4},
        light_source={"settle_s": 0.02, "command_s": 0.001},
        current_meter={"sample_s": 0.1, "command_s": 0.002},
    )
    # Six rings in two commands, each with its error question; one command of light; a trigger with its
    # error question, and a question.
    by_hand = 2 * (0.3 + 4 * 0.01) + 3 * (0.02 + 2 * 0.001) + 4 * 3 * 0.002 + 10 * 0.1
    assert wall_time_s(bench, MeasurementPlan(settings=2, lights=3, triggers=4, samples=10)) == pytest.approx(by_hand)


def test_a_ramp_and_reading_back_take_their_time(bench_of):
    one = MeasurementPlan(settings=1)
    plain = wall_time_s(bench_of("x"), one)
    ramped = wall_time_s(bench_of("x", voltage_source={"ramp_V_s": 4.0, "verify_V": 0.1}), one)
    assert ramped - plain == pytest.approx(20.0 / 4.0 + 1e-3)


def test_the_files_own_numbers_are_those_of_its_text(shipped):
    data = tomllib.loads(shipped.read_text())
    assert BenchFile.from_toml(shipped).voltage_source[0].settle_s == data["voltage_source"][0]["settle_s"]
    assert np.isclose(BenchFile.from_toml(shipped).current_meter[0].sample_s, 1e-6)


def test_what_takes_how_long_is_said_by_instrument():
    times_s = {"voltage_source": 30.0, "laser": 600.0, "current_meter": 0.5, "heater_source": 0.0}
    assert spelled(times_s) == (
        "about 10.5 min on these instruments (laser 10 min, voltage source 30 s, current meter 0.5 s), computing not "
        "counted"
    )
    assert spelled({"laser": 7200.0}).startswith("about 2 h on these instruments (laser 2 h)")
