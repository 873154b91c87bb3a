"""Heaters: how they warm each other, how a bench drives them, and that none is ever told more than it may be."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.drivers import Links
from prism_photonics.chip.heaters import heater_limit_mW, own_shift_pm, shift_by_others_pm
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.scpi import ScpiDriver
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.session import Client
from prism_photonics.chip.walltime import wall_time_s
from prism_photonics.lightpath.ring.heating import SUBSTRATE_UM, crosstalk_shift_pm, temperature_rise
from prism_photonics.units import InputError

POWER_mW = np.linspace(1.0, 16.0, 6).reshape(2, 3)
OHM = 200.0


@pytest.fixture(scope="module")
def heated(small, altered):
    return altered(small, name="heated_2x3", trim={"method": "heater", "heater_mW_nm": 5.0, "heater_crosstalk": 0.02})


@pytest.fixture
def hot_box(heated, fabricate):
    return ServedChip(fabricate(spec=heated), idn="heated box", time_scale=0.0)


@pytest.fixture
def hot(hot_box):
    """That box on a socket; whatever a test does, nothing beyond a limit may have reached it."""
    with serving(hot_box) as resource:
        yield resource
    assert (hot_box.over_voltage_attempts, hot_box.over_power_attempts) == (0, 0)


@pytest.fixture
def hot_bench(bench_of):
    def make(resource, **changes):
        heater = {
            "resource": resource,
            "timeout_s": 5.0,
            "max_power_mW": 100.0,
            "channels": [{"rows": [0, 1], "rings": [0, 2], "first_channel": 1}],
        } | changes.pop("heater_source", {})
        file = bench_of(resource, **changes).model_dump()
        return BenchFile.model_validate(file | {"heater_source": [heater]})

    return make


# ---------------------------------------------------------------- heat in the substrate


def test_near_a_heater_warmth_falls_as_one_over_the_distance_and_far_away_the_back_is_cold():
    near_um = np.array([5.0, 10.0])
    near = temperature_rise(near_um) * near_um
    assert near == pytest.approx([1.0, 1.0], abs=0.02)
    # The images' own limit: beyond the thickness only the slowest mode of the slab is left, K₀(πr/2H).
    far_um = SUBSTRATE_UM * np.array([2.0, 3.0])
    slowest = np.exp(-np.pi * np.diff(far_um)[0] / (2.0 * SUBSTRATE_UM)) * np.sqrt(far_um[0] / far_um[1])
    assert np.divide(*temperature_rise(far_um)[::-1]) == pytest.approx(slowest, rel=0.05)


def test_all_heat_leaves_through_the_back():
    """Heated evenly all over, a slab of thickness H and conductivity k is q·H/k warmer above: ∫G dA = 2π·H."""
    r_um = np.geomspace(1e-3, 5.0 * SUBSTRATE_UM, 4000)
    total = np.trapezoid(temperature_rise(r_um) * 2.0 * np.pi * r_um, r_um)
    assert total == pytest.approx(2.0 * np.pi * SUBSTRATE_UM, rel=3e-3)


def test_rings_are_warmed_by_each_other_heater_one_by_one():
    given_pm = np.random.default_rng(0).uniform(0.0, 8e3, (4, 6))
    places = [(row * 110.0, ring * 130.0) for row in range(4) for ring in range(6)]
    by_hand = np.zeros((4, 6))
    for n, (y, x) in enumerate(places):
        for m, (v, u) in enumerate(places):
            if n != m:
                share = temperature_rise(np.array([np.hypot(y - v, x - u)])) / temperature_rise(np.array([130.0]))
                by_hand.ravel()[n] += share[0] * given_pm.ravel()[m]
    assert crosstalk_shift_pm(given_pm, pitch_um=130.0, row_pitch_um=110.0) == pytest.approx(by_hand, rel=1e-9)


def test_what_each_heater_has_to_do_adds_up_to_what_is_wanted(heated):
    wanted_pm = np.random.default_rng(1).uniform(0.0, 8e3, (2, 3))
    own_pm = own_shift_pm(heated, wanted_pm)
    assert own_pm + 0.02 * shift_by_others_pm(heated, own_pm) == pytest.approx(wanted_pm, rel=1e-6)


# ---------------------------------------------------------------- the bench


def test_heat_over_the_wire_is_heat_in_process(heated, fabricate, hot, hot_bench):
    inside = fabricate(spec=heated)
    inside.set(np.zeros((2, 3)))  # as a bench does that is opened
    with BenchChip(heated, hot_bench(hot)) as chip:
        assert chip.max_heater_mW == inside.max_heater_mW == heater_limit_mW(heated)
        for share in (0.3, 1.0):
            inside.heat(share * POWER_mW)
            chip.heat(share * POWER_mW)
            assert np.array_equal(chip.measure(np.ones(3), averages=9), inside.measure(np.ones(3), averages=9))
        assert np.array_equal(chip.heater_mW, POWER_mW)
        assert (chip.tally.heatings, chip.tally.settings) == (2, 0)


def test_only_heaters_that_change_are_written(heated, hot_box, hot, hot_bench):
    with BenchChip(heated, hot_bench(hot)) as chip:
        chip.heat(POWER_mW)
        said, real = [], chip._heaters[0].driver._write_powers
        chip._heaters[0].driver._write_powers = lambda channels, power: (
            said.append(list(channels)),
            real(channels, power),
        )
        changed = POWER_mW.copy()
        changed[1, 0] = 5.0
        chip.heat(changed)
        chip.heat(changed)
        assert said == [[4]]
        assert np.array_equal(hot_box._heat.sent, changed)


class Oops(Exception):
    pass


@pytest.mark.parametrize("end", [Oops, KeyboardInterrupt, SystemExit])
def test_whatever_ends_a_job_volts_go_first_and_then_the_heat(heated, hot_box, hot, hot_bench, end):
    order = []

    def watch(name, outputs):
        real = outputs.send
        outputs.send = lambda values: (order.append((name, bool(values.any()))), real(values))

    def job():
        with BenchChip(heated, hot_bench(hot)) as chip:
            watch("volts", hot_box._volts)
            watch("heat", hot_box._heat)
            chip.heat(POWER_mW)
            chip.set(np.full((2, 3), 3.0))
            raise end

    with pytest.raises(end):
        job()
    assert order == [("heat", True), ("volts", True), ("volts", False), ("heat", False)]
    assert not hot_box._heat.sent.any()


def test_the_next_bench_switches_off_what_a_kill_left_hot(heated, hot_box, hot, hot_bench):
    hot_box.answer("SOUR:HEAT 7,8,(@1,6)", Client())
    with BenchChip(heated, hot_bench(hot)):
        assert not hot_box._heat.sent.any()


def test_heaters_that_cannot_be_switched_off_are_named(heated, hot, hot_bench):
    lines = []
    chip = BenchChip(heated, hot_bench(hot), report=lines.append)

    def job():
        with chip:
            chip.heat(POWER_mW)
            chip._heaters[0].driver._write_powers = lambda *_: (_ for _ in ()).throw(BenchError("no answer"))

    with pytest.raises(BenchError, match="1 fault,"):
        job()
    assert "the heaters of rows 0 to 1 could not be parked and may still be on (no answer)" in lines[0]


def test_only_one_of_chip_and_bench_with_heaters_is_refused(small, heated, bench_of, hot_bench):
    with pytest.raises(InputError, match=r"no \[\[heater_source\]\], but the rings of heated_2x3 are held by heaters"):
        BenchChip(heated, bench_of("x"))
    with pytest.raises(InputError, match=r"has a \[\[heater_source\]\], but small_2x3 has no heaters"):
        BenchChip(small, hot_bench("x"))


@pytest.mark.parametrize(
    ("heater", "message"),
    [
        ({"channels": [{"rows": 0, "rings": [0, 2], "first_channel": 1}]}, "ring 0 of row 1 has no channel"),
        ({"channels": [{"rows": [0, 1], "rings": 0, "first_channel": 1}] * 2}, "is mapped twice"),
        ({"unit": "V"}, "needs resistance_ohm above 0"),
        ({"max_power_mW": 0.0}, "max_power_mW"),
    ],
)
def test_a_heater_source_that_does_not_fit_is_refused(heated, hot_bench, heater, message):
    with pytest.raises(ValueError, match=message):
        BenchChip(heated, hot_bench("x", heater_source=heater))


def test_an_unknown_key_of_a_heater_source_is_named(tmp_path, layouts):
    text = (layouts.parent / "calibration" / "demo_8x8" / "bench.toml").read_text()
    path = tmp_path / "bench.toml"
    path.write_text(text + '\n[[heater_source]]\nresource = "x"\nmax_power = 3.0\n')
    with pytest.raises(InputError, match=r"unknown key 'heater_source.0.max_power'; did you mean 'max_power_mW'"):
        BenchFile.from_toml(path)


def test_heating_takes_its_time(hot_bench):
    bench = hot_bench("x", heater_source={"settle_s": 0.5, "command_s": 0.01, "channels_per_command": 4})
    # Six heaters in two commands, each with its error question.
    assert wall_time_s(bench, MeasurementPlan(heatings=3)) == pytest.approx(3 * (0.5 + 4 * 0.01))


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("wrong", [43.6, -1e-9, np.nan, np.inf])
def test_a_power_beyond_the_limit_is_refused_at_the_door_and_counted(heated, hot_box, hot, hot_bench, wrong):
    with BenchChip(heated, hot_bench(hot)) as chip:
        power_mW = POWER_mW.copy()
        power_mW[1, 2] = wrong
        with pytest.raises(InputError, match=r"ring 2 of row 1: heater power .* nothing was written"):
            chip.heat(power_mW)
        assert chip.over_power_attempts == 1
        assert not chip.heater_mW.any()
        assert not hot_box._heat.sent.any()


@pytest.mark.parametrize(("unit", "listed"), [("mW", True), ("mW", False), ("V", True), ("A", True)])
@given(
    power_mW=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=6, max_size=6)
    | st.lists(st.floats(min_value=0.0, max_value=12.0), min_size=6, max_size=6),
    digits=st.integers(min_value=1, max_value=17),
    limit_mW=st.floats(min_value=0.01, max_value=10.0),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_driver_sends_a_power_beyond_the_limit_whoever_asks(
    hot_box, hot, hot_bench, unit, listed, power_mW, digits, limit_mW
):
    """Past the chip's own door, straight at the driver, with formats that round; the box's limit is in its unit."""
    values = f"{{values:.{digits}g}},(@{{channels}})" if listed else f"{{value:.{digits}g}},(@{{channel}})"
    heater = {"unit": unit, "resistance_ohm": OHM, "commands": {"set": f"SOUR:HEAT {values}"}}
    entry = hot_bench(hot, heater_source=heater).heater_source[0]
    links = Links()
    driver = ScpiDriver("heater_source.0", entry, limit_V=np.inf, limit_mW=limit_mW, links=links)
    box_limit, hot_box._chip._max_heater_mW = hot_box._chip._max_heater_mW, entry.sent(limit_mW)
    try:
        before = hot_box._heat.sent.copy()
        try:
            driver.write_powers(range(1, 7), np.array(power_mW))
        except InputError:
            assert np.array_equal(hot_box._heat.sent, before) or not listed
        else:
            assert max(power_mW) <= limit_mW
            assert hot_box._heat.sent.max() <= entry.sent(limit_mW)
        assert hot_box.over_power_attempts == 0
    finally:
        hot_box._heat.send(np.zeros((2, 3)))
        hot_box._chip._max_heater_mW = box_limit
        links.close()


def test_a_power_is_sent_in_the_sources_own_unit(hot_bench):
    by_unit = {
        unit: hot_bench("x", heater_source={"unit": unit, "resistance_ohm": OHM}).heater_source[0].sent(5.0)
        for unit in ("mW", "V", "A")
    }
    assert by_unit["mW"] == 5.0
    assert by_unit["V"] * by_unit["A"] == pytest.approx(5e-3)
    assert by_unit["V"] / by_unit["A"] == pytest.approx(OHM)


def test_the_smaller_of_the_instruments_and_the_specs_limit_holds(heated, hot, hot_bench):
    with BenchChip(heated, hot_bench(hot, heater_source={"max_power_mW": 4.0})) as chip:
        assert chip.max_heater_mW == 4.0
        with pytest.raises(InputError, match=r"channel 1: 4.1 mW is not within the 0 to 4 mW"):
            chip._heaters[0].driver.write_powers([1], np.array([4.1]))


@pytest.mark.parametrize(
    ("role", "commands"),
    [
        ("heater_source", {"start": ["SOUR:HEAT 5,(@1)"]}),
        ("light_source", {"start": ["SOUR:HEAT 5,(@1)"]}),
        ("voltage_source", {"stop": ["SOUR:HEAT 5,(@1)"]}),
    ],
)
def test_no_fixed_command_on_a_heaters_line_holds_a_power_beyond_the_limit(heated, hot_bench, role, commands):
    tight = {"max_power_mW": 4.0}
    changes = {"heater_source": tight} | {role: (tight if role == "heater_source" else {}) | {"commands": commands}}
    with pytest.raises(InputError, match="could be a heater's above the limit of 4"):
        BenchChip(heated, hot_bench("x", **changes))


# ---------------------------------------------------------------- the box


def test_the_box_heats_by_channel_list_and_counts_what_is_beyond(hot_box):
    client = Client()
    ask = lambda line: hot_box.answer(line, client)[0]  # noqa: E731
    assert ask("SOURce:HEATer 1,2.5,(@1,6)") is None
    assert [float(word) for word in ask("SOUR:HEAT? (@6,1)").split(",")] == [2.5, 1.0]
    assert float(ask("SOUR:HEAT:LIM?")) == hot_box._chip.max_heater_mW
    for beyond in ("44", "-0.1", "NAN", "1e999"):
        assert ask(f"SOUR:HEAT 3,{beyond},(@1,2)") is None
        assert ask("SYST:ERR?") == '-222,"Data out of range"'
    assert hot_box._heat.sent.ravel().tolist() == [1.0, 0, 0, 0, 0, 2.5]
    assert ask("DIAG:OVERP?") == ask("DIAGnostic:OVERPower?") == "4"
    assert ask("DIAG:OVER?") == "0"
    ask("*RST")
    assert not hot_box._heat.sent.any()


def test_a_box_without_heaters_says_so(box):
    client = Client()
    assert box.answer("SOUR:HEAT 0,(@1)", client)[0] is None
    assert box.answer("SYST:ERR?", client)[0].startswith("-241")
    assert box.over_power_attempts == 0


def test_heat_in_the_box_settles_as_volts_do(heated, fabricate):
    slow = ServedChip(fabricate(spec=heated), idn="slow", time_scale=1000.0)
    slow.answer("SOUR:HEAT 10,(@1)", Client())
    on_the_way = slow._heat.now()[0, 0]
    assert 0.0 <= on_the_way < 10.0
    assert slow._heat.sent[0, 0] == 10.0
