"""``process.toml`` of a die: what its test structures tell of the film, laid over the profile of its spec."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.laboratory.die_series import DieSeries, Mean, RingMean, mean_index, mean_over
from prism_photonics.laboratory.measured_profile import MOST_OFF, profile_text
from prism_photonics.laboratory.series import LEAST_GAPS, polynomial
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.place import coupler_um, optical_lengths_um
from prism_photonics.process.profile import Profile, film_name
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.structures import gap_sweep, length_sweep
from prism_photonics.units import InputError, counted

TURNS = 6


@dataclass(frozen=True)
class Film:
    """What a die tells of its film; None where it does not.

    Attributes:
        coupling: Coupling per length in 1/µm at ``gap_um``, and the gap over which it falls by e in µm, each with its
            standard error.
        gap_um: Where the coupling holds: the middle of the gaps.
        n_g: Group index of the rings over the designed one.
        n_eff: By how much the effective indices are off the designed ones.
        loss_dB_cm: Loss.
    """

    coupling: tuple[tuple[float, float], tuple[float, float]] | None
    gap_um: float
    n_g: Mean | None
    n_eff: Mean | None
    loss_dB_cm: tuple[float, float] | None


def film_of(series: DieSeries, spec: ChipSpec) -> Film:
    """What the test rings tell of a film, held against the sizes that they were drawn with.

    Raises:
        InputError: The rings are not of this film, or the series is not of this chip.
    """
    designs = designs_of(spec)
    rings = [ring for ring in series.rings if ring.name in designs]
    for ring in rings:
        if abs(ring.length_um - designs[ring.name].length_um) > 1e-3:
            raise InputError(
                f"process.toml: {ring.name} was drawn {ring.length_um:.4f} µm long, in {spec.name} it is "
                f"{designs[ring.name].length_um:.4f} µm; give the spec that the manifest was drawn from"
            )
    n_g = mean_index(
        [_group(ring, designs[ring.name], spec.profile) for ring in rings], sweeps=len({ring.file for ring in rings})
    )
    if n_g is not None and abs(n_g.value - 1.0) > MOST_OFF:
        raise InputError(
            f"process.toml: the rings' group index is {n_g.value:.3f} of the film's, want 1 within "
            f"{100 * MOST_OFF:.0f} % as in {film_name(spec.process)}; give the spec that was measured"
        )
    scale = 1.0 if n_g is None else n_g.value
    n_eff = mean_over(*_columns([_off_index(ring, designs[ring.name], spec.profile, scale) for ring in rings]))
    known = [ring for ring in rings if math.isfinite(ring.kappa2) and 0.0 < ring.kappa2 < 1.0]
    gap_um = float(np.mean([1e-3 * ring.gap_nm for ring in known])) if known else math.nan
    coupling = _coupling(known, designs, spec.profile, gap_um=gap_um, couplers=series.couplers)
    return Film(coupling, gap_um, n_g, n_eff, series.loss_dB_cm)


def designs_of(spec: ChipSpec) -> dict[str, RingDesign]:
    """Designs of the test rings by their names in the manifest."""
    sweeps = (("gap_sweep", gap_sweep(spec)), ("length_sweep", length_sweep(spec)))
    return {f"{name}_ring_{n}": design for name, designs in sweeps for n, design in enumerate(designs)}


def die_process_toml(series: DieSeries, spec: ChipSpec) -> str:
    """The text of the measured profile of a die; each number with the files that it comes from.

    Raises:
        InputError: As of `film_of`.
    """
    film, optics = film_of(series, spec), spec.profile.optics
    files = ", ".join(sorted({ring.file for ring in series.rings if ring.name in designs_of(spec)}))
    lines: dict[str, tuple[float, str]] = {}
    for way in ("x", "y"):
        if film.n_eff is not None:
            lines[f"n_eff_along_{way}"] = (
                getattr(optics, f"n_eff_along_{way}").value + film.n_eff.value,
                f"measured ± {film.n_eff.std:.2g}: resonances of {counted(film.n_eff.count, 'ring')}, of the order "
                f"nearest to the design, moved alike in both directions: {files}",
            )
        if film.n_g is not None:
            value = getattr(optics, f"n_g_along_{way}").value
            lines[f"n_g_along_{way}"] = (
                value * film.n_g.value,
                f"measured ± {value * film.n_g.std:.2g}: combs of {counted(film.n_g.count, 'ring')}, scaled alike in "
                f"both directions: {files}",
            )
    if film.loss_dB_cm is not None and film.loss_dB_cm[0] > 0.0:
        by = [f"{files} (turns of rings)"] * (series.loss_rings_dB_cm is not None)
        by += ["reference and cutback guides"] * (series.loss_cutback_dB_cm is not None)
        lines["loss_dB_cm"] = film.loss_dB_cm[0], f"measured ± {film.loss_dB_cm[1]:.2g}: {'; '.join(by)}"
    if film.coupling is not None:
        (per_um, per_std), (decay_um, decay_std) = film.coupling
        lines["coupling_gap_um"] = film.gap_um, "the gap at which coupling_per_um holds"
        lines["coupling_decay_um"] = decay_um, f"measured ± {decay_std:.2g}: κ² of the test rings: {files}"
        lines["coupling_per_um"] = per_um, f"measured ± {per_std:.2g}: κ² of the test rings: {files}"
    return profile_text(film_name(spec.process), f"measured on the die of {spec.name} by prism extract", lines)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [value for value, _ in pairs], [std for _, std in pairs]


def _group(ring: RingMean, design: RingDesign, profile: Profile) -> tuple[float, float]:
    """Group index over the designed one."""
    _, gpl_um = optical_lengths_um(profile, design.lengths)
    per = ring.length_um / gpl_um
    return ring.n_g * per, ring.n_g_std * per


def _off_index(ring: RingMean, design: RingDesign, profile: Profile, scale: float) -> tuple[float, float]:
    """By how much n_eff at λ0 is off the design for the ring to resonate where it does, in the nearest order.

    The optical length n_eff·L − (n_g − n_eff)·L·(λ − λ0)/λ0 is m·λ; n_g is the measured one.
    """
    opl_um, gpl_um = optical_lengths_um(profile, design.lengths)
    wl0, wl, length_um = profile.optics.wl0_um.value, 1e-3 * ring.wl_nm, design.length_um
    order = round(gpl_um / wl - (gpl_um - opl_um) / wl0)
    off = (order * wl - opl_um + (scale * gpl_um - opl_um) * (wl - wl0) / wl0) / (length_um * wl / wl0)
    # Resonances are known to a picometre or so: what rings differ by is fabrication.
    return off, 1e-6 * gpl_um / length_um


def _coupling(
    rings: Sequence[RingMean], designs: Mapping[str, RingDesign], profile: Profile, *, gap_um: float, couplers: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Coupling per length at a gap and its decay: κ = sin(C·L_eff), where L_eff grows with straights and decay."""
    gaps = np.array([1e-3 * ring.gap_nm for ring in rings])
    if len(np.unique(gaps)) < LEAST_GAPS:
        return None
    angles = np.arcsin(np.sqrt([ring.kappa2 for ring in rings]))
    errors = np.hypot([0.5 * ring.kappa2_std / ring.kappa2 for ring in rings], 0.5 * couplers)
    decay_um = profile.gap_law.decay_um
    line = polynomial(gaps - gap_um, np.log(angles / _reach_um(rings, designs, decay_um)), errors, 1)
    for _ in range(TURNS):
        if line.numbers[1] >= 0.0:
            return None
        decay_um = -1.0 / line.numbers[1]
        line = polynomial(gaps - gap_um, np.log(angles / _reach_um(rings, designs, decay_um)), errors, 1)
    per_um = math.exp(line.numbers[0])
    return (per_um, per_um * line.std[0]), (decay_um, line.std[1] * decay_um**2)


def _reach_um(
    rings: Sequence[RingMean], designs: Mapping[str, RingDesign], decay_um: float
) -> Float[ndarray, " rings"]:
    """Effective length of each ring's couplers."""
    drawn = [designs[ring.name] for ring in rings]
    return np.array([coupler_um(design.quarter, design.straight_um, decay_um) for design in drawn])
