#!/usr/bin/env bash
# lnoi400 2.1.1, Luxtelligence's public kit for X-cut lithium niobate: neither wheel nor source archive carries the data
# of its models. Of the ten SAX models of `lnoi400.models` six raise FileNotFoundError as soon as they are called: both
# multimode splitters, the directional coupler, the edge coupler, the U-bend, and with the splitter the modulator. Only
# straights and phase shifters, which need no data, answer. Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "lnoi400==2.1.1" "gdsfactory==9.51.0" "gplugins==2.1.5" "sax==0.18.2"
cat >"$folder/call_models.py" <<'PY'
import lnoi400.models as kit

names = (
    "straight_rwg1000", "straight_swg250", "eo_phase_shifter", "to_phase_shifter",
    "U_bend_racetrack", "double_linear_inverse_taper", "mmi1x2_optimized1550", "mmi2x2_optimized1550",
    "directional_coupler_balanced", "mzm_unbalanced",
)
without_data = []
for name in names:
    try:
        getattr(kit, name)(wl=1.55)
        print(f"{name:30}answers")
    except FileNotFoundError as error:
        print(f"{name:30}FileNotFoundError: lnoi400/data/{error.filename.rpartition('/')[2]}")
        without_data.append(name)
assert without_data == list(names[4:]), without_data
PY
"$folder/env/bin/python" -W ignore "$folder/call_models.py"
