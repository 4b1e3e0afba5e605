"""A store whose rows are kept for seconds: its size after ten times as many jobs, and how long a transaction of pruning takes.

Rows of ended jobs, with attempts, output, events and plans, are written by the store's own writer; the real housekeeping prunes them. Only
the clock of the rows is virtual: each turn is a second. Durations are real, from the begin of a transaction to after its commit; CPU time is
that of the writer's thread, and does not grow with what else runs on the machine. The collector is set as in a server.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import thread_time
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, text

from bench.bench import Bench
from bench.figures import Figure, percentile
from herder.control.kernel.clock import monotonic_s
from herder.control.kernel.settings import CoreSettings
from herder.control.loops.housekeeping import Paces, once
from herder.model.stored.changes import Changes
from herder.model.stored.records import (
    AttemptRecord,
    EventRecord,
    JobClassRecord,
    JobNew,
    JobStatus,
    LogRecord,
    PlanRecord,
    TotalRecord,
    UsageRecord,
    WorkerRecord,
)
from herder.model.stored.retention import Retention
from herder.model.work.job import AttemptState, JobState
from herder.server.runtime import GC_THRESHOLDS
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.sql_store import SqlStore

NAME = "retention"
KEEP_MS = 5_000
TEN = 10
T0 = 1_700_000_000_000
#: Jobs that end in a second of the rows' clock.
PER_TURN_PART = 10
SPEC = '{"allocatable": {"cpu_milli": 4000, "memory_mib": 8192}, "slots": 64, "price": 100000000, "labels": [], "taints": [], "reason": ""}'
CLASS = '{"user": "ann", "request": [100, 64, 0, 0]}'


class TimedStore(SqlStore):
    """Notes how long each piece of pruning takes."""

    took_ms: list[float]
    cpu_ms: list[float]

    def _work(self, item: Any) -> None:
        began, used = monotonic_s(), thread_time()
        super()._work(item)
        self.took_ms.append((monotonic_s() - began) * 1000)
        self.cpu_ms.append((thread_time() - used) * 1000)


@dataclass(slots=True)
class RowsClock:
    """`now_ms` is moved by the turns; durations are real."""

    at_ms: int = T0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return int(monotonic_s() * 1000)


@dataclass(slots=True)
class Life:
    """A store in use. `core` is what housekeeping asks for."""

    store: TimedStore
    clock: RowsClock = field(default_factory=RowsClock)
    job: int = 0
    event: int = 0
    plan: int = 0
    paces: Paces = field(default_factory=Paces)

    @property
    def core(self) -> Any:
        keep = Retention(
            jobs_ms=KEEP_MS, logs_ms=KEEP_MS, events_ms=KEEP_MS, plans_ms=KEEP_MS, workers_ms=KEEP_MS
        )
        settings = CoreSettings(
            server_url="", installation="", secret="", retention=keep, observations_kept_s=60
        )
        directory = SimpleNamespace(write_uses=lambda changes: None, tokens={}, sessions={})
        return SimpleNamespace(
            settings=settings,
            clock=self.clock,
            store=self.store,
            read=self.store.read,
            directory=directory,
            rows_kept_until_ms=0,
        )

    async def turn(self, jobs: int) -> None:
        self.clock.at_ms += 1_000
        await self.store.commit(self._ended(jobs))
        await once(self.core, self.paces)

    def _ended(self, jobs: int) -> Changes:
        now, changes = self.clock.at_ms, Changes()
        self.plan += 1
        changes.put(PlanRecord(self.plan, now, 0, "{}" * 200))
        changes.put(_worker(f"std-{self.plan}-1", now))
        changes.put(JobClassRecord(1, "ann", "default", "", CLASS))
        for _ in range(jobs):
            self.job += 1
            changes.jobs_new.append(
                JobNew(self.job, None, 0, 1, None, "{}", now, int(JobState.READY), now, "ann", "default")
            )
            changes.job_status[self.job] = JobStatus(self.job, int(JobState.SUCCEEDED), 1, 0, "", None, now)
            changes.attempts[self.job, 1] = AttemptRecord(
                self.job,
                1,
                f"std-{self.plan}-1",
                int(AttemptState.SUCCEEDED),
                "",
                "",
                0,
                now,
                now,
                now,
                5,
                1,
                "null",
            )
            changes.put(LogRecord(self.job, 1, 0, "said a line of output\n" * 4))
        for _ in range(jobs // 10):
            self.event += 1
            changes.put(
                EventRecord(
                    self.event, now, "job.cancelled", f"job/{self.job}", "user/ann", "A sentence.", "{}"
                )
            )
        changes.put(TotalRecord("jobs/succeeded", str(self.job)))
        changes.put(UsageRecord("ann", "default", "std", self.job, "0"))
        return changes


def _worker(name: str, now: int) -> WorkerRecord:
    return WorkerRecord(
        name, "std", "t", "local", "terminated", 0, 0, SPEC, "h", 1, now, now, now, None, now, None, 0, now, 1,
        None, None, None, "{}", "{}", "", "",
    )  # fmt: skip


async def measure(bench: Bench) -> list[Figure]:
    jobs = bench.sizes.retention_jobs
    folder = bench.folder / NAME
    folder.mkdir()
    with bench.store.fresh() as url:
        engine = open_engine(url or sqlite_url(folder))
        migrate(engine)
        failures: list[BaseException] = []
        store = TimedStore(engine, failures.append)
        store.took_ms, store.cpu_ms = [], []
        life, per_turn = Life(store), max(1, jobs // PER_TURN_PART)
        sizes: list[int] = []
        with _collecting_as_a_server():
            for wanted in (jobs, jobs * TEN):
                while life.job < wanted:
                    await life.turn(per_turn)
                sizes.append(await _bytes(life))
                bench.say(f"  {life.job:,} jobs: {sizes[-1]:,} bytes")
        await store.close()
        engine.dispose()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    took, note = store.took_ms, f"{jobs:,} and {jobs * TEN:,} jobs, {len(store.took_ms):,} transactions"
    return [
        Figure(
            measurement=NAME,
            name="size after ten times the jobs",
            unit="×",
            value=sizes[1] / sizes[0],
            note=note,
        ),
        Figure(
            measurement=NAME, name="pruning transaction p99", unit="ms", value=percentile(took, 99), note=note
        ),
        Figure(measurement=NAME, name="pruning transaction, longest", unit="ms", value=max(took), note=note),
        Figure(
            measurement=NAME,
            name="pruning transaction, most CPU",
            unit="ms",
            value=max(store.cpu_ms),
            note=note,
        ),
    ]


@contextmanager
def _collecting_as_a_server() -> Iterator[None]:
    """Else the collector looks at all of the bench during a transaction, which takes longer than the transaction."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


async def _bytes(life: Life) -> int:
    """Of the whole database, free pages too; what is still in SQLite's log counts as if it were in the file."""

    def size(connection: Connection) -> int:
        if connection.dialect.name == "sqlite":
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
            return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar() or 0)
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar() or 0)

    return int(await life.store.read(size))
