"""A search over designs by Optuna: choices of `space`, feasibility rules as constraints, several objectives at once.

To the rules of `prism check` comes one that takes drawn dies: `drawn_reach`. It is asked of chips that keep the others.

Every trial is in the storage as soon as it is done, so a search that was killed goes on from there, and several
processes work on one storage.
"""

import contextlib
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prism_photonics.budget.feasibility import RULES, check
from prism_photonics.budget.finding import Finding
from prism_photonics.budget.light_sizing import FULL_SCALE_ROOM
from prism_photonics.budget.row_reach import MOST_MISSED
from prism_photonics.explore.designed import designed_choices
from prism_photonics.explore.drawn_reach import MOST_ROWS, RINGS, drawn_reach
from prism_photonics.explore.objectives import Objective
from prism_photonics.explore.space import Choice, Knob, choice_of, knobs, spec_of, usual_choices
from prism_photonics.extras import asked_by
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

with asked_by("prism explore"):
    import optuna
    import sqlalchemy
    import sqlalchemy.event
    import sqlalchemy.exc

POPULATION = 60
"""Of the evolutionary sampler (design choice)."""
NO_CHIP = 10.0
"""How far a choice that makes no chip counts as outside every rule (design choice)."""
TALLEST = 1.0
"""Largest violation of one rule that counts: of its limit (design choice)."""
OPENED_AGAIN, WAIT_S = 2, 0.5
"""Times that a storage is opened again, and the wait before each (design choices)."""
BEGUN = "begun"
"""Mark of a study whose first choices are all in line."""


@dataclass(frozen=True)
class Front:
    """One design that no other beats in all objectives.

    Attributes:
        number: Its trial.
        choice: What was chosen.
        spec: The spec; every rule is kept.
        values: Its objectives.
    """

    number: int
    choice: Choice
    spec: ChipSpec
    values: tuple[float, ...]


@dataclass(frozen=True)
class Search:
    """A search, complete: what it begins from, what it wants, and where it keeps its trials."""

    base: ChipSpec
    objectives: tuple[Objective, ...]
    k: int
    storage: str
    seed: int = 0

    @property
    def hash(self) -> str:
        """SHA-256 over all that decides what a trial means."""
        content = {
            "spec": self.base.hash,
            "objectives": [one.name for one in self.objectives],
            "k": self.k,
            "knobs": [vars(knob) for knob in knobs(self.base)],
            "rules": [rule.__name__ for rule in RULES],
            "drawn": [RINGS, MOST_ROWS, MOST_MISSED],
            "range": FULL_SCALE_ROOM,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def point(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Objectives with their signs such that less is better."""
        signs = [1.0 if one.direction == "minimize" else -1.0 for one in self.objectives]
        return tuple(sign * value for sign, value in zip(signs, values, strict=True))

    def beats(self, one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        """Whether one design's objectives are nowhere worse than another's and somewhere better."""
        return dominates(self.point(one), self.point(other))

    def study(self) -> optuna.Study:
        """The study in the storage; made if there is none.

        Raises:
            InputError: The storage cannot be used, or holds another study.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        name = f"prism {self.base.name}"
        try:
            storage = _opened(self.storage)
            if _is_sqlite(self.storage):
                _quick(storage)
            there = {summary.study_name for summary in optuna.get_all_study_summaries(storage)}
            if there and name not in there:
                raise InputError(
                    f"--storage {self.storage}: holds another study, '{sorted(there)[0][:60]}'; choose another storage"
                )
            study = optuna.create_study(
                storage=storage,
                study_name=name,
                sampler=optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=self.seed),
                directions=[one.direction for one in self.objectives],
                load_if_exists=True,
            )
        except InputError:
            raise
        except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, ValueError, ImportError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
            raise InputError(
                f"--storage {self.storage}: cannot be used ({reason}); want a URL such as sqlite:///study.db"
            ) from None
        if (was := study.user_attrs.get("study")) not in (None, self.hash):
            raise InputError(
                f"--storage {self.storage}: holds another study of {self.base.name} ({str(was)[:12]}: another spec, "
                "other objectives, another k or other rules); choose another storage"
            )
        if was is None:
            study.set_user_attr("study", self.hash)
        if not study.user_attrs.get(BEGUN):
            for choice in self._first_choices():
                # Another process may be at it, or one was killed over it.
                study.enqueue_trial(choice, skip_if_exists=True)
            study.set_user_attr(BEGUN, True)
        return study

    def _first_choices(self) -> list[dict[str, float | int | str]]:
        """The spec that the search begins from, as near as the ranges let it; chips by design; one of each size."""
        own = []
        with contextlib.suppress(InputError):
            own = [choice_of(self.base)]
        return [*own, *designed_choices(self.base), *usual_choices(self.base)]


def finished(study: optuna.Study) -> int:
    """Trials that are done."""
    return len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))


def run_search(search: Search, *, trials: int, seen: Callable[[int], None] = lambda done: None) -> optuna.Study:
    """Try designs until a storage holds so many, whoever tried them.

    Args:
        search: The search.
        trials: Trials in all.
        seen: Told how many are done, after each.

    Raises:
        InputError: Not one trial is asked for, or the storage cannot be used.
    """
    if trials < 1:
        raise InputError(f"explore: trials = {trials}, want 1 or more; choose --trials")
    study = search.study()

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        choice = {knob.name: _suggested(trial, knob) for knob in knobs(search.base)}
        values, outside = judged(search, choice)
        # All rules in one number: the sampler adds them up anyway, and every number of a trial is a write.
        trial.set_constraint("rules", sum(outside))
        return values

    def after(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
        done = finished(study)
        seen(done)
        if done >= trials:
            study.stop()

    if finished(study) < trials:
        study.optimize(objective, callbacks=[after])
    return study


def judged(search: Search, choice: Choice) -> tuple[tuple[float, ...], list[float]]:
    """Objectives of a choice, and how far it lies outside each rule, as a share of the rule's limit; 0 within."""
    nothing = tuple(one.worst for one in search.objectives), [NO_CHIP] * len(RULES)
    try:
        spec = spec_of(search.base, choice)
        outside = [violation(found) for found in check(spec).findings]
        if not any(outside):
            outside.append(violation(drawn_reach(spec)))
        # A yield takes seconds: no dies are drawn of a chip that is refused.
        values = tuple(
            one.worst if one.name == "yield" and any(outside) else one.of(spec, search.k) for one in search.objectives
        )
    except (InputError, ArithmeticError):
        return nothing
    return values, outside


def violation(found: Finding) -> float:
    """How far a finding lies outside its rule, as a share of the larger of value and limit; 0 within."""
    if found.passed:
        return 0.0
    return min(TALLEST, -found.margin / max(abs(found.limit), abs(found.value), 1e-30)) + 1e-9


def feasible_values(study: optuna.Study) -> list[tuple[float, ...]]:
    """Objectives of every trial that keeps all rules."""
    return [tuple(trial.values) for trial in _feasible(study)]


def _feasible(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    return [trial for trial in done if trial.constraints.get("rules", NO_CHIP) <= 0.0]


def front(search: Search, study: optuna.Study) -> list[Front]:
    """The designs that keep every rule and that no other beats in all objectives, in the order of the first one."""
    trials = _feasible(study)
    return [
        Front(trial.number, trial.params, spec_of(search.base, trial.params), tuple(trial.values))
        for trial in unbeaten(search, trials)
    ]


def unbeaten[T: (Front, optuna.trial.FrozenTrial)](search: Search, designs: Sequence[T]) -> list[T]:
    """Those that no other beats in all objectives, in the order of the first one; the first one of equals."""
    points = [search.point(tuple(design.values)) for design in designs]
    best: dict[tuple[float, ...], T] = {}
    for mine, design in zip(points, designs, strict=True):
        if mine not in best and not any(dominates(other, mine) for other in points):
            best[mine] = design
    return [design for _, design in sorted(best.items(), key=lambda pair: pair[0])]


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether one point is nowhere worse than another and somewhere better; less is better."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def _suggested(trial: optuna.Trial, knob: Knob) -> Any:
    if knob.options:
        return trial.suggest_categorical(knob.name, knob.options)
    if knob.whole:
        return trial.suggest_int(knob.name, int(knob.low), int(knob.high))
    return trial.suggest_float(knob.name, knob.low, knob.high, log=knob.log)


def _opened(url: str) -> optuna.storages.RDBStorage:
    """The storage; tried again where another process may be making its tables at this moment.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: It cannot be used.
    """
    for _ in range(OPENED_AGAIN):
        with contextlib.suppress(sqlalchemy.exc.IntegrityError, sqlalchemy.exc.OperationalError):
            return optuna.storages.RDBStorage(url, engine_kwargs=_patient(url))
        time.sleep(WAIT_S)
    return optuna.storages.RDBStorage(url, engine_kwargs=_patient(url))


def _is_sqlite(url: str) -> bool:
    """Whether a storage is a file of SQLite, and no other database that bears the word in its address."""
    return url.startswith("sqlite")


def _patient(url: str) -> dict[str, Any]:
    """Several processes write one SQLite file: each waits for the others."""
    return {"connect_args": {"timeout": 120}} if _is_sqlite(url) else {}


def _quick(storage: optuna.storages.RDBStorage) -> None:
    """SQLite with a log that is written ahead: what is written outlives the program that is killed, without a wait for
    the disk after each of a trial's twenty numbers. Every transaction waits for the others from its beginning: Optuna
    looks whether a trial is taken and takes it, which two processes would do at once, as SQLite knows no row locks.
    """

    def on_connect(connection: sqlite3.Connection, _: Any) -> None:
        # The driver's own transactions begin with the first write.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def on_begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sqlalchemy.event.listen(storage.engine, "connect", on_connect)
    sqlalchemy.event.listen(storage.engine, "begin", on_begin)
    # The connections that are open already know nothing of it.
    storage.engine.dispose()
