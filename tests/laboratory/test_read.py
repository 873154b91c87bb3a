"""Files of every format give back what was written into them to the last digit, whatever they are called."""

import re
import sys

import numpy as np
import pytest
from laboratory import written
from laboratory.written import DROP, JONES, PHASES, THROUGH, WL

from prism_photonics.extras import MissingExtraError
from prism_photonics.laboratory import assign_ports
from prism_photonics.units import InputError


def values(sweep):
    return {name: trace.values for name, trace in sweep.traces.items()}


@pytest.mark.parametrize(
    ("kind", "name", "traces"),
    [
        ("siepic", "SiEPIC rows csv", {"channel_1": THROUGH, "channel_2": DROP}),
        ("ehva", "EHVA or EXFO csv", {"channel_1": THROUGH}),
        ("testresult", "MATLAB 5 (testResult)", {"channel_1": THROUGH, "channel_2": DROP}),
        ("labext", "LabExT json", {"transmission": THROUGH}),
        ("plain", "csv", {"through": THROUGH, "drop": DROP}),
        ("npz", "npz", {"channel_1": THROUGH.astype(np.float32).astype(float), "channel_2": DROP}),
    ],
)
def test_received_power_comes_back_to_the_last_digit(read, kind, name, traces):
    sweep = read(written.ALL[kind]())
    assert sweep.format == name
    np.testing.assert_array_equal(sweep.wl_nm, WL)
    assert list(sweep.traces) == list(traces)
    for channel, expected in traces.items():
        assert sweep.traces[channel].unit == "dBm"
        np.testing.assert_array_equal(sweep.traces[channel].values, expected)


@pytest.mark.parametrize("kind", written.ALL)
def test_no_name_of_a_person_reaches_a_sweep(read, kind):
    assert "Feynman" not in repr(read(written.ALL[kind]()))


def test_a_siepic_header_gives_conditions_the_device_and_the_unit_of_the_axis(read):
    sweep = read(written.siepic())
    assert sweep.conditions == {"alignment_passed": 1.0, "sweep_speed_nm_s": 40.0, "laser_power_dBm": 0.0}
    assert sweep.device == "ring_7"
    assert "the axis is in nm, as the header's step is" in sweep.notes
    assert "no unit of power is named: dBm, as SiEPIC's stages write it" in sweep.notes


def test_a_condition_that_is_no_finite_number_is_left_out(read):
    conditions = read(written.siepic().replace("40 nm/s", "1e400 nm/s")).conditions
    assert "sweep_speed_nm_s" not in conditions


def test_a_failed_alignment_is_said(read):
    sweep = read(written.siepic(align="Failed"))
    assert sweep.conditions["alignment_passed"] == 0.0
    assert "the file says that the alignment failed" in sweep.notes


def test_bias_and_current_are_conditions_channel_by_channel(read):
    assert read(written.ehva()).conditions == {"bias_V": 1.5, "current_A": 0.0125, "bias2_V": -3.0}


def test_the_header_of_an_ehva_file_names_both_units(read):
    sweep = read(written.ehva(power="mW", axis="um", wl=WL / 1000, values=10 ** (THROUGH / 10)))
    assert sweep.traces["channel_1"].unit == "W"
    np.testing.assert_allclose(sweep.wl_nm, WL, rtol=1e-14)
    np.testing.assert_allclose(sweep.traces["channel_1"].linear, 1e-3 * 10 ** (THROUGH / 10), rtol=1e-14)


def test_santec_files_look_alike_and_that_is_said(read):
    sweep = read(written.santec())
    assert sweep.format == "Santec STS csv"
    assert list(sweep.traces) == ["MPM1Slot0Ch1", "MPM1Slot0Ch2"]
    assert sweep.traces["MPM1Slot0Ch1"].unit == "dB"
    assert any("measurement, raw and reference files look alike" in note for note in sweep.notes)
    assert any("whether they are dBm is left open (--power-unit)" in note for note in sweep.notes)
    assert read(written.santec(), power_unit="dBm").traces["MPM1Slot0Ch2"].unit == "dBm"


def test_santec_s_measurements_count_loss_as_positive(read):
    sweep = read("Wavelength(nm),Slot0Ch1,Slot0Ch3\n" + written.rows(written.WL, -THROUGH, -DROP))
    assert list(sweep.traces) == ["Slot0Ch1", "Slot0Ch3"]
    np.testing.assert_array_equal(sweep.traces["Slot0Ch3"].values, DROP)
    assert sweep.traces["Slot0Ch3"].unit == "dB"
    assert any("loss counted as positive" in note for note in sweep.notes)


@pytest.mark.parametrize(
    "names", ["Slot0Ch1,Monitor", "Slot1Ch1_MPMPower,Slot1Ch1_TSLPower", "Slot1Ch1R2_MPMPower,Slot1Ch1R2_TSLPower"]
)
def test_santec_s_raw_files_are_powers_and_the_laser_s_monitor_is_no_port(read, names):
    sweep = read(f"Wavelength(nm),{names}\n" + written.rows(written.WL, THROUGH, 0 * DROP - 5.5))
    (trace,) = sweep.traces.values()
    assert trace.unit == "dBm"
    np.testing.assert_array_equal(trace.values, THROUGH)
    assert any("the laser's own monitor, left out" in note for note in sweep.notes)


def test_an_analyser_s_traces_come_with_gaps_where_it_wrote_none(read):
    sweep = read(written.yokogawa())
    assert sweep.format == "Yokogawa OSA csv"
    assert sweep.conditions == {"resolution_nm": 0.05}
    np.testing.assert_array_equal(sweep.traces["trace_A"].values, THROUGH)
    expected = np.where(np.arange(written.N) == 5, np.nan, DROP)
    np.testing.assert_array_equal(sweep.traces["trace_C"].values, expected)


def test_an_analyser_s_linear_levels_are_watts(read):
    sweep = read(written.yokogawa(linear=True))
    assert sweep.traces["trace_A"].unit == "W"
    np.testing.assert_allclose(sweep.traces["trace_A"].values, 1e-3 * 10 ** (THROUGH / 10), rtol=1e-15)


def test_jones_elements_give_mean_best_and_worst_polarisation(read):
    sweep = read(written.luna())
    jones = (JONES * np.exp(1j * PHASES)).reshape(2, 2, -1).transpose(2, 0, 1)
    singular = np.linalg.svd(jones, compute_uv=False)
    assert sweep.format == "Luna OVA txt"
    np.testing.assert_allclose(sweep.traces["mean"].linear, np.sum(JONES**2, axis=0) / 2, rtol=1e-14)
    np.testing.assert_allclose(sweep.traces["best polarisation"].linear, singular[:, 0] ** 2, rtol=1e-12)
    np.testing.assert_allclose(sweep.traces["worst polarisation"].linear, singular[:, 1] ** 2, rtol=1e-10)
    np.testing.assert_array_equal(sweep.wl_nm, WL)


def test_without_phases_polarisations_are_not_told_apart(read):
    sweep = read(written.luna(phases=False))
    assert list(sweep.traces) == ["mean"]
    assert any("cannot be told" in note for note in sweep.notes)


def test_smallest_and_largest_loss_leave_the_polarisation_open(read):
    sweep = read(written.minmax())
    np.testing.assert_array_equal(sweep.traces["min loss"].values, THROUGH)
    assert any("which polarisation that is stays open" in note for note in sweep.notes)


@pytest.mark.parametrize("ports", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["DB", "MA"])
def test_touchstone_is_a_transmission_over_ascending_wavelength(read, ports, kind):
    sweep = read(written.touchstone(ports, kind=kind))
    np.testing.assert_allclose(sweep.wl_nm, WL, rtol=1e-15)
    trace = sweep.traces["S11" if ports == 1 else "S21"]
    np.testing.assert_allclose(10 * np.log10(trace.linear), THROUGH, atol=1e-12)
    assert len(sweep.traces) == max(1, ports * (ports - 1))


def test_a_loss_counted_as_positive_in_metres_with_decimal_commas(read):
    sweep = read(written.keysight())
    assert sweep.format == "Keysight csv"
    np.testing.assert_allclose(sweep.wl_nm, WL, rtol=1e-15)
    np.testing.assert_array_equal(sweep.traces["IL TE"].values, THROUGH)
    assert "IL TE: loss counted as positive, turned into transmission" in sweep.notes
    assert "column 3 is in 'rad', no unit of light: left out" in sweep.notes


@pytest.mark.parametrize(
    ("header", "wl"),
    [
        ("wavelength (um),a_dBm,b_dBm", WL / 1000),
        ("lambda/nm,a_dBm,b_dBm", WL),
        ("wl_pm,a_dBm,b_dBm", WL * 1000),
        ("Frequency [THz],a_dBm,b_dBm", written.SPEED_nm_THz / WL),
        ("Frequency [GHz],a_dBm,b_dBm", written.SPEED_nm_THz / WL * 1e3),
        ("freq_Hz,a_dBm,b_dBm", written.SPEED_nm_THz / WL * 1e12),
        ("Wavelength,a_dBm,b_dBm", WL),
        ("Wavelength,a_dBm,b_dBm", WL * 1e-9),
        ("Frequency,a_dBm,b_dBm", written.SPEED_nm_THz / WL),
    ],
)
def test_every_unit_of_an_axis(read, header, wl):
    sweep = read(written.plain(header, wl=wl))
    np.testing.assert_allclose(sweep.wl_nm, WL, rtol=1e-14)
    np.testing.assert_array_equal(sweep.traces["a"].values, THROUGH)


@pytest.mark.parametrize(
    ("unit", "scale"), [("W", 1.0), ("mW", 1e3), ("uW", 1e6), ("µW", 1e6), ("nW", 1e9), ("ratio", 1e3), ("%", 1e5)]
)
def test_every_unit_of_power(read, unit, scale):
    power = 1e-3 * 10 ** (THROUGH / 10)
    sweep = read(written.plain(f"wl_nm,a [{unit}]", columns=(power * scale,)))
    ratio = unit in ("ratio", "%")
    np.testing.assert_allclose(sweep.traces["a"].linear, power * (1e3 if ratio else 1), rtol=1e-14)
    assert sweep.traces["a"].unit == ("ratio" if ratio else "W")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_of_any_machine(read, end, encoding):
    sweep = read(written.plain("Wellenlänge wl_nm,a_dBm,b_dBm").replace("\n", end).encode(encoding))
    np.testing.assert_array_equal(sweep.traces["b"].values, DROP)


@pytest.mark.parametrize("separator", [";", "\t", " ", "  "])
@pytest.mark.parametrize("decimal_comma", [False, True])
def test_columns_parted_in_any_way(read, separator, decimal_comma):
    text = written.rows(WL, THROUGH, DROP, separator=separator)
    sweep = read(written.comma(text) if decimal_comma else text)
    np.testing.assert_array_equal(sweep.wl_nm, WL)
    np.testing.assert_array_equal(sweep.traces["channel_2"].values, DROP)
    assert "the axis names no unit: only nm puts it between 200 and 20000 nm" in sweep.notes


def test_a_descending_axis_is_turned(read):
    sweep = read(written.plain(wl=WL[::-1], columns=(THROUGH[::-1], DROP[::-1])))
    np.testing.assert_array_equal(sweep.wl_nm, WL)
    np.testing.assert_array_equal(sweep.traces["drop"].values, DROP)
    assert "the axis descends: turned" in sweep.notes


def test_gaps_and_irregular_steps_stay_as_they_are(read):
    wl = WL + 0.003 * np.sin(np.arange(written.N))
    text = written.plain(wl=wl).replace(repr(float(THROUGH[7])), "nan").replace(repr(float(DROP[9])), "")
    sweep = read(text)
    np.testing.assert_array_equal(sweep.wl_nm, wl)
    assert list(np.flatnonzero(np.isnan(sweep.traces["through"].values))) == [7]
    assert list(np.flatnonzero(np.isnan(sweep.traces["drop"].values))) == [9]


def test_first_samples_that_repeat_one_reading_are_left_out(read):
    stuck = THROUGH.copy()
    stuck[:10] = stuck[10] - 0.01
    sweep = read(written.ehva(values=stuck))
    assert list(np.flatnonzero(np.isnan(sweep.traces["channel_1"].values))) == list(range(10))
    assert any("the first 10 samples, 1550.000 to 1550.090 nm, repeat one reading" in note for note in sweep.notes)


def test_of_a_descending_sweep_the_first_samples_are_the_longest_wavelengths(read):
    stuck = THROUGH[::-1].copy()
    stuck[:6] = stuck[6] - 0.01
    sweep = read(written.ehva(wl=WL[::-1], values=stuck))
    assert list(np.flatnonzero(np.isnan(sweep.traces["channel_1"].values))) == list(range(54, 60))


def test_an_axis_that_stands_still_at_first_begins_where_it_moves(read):
    sweep = read(written.plain(wl=np.maximum(WL, WL[5])))
    np.testing.assert_array_equal(sweep.wl_nm, WL[5:])
    np.testing.assert_array_equal(sweep.traces["drop"].values, DROP[5:])
    assert "the axis stands still over the first 6 samples: the last of them is kept" in sweep.notes


def test_readings_rounded_to_few_digits_are_not_taken_for_stuck_or_saturated(read):
    sweep = read(written.plain(columns=(np.round(THROUGH, 1), np.round(DROP, 1))))
    assert not np.isnan(sweep.traces["through"].values).any()
    assert not np.isnan(sweep.traces["drop"].values).any()


def test_a_saturated_stretch_is_left_out_and_said(read):
    clipped = np.minimum(DROP, -22.0)
    sweep = read(written.plain(columns=(THROUGH, clipped)))
    np.testing.assert_array_equal(np.isnan(sweep.traces["drop"].values), DROP >= -22.0)
    assert any(re.match(r"drop: saturated over 2\d of 60 samples", note) for note in sweep.notes)


def test_a_trace_of_one_reading_is_said_and_kept_for_a_guide_and_refused_for_a_ring(read):
    from prism_photonics.laboratory.extract import Device, extract

    sweep = read(written.plain(columns=(THROUGH, np.full(written.N, -10.0))))
    assert "drop: all readings are -10 dBm: a full meter, or one that measured nothing" in sweep.notes
    assert np.all(sweep.traces["drop"].values == -10.0)
    gaps = np.full(written.N, -10.0)
    gaps[-1] = np.nan
    some = read(written.plain(columns=(THROUGH, gaps)))
    assert "drop: all readings are -10 dBm: a full meter, or one that measured nothing" in some.notes
    assert not any("had not begun" in note for note in some.notes)
    np.testing.assert_array_equal(some.traces["drop"].values, gaps)
    both = read(written.plain(columns=(np.full(written.N, 2.0), np.full(written.N, 2.0))))
    for ports in ((), (("through", "1"),), (("drop", "2"),)):
        with pytest.raises(InputError, match=r"got one reading all over in .*: saturated, or not connected\?"):
            extract(both, Device(), ports=ports)


def test_a_meter_that_was_full_over_most_of_a_sweep_is_refused_as_such(read):
    from prism_photonics.laboratory.extract import Device, extract

    clipped = np.minimum(THROUGH, np.quantile(THROUGH, 0.3))
    sweep = read(written.plain(columns=(clipped, DROP)))
    assert sweep.traces["through"].full_share > 0.5
    with pytest.raises(InputError, match=r"got a meter that was full over \d\d % of it in through, want a spectrum"):
        extract(sweep, Device(), ports=(("through", "1"), ("drop", "2")))


def test_a_meter_s_noise_is_marked_and_kept(read):
    rng = np.random.default_rng(0)
    wl = 1550.0 + 0.001 * np.arange(4000)
    power = 1e-6 / (1 + ((wl - 1552.0) / 0.02) ** 2) + np.abs(rng.normal(0, 1e-9, len(wl)))
    level = 10 * np.log10(power / 1e-3)
    sweep = read(written.plain("wl_nm,drop_dBm", wl=wl, columns=(level,)))
    trace = sweep.traces["drop"]
    np.testing.assert_array_equal(trace.values, level)
    assert not trace.in_floor[np.abs(wl - 1552.0) < 0.1].any()
    assert trace.in_floor[np.abs(wl - 1552.0) > 1.0].mean() > 0.95
    assert any(note.startswith("drop: no more than the noise of its meter at") for note in sweep.notes)


def test_a_smooth_resonance_of_any_depth_is_no_noise(read):
    wl = 1550.0 + 0.001 * np.arange(4000)
    through = 10 * np.log10(1 - 0.99999 / (1 + ((wl - 1552.0) / 0.01) ** 2))
    assert not read(written.plain("wl_nm,a_dB", wl=wl, columns=(through,))).traces["a"].in_floor.any()


def test_what_an_index_of_pandas_counts_is_no_level(read):
    text = ",wl_nm,a_dBm\n" + written.rows(np.arange(written.N), WL, THROUGH)
    assert list(read(text).traces) == ["a"]


def test_any_structure_of_matlab_with_a_wavelength_in_it_is_read(read):
    sweep = read(
        written.mat(packed=False, sweep={"wl_nm": WL[None], "power_dBm": np.stack([THROUGH, DROP]), "bias_V": 2.5})
    )
    assert sweep.format == "MATLAB 5"
    np.testing.assert_array_equal(values(sweep)["power_2"], DROP)
    assert sweep.conditions == {"bias_V": 2.5}


def test_an_npz_carries_units_in_its_names_and_conditions_beside_its_arrays(read):
    sweep = read(written.npz(wl_um=WL / 1000, through_mW=10 ** (THROUGH / 10), bias_V=1.25, current_A=0.002))
    np.testing.assert_allclose(sweep.wl_nm, WL, rtol=1e-14)
    np.testing.assert_allclose(sweep.traces["through"].linear, 1e-3 * 10 ** (THROUGH / 10), rtol=1e-14)
    assert sweep.conditions == {"bias_V": 1.25, "current_A": 0.002}


def test_an_npz_s_conditions_are_in_the_units_that_their_names_end_in(read):
    sweep = read(
        written.npz(
            wl_nm=WL,
            through_dBm=THROUGH,
            bias_mV=1250.0,
            current_mA=2.0,
            laser_power_mW=2.0,
            wavelength_accuracy_pm=5.0,
            temperature_K=300.15,
        )
    )
    assert sweep.conditions == pytest.approx(
        {
            "bias_V": 1.25,
            "current_A": 0.002,
            "laser_power_dBm": 3.0103,
            "wavelength_accuracy_nm": 5e-3,
            "temperature_C": 27.0,
        },
        abs=1e-4,
    )


def test_ports_are_assigned_to_what_was_read(read):
    ports = assign_ports(read(written.siepic()), {"through": 1, "drop": 2})
    np.testing.assert_array_equal(ports["drop"].values, DROP)


@pytest.mark.parametrize("package", ["h5py", "pyarrow"])
def test_matlab_7_3_and_parquet_are_read(tmp_path, read, package):
    sweep = read(WRITE[package](tmp_path / "made"))
    np.testing.assert_array_equal(sweep.wl_nm, WL)
    np.testing.assert_array_equal(values(sweep)["channel_1"], THROUGH)


@pytest.mark.parametrize("package", ["h5py", "pyarrow"])
def test_where_the_extra_lab_is_missing_one_line_names_it(tmp_path, read, package, monkeypatch):
    content = WRITE[package](tmp_path / "made")
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"no module '{package}', want .*prism_photonics\[lab\]"):
        read(content)


def hdf5(path):
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        file["testResult/header/wavelength"] = WL[None]
        file["testResult/rows/channel_1"] = THROUGH[None]
    content = bytearray(path.read_bytes())
    content[:19] = b"MATLAB 7.3 MAT-file"
    return bytes(content)


def parquet(path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"wl_nm": WL, "channel_1_dBm": THROUGH}), path)
    return path.read_bytes()


WRITE = {"h5py": hdf5, "pyarrow": parquet}
