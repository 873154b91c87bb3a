"""Numbers of JAX, which have gradients, or of NumPy, which need no compiler: their type, and one loop for both."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    # Which of the two a field holds is known to who filled it, not to its class.
    Numbers = Any
else:
    from jax import Array
    from numpy import ndarray

    Numbers = Array | ndarray


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, rings: tuple[Any, ...], *, reverse: bool = False
) -> tuple[Any, Any]:
    """``jax.lax.scan`` along the first axis, as a plain loop where the arrays are NumPy's.

    Args:
        step: From what is carried and the arrays of one ring to what is carried on and a tuple of arrays to be kept.
        carry: Carried into the first step.
        rings: Arrays, all NumPy's or all JAX's, that lead with rings.
        reverse: Whether the last ring is the first.

    Returns:
        What the last step carries, and what was kept, leading with rings.
    """
    if not isinstance(rings[0], np.ndarray):
        import jax

        return jax.lax.scan(step, carry, rings, reverse=reverse)
    order = range(len(rings[0]))[:: -1 if reverse else 1]
    kept = []
    for ring in order:
        carry, found = step(carry, tuple(leaf[ring] for leaf in rings))
        kept.append(found)
    if reverse:
        kept.reverse()
    return carry, tuple(np.stack(leaves) for leaves in zip(*kept, strict=True))
