"""The rings of a row as they are drawn, channel by channel."""

from functools import lru_cache

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.place import straights_um
from prism_photonics.process.profile import Profile
from prism_photonics.spec.tables import RingTable

# Whoever looks for a cure, a plan or a design asks thousands of specs that differ in other keys for the same rings.
KEPT = 256


@lru_cache(maxsize=KEPT)
def rings_of(
    profile: Profile, ring: RingTable, wl_um: tuple[float, ...], *, heater_um: float
) -> tuple[RingDesign, ...]:
    """The ring of each channel; all rows are drawn alike.

    Args:
        profile: The film stack.
        ring: The spec's table.
        wl_um: Wavelength of each channel in µm, ascending.
        heater_um: Width of the heater; 0 for none.

    Returns:
        A design for each channel.
    """
    straights = straights_um(
        profile,
        radius_um=ring.radius_um,
        wl_um=wl_um,
        bias_pm=ring.bias_pm,
        arm_um=ring.arm_um,
        euler_p=ring.euler_p,
        cosine=ring.cosine,
        least_um=ring.straight_um,
    )
    return tuple(
        RingDesign(
            ring.radius_um,
            straight,
            ring.gap_through_um,
            ring.gap_drop_um,
            profile.film.rib_width_um.value,
            ring.pitch_um,
            ring.lobe_half_angle_deg,
            ring.electrode_gap_um,
            ring.electrode_width_um,
            ring.arm_um,
            heater_um,
            ring.euler_p,
            float(ring.cosine),
            ring.neck_um,
        )
        for straight in straights
    )
