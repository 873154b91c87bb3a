"""The drawing rules in KLayout's own engine against ours: one drawing that breaks each rule, and sound chips.

    python benchmarks/klayout_deck.py KLAYOUT [--json]

KLAYOUT is the program of klayout.de (``klayout -v`` must answer). Every film's rules are run over the drawings of
``tests/layout/test_drc.py``, all in one file, and over the chips given by CHIPS: without their metadata, which versions
before 0.30 refuse to read.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import klayout.db as kdb

from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.drc_script import lydrc
from prism_photonics.layout.polygons import save_clean
from prism_photonics.layout.write import write_gds
from prism_photonics.process.layers import Deck, deck_names, load_deck
from prism_photonics.spec import load_spec

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "layout"))

CHIPS = ("demo_8x8", "lnoi400_8x8")
APART_UM = 5_000.0


def broken(deck: Deck, path: Path) -> None:
    """Every drawing that breaks a rule, side by side, in a deck's layer numbers."""
    layout = kdb.Layout()
    layout.dbu = 0.001
    top, numbers = layout.create_cell("chip"), dict(deck.layers.items())
    for n, shapes in enumerate(import_module("test_drc").BROKEN.values()):
        for layer, shape in shapes:
            polygon = shape if isinstance(shape, kdb.DPolygon) else kdb.DPolygon(shape)
            top.shapes(layout.layer(*numbers[layer])).insert(polygon.moved(n * APART_UM, 0.0))
    layout.write(str(path))


def in_klayout(program: str, deck: Deck, gds: Path) -> dict[str, int]:
    """Violations of each broken rule that KLayout's engine finds."""
    script, report = gds.with_suffix(".lydrc"), gds.with_suffix(".lyrdb")
    script.write_text(lydrc(deck), encoding="utf-8")
    given = ("-rd", f"input={gds}", "-rd", f"report={report}")
    subprocess.run([program, "-b", "-r", str(script), *given], check=True)
    items = ElementTree.parse(report).getroot().iter("item")
    return dict(sorted(Counter(item.findtext("category", "").strip("'") for item in items).items()))


def compared(program: str, name: str, deck: Deck, gds: Path) -> dict[str, Any]:
    """What both engines find in a file."""
    ours = {rule: count for rule, count in sorted(run_drc(gds, deck=deck).counts.items()) if count}
    theirs = in_klayout(program, deck, gds)
    return {"drawing": name, "rules": len(deck.rules) + 1, "ours": ours, "klayout": theirs, "same": ours == theirs}


def main(program: str) -> None:
    """Compare and print."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for film in deck_names():
            path = Path(folder) / f"broken_{film}.gds"
            broken(load_deck(film), path)
            rows.append(compared(program, f"broken, {film}", load_deck(film), path))
        for name in CHIPS:
            spec = load_spec(name)
            deck, path = load_deck(spec.process), Path(folder) / f"{name}.gds"
            save_clean(write_gds(draw(spec), path, deck), path)
            rows.append(compared(program, name, deck, path))
    version = subprocess.run([program, "-v"], check=True, capture_output=True, text=True).stdout.strip()
    result = {"klayout": version, "rows": rows, "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only"}
    if "--json" in sys.argv:
        print(json.dumps(result, indent=1))
        return
    for row in rows:
        print(
            f"{row['drawing']:20} {'the same' if row['same'] else 'DIFFERENT'}: {sum(row['klayout'].values())} places"
        )


if __name__ == "__main__":
    main(sys.argv[1])
