"""The leaf devices: which design class and which drawing belong to each component name of a netlist."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.layout.kit import kit_or
from prism_photonics.lightpath.coupler.cell import edge_coupler
from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.detector.cell import detector, photodiode
from prism_photonics.lightpath.detector.design import DetectorSiteDesign, PhotodiodeSiteDesign
from prism_photonics.lightpath.ring.cell import ring
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.splitter.cell import splitter
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.lightpath.vernier.cell import vernier
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.waveguide.cell import branch, straight, terminator, uturn
from prism_photonics.lightpath.waveguide.design import BranchDesign, StraightDesign, TerminatorDesign, UTurnDesign
from prism_photonics.netlist import Instance
from prism_photonics.units import InputError

DEVICES: Mapping[str, tuple[type, Callable[..., gf.Component]]] = {
    "ring": (RingDesign, ring),
    "vernier": (VernierDesign, vernier),
    "splitter": (SplitterDesign, kit_or("splitter", splitter)),
    "edge_coupler": (EdgeCouplerDesign, kit_or("edge_coupler", edge_coupler)),
    "straight": (StraightDesign, straight),
    "uturn": (UTurnDesign, uturn),
    "branch": (BranchDesign, branch),
    "terminator": (TerminatorDesign, terminator),
    "detector": (DetectorSiteDesign, detector),
    "photodiode": (PhotodiodeSiteDesign, photodiode),
}


def placed_device(instance: Instance, kcl: kf.KCLayout) -> tuple[gf.Component, kdb.Trans]:
    """The cell that stands for an instance, and how it is turned: both branches of a fork are one cell, one mirrored.

    Raises:
        InputError: As `draw_device`.
    """
    rise = instance.settings.get("dy_um", 0.0)
    if instance.component == "branch" and isinstance(rise, (int, float)) and rise < 0:
        return draw_device(Instance("branch", {**instance.settings, "dy_um": -rise}), kcl), kdb.Trans.M0
    return draw_device(instance, kcl), kdb.Trans.R0


def mirrored(instance: Instance) -> Instance | None:
    """The device whose cell is this one's mirror image about x; None where no design mirrors it."""
    if instance.component != "branch":
        return None
    return Instance("branch", {**instance.settings, "dy_um": -float(instance.settings["dy_um"])})


def draw_device(instance: Instance, kcl: kf.KCLayout) -> gf.Component:
    """The leaf cell of a netlist's instance.

    Raises:
        InputError: The component is no device, or its settings are not the fields of its design.
    """
    if instance.component not in DEVICES:
        raise InputError(f"component '{instance.component}' is no device; want one of {', '.join(DEVICES)}")
    design, draw = DEVICES[instance.component]
    settings: dict[str, Any] = dict(instance.settings)
    wanted = {field.name for field in fields(design)}
    if settings.keys() != wanted:
        odd = ", ".join(sorted(settings.keys() ^ wanted))
        raise InputError(f"{instance.component}: settings differ from its design in {odd}; draw the cell again")
    return draw(design(**settings), kcl=kcl)
