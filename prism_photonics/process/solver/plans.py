"""Which nodes each profile's table has.

Angles are nodes on which a polynomial in sin² of the angle is well behaved; three suffice where TE stays clear of TM.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The nodes of one profile's table. Widths, gaps and radii in µm; angles in degrees to crystal y."""

    width_um: tuple[float, ...]
    gap_um: tuple[float, ...]
    coupling_width_um: tuple[float, ...]
    radius_um: tuple[float, ...]
    electrode_gap_um: tuple[float, ...]
    side_um: float
    with_tm: bool
    wl_um: tuple[float, ...] = (1.50, 1.525, 1.55, 1.575, 1.60)
    coupling_wl_um: tuple[float, ...] = (1.50, 1.55, 1.60)
    angle_deg: tuple[float, ...] = (0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)


PLANS = {
    "tfln600": Plan(
        width_um=(1.0, 1.2, 1.4, 1.6, 1.8),  # at 0.9 µm TE and TM cross and are no smooth functions
        gap_um=(0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        coupling_width_um=(0.8, 1.0, 1.2, 1.4),
        radius_um=(10.0, 12.0, 15.0, 20.0, 30.0, 60.0),
        electrode_gap_um=(3.5, 4.5, 5.4, 6.5, 8.0),
        side_um=2.5,
        with_tm=True,
    ),
    # TE and TM cross on the way from layout y to layout x, at 0 to 20 degrees by the width: no node lies near there.
    "tfln600_narrow": Plan(
        width_um=(0.7, 0.75, 0.8, 0.85),
        gap_um=(0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        coupling_width_um=(0.8,),
        radius_um=(10.0, 12.0, 15.0, 20.0, 30.0),
        electrode_gap_um=(3.5, 4.8, 6.5),
        side_um=2.5,
        with_tm=True,
        wl_um=(1.50, 1.55, 1.60),
        angle_deg=(0.0, 30.0, 60.0, 90.0),
    ),
    # TE and TM stay 0.08 apart, so that few nodes hold both; of a rib of 1.4 µm TM meets TE1 along layout x.
    "tfln400": Plan(
        width_um=(1.15, 1.2, 1.23),  # at 1.25 µm TM is a tenth of TE1 along layout x
        gap_um=(0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        coupling_width_um=(1.2,),
        radius_um=(15.0, 20.0, 25.0, 30.0, 40.0, 60.0),
        electrode_gap_um=(3.5, 4.5, 5.2, 6.5),
        side_um=2.5,
        with_tm=True,
        wl_um=(1.50, 1.55, 1.60),
        angle_deg=(0.0, 30.0, 60.0, 90.0),
    ),
    "lnoi400": Plan(
        width_um=(0.8, 1.0, 1.2, 1.4),
        gap_um=(0.4, 0.6, 0.8, 1.0, 1.2),
        coupling_width_um=(1.0,),
        radius_um=(20.0, 30.0, 40.0, 60.0, 80.0),
        electrode_gap_um=(3.5, 4.5, 5.4, 6.5, 8.0),
        side_um=5.0,
        with_tm=False,
        wl_um=(1.50, 1.55, 1.60),
        angle_deg=(0.0, 45.0, 90.0),
    ),
    "ltoi300": Plan(
        width_um=(1.2, 1.4, 1.6, 1.8, 2.0),
        gap_um=(0.6, 0.8, 1.0, 1.2, 1.4),
        coupling_width_um=(1.6,),
        radius_um=(60.0, 80.0, 100.0),
        electrode_gap_um=(3.5, 4.5, 5.4, 6.5, 8.0),
        side_um=5.0,
        with_tm=False,
        wl_um=(1.50, 1.55, 1.60),
        angle_deg=(0.0, 45.0, 90.0),
    ),
}
