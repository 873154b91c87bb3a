#!/usr/bin/env bash
# gdsfactory 9.51.0: `Component.get_netlist()` rounds every setting of an instance to three decimals. A cell drawn with
# a loss of 0.0004 dB/cm is one of 0.0 in the netlist, one of 1.23456 is 1.235, so that a circuit which SAX simulates from
# the netlist is not the one that was drawn; the component itself still knows the number in full. Neither function says so.
# Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "gdsfactory==9.51.0"
cat >"$folder/settings.py" <<'PY'
import gdsfactory as gf

gf.gpdk.PDK.activate()


@gf.cell
def lossy(loss_dB_cm=0.1):
    made = gf.Component()
    made.add_ref(gf.components.straight(length=10.0)).name = "guide"
    made.add_ports(made.insts["guide"].ports)
    return made


top = gf.Component("two_guides")
for name, loss in (("faint", 0.0004), ("strong", 1.23456)):
    top.add_ref(lossy(loss_dB_cm=loss)).name = name
for name, drawn in (("faint", 0.0004), ("strong", 1.23456)):
    own = top.insts[name].cell.settings["loss_dB_cm"]
    listed = top.get_netlist()["instances"][name]["settings"]["loss_dB_cm"]
    print(f"{name}: drawn with {drawn}, the cell says {own}, the netlist {listed}")
    assert (own, listed) == (drawn, round(drawn, 3))
PY
"$folder/env/bin/python" -W ignore "$folder/settings.py"
