"""Dies whose bends turn TE into TM: where TM's resonances lie, which rings sit on a crossing, what a fit makes of them.

TM's resonances move with the film as TE's do, by other amounts per nm of thickness and width. Where they lie on the
average film the mode table does not tell to a fraction of their distance, so every lot, a film of its own, has them
anywhere; wafer, place and ring follow from the thickness and width that are drawn for them. So crossings come by the
lot: most dies have none, some have many.

A calibration knows rings of one polarisation. It takes a ring beside a crossing for the plain ring that is nearest to
it, and so does the stand-in here. A ring on a crossing keeps less than half of its range: it stays in use with what it
still reaches, or it is left out. Both are told.

Source: derived here; the ring in two polarisations is that of `lightpath.ring.polarization`.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.budget.crossings import LEAST_POINTS, LINEWIDTHS, POINTS
from prism_photonics.chip.fabricate import Die, DieShift, resonance_errors_pm, resonance_key
from prism_photonics.chip.film_field import film_errors_nm
from prism_photonics.chip.heaters import has_heaters
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.explore.trimming import Trimming
from prism_photonics.lightpath.ring.mixing import polarized_ports
from prism_photonics.lightpath.ring.model import RingParams, half_turn, rad_per_pm
from prism_photonics.lightpath.ring.polarization import SecondPolarization, polarized_half_turn
from prism_photonics.process.polarization import tm_shift_pm_nm, tm_thermal_ratio, tm_tuning_ratio
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import Words
from prism_photonics.units import PM_PER_UM

BISECTIONS = 40
"""Halvings of a coupling's scale: to 1e-12 of it."""


class Seen(NamedTuple):
    """What a calibration of one polarisation makes of a die's rings.

    Attributes:
        on_crossing: Rings that keep less than half of their range of weights.
        rings: The plain rings that are nearest to them.
    """

    on_crossing: Bool[ndarray, "rows buses channels"]
    rings: RingParams


def placed_tm(spec: ChipSpec, key: Words, shift: DieShift, trimming: Trimming, *, of_lot: float) -> DieShift:
    """A die's shift with where its TM resonances lie.

    Trimming once and for all moves TM as far as TE (design choice), a heater by the ratio of their thermo-optics.

    Args:
        spec: The chip, on a film with TM.
        key: The die's, as `draw_die` takes it.
        shift: The die's.
        trimming: What brings its rings to channels.
        of_lot: Where the lot's resonances lie, -1 to 1 about the mode table's: half a turn tells TM's even orders from
            odd ones, so all repeats after two free spectral ranges.
    """
    designed, optics, of_ring = designed_tm(spec), spec.profile.optics, resonance_key(key)
    assert designed is not None, "a film without TM has been refused"
    tm = designed.rings.tm
    thickness_nm, width_nm = film_errors_nm(spec, of_ring)
    thickness_nm, width_nm = thickness_nm + shift.thickness_nm, width_nm + shift.width_nm
    by_thickness, by_width = tm_shift_pm_nm(spec.profile)
    # Against TE's: what neither thickness nor width moves moves both alike.
    apart_pm = (by_thickness - optics.thickness_pm_nm.value) * thickness_nm
    apart_pm = apart_pm + (by_width - optics.width_pm_nm.value) * width_nm
    if has_heaters(spec):
        apart_pm = apart_pm + (tm_thermal_ratio(spec.profile) - 1.0) * trimming.shift_pm
    if spec.trim.method == "none":
        # The rest of TE's shift stands in the die's rings, which turn TM by what a voltage turns it.
        te_pm = resonance_errors_pm(spec, of_ring, shift=shift)
        apart_pm = apart_pm + (1.0 - tm_tuning_ratio(spec.profile)) * te_pm
    fsr_pm = (tm.wl0_um**2 / tm.gpl_um * PM_PER_UM).reshape(apart_pm.shape)
    return dataclasses.replace(shift, tm_pm=of_lot * fsr_pm + apart_pm)


def seen_rings(die: Die, full: Die) -> Seen:
    """What a calibration makes of the rings of a die in two polarisations.

    ``1/(1 − w)`` of a plain ring is a parabola of its detuning, and a tuning that bends adds its third power: least
    squares, of readings that count as (1 − w)², give depth, width, place and bend of the dip, and those two couplings,
    a loss, an offset, a slope and a curvature.

    Args:
        die: The die with TE alone.
        full: The same with TM, as `chip.fabricate.full_die` makes it.
    """
    assert full.beyond is not None
    assert full.beyond.second is not None
    rings, second = full.bank.rings, full.beyond.second
    x, one = np.linspace(-1.0, 1.0, POINTS), die.bank.rings
    turn = rings.t1 * rings.t2 * rings.a
    reach_pm = LINEWIDTHS * 2.0 * (1.0 - turn) / np.sqrt(turn) / rad_per_pm(rings)
    # On its line a ring lies where it is shifted by what repels it, and by what it was designed to rest off the line.
    rests_rad = np.angle(half_turn(full.bank.wl_um, one, 0.0) ** 2)
    middle_pm = rings.offset_pm - one.offset_pm - rests_rad / rad_per_pm(one)
    weight = _weights_alone(full.bank.wl_um, rings, second, middle_pm + reach_pm * x[:, None, None, None])
    on = 1.0 - weight.min(0) < 0.5 * depth_of(rings)
    c0, c1, c2, c3 = _cubic(x, weight)
    bent = (c2 > 0.0) & ~on
    c0, c1, c2, c3 = (np.where(bent, c, usual) for c, usual in ((c0, 1.0), (c1, 0.0), (c2, 1.0), (c3, 0.0)))
    # As a tuning that bends, 1/(1 − w) = (1 + (u − at)²/half²)/depth with u = x + bend·x².
    bend, at = 0.5 * c3 / c2, -0.5 * c1 / c2
    depth = 1.0 / (c0 + 0.5 * c1 * at)
    half_rad = np.sqrt(1.0 / (c2 * depth)) * reach_pm * rad_per_pm(rings)
    fitted = _plain_ring(rings, depth, half_rad)
    kept = {name: np.where(bent, getattr(fitted, name), getattr(rings, name)) for name in ("t1", "t2", "a")}
    # Of volts: x is what the ring rests off the line, and what they add.
    bend_pm, rests_pm = bend / reach_pm, one.offset_pm + rests_rad / rad_per_pm(one)
    kept["offset_pm"] = one.offset_pm + bend_pm * rests_pm**2 - at * reach_pm
    kept["slope_pm_V"] = one.slope_pm_V * (1.0 + 2.0 * bend_pm * rests_pm)
    kept["curvature_pm_V2"] = one.curvature_pm_V2 * (1.0 + 2.0 * bend_pm * rests_pm) + bend_pm * one.slope_pm_V**2
    return Seen(on, dataclasses.replace(one, **kept))


def depth_of(ring: RingParams) -> Float[ndarray, "..."]:
    """1 − w of a plain ring on its line."""
    turn, lost = ring.t1 * ring.t2 * ring.a, (1.0 - ring.t1**2) * (1.0 - ring.t2**2) * ring.a
    return 1.0 - ((ring.t1 - ring.t2 * ring.a) ** 2 - lost) / (1.0 - turn) ** 2


def _weights_alone(
    wl_um: Float[ndarray, " channels"],
    rings: RingParams,
    second: TwoPolarizations,
    shift_pm: Float[ndarray, "points rows buses channels"],
) -> Float[ndarray, "points rows buses channels"]:
    """Weight of every ring, alone on its buses, on its own line."""
    of_ring = second.rings
    assert isinstance(of_ring, SecondPolarization)
    half = polarized_half_turn(wl_um, rings, of_ring, shift_pm)
    ports = polarized_ports(half, (rings.t1, of_ring.tm.t1), (rings.t2, of_ring.tm.t2))
    seen = np.array([1.0, second.detected])
    through, drop = (np.abs(port[..., 0]) ** 2 @ seen for port in (ports.through, ports.drop))
    return through - drop


def _cubic(x: Float[ndarray, " points"], weight: Float[ndarray, "points ..."]) -> Float[ndarray, "4 ..."]:
    """Coefficients of 1/(1 − w) by powers of x, where the weight is of use; of too few such points a flat one."""
    used = weight <= 1.0 - 1.0 / (1.0 + LINEWIDTHS**2)
    counts = np.where(used, (1.0 - weight) ** 4, 0.0)
    y = 1.0 / np.where(used, 1.0 - weight, 1.0)
    columns = x ** np.arange(4)[:, None]
    normal = np.einsum("ip,jp,p...->...ij", columns, columns, counts)
    right = np.einsum("ip,p...->...i", columns, counts * y)
    enough = used.sum(0) >= LEAST_POINTS
    normal = np.where(enough[..., None, None], normal, np.eye(4))
    found = np.linalg.solve(normal, np.where(enough[..., None], right, 0.0)[..., None])[..., 0]
    return np.moveaxis(found, -1, 0)


def _plain_ring(rings: RingParams, depth: ndarray, half_rad: ndarray) -> RingParams:
    """The ring of so deep and so wide a dip whose two couplings stand to each other as before.

    The width gives t1·t2·a; with it the dip is the deeper the more of that is coupling.
    """
    turn = (0.5 * (np.sqrt(half_rad**2 + 4.0) - half_rad)) ** 2
    angles = np.arccos(rings.t1), np.arccos(rings.t2)

    def scaled(scale: ndarray) -> RingParams:
        t1, t2 = (np.cos(scale * angle) for angle in angles)
        # A turn that would gain light is too much coupling.
        return dataclasses.replace(rings, t1=t1, t2=t2, a=np.minimum(turn / (t1 * t2), 1.0))

    low, high = np.zeros(depth.shape), 0.5 * np.pi / np.maximum(*angles) * np.ones(depth.shape)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        ring = scaled(middle)
        less = (ring.a < 1.0) & (depth_of(ring) < depth)
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    return scaled(low)
