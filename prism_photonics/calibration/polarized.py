"""What the readings of a bus may know of TM: where each ring's TM resonates, how much its bends turn, TM's bus phases.

These unknowns follow those of `reflecting` in the flat vector of a bus. TM's couplings go with TE's, as an error of a
gap scales both, and its loss is TE's: design choices of `circuit.designed_tm`. Of the four phases between two rings, of
either polarisation on either bus, powers see three: the loop that TE closes, which is the plain row's, and TM's way
along each bus against TE's there. TM that leaves falls on the photodiodes or is lost, as the spec says.
"""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.reflecting import ReflectingLight, beyond_columns
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.lightpath.ring.dispersion import dispersed
from prism_photonics.lightpath.ring.model import RingParams, rad_per_pm
from prism_photonics.lightpath.waveguide.model import PathParams, phase_rad
from prism_photonics.spec import ChipSpec

# Standard deviation of how far a ring's conversion lies off the mode table's, over it: an estimate (`process.
# polarization`), which walls that slope elsewhere change; design choice.
CONVERSION = 0.3
# Where TM's orders lie no design says: the unit of that place, in pm, is a convenience, and has no prior.
PLACE_PM = 100.0
OF_TM = ("place", "conversion", "tm_through", "tm_drop")
WITHOUT_PRIOR = ("place", "tm_through", "tm_drop")


@dataclass(frozen=True)
class PolarizedLight:
    """Known factors of TM in buses, at each wavelength, beside those of `reflecting.ReflectingLight`.

    Attributes:
        half_turn: e^{jφ/2} of TM in the untuned rings, without its loss.
        between: e^{j(φ_TE + φ_TM)/4}, TE's dispersed.
        t1: TM's self-couplings at the through bus, by design.
        t2: Those at the drop bus.
        conversion_rad: χ of half a turn, by the mode table.
        tuning_ratio: Phase that TM turns by over that of TE.
        rad_pm: Round-trip phase of TM by one pm of its resonance, in rad/pm.
        p: Transmissions of the through bus's segments for TM, without the phases that are unknown.
        q: Those of the drop bus's.
        detected: Share of TM's power that the photodiodes see.
    """

    half_turn: Complex[ndarray, "buses rings wavelengths"]
    between: Complex[ndarray, "buses rings wavelengths"]
    t1: Float[ndarray, "buses rings"]
    t2: Float[ndarray, "buses rings"]
    conversion_rad: Float[ndarray, "buses rings"]
    tuning_ratio: Float[ndarray, "buses rings"]
    rad_pm: Float[ndarray, "buses rings"]
    p: Complex[ndarray, "buses segments wavelengths"]
    q: Complex[ndarray, "buses segments wavelengths"]
    detected: Float[ndarray, " buses"]

    @classmethod
    def of(
        cls, spec: ChipSpec, wl_um: Float[ndarray, " wavelengths"], rings: RingParams, light: ReflectingLight
    ) -> "PolarizedLight":
        """Compute them from wavelengths in µm, which all buses share, and designed rings; the film guides TM."""
        second = designed_tm(spec)
        assert second is not None
        flat = lambda leaf: np.asarray(leaf).reshape(-1, *np.shape(leaf)[2:])  # noqa: E731
        each = lambda part: jax.tree.map(lambda leaf: leaf[..., None], part)  # noqa: E731
        own, paths = jax.tree.map(flat, (second.rings, second.buses))
        turned, of_te = (
            phase_rad(wl_um, PathParams(ring.opl_um, ring.gpl_um, ring.a, 0.0 * ring.a, ring.wl0_um))
            for ring in (each(own.tm), dispersed(wl_um, each(rings), each(light.dispersion)))
        )
        passed = paths.amplitude[..., None] * np.exp(1j * phase_rad(wl_um, each(paths)))
        return cls(
            half_turn=np.exp(0.5j * turned),
            between=np.exp(0.25j * (turned + of_te)),
            t1=own.tm.t1,
            t2=own.tm.t2,
            conversion_rad=own.conversion_rad,
            tuning_ratio=own.tuning_ratio,
            rad_pm=np.asarray(rad_per_pm(own.tm)),
            p=passed[:, 0],
            q=passed[:, 1],
            detected=np.full(len(rings.t1), second.detected),
        )


def tm_columns(rings: int) -> dict[str, slice]:
    """Where each of TM's unknowns stands in the flat vector of a bus."""
    found, first = {}, beyond_columns(rings)["end_im"].stop
    for name in OF_TM:
        after = first + (rings - 1 if name.startswith("tm_") else rings)
        found[name], first = slice(first, after), after
    return found
