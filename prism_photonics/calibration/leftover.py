"""What a fit leaves: the χ² of every line's readings, and what it goes along with.

The misfit of a line's readings, in units of their noise, is laid out along what could have been missed: a shift of the
line's own ring that goes on with time, one that follows the ring's own voltage, one that follows the other rings'
voltages, and the light itself. Each takes the share of the squared misfit that it explains beyond chance: k directions
of n explain k/n of any noise. Shares overlap where settings do not tell causes apart: they are hints where to look,
and no fit.

Source: linear regression on the exact row's own slopes; which families are asked is a design choice.
"""

from dataclasses import replace

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.portions import READINGS_AT_ONCE, in_portions
from prism_photonics.calibration.reading_model import reading_slopes
from prism_photonics.calibration.unknowns import columns
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.spec import ChipSpec

EFFECTS = ("time", "its own voltage", "the other rings' voltages", "its light")
"""What is asked of a line's misfit, in this order."""
TELLING = 0.3
"""Share from which an effect is named; design choice."""


class Leftover(eqx.Module):
    """Misfit of every line, leaves lead with rows and buses, or with buses; lines in the order of the comb.

    Attributes:
        chi2: Mean squared misfit over noise.
        shares: Share of it that goes along with each of `EFFECTS`, beyond chance.
    """

    chi2: Float[Numbers, "... lines"]
    shares: Float[Numbers, "... lines 4"]

    def named(self, place: tuple[int, ...]) -> str:
        """What one line's misfit goes along with, in words."""
        chi2, shares = float(np.asarray(self.chi2)[place]), np.asarray(self.shares)[place]
        most = int(shares.argmax())
        if shares[most] < TELLING:
            return f"χ² {chi2:.1f} that goes along with none of time, voltages and light"
        return f"χ² {chi2:.1f}, {100.0 * shares[most]:.0f} % of it along with {EFFECTS[most]}"


def leftover(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> Leftover:
    """What a fit leaves of its readings.

    Args:
        survey: The readings, with the drift that was found.
        flat: Unknowns at the optimum.
    """

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        buses = survey.take(some)
        slopes = reading_slopes(buses, flat[some])
        found = [_of_bus(buses.take(np.array([n])), slopes.current_A[n], slopes.by_shift[n]) for n in range(some.size)]
        return np.array([chi2 for chi2, _ in found]), np.array([shares for _, shares in found])

    chi2, shares = in_portions(survey, one_portion, readings=READINGS_AT_ONCE)
    plain = columns(survey.rings.t1.shape[1])["drop_ratio"].stop
    # Of a chip whose buses reflect, those that ask for nothing beyond the plain row are explained by that.
    bare = np.flatnonzero(~flat[:, plain:].any(1)) if survey.reflecting is not None else np.array([], dtype=int)
    if bare.size:
        of_bare = leftover(replace(survey.take(bare), reflecting=None), flat[bare, :plain])
        chi2[bare], shares[bare] = of_bare.chi2, of_bare.shares
    return Leftover(chi2, shares)


def blank_leftover(spec: ChipSpec) -> Leftover:
    """Nothing left, leaves (rows, buses, …): what readers of files fill."""
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    return Leftover(np.zeros(shape), np.zeros((*shape, len(EFFECTS))))


def _of_bus(
    bus: BusSurvey,
    current_A: Float[ndarray, "settings wavelengths"],
    by_shift: Float[ndarray, "rings settings wavelengths"],
) -> tuple[Float[ndarray, " lines"], Float[ndarray, "lines 4"]]:
    settings, lines, nodes = len(current_A), by_shift.shape[0], bus.nodes
    chi2, shares = np.zeros(lines), np.zeros((lines, len(EFFECTS)))
    went = np.repeat(np.linspace(-1.0, 1.0, settings), nodes)
    for place, line in enumerate(bus.channel_of_ring[0]):
        here = slice(line * nodes, (line + 1) * nodes)
        noise_A = bus.noise_A[0, :, here].ravel()
        seen = np.isfinite(noise_A)
        if not seen.any():
            continue
        misfit = ((bus.current_A[0, :, here] - current_A[:, here]).ravel() / noise_A)[seen]
        shift = (by_shift[place, :, here].ravel() / noise_A)[seen]
        volts = bus.volts[0, :, here].reshape(-1, lines)[seen]
        volts = volts / max(float(np.abs(volts).max()), 1e-9)
        own, others = volts[:, place], np.delete(volts, place, axis=1)
        level = (current_A[:, here].ravel() / noise_A)[seen]
        light = level / max(float(np.abs(level).max()), 1e-9)
        families = (
            [shift * went[seen] ** n for n in (1, 2, 3)],
            [shift * own**n for n in (1, 2, 3, 4)],
            list((shift[:, None] * others).T),
            [level, level * light, shift * light],
        )
        whole = float((misfit**2).sum())
        chi2[line] = whole / seen.sum()
        shares[line] = [_share(np.array(family).T, misfit, whole) for family in families]
    return chi2, shares


def _share(family: Float[ndarray, "readings directions"], misfit: Float[ndarray, " readings"], whole: float) -> float:
    """Share of the squared misfit that lies along a family's directions, beyond chance."""
    if not family.size or len(misfit) <= family.shape[1] or whole <= 0.0:
        return 0.0
    left, sizes, _ = np.linalg.svd(family, full_matrices=False)
    basis = left[:, sizes > 1e-9 * max(float(sizes.max()), 1e-300)]
    along, chance = float(((basis.T @ misfit) ** 2).sum()) / whole, basis.shape[1] / len(misfit)
    return max(0.0, (along - chance) / (1.0 - chance))
