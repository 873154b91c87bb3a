#!/usr/bin/env bash
# sax 0.18.2 with klujax 0.5.2 under jax 0.9.2: a jitted circuit carries the address of its symbolic factorization as a
# constant of 64 bits, so the same circuit is another program in every process, and JAX's compilation cache on disk
# never has it: each process compiles every circuit anew. (The same circuit by another of SAX's solvers, filipsson_gunnar,
# is the same program in every process.)
# Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "sax==0.18.2" "jax==0.9.2" "klujax==0.5.2"
cat >"$folder/program.py" <<'PY'
import sys

import jax
import jax.numpy as jnp
import sax


def straight(*, wl=1.55, length=10.0):
    return sax.reciprocal({("o1", "o2"): jnp.exp(2j * jnp.pi * 2.0 * length / wl)})


netlist = {
    "instances": {"a": "straight", "b": "straight"},
    "connections": {"a,o2": "b,o1"},
    "ports": {"o1": "a,o1", "o2": "b,o2"},
}
circuit, _ = sax.circuit(netlist, models={"straight": straight}, backend=sys.argv[1])
transmission = lambda wl: sax.sdict(circuit(wl=wl))["o1", "o2"]
print(jax.jit(transmission).lower(jnp.linspace(1.5, 1.6, 3)).as_text())
PY
differ() {
    "$folder/env/bin/python" "$folder/program.py" "$1" >"$folder/one"
    "$folder/env/bin/python" "$folder/program.py" "$1" >"$folder/other"
    diff "$folder/one" "$folder/other" | grep -c '^<' || true
}
klu=$(differ klu)
dense=$(differ filipsson_gunnar)
echo "lines of the program that differ between two processes: klu $klu, filipsson_gunnar $dense"
"$folder/env/bin/python" "$folder/program.py" klu | grep "tensor<ui64>$"
test "$klu" -ge 1
test "$dense" -eq 0
