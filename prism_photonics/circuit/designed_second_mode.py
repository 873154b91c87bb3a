"""What TE1 sees of a drawn chip: its indices from the film's table, and couplers and arcs that turn TE0 into it."""

import jax
import numpy as np

from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.ring.second_mode import SecondMode
from prism_photonics.lightpath.ring.two_modes import conversion_rad, lean_rad, ring_coupler
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.process.necks import neck
from prism_photonics.process.profile import Profile
from prism_photonics.process.second_mode import SecondModeTable, second_mode_table
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec

DETECTED = 0.0
"""Share of TE1's power at a row's exits that the photodiodes see: none, as U-turn, tapers and photodiodes are made for
TE0; design choice. Between the rings of a row TE1 runs along the buses."""


@cached_by_spec
def designed_second_mode(spec: ChipSpec) -> TwoPolarizations | None:
    """TE1 in the rows of a chip as designed, leaves (rows, buses, …) as of `BankParams`.

    TE1 loses as much as TE0 in every waveguide, but for the necks of its buses: design choice, as no figure of its own
    is published.

    Returns:
        None where the film holds no TE1, or the rings are racetracks of arcs, whose arms no model of it has.
    """
    table = second_mode_table(spec.process)
    if table is None or (spec.ring.arm_um and not spec.ring.euler_p):
        return None
    bank = designed_bank(spec, xp=np)
    each = [
        second_mode_of_ring(design, spec.profile, table=table, amplitude=float(amplitude))
        for design, amplitude in zip(spec.ring_designs, bank.rings.a[0, 0], strict=True)
    ]
    rings = jax.tree.map(lambda *leaves: _of_all(np.stack(leaves), bank.shape), *each)
    (n0, g0), (n1, g1) = table.indices(90.0)
    te = bank.buses
    # Between two rings light passes two necks, before the first and behind the last one.
    taken, necks = neck(spec.process, spec.ring.neck_um), np.full(te.amplitude.shape[-1], 2.0)
    necks[[0, -1]] = 1.0
    amplitude = te.amplitude * 10.0 ** (-necks * (taken.second_dB - taken.first_dB) / 20.0)
    # Buses run along layout x, but for the U-turn: its phase is the die's own anyway.
    buses = PathParams(te.opl_um * (n1 / n0), te.gpl_um * (g1 / g0), amplitude, te.phase_rad, te.wl0_um)
    return TwoPolarizations(rings, buses, detected=DETECTED)


def second_mode_of_ring(
    design: RingDesign, profile: Profile, *, table: SecondModeTable, amplitude: float
) -> SecondMode:
    """TE1 in one ring.

    Args:
        design: The ring.
        profile: The film.
        table: Its second mode.
        amplitude: What a round trip leaves of TE1's field.
    """
    wl0, lengths = profile.optics.wl0_um.value, design.lengths
    along_x, along_y = (table.indices(angle) for angle in (90.0, 0.0))
    opl_um, gpl_um = (
        along_x[1][n] * lengths.x_um
        + along_y[1][n] * lengths.y_um
        + 0.5 * (along_x[1][n] + along_y[1][n]) * lengths.bend_um
        for n in (0, 1)
    )
    ahead_um = [(along_x[0][n] - along_x[1][n]) * design.straight_um for n in (0, 1)]
    through, drop = (
        ring_coupler(design, profile, table, np.asarray(gap_um))
        for gap_um in (design.gap_through_um, design.gap_drop_um)
    )
    t1, t2 = (abs(coupler.ring[1, 1]) for coupler in (through, drop))
    values = (t1, t2, amplitude, opl_um, gpl_um, 0.0, 0.0, 0.0, wl0)
    return SecondMode(
        RingParams(*map(np.asarray, values)),
        lean_rad=np.asarray(0.0 if design.euler_p else lean_rad(table, design.radius_um)),
        ahead_opl_um=np.asarray(ahead_um[0]),
        ahead_gpl_um=np.asarray(ahead_um[1]),
        through=through,
        drop=drop,
        conversion_rad=np.asarray(conversion_rad(design, profile)),
    )


def _of_all(leaf: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Leaves (channels, …) for all rows and buses."""
    return np.broadcast_to(leaf, (*shape[:2], *leaf.shape))
