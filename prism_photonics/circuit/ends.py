"""Where the ends of a chip's rows reflect: the ways from its buses to splitters, facet, photodiodes and U-turns."""

import numpy as np

from prism_photonics.circuit.params import designed_feed, path_params
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import DROP_LEAD_UM, tree_branches


def end_ways(spec: ChipSpec) -> PathParams:
    """Ways of `EndReflectors` as designed, leaves (rows, buses, 4, 2), two reflectors at each end of `ENDS`.

    Before the entrance the last splitter, then the facet; behind the through exit a photodiode; behind the drop exit
    the U-turn and a photodiode; at the drop bus's far end nothing lies between. They lose nothing: the feed already
    counts what is lost on them.
    """
    feed, levels = designed_feed(spec, xp=np), tree_levels(spec.chip.rows)

    def path(lengths: Lengths) -> PathParams:
        return path_params(lengths, spec.profile, loss_dB_cm=0.0, xp=np)

    lead, nothing = path(Lengths(x_um=DROP_LEAD_UM)), path(Lengths())
    last = [path(way[-1].lengths) for way in tree_branches(spec)] if levels else [nothing] * spec.chip.rows
    ways = [(nothing, nothing), (lead, nothing), (nothing, lead), (nothing, nothing)]
    shape = (spec.chip.rows, spec.chip.buses, len(ways), 2)

    def along(name: str) -> np.ndarray:
        whole = np.broadcast_to([[float(getattr(way, name)) for way in end] for end in ways], shape).copy()
        # To the last splitter, and from there on to the facet: the feed without its last branch.
        whole[..., 0, 0] = np.asarray([[float(getattr(branch, name))] for branch in last])
        whole[..., 0, 1] = getattr(feed, name) - whole[..., 0, 0]
        return whole

    one = np.ones(shape)
    return PathParams(along("opl_um"), along("gpl_um"), one, 0.0 * one, spec.profile.optics.wl0_um.value * one)
