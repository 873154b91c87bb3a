"""Netlist and device models joined into one differentiable function: the exact row solver, SAX for any netlist."""

from typing import TYPE_CHECKING, Any

from prism_photonics.extras import asked_by

with asked_by("prism_photonics.circuit"):
    from prism_photonics.circuit.designed_tm import designed_tm
    from prism_photonics.circuit.dispersion import ring_dispersion
    from prism_photonics.circuit.params import BankParams, designed_bank
    from prism_photonics.circuit.polarized import (
        PolarizedFields,
        TwoPolarizations,
        polarized_fields,
        prepare_polarized_row,
    )
    from prism_photonics.circuit.reflecting import (
        EndReflectors,
        ReflectingFields,
        RowReflections,
        end_reflectors,
        no_reflections,
        reflecting_row,
    )
    from prism_photonics.circuit.row import RowFields, bank_fields, bank_weights, row_response
    from prism_photonics.circuit.transient import Receivers, Transient, transmit, voltage_step
    from prism_photonics.lightpath.ring.backscatter import Backscatter
    from prism_photonics.lightpath.ring.dispersion import RingDispersion, dispersed

if TYPE_CHECKING:
    from prism_photonics.circuit.saxrow import sax_row_response, strict_circuit

__all__ = [
    "Backscatter",
    "BankParams",
    "EndReflectors",
    "PolarizedFields",
    "Receivers",
    "ReflectingFields",
    "RingDispersion",
    "RowFields",
    "RowReflections",
    "Transient",
    "TwoPolarizations",
    "bank_fields",
    "bank_weights",
    "designed_bank",
    "designed_tm",
    "dispersed",
    "end_reflectors",
    "no_reflections",
    "polarized_fields",
    "prepare_polarized_row",
    "reflecting_row",
    "ring_dispersion",
    "row_response",
    "sax_row_response",
    "strict_circuit",
    "transmit",
    "voltage_step",
]


def __getattr__(name: str) -> Any:
    """SAX is imported where a netlist is solved: that takes seconds, and the row solver needs none of it."""
    if name not in {"sax_row_response", "strict_circuit"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with asked_by("prism_photonics.circuit"):
        from prism_photonics.circuit import saxrow
    return getattr(saxrow, name)
