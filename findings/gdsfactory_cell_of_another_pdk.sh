#!/usr/bin/env bash
# gdsfactory 9.51.0: cells are cached by the words of their arguments, not by what the active PDK means by them. After a
# second PDK with a wider "rib" is activated, `straight(cross_section="rib")` is still drawn as the first PDK's rib.
# Seen 2026-11-28, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "gdsfactory==9.51.0"
cat >"$folder/two_kits.py" <<'PY'
import gdsfactory as gf


def kit(name, width):
    def rib():
        return gf.cross_section.cross_section(width=width, layer=(2, 0))

    return gf.Pdk(name=name, cross_sections={"rib": rib}, cells={"straight": gf.components.straight})


def drawn_um():
    return gf.components.straight(length=10.0, cross_section="rib").dbbox().height()


kit("narrow", 1.0).activate()
first = drawn_um()
wide = kit("wide", 2.0)
wide.activate()
print("active kit:", gf.get_active_pdk().name, "  its rib:", wide.get_cross_section("rib").width, "  drawn:", drawn_um())
assert (first, wide.get_cross_section("rib").width, drawn_um()) == (1.0, 2.0, 1.0)
PY
"$folder/env/bin/python" "$folder/two_kits.py"
