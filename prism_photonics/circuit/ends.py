"""Where the ends of rows reflect: the ways to splitters, facet, photodiodes and U-turns, and what facets send back."""

from typing import NamedTuple

import numpy as np

from prism_photonics.circuit.params import designed_feed, path_params
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.process.facets import AIR, fresnel, silica_index, taper_passes, tip_index
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


class FacetFields(NamedTuple):
    """Fields that come back where a bus meets its fibre, seen from behind the coupler's taper.

    Attributes:
        facet: From the chip's own facet.
        fibre: From the fibre's end behind it, weakened by the coupler there and back; 0 in a liquid of glass's index.
    """

    facet: float
    fibre: float


def facet_fields(spec: ChipSpec, *, dry: bool = False) -> FacetFields:
    """What a chip's upright facets and the fibres before them send back, by Fresnel's law for the mode at the tip.

    A facet lies before the overlap with the fibre's spot: of the coupler's loss its light sees the taper's alone. A
    kit's coupler ends in a strip of slab; of its tapers no loss is known, and none is counted. A coupler given by its
    scattering parameters sends back what they say, root mean square over the lines.

    Args:
        spec: The chip.
        dry: Whether air lies between facet and fibre, not a liquid of the oxide's index.
    """
    silica, there_and_back = silica_index(spec.process), 10.0 ** (-0.1 * spec.coupler_design.loss_dB)
    outside = AIR if dry else silica
    fibre = fresnel(silica, outside) * there_and_back
    given = spec.given_parts.get("edge_coupler")
    if given is not None:
        chip = given.ports.index("o2")
        back = given.at(np.asarray(spec.comb_design.wl_um))[:, chip, chip]
        return FacetFields(float(np.sqrt(np.mean(np.abs(back) ** 2))), fibre)
    if spec.kit is None:
        tip, passes = tip_index(spec.process, spec.coupler_design.tip_um), taper_passes(spec.process)
    else:
        tip, passes = tip_index(spec.process, spec.coupler_design.tip_um, of="slab"), 1.0
    return FacetFields(fresnel(tip, outside) * passes, fibre)
