"""The test structures and rows of a virtual die as light meets them: hidden sizes, exact fields, no noise yet.

They belong to the die of `VirtualChip` with the same seed: its film goes on below the rows, gaps and losses scatter as
of the same spec. Two things that the spec does not tell are drawn besides (design choices, see the constants): what
the facets' couplers scatter, and by how much backscattering splits the resonances of the single rings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import jax
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.chip.fabricate import draw_die, resonance_key, untrimmed
from prism_photonics.chip.film_field import film_shift_pm
from prism_photonics.circuit.ends import facet_fields
from prism_photonics.circuit.params import ring_params
from prism_photonics.circuit.prepared import exit_powers, prepare_row
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import path_phase
from prism_photonics.process.profile import Profile
from prism_photonics.seeds import die_key, structures_keys
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.structures import gap_sweep, length_sweep
from prism_photonics.threefry import generator, split
from prism_photonics.units import NM_PER_UM, PM_PER_UM

FACET_dB = 0.1
"""Scatter of the facets' couplers about the design's loss, design choice: cleaved and polished by one hand."""
SPLITTING_PM = 5.0
"""Most likely distance of a single ring's two standing waves, design choice: silicon's, 20 pm (SiEPIC/openEBL-2024-10),
less the weaker contrast of lithium niobate."""


@final
@dataclass(frozen=True)
class SingleRings:
    """Rings one after the other on a through bus, their drop buses one or each its own.

    Attributes:
        rings: Their optics, leaves of shape (rings,); offsets hold the film's and the local error.
        splitting_pm: Distance of each ring's standing waves.
        between_rad: Phase of the guides of both buses between each ring and the next one.
        common_drop: Whether their drop buses are one.
    """

    rings: RingParams
    splitting_pm: Float[ndarray, " rings"]
    between_rad: Float[ndarray, " gaps"]
    common_drop: bool

    def fields(self, wl_nm: Float[ndarray, " wl"]) -> tuple[Complex[ndarray, " wl"], Complex[ndarray, " wl"]]:
        """Fields behind the last ring, and out of the common drop bus at the first ring, where light is dropped back.

        The rings are joined from the last one to the first: with ρ what all rings behind send back on the drop bus,

            drop = dr + th'·ρ·th/(1 − dr·ρ)        through = …·th/(1 − dr·ρ).
        """
        through, back = np.ones(len(wl_nm), complex), np.zeros(len(wl_nm), complex)
        for n in reversed(range(len(self.splitting_pm))):
            th, dr, th_drop = self._ring(wl_nm, n)
            if not self.common_drop:
                through = through * th
                continue
            if n < len(self.between_rad):
                back = back * np.exp(2j * self.between_rad[n])
            inside = th / (1.0 - dr * back)
            through, back = through * inside, dr + th_drop * back * inside
        return through, back

    def _ring(self, wl_nm: ndarray, n: int) -> tuple[ndarray, ndarray, ndarray]:
        """Fields of one ring, through, drop and along the drop bus, each the mean over its two standing waves."""
        r = jax.tree.map(lambda leaf: float(leaf[n]), self.rings)
        found = []
        for sign in (0.5, -0.5):
            shift_pm = r.offset_pm + sign * self.splitting_pm[n]
            opl_um = r.opl_um + r.gpl_um * shift_pm / PM_PER_UM / r.wl0_um
            phi = path_phase(wl_nm / NM_PER_UM, opl_um, r.gpl_um, r.wl0_um)
            half = np.sqrt(r.a) * np.exp(0.5j * phi)
            x = half**2
            one = 1.0 / (1.0 - r.t1 * r.t2 * x)
            drop = -np.sqrt((1.0 - r.t1**2) * (1.0 - r.t2**2)) * half
            found.append(((r.t1 - r.t2 * x) * one, drop * one, (r.t2 - r.t1 * x) * one))
        return tuple(0.5 * (up + down) for up, down in zip(*found, strict=True))  # type: ignore[return-value]


@final
@dataclass(frozen=True)
class FacetLine:
    """A line of test structures between two facets.

    Attributes:
        couplers_dB: Loss of the couplers in and out, and of the drop port's.
        guide_dB: Loss of the guide.
        turn: Optical and group length of the guide there and back, in µm, and λ0.
        rings: Its rings, or None.
        reflection: Power that either facet sends back, by which light between the two ripples.
        outputs_dB: Loss to each output of a line that does not end in one facet: a splitter's two, a photodiode's own.
            Such a line has no ripples that count.
    """

    couplers_dB: tuple[float, float, float]
    guide_dB: float
    turn: tuple[float, float, float]
    rings: SingleRings | None
    reflection: float
    outputs_dB: tuple[float, ...] = ()

    def powers(self, wl_nm: Float[ndarray, " wl"]) -> Float[ndarray, "ports wl"]:
        """Transmission from fibre to fibre: through, and drop where the rings share one; of a splitter, both."""
        gain = 10.0 ** (-0.1 * (self.couplers_dB[0] + np.array(self.couplers_dB[1:]) + self.guide_dB))
        if self.outputs_dB:
            shares = 10.0 ** (-0.1 * np.array(self.outputs_dB))
            return (gain[: shares.size] * shares)[:, None] * np.ones(len(wl_nm))
        passed, dropped = self.rings.fields(wl_nm) if self.rings else (np.ones(len(wl_nm), complex), None)
        there_and_back = passed**2 * 10.0 ** (-0.1 * self.guide_dB) * np.exp(1j * path_phase(wl_nm / 1e3, *self.turn))
        between = 1.0 / (1.0 - self.reflection * there_and_back)
        through = gain[0] * np.abs(passed * between) ** 2
        if dropped is None or not self.rings or not self.rings.common_drop:
            return through[None]
        return np.stack([through, gain[1] * np.abs(dropped * between) ** 2])


@final
@dataclass(frozen=True)
class RowLine:
    """A row of the circuit, from the fibre to its two photodiodes.

    Attributes:
        feed_dB: Loss from the fibre to the row.
        rings: Optics of its rings.
        buses: Optics of its bus segments.
        lines_um: The comb's lines.
        fed: Share of the feed's light that reaches the row at each, where parts of others feed it; ones. Between
            them a straight line.
    """

    feed_dB: float
    rings: RingParams
    buses: object
    lines_um: Float[ndarray, " lines"]
    fed: Float[ndarray, " lines"]

    def powers(self, wl_nm: Float[ndarray, " wl"]) -> Float[ndarray, "2 wl"]:
        """Transmission from the fibre to the through and the drop photodiode, rings at 0 V."""
        row = prepare_row(np.asarray(wl_nm) / NM_PER_UM, self.rings, self.buses)  # type: ignore[arg-type]
        powers, _ = exit_powers(row, np.asarray(self.rings.offset_pm))
        return powers * 10.0 ** (-0.1 * self.feed_dB) * np.interp(wl_nm / NM_PER_UM, self.lines_um, self.fed)


def virtual_structures(
    spec: ChipSpec,
    *,
    seed: int,
    guides_um: Mapping[str, float],
    sites_um: Mapping[str, tuple[float, float]],
    film: Profile | None = None,
    trimmed: bool = True,
) -> dict[str, FacetLine | RowLine]:
    """What a bench finds on a virtual die, by the names of the manifest.

    Args:
        spec: The chip.
        seed: Which die, as of `VirtualChip`.
        guides_um: Length of each test structure's guide without rings, by its name.
        sites_um: Place of each test ring, counted from the ring of row 0 and channel 0.
        film: The film as it came out of the foundry; the one that the chip was designed on by default.
        trimmed: Whether the rows' rings have been brought to their channels; test rings never are.
    """
    of_die, _ = split(die_key(seed))
    made, _ = structures_keys(seed)
    drawn, film_key = generator(made), split(made, 3)[2]
    profile, loss_dB_cm = (
        (spec.profile, spec.waveguide.loss_dB_cm) if film is None else (film, film.optics.loss_dB_cm.value)
    )
    die = draw_die(spec if trimmed else untrimmed(spec), of_die, film=film)
    found: dict[str, FacetLine | RowLine] = {}
    reflection = facet_fields(spec).facet ** 2
    sweeps = {"gap_sweep": gap_sweep(spec), "length_sweep": length_sweep(spec)}
    places = np.array([sites_um[f"{name}_ring_{n}"] for name, rings in sweeps.items() for n in range(len(rings))])
    shift_pm = film_shift_pm(spec, resonance_key(of_die), places, film_key)
    # Long guides see many spots of the film: the mean of what single rings scatter about.
    guide_dB_cm = loss_dB_cm * np.exp(0.5 * spec.variation.loss_log**2)
    for name, guide_um in guides_um.items():
        rings = None
        if name in sweeps:
            count = len(sweeps[name])
            rings = _made(
                spec,
                profile,
                sweeps[name],
                shift_pm[:count],
                drawn=drawn,
                loss_dB_cm=loss_dB_cm,
                drop=name == "gap_sweep",
            )
            shift_pm = shift_pm[count:]
        o = profile.optics
        turn = (2.0 * o.n_eff_along_x.value * guide_um, 2.0 * o.n_g_along_x.value * guide_um, o.wl0_um.value)
        facets = spec.coupler.loss_dB + FACET_dB * drawn.standard_normal(3)
        outputs_dB: tuple[float, ...] = ()
        if name == "photodiode":  # light leaves into it, by no facet
            facets[1], outputs_dB = 0.0, (0.0,)
        elif name == "splitter":  # its two facets in the east are coupled by 6 dB less, there and back
            outputs_dB = _shares_dB(spec, drawn)
        found[name] = FacetLine(tuple(facets), 1e-4 * guide_um * guide_dB_cm, turn, rings, reflection, outputs_dB)
    feed_dB = -20.0 * np.log10(die.bank.feed.amplitude)
    for row in range(spec.chip.rows):
        for bus in range(spec.chip.buses):
            name = f"bank_{bus}_row_{row}" if spec.chip.buses > 1 else f"row_{row}"
            part = jax.tree.map(
                lambda leaf, row=row, bus=bus: np.asarray(leaf)[row, bus], (die.bank.rings, die.bank.buses)
            )
            fed = die.feed_change[row, bus]
            found[name] = RowLine(float(feed_dB[row, bus]), *part, lines_um=np.asarray(die.bank.wl_um), fed=fed)
    return found


def _shares_dB(spec: ChipSpec, drawn: np.random.Generator) -> tuple[float, float]:
    """Loss of a splitter to each of its outputs, as uneven as those of the tree."""
    uneven = spec.variation.splitter_imbalance * drawn.standard_normal()
    return tuple(  # type: ignore[return-value]
        spec.splitter.excess_loss_dB - 10.0 * np.log10(0.5 * (1.0 + sign * uneven)) for sign in (1.0, -1.0)
    )


def _made(
    spec: ChipSpec,
    profile: Profile,
    designs: list[RingDesign],
    shift_pm: Float[ndarray, " rings"],
    *,
    drawn: np.random.Generator,
    loss_dB_cm: float,
    drop: bool,
) -> SingleRings:
    """Rings as they come out: gaps, losses and local errors scatter as those of the rows."""
    v, count, decay_um = spec.variation, len(designs), profile.gap_law.decay_um
    each = [ring_params(design, profile, loss_dB_cm=loss_dB_cm, xp=np) for design in designs]
    design = jax.tree.map(lambda *leaves: np.stack(leaves), *each)
    t1, t2 = (
        np.cos(np.arccos(t) * np.exp(-v.gap_nm * 1e-3 * drawn.standard_normal(count) / decay_um))
        for t in (design.t1, design.t2)
    )
    rings = RingParams(
        t1=t1,
        t2=t2,
        a=design.a ** np.exp(v.loss_log * drawn.standard_normal(count)),
        opl_um=design.opl_um,
        gpl_um=design.gpl_um,
        offset_pm=shift_pm + v.resonance_local_pm * drawn.standard_normal(count),
        slope_pm_V=design.slope_pm_V,
        curvature_pm_V2=design.curvature_pm_V2,
        wl0_um=design.wl0_um,
    )
    splitting_pm = SPLITTING_PM * np.hypot(*drawn.standard_normal((2, count)))
    return SingleRings(rings, splitting_pm, drawn.uniform(0.0, 2.0 * np.pi, count - 1), drop)
