#!/usr/bin/env bash
# optuna 5.0.0: constraints of a trial have two roads. The one that the samplers document, `constraints_func=`, warns of
# its own end (FutureWarning) as soon as it is given; the one that replaces it, `Trial.set_constraint`, writes each
# constraint to the storage on its own, in two transactions: a trial with 23 of them commits 53 times, one without 7. On a
# disk that syncs slowly the rules cost more than what they judge.
# Seen 2026-11-29, Python 3.12. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "optuna==5.0.0"
cat >"$folder/constraints.py" <<'PY'
import sys
import warnings

import optuna
from sqlalchemy import event
from sqlalchemy.engine import Engine

optuna.logging.set_verbosity(optuna.logging.ERROR)
RULES = 23
commits = 0


@event.listens_for(Engine, "commit")
def count(_connection):
    global commits
    commits += 1


def commits_of(rules):
    global commits
    study = optuna.create_study(
        storage=f"sqlite:///{sys.argv[1]}/{rules}.db", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    commits = 0
    trial = study.ask()
    x = trial.suggest_float("x", 0.0, 1.0)
    for rule in range(rules):
        trial.set_constraint(f"rule_{rule}", x - 0.5)
    study.tell(trial, x)
    return commits


none, all_rules = commits_of(0), commits_of(RULES)
print(f"commits of one trial: {none} without constraints, {all_rules} with {RULES}")
assert all_rules - none >= RULES

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    optuna.samplers.NSGAIISampler(seed=0, constraints_func=lambda trial: (0.0,))
print("constraints_func:", *(f"{each.category.__name__}: {each.message}" for each in told))
assert any(each.category is FutureWarning and "constraints_func" in str(each.message) for each in told)
PY
"$folder/env/bin/python" "$folder/constraints.py" "$folder"
