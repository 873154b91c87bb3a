"""`prepared_reflecting` in two polarisations: what a balanced pair reads, and its slopes by all rings, in two sweeps.

With a that of the light which enters a ring's ports from the entrance, and y that of the exits' own readings sent back
into the row, a change dS of a ring's scattering moves the reading T by

    dT = 2·Re(y^T·dS·a)

so all slopes of a channel cost no more than two rows. NumPy's and JAX's arrays alike.

Source: as of `prepared_reflecting`, Lorentz reciprocity; the derivative of a ring's matrices is written out by us.
"""

from typing import Any

import jax
from jaxtyping import Float

from prism_photonics.circuit.polarized import (
    PreparedPolarizedRow,
    detected_powers,
    passed_on,
    scattered,
    scattering,
    split_turns,
    swept,
    turned,
    waves,
)
from prism_photonics.lightpath.arrays import Numbers, library, power, scan
from prism_photonics.lightpath.ring.backscatter import Splitting
from prism_photonics.lightpath.ring.mixing import Coupler, HalfTurn, polarized_port_slopes


def balanced(
    row: PreparedPolarizedRow, shift_pm: Float[Numbers, "... rings"], drop_ratio: Float[Numbers, "..."]
) -> Float[Numbers, "... channels"]:
    """The transmission of `balanced_and_slopes` alone: one sweep."""
    through, drop = detected_powers(row, shift_pm)
    return through - drop_ratio[..., None] * drop


def balanced_and_slopes(
    row: PreparedPolarizedRow, shift_pm: Float[Numbers, "... rings"], drop_ratio: Float[Numbers, "..."]
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "rings ... channels"]]:
    """``T_through − ρ·T_drop`` of every channel as the photodiodes see it, and its slope by every ring's shift.

    Args:
        row: The row, or many.
        shift_pm: Resonance shift of every ring in pm, fabrication of TE included.
        drop_ratio: Responsivity of the drop photodiode over the through one.

    Returns:
        (transmission, slopes per pm).
    """
    te, xp = row.te, library(row.te.half_turn)
    half = turned(row, shift_pm)
    gamma, out, kept = swept(row, half)
    entrance, _, drop_exit, _ = te.ends
    one, zero, ratio = xp.eye(4), 0.0 * te.half_turn[0], drop_ratio[..., None]
    near = waves(*(end.inside + zero for end in (entrance, entrance, drop_exit, drop_exit)))[..., :, None]
    seen = xp.asarray([1.0, row.detected])

    def lit(sources: Any) -> Any:
        return xp.linalg.solve(one - near * gamma, sources)

    let_out = (drop_exit.passed + zero)[..., None]
    light = lit(one[:, :1] * (entrance.passed + zero)[..., None, None])
    through, drop = (out @ light)[..., 0], let_out * (gamma @ light)[..., 2:, 0]
    # What each exit reads, sent back into it: along the way out, and by the drop exit straight into the near end.
    exits = seen * through.conj()
    from_east = (exits[..., None, :] @ out)[..., 0, :]
    direct = -ratio[..., None] * let_out * seen * drop.conj()
    direct = xp.concatenate([xp.zeros_like(direct), direct], axis=-1)
    sent = lit((near[..., 0] * from_east + direct)[..., None])

    def step(carry: Any, this: Any) -> tuple[Any, Any]:
        (e, y), (half, through, drop, split, ratio, along, gamma, out) = carry, this
        e, y, v = e * along, y * along, exits[..., None, :] @ out
        ahead, echo = passed_on(gamma, *scattering(half, through, drop, split)[1:])
        v = xp.swapaxes(v, -1, -2)
        beyond, beyond_y = ahead @ e[..., None], ahead @ y[..., None] + echo @ v
        back, back_y = gamma @ beyond, gamma @ beyond_y + v
        by = HalfTurn(te=0.5j * half.te, tm=0.5j * ratio * half.tm, between=0.25j * (1.0 + ratio) * half.between)
        west, east, across = _scattering_slopes(half, by, (through, drop), split)
        # From west and east the light comes in, and by reciprocity what is read.
        over = across @ e[..., None]
        slope = y[..., None, :] @ (west @ e[..., None]) + xp.swapaxes(back_y, -1, -2) @ (east @ back + over)
        slope = slope + xp.swapaxes(across @ y[..., None], -1, -2) @ back
        return (beyond[..., 0], beyond_y[..., 0]), (2.0 * slope[..., 0, 0].real,)

    bus = waves(te.p, row.p, te.q, row.q)
    rings = (half, *row.couplers, te.split, row.tuning_ratio, bus[:-1], *kept)
    _, (by_turn,) = scan(step, (light[..., 0], sent[..., 0]), rings)
    return power(through) @ seen - ratio * (power(drop) @ seen), by_turn * te.rad_pm


def balanced_alone(
    row: PreparedPolarizedRow,
    rest_pm: Float[Numbers, "... rings"],
    swept_pm: Float[Numbers, "points ... rings"],
    drop_ratio: Float[Numbers, "..."],
) -> Float[Numbers, "points ... rings"]:
    """``T_through − ρ·T_drop`` of each ring's own channel when that ring alone is swept; the row has ring per channel.

    What lies west of the ring is one scattering matrix, what lies east of it another: a whole curve costs one ring.

    Args:
        row: The row, or many.
        rest_pm: Resonance shift of the rings that are not swept, in pm.
        swept_pm: Resonance shifts of the swept one, in pm.
        drop_ratio: Responsivity of the drop photodiode over the through one.
    """
    te, xp = row.te, library(row.te.half_turn)
    half = turned(row, rest_pm)
    _, _, (gammas, outs) = swept(row, half)
    entrance, _, drop_exit, _ = te.ends
    one, zero = xp.eye(4), 0.0 * te.half_turn[0]
    transposed = lambda matrix: xp.swapaxes(matrix, -1, -2)  # noqa: E731

    def before(carry: Any, this: Any) -> tuple[Any, Any]:
        (west, lit, by_drop, direct), (half, through, drop, split, along) = carry, this
        west, lit = west * along[..., :, None] * along[..., None, :], lit * along[..., None]
        by_drop = by_drop * along[..., None, :]
        near, far, across = scattering(half, through, drop, split)
        # What runs eastward into the ring, of the light and of unit waves that come from behind it.
        entering = xp.linalg.solve(one - west @ near, xp.concatenate([lit, west @ transposed(across)], axis=-1))
        light, echoed = entering[..., :1], entering[..., 1:]
        after = (
            far + across @ echoed,
            across @ light,
            by_drop @ (transposed(across) + near @ echoed),
            direct + by_drop @ (near @ light),
        )
        return after, (west, lit, by_drop, direct)

    start = (
        one * waves(*(end.inside + zero for end in (entrance, entrance, drop_exit, drop_exit)))[..., None, :],
        one[:, :1] * (entrance.passed + zero)[..., None, None],
        one[2:] * (drop_exit.passed + zero)[..., None, None],
        zero[..., None, None] + xp.zeros((2, 1)),
    )
    bus = waves(te.p, row.p, te.q, row.q)
    rings = (half, *row.couplers, te.split, bus[:-1])
    _, kept = scan(before, start, rings)
    # Each ring at its own channel.
    last = lambda leaf: xp.moveaxis(leaf[..., 0], 0, -1)  # noqa: E731

    own = lambda leaf: xp.diagonal(leaf, axis1=0, axis2=-1)  # noqa: E731
    matrix = lambda leaf: xp.moveaxis(xp.diagonal(leaf, axis1=0, axis2=-3), -1, -3)  # noqa: E731
    west, lit, by_drop, direct, gamma, out = (matrix(leaf) for leaf in (*kept, gammas, outs))
    if row.mixing is None:
        t1, s1, t2, s2 = (own(xp.broadcast_to(t, half.te.shape)) for t in (te.t1, row.tm[0], te.t2, row.tm[1]))
        through, drop = (t1, s1), (t2, s2)
    else:
        whole = (*half.te.shape, 2, 2)
        through, drop = (Coupler(*(matrix(xp.broadcast_to(m, whole)) for m in part)) for part in row.mixing)
    at_rest = HalfTurn(*(own(part) for part in row.half))
    swept_half = at_rest.turned(last(te.rad_pm) * swept_pm, last(row.tuning_ratio))
    near, far, across = scattering(swept_half, through, drop, jax.tree.map(last, te.split))
    ahead, _ = passed_on(gamma, far, across)
    back = near + transposed(across) @ gamma @ ahead
    light = xp.linalg.solve(one - west @ back, lit)
    seen = xp.asarray([1.0, row.detected])
    through, drop = out @ ahead @ light, direct + by_drop @ back @ light
    return power(through[..., 0]) @ seen - drop_ratio[..., None] * (power(drop[..., 0]) @ seen)


def _scattering_slopes(half: HalfTurn, by: HalfTurn, couplers: tuple[Any, Any], split: Splitting) -> tuple[Any, ...]:
    """Slopes of `scattering` by a number, from those ``by`` it of half a turn's entries."""
    ((up, down), apart), ((by_up, by_down), _) = split_turns(half, split), split_turns(by, split)
    return scattered(
        polarized_port_slopes(up, by_up, *couplers), polarized_port_slopes(down, by_down, *couplers), split, apart
    )
