"""A row in time: symbols of light through modulators, rings, photodiodes and amplifier.

Between two writes of voltages a row is linear in the field and does not change, so that each spectral part of a line's
light passes by the row's exact complex response at its own wavelength. The symbols are taken to repeat for ever, and so
the discrete Fourier transform is no approximation but for the steps of time, which `intersymbol_error` is shown to
have converged in (`tests/circuit/test_transient.py`). In the convention exp(jβL − jωt) of all models the part
exp(+2πjft) of the transform lies at the optical frequency c/λ − f.

Lines do not beat: they lie hundreds of GHz apart, beyond what an amplifier follows, and their currents add.

Source: linear response; a single pole for each part that is not optical is a design choice.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.lightpath.arrays import power
from prism_photonics.plotting import drawn
from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS_OF_A_RISE = 32.0
"""Steps of time in one over the modulator's bandwidth.

Four times as many move the error of `circles_8x8` by 1 % at the symbol time of its ledger, where a quarter as many make
it 30 % too large: the best instant lies between the steps.
"""

LEAST_STEPS = 256
"""Steps of time in a symbol, however short; design choice."""

type RowResponse = Callable[[ndarray], tuple[ndarray, ndarray]]
"""Complex through and drop fields of a row at wavelengths in µm, as `row_response` gives them."""


@dataclass(frozen=True)
class Receivers:
    """What follows light with a single pole each: modulator before the row, photodiode and amplifier behind it.

    Attributes:
        modulator_Hz: Bandwidth of the modulator's voltage.
        photodiode_Hz: Bandwidth of a photodiode's current.
        amplifier_Hz: Bandwidth of the amplifier.
        drop_ratio: Responsivity of the drop photodiode over the through one.
    """

    modulator_Hz: float
    photodiode_Hz: float
    amplifier_Hz: float
    drop_ratio: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what follows nothing.

        Raises:
            InputError: A bandwidth that is not positive.
        """
        for name in ("modulator_Hz", "photodiode_Hz", "amplifier_Hz"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise InputError(f"Receivers: {name} = {getattr(self, name):g}; want more than 0; raise it")


@dataclass(frozen=True)
class Transient:
    """The balanced current of a row over time, in units of the current of one fully lit line.

    Attributes:
        time_s: Times since the first symbol began, in s.
        current: The amplifier's output at those times.
        settled: What it would be of each symbol for ever.
        symbol_s: Time of one symbol in s.
    """

    time_s: Float[ndarray, " time"]
    current: Float[ndarray, " time"]
    settled: Float[ndarray, " symbols"]
    symbol_s: float

    @property
    def eye(self) -> Float[ndarray, "symbols time"]:
        """The current symbol by symbol, all laid over one another."""
        return self.current.reshape(len(self.settled), -1)

    @property
    def sampled(self) -> Float[ndarray, " symbols"]:
        """The current at the one instant of a symbol at which all symbols are nearest to what they settle to."""
        return self._at_best()[0]

    @property
    def delay_s(self) -> float:
        """From the start of a symbol to the instant at which it is sampled, in s: up to two symbols."""
        return self._at_best()[1]

    @property
    def intersymbol_error(self) -> float:
        """Rms of sampled minus settled over the settled currents' standard deviation."""
        error = self.sampled - self.settled
        return float(np.sqrt(np.mean(error**2)) / np.std(self.settled))

    def plot_eye(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the eye diagram: two symbols wide, every symbol and the one after it.

        Args:
            ax: Matplotlib axes to draw into; new ones by default.

        Returns:
            The axes.
        """
        return drawn("eye_diagram", self, ax=ax)

    def _at_best(self) -> tuple[Float[ndarray, " symbols"], float]:
        per_symbol = self.eye.shape[1]
        at_each = np.hstack([self.eye, np.roll(self.eye, -1, axis=0)])
        best = int(np.argmin(np.sum((at_each - self.settled[:, None]) ** 2, axis=0)))
        return at_each[:, best], best * self.symbol_s / per_symbol


def transmit(
    light: Float[ndarray, "symbols channels"],
    wl_um: Float[ndarray, " channels"],
    respond: RowResponse,
    *,
    symbol_s: float,
    receivers: Receivers,
    samples: int | None = None,
) -> Transient:
    """Send symbols through a row, over and over.

    Args:
        light: Share of full light of every channel in every symbol, 0 to 1.
        wl_um: Wavelengths of the channels in µm.
        respond: The row, at the entrance of its bus.
        symbol_s: Time of one symbol in s.
        receivers: Modulators, photodiodes and amplifier.
        samples: Steps of time in a symbol; by default `STEPS_OF_A_RISE`, and `LEAST_STEPS` or more.

    Raises:
        InputError: Light that is none, or fewer than two symbols or steps.
    """
    if light.min() < 0.0 or light.max() > 1.0:
        raise InputError(f"transmit: light from {light.min():g} to {light.max():g}; want 0 to 1; scale the query")
    if samples is None:
        samples = max(LEAST_STEPS, math.ceil(STEPS_OF_A_RISE * symbol_s * receivers.modulator_Hz))
    if len(light) < 2 or samples < 2 or not symbol_s > 0.0:
        raise InputError(
            f"transmit: {len(light)} symbols of {symbol_s:g} s in {samples} steps; want 2 or more symbols and steps, "
            "and a positive time; give more"
        )
    step_s = symbol_s / samples
    frequency_Hz = np.fft.fftfreq(len(light) * samples, step_s)
    current = np.zeros(len(light) * samples)
    settled = np.zeros(len(light))
    # The light is a voltage before it is a field: sin² of it, as the modulator's drive.
    volts = np.arcsin(np.sqrt(light)) / (0.5 * math.pi)
    for channel, wl in enumerate(wl_um):
        held = np.repeat(volts[:, channel], samples)
        field = np.sin(0.5 * math.pi * _followed(held, frequency_Hz, receivers.modulator_Hz))
        through, drop = respond(SPEED_OF_LIGHT_UM_S / (SPEED_OF_LIGHT_UM_S / wl - frequency_Hz))
        spectrum = np.fft.fft(field)
        current += power(np.fft.ifft(spectrum * through)) - receivers.drop_ratio * power(np.fft.ifft(spectrum * drop))
        settled += light[:, channel] * (power(through[:1]) - receivers.drop_ratio * power(drop[:1]))
    for bandwidth_Hz in (receivers.photodiode_Hz, receivers.amplifier_Hz):
        current = _followed(current, frequency_Hz, bandwidth_Hz)
    return Transient(step_s * np.arange(len(current)), current, settled, symbol_s)


def voltage_step(
    wl_um: float,
    row_at: Callable[[float], RowResponse],
    *,
    time_s: Float[ndarray, " time"],
    volts: tuple[float, float],
    rc_s: float,
    lifetime_s: float,
) -> Float[ndarray, " time"]:
    """``T_through − T_drop`` of one line after a voltage is written, while the electrodes charge.

    They charge by exp(−t/RC), which is slow beside light: at every moment the row is the one of the voltage just then,
    but for a share of about lifetime/RC of the change.

    Args:
        wl_um: The line's wavelength in µm.
        row_at: The row at a voltage.
        time_s: Times since the write in s.
        volts: Voltage before and after.
        rc_s: Time constant of electrodes, wire and driver in s; at least ten lifetimes.
        lifetime_s: Photon lifetime of the rings in s.

    Raises:
        InputError: The electrodes are faster than the light in the rings, so that no row is ever at rest.
    """
    if rc_s < 10.0 * lifetime_s:
        raise InputError(
            f"voltage_step: rc_s = {rc_s:g}, lifetime_s = {lifetime_s:g}; want rc_s of 10 lifetimes or more, else the "
            "field does not follow; lengthen rc_s"
        )
    now = volts[1] + (volts[0] - volts[1]) * np.exp(-np.maximum(time_s, 0.0) / rc_s)
    found = []
    for voltage in now:
        through, drop = row_at(float(voltage))(np.array([wl_um]))
        found.append(float(power(through)[0] - power(drop)[0]))
    return np.array(found)


def _followed(signal: Float[ndarray, " time"], frequency_Hz: Float[ndarray, " time"], bandwidth_Hz: float) -> ndarray:
    """A repeating signal behind a single pole, held from step to step: no ringing, however steep the signal."""
    step_s = 1.0 / (len(signal) * frequency_Hz[1])
    kept = math.exp(-2.0 * math.pi * bandwidth_Hz * step_s)
    return np.fft.ifft(
        np.fft.fft(signal) * (1.0 - kept) / (1.0 - kept * np.exp(-2j * math.pi * frequency_Hz * step_s))
    ).real
