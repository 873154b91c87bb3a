"""SAX models of parts that others have simulated or measured, and the scattering parameters of any SAX model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.circuit.models import Model
from prism_photonics.lightpath.sparameters import SParameters, interpolated, require_physical
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError

__all__ = ["SParameters", "require_physical", "sampled", "sax_model"]


def sampled(model: Callable[..., Any], wl_um: Float[ndarray, " wl"], *, name: str = "", **settings: Any) -> SParameters:
    """Scattering parameters of a SAX model, ours or another kit's, at wavelengths in µm, ascending.

    Raises:
        InputError: The model raises, such as where its data file is missing, or what it returns has no such shape.
    """
    said = name or getattr(model, "__name__", "model")
    wl_um = np.asarray(wl_um, dtype=float)
    try:
        s, at = sax.sdense(model(wl=wl_um, **settings))
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{said}: its data file {error.filename} is missing; give its parameters by file") from None
    except Exception as error:
        raise InputError(f"{said}: the model raises {type(error).__name__}: {error}; mend it") from None
    ports = tuple(sorted(at))
    order = np.array([at[port] for port in ports])
    whole = np.broadcast_to(np.asarray(s), (len(wl_um), *np.shape(s)[-2:]))
    return SParameters(said, ports, wl_um, np.asarray(whole[:, order][:, :, order], dtype=complex))


def sax_model(given: SParameters) -> Model:
    """A SAX model of the part, reflections included, for circuits and for the PDK's ``models``.

    Outside the parameters' wavelengths it raises `InputError`; traced by JAX, it gives NaN there.

    Raises:
        InputError: The parameters break a law (`require_physical`).
    """
    kept = require_physical(given)
    between = interpolated(kept, jnp)

    def part(*, wl: sax.FloatArrayLike = 1.55) -> sax.SDict:
        """Scattering parameters by wavelength in µm."""
        if not isinstance(wl, Tracer):
            _require_within(kept, wl)
        s = between(jnp.asarray(wl, dtype=float))
        return {(b, a): s[..., i, j] for i, b in enumerate(kept.ports) for j, a in enumerate(kept.ports)}

    part.__name__ = part.__qualname__ = Path(kept.source).stem or "part"
    return part


def _require_within(kept: SParameters, wl: Any) -> None:
    asked, low, high = np.asarray(wl, dtype=float), float(kept.wl_um[0]), float(kept.wl_um[-1])
    if asked.size and not (low - 1e-9 <= asked.min() and asked.max() <= high + 1e-9):
        span = f"{asked.min():g}" if asked.size == 1 else f"{asked.min():g} to {asked.max():g}"
        raise InputError(
            f"{kept.source}: wl = {span} µm; its parameters are known from {low:g} to {high:g}; export it wider"
        )
