"""How much light a bend of an X-cut film turns from TE to TM, from the film's mode table.

In a bend of radius R the local TE and TM modes exchange light by a coupling g ∝ 1/R, beside what their indices differ
by. With δ = π·(n_TE − n_TM)/λ at each direction of travel,

    d/ds (TE, TM) = j·((δ, g), (g, −δ))·(TE, TM).

The table's share of a bent mode's field in the film's plane gives g: the bent mode is cos α·TE + sin α·TM with tan 2α =
g/δ, and its share is cos²α and sin²α of theirs (the parts in between cancel: one is even across the rib, one odd). On
`tfln600` g·R is 0.305 at every radius for light along layout x, and along layout y, where TE and TM nearly meet, 0.47
at 10 µm, 0.27 at 20 µm and 0.23 at 60 µm; in between it is taken even in sin² of the angle.

A half turn leads from one bus to the other: a quarter turn, an arm on which nothing mixes, and a quarter turn. It looks
the same from either end, and so, losses and the two modes' own phases apart, it is a coupler between TE and TM in the
middle of the half turn,

    C = ((cos χ, j·sin χ), (j·sin χ, cos χ)).

χ alone is what bends do. It is an estimate, not a solve of the whole turn: wall angle and film are those of the table.
What other walls turn is kept by ``benchmarks/tm_walls.py``: on `tfln600` g·R goes from 0.33 at 60° to 0.10 at 90°.

Source: coupled-mode theory (A. Yariv, IEEE J. Quantum Electron. 9, 919 (1973), 10.1109/JQE.1973.1077767); that
birefringence alone converts in X-cut rings: arXiv 2403.06374.
"""

import math
from functools import cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Complex, Float

from prism_photonics.process.coupling import GapLaw
from prism_photonics.process.materials import crystal_named, sellmeier
from prism_photonics.process.modes import ModeTable, load_modes
from prism_photonics.process.profile import Profile, film_name
from prism_photonics.units import PM_PER_UM


@runtime_checkable
class Turn(Protocol):
    """A quarter turn, symmetric about its middle, as `lightpath.waveguide.design.QuarterTurn` is; hashable."""

    @property
    def length_um(self) -> float:
        """Length along its middle."""
        ...

    def curvature_1_um(self, steps: int) -> Any:
        """Curvature in the middle of steps of equal length."""
        ...


WL_UM = 1.55  # at which films are held against each other
STEPS = 256
"""Steps of a half turn, each exact for its own direction: 1,024 move χ by less than 1e-4 of itself."""

TM_GAP_LAWS = {
    "tfln600": GapLaw(coupling_per_um=0.00644, gap_um=0.60, decay_um=0.189),
    "tfln600_narrow": GapLaw(coupling_per_um=0.02170, gap_um=0.60, decay_um=0.2028),
    "tfln400": GapLaw(coupling_per_um=0.01021, gap_um=0.60, decay_um=0.2818),
}
"""Coupling of two ribs' TM modes along layout x, per film. Source: supermodes of ``process.solver``, as
``benchmarks/tm_coupling.py`` computes them; the exponential fits gaps of 0.4 to 0.8 µm within 1 %,
of `tfln400`, where TM has some of TE1 in it, within 5 %."""


TM_THICKNESS_PM_NM = {"tfln600": 433.3, "tfln600_narrow": 453.2, "tfln400": 810.9}
"""Shift of a circle's TM resonance by film thickness at a kept etch; TE's is 271.6, 320.4 and 552.7. Source:
``benchmarks/tm_coupling.py``, `thickness_pm_nm`."""
APART_PER_NM = {
    "tfln600": (-2.768e-4, -2.687e-4),
    "tfln600_narrow": (-2.370e-4, -2.193e-4),
    "tfln400": (-4.289e-4, -3.535e-4),
}
"""Slope of n_TE − n_TM with film thickness at a kept etch, per nm, along layout y and along layout x; in between it is
taken even in sin² of the angle. Source: ``benchmarks/tm_coupling.py``, `index_per_nm`."""
FARTHER = 3.0
"""Times as far apart TE and TM lie on a film that is named as another's cure; design choice: 0.1 µm of film is five."""
WIDTH_STEP_UM = 0.01
"""Step of the central difference that slopes with width are taken by."""


def tm_table(profile_name: str) -> ModeTable | None:
    """The mode table of a film that guides TM; None of one whose TM mode leaks, or whose TM coupling is not known."""
    film = film_name(profile_name)
    table = load_modes(film)
    return table if "TM" in table.file.modes and film in TM_GAP_LAWS else None


def index_apart(process: str) -> float:
    """n_TE − n_TM of the film's own rib, light along layout y, where they lie nearest; of a film of `TM_GAP_LAWS`."""
    table = load_modes(film_name(process))
    half = _apart_along_y(table.file.profile, WL_UM, table.width_um)
    return half * WL_UM / np.pi


def films_farther_apart(process: str) -> list[tuple[str, float]]:
    """Films on which TE and TM lie `FARTHER` times as far apart along layout y, and how far: bends mix them less."""
    least = FARTHER * abs(index_apart(process))
    found = ((film, index_apart(film)) for film in TM_GAP_LAWS)
    return [(film, apart) for film, apart in found if abs(apart) >= least]


def tm_tuning_ratio(profile: Profile) -> float:
    """Phase that a voltage turns TM by over that of TE, ``r13·n_o³/(r33·n_e³)``.

    Light along layout y: TM's field stands upright, along crystal x; TE's lies along z.
    """
    crystal, eo, wl0_um = crystal_named(profile.crystal), profile.electrooptics, profile.optics.wl0_um.value
    n_o, n_e = (float(sellmeier(wl0_um, terms)) for terms in (crystal.ordinary, crystal.extraordinary))
    return (n_o / n_e) ** 3 * eo.r13_pm_V.value / eo.r33_pm_V.value


def tm_shift_pm_nm(profile: Profile) -> tuple[float, float]:
    """Shift of a circle's TM resonance in pm per nm of film thickness and per nm of rib width.

    Its film is one of `TM_GAP_LAWS`.
    """
    film, wl0_um = film_name(profile.name), profile.optics.wl0_um.value
    table = load_modes(film)
    low, high = (
        table.ring_average("n_eff", wl_um=wl0_um, width_um=table.width_um + step, polarization="TM")
        for step in (-WIDTH_STEP_UM, WIDTH_STEP_UM)
    )
    n_g = table.ring_average("n_g", wl_um=wl0_um, polarization="TM")
    by_width = wl0_um * (high - low) / (2.0 * WIDTH_STEP_UM) / n_g * PM_PER_UM * 1e-3
    return TM_THICKNESS_PM_NM[film], by_width


def tm_thermal_ratio(profile: Profile) -> float:
    """Shift of a circle's TM resonance by temperature over that of TE; its film is one of `TM_GAP_LAWS`."""
    table, at = load_modes(film_name(profile.name)), {"wl_um": profile.optics.wl0_um.value}
    te, tm = (
        table.ring_average("dn_dT", polarization=mode, **at) / table.ring_average("n_g", polarization=mode, **at)
        for mode in ("TE", "TM")
    )
    return tm / te


def bend_coupling_per_um(table: ModeTable, radius_um: Any, angle_deg: float) -> Any:
    """Coupling g between TE and TM of a bend in rad/µm, light along crystal y (0) or z (90).

    Between the table's radii g·R is interpolated, which hardly changes, and not the share, which goes as 1/R². Beyond
    them g goes on as 1/R.
    """
    radii = table.file.bend["radius_um"]
    te, tm = (
        float(table.te_fraction(table.width_um, 1.55, angle_deg=angle_deg, polarization=mode)) for mode in ("TE", "TM")
    )
    bent = np.array([table.bend_te_fraction(one_um, 0 if angle_deg == 0.0 else 90) for one_um in radii])
    mixed = np.arccos(np.sqrt(np.minimum(1.0, (bent - tm) / (te - tm))))
    # Where TM lies above TE the bent mode that is the more TE's is the lower one, and g is as large.
    half_apart = abs(float(_half_difference(table, table.width_um, 1.55, angle_deg)))
    return np.interp(radius_um, radii, half_apart * np.tan(2.0 * mixed) * radii) / radius_um


def half_turn_conversion_rad(
    table: ModeTable, wl_um: Float[np.ndarray, " wl"], *, width_um: float, turn: Turn, arm_um: float = 0.0
) -> Float[np.ndarray, " wl"]:
    """χ of a ring's half turn from bus to bus at each wavelength: sin²χ of the light changes its polarisation.

    Args:
        table: A table that holds TM.
        wl_um: Wavelengths.
        width_um: Width of the rib's top; g is that of the table's own width.
        turn: Each of the two quarter turns.
        arm_um: Length of the straight arm between them, along layout y.

    Raises:
        InputError: A wavelength or the width lies outside the table.
    """
    found = []
    for wl in wl_um:
        quarter = _quarter_turn(table.file.profile, float(wl), width_um, turn)
        along = np.exp(1j * _half_difference(table, width_um, wl, 0.0) * arm_um)
        # The second quarter turn is the first one read backwards: Q^T·diag(along, along*)·Q.
        found.append(math.asin(float(2.0 * (quarter[0, 0] * quarter[0, 1] * along).imag)))
    return np.array(found)


def conversion_on_film_rad(
    table: ModeTable,
    wl_um: Float[np.ndarray, " rings"],
    *,
    width_um: Float[np.ndarray, " rings"],
    thicker_nm: Float[np.ndarray, " rings"],
    turn: Turn,
    arm_um: float = 0.0,
) -> Float[np.ndarray, " rings"]:
    """χ as of `half_turn_conversion_rad`, of many rings, each on a film that is so many nm thicker than the table's.

    Half a turn on an arm that undoes what the turns mix converts by what the film is off: TE and TM run apart by some
    thousandths of an index there, of which a nanometre is a share.
    """
    quarter = _turned(table, wl_um[:, None], width_um[:, None], turn, thicker_nm=thicker_nm[:, None])
    along = np.exp(1j * _half_difference(table, width_um, wl_um, 0.0, thicker_nm=thicker_nm) * arm_um)
    return np.arcsin(2.0 * (quarter[:, 0, 0] * quarter[:, 0, 1] * along).imag)


def unmixing_arm_um(table: ModeTable, wl_um: float, *, width_um: float, turn: Turn, near_um: float = 0.0) -> float:
    """An arm between two quarter turns after which the second undoes what the first one mixed, in µm.

    There χ is none: TE and TM have run apart, on the arm, by what makes them meet again in the opposite phase. Arms on
    which they run apart by half a wave more do so, too: of all the one nearest to ``near_um``, by default the shortest.
    """
    quarter = _quarter_turn(table.file.profile, wl_um, width_um, turn)
    apart = _apart_along_y(table.file.profile, wl_um, width_um)  # below 0 where TM runs slower than TE
    missing = float(-np.angle(quarter[0, 0] * quarter[0, 1]) * np.sign(apart)) % math.pi
    shortest_um, more_um = missing / abs(apart), math.pi / abs(apart)
    return shortest_um + max(round((near_um - shortest_um) / more_um), 0) * more_um


def most_converted_rad(table: ModeTable, wl_um: float, *, width_um: float, turn: Turn) -> float:
    """The largest |χ| that two quarter turns have with any arm between them."""
    quarter = _quarter_turn(table.file.profile, wl_um, width_um, turn)
    return math.asin(min(2.0 * float(abs(quarter[0, 0] * quarter[0, 1])), 1.0))


@cache
def _apart_along_y(film: str, wl_um: float, width_um: float) -> float:
    return float(_half_difference(load_modes(film), width_um, wl_um, 0.0))


@cache
def _quarter_turn(film: str, wl_um: float, width_um: float, turn: Turn) -> Complex[np.ndarray, "2 2"]:
    """From layout x (90°) to layout y (0°)."""
    return _turned(load_modes(film), wl_um, width_um, turn)


def _turned(
    table: ModeTable, wl_um: Any, width_um: Any, turn: Turn, *, thicker_nm: Any = 0.0
) -> Complex[np.ndarray, "... 2 2"]:
    """The same; of many rings, whose numbers then have a last axis of one for the steps."""
    steps = STEPS // 2
    curvature = turn.curvature_1_um(steps)
    step_um = turn.length_um / steps
    angle_deg = 90.0 - np.degrees(step_um * (np.cumsum(curvature) - 0.5 * curvature))
    along_y, along_x = (bend_coupling_per_um(table, 1.0 / curvature, angle) for angle in (0.0, 90.0))
    mixing = along_y + (along_x - along_y) * np.sin(np.radians(angle_deg)) ** 2
    quarter = np.eye(2, dtype=complex)
    for step in _steps(_half_difference(table, width_um, wl_um, angle_deg, thicker_nm=thicker_nm), mixing, step_um):
        quarter = step @ quarter
    return quarter


def _steps(
    apart: Float[np.ndarray, "*rings steps"], mixing: Float[np.ndarray, " steps"], step_um: float
) -> Complex[np.ndarray, "steps *rings 2 2"]:
    """exp(j·((δ, g), (g, −δ))·ds) of each step."""
    whole = np.hypot(apart, mixing)
    cosine, sine = np.cos(whole * step_um), 1j * np.sin(whole * step_um) / whole
    parts = np.array([[cosine + sine * apart, sine * mixing], [sine * mixing, cosine - sine * apart]])
    # Steps first, rings, and the matrices.
    return np.moveaxis(np.moveaxis(parts, -1, 0), (1, 2), (-2, -1))


def _half_difference(table: ModeTable, width_um: Any, wl_um: Any, angle_deg: Any, *, thicker_nm: Any = 0.0) -> Any:
    """δ = π·(n_TE − n_TM)/λ in rad/µm, at one direction of travel or many."""
    te, tm = (np.asarray(table.n_eff(width_um, wl_um, angle_deg=angle_deg, polarization=mode)) for mode in ("TE", "TM"))
    along_y, along_x = APART_PER_NM[table.file.profile]
    by_film = thicker_nm * (along_y + (along_x - along_y) * np.sin(np.radians(angle_deg)) ** 2)
    return np.pi * (te - tm + by_film) / wl_um
