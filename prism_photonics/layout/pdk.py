"""The gdsfactory PDK: our cells, layers, cross-sections, layer stack, looks and SAX models under one name.

    from prism_photonics.layout.pdk import PDK
    PDK.activate()
    gf.get_component("ring", radius_um=25.0)
    gf.get_component("row", spec="layouts/demo_8x8/spec.toml")

Importing this module loads gdsfactory, JAX and SAX, which takes seconds.
"""

import contextlib
import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gdsfactory as gf
import kfactory as kf
from gdsfactory.technology import LayerLevel, LayerStack, LayerView, LayerViews, LogicalLayer
from kfactory import kdb
from pydantic import PrivateAttr

from prism_photonics.layout.drc_script import lydrc
from prism_photonics.layout.pdk_cells import digest, pdk_cells
from prism_photonics.layout.pdk_models import RADII, pdk_models
from prism_photonics.layout.views import VIEWS, lyp
from prism_photonics.process.layers import HOUSE, SLAB_MARGIN_UM, Deck, load_deck
from prism_photonics.process.profile import Profile, load_profile


class FilmPdk(gf.Pdk):
    """A PDK of one film and one deck, whose activation makes gdsfactory draw its own cells anew.

    gdsfactory keeps ``straight(cross_section="rib")`` by these words: after another film's PDK was activated it would
    return the former film's rib, layers and bends. And it takes a PDK of the active one's name for the active one, even
    where its deck has changed.

    A layer's place in gdsfactory's layout is not the PDK's for ever: another PDK's activation takes layers without
    shapes out (gdsfactory 9.51), and the next new layer may take that place. gdsfactory reads shapes by the place that
    the PDK was told when it was made, and so read another layer's, or moved an empty one over what was drawn.
    """

    _drawn_by: str = PrivateAttr(default="")  # what decides of a drawing: the film, and a digest of the deck
    _infos: dict[str, kdb.LayerInfo] = PrivateAttr(default_factory=dict)

    def activate(self, force: bool = False) -> None:
        """Make this the active PDK; cells that gdsfactory keeps from a PDK of another film or deck are drawn anew.

        Cells that a layout has already taken stay as they are, under a name that says whose they are.
        """
        active = _active_pdk()
        former = active._drawn_by if isinstance(active, FilmPdk) else "foreign"
        if active is not None and former != self._drawn_by:
            _retire_kept_cells(former)
            self.layers = _placed(self._infos)
            force = True
        super().activate(force=force)


def make_pdk(name: str = HOUSE, *, deck: Deck | None = None) -> FilmPdk:
    """A PDK of one film.

    Args:
        name: The film's profile: widths, least bend radius, optics.
        deck: Layers, stack and rules; the film's own when none is given. A foundry's deck moves every cell to its
            layer numbers.

    Raises:
        InputError: There is no such profile or deck.
    """
    profile = load_profile(name)
    title, deck = (deck.name, deck) if deck else (name, load_deck(name))
    infos = {layer: kdb.LayerInfo(*number, layer) for layer, number in deck.layers.items()}
    pdk = FilmPdk(
        name=title,
        layers=_placed(infos),
        cells=pdk_cells(profile, deck),
        cross_sections=_cross_sections(deck, profile),
        layer_stack=_stack(deck),
        layer_views=_views(deck),
        layer_transitions={deck.layers.ridge: partial(gf.components.taper, length=20.0, cross_section="rib")},
        models=pdk_models(profile),
        connectivity=[("metal1", "via", "metal2")],
    )
    pdk._drawn_by, pdk._infos = f"{name}_{deck.name}_{digest(deck)}", infos
    return pdk


def write_technology(folder: Path | str, *, deck: Deck | None = None) -> Path:
    """Write a KLayout technology to a folder: ``tech.lyt``, ``layers.lyp``, the drawing rules as ``drc/NAME.lydrc``.

    KLayout finds it in a folder of its own under ``~/.klayout/tech``, or by ``klayout -nn FOLDER/tech.lyt``.

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
    (folder / "drc").mkdir(exist_ok=True)
    (folder / "drc" / f"{deck.name}.lydrc").write_text(lydrc(deck), encoding="utf-8")
    # An empty folder for a stack that gdsfactory does not write.
    (folder / "d25").rmdir()
    return folder


def _placed(infos: dict[str, kdb.LayerInfo]) -> Any:
    """The layers with the places that they have in gdsfactory's layout now."""
    return gf.kcl.layerenum_from_dict(layers=kf.LayerInfos(**infos))


def _active_pdk() -> gf.Pdk | None:
    """The active PDK; none where none has been activated yet, for then gdsfactory would activate its generic one."""
    return getattr(sys.modules["gdsfactory.pdk"], "_ACTIVE_PDK", None)


def _retire_kept_cells(former: str) -> None:
    """Empty the caches of cell functions, and rename what they hold, so that no new cell takes its name."""
    for factory in gf.kcl.factories.all():
        for cell in factory.cache.values():
            if not cell.destroyed():
                cell.kdb_cell.name = gf.kcl.layout.unique_cell_name(f"{cell.kdb_cell.name}_{former}")
        factory.cache.clear()


def _mend_electrical_route() -> None:
    """Let ``gf.routing.route_single_electrical`` route: in gdsfactory 9.51 its own defaults (None) fail in kfactory."""
    route = gf.routing.route_single_electrical
    if route.__defaults__ and route.__defaults__[:2] == (None, None):
        route.__defaults__ = (0.0, 0.0, *route.__defaults__[2:])


def _cross_sections(deck: Deck, profile: Profile) -> dict[str, Callable[..., gf.CrossSection]]:
    """The rib with its slab, both metals and the heater, with the film's and the deck's least sizes."""
    numbers = dict(deck.layers.items())
    width, least = profile.film.rib_width_um.value, profile.film.min_bend_radius_um.value

    def rib(width: float = width, radius: float = RADII * least, **keywords: Any) -> gf.CrossSection:
        slab = gf.Section(width=width + 2.0 * SLAB_MARGIN_UM, layer=numbers["slab"], name="slab")
        return gf.cross_section.cross_section(
            width=width, layer=numbers["ridge"], sections=(slab,), radius=radius, radius_min=least, **keywords
        )

    def metal(layer: str, usual_um: float) -> Callable[..., gf.CrossSection]:
        def wire(width: float = usual_um, **keywords: Any) -> gf.CrossSection:
            electrical = {
                "port_names": gf.cross_section.port_names_electrical,
                "port_types": gf.cross_section.port_types_electrical,
            }
            return gf.cross_section.cross_section(width=width, layer=numbers[layer], **{**electrical, **keywords})

        return wire

    return {
        "rib": rib,
        "strip": rib,  # the name that gdsfactory's own cells ask for
        "metal1": metal("metal1", 4.0),
        "metal2": metal("metal2", 10.0),
        "metal_routing": metal("metal2", 10.0),
        "heater": metal("heater", 2.0),
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


_mend_electrical_route()
PDK = make_pdk()
