"""Discrete choices behind a wish: encodings, buses by channels, lines on the wished grid; each as an unsized spec."""

import math
from collections.abc import Iterator
from typing import Any

from prism_photonics.budget.crossings import unmixing_at_um
from prism_photonics.budget.smooth_turns import smooth_ring
from prism_photonics.codec.encoding import RAILS, SHOTS
from prism_photonics.explore.wishes import Wishes
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.profile import Profile, film_name, load_profile
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.tables import RingTable
from prism_photonics.units import SPEED_OF_LIGHT_UM_S

WIDEST_SHARE = 0.99
"""Share of the least ring's free spectral range that lines may fill: first-order dispersion is no better."""
SPACINGS = (1.0, 0.6, 0.36)
"""Spacings that are tried, in units of the widest (design choice)."""
SPACINGS_OF_RAMPS = (1.0, 0.8, 0.6, 0.36)
"""The same of rings with ramps: the second leaves gentler ones their free spectral range (design choice)."""


def candidates(wishes: Wishes, *, arm_um: float = 0.0) -> Iterator[ChipSpec]:
    """Unsized specs for all discrete choices that a wish leaves, few buses and wide spacings first.

    Args:
        wishes: The wishes.
        arm_um: Arms of the rings that are wanted: the widest lines fill the free spectral range of the least such ring.
    """
    profile = load_profile(wishes.process)
    found: list[tuple[tuple[int, int], ChipSpec]] = []
    for encoding in [wishes.encoding] if wishes.encoding else list(SHOTS):
        rings = wishes.dims * RAILS[encoding]
        for channels in range(min(rings, 256), 0, -1):
            buses = rings // channels
            if rings % channels or channels % RAILS[encoding] or buses > wishes.most_buses:
                continue
            for comb in _combs(wishes, profile, channels, arm_um):
                try:
                    spec = unsized(wishes, profile, (encoding, channels, buses), comb)
                except ValueError:  # lines beyond the band
                    continue
                # Two shots take twice the time, two rails twice the rings.
                found.append(((buses * RAILS[encoding], list(SHOTS).index(encoding)), spec))
    yield from (spec for _, spec in sorted(found, key=lambda pair: pair[0]))


def ring_of(wishes: Wishes) -> RingTable:
    """Rings of the base as the wished film wants them: with ramps where its rib holds a second mode.

    Ramps of a base on another film are that film's.
    """
    base = wishes.base_spec
    ring = base.ring
    if film_name(wishes.process) != film_name(base.process):
        ring = ring.model_copy(update={"euler_p": 0.0, "ramp": "linear", "neck_um": 0.0})
    return smooth_ring(ring, wishes.process)


def unsized(wishes: Wishes, profile: Profile, row: tuple[str, int, int], comb: dict[str, Any]) -> ChipSpec:
    """The base spec with what the wishes fix, on the wished film; its rings are still to be sized.

    Args:
        wishes: The wishes.
        profile: The film.
        row: Encoding, channels of a bus, buses.
        comb: Keys of the lines.
    """
    base, ring = wishes.base_spec.model_dump(), ring_of(wishes)
    encoding, channels, buses = row
    least_um = profile.film.min_bend_radius_um.value
    radius_um = ring.radius_for_um(least_um)
    turn = ring.turn(radius_um)
    # As long a ring takes as much more for a nanometre.
    length_um = 4.0 * turn.length_um + 2.0 * _arm_um(wishes, profile, turn, near_um=0.0)
    longer = length_um / (2.0 * math.pi * least_um)
    heater_mW_nm = base["trim"]["heater_mW_nm"] or float(f"{HEATER_MW_NM[profile.name] * longer:.3g}")
    flipped_um = 30.0
    lines = {key: value for key, value in base["comb"].items() if not key.startswith(("first_", "spacing_"))}
    changes: dict[str, dict[str, Any]] = {
        "chip": {"rows": wishes.rows, "channels": channels, "buses": buses},
        "modulator": base["modulator"] | {"encoding": encoding},
        "comb": lines | comb,
        "ring": ring.model_dump()
        | {
            "radius_um": radius_um,
            "arm_um": 0.0,
            "gap_through_um": 1.0,
            "gap_drop_um": 1.0,
            "electrode_gap_um": profile.electrooptics.electrode_gap_um.value,
            "pitch_um": 2.0 * radius_um + 200.0,
        },
        "trim": base["trim"]
        | {"method": wishes.trimming, "residual_pm": wishes.residual_pm}
        | ({"heater_mW_nm": heater_mW_nm} if wishes.trimming == "heater" else {}),
        "waveguide": {
            "loss_dB_cm": profile.optics.loss_dB_cm.value,
            "bend_radius_um": max(base["waveguide"]["bend_radius_um"], least_um, flipped_um),
        },
        "ranking": base["ranking"] | {"required_snr_dB": wishes.snr_dB, "weight_limit": wishes.weight_limit},
    }
    return ChipSpec.model_validate({**base, "name": wishes.name, "process": wishes.process, **changes})


HEATER_MW_NM = {"lnoi400": 238.0, "ltoi300": 518.0, "tfln600": 68.0, "tfln600_narrow": 71.5, "tfln400": 84.0}
"""Power of a heater as drawn over a circle of the film's least radius, where the base spec has no heaters.

It grows with a ring's length. Source: ``layout.heater_field.heater_figures``."""


def _arm_um(wishes: Wishes, profile: Profile, turn: QuarterTurn, *, near_um: float) -> float:
    """Arm that is asked for; of turns with ramps the one nearest to it that leaves no TM."""
    if not turn.euler_p:
        return near_um
    rib_um = profile.film.rib_width_um.value
    found_um = unmixing_at_um(wishes.process, profile.optics.wl0_um.value, rib_um, turn, near_um=near_um)
    return near_um if found_um is None else found_um


def _combs(wishes: Wishes, profile: Profile, channels: int, arm_um: float) -> Iterator[dict[str, Any]]:
    """Keys of the lines: the wished spacing, multiples of the wished grid, or shares of the free spectral range."""
    o = profile.optics
    wl_um, ring, shares = o.wl0_um.value, ring_of(wishes), SPACINGS
    turn = ring.turn(ring.radius_for_um(profile.film.min_bend_radius_um.value))
    if ring.euler_p:
        arm_um = _arm_um(wishes, profile, turn, near_um=arm_um)
        shares = SPACINGS_OF_RAMPS
    n_g = 0.5 * (o.n_g_along_x.value + o.n_g_along_y.value)
    length_um = n_g * 4.0 * turn.length_um + o.n_g_along_y.value * 2.0 * arm_um
    widest_nm = WIDEST_SHARE * 1e3 * wl_um**2 / length_um / channels
    widest_GHz = widest_nm * 1e-3 / wl_um**2 * SPEED_OF_LIGHT_UM_S * 1e-9
    if wishes.spacing_nm is not None:
        yield _in_wavelength(wishes.spacing_nm, channels, wl_um)
    elif wishes.spacing_GHz is not None:
        yield _in_frequency(wishes, wishes.spacing_GHz, channels, wl_um)
    elif wishes.itu_grid_GHz is not None:
        most = math.floor(widest_GHz / wishes.itu_grid_GHz)
        for step in dict.fromkeys(max(round(share * most), 1) for share in shares):
            yield _in_frequency(wishes, step * wishes.itu_grid_GHz, channels, wl_um)
    elif wishes.first_itu_channel is not None:
        for share in shares:
            yield _in_frequency(wishes, max(math.floor(share * widest_GHz / 5.0) * 5.0, 5.0), channels, wl_um)
    else:
        for share in shares:
            yield _in_wavelength(max(math.floor(share * widest_nm * 100.0) / 100.0, 0.02), channels, wl_um)


def _in_wavelength(spacing_nm: float, channels: int, middle_um: float) -> dict[str, Any]:
    first_nm = round(1e3 * middle_um - 0.5 * (channels - 1) * spacing_nm, 1)
    return {"first_wl_nm": first_nm, "spacing_nm": spacing_nm}


def _in_frequency(wishes: Wishes, spacing_GHz: float, channels: int, middle_um: float) -> dict[str, Any]:
    if wishes.first_itu_channel is not None:
        return {"first_itu_channel": wishes.first_itu_channel, "spacing_GHz": spacing_GHz}
    # About the film's reference wavelength, the first line on a channel of the grid.
    first_THz = SPEED_OF_LIGHT_UM_S / middle_um * 1e-12 + 0.5e-3 * (channels - 1) * spacing_GHz
    if wishes.itu_grid_GHz is not None:
        return {"first_itu_channel": round((first_THz - 190.0) / 0.1), "spacing_GHz": spacing_GHz}
    return {"first_channel_THz": round(first_THz, 2), "spacing_GHz": spacing_GHz}
