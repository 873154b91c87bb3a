#!/usr/bin/env bash
# gdsfactory 9.51.0 (kfactory 3.0.4): a PDK that is activated again draws on another PDK's layer.
#
# A PDK's layers are places in the one layout of the process. Activating another PDK takes those that hold no shapes out,
# and the next PDK's layers get the free places. Activated again, the first PDK keeps the places it was made with where
# they are taken by then (it says so at log level debug alone): what is drawn on its "core" (301/0) lands on the other
# PDK's layer (401/0), and shapes that are on 301/0 are not found by its name. Seen 2026-11-30, Python 3.12. Exits
# non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "gdsfactory==9.51.0" "kfactory==3.0.4"
cat >"$folder/three_kits.py" <<'PY'
import gdsfactory as gf
import kfactory as kf

SQUARE = [(0, 0), (5, 0), (5, 5), (0, 5)]


def kit(name, number):
    core = kf.kdb.LayerInfo(number, 0, "core")
    return gf.Pdk(name=name, layers=gf.kcl.layerenum_from_dict(layers=kf.LayerInfos(core=core)))


def drawn(layer):
    cell = gf.Component()
    cell.add_polygon(SQUARE, layer=layer)
    return cell


def numbers(cell):
    layout = gf.kcl.layout
    found = (layout.get_info(index) for index in layout.layer_indexes() if cell.kdb_cell.shapes(index).size())
    return [(info.layer, info.datatype) for info in found]


first, between = kit("first", 301), kit("between", 501)
first.activate()
between.activate()
second = kit("second", 401)
second.activate()
drawn((401, 0))
first.activate()
by_name = numbers(drawn("core"))
by_number = drawn((301, 0))
found = sum(len(polygons) for polygons in by_number.get_polygons(layers=("core",)).values())
print(f"drawn on 'core' of the first kit, 301/0: on {by_name}; a square on 301/0, asked for by 'core': {found} found")
assert by_name == [(401, 0)] and numbers(by_number) == [(301, 0)] and found == 0
PY
"$folder/env/bin/python" "$folder/three_kits.py" 2>/dev/null
