"""Colours and titles of the layers: one table for the picture, the ``.lyp`` file and the three-dimensional view."""

from typing import NamedTuple

from prism_photonics.process.layers import Deck, load_deck

HOLLOW = ("exclusion",)
"""Shown by their outlines in KLayout alone: a kit's zone is its whole die, under which nothing should be hatched."""


class View(NamedTuple):
    """A layer's look: title in a legend, fill, opacity, and whether only its outline is shown."""

    layer: str
    title: str
    fill: str
    opacity: float
    outlined: bool = False


# Bottom to top.
VIEWS = (
    View("exclusion", "dicing street and border", "#d9d9d9", 0.45),
    View("slab", "slab (thin LiNbO3)", "#d7ecd0", 1.0),
    View("slab_opening", "slab removed (kit's couplers)", "#f4e1c1", 0.6, outlined=True),
    View("ridge", "rib (full LiNbO3)", "#14753b", 1.0),
    View("window", "bonding window in the oxide", "#b9d7ea", 0.35),
    View("mesa_n", "photodiode: n mesa (InP)", "#7e57c2", 0.8),
    View("mesa_p", "photodiode: absorber mesa", "#4a148c", 0.95),
    View("contact_n", "photodiode: n contact", "#26a69a", 0.95),
    View("contact_p", "photodiode: p contact", "#d81b60", 0.95),
    View("heater", "heater", "#c0392b", 0.8),
    View("metal1", "metal 1: electrodes", "#e8a33d", 0.95),
    View("metal2", "metal 2: straps, routing", "#5b6fb5", 0.62),
    View("via", "via", "#7a1f1f", 0.9),
    View("contact_via", "via to a photodiode", "#3e2723", 0.9),
    View("opening", "pad opening", "#f4d35e", 0.9),
    View("bump", "solder bump", "#9aa0a6", 1.0),
    View("attach", "bonded III–V outline", "#a03070", 1.0, outlined=True),
    View("labels", "label: letters of slab", "#333333", 1.0),
    View("contour", "die outline", "#222222", 1.0, outlined=True),
)


def lyp(deck: Deck | None = None) -> str:
    """KLayout layer properties of a deck's layers, bottom to top, as XML: KLayout paints later entries over earlier."""
    numbers = dict((deck or load_deck()).layers.items())
    entries = "\n".join(_entry(view, numbers[view.layer]) for view in VIEWS)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<layer-properties>\n{entries}\n</layer-properties>\n'


def _entry(view: View, number: tuple[int, int]) -> str:
    hollow = view.outlined or view.layer in HOLLOW
    fields = {
        "frame-color": view.fill,
        "fill-color": view.fill,
        "frame-brightness": -40 if not view.outlined else 0,
        "fill-brightness": 0,
        # KLayout's stipples: I0 solid, I1 hollow, I5 dotted.
        "dither-pattern": "I1" if hollow else ("I5" if view.opacity < 0.9 else "I0"),
        "valid": "true",
        "visible": "true",
        "transparent": "true" if view.opacity < 0.9 else "false",
        "width": 1,
        "marked": "false",
        "animation": 0,
        "name": f"{view.layer} {number[0]}/{number[1]}",
        # All levels: KLayout opens a file at its top level alone, where no ring is to be seen.
        "source": f"{number[0]}/{number[1]}@1 #*",
    }
    lines = "\n".join(f"  <{key}>{value}</{key}>" for key, value in fields.items())
    return f" <properties>\n{lines}\n </properties>"
