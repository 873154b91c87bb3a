"""Parts of a drawn chip in three dimensions (GLB), from the deck's vertical stack."""

from collections.abc import Iterable

import klayout.db as kdb
import trimesh
from matplotlib.colors import to_rgb
from shapely.geometry import Polygon
from trimesh.visual import ColorVisuals

from prism_photonics.layout.views import VIEWS
from prism_photonics.process.layers import LAYERS, Deck

SMOOTHING_NM = 10  # points of bends that no eye sees make the file large


def solid_glb(layout: kdb.Layout, deck: Deck, view: kdb.DBox) -> bytes:
    """Everything inside a box, true to scale in µm, z upwards from the buried oxide; opens in any glTF viewer.

    Args:
        layout: The chip, in our layer numbers.
        deck: Its vertical stack.
        view: The box.
    """
    scene = trimesh.Scene()
    looks = {look.layer: look for look in VIEWS}
    for name, level in deck.stack.items():
        index = layout.find_layer(*getattr(LAYERS, name))
        if index is None:
            continue
        inside = view.to_itype(layout.dbu)
        shapes = kdb.Region(kdb.RecursiveShapeIterator(layout, layout.top_cell(), index, inside, True))
        red, green, blue = to_rgb(looks[name].fill)
        for n, polygon in enumerate((shapes & kdb.Region(inside)).merged().smoothed(SMOOTHING_NM).each()):
            hull, holes = _points(polygon.each_point_hull()), range(polygon.holes())
            outline = Polygon(hull, [_points(polygon.each_point_hole(hole)) for hole in holes])
            mesh = trimesh.creation.extrude_polygon(outline, level.thickness_um)
            mesh.apply_scale((layout.dbu, layout.dbu, 1.0))
            mesh.apply_translation((-view.center().x, -view.center().y, level.bottom_um))
            color = [round(255 * part) for part in (red, green, blue, looks[name].opacity)]
            mesh.visual = ColorVisuals(mesh, face_colors=[color] * len(mesh.faces))
            scene.add_geometry(mesh, geom_name=f"{name}_{n}", node_name=f"{name}_{n}")
    content = scene.export(file_type="glb")
    assert isinstance(content, bytes)
    return content


def _points(points: Iterable[kdb.Point]) -> list[tuple[int, int]]:
    return [(point.x, point.y) for point in points]
