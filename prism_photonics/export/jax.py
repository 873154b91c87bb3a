"""A bundle as the JAX model that it was written from: differentiable, for training through the chip."""

import os

import jax.numpy as jnp

from prism_photonics.behavior.model import BehavioralModel
from prism_photonics.export import schema
from prism_photonics.export.read import Bundle, load


def load_jax(bundle: Bundle | str | os.PathLike[str]) -> BehavioralModel:
    """The behavioral model of a bundle, ready for ``jax.jit`` and ``jax.grad``.

    Args:
        bundle: A bundle that was read, or its folder.

    Returns:
        The model that was written, bit for bit.

    Raises:
        InputError: The folder is refused, see ``export.read.load``.
    """
    found = bundle if isinstance(bundle, Bundle) else load(bundle)
    return BehavioralModel(
        **{name: jnp.asarray(getattr(found, name)) for name in schema.TENSORS},
        report=dict(found.report),
        rows=found.rows,
        channels=found.channels,
        dac_bits=found.dac_bits,
        adc_bits=found.adc_bits,
        encoding=found.encoding,
        spec_hash=found.spec_hash,
    )
