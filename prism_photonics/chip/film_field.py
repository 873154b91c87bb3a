"""A film's thickness and a rib's width over a die: a smooth random field, at the rings and between them."""

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.threefry import Words, normal, normals, split


def film_errors_nm(
    spec: ChipSpec, key: PRNGKeyArray | Words
) -> tuple[Float[ndarray, "rows rings"], Float[ndarray, "rows rings"]]:
    """Thickness and width of every ring off its die's mean, in nm; the key is that of `resonance_errors_pm`."""
    return film_nm(spec, *normals(split(key, 3)[:2], [(spec.chip.rows, spec.chip.rings)] * 2))


def film_nm(
    spec: ChipSpec, thickness: Float[ndarray, "*dies rows rings"], width: Float[ndarray, "*dies rows rings"]
) -> tuple[Float[ndarray, "*dies rows rings"], Float[ndarray, "*dies rows rings"]]:
    """Thickness and width of every ring off its die's mean, in nm, from standard normal numbers; of many dies, too."""
    v = spec.variation
    return v.thickness_nm * _correlated(spec, thickness), v.width_nm * _correlated(spec, width)


def film_shift_pm(
    spec: ChipSpec, of_rings: PRNGKeyArray | Words, sites_um: Float[ndarray, "sites 2"], key: PRNGKeyArray | Words
) -> Float[ndarray, " sites"]:
    """How far the film of a die moves resonances at other places than its rings': the field that these see goes on.

    Args:
        spec: The chip.
        of_rings: The key of the die's resonances, `fabricate.resonance_key`.
        sites_um: Places x, y, counted from the ring of row 0 and channel 0.
        key: Of what the rings do not tell of those places.

    Returns:
        Shifts in pm by thickness and width, before trimming.
    """
    v, optics = spec.variation, spec.profile.optics
    thickness_key, width_key, _ = split(of_rings, 3)
    shape, length_um = (spec.chip.rows, spec.chip.rings), v.correlation_length_um
    known = []
    for at_um, there_um in zip(_sites_um(spec), (sites_um[:, 1], sites_um[:, 0]), strict=True):
        kernel = np.exp(-((at_um[:, None] - there_um[None]) ** 2) / (2.0 * length_um**2))
        known.append(np.linalg.solve(_factor(at_um, length_um), kernel))
    apart2 = ((sites_um[:, None] - sites_um[None]) ** 2).sum(-1)
    # A Gaussian field given its values at the rings: mean and covariance in closed form.
    covariance = np.exp(-apart2 / (2.0 * length_um**2)) - (known[0].T @ known[0]) * (known[1].T @ known[1])
    values, vectors = np.linalg.eigh(covariance)
    own = vectors * np.sqrt(np.maximum(values, 0.0))
    shift_pm = np.zeros(len(sites_um))
    sizes = (optics.thickness_pm_nm.value * v.thickness_nm, optics.width_pm_nm.value * v.width_nm)
    for field_key, own_key, size_pm in zip((thickness_key, width_key), split(key, 2), sizes, strict=True):
        mean = np.einsum("rs,rc,cs->s", known[0], normal(field_key, shape), known[1])
        shift_pm += size_pm * (mean + own @ normal(own_key, (len(sites_um),)))
    return shift_pm


def _correlated(spec: ChipSpec, white: Float[ndarray, "*dies rows rings"]) -> Float[ndarray, "*dies rows rings"]:
    """Unit-variance Gaussian field over the die with correlation ``exp(−d²/2ℓ²)``, sampled at the rings."""
    rows, rings = _factors(spec)
    return rows @ white @ rings.T


@cached_by_spec
def _factors(spec: ChipSpec) -> tuple[Float[ndarray, "rows rows"], Float[ndarray, "rings rings"]]:
    """The kernel is separable: one factor per direction instead of one for all pairs of rings."""
    rows, rings = (_factor(at_um, spec.variation.correlation_length_um) for at_um in _sites_um(spec))
    return rows, rings


def _sites_um(spec: ChipSpec) -> tuple[Float[ndarray, " rows"], Float[ndarray, " rings"]]:
    return np.arange(spec.chip.rows) * spec.row_pitch_um, np.arange(spec.chip.rings) * spec.ring.pitch_um


def _factor(where_um: Float[ndarray, " sites"], length_um: float) -> Float[ndarray, "sites sites"]:
    distance2 = (where_um[:, None] - where_um[None]) ** 2
    covariance = np.exp(-distance2 / (2.0 * length_um**2))
    return np.linalg.cholesky(covariance + 1e-6 * np.eye(where_um.size))
