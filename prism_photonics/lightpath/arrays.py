"""Numbers of JAX, which have gradients, or of NumPy, which need no compiler: their type, and what serves both."""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    # Which of the two a field holds is known to who filled it, not to its class.
    Numbers = Any
else:
    from jax import Array
    from numpy import ndarray

    Numbers = Array | ndarray


def library(*numbers: Any) -> ModuleType:
    """The library that computes with some numbers: JAX where one of them is JAX's or traced, NumPy where none is.

    What NumPy computes needs no compiler: for a row, or a bank at one setting, that takes longer than the arithmetic.
    """
    plain = all(isinstance(number, (np.ndarray, np.generic, float, int)) for number in numbers)
    return np if plain else jnp


_STRUCTURES: dict[tuple[type, Any], Any] = {}


def module_of[T](of: type[T], *parts: Any) -> T:
    """A module of these fields, in their order; for what is built many times a second.

    Equinox takes 0.13 ms to build a module, and a tenth of that to put arrays into a structure that is known.
    """
    leaves, inside = jax.tree.flatten(parts)
    known = _STRUCTURES.get((of, inside))
    if known is None:
        whole = of(*parts)
        _STRUCTURES[of, inside] = jax.tree.structure(whole)
        return whole
    return known.unflatten(leaves)


def power(field: Any) -> Any:
    """|E|² of a complex field, without the root that an absolute value takes."""
    return field.real**2 + field.imag**2


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, rings: Any, *, reverse: bool = False
) -> tuple[Any, Any]:
    """``jax.lax.scan`` along the first axis, as a plain loop where the arrays are NumPy's.

    Args:
        step: From what is carried and the arrays of one ring to what is carried on and a tuple of arrays to be kept.
        carry: Carried into the first step.
        rings: Arrays, all NumPy's or all JAX's, that lead with rings; also in tuples or modules.
        reverse: Whether the last ring is the first.

    Returns:
        What the last step carries, and what was kept, leading with rings.
    """
    leaves, tree = jax.tree.flatten(rings)
    if library(*leaves) is not np:
        return jax.lax.scan(step, carry, rings, reverse=reverse)
    order = range(len(leaves[0]))[:: -1 if reverse else 1]
    kept = []
    for ring in order:
        carry, found = step(carry, tree.unflatten(leaf[ring] for leaf in leaves))
        kept.append(found)
    if reverse:
        kept.reverse()
    return carry, tuple(np.stack(each) for each in zip(*kept, strict=True))
