"""Signatures less their common vector, so that the rest uses the whole weight range of the chip.

A vector c that is added to all signatures adds ``q·c`` to all scores of a query: neither a ranking nor softmax sees it.
Written on the chip it would eat the range: keys of real models share vectors many times their spread (a bias of norm
605 in the first layer of Qwen2.5-7B). So the mean is taken off before writing, and its share of the scores, one dot
product per query, is added after reading. A score is linear in its signature whatever that holds, so this is exact for
mean keys as for bounds, whose halves (max, -min) have a mean each.
"""

from typing import Any

from jaxtyping import Float


def centred(
    signatures: Float[Any, "*banks_blocks_halves dims"], *, axis: int = 0
) -> tuple[Float[Any, "*banks_blocks_halves dims"], Float[Any, "*banks_halves dims"]]:
    """Signatures less their mean, and the mean.

    Rounding is that of the signatures' spread, not of what they share: the first signature is taken off before the
    mean of the rest is formed. Signatures that are all equal leave exact zeros in every array library.

    Args:
        signatures: Finite numbers of single or double precision, any unit; NumPy, JAX or torch.
        axis: The axis of the blocks; banks of their own come before it.

    Returns:
        What is left, and the centre without the blocks' axis: ``left + centre`` are the signatures.
    """
    before = (slice(None),) * axis
    first = signatures[(*before, 0)]
    spread = signatures - first[(*before, None)]
    mean = spread.mean(axis)
    return spread - mean[(*before, None)], first + mean


def centre_score(
    query: Float[Any, "*batch dims"], centre: Float[Any, "*banks_halves dims"], *, halves: bool
) -> Float[Any, "*batch 1"]:
    """Score of the centre itself, which every score of a query contains: ``q·c``, or ``q⁺·c⁺ + q⁻·c⁻`` with halves.

    Args:
        query: Queries, any unit.
        centre: The vector that `centred` subtracted; broadcasts against the queries.
        halves: Whether an axis of two, for the positive and the negative half of a query, comes before the dimensions.
    """
    if not halves:
        return (query * centre).sum(-1)[..., None]
    magnitude = abs(query)
    positive, negative = (magnitude + query) / 2.0, (magnitude - query) / 2.0
    return (positive * centre[..., 0, :] + negative * centre[..., 1, :]).sum(-1)[..., None]
