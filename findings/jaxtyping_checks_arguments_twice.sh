#!/usr/bin/env bash
# jaxtyping 0.3.11 with beartype 0.23.1: a function decorated with @jaxtyped(typechecker=beartype) checks its arguments twice
# a call, once in a function made of its signature alone and once in the function itself, and binds them by
# inspect.Signature in between. The same checker under @jaxtyped(typechecker=None) checks them once, keeps the names of
# axes together all the same, and a call costs half as much. Test suites that check types by the import hook pay that for
# every call of every small function.
# Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "jaxtyping==0.3.11" "beartype==0.23.1" "numpy"
cat >"$folder/twice.py" <<'PY'
import time
from typing import Annotated

import numpy as np
from beartype import BeartypeConf, beartype
from beartype.vale import Is
from jaxtyping import Float, jaxtyped

looked = []
Watched = Annotated[float, Is[lambda value: looked.append(value) is None]]


def checks_of_a_call(checker_of_jaxtyping, *, below=lambda f: f):
    @jaxtyped(typechecker=checker_of_jaxtyping)
    @below
    def twice(x: Watched) -> float:
        return 2.0 * x

    twice(1.0)
    looked.clear()
    twice(1.0)
    count = len(looked)
    start = time.perf_counter()
    for _ in range(2000):
        twice(1.0)
    return count, (time.perf_counter() - start) / 2000


by_jaxtyping, slow_s = checks_of_a_call(beartype)
by_itself, fast_s = checks_of_a_call(None, below=beartype)
print(f"checks of one argument a call: {by_jaxtyping} by @jaxtyped(typechecker=beartype), {by_itself} by @beartype below it")
print(f"a call: {1e6 * slow_s:.1f} and {1e6 * fast_s:.1f} microseconds")
assert (by_jaxtyping, by_itself) == (2, 1)


@jaxtyped(typechecker=None)
@beartype
def product(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"]) -> float:
    return float(a @ b)


try:
    product(np.ones(2), np.ones(3))
except Exception as error:
    print("axes that differ are refused all the same:", type(error).__name__)
else:
    raise SystemExit("axes of two sizes passed")
PY
"$folder/env/bin/python" "$folder/twice.py"
