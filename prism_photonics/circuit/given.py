"""The feed of a chip whose coupler or splitter others have simulated or measured: solved exactly, with what reflects.

Parts of ours are ideal: matched, alike at all wavelengths. With a spec's ``sparameters`` every splitter of the tree, or
every coupler, is the given one, and the light that couplers and splitters send back to each other is part of what
reaches a row, line by line.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.circuit.feed import Feed
from prism_photonics.circuit.models import Model, device_models
from prism_photonics.circuit.sparameters import sax_model
from prism_photonics.netlist import from_spec
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import InputError


def given_models(spec: ChipSpec) -> dict[str, Model]:
    """SAX models of the parts that the spec binds, by component name."""
    return {component: sax_model(part) for component, part in spec.given_parts.items()}


def feed_power(spec: ChipSpec, parts: Mapping[str, Model]) -> Float[ndarray, "rows buses channels"]:
    """Power of every line at every row's entrance for unit power in its bus's fibre, reflections included.

    Args:
        spec: The chip.
        parts: Models in place of ours, by component name; they take the wavelength alone.

    Raises:
        InputError: A row stays dark.
    """
    netlist, wl_um = from_spec(spec), np.asarray(spec.comb_design.wl_um)
    feed = Feed(netlist, device_models(spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm), wl_um, parts=parts)
    found = []
    for bank in netlist.banks:
        fields: dict[str, Any] = feed.to_rows(bank)
        rows = [f"row_{n}" for n in range(spec.chip.rows)]
        for row in rows:
            if not np.all(fields.get(row, 0.0)):
                raise InputError(
                    f"{bank}, {row}: the parts send no light there, want some at every line; mend their files"
                )
        found.append([np.abs(np.broadcast_to(fields[row], wl_um.shape)) ** 2 for row in rows])
    return np.moveaxis(np.array(found), 0, 1)


@cached_by_spec
def feed_change(spec: ChipSpec) -> Float[ndarray, "rows buses channels"]:
    """What the spec's given parts make of the power at each row's entrance, line by line, over the design's broad one.

    The design counts each part's loss at its worst line (`prism_photonics.spec.parts`).
    """
    return feed_power(spec, given_models(spec)) / feed_power(spec, {})
