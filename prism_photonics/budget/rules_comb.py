"""Rules on the comb against the rings' orders: every line belongs to one ring, and to none of its images."""

import numpy as np

from prism_photonics.budget.finding import Finding, at_least, at_most
from prism_photonics.budget.ring import ring_figures, row_figures
from prism_photonics.budget.slopes import programmed_detunings_pm
from prism_photonics.lightpath.ring.place import optical_lengths_um
from prism_photonics.process.modes import load_modes
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, SPEED_OF_LIGHT_UM_S


def fsr_aliasing(spec: ChipSpec) -> Finding:
    """No image of a ring, one or more FSR away, may come near a foreign line, wherever the ring is programmed."""
    ring, limit = ring_figures(spec), spec.ranking.spacing_linewidths
    if spec.chip.channels == 1:
        near_pm, who = ring.fsr_nm * 1e3, "a bus of one line has no foreign line, so one FSR"
    else:
        near_pm, own, other = _nearest_image_pm(spec)
        who = f"ring {own}'s image against line {other}"
    value = near_pm / ring.fwhm_pm
    return at_least(
        "fsr_aliasing",
        value,
        limit,
        "FWHM",
        explain=f"resonances λ_m = n_g·L/(m + (n_g − n_eff)·L/λ0) of every ring, all orders m but its own, over the "
        f"travel of its weights; nearest: {who}, {near_pm:.0f} pm / FWHM {ring.fwhm_pm:.1f} pm = {value:.3g} "
        f"(FSR {ring.fsr_nm:.2f} nm); limit: ranking.spacing_linewidths, as for a neighbour",
    )


def band(spec: ChipSpec) -> Finding:
    """The band, one spacing of guard included, fits one FSR.

    An interleaved comb over several orders might dodge the images, but first-order dispersion does not place orders
    well enough to count on it.
    """
    fsr_nm, spacing_nm = ring_figures(spec).fsr_nm, spec.comb_design.spacing_um * 1e3
    if spec.comb.spacing_GHz is not None:
        # Orders are as equal in frequency as such a comb's lines: all steps are one.
        wl_nm = spec.profile.optics.wl0_um.value * 1e3
        spacing_nm = spec.comb.spacing_GHz * wl_nm**2 / SPEED_OF_LIGHT_UM_S * 1e6
    band_nm = spec.chip.channels * spacing_nm
    return at_most(
        "band",
        band_nm,
        fsr_nm,
        "nm",
        explain=f"{spec.chip.channels} channels × {spacing_nm:g} nm = {band_nm:.2f} nm against FSR = λ²/(n_g·L) = "
        f"{fsr_nm:.2f} nm",
    )


def comb_range(spec: ChipSpec) -> Finding:
    """The comb lies where the film's modes were computed: beyond, no number of the model is known."""
    table_um = load_modes(spec.process).file.axes["wl_um"]
    middle_nm, half_nm = (500.0 * (table_um[-1] + sign * table_um[0]) for sign in (1.0, -1.0))
    first_nm, last_nm = (1e3 * spec.comb_design.wl_um[end] for end in (0, -1))
    value = max(abs(first_nm - middle_nm), abs(last_nm - middle_nm))
    return at_most(
        "comb_range",
        value,
        half_nm,
        "nm",
        explain=f"lines from {first_nm:g} to {last_nm:g} nm, farthest {value:.1f} nm from {middle_nm:g} nm, the middle "
        f"of the mode table of {spec.process}, which reaches ± {half_nm:g} nm",
    )


def spacing_linewidths(spec: ChipSpec) -> Finding:
    """Neighbouring rings interfere coherently: the spacing in linewidths has a floor."""
    fwhm_pm, limit = ring_figures(spec).fwhm_pm, spec.ranking.spacing_linewidths
    spacing_nm = spec.comb_design.spacing_um * 1e3
    value = spacing_nm * 1e3 / fwhm_pm
    return at_least(
        "spacing_linewidths",
        value,
        limit,
        "FWHM",
        explain=f"{spacing_nm:.4g} nm / {fwhm_pm:.1f} pm = {value:.3g}; limit: ranking.spacing_linewidths "
        "(3.4 to 4.6 cost 3 dB: Tait 2016, JSTQE 22, 5900214)",
    )


def _nearest_image_pm(spec: ChipSpec) -> tuple[float, int, int]:
    """(distance in pm, ring, line) of the ring's image that comes nearest to a foreign line, its own order left out.

    The axes are rings, lines, and the three orders about a line.
    """
    lines_um, profile, rings = np.asarray(spec.comb_design.wl_um), spec.profile, row_figures(spec)
    travel_pm = np.array([programmed_detunings_pm(spec, ring)[[0, -1]] for ring in rings])
    bias_pm = np.array([ring.bias_pm for ring in rings])
    low_um, high_um = ((travel_pm.T - bias_pm) / PM_PER_UM)[:, :, None, None]
    lengths = [optical_lengths_um(profile, design.lengths) for design in spec.ring_designs]
    opl_um, gpl_um = np.array(lengths).T[:, :, None]
    dispersion = (gpl_um - opl_um) / profile.optics.wl0_um.value
    about = np.rint(gpl_um / lines_um - dispersion)
    own_order = np.diagonal(about)[:, None, None]
    orders = about[:, :, None] + np.array([-1.0, 0.0, 1.0])
    at_um = gpl_um[:, :, None] / (orders + dispersion[:, :, None])
    gaps_um = np.maximum(at_um + low_um - lines_um[:, None], lines_um[:, None] - at_um - high_um)
    gaps_um = np.where(orders == own_order, np.inf, np.maximum(gaps_um, 0.0)).min(axis=2)
    np.fill_diagonal(gaps_um, np.inf)
    own, other = np.unravel_index(np.argmin(gaps_um * PM_PER_UM), gaps_um.shape)
    return float(gaps_um[own, other] * PM_PER_UM), int(own), int(other)
