"""Whatever a file holds, it is a spectrum or one line: the place, what was got, what is wanted, and the cure."""

import io
import json
import zipfile

import numpy as np
import pytest
from laboratory import written
from laboratory.written import DROP, THROUGH, WL

from prism_photonics.laboratory import recorded, resolve, source, table
from prism_photonics.laboratory.read import read_sweep
from prism_photonics.units import InputError


def at_line(text, number, line):
    """The text with one line, counted from 1, put in another's place."""
    lines = text.split("\n")
    lines[number - 1] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "got an empty file, want a measured spectrum; measure or export it again"),
        (" \n\n", "got an empty file"),
        ("The quick brown fox\njumps\n", "got no table of numbers in its first 2000 lines"),
        (
            bytes(range(256)) * 9,
            "got binary content of no known format, want a spectrum as text, MATLAB, HDF5, npz or parquet",
        ),
        (b"\x80\x04\x95cposix\nsystem\n\x00", "got a Python pickle, which is never opened"),
        (b"\x93NUMPY\x01\x00", "got a single NumPy array"),
        ("1,2,3\n1\n", "line 2: got 1 columns, want 3 as above"),
    ],
)
def test_what_is_no_spectrum_is_refused(refused, content, says):
    assert says in refused(content)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\), want a measured spectrum"):
        read_sweep(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_sweep(tmp_path)


def test_an_instrument_s_own_binary_file_is_asked_for_as_csv(refused):
    assert "if an instrument wrote it (.omr, .bin, .mea), export it as csv" in refused(b"OMR\x00\x01\x02" * 50)


def test_python_objects_in_an_npz_are_never_unpickled(refused):
    content = written.npz(wl_nm=WL, channel_1_dBm=np.array([{"a": 1}] * len(WL), object))
    line = refused(content)
    assert "got wavelengths and no channel beside them" in line
    assert line.endswith("(channel_1_dBm holds Python objects, which are never unpickled)")


def test_a_spreadsheet_is_asked_for_as_csv(refused):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
    assert "got a spreadsheet, want a spectrum; export it as csv" in refused(stream.getvalue())


@pytest.mark.parametrize("kind", ["testresult", "npz"])
def test_a_binary_file_that_is_cut_short_is_refused(refused, kind):
    content = written.ALL[kind]()
    assert "truncated" in refused(content[: len(content) // 2])


@pytest.mark.parametrize("kind", ["siepic", "plain", "ehva", "minmax", "luna", "yokogawa"])
def test_a_row_that_is_cut_short_is_named_by_its_line(refused, kind):
    text = written.ALL[kind]()
    lines = text.count("\n")
    line = refused(text.rpartition("\t" if kind == "luna" else ",")[0])
    assert f"line {lines}" in line
    assert "cut short" in line


def test_a_file_that_ends_within_its_last_number_loses_that_row_and_no_other(read):
    text = written.plain("wl_nm,a_dBm", columns=(np.full(written.N, -10.123) + np.arange(written.N) % 7 / 1000,))
    sweep = read(text.rstrip("\n")[:-3])
    np.testing.assert_array_equal(sweep.wl_nm, WL[:-1])


def test_a_cell_that_is_no_number_is_named_by_line_and_column(refused):
    assert "measured.dat, line 9, column 2: got 'abc', want a number" in refused(
        at_line(written.plain(), 9, "1550.07,abc,1")
    )
    assert "column 5: got 'x'" in refused(written.siepic().replace(repr(float(DROP[3])), "x"))


def test_columns_of_different_length_are_refused(refused):
    short = "\n".join(
        line.rpartition(",")[0] + "," if k > 50 else line for k, line in enumerate(written.plain().split("\n")[:-1])
    )
    assert "line 52, column 3: ends here, others at line 61, want columns of one length" in refused(short)
    assert "'channel_2' has 59 values for 60 wavelengths" in refused(written.siepic(channels=(THROUGH, DROP[:-1])))
    assert "channel_2 has 59 values for 60 wavelengths" in refused(written.npz(wl_nm=WL, channel_2_dBm=DROP[:-1]))
    values = {"wavelength [nm]": WL.tolist(), "transmission [dBm]": THROUGH[:-1].tolist()}
    assert "got arrays of lengths wavelength nm 60, transmission dBm 59" in refused(written.labext(values))


def test_a_wavelength_that_is_missing_is_named(refused):
    assert "line 31: got no wavelength, want one for each reading" in refused(
        at_line(written.plain(), 31, "nan,-10,-20")
    )


def test_traces_of_an_analyser_with_axes_of_their_own_are_asked_for_apart(refused):
    line = refused(written.yokogawa(uneven=True))
    assert "trace C has 40 wavelengths of its own, trace A has 60, want one axis; store each in a file" in line


@pytest.mark.parametrize("kind", ["plain", "npz", "siepic"])
def test_nothing_but_gaps_is_no_measurement(refused, kind):
    gaps = np.full(written.N, np.nan)
    content = {
        "plain": written.plain(columns=(gaps, gaps)),
        "npz": written.npz(wl_nm=WL, a_dBm=gaps),
        "siepic": written.siepic(channels=(gaps, gaps)),
    }[kind]
    assert "got no number in any trace, want readings" in refused(content)


@pytest.mark.parametrize(
    ("header", "wl", "says"),
    [
        (
            "wavelength_um,a_dBm",
            WL,
            "got 1550 um, which is 1.55e+06 nm, want 200 to 20000 nm; in nm it would fit: probably",
        ),
        ("wavelength_nm,a_dBm", WL / 1000, "got 1.55 nm, want 200 to 20000 nm; in um it would fit"),
        ("freq_THz,a_dBm", WL * 10, "got 15500 THz, which is 19.3414 nm"),
        ("wavelength_nm,a_dBm", WL - 1550.3, "got -0.3 nm, want 200 to 20000 nm; mend the file"),
    ],
)
def test_wavelengths_outside_200_to_20000_nm_are_of_the_wrong_unit(refused, header, wl, says):
    line = refused(written.plain(header, wl=wl, columns=(THROUGH,)))
    assert line.startswith("measured.dat, line 2: got")
    assert says in line


def test_an_axis_that_two_units_fit_is_asked_for(refused, read):
    text = written.rows(WL - 240, THROUGH)
    assert (
        "got an axis of 1310 to 1310.59 without a unit, which could be nm or THz; say it by --wavelength-unit"
        in refused(text)
    )
    np.testing.assert_allclose(read(text, wavelength_unit="nm").wl_nm, WL - 240)
    np.testing.assert_allclose(read(text, wavelength_unit="THz").wl_nm, np.sort(written.SPEED_nm_THz / (WL - 240)))


def test_levels_of_an_unknown_unit_are_asked_for_where_it_matters(refused, read):
    text = written.rows(WL, 10 ** (THROUGH / 10))
    assert "channel_1 has values of 0.0158453" in (line := refused(text))
    assert "say it by --power-unit dB, dBm, mW, W or ratio" in line
    np.testing.assert_allclose(read(text, power_unit="mW").traces["channel_1"].linear, 1e-3 * 10 ** (THROUGH / 10))


def test_an_option_that_says_otherwise_than_the_file_is_refused(refused):
    assert "through is in dBm by the file and in dB by the option" in refused(written.plain(), power_unit="dB")
    assert "the file says nm, the option um" in refused(written.plain(), wavelength_unit="um")
    assert "got unit 'dbw', want one of dB, dBm" in refused(written.plain(), power_unit="dbw")
    assert "got unit 'dBm', want one of nm, um" in refused(written.plain(), wavelength_unit="dBm")


@pytest.mark.parametrize(
    ("header", "level", "says"),
    [
        ("wl_nm,a_dB", THROUGH + 25, "a = 14.7838 dB, want at most 3 dB; dBm where dB was said"),
        ("wl_nm,a_dBm", THROUGH + 70, "a = 59.7838 dBm, want at most 40 dBm"),
        ("wl_nm,a_W", -THROUGH, "W, want at most 10 W; probably mW or dBm"),
        ("wl_nm,a [ratio]", -THROUGH, "want at most 2; probably a percentage or a power"),
    ],
)
def test_levels_that_cannot_be_are_of_another_unit(refused, header, level, says):
    line = refused(written.plain(header, columns=(level,)))
    assert says in line
    assert line.startswith("measured.dat, line ")


def test_wavelengths_that_repeat_are_refused_and_a_rare_one_is_averaged(refused, read):
    line = refused(written.plain(wl=np.round(WL, 1)))
    assert "nm stands again (48 of 55 samples repeat a wavelength), want each once" in line
    wl = 1550.0 + 0.001 * np.arange(400)
    wl[100] = wl[101]
    level = np.where(np.arange(400) % 2, -10.0, -10.5)
    sweep = read(written.plain("wl_nm,a_dBm", wl=wl, columns=(level,)))
    assert len(sweep.wl_nm) == 399
    assert sweep.traces["a"].values[100] == -10.25
    assert "1 wavelength stands twice: the mean of both readings is kept" in sweep.notes


def test_two_sweeps_in_one_file_are_told_by_where_the_axis_turns(refused):
    twice = np.r_[WL, WL[::-1]]
    line = refused(written.plain(wl=twice, columns=(np.r_[THROUGH, THROUGH], np.r_[DROP, DROP])))
    assert line.startswith("measured.dat, line ")
    assert "the axis turns back to 1550.5" in line
    assert "want one sweep a file; cut it there" in line


def test_an_axis_that_stands_still_is_no_sweep(refused):
    assert "got one wavelength alone, 1550 nm, want a sweep" in refused(written.plain(wl=np.full(written.N, 1550.0)))


def test_too_few_wavelengths_are_no_sweep(refused):
    text = written.plain(wl=WL[:5], columns=(THROUGH[:5],), header="wl_nm,a_dBm")
    assert "got 5 wavelengths, want at least 8; export the whole sweep" in refused(text)


def test_a_table_without_light_or_without_an_axis_is_refused(refused):
    assert "got no column of light beside the axis" in refused(written.plain("wl_nm,phase [rad]", columns=(THROUGH,)))
    assert "got no column of wavelengths or frequencies" in refused(written.plain("time [s],a_dBm", columns=(THROUGH,)))
    assert "got no axis among channel_1_dBm" in refused(written.npz(channel_1_dBm=THROUGH))
    assert "got wavelengths and no channel beside them" in refused(written.npz(wl_nm=WL))
    assert "holds complex numbers" in refused(written.npz(wl_nm=WL, a=THROUGH * 1j))


def test_json_of_another_layout_is_refused(refused):
    assert "got JSON without 'values'" in refused(json.dumps({"data": [1, 2]}))
    assert "line 1, column 13: got no JSON" in refused('{"values": [')
    assert "is of type str, want a number" in refused(written.labext({"wavelength [nm]": ["a"] * 9}))
    assert "fill the memory" in refused("[" * 200_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# GHz S DB R 50\n193000 -10 0\n", "fewer than two frequencies"),
        ("# GHz S DB R 50\n193000 -10 0 1 2\n193001 -10 0 1 2\n", "line 2: got 4 numbers after the first frequency"),
        ("# GHz S DB R 50\n193000 -10 x\n", "line 2: got no row of numbers"),
    ],
)
def test_touchstone_that_does_not_add_up_is_refused(refused, text, says):
    assert says in refused(text)


def test_what_is_too_large_is_refused_before_it_is_read(refused, monkeypatch):
    for module in (recorded, resolve, table):
        monkeypatch.setattr(module, "MOST_SAMPLES", 100)
    assert "got 180 numbers, want at most 100; export less" in refused(written.plain())
    monkeypatch.setattr(source, "MOST_BYTES", 1 << 20)
    assert "got more than 1 MiB" in refused(b"1" * ((1 << 20) + 1))


def test_a_file_that_unpacks_to_more_than_a_spectrum_is_refused(refused, monkeypatch):
    from prism_photonics.laboratory.formats import arrays, matlab

    for module in (arrays, matlab):
        monkeypatch.setattr(module, "MOST_SAMPLES", 100)
    assert "bytes unpacked, want at most 800" in refused(written.testresult())
    assert "bytes unpacked, want at most 800" in refused(written.ALL["npz"]())


def test_links_out_of_an_hdf5_file_are_not_followed(read, tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret_dBm"] = DROP
    with h5py.File(tmp_path / "made.h5", "w") as file:
        file["wl_nm"], file["through_dBm"] = WL, THROUGH
        file["drop_dBm"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret_dBm")
        file["circle"] = h5py.SoftLink("/")
        layout = h5py.VirtualLayout((written.N,), "f8")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "secret_dBm", (written.N,))
        file.create_virtual_dataset("add_dBm", layout)
    sweep = read((tmp_path / "made.h5").read_bytes())
    assert list(sweep.traces) == ["through"]


def test_objects_and_functions_of_matlab_stay_unread(read):
    sweep = read(written.mat(wl_nm=WL, through_dBm=THROUGH, note="quit", parts=np.array([{"a": 1}, "b"], object)))
    assert list(sweep.traces) == ["through"]


def outcome(read, content):
    """What reading gives: a sweep and nothing, or nothing and the line that refuses."""
    try:
        return read(content), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.parametrize("kind", written.ALL)
def test_a_damaged_file_is_a_spectrum_or_one_line(read, kind):
    """Cut, garbled and swapped at places that a seed chooses."""
    content = written.ALL[kind]()
    raw = content.encode() if isinstance(content, str) else content
    rng = np.random.default_rng(0)
    refusals = 0
    for at in rng.integers(1, len(raw) - 2, 12):
        noise = bytes(rng.integers(0, 256, 6, dtype=np.uint8))
        for damaged in (raw[:at], raw[:at] + noise + raw[at + 6 :], raw[:at] + raw[at : at + 2][::-1] + raw[at + 2 :]):
            sweep, refusal = outcome(read, damaged)
            refusals += bool(refusal)
            assert "\n" not in refusal
            if sweep is None:
                continue
            assert np.all(np.diff(sweep.wl_nm) > 0)
            assert 200 <= sweep.wl_nm[0] <= sweep.wl_nm[-1] <= 20_000
            assert not any(np.isinf(trace.values).any() for trace in sweep.traces.values())
    assert refusals > 0


def test_a_sweep_that_stopped_within_a_line_says_which(refused):
    text = written.plain()
    line = refused(text[: text.rstrip().rfind(",") + 1])
    assert line == (
        "measured.dat, line 61: got no value in column 3, want one as in the lines above; the sweep stopped or the "
        "file is cut short there: take the line out, or export it again"
    )


def test_a_port_that_is_named_and_dark_is_left_out_or_refused(read):
    from prism_photonics.laboratory.ports import ports_of

    rng = np.random.default_rng(0)
    dark_W = 1e-12 * np.abs(rng.standard_normal(written.N))
    text = "wl_nm,through_dBm,drop_W\n" + written.rows(written.WL, written.THROUGH, dark_W)
    told = ports_of(read(text), [("through", "1"), ("drop", "2")])
    assert (told.drops, told.dark) == ((), ("drop",))
    assert "drop hears no more than the noise of its meter, left out" in told.note
    with pytest.raises(InputError, match="drop hears no more than the noise of its meter, want light from the device"):
        ports_of(read(text), [("drop", "2")])
