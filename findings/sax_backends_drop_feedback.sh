#!/usr/bin/env bash
# sax 0.18.2: two of the four backends of `sax.circuit` answer for a loop without the loop, and say nothing.
# A 30 % coupler whose crossed output runs back into its second input (an all-pass ring, 0.9 a turn) has the closed
# form t − κ·a/(1 − t·a) = −0.256. `klu` and `filipsson_gunnar` give it; `additive` and `forward` give t = 0.837, the
# straight path alone, with no error and no warning.
# Seen 2026-11-28, Python 3.12. Exits non-zero when any of the four answers changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "sax==0.18.2" "jax==0.9.2"
cat >"$folder/loop.py" <<'PY'
import warnings

import jax.numpy as jnp
import numpy as np
import sax

warnings.simplefilter("error", UserWarning)


def coupler(*, wl=1.55, kappa=0.3):
    through, across = jnp.sqrt(1 - kappa), 1j * jnp.sqrt(kappa)
    return sax.reciprocal(
        {("in0", "out0"): through, ("in0", "out1"): across, ("in1", "out0"): across, ("in1", "out1"): through}
    )


def turn(*, wl=1.55, amplitude=0.9):
    return sax.reciprocal({("in0", "out0"): amplitude * jnp.ones_like(jnp.asarray(wl), dtype=complex)})


netlist = {
    "instances": {"c": "coupler", "l": "turn"},
    "connections": {"c,out1": "l,in0", "l,out0": "c,in1"},
    "ports": {"in": "c,in0", "out": "c,out0"},
}
straight = np.sqrt(0.7)
ring = straight - 0.3 * 0.9 / (1 - 0.9 * straight)
want = {"klu": ring, "filipsson_gunnar": ring, "additive": straight, "forward": straight}
for backend, expected in want.items():
    circuit, _ = sax.circuit(netlist, models={"coupler": coupler, "turn": turn}, backend=backend)
    got = complex(np.ravel(sax.sdict(circuit())["in", "out"])[0])
    print(f"{backend:<17} {got.real:+.4f}   closed form {ring:+.4f}")
    assert abs(got - expected) < 1e-5, backend
PY
"$folder/env/bin/python" "$folder/loop.py"
