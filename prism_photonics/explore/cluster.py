"""A study's batches on a cluster of dask workers: what a lost worker had is computed by others, all is kept here."""

import logging
from itertools import islice
from typing import Any

from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import AHEAD, Seen, compute_payload, payload
from prism_photonics.explore.store import Batch, DieStore
from prism_photonics.extras import asked_by
from prism_photonics.units import InputError

with asked_by("prism yield --scheduler"):
    from distributed import Client, as_completed
    from distributed.exceptions import WorkerStartTimeoutError
    from distributed.scheduler import KilledWorker

CONNECT_S, WORKERS_S = 10.0, 60.0
MOST_LOST = 5
"""How often the workers that compute one batch may die before the batch is held to be the reason (design choice)."""


def run_on_cluster(
    plan: YieldPlan,
    store: DieStore,
    *,
    scheduler: str,
    seen: Seen = lambda dies: None,
    workers_s: float = WORKERS_S,
) -> None:
    """Compute what a store still lacks on the workers of a scheduler, and keep every batch as it comes.

    Args:
        plan: The study.
        store: Its file; on this machine, workers see none of it.
        scheduler: Address of the scheduler, such as ``tcp://10.0.0.1:8786``.
        seen: Told of progress.
        workers_s: How long to wait for the first worker, in s.

    Raises:
        InputError: Nobody answers at the address, no worker comes, the scheduler goes away, or a batch fails.
    """
    # What a lost connection means is told in one line here, not by its client's traceback.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    kept = f"what was finished is kept in {store.path}: start the scheduler again and give the same command"
    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise InputError(
            f"--scheduler {scheduler}: nobody answers ({_short(error)}); want the address that 'dask scheduler' "
            "prints, such as tcp://127.0.0.1:8786"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=workers_s)
        except (TimeoutError, WorkerStartTimeoutError):
            raise InputError(
                f"--scheduler {scheduler}: it has no workers; start some with 'dask worker {scheduler}'"
            ) from None
        try:
            _hand_out(client, plan, store, seen)
        except InputError:
            raise
        except Exception as error:
            if client.status == "running" and not _lost(error):
                raise
            raise InputError(f"--scheduler {scheduler}: it went away ({_short(error)}); {kept}") from None


def _hand_out(client: Client, plan: YieldPlan, store: DieStore, seen: Seen) -> None:
    text = payload(plan)
    missing = store.missing()
    running: dict[Any, int] = {}
    lost: dict[int, int] = {}

    def submit(number: int) -> Any:
        # Results of an earlier run with the same key would be asked for, not computed: the attempt is part of it.
        key = f"prism-yield-{plan.hash[:16]}-{number}-{lost.get(number, 0)}"
        # Every task carries the plan, a few kB: a copy scattered to the workers goes with the last that was there then.
        future = client.submit(compute_payload, text, number, key=key, pure=False)
        running[future] = number
        return future

    def window() -> int:
        threads: Any = client.nthreads()
        return AHEAD * max(sum(threads.values()), 1)

    finished = as_completed([submit(number) for number in islice(missing, window())], loop=client.loop)
    for future in finished:
        number = running.pop(future)
        try:
            batch = future.result()
        except KilledWorker:
            lost[number] = lost.get(number, 0) + 1
            if lost[number] >= MOST_LOST:
                raise InputError(
                    f"yield: workers died {MOST_LOST} times over batch {number} (out of memory?); give them more memory"
                ) from None
            finished.add(submit(number))
            continue
        store.write(number, Batch(*batch))
        seen(len(plan.dies_of(number)))
        for following in islice(missing, max(0, window() - len(running))):
            finished.add(submit(following))


def _lost(error: Exception) -> bool:
    """Whether an error tells that the scheduler is gone."""
    return isinstance(error, OSError | TimeoutError) or type(error).__name__ in {
        "CommClosedError", "FutureCancelledError", "CancelledError", "FuturesCancelledError",
    }  # fmt: skip


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
