"""Capacitance of a ring's channel as drawn, what neighbours couple, and heat across the die, by fields of elements.

    python benchmarks/electrode_capacitance.py [--json]

For two chips: what `spec.channels` expects of electrodes, straps, wires and pads (the film's table, `process.metal`),
beside the same solved here on the lengths of the drawing's manifest. Then what a voltage does to other rings by its
field, and heat against distance, by elements round the heater beside the closed form.
"""

import csv
import json
import os
import platform
import sys
import tempfile
from typing import Any

import numpy as np
from scipy.special import ellipk

from prism_photonics.layout.capacitance import EPSILON_0_FF_UM, NEAR_UM, electrodes_fF_um, square_fF, track_fF_um
from prism_photonics.layout.electrical import wiring
from prism_photonics.layout.heat_spread import spread
from prism_photonics.layout.write import write
from prism_photonics.process.layers import load_deck
from prism_photonics.process.materials import SILICA_STATIC
from prism_photonics.process.metal import load_metal
from prism_photonics.process.profile import profile_names
from prism_photonics.spec import load_spec
from prism_photonics.spec.channels import STRAP_UM, channel, ring_fF, strap_um
from prism_photonics.spec.floorplan import PAD_UM, plan
from prism_photonics.spec.neighbours import field_share, wire_share

CHIPS = ("demo_8x8", "lnoi400_8x8")
AWAY_UM = (20.0, 40.0, 65.0, 130.0, 205.0, 400.0)


def chip(name: str) -> dict[str, Any]:
    """What one channel of a driver sees, part by part, expected and drawn."""
    spec = load_spec(name)
    deck, tracks, ring = load_deck(spec.process), plan(spec).tracks, spec.ring_designs[0]
    per_um, coarse = (electrodes_fF_um(spec, near_um=near_um) for near_um in (NEAR_UM, 2.0 * NEAR_UM))
    track, neighbour = track_fF_um(deck, width_um=tracks.signal_um, space_um=tracks.space_um)
    strap, _ = track_fF_um(deck, width_um=STRAP_UM, space_um=30.0)
    with tempfile.TemporaryDirectory() as folder:
        lines = list(csv.DictReader(write(spec, folder).manifest.read_text(encoding="utf-8").splitlines()))
    rings = {line["pad"]: (float(line["x_um"]), float(line["y_um"])) for line in lines if line["kind"] == "ring"}
    pads = {
        line["pad"]: (float(line["pad_x_um"]), float(line["pad_y_um"]))
        for line in lines
        if line["pad"] and line["kind"] != "probe"
    }
    wires_um = np.array([abs(x - pads[pad][0]) + abs(y - pads[pad][1]) for pad, (x, y) in rings.items()])
    fixed = per_um * ring.lobes_um + strap * strap_um(spec) + square_fF(deck, side_um=PAD_UM)
    expected, found = channel(spec), wiring(spec, deck, rings, pads)
    gap, width = ring.electrode_gap_um, ring.electrode_width_um
    k = gap / (gap + 2.0 * width)
    return {
        "chip": name,
        "electrodes_fF_um": round(per_um, 4),
        "electrodes_fF_um_at_twice_the_step": round(coarse, 4),
        "coplanar_strips_in_oxide_fF_um": round(
            float(EPSILON_0_FF_UM * SILICA_STATIC * ellipk(1.0 - k**2) / ellipk(k**2)), 4
        ),
        "track_fF_um": round(track, 4),
        "to_one_neighbour_fF_um": round(neighbour, 4),
        "parts_fF": {
            "electrodes": round(expected.electrodes_fF, 1),
            "strap": round(expected.strap_fF, 1),
            "pad": round(expected.pad_fF, 1),
            "wire_least": round(float(expected.wire_fF.min()), 1),
            "wire_mean": round(float(expected.wire_fF.mean()), 1),
            "wire_most": round(float(expected.wire_fF.max()), 1),
        },
        "ring_fF": round(ring_fF(spec), 1),
        "ring_fF_most": round(float(expected.all_fF.max()), 1),
        "drawn_ring_fF": round(float(fixed + track * wires_um.mean()), 1),
        "drawn_ring_fF_most": round(float(fixed + track * wires_um.max()), 1),
        "farthest": {
            "ohm": round(found.signal_ohm, 2),
            "electrodes_ohm": round(found.electrodes_ohm, 4),
            "bandwidth_GHz": round(found.bandwidth_Hz * 1e-9, 1),
            "settling_ps": round(found.settling_s * 1e12, 2),
            "driver_kohm": round(found.driver_ohm * 1e-3, 1),
            "neighbour_share": round(found.neighbour_share, 3),
        },
        "next_ring_share": float(f"{field_share(spec):.3g}"),
        "wire_share": float(f"{wire_share(spec):.3g}"),
        "crosstalk_relative_of_the_spec": spec.variation.crosstalk_relative,
    }


def film(name: str) -> dict[str, Any]:
    """Of a film's table what the page on the drawing quotes, and heat against distance."""
    table, deck = load_metal(name).file, load_deck(name)
    heater = deck.stack["heater"]
    at = {"source_um": 10.0, "buried_um": deck.buried_um, "over_um": heater.bottom_um + heater.thickness_um}
    found, finer = (spread(np.array(AWAY_UM), **at, fine_um=fine_um) for fine_um in (0.5, 0.25))
    return {
        "film": name,
        "tracks": {
            "width_um": 6.0,
            "space_um": table.tracks.space_um,
            "neighbour_share": [
                round(one / whole, 4)
                for one, whole in zip(table.tracks.neighbour_fF_um[2], table.tracks.fF_um[2], strict=True)
            ],
        },
        "rings": {
            "apart_um": table.neighbours.apart_um,
            "share": [max(pair) for pair in zip(table.neighbours.share, table.neighbours.share_back, strict=True)],
            "wires_beside": table.neighbours.track_share,
        },
        "heat": {
            "away_um": AWAY_UM,
            "film_K_mW": [float(f"{rise:.4g}") for rise in found.film_K_mW],
            "closed_K_mW": [float(f"{rise:.4g}") for rise in found.closed_K_mW],
            "over_closed": [round(float(ratio), 4) for ratio in found.film_K_mW / found.closed_K_mW],
            "half_the_step": [round(float(ratio), 5) for ratio in finer.film_K_mW / found.film_K_mW],
        },
    }


def main() -> None:
    """Solve and print."""
    result = {
        "chips": [chip(name) for name in CHIPS],
        "films": [film(name) for name in profile_names()],
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
