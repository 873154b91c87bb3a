"""Netlist and device models joined into one differentiable function: the exact row solver, SAX for any netlist."""

from prism_photonics.extras import asked_by

with asked_by("prism_photonics.circuit"):
    from prism_photonics.circuit.params import BankParams, designed_bank
    from prism_photonics.circuit.row import RowFields, bank_fields, bank_weights, row_response
    from prism_photonics.circuit.saxrow import sax_row_response, strict_circuit

__all__ = [
    "BankParams",
    "RowFields",
    "bank_fields",
    "bank_weights",
    "designed_bank",
    "row_response",
    "sax_row_response",
    "strict_circuit",
]
