"""What a second TE mode makes of a chip's rings: broader lines, dips that are no longer dark, rings of no use.

Where TE1's orders lie no design says, as its index is not known to the thousandth that moves them by a fifth of their
distance: each phase is as likely as any other, and what is told is over all of them. TE1 that leaves by a bus is lost.

Source: the closed form of `lightpath.ring.mixing` at the resonance of the round trip's eigenvalue that is the more
TE0's, where a turn of both modes' phases is a turn of that eigenvalue's.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.mixing import Coupler, HalfTurn, PolarizedPorts, polarized_ports, te_like_turn
from prism_photonics.lightpath.ring.place import coupling_angles
from prism_photonics.lightpath.ring.two_modes import (
    conversion_rad,
    converted,
    lean_rad,
    leaning_half_turn,
    ring_coupler,
)
from prism_photonics.process.profile import Profile
from prism_photonics.process.second_mode import SecondModeTable, second_mode_table
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import attenuation_per_um

PHASES = 48
"""Phases of TE1 over two turns, after which half a turn repeats."""
ALIKE, SOME = 0.1, 5
"""Beats by which the straights of one channel's ring stand for all, and how many channels do where they differ more."""


@dataclass(frozen=True)
class MixedRings:
    """Rings whose rib holds TE1, at their own resonance, for each phase of TE1; designed: the same of TE0 alone.

    Attributes:
        linewidth: Linewidth over the designed one.
        through: Share of the light that the through bus keeps at resonance.
        drop: Share that the drop bus gets there.
        designed_through: As designed.
        designed_drop: As designed.
    """

    linewidth: Float[np.ndarray, " phases"]
    through: Float[np.ndarray, " phases"]
    drop: Float[np.ndarray, " phases"]
    designed_through: float
    designed_drop: float

    @property
    def spoiled(self) -> float:
        """Share of the phases at which a ring keeps less than half of its range of weights."""
        designed = 1.0 - self.designed_through + self.designed_drop
        return float(np.mean(1.0 - self.through + self.drop < 0.5 * designed))


@cached_by_spec
def mixed_rings(spec: ChipSpec) -> MixedRings | None:
    """Of the middle channel, or of some from the first to the last where their straights differ by much of a beat.

    Returns:
        None where no guide holds TE1, or of racetracks of arcs, whose arms no model of it has.
    """
    table = second_mode_table(spec.process)
    if table is None or (spec.ring.arm_um and not spec.ring.euler_p):
        return None
    designs = spec.ring_designs
    beats = np.array([one.straight_um for one in designs]) * (table.beta_1_um[0] - table.beta_1_um[1]) / (2.0 * np.pi)
    places = {len(designs) // 2}
    if np.ptp(beats) > ALIKE:
        places = set(np.linspace(0, len(designs) - 1, SOME).round().astype(int).tolist())
    found = [
        MixedRing(spec.profile, designs[place], table, loss_dB_cm=spec.waveguide.loss_dB_cm).at_resonance()
        for place in sorted(places)
    ]
    of_all = (np.stack([getattr(one, field.name) for one in found]) for field in fields(MixedRings))
    linewidth, through, drop, designed_through, designed_drop = of_all
    return MixedRings(
        linewidth.ravel(), through.ravel(), drop.ravel(), float(designed_through.mean()), float(designed_drop.mean())
    )


class MixedRing:
    """One ring with TE1, its resonance brought to detuning 0 for each phase of TE1.

    Args:
        profile: The film.
        design: The ring.
        table: The film's second mode.
        loss_dB_cm: Of the guide, in either mode.
        phases: Of TE1, over two turns.
    """

    def __init__(
        self, profile: Profile, design: RingDesign, table: SecondModeTable, *, loss_dB_cm: float, phases: int = PHASES
    ) -> None:
        gaps_um = (design.gap_through_um, design.gap_drop_um)
        both = ring_coupler(design, profile, table, np.array(gaps_um[:1] if gaps_um[0] == gaps_um[1] else gaps_um))
        self.couplers = tuple(Coupler(*(part[n] for part in both)) for n in (0, -1))
        amplitude = np.exp(-0.25 * attenuation_per_um(loss_dB_cm) * design.length_um)  # of half a turn
        ahead = table.beta_1_um[0] - table.beta_1_um[1]
        of_second = 2.0 * np.pi * np.arange(phases) / phases
        leaning = leaning_half_turn(
            amplitude * np.ones(phases) + 0j,
            amplitude * np.exp(1j * of_second),
            np.asarray(ahead * design.straight_um),
            np.asarray(0.0 if design.euler_p else lean_rad(table, design.radius_um)),
        )
        half = converted(leaning, amplitude * np.exp(0.5j * of_second), np.asarray(conversion_rad(design, profile)))
        mean, root = te_like_turn(half, *self.couplers)
        self.eigenvalue = mean + root
        self._half = _turned(half, -np.angle(self.eigenvalue))
        t1, t2 = np.cos(coupling_angles(profile, design))
        self._plain = (float(t1), float(t2), float(amplitude**2))

    @property
    def designed_linewidth(self) -> float:
        """In radians of a round trip."""
        return _linewidth(np.prod(self._plain))

    def at_resonance(self) -> MixedRings:
        """Its figures there."""
        ports, (t1, t2, a) = self.ports(np.zeros(1)), self._plain
        return MixedRings(
            _linewidth(abs(self.eigenvalue)) / self.designed_linewidth,
            abs(ports.through[:, 0, 0, 0]) ** 2,
            abs(ports.drop[:, 0, 0, 0]) ** 2,
            ((t1 - t2 * a) / (1.0 - t1 * t2 * a)) ** 2,
            (1.0 - t1**2) * (1.0 - t2**2) * a / (1.0 - t1 * t2 * a) ** 2,
        )

    def ports(self, detuning: Float[np.ndarray, " detunings"]) -> PolarizedPorts:
        """What it passes, phases by detunings in designed linewidths."""
        turned = HalfTurn(*(part[:, None] for part in self._half))
        return polarized_ports(_turned(turned, detuning * self.designed_linewidth), *self.couplers)


def _turned(half: HalfTurn, turn_rad: Any) -> HalfTurn:
    return half.turned(turn_rad, 1.0)


def _linewidth(x: Any) -> Any:
    """Full width at half maximum in radians of a round trip that leaves so much of the field."""
    return 2.0 * (1.0 - x) / np.sqrt(x)
