"""Turns and buses with which a film's rings keep their light in its mode.

Where a rib holds TE1, rings of arcs lose their light to it (`second_mode`). Their cure are turns whose curvature grows
and falls as a raised cosine, with necks in the buses that let TE1 go between the rings, and arms with which each bend
undoes what the last one turned to TM: docs/layout.md, "Rings whose curvature grows".
"""

from prism_photonics.budget.crossings import unmixing_um
from prism_photonics.lightpath.ring.design import necked_pitch_um
from prism_photonics.process import necks
from prism_photonics.process.profile import film_name
from prism_photonics.process.second_mode import second_mode_table
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.tables import RingTable

NECK_UM = 0.35
"""Width of the necks: 3.9 dB of TE1 and more each, for 0.004 dB of TE0 (design choice)."""


RADII_STEP = 1.06
"""From one radius of rings with ramps to the next that is tried: the same for all combs, as each asks for an arm of its
own (design choice)."""


def smooth_ring(ring: RingTable, process: str) -> RingTable:
    """A table of rings with what keeps their light in its mode, where the film's rib holds a second one.

    Ramps that it has are kept.

    Args:
        ring: The table.
        process: The film that the rings shall be on.
    """
    if second_mode_table(process) is None:
        return ring
    keys: dict[str, float | str] = {} if ring.euler_p else {"euler_p": 1.0, "ramp": "raised_cosine"}
    if film_name(process) in necks.FILMS and not ring.neck_um:
        keys["neck_um"] = NECK_UM
    return ring.model_copy(update=keys)


def smooth_keys(spec: ChipSpec) -> dict[str, float | int | str]:
    """The same as keys of a spec, with the pitch that its necks ask for; none where nothing changes."""
    ring = spec.ring
    smooth = smooth_ring(ring, spec.process)
    keys = {
        f"ring.{name}": getattr(smooth, name)
        for name in ("euler_p", "ramp", "neck_um")
        if getattr(smooth, name) != getattr(ring, name)
    }
    if keys and smooth.neck_um:
        need_um = necked_pitch_um(ring.radius_um, ring.straight_um + 1.0, spec.width_um)
        keys |= {"ring.pitch_um": need_um} if ring.pitch_um < need_um else {}
    return keys


def arms_near_um(spec: ChipSpec, ring: RingTable, radius_um: float, arms_um: tuple[float, ...]) -> tuple[float, ...]:
    """Arms that are tried of rings of a radius: with ramps those near the asked ones that leave no TM, else the asked.

    Args:
        spec: Film and comb.
        ring: Kind of the rings' turns.
        radius_um: Their radius.
        arms_um: Arms that are asked for.
    """
    if not ring.euler_p:
        return arms_um
    turn = ring.turn(radius_um)
    near = (unmixing_um(spec, turn, near_um=arm) for arm in arms_um)
    found = (arm if best is None else best for arm, best in zip(arms_um, near, strict=True))
    return tuple(dict.fromkeys(found))
