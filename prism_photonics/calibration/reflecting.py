"""What a bus's fit may know beyond `unknowns.Unknowns`: backscatter of every ring, tuning by V³, ends that reflect.

These unknowns follow the others in the flat vector of a bus. The two coefficients of a ring's backscatter are as free
as in `lightpath.ring.backscatter`: their product splits the resonance, their phases show where light comes back from
elsewhere. Phases of the two buses apart add nothing: in every loop that a single reflection closes they can be counted
as the backscatter's. Group index and couplings disperse as the film's mode tables say, which asks for no unknown.
"""

from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import jax
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.beyond import Beyond
from prism_photonics.calibration.unknowns import RowModel, columns
from prism_photonics.circuit.dispersion import designed_dispersion
from prism_photonics.circuit.ends import end_ways
from prism_photonics.circuit.reflecting import ENDS
from prism_photonics.lightpath.arrays import module_of
from prism_photonics.lightpath.ring.dispersion import RingDispersion, dispersed
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import PathParams, phase_rad
from prism_photonics.spec import ChipSpec

# Standard deviations of the priors, about nothing at all: wide, as no figures of the film are published. Design
# choices: backscatter in pm, shift by V³ at the drive's limit in pm, field reflection of an end (−34 dB).
BACKSCATTER_PM, CUBIC_PM, REFLECTION = 3.0, 0.2, 0.02
SCATTERED = ("ccw_re", "ccw_im", "cw_re", "cw_im")
OF_RINGS = (*SCATTERED, "cubic")
OF_ENDS = ("end_re", "end_im")


@dataclass(frozen=True)
class ReflectingLight:
    """Known factors of buses that reflect, at each wavelength; `bus.Light` of those that do not.

    Attributes:
        half_turn: e^{jφ/2} of the untuned rings, dispersed, without their loss.
        kappa2_through: κ² at each wavelength over that at the reference wavelength, at the through bus.
        kappa2_drop: The same at the drop bus.
        p: Transmission of each segment of the through bus, without the phases that are unknown.
        q: Of the drop bus.
        ends: Phase from each end of the buses to where it reflects and back, as a phasor.
        ways: Those ways.
        dispersion: Slopes of the rings with wavelength.
        scatter_pm: What one unit of the backscatter's unknowns stands for, of each bus.
        cubic_pm_V3: Of the tuning's by V³.
        reflection: Of the ends'.
    """

    half_turn: Complex[ndarray, "buses rings wavelengths"]
    kappa2_through: Float[ndarray, "buses rings wavelengths"]
    kappa2_drop: Float[ndarray, "buses rings wavelengths"]
    p: Complex[ndarray, "buses segments wavelengths"]
    q: Complex[ndarray, "buses segments wavelengths"]
    ends: Complex[ndarray, "buses 4 wavelengths"]
    ways: PathParams
    dispersion: RingDispersion
    scatter_pm: Float[ndarray, " buses"]
    cubic_pm_V3: Float[ndarray, " buses"]
    reflection: Float[ndarray, " buses"]

    @classmethod
    def of(
        cls, spec: ChipSpec, wl_um: Float[ndarray, " wavelengths"], rings: RingParams, paths: PathParams
    ) -> "ReflectingLight":
        """Compute them from wavelengths in µm, which all buses share, and designed rings and segments."""
        buses = len(rings.t1)
        flat = lambda leaf: np.asarray(leaf).reshape(-1, *np.shape(leaf)[2:])  # noqa: E731
        dispersion = jax.tree.map(flat, designed_dispersion(spec))
        ways = jax.tree.map(lambda leaf: flat(leaf)[..., :1], end_ways(spec))
        each = lambda part: jax.tree.map(lambda leaf: leaf[..., None], part)  # noqa: E731
        bent = dispersed(wl_um, each(rings), each(dispersion))
        passed = paths.amplitude[..., None] * np.exp(1j * phase_rad(wl_um, each(paths)))
        turned = phase_rad(wl_um, PathParams(bent.opl_um, bent.gpl_um, bent.a, 0.0 * bent.a, bent.wl0_um))
        return cls(
            half_turn=np.exp(0.5j * turned),
            kappa2_through=(1.0 - bent.t1**2) / (1.0 - rings.t1[..., None] ** 2),
            kappa2_drop=(1.0 - bent.t2**2) / (1.0 - rings.t2[..., None] ** 2),
            p=passed[:, 0],
            q=passed[:, 1],
            ends=np.exp(2j * phase_rad(wl_um, ways)),
            ways=ways,
            dispersion=dispersion,
            scatter_pm=np.full(buses, BACKSCATTER_PM),
            cubic_pm_V3=np.full(buses, CUBIC_PM / spec.drive.max_voltage_V**3),
            reflection=np.full(buses, REFLECTION),
        )


@cache
def beyond_columns(rings: int) -> MappingProxyType[str, slice]:
    """Where each unknown beyond `Unknowns` stands in the flat vector of a bus."""
    found, first = {}, columns(rings)["drop_ratio"].stop
    for names, count in ((OF_RINGS, rings), (OF_ENDS, len(ENDS))):
        for name in names:
            found[name], first = slice(first, first + count), first + count
    return MappingProxyType(found)


def beyond_of(flat: Float[ndarray, "buses unknowns"], light: ReflectingLight) -> Beyond:
    """What flat vectors of unknowns say."""
    rings = light.half_turn.shape[1]
    part = {name: flat[:, place] for name, place in beyond_columns(rings).items()}
    ccw_re_pm, ccw_im_pm, cw_re_pm, cw_im_pm = (light.scatter_pm[:, None] * part[name] for name in SCATTERED)
    end_re, end_im = (light.reflection[:, None] * part[name] for name in OF_ENDS)
    cubic_pm_V3 = light.cubic_pm_V3[:, None] * part["cubic"]
    scattered = ccw_re_pm, ccw_im_pm, cw_re_pm, cw_im_pm
    return module_of(Beyond, *scattered, cubic_pm_V3, end_re, end_im, light.ways, light.dispersion)


def blank_beyond(spec: ChipSpec) -> Beyond:
    """Nothing beyond the plain row, leaves (rows, buses, …): what readers of files fill."""
    shape = (spec.chip.rows, spec.chip.buses)
    ring, end = np.zeros((*shape, spec.chip.channels)), np.zeros((*shape, len(ENDS)))
    ways = jax.tree.map(lambda leaf: leaf[..., :1], end_ways(spec))
    return Beyond(ring, ring, ring, ring, ring, end, end, ways, designed_dispersion(spec))


def without_beyond(model: RowModel) -> RowModel:
    """The buses as plain rows have them: nothing reflects, and nothing disperses."""
    nothing = jax.tree.map(np.zeros_like, model.beyond)
    assert model.beyond is not None
    return replace(model, beyond=replace(nothing, ways=model.beyond.ways))
