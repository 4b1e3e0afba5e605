"""What a server reads at its start: a long queue and a thousand workers, from the rows to the state in memory.

Rows are written by the store's own writer; `recover` is the server's own function, called in this process.
"""

import gc
import json
from time import process_time

from bench.bench import Bench
from bench.figures import Figure, median_of
from bench.measurements.retention import SPEC
from herder.control.kernel.clock import monotonic_s
from herder.control.recovery.recover import recover
from herder.model.ids import UserName
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobClassRecord, JobNew, PoolRecord, WorkerRecord
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass, JobState
from herder.settings import pool_from_plain, pool_to_plain
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows.json_forms import encode_class
from herder.store.rows.versions import stamped
from herder.store.sql_store import SqlStore

NAME = "recovery"
T0 = 1_700_000_000_000
PER_COMMIT = 20_000
CLASSES = 20


async def measure(bench: Bench) -> list[Figure]:
    jobs, workers = bench.sizes.long_queue, bench.sizes.idle_workers
    folder = bench.folder / NAME
    folder.mkdir()
    with bench.store.fresh() as url:
        engine = open_engine(url or sqlite_url(folder))
        migrate(engine)
        failures: list[BaseException] = []
        store = SqlStore(engine, failures.append)
        await store.commit(_fleet(workers))
        for first in range(1, jobs + 1, PER_COMMIT):
            await store.commit(_queue(first, min(PER_COMMIT, jobs + 1 - first)))
        await store.close()
        bench.say(f"  {jobs:,} jobs and {workers:,} workers are stored")
        wall_s, cpu_s = [], []
        for _ in range(bench.sizes.runs):
            gc.collect()
            began, used = monotonic_s(), process_time()
            with engine.connect() as connection:
                state, _, _ = recover(connection, T0 + 60_000)
            wall_s.append(monotonic_s() - began)
            cpu_s.append(process_time() - used)
            assert state.counts[JobState.READY] == jobs
            assert len(state.workers) == workers
            del state
        engine.dispose()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    note = f"{jobs:,} queued jobs, {workers:,} workers"
    return [median_of(NAME, "time", "s", wall_s, note), median_of(NAME, "CPU", "s", cpu_s)]


def _fleet(workers: int) -> Changes:
    changes = Changes()
    plain: dict[str, object] = {"name": "std", "driver": "local", "max_workers": workers}
    plain["templates"] = [{"name": "t", "cpu": 4, "memory": "8Gi", "price_per_hour": "0.1"}]
    text = json.dumps(stamped("pool", pool_to_plain(pool_from_plain(plain))))
    changes.put(PoolRecord("std", text, 0, 0, T0))
    for number in range(CLASSES):
        user = f"user-{number}"
        job_class = JobClass(user=UserName(user), request=Resources(100, 64, 0))
        changes.put(JobClassRecord(number + 1, user, "default", "", encode_class(job_class)))
    for number in range(workers):
        changes.put(_worker(number + 1))
    return changes


def _worker(number: int) -> WorkerRecord:
    why = '{"kind": "queued_jobs", "text": "Jobs wait.", "evidence": {}}'
    return WorkerRecord(
        f"std-{number}-1", "std", "t", "local", "ready", 0, 0, SPEC, "h", number, T0, T0, T0, None, T0, None, 0, None, 0,
        f"token-{number}", None, "nonce", why, "{}", "running", "",
    )  # fmt: skip


def _queue(first: int, count: int) -> Changes:
    changes, ready = Changes(), int(JobState.READY)
    for job in range(first, first + count):
        user = f"user-{job % CLASSES}"
        changes.jobs_new.append(
            JobNew(job, None, 0, job % CLASSES + 1, None, "{}", T0, ready, T0, user, "default")
        )
    return changes
