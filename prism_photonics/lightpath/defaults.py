"""Default dimensions of devices: one table for the PDK's cells and models, made for each film."""

import math
from collections.abc import Mapping

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.waveguide.turned import best_euler_p
from prism_photonics.process.layers import Deck, load_deck
from prism_photonics.process.parts import load_parts
from prism_photonics.process.profile import Profile

HEATER_UM = 2.0  # width of a ring's heater; design choice
ARM_UM = 60.0  # of each arm of a racetrack; design choice
# Design choices: the ring of `circles_8x8`, a site that holds 60 µm pads. A film that bears less bending has wider
# ones.
RADIUS_UM = 20.0
BEND_UM = 30.0
GAP_UM = 0.40
BESIDE_RING_UM = 66.0  # of a ring's pitch, beyond its outer electrodes
LOBE_DEG = 48.5


def default_settings(profile: Profile, deck: Deck | None = None) -> dict[str, Mapping[str, float]]:
    """Every field of every device's design, by component name, for a film.

    Args:
        profile: The film: rib width, least bend radius, the gap at which etched walls meet, its electrodes' gap.
        deck: Its drawing rules; the film's own when none is given.
    """
    deck = deck or load_deck(profile.name)
    width, least = profile.film.rib_width_um.value, profile.film.min_bend_radius_um.value
    radius, bend = max(RADIUS_UM, least), max(BEND_UM, least)
    between = _up(max(GAP_UM, profile.least_gap_um, deck.value_um("ridge_space")), 2)
    tip = deck.value_um("ridge_width")
    electrode_gap = max(profile.electrooptics.electrode_gap_um.value, width + 2.0 * deck.value_um("metal1_to_ridge"))
    electrodes = {"electrode_gap_um": electrode_gap, "electrode_width_um": 8.0}
    ring = {
        "radius_um": radius,
        "straight_um": 2.6,
        "gap_through_um": between,
        "gap_drop_um": between,
        "width_um": width,
        "pitch_um": _pitch_um(radius, electrode_gap),
        "lobe_half_angle_deg": LOBE_DEG,
        **electrodes,
    }
    widest = math.floor(10.0 * RingDesign(**ring).widest_lobe_deg) / 10.0
    ring["lobe_half_angle_deg"] = min(LOBE_DEG, widest)
    vernier = {
        "radius1_um": radius,
        "radius2_um": radius + 3.0,
        "straight1_um": 2.6,
        "straight2_um": 2.6,
        "gap_through_um": between,
        "gap_between_um": max(0.78, between),
        "gap_drop_um": between,
        "width_um": width,
        "pitch_um": _pitch_um(radius if radius == RADIUS_UM else radius + 3.0, electrode_gap),
        "lobe_half_angle_deg": ring["lobe_half_angle_deg"],
        **electrodes,
    }
    across, clothoids = max(80.0, 2.0 * bend + 20.0), best_euler_p(profile, bend)
    return {
        "ring": {**ring, "arm_um": 0.0, "heater_um": 0.0, "euler_p": 0.0, "cosine": 0.0, "neck_um": 0.0},
        "vernier": vernier,
        "splitter": {"excess_loss_dB": 0.2, **load_parts(profile.name).splitter_sizes, "width_um": width},
        "edge_coupler": {"loss_dB": 2.0, "length_um": 200.0, "tip_um": max(0.30, tip), "width_um": width},
        "straight": {"length_um": 100.0, "width_um": width},
        "uturn": {"radius_um": bend, "width_um": width, "euler_p": clothoids},
        "branch": {"dx_um": across, "dy_um": across, "radius_um": bend, "width_um": width, "euler_p": clothoids},
        "terminator": {"length_um": 40.0, "tip_um": max(0.25, tip), "width_um": width},
        "detector": {"port_pitch_um": 104.0, "width_um": width, "length_um": 60.0, "hold_um": 60.0},
        "photodiode": {"width_um": width, "length_um": 60.0, "hold_um": 60.0},
    }


def _pitch_um(radius_um: float, electrode_gap_um: float) -> float:
    return 10.0 * math.ceil((2.0 * (radius_um + electrode_gap_um / 2.0 + 8.0) + 2.6 + BESIDE_RING_UM) / 10.0 - 1e-9)


def _up(length_um: float, decimals: int) -> float:
    return math.ceil(length_um * 10**decimals - 1e-9) / 10**decimals
