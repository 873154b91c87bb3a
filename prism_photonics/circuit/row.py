"""The exact coherent row: rings and bus phases as a chain of two-ports, solved from the far end.

Dropped light runs against the input, so two rings and the two buses between them form a cavity. Let ρ_j be the ratio of
the field leaving ring j westward on the drop bus to the field entering it eastward on the through bus. Nothing enters
from the far end; with bus transmissions p (through) and q (drop) behind ring j and Γ = p·q·ρ_{j+1}:

    f_j = th_j / (1 − dr_j·Γ)          the field that leaves ring j eastward, per unit input
    ρ_j = dr_j + th'_j·Γ·f_j

A ring's numerators over its denominator D (`RingTerms`: N, K and the determinant M) leave one division for both:

    f_j = N / (D − K·Γ)
    ρ_j = (K + M·Γ) / (D − K·Γ)

The through field is Π p·f, the drop field q_0·ρ_1·p_0. O(d) per wavelength, and differentiable.
"""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Complex, Float

from prism_photonics.circuit.params import BankParams
from prism_photonics.circuit.reflecting import RowReflections, reflecting_row
from prism_photonics.lightpath.arrays import Numbers, library, scan
from prism_photonics.lightpath.ring.model import RingParams, reciprocal, resonance_shift_pm, ring_terms
from prism_photonics.lightpath.waveguide.model import PathParams, phase_rad, transmission, unit_phasor


class RowFields(eqx.Module):
    """Fields at a row's two exits for unit field at its entrance."""

    through: Complex[Numbers, "..."]
    drop: Complex[Numbers, "..."]


def row_response(
    wl: Float[Numbers, "... wl"],
    rings: RingParams,
    buses: PathParams,
    shift_pm: Float[Numbers, "... rings"],
    *,
    reflections: RowReflections | None = None,
) -> RowFields:
    """Exact through and drop fields of one row, or of many.

    NumPy's numbers alone give NumPy's, at once; one of JAX's among them gives JAX's, to compile and to differentiate.

    Args:
        wl: Wavelengths in µm.
        rings: Ring optics, leaves (..., rings).
        buses: Bus segments, leaves (..., 2, rings + 1); see `BankParams`.
        shift_pm: Resonance shift of each ring in pm (fabrication and voltage together).
        reflections: What sends light back, by `reflecting_row`; without it, light runs one way on each bus.

    Returns:
        Fields of shape (..., wl).
    """
    if reflections is not None:
        fields = reflecting_row(wl, rings, buses, shift_pm=shift_pm, reflections=reflections)
        return RowFields(fields.through, fields.drop)
    xp = library(*jax.tree.leaves((wl, rings, buses, shift_pm)))
    # Rings lead, wavelengths come last.
    ring_leaves, segments, shifts = jax.tree.map(
        lambda leaf: xp.moveaxis(xp.asarray(leaf), -1, 0)[..., None], (rings, buses, shift_pm)
    )

    def along(segment):
        # Amplitude of the through bus and of both, phases of each, up to the next ring.
        turned = phase_rad(wl[..., None, :], segment)
        return segment.amplitude[..., 0, :], xp.prod(segment.amplitude, axis=-2), turned[..., 0, :], turned[..., 1, :]

    def step(carry, this):
        rho, through, through_rad = carry
        ring_params, shift, segment = this
        # Computed inside the loop, a ring's fields never leave the cache: faster than one large array of them all.
        ring = ring_terms(wl, ring_params, shift)
        p, p_q, p_rad, q_rad = along(segment)
        gamma = p_q * unit_phasor(p_rad + q_rad) * rho
        share = reciprocal(ring.denominator - ring.drop * gamma)
        rho = (ring.drop + ring.determinant * gamma) * share
        # The through bus's phases only add up: one phasor at the end serves them all.
        return (rho, through * (ring.through * share) * p, through_rad + p_rad), ()

    shape = np.broadcast_shapes(wl.shape, *(leaf.shape[1:] for leaf in jax.tree.leaves((ring_leaves, shifts))))
    zero = xp.zeros(shape, dtype=wl.dtype)
    nothing = (zero.astype(complex), xp.ones_like(zero, dtype=complex), zero)
    behind = jax.tree.map(lambda leaf: leaf[1:], segments)
    (rho, through, through_rad), _ = scan(step, nothing, (ring_leaves, shifts, behind), reverse=True)
    p, p_q, p_rad, q_rad = along(jax.tree.map(lambda leaf: leaf[0], segments))
    return RowFields(
        through=p * unit_phasor(through_rad + p_rad) * through,
        drop=p_q * unit_phasor(p_rad + q_rad) * rho,
    )


def bank_powers(
    bank: BankParams, volts: Float[Numbers, "rows rings"]
) -> tuple[Float[Numbers, "rows rings"], Float[Numbers, "rows rings"]]:
    """Power transmissions (through, drop) of every channel in every row, from the bus's entrance to its detector.

    Args:
        bank: The bank.
        volts: Voltage of every ring of a row in V, bus by bus.

    Returns:
        Transmissions, one of each channel of a row, bus by bus.
    """
    return bank_powers_shifted(bank, resonance_shift_pm(bank.rings, volts.reshape(bank.shape)))


def bank_powers_shifted(
    bank: BankParams, shift_pm: Float[Numbers, "rows buses channels"]
) -> tuple[Float[Numbers, "rows rings"], Float[Numbers, "rows rings"]]:
    """`bank_powers` with every ring's resonance shift given in pm."""
    fields = row_response(bank.wl_um, bank.rings, bank.buses, shift_pm, reflections=bank.reflections)
    through, drop = (abs(field) ** 2 for field in (fields.through, fields.drop))
    return through.reshape(bank.shape[0], -1), drop.reshape(bank.shape[0], -1)


def bank_weights(bank: BankParams, volts: Float[Numbers, "rows rings"]) -> Float[Numbers, "rows rings"]:
    """Weights ``w = T_through − T_drop`` of a bank at ring voltages in V, dimensionless in [−1, 1]."""
    through, drop = bank_powers(bank, volts)
    return through - drop


def bank_fields(bank: BankParams, wl: Float[Numbers, " wl"], volts: Float[Numbers, "rows rings"]) -> RowFields:
    """Complex fields at the exits of every bus for unit field in its fibre, leaves (rows, buses, wl)."""
    shift_pm = resonance_shift_pm(bank.rings, volts.reshape(bank.shape))
    fields = row_response(wl, bank.rings, bank.buses, shift_pm, reflections=bank.reflections)
    arriving = transmission(wl, jax.tree.map(lambda leaf: leaf[..., None], bank.feed))
    return RowFields(arriving * fields.through, arriving * fields.drop)
