"""The drawing layers, vertical stack and drawing rules of a film, read from TOML: a foundry is another file."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from prism_photonics.files.toml import parse_toml, read_text
from prism_photonics.process.profile import film_name
from prism_photonics.units import InputError, nearest

Layer = tuple[int, int]
HOUSE = "tfln600"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Layers(_Table):
    """GDS numbers, as ``(layer, datatype)``, of everything that is drawn.

    Attributes:
        ridge: Ribs, where the film stays at full height.
        slab: Sleeve round the ribs, where the thin slab stays; outside it the film is etched away.
        labels: Text, for who reads the file; on the die its letters are slab.
        attach: Outline of the pieces of III–V that are bonded for photodiodes, never fabricated.
        contour: Die outline; the dicing cut and the polished facet.
        exclusion: Border of the die and dicing street, where only edge couplers may lie.
        metal1: First metal, beside the ribs: electrodes.
        heater: Heater metal.
        via: Openings in the oxide between the metals.
        metal2: Second metal, above the oxide: straps and routing; it may cross ribs.
        opening: Openings in the passivation over pads.
        bump: Solder bumps of a flip-chip die.
        slab_opening: Where a kit's coupler has the slab etched away but under its own taper.
        window: Where the upper oxide is taken off, so that III–V can be bonded to the ribs.
        mesa_n: Lower mesa of a bonded photodiode: its n contact layer of InP.
        mesa_p: Upper mesa: drift layer, absorber, p layers.
        contact_n: Metal on the lower mesa, beside the upper.
        contact_p: Metal on the upper mesa.
        contact_via: Openings down to these two, filled by the second metal.
    """

    ridge: Layer
    slab: Layer
    labels: Layer
    attach: Layer
    contour: Layer
    exclusion: Layer
    metal1: Layer
    heater: Layer
    via: Layer
    metal2: Layer
    opening: Layer
    bump: Layer
    # Decks that are older than a layer: the public kit's number, and the numbers after `attach`'s in our own.
    slab_opening: Layer = (3, 1)
    window: Layer = (5, 1)
    mesa_n: Layer = (5, 2)
    mesa_p: Layer = (5, 3)
    contact_n: Layer = (5, 4)
    contact_p: Layer = (5, 5)
    contact_via: Layer = (5, 6)

    def items(self) -> tuple[tuple[str, Layer], ...]:
        """Name and numbers of every layer, in the order above."""
        return tuple((name, getattr(self, name)) for name in type(self).model_fields)


class Level(_Table):
    """Solid that one mask layer makes: height above the buried oxide, thickness, material."""

    bottom_um: float
    thickness_um: float = Field(gt=0)
    material: str


class Rule(_Table):
    """One drawing rule; which fields it needs depends on its kind (the TOML file explains the kinds).

    What lies within the layer ``outside``, or within the rule's reach of it, is not judged: a foundry's own cells. Of a
    separation, figures of ``layer`` that touch ``outside`` are not judged.
    """

    kind: Literal["width", "space", "separation", "enclosure", "inside", "apart", "corner", "area"]
    layer: str
    other: str = ""
    outside: str = ""
    value_um: float = Field(default=0.0, ge=0)
    value_deg: float = Field(default=0.0, ge=0, le=90)
    value_um2: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> "Rule":
        given = {field for field in ("value_um", "value_deg", "value_um2") if getattr(self, field) > 0.0}
        value = {"corner": {"value_deg"}, "area": {"value_um2"}, "apart": set()}.get(self.kind, {"value_um"})
        if given != value or (self.kind in _OF_TWO) != bool(self.other):
            wanted = sorted(value | ({"other"} if self.kind in _OF_TWO else set()))
            raise ValueError(f"a rule of kind {self.kind} wants {', '.join(['layer', *wanted])} and nothing else")
        return self


class Fill(_Table):
    """Density that is asked of a layer, and the squares that bring it there.

    Attributes:
        number: GDS numbers of the fill, no other layer's.
        side_um: Of a square.
        space_um: Between squares.
        clear_um: From everything that is drawn, ribs and electrodes among it.
        window_um: Side of the windows in which density is judged.
        least: Least share of a window that must be covered.
        most: Largest.
    """

    number: Layer
    side_um: float = Field(gt=0)
    space_um: float = Field(gt=0)
    clear_um: float = Field(gt=0)
    window_um: float = Field(gt=0)
    least: float = Field(ge=0, lt=1)
    most: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _possible(self) -> "Fill":
        share = (self.side_um / (self.side_um + self.space_um)) ** 2
        if not self.least < share < self.most:
            raise ValueError(
                f"squares of {self.side_um:g} µm with {self.space_um:g} µm between them cover {share:.3g}; want "
                f"between least = {self.least:g} and most = {self.most:g}; change side_um or space_um"
            )
        return self


_OF_TWO = ("separation", "enclosure", "inside", "apart")


class Deck(_Table):
    """Layers, stack and rules of one film or foundry. All lengths in µm.

    Attributes:
        name: The film's name, as in its profile.
        grid_um: Every point lies on this grid.
        curve_tolerance_um: Distances may fall short by this, since points of a circle lie on the grid.
        buried_um: Oxide between film and silicon, which conducts: the floor of the electrodes' field.
        metal2_over_ridge_dB_cm: Loss of light in a rib under second metal, beyond the guide's own; 0 where not solved.
        layers: GDS numbers.
        stack: Solid made of each layer, for a three-dimensional view.
        rules: Rule name → rule.
        fill: Layer → density that is asked of it, and its fill; none in the decks that ship.
    """

    name: str
    grid_um: float = Field(gt=0)
    curve_tolerance_um: float = Field(ge=0)
    buried_um: float = Field(default=4.7, gt=0)  # decks that are older than this have the public kit lnoi400's
    metal2_over_ridge_dB_cm: float = Field(default=0.0, ge=0)
    layers: Layers
    stack: Mapping[str, Level]
    rules: Mapping[str, Rule]
    fill: Mapping[str, Fill] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_layers(self) -> "Deck":
        known = Layers.model_fields
        spoken_of = [(f"stack.{name}", name) for name in self.stack]
        spoken_of += [
            (f"rules.{name}", layer)
            for name, r in self.rules.items()
            for layer in (r.layer, r.other or r.layer, r.outside or r.layer)
        ]
        spoken_of += [(f"fill.{name}", name) for name in self.fill]
        for where, layer in spoken_of:
            if layer not in known:
                raise ValueError(f"{where}: unknown layer '{layer}'; {nearest(layer, known)}")
        numbers = [number for _, number in self.layers.items()] + [fill.number for fill in self.fill.values()]
        for number in numbers:
            if numbers.count(number) > 1:
                raise ValueError(
                    f"layers: {number[0]}/{number[1]} is given twice; give every layer a number of its own"
                )
        return self

    def value_um(self, rule: str) -> float:
        """The length that a rule demands."""
        return self.rules[rule].value_um


def deck_names() -> list[str]:
    """Names of the decks that ship with the package."""
    folder = resources.files(__package__) / "rules"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


@cache
def load_deck(name: str = HOUSE) -> Deck:
    """Read a shipped deck by its film's name; its chips are drawn, read and judged by it. A measured profile keeps
    its film's.

    Raises:
        InputError: The name is unknown; the message names the nearest one.
    """
    name = film_name(name)
    if name not in deck_names():
        raise InputError(f"rules: unknown deck '{name}'; {nearest(name, deck_names())}")
    text = (resources.files(__package__) / "rules" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_deck(text, where=name)


def read_deck(path: Path | str) -> Deck:
    """Read a foundry's deck from a file.

    Raises:
        InputError: The file cannot be read, or its text is no deck.
    """
    return parse_deck(read_text(path, what="rules", name="TOML file"), where=str(path))


def parse_deck(text: str, *, where: str) -> Deck:
    """Check a deck given as TOML text; ``where`` names it in errors.

    Raises:
        InputError: Not TOML, an unknown key or layer, or a rule that lacks its value.
    """
    data = parse_toml(text, where=where)
    try:
        return Deck.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{where}: {place + ': ' if place else ''}{said}; mend the entry") from None


_DECK = load_deck(HOUSE)
LAYERS = _DECK.layers

METAL1_TO_RIB_UM = _DECK.value_um("metal1_to_ridge")
METAL1_WIDTH_UM = _DECK.value_um("metal1_width")
METAL1_SPACE_UM = _DECK.value_um("metal1_space")
METAL2_SPACE_UM = _DECK.value_um("metal2_space")
BUMP_SPACE_UM = _DECK.value_um("bump_space")
OPENING_TO_RIB_UM = _DECK.value_um("opening_to_ridge")
VIA_ENCLOSURE_UM = _DECK.value_um("metal1_around_via")
SLAB_MARGIN_UM = 4.0  # the slab reaches this far beyond a rib: design choice, the rule asks for 3
