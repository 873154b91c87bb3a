"""Spectra of one ring as instruments and laboratory software write them, from the facts of their formats."""

import io
import json

import numpy as np

N = 60
WL = np.round(1550.0 + 0.01 * np.arange(N), 3)
THROUGH = np.round(-10.0 - 8.0 / (1 + ((WL - 1550.3) / 0.05) ** 2) + 0.001 * np.sin(np.arange(N)), 4)
DROP = np.round(-14.0 - 10 * np.log10(1 + ((WL - 1550.3) / 0.05) ** 2) - 0.0007 * np.cos(np.arange(N)), 4)
SPEED_nm_THz = 299792.458


def rows(*columns, separator=",", end="\n"):
    """A row for each sample, every number to its last digit."""
    return "".join(separator.join(repr(float(x)) for x in row) + end for row in zip(*columns, strict=True))


def comma(text):
    """The same with decimal commas."""
    return text.replace(".", ",")


def siepic(*, align="Passed", channels=(THROUGH, DROP), user="R. Feynman"):
    head = (
        f"# Test:\tLaser Sweep\n# User:\t{user}\n# Fine Align:\t {align}\n# Device ID:\t ring_7\n# Settings:\n"
        "#\tSweep speed:\t40 nm/s\n#\tLaser power:\t1 mW\n#\tWavelength step-size:\t0.01 nm\n"
        "#Metric Tag, value [, value]\n"
    )
    line = ("wavelength", WL), *((f"channel_{k + 1}", values) for k, values in enumerate(channels))
    return head + "".join(f"{name},{','.join(repr(float(x)) for x in values)}\n" for name, values in line)


def ehva(*, power="dBm", axis="nm", wl=WL, values=THROUGH):
    return (
        "Automated Measurement\nOperator: R. Feynman\nComponent Name: ring_7\n"
        f"Result Unit Symbol: {power}\nDomain Unit Symbol: {axis}\n"
        "Experimental Condition Voltage Ch 1: 1.5\nExperimental Condition Current Ch 1: 0.0125\n"
        "Experimental Condition Voltage Ch 2: -3\n" + rows(wl, values)
    )


def santec():
    return "Wavelength(nm),MPM1Slot0Ch1,MPM1Slot0Ch2\n" + rows(WL, THROUGH, DROP)


def yokogawa(*, linear=False, uneven=False):
    levels = [10 ** (x / 10) * 1e-3 if linear else x for x in (THROUGH, DROP)]
    scale = '"BASEL",0.0\n' if linear else '"LOG",10.0\n'
    text = f'"AQ6370D"\n"[TRACE SETTING]"\n"CTRWL",1550.3\n"RESLN",0.050\n"LSUNT",0\n{scale}"[TRACE DATA]"\n'
    text += '"Tr A(WL)","Tr A(LEVEL)","Tr C(WL)","Tr C(LEVEL)"\n'
    stop = N - 20 if uneven else N
    for k in range(N):
        second = (
            f"{float(WL[k])!r},{'-210.0' if k == 5 and not linear else repr(float(levels[1][k]))}" if k < stop else ","
        )
        text += f"{float(WL[k])!r},{float(levels[0][k])!r},{second}\n"
    return text


JONES = np.stack([0.3 + 0.001 * np.arange(N), 0.1 + 0 * WL, 0.05 + 0 * WL, 0.25 + 0.002 * np.arange(N)])
PHASES = np.stack([0.01 * np.arange(N), 0.3 + 0 * WL, -0.2 + 0 * WL, 0.02 * np.arange(N)])


def luna(*, phases=True):
    head = ["Luna Technologies", "Operator: R. Feynman", "Jones matrix", "", "Center: 1550", "", "", ""]
    labels = ["X Axis - Wavelength (nm)", "X Axis - Frequency (GHz)", *(f"JM Element {e} Amplitude" for e in "abcd")]
    columns = [WL, 1e3 * SPEED_nm_THz / WL, *JONES]
    if phases:
        labels += [f"JM Element {e} Phase (rad)" for e in "abcd"]
        columns += [*PHASES]
    return "\n".join([*head, "\t".join(labels)]) + "\n" + rows(*columns, separator="\t")


def minmax():
    return "wavelength [nm],min loss [dB],max loss [dB]\n" + rows(WL, THROUGH, THROUGH - 20)


def labext(values=None):
    return json.dumps(
        {
            "user": "R. Feynman",
            "values": values or {"transmission [dBm]": THROUGH.tolist(), "wavelength [nm]": WL.tolist()},
            "measurement settings": {
                "laser power": {"value": 3.0, "unit": "dBm"},
                "sweep speed": {"value": 40.0, "unit": "nm/s"},
            },
        }
    )


def touchstone(ports=2, *, kind="DB"):
    """S21 is the through's; every other parameter is −60 dB."""
    wl = WL[::-1]
    text = "! R. Feynman\n# GHz S " + kind + " R 50\n"
    for k in range(N):
        pairs = [[-60.0, 0.0] for _ in range(ports**2)]
        place = 1 if ports == 2 else ports  # two ports are written by columns, more by rows
        if ports > 1:
            pairs[place] = [float(THROUGH[::-1][k]), 30.0]
        else:
            pairs[0] = [float(THROUGH[::-1][k]), 30.0]
        if kind == "MA":
            pairs = [[10 ** (level / 20), angle] for level, angle in pairs]
        words = [f"{a!r} {b!r}" for a, b in pairs]
        text += f"{SPEED_nm_THz / float(wl[k]) * 1e3!r} "
        if ports <= 2:
            text += " ".join(words) + "\n"
        else:
            text += "\n".join(" ".join(words[i : i + ports]) for i in range(0, ports**2, ports)) + "\n"
    return text


def keysight():
    return (
        "Keysight N7700 Photonic Application Suite\nOperator;R. Feynman\nWavelength [m];IL TE [dB];Phase [rad]\n"
        + comma(rows(WL * 1e-9, -THROUGH, DROP, separator=";"))
    )


def mat(*, packed=True, **fields):
    from scipy.io import savemat

    stream = io.BytesIO()
    savemat(stream, fields, do_compression=packed)
    return stream.getvalue()


def testresult():
    channels = {f"channel_{k + 1}": x[:, None] for k, x in enumerate((THROUGH, DROP))}
    return mat(testResult={"header": {"wavelength": WL[:, None]}, "rows": channels})


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def hdf5():
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["testResult/header/wavelength"] = WL
        file["testResult/rows/channel_1"] = THROUGH
    return stream.getvalue()


def parquet():
    import pyarrow
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pyarrow.table({"wl_nm": WL, "through_dBm": THROUGH, "drop_dBm": DROP}), stream)
    return stream.getvalue()


def plain(header="wl_nm,through_dBm,drop_dBm", *, wl=WL, columns=(THROUGH, DROP)):
    return f"{header}\n" + rows(wl, *columns)


ALL = {
    "siepic": siepic,
    "ehva": ehva,
    "santec": santec,
    "yokogawa": yokogawa,
    "yokogawa_linear": lambda: yokogawa(linear=True),
    "luna": luna,
    "minmax": minmax,
    "labext": labext,
    "touchstone": touchstone,
    "keysight": keysight,
    "testresult": testresult,
    "npz": lambda: npz(wl_nm=WL, channel_1_dBm=THROUGH.astype(np.float32), channel_2_dBm=DROP),
    "plain": plain,
}
"""A file of each kind, text or bytes."""
