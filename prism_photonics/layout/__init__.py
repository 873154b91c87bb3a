"""Netlist and cells to GDS, and back: drawing, routing, extraction, and the proofs that the drawing is the design.

Import the modules directly; they load gdsfactory, which takes seconds.
"""
