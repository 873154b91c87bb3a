"""The gdsfactory PDK: our cells, layers, cross-sections, layer stack, looks and SAX models under one name.

    from prism_photonics.layout.pdk import PDK
    PDK.activate()
    gf.get_component("ring", radius_um=25.0)
    gf.get_component("row", spec="layouts/demo_8x8/spec.toml")

Importing this module loads gdsfactory, JAX and SAX, which takes seconds.
"""

import contextlib
import inspect
import io
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gdsfactory as gf
import kfactory as kf
from gdsfactory.technology import LayerLevel, LayerStack, LayerView, LayerViews, LogicalLayer
from kfactory import kdb

from prism_photonics.circuit.models import device_models
from prism_photonics.layout.chip import draw_cells, places_um
from prism_photonics.layout.devices import DEVICES
from prism_photonics.layout.flipchip import bump_pad
from prism_photonics.layout.floorplan import PAD_UM
from prism_photonics.layout.pads import bond_pad
from prism_photonics.layout.views import VIEWS, lyp
from prism_photonics.lightpath.drawing import PER_UM, add_port
from prism_photonics.netlist import TOP, from_spec
from prism_photonics.process.layers import HOUSE, LAYERS, SLAB_MARGIN_UM, Deck, load_deck
from prism_photonics.process.profile import Profile, load_profile
from prism_photonics.spec import load_spec
from prism_photonics.spec.chip_spec import HEATER_UM
from prism_photonics.units import InputError

# What a cell is drawn with when its user names nothing: the demonstrator's ring, a site that holds 60 µm pads.
REFERENCE: dict[str, dict[str, float]] = {
    "ring": {
        "radius_um": 20.0,
        "straight_um": 2.6,
        "gap_through_um": 0.40,
        "gap_drop_um": 0.40,
        "width_um": 1.4,
        "pitch_um": 130.0,
        "lobe_half_angle_deg": 48.5,
        "electrode_gap_um": 5.4,
        "electrode_width_um": 8.0,
    },
    "vernier": {
        "radius1_um": 20.0,
        "radius2_um": 23.0,
        "straight1_um": 2.6,
        "straight2_um": 2.6,
        "gap_through_um": 0.40,
        "gap_between_um": 0.78,
        "gap_drop_um": 0.40,
        "width_um": 1.4,
        "pitch_um": 130.0,
        "lobe_half_angle_deg": 48.5,
        "electrode_gap_um": 5.4,
        "electrode_width_um": 8.0,
    },
    "splitter": {"excess_loss_dB": 0.2},
    "edge_coupler": {"loss_dB": 2.0},
    "straight": {"length_um": 100.0},
    "uturn": {"radius_um": 30.0},
    "branch": {"dx_um": 80.0, "dy_um": 80.0, "radius_um": 30.0},
    "detector": {"port_pitch_um": 104.0, "width_um": 1.4},
    "photodiode": {"width_um": 1.4},
}
# Rings of other shapes under names of their own.
VARIANTS: dict[str, dict[str, float]] = {"racetrack": {"arm_um": 60.0}, "heated_ring": {"heater_um": HEATER_UM}}


def make_pdk(name: str = HOUSE, *, deck: Deck | None = None) -> gf.Pdk:
    """A PDK of one film.

    Args:
        name: The film's profile: widths, least bend radius, optics.
        deck: Layers, stack and rules; the film's own when none is given. A foundry's deck moves every cell to its
            layer numbers.

    Raises:
        InputError: There is no such profile or deck.
    """
    deck = deck or load_deck(name)
    profile = load_profile(name)
    infos = {layer: kdb.LayerInfo(*number, layer) for layer, number in deck.layers.items()}
    layers = gf.kcl.layerenum_from_dict(layers=kf.LayerInfos(**infos))
    models = device_models(profile, loss_dB_cm=profile.optics.loss_dB_cm.value)
    return gf.Pdk(
        name=deck.name,
        layers=layers,
        cells=_cells(deck),
        cross_sections=_cross_sections(deck, profile),
        layer_stack=_stack(deck),
        layer_views=_views(deck),
        models=models,
        connectivity=[("metal1", "via", "metal2")],
    )


def write_technology(folder: Path | str, *, deck: Deck | None = None) -> Path:
    """Write a KLayout technology (``tech.lyt`` and ``layers.lyp``) to a folder; KLayout finds it under its salt or tech
    path.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    deck = deck or load_deck()
    technology = make_pdk(deck=deck).klayout_technology.model_copy(update={"layer_views": None, "layer_stack": None})
    with contextlib.redirect_stdout(io.StringIO()):  # gdsfactory reports every file by printing
        technology.write_tech(folder)
    (folder / "layers.lyp").write_text(lyp(deck), encoding="utf-8")
    # An empty folder for a stack that gdsfactory does not write.
    (folder / "d25").rmdir()
    return folder


def _cells(deck: Deck) -> dict[str, Callable[..., gf.Component]]:
    """Every device and its variants, pad and bump; and of a spec its row, its tree, and the whole circuit."""
    cells = {device: _factory(device, deck) for device in DEVICES}
    cells |= {name: _factory("ring", deck, name=name, fixed=fixed) for name, fixed in VARIANTS.items()}
    return cells | {
        "bond_pad": partial(_drawn, partial(bond_pad, "bond_pad", PAD_UM), deck),
        "bump_pad": partial(_drawn, bump_pad, deck),
        **{part: partial(_part, part, deck) for part in ("row", "tree", "circuit")},
    }


def _factory(
    device: str, deck: Deck, *, name: str = "", fixed: Mapping[str, float] = MappingProxyType({})
) -> Callable[..., gf.Component]:
    """A cell function whose keywords are the fields of the device's design."""
    design, draw = DEVICES[device]
    reference = {**REFERENCE.get(device, {}), **fixed}

    def cell(**settings: Any) -> gf.Component:
        wanted = design(**{key: float(value) for key, value in {**reference, **settings}.items()})
        return _drawn(partial(_of_design, draw, wanted), deck)

    cell.__name__ = cell.__qualname__ = name or device
    cell.__doc__ = draw.__doc__
    cell.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(reference, field) for field in fields(design)], return_annotation=gf.Component
    )
    return cell


def _of_design(draw: Callable[..., gf.Component], design: Any, kcl: kf.KCLayout) -> gf.Component:
    return draw(design, kcl=kcl)


def _part(part: str, deck: Deck, *, spec: Path | str) -> gf.Component:
    """The row, the splitter tree, or all the light meets on the chip of a spec file; no metal beyond the rings'."""
    chosen = load_spec(spec)
    name = {"row": "row", "tree": f"tree_{chosen.chip.rows}", "circuit": TOP}[part]
    netlist = from_spec(chosen)
    if name not in netlist.cells:
        raise InputError(f"{spec}: a chip of one row has no tree; give a spec of more rows")
    suffix = f"_{chosen.hash[:8]}"

    def draw(kcl: kf.KCLayout) -> gf.Component:
        if kcl.layout.has_cell(name + suffix):
            return gf.Component(base=kcl[name + suffix].base)
        return draw_cells(netlist, places_um(chosen), kcl, suffix=suffix)[name]

    return _drawn(draw, deck)


def _drawn(draw: Callable[[kf.KCLayout], gf.Component], deck: Deck) -> gf.Component:
    """A cell in the layer numbers of a deck."""
    return draw(gf.kcl) if deck.layers == LAYERS else _moved(draw, deck)


def _parameter(reference: Mapping[str, float], field: Any) -> inspect.Parameter:
    own = inspect.Parameter.empty if field.default is MISSING else field.default
    default = reference.get(field.name, own)
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=field.type)


def _moved(draw: Callable[[kf.KCLayout], gf.Component], deck: Deck) -> gf.Component:
    """A cell drawn in our numbers, then copied, without hierarchy, to another deck's."""
    scratch = kf.KCLayout(f"prism_moved_{deck.name}")
    drawn = draw(scratch)
    name = f"{deck.name}_{drawn.name}"
    if gf.kcl.layout.has_cell(name):
        return gf.Component(base=gf.kcl[name].base)
    cell = gf.Component(name, settings=drawn.settings.model_dump())
    cell.function_name = drawn.function_name
    numbers = dict(deck.layers.items())
    for layer, number in LAYERS.items():
        region = kdb.Region(drawn.kdb_cell.begin_shapes_rec(scratch.layer(*number)))
        if not region.is_empty():
            cell.kdb_cell.shapes(gf.kcl.layer(*numbers[layer])).insert(region)
    for port in kf.KCell(base=drawn.base).ports:
        optical = port.port_type == "optical"
        at, width = port.trans.disp, port.width / PER_UM
        layer = numbers["ridge" if optical else "metal2"]
        add_port(cell, port.name or "", (at.x, at.y), port.trans.angle, width_um=width, layer=layer, optical=optical)
    return cell


def _cross_sections(deck: Deck, profile: Profile) -> dict[str, Callable[..., gf.CrossSection]]:
    """The rib with its slab, both metals and the heater, with the film's and the deck's least sizes."""
    numbers = dict(deck.layers.items())
    width, least = profile.film.rib_width_um.value, profile.film.min_bend_radius_um.value

    def rib(width: float = width, radius: float = 1.5 * least, **keywords: Any) -> gf.CrossSection:
        slab = gf.Section(width=width + 2.0 * SLAB_MARGIN_UM, layer=numbers["slab"], name="slab")
        return gf.cross_section.cross_section(
            width=width, layer=numbers["ridge"], sections=(slab,), radius=radius, radius_min=least, **keywords
        )

    def metal(layer: str, width: float, **keywords: Any) -> gf.CrossSection:
        return gf.cross_section.cross_section(
            width=width,
            layer=numbers[layer],
            port_names=gf.cross_section.port_names_electrical,
            port_types=gf.cross_section.port_types_electrical,
            **keywords,
        )

    return {
        "rib": rib,
        "strip": rib,  # the name that gdsfactory's own cells ask for
        "metal1": partial(metal, "metal1", 4.0),
        "metal2": partial(metal, "metal2", 10.0),
        "metal_routing": partial(metal, "metal2", 10.0),
        "heater": partial(metal, "heater", 2.0),
    }


def _stack(deck: Deck) -> LayerStack:
    numbers = dict(deck.layers.items())
    return LayerStack(
        layers={
            name: LayerLevel(
                name=name,
                layer=LogicalLayer(layer=numbers[name]),
                thickness=level.thickness_um,
                zmin=level.bottom_um,
                material=level.material,
            )
            for name, level in deck.stack.items()
        }
    )


def _views(deck: Deck) -> LayerViews:
    numbers = dict(deck.layers.items())
    views = LayerViews()
    for view in VIEWS:
        look = LayerView(
            name=view.layer,
            layer=numbers[view.layer],
            color=view.fill,
            hatch_pattern="hollow" if view.outlined else "solid",
            transparent=view.opacity < 0.9,
        )
        views.add_layer_view(view.layer, look)
    return views


PDK = make_pdk()
