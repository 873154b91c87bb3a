"""Cells of the PDK: our devices by the fields of their designs, parts of a spec's chip, and what routers ask for."""

import hashlib
import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.layout.chip import draw_cells, places_um
from prism_photonics.layout.devices import DEVICES
from prism_photonics.layout.flipchip import BUMP_PAD_UM, bump_pad
from prism_photonics.layout.pads import bond_pad
from prism_photonics.layout.spec_models import part_of, spec_of
from prism_photonics.lightpath.defaults import ARM_UM, HEATER_UM, default_settings
from prism_photonics.lightpath.drawing import EAST, NORTH, PER_UM, SOUTH, WEST, add_port, nm
from prism_photonics.lightpath.ring.cell import require_metal
from prism_photonics.lightpath.sizes import number, require_film, require_sizes
from prism_photonics.netlist import from_spec
from prism_photonics.process.layers import LAYERS, Deck, deck_names, load_deck
from prism_photonics.process.profile import Profile
from prism_photonics.spec.floorplan import PAD_UM
from prism_photonics.units import InputError, nearest

# Rings of other shapes under names of their own.
VARIANTS: dict[str, dict[str, float]] = {"racetrack": {"arm_um": ARM_UM}, "heated_ring": {"heater_um": HEATER_UM}}
# gdsfactory's own cells that its routers and composite cells name.
ROUTED = ("bend_euler", "bend_circular", "taper", "wire_corner")

Factory = Callable[..., gf.Component]
Draw = Callable[[kf.KCLayout], gf.Component]

_count = itertools.count()


def pdk_cells(profile: Profile, deck: Deck) -> dict[str, Factory]:
    """Every device and its variants, pad and bump; of a spec its row, its tree, the whole circuit; and what routes.

    ``edge_coupler`` has its guide at o1 (west) and its facet at o2, as gdsfactory's couplers do; ``facet_coupler`` is
    the same cell as it stands on our chips, with its facet at o1. ``straight`` takes our fields or gdsfactory's.
    """
    makers = {device: _factory(device, profile, deck) for device in DEVICES}
    makers |= {name: _factory("ring", profile, deck, name=name, fixed=fixed) for name, fixed in VARIANTS.items()}
    makers["facet_coupler"] = makers["edge_coupler"]
    makers["edge_coupler"] = _factory("edge_coupler", profile, deck, around=_guide_first)
    makers["straight"] = _either(makers["straight"])
    return makers | {
        "bond_pad": partial(_drawn, partial(_with_contacts, partial(bond_pad, "bond_pad", PAD_UM), PAD_UM), deck),
        "bump_pad": partial(_drawn, partial(_with_contacts, bump_pad, BUMP_PAD_UM), deck),
        **{part: partial(_part, part, profile, deck) for part in ("row", "tree", "circuit")},
        **{name: getattr(gf.components, name) for name in ROUTED},
        "mmi1x2": makers["splitter"],  # the name that gdsfactory's interferometers ask for
    }


def _factory(
    device: str,
    profile: Profile,
    deck: Deck,
    *,
    name: str = "",
    fixed: Mapping[str, float] = MappingProxyType({}),
    around: Callable[[gf.Component], gf.Component] = lambda cell: cell,
) -> Factory:
    """A cell function whose keywords are the fields of the device's design, with the film's defaults."""
    design, draw = DEVICES[device]
    reference = {**default_settings(profile, deck)[device], **fixed}

    def cell(**settings: Any) -> gf.Component:
        for key in settings.keys() - reference.keys():
            raise TypeError(f"{name or device}: unknown setting '{key}'; {nearest(key, reference)}")
        for key, value in settings.items():
            if isinstance(value, str | bool) or number(value) is None:
                raise InputError(f"{name or device}: {key} = {value!r}; want a number")
        wanted = design(**{key: float(value) for key, value in {**reference, **settings}.items()})
        require_sizes(device, wanted)
        require_film(device, wanted, profile)
        if device in ("ring", "vernier"):
            require_metal(device, deck)
        return _drawn(lambda kcl: around(draw(wanted, kcl=kcl)), deck)

    cell.__name__ = cell.__qualname__ = name or device
    cell.__doc__ = draw.__doc__
    kind = inspect.Parameter.KEYWORD_ONLY
    cell.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f.name, kind, default=reference[f.name], annotation=f.type) for f in fields(design)],
        return_annotation=gf.Component,
    )
    return cell


def _either(ours: Factory) -> Factory:
    """One name for two cells: our straight by its fields, gdsfactory's by its own, never a mixture."""
    own = inspect.signature(ours).parameters
    theirs = {"length": 10.0, "npoints": 2, "cross_section": "rib", "width": None}

    def straight(**settings: Any) -> gf.Component:
        generic = settings.keys() & theirs.keys()
        if not generic:
            return ours(**settings)
        if settings.keys() - theirs.keys():
            raise InputError(
                f"straight: {', '.join(sorted(generic))} is gdsfactory's, "
                f"{', '.join(sorted(settings.keys() - theirs.keys()))} is not; give length_um and width_um, or length, "
                f"cross_section and width"
            )
        return gf.components.straight(**{**theirs, **settings})

    straight.__doc__ = ours.__doc__
    straight.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*own.values(), *(inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in theirs.items())],
        return_annotation=gf.Component,
    )
    return straight


def _guide_first(device: gf.Component) -> gf.Component:
    """A coupler turned round: the guide is o1, west, at the origin, the facet o2, east."""
    kcl, name = device.kcl, f"{device.name}_turned"
    if kcl.layout.has_cell(name):
        return gf.Component(base=kcl[name].base)
    cell = gf.Component(name, kcl=kcl, settings=device.settings.model_dump())
    cell.function_name = device.function_name
    guide = kf.KCell(base=device.base).ports["o2"]
    turn = kdb.Trans(2, False, guide.trans.disp.x, 0)
    cell.kdb_cell.insert(kdb.CellInstArray(device.kdb_cell.cell_index(), turn))
    for name, port in zip(("o1", "o2"), reversed(list(kf.KCell(base=device.base).ports)), strict=True):
        at = turn * port.trans
        add_port(cell, name, (at.disp.x, at.disp.y), at.angle, width_um=port.width / PER_UM)
    return cell


def _with_contacts(draw: Draw, side_um: float, kcl: kf.KCLayout) -> gf.Component:
    """A pad with an electrical port on each side of its second metal."""
    pad, half = draw(kcl), nm(side_um / 2.0)
    if not list(kf.KCell(base=pad.base).ports):
        sides = ((-half, 0, WEST), (0, half, NORTH), (half, 0, EAST), (0, -half, SOUTH))
        for n, (x, y, facing) in enumerate(sides):
            add_port(pad, f"e{n + 1}", (x, y), facing, width_um=side_um, layer=LAYERS.metal2)
    return pad


def _part(part: str, profile: Profile, deck: Deck, *, spec: Path | str) -> gf.Component:
    """The row, the splitter tree, or all the light meets on the chip of a spec file; no metal beyond the rings'."""
    chosen = spec_of(spec, profile)
    netlist, name = from_spec(chosen), part_of(chosen, part)
    suffix = f"_{chosen.hash[:8]}"

    def draw(kcl: kf.KCLayout) -> gf.Component:
        if kcl.layout.has_cell(name + suffix):
            return gf.Component(base=kcl[name + suffix].base)
        return draw_cells(netlist, places_um(chosen), kcl, suffix=suffix)[name]

    return _drawn(draw, deck)


def digest(deck: Deck) -> str:
    """Six hexadecimal digits of all that a deck says: layers, rules and stack."""
    return hashlib.sha256(deck.model_dump_json().encode()).hexdigest()[:6]


def _drawn(draw: Callable[[kf.KCLayout], gf.Component], deck: Deck) -> gf.Component:
    """A cell in the layer numbers of a deck; of one of ours as it is drawn, of a foundry's under that deck's name."""
    ours = deck.layers == LAYERS and deck.name in deck_names() and deck == load_deck(deck.name)
    return draw(gf.kcl) if ours else _moved(draw, deck)


def _moved(draw: Callable[[kf.KCLayout], gf.Component], deck: Deck) -> gf.Component:
    """A cell drawn in our numbers, then copied, without hierarchy, to another deck's."""
    scratch = kf.KCLayout(f"prism_moved_{next(_count)}")
    drawn = draw(scratch)
    # The deck is part of the name: one that changed under its old name, in numbers or in rules, is drawn anew.
    name = f"{deck.name}_{digest(deck)}_{drawn.name}"
    if gf.kcl.layout.has_cell(name):
        return gf.Component(base=gf.kcl[name].base)
    cell = gf.Component(name, settings=drawn.settings.model_dump())
    cell.function_name = drawn.function_name
    numbers = dict(deck.layers.items())
    for layer, ours in LAYERS.items():
        region = kdb.Region(drawn.kdb_cell.begin_shapes_rec(scratch.layer(*ours)))
        if not region.is_empty():
            cell.kdb_cell.shapes(gf.kcl.layer(*numbers[layer])).insert(region)
    for port in kf.KCell(base=drawn.base).ports:
        optical = port.port_type == "optical"
        at, width = port.trans.disp, port.width / PER_UM
        layer = numbers["ridge" if optical else "metal2"]
        add_port(cell, port.name or "", (at.x, at.y), port.trans.angle, width_um=width, layer=layer, optical=optical)
    return cell
