"""A die, one sweep at a time: its rings by the names that they were drawn with, or the light that a guide passes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import ConfigDict

from prism_photonics.laboratory.assign import assigned
from prism_photonics.laboratory.extract import Device, Record, RingRecord, bright_of
from prism_photonics.laboratory.manifest import Structure
from prism_photonics.laboratory.overlap import apart, doubled, left_out
from prism_photonics.laboratory.ports import ports_of, refuse_full
from prism_photonics.laboratory.rings import SweepFit, fit_rings
from prism_photonics.laboratory.sweep import Sweep
from prism_photonics.units import InputError, counted

GROUP_INDEX = 2.27
"""Of a ridge in thin-film lithium niobate, where no spec tells the film's. Source: the shipped films, 2.2 to 2.35."""
THROUGH, DROP = "1", "2"
"""Channels of the ports in the file of a structure."""


@dataclass(frozen=True)
class Guide:
    """The light that passes a structure without rings.

    Attributes:
        transmission_dB: Median over the sweep; of received power where the laser's was not recorded.
        ripple_dB: Robust standard deviation over the sweep.
        relative: Whether the laser's power was known, so that the transmission is one.
    """

    transmission_dB: float
    ripple_dB: float
    relative: bool


@dataclass(frozen=True)
class Part:
    """One structure, characterised: what is kept of it.

    Attributes:
        structure: Its name in the manifest.
        file: Name of its file.
        records: One a ring, in the order of the drawing, each with its name.
        guide: Its light, where it has no rings.
        notes: What was understood and left out.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
    structure: str
    file: str
    records: tuple[Record, ...]
    guide: Guide | None
    notes: tuple[str, ...]


def characterised(
    sweep: Sweep,
    one: Structure,
    *,
    group_index: float | None = None,
    ports: Sequence[tuple[str, str]] = (),
    blur_nm: float = 0.0,
    axis_nm: float | None = None,
) -> tuple[Part, Record | None, SweepFit | None]:
    """Characterise a structure of a die.

    Args:
        sweep: What was measured of it.
        one: What was drawn.
        group_index: Of the film; `GROUP_INDEX` by default.
        ports: Which channel is which; by default channel 1 through and channel 2 drop.
        blur_nm: Standard deviation of the laser's wavelength within one reading.
        axis_nm: Standard error of the sweep's axis as a whole; None where nobody said.

    Returns:
        What is kept; of rings also the whole sweep's record and fit, for pictures.

    Raises:
        InputError: None of its rings is there, or no light.
    """
    told = ports or (("through", THROUGH), *((("drop", DROP),) if one.dropped and len(sweep.traces) > 1 else ()))
    known = ports_of(sweep, tuple(told))
    through = known.through
    if through is None:
        raise InputError(f"{sweep.path}: got no through port, want it of {one.name}; name its channel by --ports")
    if not one.rings:
        return Part(one.name, sweep.path.name, (), _guide(sweep, through.name), tuple(sweep.notes)), None, None
    refuse_full(sweep, known)
    lengths = [ring.length_um for ring in one.rings]
    middle_nm = float(np.median(sweep.wl_nm))
    designed_nm = 1e-3 * middle_nm**2 / ((group_index or GROUP_INDEX) * float(np.mean(lengths)))
    # The drop bus that several rings share shows the peak of each over the tails of the others: how much of it is a
    # ring's own is not known, and the dips behind the rings tell coupling and loss alone.
    fit = fit_rings(
        str(sweep.path),
        sweep.wl_nm,
        through=through.linear,
        dropped=True,
        designed_nm=designed_nm,
        drawn=len(one.rings),
        blur_nm=blur_nm,
    )
    # A comb of two rings is the place of both, and tells of neither.
    twice = doubled(fit.rings, drawn=len(lengths))
    found = [*fit.rings, *(fit.rings[n] for n in twice)]
    places = assigned(found, lengths)
    separate = [None if n in twice else ring for n, ring in enumerate(apart(fit.rings))] + [None] * len(twice)
    notes = [*sweep.notes, *fit.notes]
    records, whole, fits = [], [], []
    for n, drawn in enumerate(one.rings):
        if n not in places:
            notes.append(f"{drawn.name} is not seen")
            continue
        ring = separate[places.index(n)]
        if ring is None:
            notes.append(f"{drawn.name} lies on another ring's line at every order: left out")
            continue
        fits.append(ring)
        kept = RingRecord(ring.resonances, bright_of(sweep.wl_nm, through.linear, ring), ring.comb)
        whole.append(kept)
        records.append(
            Record(
                file=sweep.path.name,
                format=sweep.format,
                conditions=dict(sweep.conditions),
                device=Device(length_um=drawn.length_um, gap_nm=drawn.gap_nm, dropped=True, axis_nm=axis_nm),
                rings=(kept,),
                wander_pm=1e3 * fit.wander.std_nm,
                notes=(),
                name=drawn.name,
            )
        )
    if len(found) < len(one.rings):
        notes.append(
            f"{counted(len(found), 'comb')} of {counted(len(one.rings), 'ring')}: does one not answer, or do two lie "
            "on each other? A splitting may be their distance"
        )
    shared = sum(
        len(ring.resonances) - len(kept.resonances)
        for ring, kept in zip(found, separate, strict=True)
        if kept is not None
    )
    if shared:
        notes.append(left_out(shared))
    left = sum(place is None for place in places)
    if left:
        notes.append(f"{counted(left, 'comb')} of no drawn ring")
    if not records:
        got = "no comb of a drawn ring" if left == len(found) else "rings on each other's lines alone"
        raise InputError(f"{sweep.path}: got {got}, want those of {one.name}; is it another's file?")
    shown = replace(records[0], rings=tuple(whole), name=one.name, notes=tuple(notes))
    part = Part(one.name, sweep.path.name, tuple(records), None, tuple(notes))
    return part, shown, replace(fit, rings=tuple(fits))


def _guide(sweep: Sweep, channel: str) -> Guide:
    trace = sweep.traces[channel]
    level_dB = 10.0 * np.log10(np.maximum(trace.linear, 1e-30))
    power_dBm = sweep.conditions.get("laser_power_dBm", math.nan)
    relative = not trace.is_power or math.isfinite(power_dBm)
    if trace.is_power and relative:
        level_dB = level_dB + 30.0 - power_dBm
    middle = float(np.nanmedian(level_dB))
    return Guide(middle, 1.4826 * float(np.nanmedian(np.abs(level_dB - middle))), relative)
