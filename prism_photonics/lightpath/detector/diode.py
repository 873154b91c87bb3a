"""Drawing of one photodiode: a guide that widens under two mesas of III–V bonded over it, and their contacts.

A modified uni-travelling-carrier diode, n side down: its lower mesa is the n contact layer, its upper one drift layer,
absorber and p layers. The mesas' ends lie aslant, so that what they reflect does not go back into the guide's mode.

Source: kind of diode and way of bonding: Photonics Research 10, 1338 (2022), InGaAs/InP with the n side down on
thin-film lithium niobate, 0.6 A/W and 80 GHz. What of it is at hand tells no sizes: those here are design choices;
`lightpath.detector.absorption` computes what they absorb and reflect.
"""

import math
from collections.abc import Sequence

from kfactory import kdb

from prism_photonics.lightpath.drawing import box, nm, taper
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM, Layer

# Along the guide from its port, in µm. Design choices.
WIDE_UM = 5.0  # rib under the absorber
TAPERED_UM = (8.0, 36.0)  # the rib widens
ABSORBER_UM = (38.0, 58.0)
LOWER_UM = (35.0, 60.0)  # lower mesa, on the guide's middle
NARROWS_UM = 60.0  # from here to the guide's end
SLANT_DEG = 9.0  # of the mesas' ends; sharper corners count as narrow places
UPPER_HALF_UM = 2.0
LOWER_SIDES_UM = (-3.0, 8.5)  # the side with contacts is the upper one
CONTACT_P_UM = (39.5, -1.25, 56.5, 1.25)
CONTACT_N_UM = (40.0, 3.5, 58.0, 7.5)
WINDOW_UM = (30.0, -6.0, 66.0, 12.0)
SLOTS_UM = ((39.5, 46.5), (50.5, 57.5))  # where wires leave, side by side
P_WIRE_FROM_UM, N_WIRE_FROM_UM = -1.5, CONTACT_N_UM[1]
P_PROBE_UM, N_PROBE_UM = (48.5, 0.0), (48.5, 5.5)  # on the two contacts, under no wire

Shapes = list[tuple[Layer, kdb.Region]]


def diode(width_um: float, end_um: float, *, far_p: bool) -> Shapes:
    """Shapes of a diode whose light heads east from the origin, its wires leaving northwards.

    Args:
        width_um: Width of the guide.
        end_um: Where the guide ends.
        far_p: Whether the p contact has the western slot, whose wire can go on past the other's; else the n contact.
    """
    p_slot, n_slot = SLOTS_UM if far_p else SLOTS_UM[::-1]
    low, _, high, _ = CONTACT_P_UM
    p_via = box(max(p_slot[0], low) + 0.5, -0.75, min(p_slot[1], high) - 0.5, 0.75)
    n_via = box(n_slot[0] + 1.0, CONTACT_N_UM[1] + 1.0, n_slot[1] - 1.0, CONTACT_N_UM[3] - 1.0)
    half = UPPER_HALF_UM
    return [
        (LAYERS.ridge, _guide(width_um, end_um, 0.0)),
        (LAYERS.slab, _guide(width_um, end_um, 2.0 * SLAB_MARGIN_UM)),
        (LAYERS.window, kdb.Region(box(*WINDOW_UM))),
        (LAYERS.mesa_n, _slanted(LOWER_UM, LOWER_SIDES_UM)),
        (LAYERS.mesa_p, _slanted(ABSORBER_UM, (-half, half))),
        (LAYERS.contact_n, kdb.Region(box(*CONTACT_N_UM))),
        (LAYERS.contact_p, kdb.Region(box(*CONTACT_P_UM))),
        (LAYERS.contact_via, boxes([p_via, n_via])),
    ]


def boxes(shapes: Sequence[kdb.Box]) -> kdb.Region:
    """Rectangles as a region."""
    region = kdb.Region()
    for shape in shapes:
        region.insert(shape)
    return region


def _guide(width_um: float, end_um: float, wider_um: float) -> kdb.Region:
    """The guide, or its slab, which is wider and reaches as far beyond its end."""
    narrow, wide = width_um + wider_um, max(width_um, WIDE_UM) + wider_um
    first, last = TAPERED_UM
    parts = (
        taper(0.0, first, narrow, narrow),
        taper(first, last, narrow, wide),
        taper(last, NARROWS_UM, wide, wide),
        taper(NARROWS_UM, end_um, wide, narrow),
    )
    guide = sum(parts, kdb.Region())
    if wider_um:
        guide += taper(end_um, end_um + wider_um / 2.0, narrow, narrow)
    return guide.merged()


def _slanted(along_um: tuple[float, float], across_um: tuple[float, float]) -> kdb.Region:
    """A mesa between two ends, told on the guide's middle, and two sides."""
    slope = math.tan(math.radians(SLANT_DEG))
    (west, east), (low, high) = along_um, across_um
    corners = [(west, low), (west, high), (east, high), (east, low)]
    return kdb.Region(kdb.Polygon([kdb.Point(nm(x + slope * y), nm(y)) for x, y in corners]))
