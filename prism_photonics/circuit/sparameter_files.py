"""Files of scattering parameters: read, and written as Touchstone by scikit-rf."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.circuit.sparameters import SParameters, sampled
from prism_photonics.extras import load
from prism_photonics.files.write import write_text
from prism_photonics.lightpath.sparameter_files import TOUCHSTONE, read_sparameters
from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError

__all__ = ["read_sparameters", "write_touchstone"]


def write_touchstone(
    part: SParameters | Callable[..., Any],
    path: Path | str,
    *,
    wl_um: Float[ndarray, " wl"] | None = None,
    **settings: Any,
) -> Path:
    """Write scattering parameters as Touchstone, as other circuit simulators read them: ``exp(+jωt)``, GHz, re and im.

    Args:
        part: The parameters, or a SAX model (a device's of the PDK, or a circuit, such as a row's).
        path: The file, named for its ports (``ring.s4p``).
        wl_um: Wavelengths of a model, ascending.
        settings: Of a model.

    Returns:
        The file.

    Raises:
        InputError: The name's number of ports is not the part's, or the place cannot be written.
        MissingExtraError: scikit-rf is not installed.
    """
    path = Path(path)
    if not isinstance(part, SParameters):
        if wl_um is None:
            raise InputError(f"{path}: a model is given without wavelengths; give wl_um")
        part = sampled(part, np.asarray(wl_um, dtype=float), **settings)
    elif wl_um is not None or settings:
        raise InputError(f"{path}: wavelengths and settings are a model's, parameters have theirs; leave them out")
    count = len(part.ports)
    if not (found := TOUCHSTONE.search(path.name)) or int(found[1]) != count:
        raise InputError(f"{path}: the part has {count} ports; name the file .s{count}p")
    skrf = load("skrf", what=f"{path} (Touchstone)")
    # Frequencies ascend in Touchstone.
    frequency = skrf.Frequency.from_f(SPEED_OF_LIGHT_UM_S / part.wl_um[::-1] / 1e9, unit="GHz")
    network = skrf.Network(frequency=frequency, s=part.s[::-1].conj(), z0=50.0, name=path.stem)
    network.comments = f" {part.source}: ports {', '.join(part.ports)}; exp(+jwt)"
    written = network.write_touchstone(
        path.name,
        return_string=True,
        form="ri",
        format_spec_A="{:.16g}",
        format_spec_B="{:.16g}",
        format_spec_freq="{:.16g}",
    )
    write_text(path, written)
    return path
