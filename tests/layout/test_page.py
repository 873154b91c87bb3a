"""The page of a drawing: what stands in it is the drawing, and a real browser shows what a ring is."""

import base64
import json
import re
import shutil
import subprocess
import zlib

import klayout.db as kdb
import pytest

from prism_photonics.budget.ring import ring_figures
from prism_photonics.layout.page import _channels, chip_page
from prism_photonics.layout.polygons import open_layout
from prism_photonics.layout.views import VIEWS
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import load_spec

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

# After the page has drawn: click where the ring of row 2 and channel 6 stands when the whole die is seen.
CLICK = """<script>
const clicked = setInterval(() => {
  if (!document.body.dataset.ready) return;
  clearInterval(clicked);
  const ring = chip.rings.find(each => each.row === 2 && each.channel === 6), m = screen();
  const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
  const at = { clientX: box.left + (m[0] * ring.x + m[4]) / ratio, clientY: box.top + (m[3] * ring.y + m[5]) / ratio };
  for (const kind of ["pointerdown", "pointerup"])
    canvas.dispatchEvent(new PointerEvent(kind, { ...at, pointerId: 1, bubbles: true }));
}, 20);
canvas.setPointerCapture = () => {};  // of a pointer that no hand holds
</script>"""


def packed(page):
    """The drawing that a page carries."""
    data = re.search(r'const packed = "([^"]*)"', page)
    assert data is not None
    return json.loads(zlib.decompress(base64.b64decode(data[1])))


@pytest.fixture(scope="module")
def page(files):
    return files.page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chip(page):
    return packed(page)


def matrix(a, b, c, d, x, y):
    """A browser's matrix, x' = a·x + c·y + e and y' = b·x + d·y + f, as KLayout has it."""
    turned = kdb.Matrix2d(a, c, b, d)
    return kdb.DCplxTrans(turned.mag_x(), turned.angle(), turned.is_mirror(), x, y)


def region_of(chip, layer):
    """All polygons of one layer, put in their places as the browser does, in nm."""
    placed = kdb.Region()

    def place(cell, trans):
        for points in cell["layers"].get(layer, []):
            corners = [kdb.DPoint(x, y) for x, y in zip(points[::2], points[1::2], strict=True)]
            placed.insert(kdb.DPolygon(corners).transformed(trans).to_itype(1.0))
        for child, a, b, c, d, x, y in cell["instances"]:
            place(chip["cells"][child], trans * matrix(a, b, c, d, x, y))

    place(chip["cells"][chip["top"]], kdb.DCplxTrans())
    return placed.merged()


def test_every_polygon_of_every_layer_stands_in_the_page_where_it_is_drawn(files, chip):
    layout = open_layout(files.gds)
    titles = {view.title: view.layer for view in VIEWS}
    assert len(chip["looks"]) >= 8
    for n, look in enumerate(chip["looks"]):
        index = layout.layer(*getattr(LAYERS, titles[look["title"]]))
        drawn = kdb.Region(layout.top_cell().begin_shapes_rec(index)).merged()
        assert layout.dbu == 0.001
        assert (region_of(chip, str(n)) ^ drawn).area() == 0, look["title"]


def test_rings_pads_and_designed_numbers_are_the_manifests_and_the_specs(files, chip, spec):
    assert len(chip["rings"]) == spec.chip.rows * spec.chip.rings
    ring = next(each for each in chip["rings"] if (each["row"], each["channel"]) == (2, 6))
    line = next(line for line in files.manifest.read_text().splitlines() if line.startswith("row_2/ring_6,")).split(",")
    assert [ring["x"], ring["y"]] == [round(1e3 * float(value)) for value in line[2:4]]
    assert ring["pad"] == line[8]
    told = dict(chip["channels"][6])
    assert told["loaded Q"] == f"{ring_figures(spec, 6).q_loaded:,.0f}"
    assert told["line"] == f"{1e3 * spec.comb_design.wl_um[6]:.3f} nm"


def test_the_page_loads_nothing_from_elsewhere_and_a_name_is_text(files, page, spec):
    assert re.findall(r"(?:src|href|url)\s*[=(]|https?:", page) == []
    named = spec.model_copy(update={"name": "<b>8&8</b>"})
    shown = chip_page(open_layout(files.gds), named, manifest=files.manifest.read_text())
    assert "&lt;b&gt;8&amp;8&lt;/b&gt;" in shown
    assert "<b>8" not in shown


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the page is not opened in a browser")
def test_a_browser_shows_the_ring_that_is_clicked_and_the_one_that_the_address_names(page, spec, tmp_path):
    def shown(name, text, address=""):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--virtual-time-budget=10000", "--window-size=1200,900", "--dump-dom", f"{path.as_uri()}{address}"],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return re.sub(r"<script>.*?</script>", "", done.stdout, flags=re.S)

    clicked = shown("clicked.html", page.replace("</body>", f"{CLICK}</body>"))
    assert "row_2/ring_6" in clicked
    assert "ring_r2_c6" in clicked
    assert f"{1e3 * spec.comb_design.wl_um[6]:.3f} nm" in clicked
    assert f"{ring_figures(spec, 6).q_loaded:,.0f}" in clicked
    named = shown("named.html", page, "#row=7&channel=0")
    assert "row_7/ring_0" in named
    assert "row_2/ring_6" not in named


def test_a_ring_with_ramps_is_told_with_its_sharpest_bend():
    told = [dict(rows) for rows in _channels(load_spec("demo_8x8"))]
    assert {rows["sharpest bend"] for rows in told} == {"22 µm"}
    assert "sharpest bend" not in dict(_channels(load_spec("circles_8x8"))[0])
