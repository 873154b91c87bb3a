"""Slopes of reflecting buses that are alike with one polarisation and with two: by ends, voltages and the receiver."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.bus_slopes import Slopes, each_bus, each_ring, plain_columns
from prism_photonics.calibration.reflecting import Beyond, ReflectingLight, beyond_columns
from prism_photonics.calibration.unknowns import Unknowns, columns
from prism_photonics.lightpath.ring.model import RingParams

PASSING = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))
"""How much of the through and of the drop power passes each end, in the order of `Beyond.end_re`."""


@dataclass(frozen=True)
class ReflectingBuses:
    """Reflecting buses at their unknowns.

    Attributes:
        unknowns: Those of the plain row.
        beyond: Those of splitting, ends and tuning beyond second order.
        params: The rings that they make.
        light: Known factors.
        volts: Voltages of the rings in V.
        acting: Those that act at their electrodes, crosstalk included.
        gain_A: Photocurrent of fully lit lines, in A.
        drop_ratio: Responsivity of the drop photodiode over the through one.
    """

    unknowns: Unknowns
    beyond: Beyond
    params: RingParams
    light: ReflectingLight
    volts: Float[ndarray, "buses rings settings wavelengths"]
    acting: Float[ndarray, "buses rings settings wavelengths"]
    gain_A: Float[ndarray, "buses 1 wavelengths"]
    drop_ratio: Float[ndarray, "buses 1 1"]


def finished_slopes(
    survey: BusSurvey,
    by: Float[ndarray, "buses unknowns settings wavelengths"],
    bus: ReflectingBuses,
    *,
    own: tuple[Float[ndarray, "buses rings settings wavelengths"], ...],
    seen: tuple[Float[ndarray, "buses settings wavelengths"], Float[ndarray, "buses settings wavelengths"]],
    mirrored: Sequence[Complex[ndarray, "buses settings wavelengths"]],
) -> Slopes:
    """The slopes with what follows from those of the rings and of what the ends mirror.

    Args:
        survey: The buses.
        by: Slopes by unknown, in A; those named above are written into it.
        bus: The buses at their unknowns.
        own: Slopes by each ring's turn, ln a, and ln κ² of its couplers, in A.
        seen: Shares of a line's power that the through and the drop photodiode see.
        mirrored: Of each end, the slope by its reflection without the light that it keeps back, in A.
    """
    params, light = bus.params, bus.light
    rings = params.t1.shape[1]
    places = columns(rings) | beyond_columns(rings)
    for n, (mirror, (of_through, of_drop)) in enumerate(zip(mirrored, PASSING, strict=True)):
        x, y = bus.beyond.end_re[:, n], bus.beyond.end_im[:, n]
        lost = 2.0 * bus.gain_A * (of_through * seen[0] - of_drop * bus.drop_ratio * seen[1])
        lost = lost * each_bus(1.0 / (1.0 - x**2 - y**2))
        by[:, places["end_re"].start + n] = each_bus(light.reflection) * (np.real(mirror) - lost * each_bus(x))
        by[:, places["end_im"].start + n] = each_bus(light.reflection) * (-np.imag(mirror) - lost * each_bus(y))
    slope_pm_V = each_ring(params.slope_pm_V) + 2.0 * each_ring(params.curvature_pm_V2) * bus.acting
    current_A = bus.gain_A * (seen[0] - bus.drop_ratio * seen[1])
    by_shift, by_volt = plain_columns(
        survey,
        by,
        unknowns=bus.unknowns,
        current_A=current_A,
        own=own,  # type: ignore[arg-type]
        slope_pm_V=slope_pm_V + 3.0 * each_ring(bus.beyond.cubic_pm_V3) * bus.acting**2,
        volts=(bus.volts, bus.acting),
    )
    # A product: NumPy takes a third power by logarithms, twenty times as long.
    cubed = bus.acting * bus.acting * bus.acting
    by[:, places["cubic"]] = light.cubic_pm_V3[:, None, None, None] * by_shift * cubed
    by[:, places["drop_ratio"].start] = -survey.scatter.drop_ratio * bus.gain_A * seen[1]
    return Slopes(current_A, by, by_shift, by_volt)
