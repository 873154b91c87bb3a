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
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.bus_slopes import Slopes
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
        apart: Lines that no fit of their bus explains, and that were kept from spoiling the others (`spoiled_lines`);
            None of a fit that asked for none.
    """

    chi2: Float[Numbers, "... lines"]
    shares: Float[Numbers, "... lines 4"]
    apart: Bool[Numbers, "... lines"] | None = None

    def named(self, place: tuple[int, ...]) -> str:
        """What one line's misfit goes along with, in words."""
        chi2, shares = float(np.asarray(self.chi2)[place]), np.asarray(self.shares)[place]
        most = int(shares.argmax())
        if shares[most] < TELLING:
            return f"χ² {chi2:.1f} that goes along with none of time, voltages and light"
        return f"χ² {chi2:.1f}, {100.0 * shares[most]:.0f} % of it along with {EFFECTS[most]}"


def leftover(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, apart: Bool[ndarray, "buses lines"] | None = None
) -> Leftover:
    """What a fit leaves of its readings.

    Args:
        survey: The readings, with the drift that was found.
        flat: Unknowns at the optimum.
        apart: As of `Leftover`.
    """

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        buses = survey.take(some)
        slopes = reading_slopes(buses, flat[some])
        lines, every = buses.channel_of_ring, np.arange(some.size)
        chi2, shares = np.zeros(lines.shape), np.zeros((*lines.shape, len(EFFECTS)))
        for place in range(lines.shape[1]):
            chi2[every, lines[:, place]], shares[every, lines[:, place]] = _of_line(buses, slopes, place)
        return chi2, shares

    chi2, shares = in_portions(survey, one_portion, readings=READINGS_AT_ONCE)
    plain = columns(survey.rings.t1.shape[1])["drop_ratio"].stop
    # Of a chip whose buses reflect, those that ask for nothing beyond the plain row are explained by that.
    bare = np.flatnonzero(~flat[:, plain:].any(1)) if survey.reflecting is not None else np.array([], dtype=int)
    if bare.size:
        of_bare = leftover(replace(survey.take(bare), reflecting=None), flat[bare, :plain])
        chi2[bare], shares[bare] = of_bare.chi2, of_bare.shares
    return Leftover(chi2, shares, apart if apart is not None and apart.any() else None)


def blank_leftover(spec: ChipSpec, *, apart: bool = False) -> Leftover:
    """Nothing left, leaves (rows, buses, …): what readers of files fill, with lines that are ``apart`` or none."""
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    return Leftover(np.zeros(shape), np.zeros((*shape, len(EFFECTS))), np.zeros(shape, dtype=bool) if apart else None)


def _of_line(
    buses: BusSurvey, slopes: Slopes, place: int
) -> tuple[Float[ndarray, " buses"], Float[ndarray, "buses 4"]]:
    """What is left of the line that the ring at one place serves, in every bus."""
    count, settings, _ = slopes.current_A.shape
    at = buses.channel_of_ring[:, place, None] * buses.nodes + np.arange(buses.nodes)

    def mine(values: Float[ndarray, "buses settings wavelengths ..."]) -> Float[ndarray, "buses readings ..."]:
        of_line = np.moveaxis(values[np.arange(count)[:, None], :, at], 2, 1)
        return of_line.reshape(count, settings * buses.nodes, *of_line.shape[3:])

    # What does not count has endless noise: over it, it is nothing.
    noise_A, current_A = mine(buses.noise_A), mine(slopes.current_A)
    seen = np.isfinite(noise_A)
    misfit, shift = (mine(buses.current_A) - current_A) / noise_A, mine(slopes.by_shift[:, place]) / noise_A
    level = current_A / noise_A
    volts = _over_largest(np.where(seen[..., None], mine(buses.volts), 0.0))
    light, went = _over_largest(level), np.repeat(np.linspace(-1.0, 1.0, settings), buses.nodes)
    own, others = volts[..., place], np.delete(volts, place, axis=2)
    families = (
        np.stack([shift * went**n for n in (1, 2, 3)], axis=2),
        np.stack([shift * own**n for n in (1, 2, 3, 4)], axis=2),
        shift[..., None] * others,
        np.stack([level, level * light, shift * light], axis=2),
    )
    whole, readings = (misfit**2).sum(1), seen.sum(1)
    shares = [_share(family, misfit, whole=whole, readings=readings) for family in families]
    return whole / np.maximum(readings, 1), np.stack(shares, axis=1)


def _over_largest(values: Float[ndarray, "buses ..."]) -> Float[ndarray, "buses ..."]:
    """Each bus's numbers over the largest of them."""
    largest = np.abs(values).max(tuple(range(1, values.ndim)), keepdims=True)
    return values / np.maximum(largest, 1e-9)


def _share(
    family: Float[ndarray, "buses readings directions"],
    misfit: Float[ndarray, "buses readings"],
    *,
    whole: Float[ndarray, " buses"],
    readings: Int[ndarray, " buses"],
) -> Float[ndarray, " buses"]:
    """Share of each bus's squared misfit that lies along a family's directions, beyond chance."""
    found, told = np.zeros(len(misfit)), (readings > family.shape[2]) & (whole > 0.0)
    if not family.shape[2] or not told.any():
        return found
    left, sizes, _ = np.linalg.svd(family[told], full_matrices=False)
    kept = sizes > 1e-9 * np.maximum(sizes[:, :1], 1e-300)
    along = ((np.einsum("brk,br->bk", left, misfit[told]) ** 2) * kept).sum(1) / whole[told]
    chance = kept.sum(1) / readings[told]
    found[told] = np.maximum(0.0, (along - chance) / (1.0 - chance))
    return found
