"""``python -m prism_photonics.layout.metal_tables NAME``: solve the fields of a film's metal, write its table."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prism_photonics.layout.capacitance import (
    ABOVE_UM,
    BESIDE_UM,
    FAR_UM,
    GROWTH,
    NEAR_UM,
    Pair,
    Rib,
    Strip,
    field_shares,
    maxwell_fF_um,
    square_fF,
    track_fF_um,
)
from prism_photonics.layout.heater_field import cross_section
from prism_photonics.lightpath.defaults import HEATER_UM
from prism_photonics.process import metal as reader
from prism_photonics.process.layers import METAL1_TO_RIB_UM, Deck, load_deck
from prism_photonics.process.profile import Profile, load_profile, profile_names
from prism_photonics.process.solver.__main__ import lines

FOLDER = Path(reader.__file__).resolve().parent / "metal_tables"
# From what the rules' 2 µm between metal and rib leave to what a spec may ask for.
GAP_UM = (4.5, 5.5, 7.0, 10.0, 20.0, 50.0)
ELECTRODE_UM = (2.0, 4.0, 8.0, 20.0, 100.0)
TRACK_UM = (3.0, 4.0, 6.0, 10.0)
SPACE_UM = (3.0, 4.0, 6.0, 10.0, 30.0)
SIDE_UM = (30.0, 50.0, 70.0, 100.0)
APART_UM = (2.5, 5.0, 12.0, 30.0, 66.0, 150.0)
ELECTRODE_WIDTH_UM = 8.0
LEAST_COARSE_UM = 1.0  # rib down to which elements of `NEAR_UM` find what reaches it from a neighbour to 4 %
ROUND = 6


def electrodes(profile: Profile, deck: Deck, gap_um: float, width_um: float, *, near_um: float = NEAR_UM) -> float:
    """Of a signal electrode beside a rib, its ground electrode and the silicon at zero, in fF/µm."""
    level, near = deck.stack["metal1"], gap_um / 2.0
    low, high = level.bottom_um, level.bottom_um + level.thickness_um
    pair = (Strip(-near - width_um, -near, low, high), Strip(near, near + width_um, low, high))
    return float(maxwell_fF_um(pair, Rib(profile), floor_um=-deck.buried_um, near_um=near_um)[0, 0])


def main(name: str) -> None:
    """Solve the metal of the film ``name`` and write its table."""
    profile, deck = load_profile(name), load_deck(name)
    gap_um = profile.film.rib_width_um.value + 2.0 * METAL1_TO_RIB_UM
    tracks = [[track_fF_um(deck, width_um=w, space_um=s) for s in SPACE_UM] for w in TRACK_UM]
    pairs = [Pair(20.0, apart, gap_um, ELECTRODE_WIDTH_UM) for apart in APART_UM]
    # The step across a rib is a small difference, in which coarse elements of a narrow one lose a neighbour's part.
    near_um = NEAR_UM if profile.film.rib_width_um.value >= LEAST_COARSE_UM else NEAR_UM / 2.0
    shares = [field_shares(profile, deck, pair, near_um=near_um) for pair in pairs]
    beside = field_shares(profile, deck, replace(pairs[APART_UM.index(66.0)], tracks=4), near_um=near_um)
    heater = cross_section(profile, deck, width_um=HEATER_UM)
    finer = cross_section(profile, deck, width_um=HEATER_UM, near_um=NEAR_UM / 2.0)
    middle_um = profile.film.thickness_um.value / 2.0
    table: dict[str, Any] = {
        "film": name,
        "provenance": {
            "solver": "∇·(c∇φ) = 0 on quadratic finite elements (prism_photonics.layout.capacitance)",
            "versions": {package: version(package) for package in ("scikit-fem", "scipy", "numpy")},
            "date": datetime.now(UTC).date().isoformat(),
            "script": "python -m prism_photonics.layout.metal_tables",
            "grid": {"near_um": NEAR_UM, "growth": GROWTH, "far_um": FAR_UM},
            "window": {"beside_um": BESIDE_UM, "above_um": ABOVE_UM},
            "stack": {
                "buried_um": deck.buried_um,
                **{
                    level: {"bottom_um": deck.stack[level].bottom_um, "thickness_um": deck.stack[level].thickness_um}
                    for level in ("metal1", "metal2", "heater")
                },
            },
        },
        "electrodes": {
            "gap_um": GAP_UM,
            "width_um": ELECTRODE_UM,
            "fF_um": [[round(electrodes(profile, deck, g, w), ROUND) for w in ELECTRODE_UM] for g in GAP_UM],
        },
        "tracks": {
            "width_um": TRACK_UM,
            "space_um": SPACE_UM,
            "fF_um": [[round(whole, ROUND) for whole, _ in row] for row in tracks],
            "neighbour_fF_um": [[round(one, ROUND) for _, one in row] for row in tracks],
        },
        "squares": {
            "side_um": SIDE_UM,
            "fF": [round(square_fF(deck, side_um=s), 4) for s in SIDE_UM],
        },
        "neighbours": {
            "electrode_gap_um": gap_um,
            "electrode_width_um": ELECTRODE_WIDTH_UM,
            "radius_um": 20.0,
            "apart_um": APART_UM,
            "share": [float(f"{abs(found[0, 1]):.4g}") for found in shares],
            "share_back": [float(f"{abs(found[1, 0]):.4g}") for found in shares],
            "track_share": [float(f"{abs(share):.4g}") for share in beside[2:, 0]],
        },
        "heater": {
            "width_um": HEATER_UM,
            "conductance_W_K_um": float(f"{heater.conductance[0, 0]:.6g}"),
            "rib_share": round(float(heater.at(0.0, middle_um)[0]), ROUND),
        },
        "convergence": [
            {
                "what": "electrodes at the least gap, fF/µm",
                "as_computed": electrodes(profile, deck, gap_um, ELECTRODE_WIDTH_UM),
                "half_step": electrodes(profile, deck, gap_um, ELECTRODE_WIDTH_UM, near_um=NEAR_UM / 2.0),
            },
            {
                "what": "a track of 6 µm, spaces of 4 µm, to one neighbour, fF/µm",
                "as_computed": track_fF_um(deck, width_um=6.0, space_um=4.0)[1],
                "half_step": track_fF_um(deck, width_um=6.0, space_um=4.0, near_um=NEAR_UM / 2.0)[1],
            },
            {
                "what": "share of the next ring's tuning, electrodes 66 µm apart",
                "as_computed": float(abs(shares[APART_UM.index(66.0)][0, 1])),
                "half_step": float(
                    abs(field_shares(profile, deck, pairs[APART_UM.index(66.0)], near_um=near_um / 2.0)[0, 1])
                ),
            },
            {
                "what": "heater, W/(K·µm)",
                "as_computed": float(heater.conductance[0, 0]),
                "half_step": float(finer.conductance[0, 0]),
            },
        ],
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(lines(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in profile_names():
        sys.exit(f"give one film: {', '.join(profile_names())}")
    main(sys.argv[1])
