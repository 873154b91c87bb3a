"""The exact row in two polarisations, with everything that reflects: `reflecting` with matrices of twice the size.

Four waves run each way: TE and TM on the through and on the drop bus. What the row behind a ring sends back is a
symmetric 4×4 matrix Γ, and the two lines of `reflecting` hold as they stand there. A ring that scatters back is still
the mean, and half the difference, of two rings half a splitting up and down: walls couple the two directions of TM as
they couple those of TE (design choice; no figure is published). Ends reflect both polarisations alike.

Light comes in as TE. What leaves as TM falls on the same photodiodes, whose currents add powers: TE and TM do not beat.
TE1 of a rib that holds it takes TM's place (`lightpath.ring.second_mode`): then the couplers mix too.

Source: as of `reflecting`; with the matrices of `lightpath.ring.polarization`.
"""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Complex, Float, Shaped

from prism_photonics.circuit.prepared_reflecting import PreparedReflectingRow, prepare_reflecting_row
from prism_photonics.circuit.reflecting import RowReflections
from prism_photonics.lightpath.arrays import Numbers, library, power, scan
from prism_photonics.lightpath.ring.backscatter import Splitting
from prism_photonics.lightpath.ring.dispersion import RingDispersion, dispersed
from prism_photonics.lightpath.ring.mixing import Coupler, Couplings, HalfTurn, PolarizedPorts, polarized_ports
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.ring.polarization import SecondPolarization, polarized_half_turn
from prism_photonics.lightpath.ring.second_mode import SecondMode, second_mode_half_turn
from prism_photonics.lightpath.waveguide.model import PathParams, transmission

LEAST_SPLITTING_RAD = 1e-7
"""Of two rings that lie this close, half the difference is a slope: 1e-10 of it is what remains of either rounding."""
SLOPE_STEP_PM = 1e-3
"""Step of the central difference by which slopes are taken; a linewidth is tens of thousands of it."""


class TwoPolarizations(eqx.Module):
    """TM in a row, or in many; or TE1 in its place.

    Attributes:
        rings: Of the rings, leaves (..., rings).
        buses: Bus segments as TM sees them, leaves (..., 2, rings + 1).
        detected: Share of TM's power that the photodiodes see.
    """

    rings: SecondPolarization | SecondMode
    buses: PathParams
    detected: float = eqx.field(default=1.0, static=True)


class PreparedPolarizedRow(eqx.Module):
    """Voltage-independent factors of one row, or of many, at each channel's wavelength.

    Attributes:
        te: The row as TE alone sees it.
        half: Half turns of the untuned rings.
        tm: Self-couplings of TM at the through and at the drop bus.
        p: TM's transmissions of the through bus's segments.
        q: Those of the drop bus's.
        tuning_ratio: As of `SecondPolarization`.
        detected: As of `TwoPolarizations`.
        mixing: Couplers to the through and to the drop bus where they mix modes.
    """

    te: PreparedReflectingRow
    half: HalfTurn
    tm: tuple[Float[Numbers, "rings ... #channels"], Float[Numbers, "rings ... #channels"]]
    p: Complex[Numbers, "segments ... channels"]
    q: Complex[Numbers, "segments ... channels"]
    tuning_ratio: Float[Numbers, "rings ... 1"]
    detected: float = eqx.field(default=1.0, static=True)
    mixing: tuple[Coupler, Coupler] | None = None

    @property
    def couplers(self) -> tuple[Couplings, Couplings]:
        """Of the through and of the drop bus, as `polarized_ports` takes them."""
        return ((self.te.t1, self.tm[0]), (self.te.t2, self.tm[1])) if self.mixing is None else self.mixing


class PolarizedFields(eqx.Module):
    """Fields (TE, TM) that leave a row for unit TE at its entrance, in the last axis."""

    through: Complex[Numbers, "... 2"]
    drop: Complex[Numbers, "... 2"]
    reflected: Complex[Numbers, "... 2"]


def prepare_polarized_row(
    wl: Float[Numbers, "... channels"],
    rings: RingParams,
    buses: PathParams,
    reflections: RowReflections,
    *,
    second: TwoPolarizations,
    dispersion: RingDispersion | None = None,
) -> PreparedPolarizedRow:
    """As `prepare_reflecting_row`, with what TM sees."""
    xp = library(rings.t1)
    leading = lambda part: jax.tree.map(lambda leaf: xp.moveaxis(leaf, -1, 0)[..., None], part)  # noqa: E731
    ring, segments = leading(rings), leading(second.buses)
    if dispersion is not None:
        ring = dispersed(wl, ring, leading(dispersion))
    both = transmission(wl[..., None, :], segments)
    if isinstance(second.rings, SecondMode):
        of_ring, at_ring = second.rings, lambda matrix: xp.moveaxis(matrix, -3, 0)[..., None, :, :]
        mixing = (Coupler(*map(at_ring, of_ring.through)), Coupler(*map(at_ring, of_ring.drop)))
        tm = SecondMode(
            leading(of_ring.mode),
            leading(of_ring.lean_rad),
            leading(of_ring.ahead_opl_um),
            leading(of_ring.ahead_gpl_um),
            through=mixing[0],
            drop=mixing[1],
            conversion_rad=leading(of_ring.conversion_rad),
        )
        half = second_mode_half_turn(wl, ring, tm, 0.0)
    else:
        tm, mixing = leading(second.rings), None
        half = polarized_half_turn(wl, ring, tm, 0.0)
    return PreparedPolarizedRow(
        te=prepare_reflecting_row(wl, rings, buses, reflections, dispersion=dispersion),
        half=half,
        tm=(tm.tm.t1, tm.tm.t2),
        p=both[..., 0, :],
        q=both[..., 1, :],
        tuning_ratio=tm.tuning_ratio,
        detected=second.detected,
        mixing=mixing,
    )


def polarized_fields(row: PreparedPolarizedRow, shift_pm: Shaped[Numbers, "... rings"]) -> PolarizedFields:
    """Fields that leave a row whose rings are shifted by so many pm, fabrication of TE included."""
    te = row.te
    xp = library(te.half_turn, shift_pm)
    entrance, _, drop_exit, _ = te.ends
    gamma, out, _ = swept(row, turned(row, shift_pm))
    zero, one = 0.0 * te.half_turn[0], xp.eye(4)
    near = waves(*(exit.inside + zero for exit in (entrance, entrance, drop_exit, drop_exit)))[..., :, None]
    light = xp.linalg.solve(one - near * gamma, one[:, :1] * (entrance.passed + zero)[..., None, None])
    back = (gamma @ light)[..., 0]
    passed, outside = (part[..., None] for part in (entrance.passed + zero, entrance.outside + zero))
    return PolarizedFields(
        through=(out @ light)[..., 0],
        drop=(drop_exit.passed + zero)[..., None] * back[..., 2:],
        reflected=passed * back[..., :2] + outside * xp.eye(2)[0],
    )


def exit_powers(
    row: PreparedPolarizedRow, shift_pm: Float[Numbers, "... rings"]
) -> tuple[Float[Numbers, "2 ... channels"], Float[Numbers, "2 ... channels"]]:
    """`prepared_reflecting.exit_powers` in two polarisations, as the photodiodes see them."""
    up, down = (detected_powers(row, shift_pm + step_pm) for step_pm in (SLOPE_STEP_PM, -SLOPE_STEP_PM))
    return detected_powers(row, shift_pm), (up - down) / (2.0 * SLOPE_STEP_PM)


def detected_powers(
    row: PreparedPolarizedRow, shift_pm: Float[Numbers, "... rings"]
) -> Float[Numbers, "2 ... channels"]:
    """Powers of the through and of the drop photodiode, without their slopes."""
    xp, fields = library(row.te.half_turn), polarized_fields(row, shift_pm)
    return xp.stack([power(field) @ xp.asarray([1.0, row.detected]) for field in (fields.through, fields.drop)])


def dropped_alone(row: PreparedPolarizedRow, shift_pm: Shaped[Numbers, "... rings"]) -> Any:
    """Power of each line that each ring, alone on its buses, hands on from TE to TE; (rings, ..., channels)."""
    return power(polarized_ports(turned(row, shift_pm), *row.couplers).drop[..., 0, 0])


def turned(row: PreparedPolarizedRow, shift_pm: Shaped[Numbers, "... rings"]) -> HalfTurn:
    """Half turns of a row's rings whose TE resonances are shifted by so many pm."""
    turn_rad = row.te.rad_pm * library(row.te.half_turn, shift_pm).moveaxis(shift_pm, -1, 0)[..., None]
    return row.half.turned(turn_rad, row.tuning_ratio)


def swept(row: PreparedPolarizedRow, half: HalfTurn) -> tuple[Any, Any, tuple[Any, Any]]:
    """From the far ends: Γ and the way out as the first segment's near side sees them, and as every ring has them."""
    te = row.te
    xp = library(te.half_turn, half.te)
    _, through_exit, _, far_end = te.ends

    def step(carry: Any, this: Any) -> tuple[Any, Any]:
        (gamma, out), (half, through, drop, split, along) = carry, this
        gamma, out = behind_bus(gamma, out, along)
        west, east, across = scattering(half, through, drop, split)
        n = xp.linalg.solve(xp.eye(4) - east @ gamma, across)
        return (west + xp.swapaxes(across, -1, -2) @ gamma @ n, out @ n), (gamma, out)

    bus = waves(te.p, row.p, te.q, row.q)
    zero, one = 0.0 * half.te[0], xp.eye(4)
    end = one * waves(*(exit.inside + zero for exit in (through_exit, through_exit, far_end, far_end)))[..., None, :]
    exits = one[:2] * (through_exit.passed + zero)[..., None, None]
    rings = (half, *row.couplers, te.split, bus[1:])
    (gamma, out), kept = scan(step, (end, exits), rings, reverse=True)
    gamma, out = behind_bus(gamma, out, bus[0])
    return gamma, out, (kept[0], kept[1])


def passed_on(gamma: Any, east: Any, across: Any) -> tuple[Any, Any]:
    """What runs eastward behind a ring, of unit waves that enter it from the west, and of such from the east."""
    xp = library(gamma, east)
    sides = xp.concatenate(xp.broadcast_arrays(across, east), axis=-1)
    both = xp.linalg.solve(xp.eye(4) - east @ gamma, sides)
    return both[..., :4], both[..., 4:]


def scattering(half: HalfTurn, through: Any, drop: Any, split: Splitting) -> tuple[Any, Any, Any]:
    """What a ring sends back to the west and to the east, and what runs on eastward of what comes from the west."""
    (up, down), apart = split_turns(half, split)
    return scattered(polarized_ports(up, through, drop), polarized_ports(down, through, drop), split, apart)


def split_turns(half: HalfTurn, split: Splitting) -> tuple[tuple[HalfTurn, HalfTurn], Any]:
    """Half turns of the two rings half a splitting up and down, and that half splitting in rad."""
    xp = library(half.te)
    squared = split.to_ccw * split.to_cw
    apart = xp.sqrt(xp.where(abs(squared) < LEAST_SPLITTING_RAD**2, LEAST_SPLITTING_RAD**2, squared) + 0j)
    up, down = (HalfTurn(*(part * xp.exp(way * apart) for part in half)) for way in (0.5j, -0.5j))
    return (up, down), apart


def scattered(up: PolarizedPorts, down: PolarizedPorts, split: Splitting, apart: Any) -> tuple[Any, Any, Any]:
    """The matrices of `scattering` from what two plain rings pass, or their slopes from those of these."""
    xp = library(up.through)
    mean = PolarizedPorts(*(0.5 * (one + other) for one, other in zip(up, down, strict=True)))
    slope = PolarizedPorts(*(0.5 * (one - other) / apart[..., None, None] for one, other in zip(up, down, strict=True)))
    ccw, cw = split.to_ccw[..., None, None], split.to_cw[..., None, None]
    back_over, back_across = (xp.swapaxes(ports.drop, -1, -2) for ports in (mean, slope))
    return (
        _blocks(slope.through * ccw, back_over, mean.drop, slope.drop_bus * cw),
        _blocks(slope.through * cw, back_over, mean.drop, slope.drop_bus * ccw),
        _blocks(mean.through, back_across * cw, slope.drop * ccw, mean.drop_bus),
    )


def behind_bus(gamma: Any, out: Any, along: Any) -> tuple[Any, Any]:
    """Γ, and the way out, as they are seen through a segment of both buses."""
    return gamma * along[..., :, None] * along[..., None, :], out * along[..., None, :]


def _blocks(a: Any, b: Any, c: Any, d: Any) -> Any:
    """A 4×4 matrix from its blocks of two rows: to the through bus from both buses, then to the drop bus."""
    xp = library(a, b, c, d)
    return xp.concatenate([xp.concatenate([a, b], axis=-1), xp.concatenate([c, d], axis=-1)], axis=-2)


def waves(*parts: Any) -> Any:
    """Numbers of the four waves, in a last axis."""
    xp = library(*parts)
    return xp.stack(xp.broadcast_arrays(*parts), axis=-1)
