"""Scattering parameters of a part that others have simulated or measured, held to the laws before they are used.

A passive part gives back no more light than it takes (no singular value of S above 1), a part of ordinary materials is
reciprocal (S is symmetric), and light leaves after it has entered (the group delay of what passes is positive).
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError

TOLERANCE = 1e-4  # of gain and asymmetry: what files of five digits leave; design choice
PASSES = 1e-2  # least mean power of a transmission whose delay is judged; design choice
DELAY_TOLERANCE_PS = 1e-3  # a third of a millimetre of air; parts without a phase of their own have no delay
MOST_INTERPOLATION_ERROR = 1e-2  # of the field between two samples; design choice
PS_PER_S = 1e12


@dataclass(frozen=True)
class SParameters:
    """Scattering parameters over wavelength, in our models' convention: phases grow along a guide.

    Attributes:
        source: File or model, as messages name it.
        ports: Names of the ports.
        wl_um: Wavelengths, ascending.
        s: ``s[k, i, j]`` leaves port i of the light that enters port j; fields whose squares are powers.
    """

    source: str
    ports: tuple[str, ...]
    wl_um: Float[ndarray, " wl"]
    s: Complex[ndarray, "wl ports ports"]

    @property
    def gain(self) -> float:
        """Largest singular value over all wavelengths: 1 gives back all light, more than 1 makes some."""
        return float(np.linalg.svd(self.s, compute_uv=False).max())

    @property
    def asymmetry(self) -> float:
        """Largest difference of the two ways between two ports."""
        return float(np.abs(self.s - np.swapaxes(self.s, 1, 2)).max())

    @property
    def delay_ps(self) -> Float[ndarray, "ports ports"]:
        """Group delay ``dφ/dω`` of every parameter, its mean over the band weighted by power; NaN where no light is."""
        omega = 2.0 * np.pi * SPEED_OF_LIGHT_UM_S / self.wl_um
        step = self.s[:-1] * self.s[1:].conj()  # descending wavelengths are ascending frequencies
        turned = np.sum(np.abs(step) * np.angle(step) / (omega[:-1] - omega[1:])[:, None, None], axis=0)
        power = np.sum(np.abs(step), axis=0)
        return np.where(power > 0.0, turned / np.where(power > 0.0, power, 1.0), np.nan) * PS_PER_S

    @property
    def passing(self) -> list[tuple[int, int]]:
        """Pairs of ports, out and in, between which light passes."""
        power = np.mean(np.abs(self.s) ** 2, axis=0)
        return [(int(i), int(j)) for i, j in np.argwhere(power >= PASSES) if i != j]

    @property
    def interpolation_error(self) -> float:
        """What straight lines between the samples miss of the fields, told by every other sample; 0 of fewer than 3."""
        if len(self.wl_um) < 3:
            return 0.0
        coarse = replace(self, wl_um=self.wl_um[::2], s=self.s[::2])
        inner = slice(1, 2 * len(coarse.wl_um) - 2, 2)
        missed = coarse.at(self.wl_um[inner]) - self.s[inner]
        return float(np.abs(missed).max()) / 4.0  # of twice the step: the error goes with its square

    def at(self, wl_um: Float[ndarray, " points"]) -> Complex[ndarray, "points ports ports"]:
        """The parameters between the samples: interpolated where the ports' own delays are taken out.

        A mean of passive matrices is passive, and a delay at a port changes no power: what is passive and reciprocal at
        the samples is so in between.
        """
        return interpolated(self, np)(np.asarray(wl_um))


def require_physical(given: SParameters, *, on_fault: Literal["refuse", "project"] = "refuse") -> SParameters:
    """The parameters, if they keep the laws; or the nearest ones that do, with a warning, if that is asked for.

    Projected: both ways between two ports become their mean, singular values above 1 become 1, and where all light
    leaves before it has entered, the file's phases fall along a guide where ours grow, and are turned. A part in which
    only some light does so is refused in any case: nothing near it is causal.

    Args:
        given: The parameters.
        on_fault: What to do with a fault.

    Raises:
        InputError: A law is broken, or the samples are too few to interpolate between; the message names the law, the
            value and the place.
    """
    _require_samples(given)
    delays = given.delay_ps
    late = {(i, j): float(delays[i, j]) for i, j in given.passing if delays[i, j] < -DELAY_TOLERANCE_PS}
    faults = []
    if late:
        (i, j), least = min(late.items(), key=lambda item: item[1])
        told = (
            f"light from {given.ports[j]} leaves {given.ports[i]} {-least:.3g} ps before it has entered "
            "(negative group delay)"
        )
        if len(late) < len(given.passing):
            raise InputError(
                f"{given.source}: {told}, other light after it; no part near it is causal; ask for other data"
            )
        faults.append(
            f"{told}, as all light: its phases fall along a guide, ours grow, or samples are over half a turn apart"
        )
        turned = replace(given, s=given.s.conj())
    else:
        turned = given
    if given.asymmetry > TOLERANCE:
        k, i, j = np.unravel_index(np.argmax(np.abs(given.s - np.swapaxes(given.s, 1, 2))), given.s.shape)
        faults.append(
            f"not reciprocal: {given.ports[i]} from {given.ports[j]} and back differ by {given.asymmetry:.3g} at "
            f"{1e3 * given.wl_um[k]:.2f} nm"
        )
    if given.gain > 1.0 + TOLERANCE:
        k = int(np.argmax(np.linalg.svd(given.s, compute_uv=False)[:, 0]))
        faults.append(f"not passive: largest singular value {given.gain:.4f} at {1e3 * given.wl_um[k]:.2f} nm, limit 1")
    if not faults:
        return _require_fine(given)
    if on_fault == "refuse":
        raise InputError(f"{given.source}: {'; '.join(faults)}; ask for other data, or have it projected")
    warnings.warn(f"{given.source}: {'; '.join(faults)}; projected onto what is", UserWarning, stacklevel=2)
    mean = (turned.s + np.swapaxes(turned.s, 1, 2)) / 2.0
    u, values, v = np.linalg.svd(mean)
    return _require_fine(replace(turned, s=u * np.minimum(values, 1.0)[:, None, :] @ v))


def interpolated(given: SParameters, xp: ModuleType) -> Callable[[Any], Any]:
    """S by wavelength in µm, NaN outside the samples; ``xp`` is the array library."""
    delays = _port_delays_s(given)
    together = delays[:, None] + delays[None, :]

    def undelayed(wl: Any) -> Any:
        omega = 2.0 * math.pi * SPEED_OF_LIGHT_UM_S / wl
        return xp.exp(1j * omega[..., None, None] * together)

    nodes, slow = xp.asarray(given.wl_um), xp.asarray(given.s * np.asarray(undelayed(given.wl_um)).conj())

    def between(wl: Any) -> Any:
        upper = xp.clip(xp.searchsorted(nodes, wl), 1, len(given.wl_um) - 1)
        share = (wl - nodes[upper - 1]) / (nodes[upper] - nodes[upper - 1])
        share = xp.where((share >= -1e-6) & (share <= 1.0 + 1e-6), share, xp.nan)[..., None, None]
        return ((1.0 - share) * slow[upper - 1] + share * slow[upper]) * undelayed(wl)

    return between


def _require_samples(given: SParameters) -> None:
    """Refuse numbers that are none, and wavelengths that do not ascend."""
    if len(given.wl_um) < 2 or not np.all(np.diff(given.wl_um) > 0.0) or not given.wl_um[0] > 0.0:
        raise InputError(
            f"{given.source}: got {len(given.wl_um)} wavelengths; want two or more, ascending, in µm; export it again"
        )
    if not np.all(np.isfinite(given.s)):
        k, i, j = np.argwhere(~np.isfinite(given.s))[0]
        raise InputError(
            f"{given.source}: {given.ports[i]} from {given.ports[j]} is no number at {1e3 * given.wl_um[k]:.2f} nm; "
            "export it again"
        )


def _require_fine(given: SParameters) -> SParameters:
    """The parameters, unless their samples are too far apart."""
    if (error := given.interpolation_error) > MOST_INTERPOLATION_ERROR:
        raise InputError(
            f"{given.source}: samples {1e3 * np.diff(given.wl_um).max():.3g} nm apart leave about {error:.2g} of the "
            f"field between them, limit {MOST_INTERPOLATION_ERROR:g}; export it with a finer step"
        )
    return given


def _port_delays_s(given: SParameters) -> Float[ndarray, " ports"]:
    """The delay of every port whose sums come nearest to the delays of the parameters, weighted by power."""
    count = len(given.ports)
    delays, power = given.delay_ps / PS_PER_S, np.mean(np.abs(given.s) ** 2, axis=0)
    sums = np.eye(count)[:, None, :] + np.eye(count)[None, :, :]
    weight = np.sqrt(power)
    want = np.where(power > 0.0, weight * np.where(power > 0.0, delays, 0.0), 0.0)
    found, *_ = np.linalg.lstsq((weight[..., None] * sums).reshape(-1, count), want.reshape(-1), rcond=None)
    return found
