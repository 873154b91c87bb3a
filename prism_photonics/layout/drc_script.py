"""A deck's drawing rules as a DRC script for KLayout's own engine, which finds there what `run_drc` finds here."""

from html import escape

from prism_photonics.layout.drc import CORNER_SLACK_DEG, IGNORE_DEG, describe
from prism_photonics.layout.polygons import WHOLE
from prism_photonics.process.layers import Deck, Rule

SHARPEST_DEG = 179.99  # asked for turns from −180°, KLayout 0.28.5 finds none at all

HEAD = """\
# Drawing rules of {name}, written by prism_photonics from its deck. In KLayout: Tools > DRC.
# Without windows: klayout -b -r {name}.lydrc -rd input=chip.gds -rd report=drc.lyrdb
source($input) if $input
$report ? report("prism_photonics, deck {name}", $report) : report("prism_photonics, deck {name}")
deep
dbu = source.layout.dbu
# The least whole number of database units that is no shorter than a length: a limit never shrinks.
units = lambda do |um|
  n = um / dbu
  (n - n.round).abs < {whole} * [1.0, n].max ? n.round : n.ceil
end
area = lambda {{ |um2| (um2 / dbu**2 * (1.0 - {whole})).ceil }}
# By the region itself: a layer's own method finds no corner in KLayout 0.28.5.
corners = lambda {{ |layer, low, high| DRC::DRCLayer.new(self, layer.data.corners(low, high)) }}
check = [euclidian, angle_limit({ignore})]
"""


def drc_script(deck: Deck) -> str:
    """The rules of a deck in the language of KLayout's DRC."""
    lines = [HEAD.format(name=deck.name, whole=WHOLE, ignore=IGNORE_DEG)]
    lines += [f"{name} = input({number[0]}, {number[1]})" for name, number in deck.layers.items()]
    names = ", ".join(name for name, _ in deck.layers.items())
    grid = f"step = ({deck.grid_um!r} / dbu).rationalize(Rational(1, 100_000)).numerator"
    told = describe(None, deck)
    lines += ["", grid, f"[{names}].each {{ |layer| layer.ongrid(step).output('grid', '{told}') }} if step > 1"]
    for name, rule in deck.rules.items():
        for found in _found(rule, deck):
            lines.append(f"{found}.output('{name}', '{describe(rule, deck)}')")
    return "\n".join(lines) + "\n"


def lydrc(deck: Deck) -> str:
    """The same as a macro file (``.lydrc``), which KLayout lists in its menu."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<klayout-macro>
 <description>Drawing rules of {escape(deck.name)}</description>
 <version/>
 <category>drc</category>
 <prolog/>
 <epilog/>
 <doc/>
 <autorun>false</autorun>
 <autorun-early>false</autorun-early>
 <shortcut/>
 <show-in-menu>true</show-in-menu>
 <group-name>drc_scripts</group-name>
 <menu-path>tools_menu.drc.end</menu-path>
 <interpreter>dsl</interpreter>
 <dsl-interpreter-name>drc-dsl-xml</dsl-interpreter-name>
 <text>{escape(drc_script(deck), quote=False)}</text>
</klayout-macro>
"""


def _found(rule: Rule, deck: Deck) -> list[str]:
    """What breaks a rule, as expressions of KLayout's language."""
    layer, other = rule.layer, rule.other
    exact = rule.value_um if rule.kind != "separation" else round(rule.value_um - deck.curve_tolerance_um, 9)
    least = f"units.call({exact!r})"
    turn = 180.0 - rule.value_deg + CORNER_SLACK_DEG
    found = {
        "width": [f"{layer}.width({least}, *check)"],
        "space": [f"{layer}.space({least}, *check)"],
        "separation": [f"{_judged(rule)}.separation({other}, {least}, *check)"],
        "enclosure": [f"{other}.enclosing({layer}, {least}, *check)", f"({layer} - {other})"],
        "inside": [f"({layer} - {other}.sized(-{least}))"],
        "apart": [f"({layer} & {other})"],
        "corner": [
            f"corners.call({layer}, {low!r}, {high!r})" for low, high in ((turn, SHARPEST_DEG), (-SHARPEST_DEG, -turn))
        ],
        "area": [f"{layer}.with_area(0, area.call({rule.value_um2!r}))"],
    }[rule.kind]
    if not rule.outside or rule.kind == "separation":
        return found
    # Edge pairs have no place within another layer before they are polygons.
    pairs = rule.kind in ("width", "space", "enclosure")
    beyond = f".not_inside({rule.outside}.sized({least}))"
    return [f"{one}{'.polygons(1)' if pairs and n == 0 else ''}{beyond}" for n, one in enumerate(found)]


def _judged(rule: Rule) -> str:
    """The figures of a separation's layer that are judged."""
    return f"{rule.layer}.not_interacting({rule.outside})" if rule.outside else rule.layer
