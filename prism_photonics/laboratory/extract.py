"""From sweeps to rings: one file at a time, then what all files tell together."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import ConfigDict

from prism_photonics.laboratory.comb import Comb
from prism_photonics.laboratory.overlap import apart, left_out
from prism_photonics.laboratory.ports import ports_of, refuse_full
from prism_photonics.laboratory.resonance import Resonance
from prism_photonics.laboratory.rings import RingFit, SweepFit, fit_rings
from prism_photonics.laboratory.series import LEAST_GAPS, GapLaw, gap_law
from prism_photonics.laboratory.sweep import Sweep, mirrored
from prism_photonics.laboratory.tuning import LEAST_SETTINGS, Thermal, Tuning, thermal_of, tuning_of
from prism_photonics.units import InputError

ALIKE = 0.02
"""Relative difference of n_g·L up to which rings are of one kind; design choice."""
LEAST_N_G, MOST_N_G = 1.0, 8.0
"""Group indices of guides, with room: air, and germanium. Source: design choice."""
SAME_dB = 0.1
"""Up to which a laser's power in a name and in a file are one; design choice."""
BRIGHT_NM, BRIGHT_dB = 1.0, 10.0
"""How far below the brightest resonance one may lie to count for laws over many: fainter, stray light ripples it."""
_LASER_POWER = re.compile(r"(?:^|[_ .])(-?\d+(?:[.p]\d+)?)(dBm|mW)(?=[_ .-]|$)", re.IGNORECASE)
_GAP = re.compile(r"(?:^|[_\-. ])g(?:ap)?_?(\d{2,4})(?:nm)?(?=$|[_\-. ])", re.IGNORECASE)


@dataclass(frozen=True)
class Device:
    """What is known of a ring before it is measured.

    Attributes:
        length_um: Circumference, or None.
        gap_nm: Gap of its couplers, or None.
        fsr_nm: Free spectral range, where fewer than three resonances show it.
        dropped: Whether it has a drop bus; None where only a measured drop port would tell.
        balance_dB: Gain of the drop port's path over the through port's, which tells unlike couplers apart; None where
            it is not known, and both couplers are taken to be alike.
        blur_nm: Standard deviation of the laser's wavelength within one reading.
        axis_nm: Standard error of the sweep's axis as a whole, the laser's absolute accuracy; None where nobody said.
    """

    length_um: float | None = None
    gap_nm: float | None = None
    fsr_nm: float | None = None
    dropped: bool | None = None
    balance_dB: float | None = None
    blur_nm: float = 0.0
    axis_nm: float | None = None


@dataclass(frozen=True)
class RingRecord:
    """One ring, as later steps need it.

    Attributes:
        resonances: Ascending in wavelength.
        bright: Those with light enough to count for laws over many, by their places.
        comb: Their comb, or None.
    """

    resonances: tuple[Resonance, ...]
    bright: tuple[int, ...]
    comb: Comb | None


@dataclass(frozen=True)
class Record:
    """One file, characterised: what is kept of it.

    Attributes:
        file: Its name.
        format: What it was read as.
        conditions: What it says of the measurement.
        device: What was known of its ring.
        rings: The one with most light first.
        wander_pm: How the laser's wavelength strays from step to step.
        notes: What was understood and left out.
        name: Of its ring, where the manifest of a drawn chip tells it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
    file: str
    format: str
    conditions: dict[str, float]
    device: Device
    rings: tuple[RingRecord, ...]
    wander_pm: float
    notes: tuple[str, ...]
    name: str = ""

    @property
    def axis_nm(self) -> float:
        """Standard error of the axis as a whole, as somebody said, or else the file; NaN where neither does."""
        said = self.device.axis_nm
        return self.conditions.get("wavelength_accuracy_nm", math.nan) if said is None else said


def extract(sweep: Sweep, device: Device, *, ports: Sequence[tuple[str, str]] = ()) -> tuple[Record, SweepFit]:
    """Characterise the rings of one sweep.

    Args:
        sweep: What was measured.
        device: What is known of the ring.
        ports: What the user says of ports and channels.

    Returns:
        What is kept, and the fit itself, for pictures.

    Raises:
        InputError: No ring is there, or its width is not resolved.
    """
    told = ports_of(sweep, ports)
    refuse_full(sweep, told)
    dropped = device.dropped if device.dropped is not None else bool(told.drops or told.dark)
    notes = [_read(sweep), *sweep.notes, told.note]
    if not dropped:
        notes.append(
            "no drop port: taken for an all-pass ring, whose coupling and loss may be exchanged (both branches "
            "are given); "
            "--add-drop if it has a second bus of the same gap"
        )
    elif told.through is None:
        notes.append("no through port: coupling and loss are told apart by nothing, only Q and splitting are given")
    fit = fit_rings(
        str(sweep.path),
        sweep.wl_nm,
        through=np.zeros(0) if told.through is None else told.through.linear,
        drops=[trace.linear for trace in told.drops],
        dropped=dropped,
        fsr_nm=device.fsr_nm,
        balance_dB=device.balance_dB,
        blur_nm=device.blur_nm,
    )
    separate = tuple(ring for ring in apart(fit.rings) if ring is not None)
    shared = sum(len(ring.resonances) for ring in fit.rings) - sum(len(ring.resonances) for ring in separate)
    if not separate:
        notes.append("rings lie on each other's lines at every order: what is told of each may be another's")
    elif shared:
        notes.append(left_out(shared))
        fit = replace(fit, rings=separate)
    first = fit.rings[0]
    if first.comb is not None:
        _refuse_other_ring(sweep, device, first.comb)
        place, std = (np.array([getattr(one, name) for one in first.resonances]) for name in ("wl_nm", "wl_nm_std"))
        if mirrored(place, np.hypot(std, 1e-3 * first.comb.rms_pm)):
            notes.append("the free spectral range falls with wavelength, want it to grow: is the axis mirrored?")
    conditions, named_dBm = dict(sweep.conditions), laser_power_of(sweep.path)
    if named_dBm is not None:
        told_dBm = conditions.setdefault("laser_power_dBm", named_dBm)
        if abs(told_dBm - named_dBm) > SAME_dB:
            notes.append(
                f"the file says {told_dBm:g} dBm of laser power, its name {named_dBm:.3g} dBm: the file's counts"
            )
    behind = (told.through or told.drops[0]).linear
    rings = tuple(RingRecord(ring.resonances, bright_of(sweep.wl_nm, behind, ring), ring.comb) for ring in fit.rings)
    record = Record(
        file=sweep.path.name,
        format=sweep.format,
        conditions=conditions,
        device=device,
        rings=rings,
        wander_pm=1e3 * fit.wander.std_nm,
        notes=(*notes, *fit.notes),
    )
    return record, fit


def _read(sweep: Sweep) -> str:
    """What the numbers of a file were understood as."""
    low_nm, high_nm = sweep.wl_nm[[0, -1]]
    units = " and ".join(sorted({trace.unit for trace in sweep.traces.values()}))
    return (
        f"{len(sweep.wl_nm)} wavelengths from {low_nm:.3f} to {high_nm:.3f} nm, steps of "
        f"{1e3 * float(np.median(np.diff(sweep.wl_nm))):.3g} pm, levels in {units}"
    )


def bright_of(wl_nm: Float[np.ndarray, " wl"], power: Float[np.ndarray, " wl"], ring: RingFit) -> tuple[int, ...]:
    """Places of a ring's resonances that have light enough to count for laws over many."""
    level_dB = []
    for one in ring.resonances:
        near = power[(np.abs(wl_nm - one.wl_nm) < BRIGHT_NM) & np.isfinite(power)]
        level_dB.append(10.0 * math.log10(max(float(np.percentile(near, 90)), 1e-30)) if len(near) else -300.0)
    return tuple(n for n, each in enumerate(level_dB) if each > max(level_dB) - BRIGHT_dB)


def _refuse_other_ring(sweep: Sweep, device: Device, comb: Comb) -> None:
    """Refuse a comb that no ring of the known length has: ripple of facets, or a file of another device."""
    if device.length_um is None:
        return
    n_g = comb.turn_um / device.length_um
    if not LEAST_N_G < n_g < MOST_N_G:
        raise InputError(
            f"{sweep.path}: got a comb of {comb.fsr_nm(comb.wl0_nm):.4g} nm, which is a group index of {n_g:.3g} for a "
            f"ring of {device.length_um:.5g} µm, want {LEAST_N_G:g} to {MOST_N_G:g}; another device, or no ring but "
            "ripple? give the size of the ring that was measured"
        )


def gap_of(path: Path) -> float | None:
    """Gap in nm that a file's name tells, as ``…_g250.npz``; None where it tells none."""
    match = _GAP.search(path.stem)
    return float(match[1]) if match else None


def law_over_gaps(records: Sequence[Record]) -> GapLaw | None:
    """The gap law of files whose gaps are known and whose rings are of one kind, each by its first ring.

    None of fewer than three gaps.
    """
    known = []
    turns_um = [one.rings[0].comb.turn_um for one in records if one.device.gap_nm is not None and one.rings[0].comb]
    usual_um = float(np.median(turns_um)) if turns_um else math.nan
    for one in records:
        ring = one.rings[0]
        # Rings of another film or size follow another law.
        if ring.comb is not None and abs(ring.comb.turn_um / usual_um - 1.0) > ALIKE:
            continue
        kept = [ring.resonances[n] for n in ring.bright if math.isfinite(ring.resonances[n].kappa2_through)]
        if one.device.gap_nm is not None and kept:
            known.append((one.device.gap_nm, kept))
    if len({gap for gap, _ in known}) < LEAST_GAPS:
        return None
    return gap_law([gap for gap, _ in known], [kept for _, kept in known])


def laser_power_of(path: Path) -> float | None:
    """The laser's power in dBm that a file's name tells, as ``…_3dBm.csv`` or ``…_0.5mW.npz``; None without."""
    match = _LASER_POWER.search(path.name)
    if match is None:
        return None
    value = float(match[1].replace("p", "."))
    if match[2].casefold() == "dbm":
        return value
    return 10.0 * math.log10(value) if value > 0.0 else None


def thermal_over_files(records: Sequence[Record]) -> Thermal | None:
    """How the laser's power moves a resonance, of files that record it; None of fewer than three powers.

    Files of several biases or gaps are no such set, nor those in which no one resonance can be followed: the other
    differences between them are far larger.
    """
    known = [one for one in records if "laser_power_dBm" in one.conditions]
    powers = [one.conditions["laser_power_dBm"] for one in known]
    biases = {one.conditions.get("bias_V", 0.0) for one in known}
    if len(set(powers)) < LEAST_SETTINGS or len(biases) > 1 or len({one.device for one in known}) > 1:
        return None
    found = [[(r.wl_nm, r.wl_nm_std) for r in one.rings[0].resonances] for one in known]
    try:
        return thermal_of([10.0 ** (0.1 * power) for power in powers], found, fsr_nm=_median_fsr_nm(known))
    except InputError:
        return None


def _median_fsr_nm(records: Sequence[Record]) -> float | None:
    fsr = [r.fsr_nm for one in records for r in one.rings[0].resonances if math.isfinite(r.fsr_nm)]
    return float(np.median(fsr)) if fsr else None


def tuning_over_files(records: Sequence[Record]) -> Tuning | None:
    """How bias moves a resonance, of files that record it; None of fewer than three settings."""
    biased = [one for one in records if "bias_V" in one.conditions]
    if len({one.conditions["bias_V"] for one in biased}) < LEAST_SETTINGS:
        return None
    return tuning_of(
        [one.conditions for one in biased],
        [[(r.wl_nm, r.wl_nm_std) for r in one.rings[0].resonances] for one in biased],
        fsr_nm=_median_fsr_nm(biased),
    )
