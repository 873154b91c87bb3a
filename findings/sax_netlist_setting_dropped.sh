#!/usr/bin/env bash
# sax 0.18.2: a setting in a netlist that the component's model does not take is dropped before the model is called, so
# that the model's default is simulated and no model can refuse it: a straight called `length` in one library and
# `length_um` in another is 1 µm long. (The same misspelled setting given on call raises TypeError.)
# Seen 2026-11-28, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "sax==0.18.2" "jax==0.9.2"
cat >"$folder/settings.py" <<'PY'
import warnings

import jax.numpy as jnp
import numpy as np
import sax

warnings.simplefilter("error", UserWarning)


def straight(*, wl=1.55, length_um=1.0):
    return sax.reciprocal({("o1", "o2"): jnp.exp(1j * jnp.asarray(length_um))})


def angle(settings):
    netlist = {
        "instances": {"guide": {"component": "straight", "settings": settings}},
        "connections": {},
        "ports": {"o1": "guide,o1", "o2": "guide,o2"},
    }
    circuit, _ = sax.circuit(netlist, models={"straight": straight})
    return float(np.angle(np.ravel(sax.sdict(circuit())["o1", "o2"])[0]))


print("length_um = 2:", angle({"length_um": 2.0}), "  length = 2:", angle({"length": 2.0}))
assert abs(angle({"length_um": 2.0}) - 2.0) < 1e-6
assert abs(angle({"length": 2.0}) - 1.0) < 1e-6
PY
"$folder/env/bin/python" "$folder/settings.py"
