#!/usr/bin/env bash
# sax 0.18.2: `import sax` loads scikit-rf (which loads matplotlib.pyplot and scipy.signal), SymPy, pandas, xarray and
# optax, five of its six seconds on a machine without bytecode, for functions that solve no netlist: a circuit of two
# straights is solved without any of them. Who only simulates may put stand-ins into sys.modules before the import.
# Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "sax==0.18.2" "jax==0.9.2"
cat >"$folder/loaded.py" <<'PY'
import sys

import sax

loaded = [name for name in ("skrf", "matplotlib.pyplot", "scipy.signal", "sympy", "pandas", "xarray", "optax") if name in sys.modules]
print("import sax loads:", ", ".join(loaded))
assert len(loaded) == 7, loaded
PY
"$folder/env/bin/python" "$folder/loaded.py"
cat >"$folder/without.py" <<'PY'
import importlib.abc
import importlib.machinery
import sys
import types

UNUSED = {"skrf", "sympy", "optax"}


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] in UNUSED else None

    def create_module(self, spec):
        made = types.ModuleType(spec.name)
        made.__getattr__ = lambda word: type(word, (), {})
        return made

    def exec_module(self, module):
        module.__path__ = []


sys.meta_path.insert(0, StandIns())
import jax.numpy as jnp
import numpy as np
import sax


def straight(*, wl=1.55, length=10.0):
    return sax.reciprocal({("o1", "o2"): jnp.exp(2j * jnp.pi * 2.0 * length / wl)})


netlist = {
    "instances": {"a": "straight", "b": "straight"},
    "connections": {"a,o2": "b,o1"},
    "ports": {"o1": "a,o1", "o2": "b,o2"},
}
circuit, _ = sax.circuit(netlist, models={"straight": straight})
found = np.ravel(sax.sdict(circuit())["o1", "o2"])[0]
wanted = np.exp(2j * np.pi * 2.0 * 20.0 / 1.55)
print("solved without them:", found, "closed form:", wanted)
assert abs(found - wanted) < 1e-5
PY
"$folder/env/bin/python" "$folder/without.py"
