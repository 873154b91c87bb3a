"""Which channel of a sweep is which port of the ring: as the user says, or else as the spectra themselves show, said
aloud.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prism_photonics.laboratory.find import teeth
from prism_photonics.laboratory.sweep import Sweep, Trace, assign_ports
from prism_photonics.units import InputError

LIT_SHARE, LIT_OVER = 0.1, 20.0
"""A port of a ring is light in a tenth of its readings, or in one that stands this far over the rest: noise of a dark
meter reaches about nine times its mean in ten thousand readings.
"""
SAME_NM = 0.15
MOST_FULL = 0.5
"""Share of a trace's samples at which its meter may have been full; design choice: of more, no baseline is left."""
FAINT = 0.02
"""Share of a drop port's tallest peak below which another channel's peaks are no drop port's."""


@dataclass(frozen=True)
class Ports:
    """The traces of a ring's ports.

    Attributes:
        through: Behind the rings, or None.
        drops: At drop ports, the brightest first.
        note: How they were told.
        dark: Drop ports that the user names and that hear no more than their meters' noise; they are not fitted.
    """

    through: Trace | None
    drops: tuple[Trace, ...]
    note: str
    dark: tuple[str, ...] = ()


def parse_ports(text: str) -> tuple[tuple[str, str], ...]:
    """Ports and channels of ``through=2,drop=1,add=3``; a bus of several rings may name several drop ports.

    Raises:
        InputError: It is not so written.
    """
    pairs = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([a-z]+)\s*=\s*([\w \[\]./-]{1,60}?)\s*", part)
        if match is None:
            raise InputError(f"--ports: got '{part[:40]}', want PORT=CHANNEL as in through=2,drop=1,add=3; mend it")
        pairs.append((match[1], match[2]))
    return tuple(pairs)


def ports_of(sweep: Sweep, said: Sequence[tuple[str, str]] = ()) -> Ports:
    """The ports of a sweep.

    Args:
        sweep: The sweep.
        said: What the user says of ports and channels; the rest stays unknown.

    Raises:
        InputError: The alignment failed, all is dark, or a port or channel does not exist.
    """
    if sweep.conditions.get("alignment_passed") == 0.0:
        raise InputError(
            f"{sweep.path}: the file says that its alignment failed, want a spectrum of the device; no ring is "
            "there: align and measure again"
        )
    if said:
        found = [(port, next(iter(assign_ports(sweep, {port: channel}).values()))) for port, channel in said]
        if len({id(trace) for _, trace in found}) < len(found):
            raise InputError(f"{sweep.path}: --ports names one channel twice, want a channel for each port; mend it")
        through = next((trace for port, trace in found if port == "through"), None)
        drops = tuple(trace for port, trace in found if port == "drop")
        if through is None and not drops:
            raise InputError(f"{sweep.path}: --ports names neither through nor drop, want one of them; add it")
        dark = tuple(trace.name for trace in drops if not _lit(trace))
        if (through is None and len(dark) == len(drops)) or (through is not None and not _lit(through)):
            name = ", ".join(dark) if through is None else through.name
            raise InputError(
                f"{sweep.path}: {name} hears no more than the noise of its meter, want light from the device; give "
                "other --ports, or measure again"
            )
        note = "ports as told"
        if dark:
            note += f"; {', '.join(dark)} hears no more than the noise of its meter, left out"
        return Ports(through, tuple(trace for trace in drops if trace.name not in dark), note, dark)
    lit = {name: trace for name, trace in sweep.traces.items() if _lit(trace)}
    if not lit:
        raise InputError(
            f"{sweep.path}: no channel rises over the noise of its meter, want light from the device; the "
            "alignment failed or the laser was off"
        )
    return _shown(sweep, lit)


def refuse_full(sweep: Sweep, told: Ports) -> None:
    """Refuse a sweep whose rings cannot be fitted because the meter behind them was full.

    Raises:
        InputError: The trace behind the rings, or all that there are, are full over more than half of their samples.
    """
    used = [told.through] if told.through is not None else [*told.drops] or [*sweep.traces.values()]
    full = [trace for trace in used if trace.full_share > MOST_FULL]
    if len(full) == len(used):
        same = all(trace.full_share == 1.0 for trace in full)
        got = "one reading all over" if same else f"a meter that was full over {100 * full[0].full_share:.0f} % of it"
        raise InputError(
            f"{sweep.path}: got {got} in {', '.join(trace.name for trace in full)}, want a spectrum: saturated, or not "
            "connected? Measure again with less light or a wider range of the meter"
        )


def _lit(trace: Trace) -> bool:
    power = trace.linear[np.isfinite(trace.linear)]
    if not len(power):
        return False
    return trace.floor_share < 1.0 - LIT_SHARE or float(np.max(power)) > LIT_OVER * float(
        np.mean(power[power <= np.percentile(power, 90)])
    )


def _shown(sweep: Sweep, lit: dict[str, Trace]) -> Ports:
    """Ports as the spectra show them: dips in what is bright, peaks at the same places in what is dark between them."""
    none = np.zeros(0)
    dips, peaks = {}, {}
    for name, trace in lit.items():
        dips[name] = [t for t in teeth(sweep.wl_nm, trace.linear, []) if t.depth > 0.0]
        peaks[name] = [t for t in teeth(sweep.wl_nm, none, [trace.linear]) if t.height > 0.0]
    level = {name: float(np.nanmedian(trace.linear)) for name, trace in lit.items()}
    behind = max(lit, key=lambda name: level[name] if dips[name] else 0.0)
    if not dips[behind]:
        behind = ""
    drops: list[str] = []
    others = sorted((n for n in lit if n != behind and peaks[n]), key=lambda n: -max(t.height for t in peaks[n]))
    for name in others:
        top = max(t.height for t in peaks[name])
        clear = [t.wl_nm for t in peaks[name] if t.height > FAINT * top]
        at_dips = not behind or _share(clear, [t.wl_nm for t in dips[behind]]) > 0.5
        taken = any(
            _share(clear, [t.wl_nm for t in peaks[other] if t.height > FAINT * max(p.height for p in peaks[other])])
            > 0.3
            for other in drops
        )
        if at_dips and not taken:
            drops.append(name)
    left = [name for name in lit if name != behind and name not in drops]
    words = [f"through = {behind}" if behind else "no through port", *(f"drop = {name}" for name in drops)]
    words += [f"{name} not used" for name in left]
    note = "ports by what the spectra show: " + ", ".join(words) + "; say otherwise by --ports"
    return Ports(lit.get(behind), tuple(lit[name] for name in drops), note)


def _share(places: Sequence[float], among: Sequence[float]) -> float:
    """Share of places that lie at one of others."""
    if not places or not among:
        return 0.0
    away = np.min(np.abs(np.subtract.outer(np.asarray(places), np.asarray(among))), axis=1)
    return float(np.mean(away < SAME_NM))
