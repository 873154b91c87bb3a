"""Losses that a spec does not tell by a number: of a part given by file, and what the film's own measurements say."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import ValidationError

from prism_photonics.process.parts import load_parts
from prism_photonics.process.profile import load_profile
from prism_photonics.spec.comb import MOST_WL_NM, first_THz, lines_of
from prism_photonics.spec.parts import SLOTS, bound_part, loss_dB
from prism_photonics.spec.tables import ChipTable, CombTable
from prism_photonics.units import SPEED_OF_LIGHT_UM_S


def with_losses(data: Any) -> Any:
    """A spec's content with the losses that it leaves out.

    A part with scattering parameters of its own loses what these say at the worst line; a table's own number gives way.
    Without any, a splitter loses what its film's simulated one does at the worst line, a guide what was measured.

    Raises:
        InputError: A part's file is refused, or a line lies where no simulation was made.
    """
    if not isinstance(data, dict) or not isinstance(process := data.get("process"), str):
        return data
    guide, splitter = data.get("waveguide"), data.get("splitter", {})
    if isinstance(guide, dict) and "loss_dB_cm" not in guide:
        data = {**data, "waveguide": {**guide, "loss_dB_cm": load_profile(process).optics.loss_dB_cm.value}}
    for table, slot in SLOTS.items():
        keys = data.get(table)
        if isinstance(keys, dict) and isinstance(path := keys.get("sparameters"), str):
            on_fault = "project" if keys.get("on_fault") == "project" else "refuse"
            part, wl_um = bound_part(path, table, on_fault), _lines_um(data)
            data = {**data, table: {**keys, slot.loss: loss_dB(part, table, wl_um) if wl_um.size else 0.0}}
            splitter = data.get("splitter", {})
    if isinstance(splitter, dict) and "excess_loss_dB" not in splitter and data.get("pdk") is None:
        simulated = load_parts(process)
        worst_dB = max((simulated.splitter_loss_dB(wl) for wl in _lines_um(data).tolist()), default=0.0)
        data = {**data, "splitter": {**splitter, "excess_loss_dB": worst_dB}}
    return data


def _lines_um(data: dict[str, Any]) -> Float[ndarray, " lines"]:
    """The comb's lines; none of a comb that cannot be, which the tables and the chip tell of themselves."""
    try:
        comb, chip = CombTable.model_validate(data.get("comb")), ChipTable.model_validate(data.get("chip"))
    except ValidationError:
        return np.zeros(0)
    if comb.spacing_GHz is not None:
        lowest_THz = first_THz(comb) - comb.spacing_GHz * (chip.channels - 1) * 1e-3
        if lowest_THz < SPEED_OF_LIGHT_UM_S / MOST_WL_NM * 1e-9:
            return np.zeros(0)
    wl_um = np.asarray(lines_of(comb, chip).wl_um)
    return wl_um if 1e3 * wl_um[-1] <= MOST_WL_NM else np.zeros(0)
