"""What the answer of a dry run depends on: it goes into the hash of the plan, so that a change of it makes the plan out of date.

Called by `Commands`. Left out is what changes by itself within seconds, such as the number of the next plan and the free capacity of a worker.
"""

from herder.control.jobs.changes.retrying import Ended
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.model.ids import JobId, PoolName, WorkerName
from herder.settings import pool_to_plain
from herder.wire.api.resources import Result, ScaleAnswer


def of_scaling(core: Core, answer: ScaleAnswer) -> object:
    """The pool as it is set, its workers, what the safety checks found, and the offers with their prices."""
    pool = core.state.pools[PoolName(answer.pool)]
    workers = [
        (name, worker.state.leaving)
        for name, worker in sorted(core.state.workers.items())
        if worker.spec.pool == answer.pool
    ]
    return (
        pool_to_plain(pool),
        workers,
        [(check.name, check.passed) for check in answer.checks],
        answer.offers,
    )


def of_worker(core: Core, name: str, answer: Result) -> object:
    """The worker, whether it is permanent, its attempts, and what would happen."""
    worker: WorkerLife = core.state.workers[WorkerName(name)]
    attempts = sorted((attempt.job, attempt.number) for attempt in worker.live.values())
    pool = core.state.pools.get(worker.spec.pool)
    permanent = pool is not None and pool.size.min_workers > 0
    return (worker.state.value, worker.cordoned, worker.busy, permanent, attempts, answer.text)


def of_retry(found: Ended, answer: Result) -> object:
    """The jobs that would be tried again, and what would happen."""
    return ([each.job for each in found.failed], [each.job for each in found.skipped], answer.text)


def of_job(core: Core, job: JobId, answer: Result) -> object:
    """Its attempt, if it runs, and what would happen."""
    attempt = core.state.live.get(job)
    return (None if attempt is None else attempt.number, answer.text)
