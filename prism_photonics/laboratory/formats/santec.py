"""Santec's swept test system: what its three kinds of csv file count, which all begin with ``Wavelength(nm)``.

    measurement     Slot0Ch1, Slot0Ch3                              insertion loss in dB, positive where light is lost
    raw             Slot0Ch1, Slot0Ch3, Monitor                     powers in dBm, and the laser's own
    reference, DUT  Slot1Ch1R1_TSLPower, Slot1Ch1R1_MPMPower        the same, the laser's beside each

Source: what Santec's program writes, santec-corporation/Santec_IL_STS on GitHub (santec/file_saving.py, and its samples
data_measurement.csv and sts_save_ref_rawdata.csv).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from prism_photonics.laboratory.recorded import Column

_METER = re.compile(r"(?:mpm\d*)?slot ?\d+ ?ch ?\d+(?:r\d+)?", re.I)
_LASER = re.compile(r"monitor$|_tslpower$", re.I)
_POWER = re.compile(r"_mpmpower$", re.I)


def santec_columns(columns: Sequence[Column]) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns with what each counts, without those of the laser's own monitor, and notes."""
    laser = [column for column in columns if _LASER.search(column.name)]
    raw = bool(laser) or any(_POWER.search(column.name) for column in columns)
    kept, notes = [], []
    for column in columns:
        if column in laser:
            continue
        there = column.values[np.isfinite(column.values)]
        if column.unit is None and raw:
            column = replace(column, unit="dBm")
        elif column.unit in (None, "dB") and _METER.fullmatch(column.name) and len(there) and np.median(there) > 0.0:
            column = replace(column, loss=True)
        kept.append(column)
    if laser:
        notes.append(f"powers in dBm; {', '.join(column.name for column in laser)}: the laser's own monitor, left out")
    return tuple(kept), tuple(notes)
