#!/usr/bin/env bash
# circulax 0.2.5: two costs of a transient with delays (`signals.at_delay`) that its results do not show. `max_steps` is
# no mere limit: it sizes the history in which every delay is looked up, and each step costs time with it: 400 steps of
# six parts take several times as long with max_steps=128,000 as with 401, where diffrax, which circulax is built on, lets
# one be generous. And nothing is kept from one call to the next: the same call again compiles all anew, which is nearly
# all of its time. Give about the number of steps; run a sweep inside one transient.
# Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "circulax==0.2.5"
cat >"$folder/delay.py" <<'PY'
import time
import warnings

warnings.simplefilter("ignore")

import circulax
import jax
import jax.numpy as jnp
import numpy as np
from circulax.components.base_component import component, source

STEP_S, STEPS = 1e-12, 400


@source(ports=("p1", "p2"), states=("sent",))
def lit(signals, t, full: float = 1.0):
    field = full * jnp.sin(2.0 * jnp.pi * 10e9 * t)
    return {"p1": signals.sent, "p2": -signals.sent, "sent": signals.p1 - signals.p2 - field}, {}


@component(ports=("p1", "p2"), states=("sent",))
def guide(signals, delay_s: float = 5e-12):
    return {"p1": 0.0, "p2": signals.sent, "sent": signals.p2 - signals.at_delay(delay_s).p1}, {}


@component(ports=("p1", "p2"))
def leaving(signals, share: float = 1.0):
    field = share * (signals.p1 - signals.p2)
    return {"p1": field, "p2": -field}, {}


guides = {f"guide{n}": {"component": "guide", "settings": {"delay_s": 5e-12}} for n in range(4)}
chain = {f"guide{n},p2": f"guide{n + 1},p1" for n in range(3)}
netlist = {
    "instances": {"light": {"component": "light"}, "exit": {"component": "exit"}, "ground": {"component": "ground"}} | guides,
    "connections": {"light,p1": "guide0,p1", "guide3,p2": "exit,p1", "ground,p1": ("light,p2", "exit,p2")} | chain,
}
parts = {"light": lit, "guide": guide, "exit": leaving, "ground": lambda: 0}
circuit = circulax.compile_circuit(netlist, parts, is_complex=True)
at_s = jnp.asarray(STEP_S * np.arange(0, STEPS, 10))


compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compiled.append(seconds) if event.endswith("backend_compile_duration") else None
)


def run(max_steps):
    begun = time.process_time()
    found = circuit.transient(t0=0.0, t1=STEPS * STEP_S, dt0=STEP_S, saveat=at_s, max_steps=max_steps)
    return np.asarray(circuit.port(found.ys, "exit,p1")), time.process_time() - begun


run(STEPS + 1)
compiled.clear()
short, short_s = run(STEPS + 1)
again, took_s = len(compiled), sum(compiled)
long, long_s = run(128_000)
print(f"{STEPS} steps: {short_s:.1f} s with max_steps={STEPS + 1}, {long_s:.1f} s with 128000, difference {abs(short - long).max():.0e}")
print(f"programs compiled by a call that had been made before: {again}, in {took_s:.1f} s")
assert abs(short).max() > 0.5
assert np.allclose(short, long, atol=1e-9)
assert long_s > 2.0 * short_s
assert again > 0
PY
"$folder/env/bin/python" "$folder/delay.py"
