"""Files as public programs write them, by the source of each: what they leave empty, name twice, put beside light."""

import io
import json

import numpy as np
import pytest
from laboratory import written
from laboratory.written import DROP, THROUGH, WL, N, SPEED_nm_THz

NOTHING = 0.0 * WL


def test_labext_leaves_empty_what_it_did_not_do(read):
    values = {
        "transmission [dBm]": THROUGH.tolist(),
        "wavelength [nm]": WL.tolist(),
        "referenced transmission [dB]": [],
        "raw transmission [dBm]": DROP.tolist()[:-3],
    }
    device = {"id": "17", "type": "ring", "in_position": "1", "parameters": {}}
    sweep = read(json.dumps({"user": "R. Feynman", "device": device, "values": values}))
    np.testing.assert_array_equal(sweep.traces["transmission"].values, THROUGH)
    assert list(sweep.traces) == ["transmission"]
    assert sweep.device == "ring 17"
    assert "referenced transmission dB: empty, left out" in sweep.notes
    assert f"raw transmission dBm: {N - 3} values for {N} wavelengths, left out" in sweep.notes


def test_labext_without_a_value_for_each_wavelength_is_refused(refused):
    values = {"transmission [dBm]": THROUGH.tolist()[:-3], "wavelength [nm]": WL.tolist()}
    assert f"lengths transmission dBm {N - 3}, wavelength nm {N}, want one length" in refused(written.labext(values))


SIZES = (0.3, 0.1, 0.1, 0.3)
LUNA = {
    "Wavelength (nm)": WL,
    "Frequency (GHz)": 1e3 * SPEED_nm_THz / WL,
    "Insertion Loss (dB)": THROUGH,
    "Group Delay (ps)": NOTHING + 3.0,
    "Polarization Dependent Loss (dB)": NOTHING + 0.5,
    **{f"JM Element {letter} Amplitude": NOTHING + size for letter, size in zip("abcd", SIZES, strict=True)},
    **{f"JM Element {letter} Phase (rad)": NOTHING for letter in "abcd"},
    "Time (ns)": 0.01 * np.arange(N),
    "Time Domain Amplitude (dB)": NOTHING - 80.0,
}  # fmt: skip


@pytest.mark.parametrize("separator", [",", "\t"])
def test_all_columns_of_a_vector_analyser_may_stand_in_csv_too(read, separator):
    sweep = read(separator.join(LUNA) + "\n" + written.rows(*LUNA.values(), separator=separator))
    assert sweep.format == f"Luna OVA {'csv' if separator == ',' else 'txt'}"
    np.testing.assert_allclose(sweep.traces["mean"].values, np.square(SIZES).sum() / 2)
    np.testing.assert_allclose(sweep.traces["best polarisation"].values, 0.4**2)


def test_of_a_vector_analyser_s_mat_file_only_levels_over_wavelength_are_channels(read):
    names = {name.replace(" ", "_").replace("(", "").replace(")", ""): values for name, values in LUNA.items()}
    sweep = read(written.mat(user="R. Feynman", **names))
    assert list(sweep.traces) == ["Insertion_Loss"]
    np.testing.assert_array_equal(sweep.traces["Insertion_Loss"].values, THROUGH)
    (left_out,) = (note for note in sweep.notes if "no level for each wavelength" in note)
    assert left_out.startswith("Group_Delay_ps, Polarization_Dependent_Loss_dB, ")
    assert any(
        note.startswith("JM_Element_a_Amplitude, ") and "no unit, and all positive" in note for note in sweep.notes
    )


def test_a_matrix_of_detectors_is_a_channel_each(read):
    sweep = read(written.mat(wavelength_nm=WL, detectors_dbm=np.stack([THROUGH, DROP], 1), user="R. Feynman"))
    np.testing.assert_array_equal(sweep.traces["detectors_2"].values, DROP)
    assert sweep.traces["detectors_1"].unit == "dBm"


@pytest.mark.parametrize("heading", ["Slot0Ch1,Slot0Ch2", "MPM1Slot0Ch1 (dB),MPM1Slot0Ch2 (dB)"])
def test_santec_s_losses_are_losses_with_and_without_their_unit(read, heading):
    sweep = read(f"Wavelength (nm),{heading}\n" + written.rows(WL, -THROUGH, -DROP))
    assert sweep.format == "Santec STS csv"
    for trace, expected in zip(sweep.traces.values(), (THROUGH, DROP), strict=True):
        np.testing.assert_array_equal(trace.values, expected)


def test_of_keysight_s_export_both_polarisations_are_losses_and_their_difference_is_no_channel(read):
    text = "Keysight N7700C Photonic Application Suite,,,\nWavelength [nm],CH1 IL [dB],CH1 PDL [dB],CH1 TE [dB]\n"
    sweep = read(text + written.rows(WL, -THROUGH, NOTHING + 0.3, -DROP))
    assert list(sweep.traces) == ["CH1 IL", "CH1 TE"]
    np.testing.assert_array_equal(sweep.traces["CH1 TE"].values, DROP)
    assert "CH1 PDL is no level: left out" in sweep.notes


def test_names_in_one_line_and_units_in_the_next(read):
    sweep = read("Wavelength,Power1,Power2\nm,dBm,mW\n" + written.rows(WL * 1e-9, THROUGH, 10 ** (DROP / 10)))
    np.testing.assert_allclose(sweep.wl_nm, WL)
    assert {name: trace.unit for name, trace in sweep.traces.items()} == {"Power1": "dBm", "Power2": "W"}


def test_a_setting_above_the_numbers_is_no_heading(read):
    sweep = read('"AQ6317B"\n"RESLN","0.01"\n"LOG","5.0"\n' + written.rows(WL, THROUGH))
    assert list(sweep.traces) == ["channel_1"]
    assert sweep.conditions == {"resolution_nm": 0.01}


def test_channels_headed_by_their_numbers_keep_them(read):
    assert list(read("wavelength,1,3\n" + written.rows(WL, THROUGH, DROP)).traces) == ["1", "3"]


def test_an_analyser_s_axis_of_frequencies_is_told_by_its_numbers(read):
    text = '"AQ6370D"\n"WLFREQ",1\n"[TRACE DATA]"\n' + written.rows(SPEED_nm_THz / WL[::-1], THROUGH[::-1])
    sweep = read(text)
    np.testing.assert_allclose(sweep.wl_nm, WL)
    assert any("only THz puts it" in note for note in sweep.notes)


def test_losses_that_no_name_tells_are_asked_for_and_said_by_an_option(read, refused):
    text = "wl_nm,through_dB\n" + written.rows(WL, -THROUGH)
    assert "a loss counted as positive (--power-unit loss_dB)?" in refused(text)
    np.testing.assert_array_equal(read(text, power_unit="loss_dB").traces["through"].values, THROUGH)


def test_python_objects_beside_a_spectrum_stay_packed_and_the_spectrum_is_read(read):
    sweep = read(written.npz(wl_nm=WL, channel_1_dBm=THROUGH, meta=np.array({"user": "R. Feynman"}, dtype=object)))
    np.testing.assert_array_equal(sweep.traces["channel_1"].values, THROUGH)
    assert "meta: Python objects, not unpickled: left out" in sweep.notes


def test_units_may_stand_beside_an_array_as_attributes_of_hdf5(read):
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, values, unit in (("wavelength", WL / 1e3, "um"), ("power", 10 ** (THROUGH / 10), "mW")):
            file[f"sweep/{name}"] = values
            file[f"sweep/{name}"].attrs["unit"] = unit
    sweep = read(stream.getvalue())
    np.testing.assert_allclose(sweep.wl_nm, WL)
    np.testing.assert_allclose(sweep.traces["power"].linear, 1e-3 * 10 ** (THROUGH / 10))


def test_what_is_said_of_several_channels_is_said_once(read):
    noise = np.where(np.arange(N) % 2, -92.0, -75.0)
    sweep = read(written.npz(wl_nm=WL, through_dBm=THROUGH, add_dBm=noise, other_dBm=noise - 1.0))
    assert "add, other: nothing but the noise of a meter" in sweep.notes
