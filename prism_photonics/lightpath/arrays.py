"""The type of a field that may hold JAX's arrays, which have gradients, or NumPy's, which need no compiler."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Which of the two a field holds is known to who filled it, not to its class.
    Numbers = Any
else:
    from jax import Array
    from numpy import ndarray

    Numbers = Array | ndarray
