#!/usr/bin/env bash
# sax 0.18.2: a circuit takes settings for an instance that it does not have, and ignores them without a word.
# A misspelled setting *inside* a known instance raises TypeError; a misspelled *instance* gives the unchanged answer,
# so a sweep over it is a constant.
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


def arm(*, wl=1.55, phase=0.0):
    return sax.reciprocal({("o1", "o2"): jnp.exp(1j * jnp.asarray(phase))})


netlist = {
    "instances": {"left": "arm", "right": "arm"},
    "connections": {"left,o2": "right,o1"},
    "ports": {"o1": "left,o1", "o2": "right,o2"},
}
circuit, _ = sax.circuit(netlist, models={"arm": arm})
at_rest, turned, misspelled = (
    complex(np.ravel(sax.sdict(circuit(**settings))["o1", "o2"])[0])
    for settings in ({}, {"left": {"phase": 1.0}}, {"lefft": {"phase": 1.0}})
)
print("left :", np.angle(turned), " lefft:", np.angle(misspelled))
assert abs(np.angle(turned) - 1.0) < 1e-6
assert misspelled == at_rest
try:
    circuit(left={"phse": 1.0})
except TypeError as error:
    print("left.phse:", error)
else:
    raise AssertionError("a misspelled setting of a known instance is taken now")
PY
"$folder/env/bin/python" "$folder/settings.py"
