"""Capacitance of a ring's electrodes, of its wire and of its pad, by 2-D static fields, and what neighbours couple.

    python benchmarks/electrode_capacitance.py [--json]

`layout.capacitance` on the metal of two chips. A wire's length is that from its ring to its pad along x and y, by the
manifest; a pad is a strip as wide as a pad, over its length. Compared with ``system.ring_fF`` of the spec.
"""

import csv
import json
import math
import os
import platform
import sys
import tempfile
from typing import Any

import numpy as np

from prism_photonics.layout.capacitance import NEAR_UM, electrodes_fF_um, track_fF_um
from prism_photonics.layout.floorplan import PAD_UM, SPACE_UM, WIRE_UM
from prism_photonics.layout.write import write
from prism_photonics.process.layers import load_deck
from prism_photonics.spec import load_spec

CHIPS = ("demo_8x8", "lnoi400_8x8")


def ring_fF(name: str) -> dict[str, Any]:
    """What one channel of a driver sees, part by part."""
    spec = load_spec(name)
    deck = load_deck(spec.process)
    per_um, coarse = (electrodes_fF_um(spec, near_um=near_um) for near_um in (NEAR_UM, 2.0 * NEAR_UM))
    length_um = 4.0 * math.radians(spec.ring.lobe_half_angle_deg) * spec.ring.radius_um
    track, neighbour = track_fF_um(deck, width_um=WIRE_UM, space_um=SPACE_UM)
    pad, _ = track_fF_um(deck, width_um=PAD_UM, space_um=PAD_UM)
    with tempfile.TemporaryDirectory() as folder:
        lines = csv.DictReader(write(spec, folder).manifest.read_text(encoding="utf-8").splitlines())
        wires_um = [
            abs(float(line["pad_x_um"]) - float(line["x_um"])) + abs(float(line["pad_y_um"]) - float(line["y_um"]))
            for line in lines
            if line["kind"] == "ring"
        ]
    parts = {"electrodes": per_um * length_um, "pad": pad * PAD_UM}
    wires = track * np.array(wires_um)
    return {
        "chip": name,
        "electrodes_fF_um": round(per_um, 4),
        "electrodes_fF_um_at_twice_the_step": round(coarse, 4),
        "track_fF_um": round(track, 4),
        "to_one_neighbour_fF_um": round(neighbour, 4),
        "crosstalk_of_a_floating_track": round(neighbour / track, 3),
        "electrodes_fF": round(parts["electrodes"], 1),
        "pad_fF": round(parts["pad"], 1),
        "wire_fF": {"least": round(wires.min(), 1), "mean": round(wires.mean(), 1), "most": round(wires.max(), 1)},
        "ring_fF": round(sum(parts.values()) + wires.mean(), 1),
        "ring_fF_most": round(sum(parts.values()) + wires.max(), 1),
        "spec_ring_fF": spec.system.ring_fF,
    }


def main() -> None:
    """Solve and print."""
    found = [ring_fF(name) for name in CHIPS]
    result = {"chips": found, "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only"}
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
