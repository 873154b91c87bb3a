"""Netlist and device models joined into one differentiable function: the exact row solver, and SAX for any netlist."""
