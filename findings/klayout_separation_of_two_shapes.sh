#!/usr/bin/env bash
# KLayout 0.30.12 finds places between two layers that neither of the first layer's shapes has with the second.
#
# A microring's rib whose curvature grows and falls smoothly lies between an outer and an inner electrode, 2.000 µm from
# each, all points on the 1 nm grid. Region.separation_check of one electrode against the rib, at 1.998 µm, finds
# nothing, and by brute force the edges are nowhere nearer than 1.999 µm. Of a region that holds both electrodes, 10 µm
# apart from each other, the same check finds several edge pairs, with edges 3 nm beside those of any polygon. With
# merged_semantics = False it finds none, as is right. A rule deck that asks of merged layers (the default) tells of
# errors that no shape has. Seen 2026-11-30, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q klayout==0.30.12 numpy==2.3.5
"$here/venv/bin/python" - <<'PY'
import klayout.db as kdb
import numpy as np


def half_turn(steps):
    """East half of a ring of 40.4 µm with arms: places, and headings."""
    k = np.sin(np.pi * np.linspace(0.0, 1.0, steps + 1)) ** 2
    th = np.concatenate([[0.0], np.cumsum(0.5 * (k[1:] + k[:-1]))])
    th *= np.pi / 2 / th[-1]
    mid = 0.5 * (th[1:] + th[:-1])
    x, y = (np.concatenate([[0.0], np.cumsum(of(mid))]) for of in (np.cos, np.sin))
    x, y = (40.4 / x[-1] * way for way in (x, y))
    y -= y[-1] + 4.7
    return np.concatenate([x, x[::-1]]), np.concatenate([y, -y[::-1]]), np.concatenate([th, np.pi - th[::-1]])


def band(steps, near, far, clear_rad=0.0):
    x, y, th = half_turn(steps)
    kept = (th >= clear_rad) & (th <= np.pi - clear_rad)
    x, y, th = x[kept], y[kept], th[kept]
    out = [np.stack([x + np.sin(th) * off, y - np.cos(th) * off], 1) for off in (near, far)]
    return kdb.Polygon([kdb.Point(*p) for p in np.rint(1000.0 * np.concatenate([out[0], out[1][::-1]])).astype(int).tolist()])


def to_segment(points, a, b):
    along = np.clip(((points - a) @ (b - a)) / max((b - a) @ (b - a), 1e-9), 0.0, 1.0)[:, None]
    return np.hypot(*(points - a - along * (b - a)).T).min()


def nearest(one, other):
    first, second = (np.array([(p.x, p.y) for p in shape.each_point_hull()], float) for shape in (one, other))
    ways = ((p, q) for p, q in ((first, second), (second, first)))
    return min(to_segment(p, a, b) for p, q in ways for a, b in zip(q, np.roll(q, -1, 0)))


rib, outer, inner = band(300, -0.7, 0.7), band(300, 2.7, 10.7, 0.6), band(300, -10.7, -2.7, 0.6)
check = lambda shapes: kdb.Region(shapes).separation_check(kdb.Region(rib), 1998).count()
alone = [check([shape]) for shape in (outer, inner)]
both = check([outer, inner])
raw, raw_rib = kdb.Region([outer, inner]), kdb.Region(rib)
raw.merged_semantics = raw_rib.merged_semantics = False
nm = min(nearest(shape, rib) for shape in (outer, inner))
print(f"klayout {kdb.__version__}: each electrode alone {alone}, both {both}, both unmerged {raw.separation_check(raw_rib, 1998).count()}; nearest {nm:.1f} nm")
assert alone == [0, 0] and both > 0 and raw.separation_check(raw_rib, 1998).count() == 0 and nm > 1998.0
PY
