"""The guard: whatever its spelling, no fixed command that an instrument may read as too high a voltage passes."""

import random
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.exchange import ALL_FIELDS
from prism_photonics.chip.guard import Guard
from prism_photonics.chip.resource import canonical, same_box
from prism_photonics.chip.template import Template
from prism_photonics.units import InputError

LIMIT_V = 10.0
GUARD = Guard(LIMIT_V, largest_channel=64)


def doubt(text, *, setting=False, guard=GUARD):
    return guard.doubt(Template.parse(text, ALL_FIELDS), setting=setting)


# ---------------------------------------------------------------- spellings of what is above the limit

VOLTS = st.floats(min_value=10.001, max_value=1e6)


def _based(volts):
    whole = int(volts) + 1
    return [f"#H{whole:X}", f"#h{whole:x}", f"#Q{whole:o}", f"#B{whole:b}"]


def _decimal(volts):
    mantissa, exponent = f"{volts:.12e}".split("e")
    return [
        repr(volts), f"{volts:.3f}", f"+{volts:.6g}", f"-{volts:.6g}", f"00{volts:.3f}", f"{volts:e}", f"{volts:E}",
        f"{mantissa} E{exponent}", f"{mantissa}E {exponent}", f"{mantissa} e +{int(exponent)}", f"{int(volts) + 1}.",
        f"{int(volts) + 1}", f".{int(volts * 1e6) + 1:09d}E9", f"{volts * 1e9:.0f}E-9",
    ]  # fmt: skip


def _multiplied(volts):
    tens = {"K": 3, "k": 3, "MA": 6, "G": 9, "M": -3, "U": -6, "N": -9, "P": -12, "F": -15, "A": -18, "T": 12, "PE": 15}
    return [f"{volts / 10.0**n:.9g}{gap}{p}{unit}" for p, n in tens.items() for gap in ("", " ") for unit in ("V", "v")]


def _hidden(volts):
    whole = f"{int(volts) + 1}"
    return [
        f'"{volts:.4g}"', f"'{volts:.4g}'", f"({volts:.4g})", f"({whole}*1)", f"({whole}+0)", f"#1{len(whole)}{whole}",
        f"#{len(str(len(whole)))}{len(whole)}{whole}", f"#0{whole}", f"(@{whole}", f"(@1,2){whole}", f"@{whole}",
        f"{whole}V2", f"V{whole}", f"{whole},(@1", f"CH{whole}",
    ]  # fmt: skip


WORDS = ["MAX", "MAXimum", "max", "MIN", "MINIMUM", "DEF", "DEFault", "UP", "DOWN", "INF", "INFinity", "NINF", "NAN"]
NUMBERS = VOLTS.flatmap(
    lambda volts: st.sampled_from([*_decimal(volts), *_multiplied(volts), *_based(volts), *_hidden(volts), *WORDS])
)
# What an instrument's maker may call its voltage, in short and long, with optional nodes and another maker's words.
HEADERS = st.sampled_from(
    [
        "SOUR:VOLT", "SOURce:VOLTage", "source:voltage:level:immediate:amplitude", ":SOUR:VOLT", "VOLT", "VOLT:LEV",
        "SOUR3:VOLT", "SOUR:VOLT3:LEV:IMM:AMPL", "VOLT:TRIG", "VOLT:OFFS", "VOLT:HIGH", "VOLT:AMPL", "VOLT:STEP",
        "VOLT:STAR", "LIST:VOLT", "SOUR:VOLT:RANG", "VOLT:PROT", "VOLTage:ALL", "DAC:VALUE", "VSET", "VSET1", "OUT:V",
        "APPL", "APPLy:DC", "APPL P25V,", "APPL CH1,", "PATT", "MEM:DATA", "DDT", "CHAN2:VOLT", "U",
    ]
)  # fmt: skip
TAILS = st.sampled_from(["", ",(@1)", ", (@1:64)", ",(@1,2)", ",0.1", " ", ",DEF"])
BEFORE = st.sampled_from(
    ["", "", "*CLS;", "*RST;:", "OUTP ON;", "SYST:REM;:", "SENS:AVER:COUN 4;", "INST:NSEL 2;:", ";", "VOLT 1;"]
)
AFTER = st.sampled_from(["", "", ";OUTP ON", ";:OUTP ON,(@1)", ";*WAI", ";", ";*OPC?"])


@given(header=HEADERS, number=NUMBERS, tail=TAILS, before=BEFORE, after=AFTER)
@settings(max_examples=4000, deadline=None)
def test_no_spelling_of_a_voltage_above_the_limit_passes(header, number, tail, before, after):
    assert doubt(f"{before}{header} {number}{tail}{after}".replace("{", "{{").replace("}", "}}"))


GLUED = st.sampled_from(
    [
        "S{v};E", "S{v}E", "V{v}X", "V{v}", "D{v}X", "VOLT{v}", "VOLT{v};E", "VSET{v}", "P{v}", "AP{v}VO",
        "S+{v};E", "SA{v}E",
        "VOLT={v}", "V:{v}", "set_volt({v})", "smua.source.levelv = {v}", "smua.source.levelv={v}", "W{v}?",
        "SOUR:VOLT:{v}",
        "VOLT/{v}", "{v}V", "{v}", "@{v}", "VOLT {v}X", "I1,{v}X", "OUTP{v}", "CH1:{v}", "B{v};H1", "N{v}?X",
    ]
)  # fmt: skip


@given(form=GLUED, volts=VOLTS, digits=st.integers(2, 9), before=BEFORE)
@settings(max_examples=2000, deadline=None)
def test_no_number_glued_to_letters_passes(form, volts, digits, before):
    number = f"{volts:.{digits}f}"
    assert doubt(before + form.replace("{v}", number))
    assert doubt(before + form.replace("{v}", number.partition(".")[0]))


@pytest.mark.parametrize(
    "text",
    [
        "*RCL 1", "*RCL", "*rcl 0", "*SAV 1", "*DDT #17VOLT 99", '*DDT "VOLT 99"', '*DMC "A","VOLT 99"', "*PUD #13abc",
        "*TRG 5", "*RST 3", "*FOO", "MEM:STAT:REC FULL", "MMEM:LOAD:STAT", "SOUR:LIST:VOLT", 'EXEC "VOLT 100"', "MACR",
        "smua.source.levelv = math.huge", "smua.source.levelv = math.pi", "script.run()", "VOLT FULL", "VOLT MAX",
        "VOLT (@1;VOLT 100", "VOLT 1;VOLT (@1,VOLT 100)", 'DISP:TEXT "a;VOLT 100"', 'DISP:TEXT "a', "SOUR:FUNC CURR",
        "SENS:AVER:COUN 4;VOLT 100", "VOLT:LEV 1;LEV 100", "SENS:VOLT:RANG 2;PROT 100", "VOLT UP;VOLT UP", "VOLT:UP",
        "VOLT:MAX", "VOLT 0x64", "VOLT 1_00", "VOLT 1e", "VOLT 1,,2", "VOLT 100%", "VOLT !", "VOLT\\100",
        "OUTP:LOAD 50",
        "VOLT {averages}", "VOLT {seconds},(@1)", "VOLT {integration_s}", "VOLT {channel};:FOO", "V{channel}",
        "V{channel}X",
        "CURR 100", "VOLT:SLEW 5", "ROUT:TERM 3", "DIAG:VOLT 5",
    ],
)  # fmt: skip
def test_what_recalls_computes_or_cannot_be_read_is_refused(text):
    assert doubt(text)


@pytest.mark.parametrize(
    "text",
    [
        # Another shape than a constant voltage, or one that runs by itself.
        "FUNC SIN", "FUNC USER", "FUNC RAMP", "FUNC:SHAP PULS", 'FUNC "CURR"', "FUNC:MODE CURR", "SOUR:CURR:MODE LIST",
        "SOUR:MODE SWE", "SOUR:SWE:STAT ON", "VOLT:SWE:STAT ON", "BURS:STAT ON", "AM:STAT ON", "ARB:STAT ON", "RAMP ON",
        "STEP:STAT ON", "PATT:STAT ON", "SEQ:STAR", "WAVE:STAR", "APPL:SIN", "APPL", "HCOP", "FOO:BAR ON",
        # Outputs that add up, follow one another, or are given by something else.
        "OUTP:PAIR SER", "INST:COMB:SER", "OUTP:TRAC ON", "OUTP:SER ON", "COUP:TRAC ON", "INST:COUP ALL",
        "OUTP:POL INV", "OUTP:GAIN HIGH", "OUTP:AMPL ON", "VOLT:EXT ON", "VOLT:SOUR EXT", "VOLT:ALC:SOUR EXT",
        # Another unit for the numbers after it, and limits that are lifted.
        "TRIG:OUTP ON", "UNIT:VOLT DBM", "UNIT KV", "VOLT:UNIT KV", "UNIT:POW DBM", "VOLT:LIM:STAT OFF",
        "VOLT:PROT:STAT OFF", "VOLT:PROT 100", "VOLT:PROT MAX", "VOLT:RANG 200", "VOLT:SLEW MAX",
        # States from elsewhere, and questions that drive an output to find their answer.
        "SYST:PRES", "SYST:POS LAST", "SYST:PON:TYPE SAV", "SYST:SEC:IMM", "*TST?", "*CAL?", "CAL:ALL?", "TEST:ALL?",
        "MEAS:RES?", "SYST:PRES?", 'SENS:FUNC "RES"', "SENS:RES:MODE AUTO", "DIAG:TEST", "DIAG:VOLT ON",
        # On and off have no size, and a comma is none between thousands.
        "OUTP 100", "OUTP #H64", "OUTP ON,100", "OUTP 1V", "VOLT 1,005", "VOLT 9,000",
    ],
)  # fmt: skip
def test_a_word_that_makes_an_output_give_more_than_it_was_set_to_is_refused(text):
    assert doubt(text)
    assert doubt(f"{text};:VOLT {{value}}", setting=True)


@given(st.text(alphabet=string.printable[:95].replace("{", "").replace("}", ""), max_size=24))
@settings(max_examples=2000, deadline=None)
def test_random_text_that_passes_holds_no_number_that_is_not_known(text):
    """A second road to the same answer: digits of passed text lie in channel lists, known headers, or are small."""
    if doubt(text):
        return
    for unit in text.split(";"):
        bare = unit.split("(@")[0]
        if any(sign.isdigit() for sign in bare):
            words = [w.strip() for w in bare.partition(" ")[2].split(",") if w.strip()]
            # A query of two letters and a suffix sets nothing.
            assert ":" in bare or "*" in bare or bare.strip()[:4].isalpha() or bare.rstrip().endswith("?")
            assert words or "?" in bare


# ---------------------------------------------------------------- what is harmless

LEGITIMATE = [
    "*RST", "*CLS", "*IDN?", "*OPC?", "*WAI", "*TRG", "*ESE 60", "*SRE #H20", "SYST:ERR?", ":SYST:ERR:NEXT?",
    "SYST:REM",
    "SYST:RWL", "SYST:LOC", "INIT", "INIT:IMM", "ABOR", "OUTP ON", "OUTP 1,(@1:64)", "OUTP:STAT OFF,(@1,2,3:64)",
    "OUTP2 ON",
    "SENS:AVER:COUN {averages}", "SENS:CURR:NPLC 10", "SENSe:CURRent:RANGe 1e-3", "SENS:CURR:RANG:AUTO ON", "FORM ASC",
    "FORM:ELEM CURR,TIME", "TRIG:COUN 100", "SAMP:COUN 1000", "SENS:CURR:APER 20 ms", "SOUR:VOLT 5,(@1)", "VOLT 0",
    "VOLT -10",
    "SOUR:VOLT:LEV:IMM:AMPL 1.5V", "SOUR:VOLT:RANG 10", "VOLT:PROT 9.5", "SOUR:VOLT:ILIM 2.5E-5", "CURR 0.01,(@1:4)",
    "SOUR:CURR:LIM 1e-3", "SOUR:FUNC VOLT", "SOUR:FUNC:MODE VOLT", "SOUR:VOLT:MODE FIX", 'SENS:FUNC "CURR"',
    "SYST:AZER OFF",
    'DISP:TEXT "bench 7"', "DISP:ENAB OFF", "SYST:BEEP:STAT 0", "STAT:OPER:ENAB 512", "DIAG:WAIT {seconds}",
    "DIAG:CLOC?",
    "SYST:DATE 2026,11,28", "FETC? (@{channels})", "FETC? (@{channel})", "READ?", "MEAS:CURR? (@{channels})",
    "VOLT? MAX",
    "SOUR{channel}:VOLT?", "CH{channel}:VOLT?", "MEAS:CURR? {channel}", "SOUR:VOLT? (@{channels})",
    "*CLS;:OUTP ON;*OPC?",
    "INST:NSEL 3;:OUTP ON", "print(errorqueue.next())", "smua.source.output = smua.OUTPUT_ON", "SOUR:VOLT:LIM?",
    "SYST:ZCH OFF", "ROUT:CLOS (@101:164)", "TRIG:SOUR BUS", "OUTP CH1,ON", "INST CH2",
    "INST:SEL P25V", "VOLT:RANG:AUTO ON", "SYST:COMM:RLST RWL", "SENS:FUNC 'CURR:DC'", "CONF:CURR", "ABOR", "*ESR?",
    "OUTP? (@1)", "SOUR:CLE", "VOLT:PROT:CLE", "FUNC:SHAP DC", "*LRN?",
]  # fmt: skip


@pytest.mark.parametrize("text", LEGITIMATE)
def test_what_is_proven_harmless_passes(text):
    assert doubt(text) == ""


SETTINGS = [
    "SOUR:VOLT {values:.12g},(@{channels})", "SOUR:VOLT {values},(@{channels})", "SOUR{channel}:VOLT {value}",
    "VOLT {value} V",
    "SOUR:VOLT {value:.6f}V,(@{channel})", "VOLT {value:.2e},(@1{channel:02d})", "set {{{channel}}} to {value:.4f}V",
    "INST:NSEL {channel};:VOLT {value}", "S{value};E", "V{value};X", "V{value}X", "smua.source.levelv = {value}",
    "APPL CH{channel},{value},0.1",
    "set_volt({channel}, {value})", "DAC {channel} {value}", "node[2].smub.source.levelv={value:.6e}",
    "VOLT {value},5,(@1)",
    "SOUR:TRAN {values:.12g},(@{channels})", "CH{channel}:VOLT {value}",
]  # fmt: skip


@pytest.mark.parametrize("text", SETTINGS)
def test_a_setting_in_any_devices_language_passes(text):
    assert doubt(text, setting=True) == ""


@pytest.mark.parametrize(
    "text",
    [
        "SOUR:VOLT 20,(@1);:SOUR:VOLT {values},(@{channels})", "VOLT {value};:VOLT:OFFS {value}", "VOLT {value},100",
        "VOLT {value},0.1KV", "VOLT {value} K", "VOLT {value} EX", "VOLT {value}M", "VOLT ({value}*10)",
        "VOLT 10*{value}",
        "VOLT {value} + 5", "VOLT {value} 5", "VOLT 1 E {value}", "VOLT - {value}", "VOLT {value},(@1;VOLT 100",
        "VOLT (@1,100){value}", "VOLT {channel},{value}", "S{value}E", "VOLT {value} PCT", "VOLT {value};:VOLT MAX",
        "*RCL 1;:VOLT {value}", "VOLT {value},#H64", "VOLT {value}/2", "UNIT:VOLT KV;:VOLT {value}",
        "VOLT {value};:OUTP:PAIR SER",
    ],
)  # fmt: skip
def test_nothing_beside_a_settings_value_can_add_to_it(text):
    assert doubt(text, setting=True)


@pytest.mark.parametrize(
    "text", ["VOLT {value}e{channel}", "VOLT {channel}{value}", "VOLT {channel}e{value}", "V {channel}.{value}"]
)
def test_two_fields_never_make_one_number(text):
    with pytest.raises(InputError, match="part of the number"):
        Template.parse(text, ("channel", "value"))


# ---------------------------------------------------------------- in the bench

ROLES = ("voltage_source", "light_source", "current_meter")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "text", ["S100;E", "V100X", "SOUR:VOLT 0.1KV,(@1)", "SOUR:VOLT #H64,(@1)", "*RCL 2", "VOLT MAX"]
)
@pytest.mark.parametrize("key", ["start", "stop"])
def test_a_bench_with_such_a_command_is_refused_with_place_and_cure(small, bench_of, role, key, text):
    with pytest.raises(InputError, match="could be a voltage above the ±10 V limit") as caught:
        BenchChip(small, bench_of("x", **{role: {"commands": {key: [text]}}}))
    said = str(caught.value)
    assert f"{role}.0.commands.{key}" in said
    assert "nothing was written" in said
    assert "write it as a setting with a limit" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "other",
    [
        "tcpip0::127.0.0.1::5025::socket",
        "TCPIP::localhost::5025::SOCKET",
        "TCPIP0::127.1::05025::SOCKET",
        "TCPIP::127.0.0.1",
    ],
)
def test_the_same_box_under_another_name_is_guarded_too(small, bench_of, other):
    commands = {"commands": {"start": ["VOLT 100"]}, "resource": other}
    with pytest.raises(InputError, match="could be a voltage above"):
        BenchChip(small, bench_of("TCPIP::127.0.0.1::5025::SOCKET", light_source=commands))


def test_an_instrument_that_holds_no_rings_may_be_told_anything(small, bench_of):
    elsewhere = {"resource": "GPIB::7", "commands": {"start": ["VOLT 100", "S100;E"]}}
    assert BenchChip(small, bench_of("GPIB::8", current_meter=elsewhere)).max_voltage_V == LIMIT_V


def test_light_up_to_one_cannot_pass_for_a_voltage_above_a_lower_limit(small, bench_of):
    tight = {"max_voltage_V": 0.5}
    volts = {"commands": {"set": "SOUR:VOLT {values},(@{channels})"}}
    with pytest.raises(InputError, match="its value goes to 1, under a header that could be a voltage's"):
        BenchChip(small, bench_of("x", voltage_source=tight, light_source=volts))
    assert BenchChip(small, bench_of("x", voltage_source=tight)).max_voltage_V == 0.5


def test_resources_are_one_in_any_spelling_and_others_are_not():
    assert canonical("gpib::05") == canonical("GPIB0::5::INSTR")
    assert same_box("TCPIP::10.0.0.5::INSTR", "TCPIP0::10.0.0.5::5025::SOCKET")
    assert not same_box("TCPIP::10.0.0.5::5025::SOCKET", "TCPIP::10.0.0.5::5026::SOCKET")
    assert not same_box("GPIB0::5::INSTR", "GPIB1::5::INSTR")


def test_every_number_within_the_limit_passes_and_every_one_above_does_not():
    rng = random.Random(0)
    for _ in range(2000):
        volts = rng.uniform(-20.0, 20.0)
        assert bool(doubt(f"SOUR:VOLT {volts!r},(@1)")) == bool(np.abs(volts) > LIMIT_V)
