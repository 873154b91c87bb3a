"""Netlist and cells to GDS, and back: drawing, routing, extraction, and the proofs that the drawing is the design.

Import the modules directly; they load gdsfactory, which takes seconds.
"""

from prism_photonics.extras import require

require("gdsfactory", "klayout", what="prism_photonics.layout")
