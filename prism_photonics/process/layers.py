"""The drawing layers of the film: GDS layer and datatype of everything that is drawn."""

from dataclasses import dataclass, fields

Layer = tuple[int, int]


@dataclass(frozen=True)
class Layers:
    """GDS numbers, as ``(layer, datatype)``.

    Source: ridge, slab, labels, contour, exclusion, metal 21/0 and heater 21/1 are the numbers of the public TFLN kit
    lnoi400; via, second metal, pad opening and attach outline are a design choice, the next free numbers.

    Attributes:
        ridge: Ribs, where the 500 nm etch leaves the film at full height.
        slab: Sleeve round the ribs, where the 100 nm slab stays; outside it the film is etched away.
        labels: Text, never fabricated.
        attach: Outline of dies attached later (photodiodes), never fabricated.
        contour: Die outline; the dicing cut and the polished facet.
        exclusion: Border of the die where only edge couplers may lie.
        metal1: First metal, beside the ribs: electrodes.
        heater: Heater metal.
        via: Openings in the oxide between the metals.
        metal2: Second metal, above the oxide: straps and routing; it may cross ribs.
        opening: Openings in the passivation over pads.
    """

    ridge: Layer = (2, 0)
    slab: Layer = (3, 0)
    labels: Layer = (4, 0)
    attach: Layer = (5, 0)
    contour: Layer = (6, 0)
    exclusion: Layer = (6, 1)
    metal1: Layer = (21, 0)
    heater: Layer = (21, 1)
    via: Layer = (22, 0)
    metal2: Layer = (23, 0)
    opening: Layer = (24, 0)

    def items(self) -> tuple[tuple[str, Layer], ...]:
        """Name and numbers of every layer, in the order above."""
        return tuple((field.name, getattr(self, field.name)) for field in fields(self))


LAYERS = Layers()

# Drawing rules in µm. Source: our starter rules (no foundry's); a foundry profile may replace them.
METAL1_TO_RIB_UM = 2.0
METAL1_SPACE_UM = 3.0
METAL2_SPACE_UM = 3.0
VIA_ENCLOSURE_UM = 0.5
SLAB_MARGIN_UM = 4.0  # the slab reaches this far beyond a rib; rule: at least 3
