"""A measured spectrum: wavelengths, one trace a channel, what is known of the conditions, and what was left open."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from prism_photonics.files.fields import shown
from prism_photonics.units import InputError, nearest

Unit = Literal["dB", "dBm", "W", "ratio"]
PORTS = ("input", "through", "drop", "add")


@dataclass(frozen=True, eq=False)
class Trace:
    """What one channel of a sweep received.

    Attributes:
        name: The channel, as the file names it, or ``channel_N``.
        unit: Of the values: ``dBm`` and ``W`` are received power, ``dB`` and ``ratio`` a transmission.
        values: One a wavelength; NaN where the record has none (gaps, stuck and saturated samples).
        in_floor: Where the trace is no more than the noise of its meter.
        full_share: The share of all samples at which the meter was full; 1 where all readings are the same.
    """

    name: str
    unit: Unit
    values: Float[np.ndarray, " wavelengths"]
    in_floor: Bool[np.ndarray, " wavelengths"]
    full_share: float = 0.0

    @property
    def linear(self) -> Float[np.ndarray, " wavelengths"]:
        """Power in W, or transmission as a ratio, of shape (wavelengths,)."""
        if self.unit in ("W", "ratio"):
            return self.values
        return 10.0 ** (self.values / 10.0) * (1e-3 if self.unit == "dBm" else 1.0)

    @property
    def is_power(self) -> bool:
        """Whether the values are received power, and no transmission."""
        return self.unit in ("W", "dBm")

    @property
    def floor_share(self) -> float:
        """The share of the recorded samples that is noise; 1 where the trace holds no reading."""
        there = np.isfinite(self.values)
        return float(np.mean(self.in_floor[there])) if there.any() else 1.0


@dataclass(frozen=True, eq=False)
class Sweep:
    """A file's spectrum, in units that are known.

    Attributes:
        path: The file.
        format: What it was read as.
        wl_nm: Wavelengths in nm, ascending, each once.
        traces: By name, in the order of the file.
        conditions: What the file says of the measurement, by names with units, such as ``bias_V``.
        device: What was measured, as the file names it; empty where it does not.
        notes: What was understood, what was set aside, and what the file leaves open.
    """

    path: Path
    format: str
    wl_nm: Float[np.ndarray, " wavelengths"]
    traces: dict[str, Trace]
    conditions: dict[str, float] = field(default_factory=dict)
    device: str = ""
    notes: tuple[str, ...] = ()

    @property
    def step_nm(self) -> float:
        """The median step of the axis."""
        return float(np.median(np.diff(self.wl_nm)))


def assign_ports(sweep: Sweep, ports: Mapping[str, int | str]) -> dict[str, Trace]:
    """The traces of a sweep by the port of the ring that each was measured at.

    Args:
        sweep: The sweep.
        ports: Of ``input``, ``through``, ``drop`` and ``add`` those that were measured, with the channel of each: its
            number, from 1 as in ``channel_1`` or else in the order of the file, or its name.

    Returns:
        A trace a port.

    Raises:
        InputError: No such port or channel, or one channel for two ports.
    """
    found: dict[str, Trace] = {}
    for port, channel in ports.items():
        if port not in PORTS:
            raise InputError(
                f"{sweep.path}: got port {shown(port)}, want one of {', '.join(PORTS)}; {nearest(port, PORTS)}"
            )
        trace = _channel(sweep, port, channel)
        taken = next((other for other, one in found.items() if one is trace), None)
        if taken is not None:
            raise InputError(
                f"{sweep.path}: {port} = {channel} is {trace.name}, which is {taken} already, want a channel for "
                f"each port; mend the ports"
            )
        found[port] = trace
    return found


def mirrored(
    resonances_nm: Float[np.ndarray, " resonances"], std_nm: Float[np.ndarray, " resonances"] | float | None = None
) -> bool | None:
    """Whether an axis runs the wrong way: the free spectral range λ²/(n_g·L) of a ring must grow with wavelength.

    Only a guide whose group index rises faster than 2·n_g/λ would do otherwise: 5 /µm in silicon, 3 /µm in lithium
    niobate, where it falls or rises by some tenths.

    Args:
        resonances_nm: Resonances of one ring and one mode in any order, in nm; orders may be missing between them.
        std_nm: Their standard error; without it, it is taken from how far they lie off a smooth comb.

    Returns:
        True or False where the curvature of the comb stands out of its error by three times, and None where it does
        not, or where fewer than three resonances are there.
    """
    wl = np.sort(np.asarray(resonances_nm, float))
    wl = wl[np.isfinite(wl)]
    if len(wl) < 3 or np.any(np.diff(wl) <= 0):
        return None
    gaps = np.diff(wl)
    singles = np.flatnonzero(gaps < 1.5 * gaps.min())
    # Where orders are missing, their number is told by the nearest spacing of two that follow each other.
    nearest_single = singles[np.argmin(np.abs(np.arange(len(gaps))[:, None] - singles), axis=1)]
    order = np.r_[0.0, np.cumsum(np.round(gaps / gaps[nearest_single]))]
    x = order - order.mean()
    basis = np.stack([np.ones_like(x), x, x * x], axis=1)
    coefficients, *_ = np.linalg.lstsq(basis, wl, rcond=None)
    spare = len(wl) - 3
    if std_nm is not None:
        sigma = float(np.sqrt(np.mean(np.square(std_nm))))
    elif spare > 0:
        sigma = float(np.sqrt(np.sum((wl - basis @ coefficients) ** 2) / spare))
    else:
        return None
    error = sigma * float(np.sqrt(np.linalg.inv(basis.T @ basis)[2, 2]))
    if abs(coefficients[2]) <= 3 * error:
        return None
    return bool(coefficients[2] < 0)


def _channel(sweep: Sweep, port: str, channel: int | str) -> Trace:
    names = list(sweep.traces)
    if isinstance(channel, str) and not re.fullmatch(r"\d{1,4}", channel):
        if channel in sweep.traces:
            return sweep.traces[channel]
        raise InputError(
            f"{sweep.path}: {port} = {shown(channel)}, want a channel of the file; {nearest(channel, names)}"
        )
    number = int(channel)
    if (name := f"channel_{number}") in sweep.traces:
        return sweep.traces[name]
    numbered = any(re.fullmatch(r"channel_\d+", name) for name in names)
    if not numbered and 1 <= number <= len(names):
        return sweep.traces[names[number - 1]]
    raise InputError(
        f"{sweep.path}: {port} = channel {number}, want one of the file's: {', '.join(names[:8])}; mend the ports"
    )
