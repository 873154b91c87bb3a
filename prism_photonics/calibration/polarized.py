"""What the readings of a bus may know of TM: where each ring's TM resonates, how much its bends turn, TM's bus phases.

These unknowns follow those of `reflecting` in the flat vector of a bus. Where TM's order lies is the phase, in rad, by
which its half turn is ahead of TE's at the line that the ring serves: no design tells it, and after two free spectral
ranges all is as before. What is trimmed, and so has a prior, is where the ring is seen to resonate: TE itself lies off
by what TM's order repels it (`repulsion`). TM's couplings go with TE's, as an error of a
gap scales both, and its loss is TE's: design choices of `circuit.designed_tm`. Of the four phases between two rings, of
either polarisation on either bus, powers see three: the loop that TE closes, which is the plain row's, and TM's way
along each bus against TE's there. TM that leaves falls on the photodiodes or is lost, as the spec says.
"""

from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.calibration.reflecting import ReflectingLight, beyond_columns
from prism_photonics.calibration.unknowns import RowModel
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.lightpath.ring.dispersion import dispersed
from prism_photonics.lightpath.ring.model import RingParams, rad_per_pm
from prism_photonics.lightpath.ring.polarization import SecondPolarization
from prism_photonics.lightpath.waveguide.model import PathParams, phase_rad
from prism_photonics.process.polarization import conversion_on_film_rad, tm_table
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec

# Standard deviation of how far a ring's conversion lies off the mode table's, over it: an estimate (`process.
# polarization`), which walls that slope elsewhere change; design choice.
CONVERSION = 0.3
OF_TM = ("tm_turn", "conversion", "tm_through", "tm_drop")
UNIFORM = ("tm_turn", "tm_through", "tm_drop")


@dataclass(frozen=True)
class PolarizedLight:
    """Known factors of TM in buses, at each wavelength, beside those of `reflecting.ReflectingLight`.

    Attributes:
        half_turn: e^{jφ/2} of TM in the untuned rings, without its loss, in step with TE at the line that each serves.
        between: e^{j(φ_TE + φ_TM)/4} of the same, TE's dispersed.
        p: Transmissions of the through bus's segments for TM, without the phases that are unknown.
        q: Those of the drop bus's.
        step_rad: Round-trip phase by which TM is ahead of the design when it is in step with TE.
        conversion_std_rad: What one unit of a ring's unknown conversion stands for.
        second: TM by design, leaves lead with buses.
    """

    half_turn: Complex[ndarray, "buses rings wavelengths"]
    between: Complex[ndarray, "buses rings wavelengths"]
    p: Complex[ndarray, "buses segments wavelengths"]
    q: Complex[ndarray, "buses segments wavelengths"]
    step_rad: Float[ndarray, "buses rings"]
    conversion_std_rad: Float[ndarray, "buses rings"]
    second: TwoPolarizations

    @classmethod
    def of(
        cls,
        spec: ChipSpec,
        wl_um: Float[ndarray, " wavelengths"],
        rings: RingParams,
        light: ReflectingLight,
        *,
        own_um: Float[ndarray, "buses rings"],
    ) -> "PolarizedLight":
        """Compute them from wavelengths in µm, which all buses share, designed rings, and the lines that these serve.

        The film guides TM.
        """
        second = designed_tm(spec)
        assert second is not None
        flat = lambda leaf: np.asarray(leaf).reshape(-1, *np.shape(leaf)[2:])  # noqa: E731
        each = lambda part: jax.tree.map(lambda leaf: leaf[..., None], part)  # noqa: E731
        second = jax.tree.map(flat, second)

        def turned(ring: RingParams, wl: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
            return phase_rad(wl, PathParams(ring.opl_um, ring.gpl_um, ring.a, 0.0 * ring.a, ring.wl0_um))

        bent = dispersed(wl_um, each(rings), each(light.dispersion))
        step_rad = turned(dispersed(own_um, rings, light.dispersion), own_um) - turned(second.rings.tm, own_um)
        of_te, of_tm = turned(bent, wl_um), turned(each(second.rings.tm), wl_um) + step_rad[..., None]
        passed = second.buses.amplitude[..., None] * np.exp(1j * phase_rad(wl_um, each(second.buses)))
        return cls(
            half_turn=np.exp(0.5j * of_tm),
            between=np.exp(0.25j * (of_tm + of_te)),
            p=passed[:, 0],
            q=passed[:, 1],
            step_rad=step_rad,
            conversion_std_rad=flat(conversion_std_rad(spec)),
            second=second,
        )

    @property
    def conversion_rad(self) -> Float[ndarray, "buses rings"]:
        """χ of half a turn, by the mode table."""
        assert isinstance(self.second.rings, SecondPolarization)
        return self.second.rings.conversion_rad

    @property
    def tuning_ratio(self) -> Float[ndarray, "buses rings"]:
        """Phase that TM turns by over that of TE."""
        return self.second.rings.tuning_ratio


@cached_by_spec
def conversion_std_rad(spec: ChipSpec) -> Float[ndarray, "rows buses rings"]:
    """How far χ of half a turn lies off the mode table's: by the table's own error, and by the film that was made.

    Bends whose arm undoes what they mix do so on the drawn film: what they convert is what thickness and width are off.
    """
    table, second, design = tm_table(spec.process), designed_tm(spec), spec.ring_designs[0]
    assert table is not None
    assert second is not None
    assert isinstance(second.rings, SecondPolarization)
    drawn_rad = second.rings.conversion_rad
    lines_um = np.broadcast_to(np.asarray(spec.comb_design.wl_um), drawn_rad.shape).ravel()

    def on_film(thicker_nm: float, wider_nm: float) -> Float[ndarray, "rows buses rings"]:
        return conversion_on_film_rad(
            table,
            lines_um,
            width_um=np.full(lines_um.size, design.width_um + 1e-3 * wider_nm),
            thicker_nm=np.full(lines_um.size, thicker_nm),
            turn=design.quarter,
            arm_um=design.arm_um,
        ).reshape(drawn_rad.shape)

    here_rad, v = on_film(0.0, 0.0), spec.variation
    parts = (CONVERSION * drawn_rad, on_film(v.thickness_nm, 0.0) - here_rad, on_film(0.0, v.width_nm) - here_rad)
    return np.sqrt(sum(part**2 for part in parts))


def tm_columns(rings: int) -> dict[str, slice]:
    """Where each of TM's unknowns stands in the flat vector of a bus."""
    found, first = {}, beyond_columns(rings)["end_im"].stop
    for name in OF_TM:
        after = first + (rings - 1 if name in ("tm_through", "tm_drop") else rings)
        found[name], first = slice(first, after), after
    return found


def tm_coupled(
    design: Float[ndarray, "buses rings"], te: Float[ndarray, "buses rings"], designed_te: Float[ndarray, "buses rings"]
) -> tuple[Float[ndarray, "buses rings"], Float[ndarray, "buses rings"]]:
    """TM's self-coupling where TE's is ``te``, and its slope by the logarithm of TE's κ².

    An error of a gap scales the angles of both polarisations' couplers alike.
    """
    ratio = np.arccos(design) / np.arccos(designed_te)
    angle = ratio * np.arccos(te)
    # By ln κ² of TE: dt = −κ²/2t, and the angle follows by −1/κ.
    return np.cos(angle), -np.sin(angle) * ratio * np.sqrt(1.0 - te**2) / (2.0 * te)


def with_tm(
    model: RowModel, flat: Float[ndarray, "buses unknowns"], tm: PolarizedLight, design: RingParams
) -> RowModel:
    """The buses with TM as flat vectors of unknowns say; their rings' offsets are then TE's own.

    Args:
        model: The buses without, leaves lead with buses; where their rings lie is where they are seen to resonate.
        flat: Unknowns.
        tm: Known factors of TM.
        design: The rings as designed.
    """
    assert model.beyond is not None
    own = {name: flat[:, place] for name, place in tm_columns(design.t1.shape[1]).items()}
    rings, second, rad_pm = model.rings, tm.second, rad_per_pm(design)
    conversion_rad = tm.conversion_rad + tm.conversion_std_rad * own["conversion"]
    offset_pm = rings.offset_pm - 2.0 * repulsion(own["tm_turn"], conversion_rad)[0] / rad_pm
    # Fabrication moves TM along with TE, while shifts of a row turn it by less.
    ahead_rad = tm.step_rad + 2.0 * own["tm_turn"] + (1.0 - tm.tuning_ratio) * rad_pm * offset_pm
    second_rings = replace(
        second.rings.tm,
        t1=tm_coupled(second.rings.tm.t1, rings.t1, design.t1)[0],
        t2=tm_coupled(second.rings.tm.t2, rings.t2, design.t2)[0],
        a=rings.a,
        offset_pm=ahead_rad / rad_per_pm(second.rings.tm),
    )
    phases = np.zeros(second.buses.phase_rad.shape)
    phases[:, 0, 1:-1], phases[:, 1, 1:-1] = own["tm_through"], own["tm_drop"]
    fitted = replace(
        second,
        rings=replace(second.rings, tm=second_rings, conversion_rad=conversion_rad),
        buses=replace(second.buses, phase_rad=phases),
    )
    return replace(model, rings=replace(rings, offset_pm=offset_pm), beyond=replace(model.beyond, tm=fitted))


def repulsion(
    ahead_rad: Float[ndarray, "..."], conversion_rad: Float[ndarray, "..."]
) -> tuple[Float[ndarray, "..."], Float[ndarray, "..."], Float[ndarray, "..."]]:
    """By how much TM moves the phase of half a turn of the mode that is seen at the line.

    Without loss the eigenvalues of half a turn are those of TE alone times e^{j(D/2 ± Ω)}, cos Ω = cos χ·cos(D/2). Each
    goes over into the other after a turn of D: from 0 to 2π the mode D/2 − Ω is the more TE's, a little below or above
    the more TM's, which the orders' crossing has brought to the line. Where nothing converts nothing crosses, and the
    mode that is seen is TE at any D.

    Args:
        ahead_rad: D, by which TM's half turn is ahead of TE's; after 4π all is as before.
        conversion_rad: χ.

    Returns:
        (phase in rad, its slope by D, its slope by χ).
    """
    half = 0.5 * ahead_rad
    angle = np.arccos(np.cos(conversion_rad) * np.cos(half))
    over = 1.0 / np.maximum(np.sin(angle), 1e-12)
    by_ahead = 0.5 - 0.5 * over * np.cos(conversion_rad) * np.sin(half)
    found = half - angle, by_ahead, -over * np.sin(conversion_rad) * np.cos(half)
    none, some = np.zeros_like(half), conversion_rad != 0.0
    return tuple(np.where(some, part, none) for part in found)  # type: ignore[return-value]
