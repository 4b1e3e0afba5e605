"""The engine with a store under it and pretend agents on it, without processes or a clock: time is a number that tests move.

`World.commit` does what the server's hand-over does: a placement pass, rows written by the real statements, then durable.
`World.crash` forgets the memory and recovers from the rows, as a server does that was killed. Messages between agents and
server are values that a test delivers, loses, repeats or reorders.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import msgspec
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import StaticPool

from herder.control.access.tokens import Principal, Role
from herder.control.jobs.changes.cancellation import cancel_job
from herder.control.jobs.changes.retrying import read_ended, retried
from herder.control.kernel.jobs.class_rows import put_classes
from herder.control.kernel.jobs.usage_ledger import book, book_groups, read_ledger
from herder.control.pools.pool_actions import store_pool
from herder.control.recovery.recover import recover
from herder.engine.attempts import time_limits
from herder.engine.attempts.attempt import ended
from herder.engine.jobs import holding
from herder.engine.jobs.batch import add_jobs, close_batch, commit_batch, create_batch, resolve
from herder.engine.jobs.batch_end import cancel_batch, close_if_done
from herder.engine.jobs.classes import class_id_of
from herder.engine.jobs.group_end import end_groups
from herder.engine.jobs.groups import JobRun, NewGroup, cancel_group, mark_jobs
from herder.engine.jobs.retry import retry
from herder.engine.memory.dirty_rows import flush
from herder.engine.memory.invariants import violations
from herder.engine.memory.queue import ReadyQueue
from herder.engine.memory.state import BatchLife, EngineState, WorkerLife
from herder.engine.workers.deadlines import tick
from herder.engine.workers.exchange import gather, leave, take_in
from herder.engine.workers.repairs.conditions import Found
from herder.engine.workers.repairs.repair import wants_clean_up
from herder.engine.workers.worker import activated, claim, provisioned, provisioning
from herder.ledger.totals import Totals
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.fleet.repair import Condition
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import BatchId, ClassId, JobId, PlanNumber, UserName, WorkerName
from herder.model.planning.plan import CreateWorker, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import AttemptRecord, JobNew, JobStatus
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass, JobState
from herder.scheduler.placement import Placer
from herder.scheduler.preemption import Preemptor
from herder.store.invariants import violations as stored_violations
from herder.store.rows import tables
from herder.store.writing.cancelled_batches import sweep_batch
from herder.store.writing.statements import statements_for
from herder.wire.worker.exchange import Finished
from tests.support.pools import pool_spec

T0 = 1_700_000_000_000
SMALL = Resources(1000, 1024, 1024)
TEMPLATE = Template(
    name="two", allocatable=Resources(2000, 4096, 8192), price_pico_per_hour=PicoUsd(360), slots=8
)
POOL = pool_spec("std", driver="pretend", templates=(TEMPLATE,), max_workers=100)
ADMIN = Principal(UserName("root"), Role.ADMINISTRATOR)


def job_class(user: str = "ann", request: Resources = SMALL, **more: Any) -> JobClass:
    return JobClass(user=UserName(user), request=request, **more)


def fresh_store() -> Engine:
    """An empty SQLite in memory with our tables."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    with engine.begin() as connection:
        connection.execute(text("PRAGMA synchronous=OFF"))
        tables.metadata.create_all(connection)
    return engine


@lru_cache
def _statements(dialect: str) -> Any:
    return statements_for(dialect).by_record


#: What a database driver takes as it is.
PLAIN = {int, str, type(None)}


def write(engine: Engine, changes: Changes) -> None:
    """One transaction with the writer's own statements, in its order."""
    by_record = _statements(engine.dialect.name)
    lots: list[tuple[type, Sequence[Any]]] = [
        (JobNew, changes.jobs_new),
        (JobStatus, list(changes.job_status.values())),
        (AttemptRecord, list(changes.attempts.values())),
        *((kind, list(table.values())) for kind, table in changes.rows.items()),
    ]
    with engine.begin() as connection:
        for kind, rows in lots:
            if rows:
                assert {type(value) for row in rows for value in row} <= PLAIN, kind
                connection.exec_driver_sql(by_record[kind], (msgspec.json.encode(rows).decode(),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An exchange on its way to the server."""

    worker: WorkerName
    number: int
    ack: int
    begun: tuple[tuple[int, int, int], ...] = ()
    held: tuple[tuple[int, int], ...] | None = None
    finished: tuple[Finished, ...] = ()
    leaving: bool = False
    troubles: tuple[str, ...] = ()
    conditions: Mapping[Condition, str] = field(default_factory=dict)
    clock_ms: int | None = None
    cleaned: str = ""
    interrupted_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The server's words on their way to a worker. `of`: the message that it receipts."""

    of: Message
    number: int = 0
    assign: tuple[tuple[int, int], ...] = ()
    cancel: tuple[tuple[int, int], ...] = ()
    drain: bool = False
    stop: bool = False
    clean_up: bool = False


@dataclass(slots=True, kw_only=True)
class Agent:
    """What a worker does with messages, as the real agent does it, but for the work."""

    worker: WorkerName
    number: int = 0
    ack: int = 0
    ack_of: int = 0
    held: dict[tuple[int, int], bool] = field(default_factory=dict)
    """By (job, attempt): whether its start was told."""
    outbox: dict[tuple[int, int], Finished] = field(default_factory=dict)
    over: set[tuple[int, int]] = field(default_factory=set)
    ran: list[tuple[int, int]] = field(default_factory=list)
    draining: bool = False
    gone: bool = False
    troubles: tuple[str, ...] = ()
    conditions: dict[Condition, str] = field(default_factory=dict)
    clock_ahead_ms: int | None = None
    """None: an agent of before, which tells neither its clock nor conditions."""
    cleans: bool = True
    cleaned: str = ""
    taken_at_ms: int | None = None
    """When its machine is taken back, as its provider has told it."""

    def message(self, now_ms: int, *, tell_held: bool = True, leaving: bool = False) -> Message:
        self.number += 1
        return Message(
            worker=self.worker,
            number=self.number,
            ack=self.ack,
            begun=tuple((job, attempt, now_ms) for (job, attempt), told in self.held.items() if not told),
            held=(*self.held, *self.outbox) if tell_held else None,
            finished=tuple(self.outbox.values()),
            leaving=leaving,
            troubles=self.troubles,
            conditions=dict(self.conditions),
            clock_ms=None if self.clock_ahead_ms is None else now_ms + self.clock_ahead_ms,
            cleaned=self.cleaned,
            interrupted_ms=None if self.taken_at_ms is None else max(0, self.taken_at_ms - now_ms),
        )

    def end(self, key: tuple[int, int], now_ms: int, state: str = "succeeded", **more: Any) -> None:
        self.held.pop(key)
        self.over.add(key)
        self.outbox[key] = finished(*key, state, started_at_ms=0, ended_at_ms=now_ms, **more)

    def hear(self, answer: Answer, now_ms: int) -> None:
        if self.gone:
            return
        self._receipt(answer.of)
        if answer.number and answer.of.number > self.ack_of:
            self.ack, self.ack_of = answer.number, answer.of.number
        if answer.stop:
            self.gone = True
            return
        self.draining = answer.drain
        self.cleaned = "It removed 3 files (1.0 MiB)." if answer.clean_up and self.cleans else ""
        for key in answer.assign:
            if key not in self.held and key not in self.over:
                self.held[key] = False
                self.ran.append(key)
        for key in answer.cancel:
            if key in self.held:
                self.end(key, now_ms, "cancelled", cause="cancelled")

    def _receipt(self, message: Message) -> None:
        for each in message.finished:
            self.outbox.pop((each.job, each.attempt), None)
        for job, attempt, _ in message.begun:
            if (job, attempt) in self.held:
                self.held[job, attempt] = True


def finished(job: int, attempt: int, state: str = "succeeded", **more: Any) -> Finished:
    more = {"started_at_ms": T0, "ended_at_ms": 2 * T0, **more}  # it ended just now
    return Finished(job=job, attempt=attempt, state=state, **more)  # type: ignore[arg-type]


class World:
    """One server's engine and store. Everything it accepted is in `accepted`."""

    def __init__(self, *pools: PoolSpec, engine: Engine | None = None) -> None:
        self.engine = engine or fresh_store()
        self.state = EngineState(answer_base=T0)
        self.ledger = Totals()
        self.changes = Changes()
        self.placer = Placer()
        self.preemptor = Preemptor()
        self.now_ms = T0
        self.accepted: set[int] = set()
        self.sweeps: dict[int, int] = {}
        self.restarts = 0
        for pool in pools or (POOL,):
            core = SimpleNamespace(state=self.state, raw_classes={})
            store_pool(core, self.changes, pool, self.now_ms)  # type: ignore[arg-type]

    # --- work

    def class_id(self, wanted: JobClass) -> ClassId:
        return class_id_of(self.state, self.changes, wanted)

    def submit(self, count: int = 1, wanted: JobClass | None = None) -> list[JobId]:
        ids = [self.class_id(wanted or job_class())] * count
        first = add_jobs(self.state, self.changes, None, ids, [None] * count, ["{}"] * count, {}, self.now_ms)
        return self._accept(first, count)

    def batch(
        self, cancel_after_failures: int | None = None, parallel_max: int | None = None, accepts: bool = False
    ) -> BatchLife:
        return create_batch(
            self.state,
            user=UserName("ann"),
            project="default",
            name="",
            attributes="{}",
            cancel_after_failures=cancel_after_failures,
            now_ms=self.now_ms,
            parallel_max=parallel_max,
            accepts=accepts,
        )

    def add(
        self,
        batch: BatchLife,
        classes: Sequence[JobClass],
        references: dict[int, Sequence[str | int]] | None = None,
        keys: Sequence[str | None] | None = None,
        groups: Sequence[str] = (),
        new_groups: Sequence[NewGroup] = (),
    ) -> list[JobId]:
        """`references`: by place in this call, keys or positions in the batch. `groups`: of each job, empty for none."""
        count, names = len(classes), keys or [None] * len(classes)
        places = {key: place for place, key in enumerate(names) if key is not None}
        parents = resolve(batch, self.state.next_job, count, places, references or {})
        ids = [self.class_id(each) for each in classes]
        runs = [JobRun(place=place, count=1, group=path) for place, path in enumerate(groups) if path]
        mark_jobs(self.state, self.changes, batch, new_groups, runs)
        first = add_jobs(self.state, self.changes, batch, ids, names, ["{}"] * count, parents, self.now_ms)
        return self._accept(first, count)

    def commit_batch(self, batch: BatchLife) -> None:
        commit_batch(self.state, self.changes, batch, self.now_ms)

    def close_batch(self, batch: BatchLife) -> None:
        close_batch(self.state, self.changes, batch, self.now_ms, actor="user/ann")

    def cancel_batch(self, batch: BatchLife) -> None:
        cancel_batch(self.state, self.changes, batch, self.now_ms, actor="user/ann", why="")

    def cancel_group(self, batch: BatchLife, path: str) -> None:
        assert batch.groups is not None
        group = batch.groups.by_path[path]
        cancel_group(self.state, self.changes, batch, group, self.now_ms, actor="user/ann", why="")
        close_if_done(self.state, self.changes, batch, self.now_ms)

    def group_counts(self, batch: int, path: str) -> dict[str, int]:
        """As stored."""
        g = tables.job_groups.c
        query = tables.job_groups.select().where(g.batch_id == batch, g.path == path)
        with self.engine.connect() as connection:
            return dict(json.loads(connection.execute(query).one().counts))

    def cancel_job(self, job: int) -> str:
        row = self.job(job)
        core = SimpleNamespace(state=self.state)
        batch = BatchId(row.batch_id) if row.batch_id is not None else None
        return cancel_job(
            core,  # type: ignore[arg-type]
            ADMIN,
            JobId(job),
            ClassId(row.class_id),
            batch,
            self.changes,
            self.now_ms,
        )

    def hold_batch(self, batch: BatchLife, *, hold: bool = True) -> None:
        change = holding.hold_batch if hold else holding.release_batch
        change(self.state, self.changes, batch, self.now_ms, actor="user/ann", message="")

    def hold_job(self, job: int, *, hold: bool = True) -> bool:
        """Whether it could be."""
        row = self.job(job)
        batch = None if row.batch_id is None else self.state.batches.get(BatchId(row.batch_id))
        if row.batch_id is not None and batch is None:
            return False
        if hold:
            class_id = ClassId(row.class_id)
            return holding.hold_job(self.state, self.changes, JobId(job), class_id, batch)
        return holding.release_job(self.state, self.changes, JobId(job), batch)

    def retry_batch(self, batch: int, group: str = "") -> tuple[list[int], list[int]]:
        """Which failed and skipped jobs are tried again. Everything before was committed."""
        with self.engine.connect() as connection:
            found = read_ended(connection, BatchId(batch), self.state.retries, group)
        assert found is not None
        again = retried(SimpleNamespace(state=self.state, ledger=self.ledger), found)  # type: ignore[arg-type]
        if again is None:
            return [], []
        life, failed, skipped = again
        if life.ended_at_ms is not None:
            self.ledger.batches[life.id] = int(found.row.cost_pico)
        retry(self.state, self.changes, life, failed, skipped, self.now_ms, actor="user/ann")
        return [each.job for each in failed], [each.job for each, _ in skipped]

    def _accept(self, first: int, count: int) -> list[JobId]:
        jobs = [JobId(first + index) for index in range(count)]
        self.accepted.update(jobs)
        return jobs

    # --- workers

    def spec(self, number: int, pool: PoolSpec = POOL) -> WorkerSpec:
        made = pool.templates[0]
        return WorkerSpec(
            name=WorkerName(f"{pool.name}-{number}-1"),
            pool=pool.name,
            template=made.name,
            driver=pool.driver,
            allocatable=made.allocatable,
            slots=made.slots,
            price_pico_per_hour=made.price_pico_per_hour,
            plan=PlanNumber(number),
        )

    def claim(self, number: int, pool: PoolSpec = POOL, expires_at_ms: int | None = None) -> WorkerLife:
        reason = Reason(kind=ReasonKind.QUEUED_JOBS, text="jobs wait", evidence=(("jobs", 1),))
        action = CreateWorker(spec=self.spec(number, pool), expires_at_ms=expires_at_ms, reason=reason)
        return claim(self.state, self.changes, action, self.now_ms)

    def ready_worker(self, number: int = 1, pool: PoolSpec = POOL) -> tuple[WorkerLife, Agent]:
        worker = self.claim(number, pool)
        self.boot(worker)
        return worker, Agent(worker=worker.spec.name)

    def boot(self, worker: WorkerLife) -> None:
        name = worker.spec.name
        provisioning(self.state, worker, f"activation-{name}")
        provisioned(self.state, self.changes, worker, f"handle-{name}", self.now_ms)
        assert activated(self.state, self.changes, worker, f"token-{name}", "nonce", self.now_ms)

    # --- the exchange

    def handle(self, message: Message) -> Answer:
        """What the server does with it; the answer leaves after the commit."""
        worker = self.state.workers.get(message.worker)
        if worker is None:
            return Answer(of=message, stop=True)
        self.take_in(worker, message)
        self.commit()
        return self.answer(message)

    def take_in(self, worker: WorkerLife, message: Message) -> None:
        take_in(
            self.state,
            self.changes,
            worker,
            number=message.number,
            ack=message.ack,
            begun=message.begun,
            held=message.held,
            finished=frozenset((each.job, each.attempt) for each in message.finished),
            now_ms=self.now_ms,
            troubles=message.troubles,
            typed={condition: Found(said) for condition, said in message.conditions.items()},
            clock_ms=message.clock_ms,
            cleaned=message.cleaned,
            interrupted_ms=message.interrupted_ms,
        )
        for each in message.finished:
            ended(self.state, self.changes, worker, each, None, self.now_ms)
        if message.leaving:
            leave(self.state, self.changes, worker, self.now_ms)

    def answer(self, message: Message) -> Answer:
        worker = self.state.workers.get(message.worker)
        if worker is None or worker.state.value in ("terminating", "terminated", "failed"):
            return Answer(of=message, stop=True)
        number, attempts, cancels = gather(self.state, worker)
        return Answer(
            of=message,
            number=number,
            assign=tuple((each.job, each.number) for each in attempts),
            cancel=tuple((int(job), attempt) for job, attempt in cancels),
            drain=worker.state.value == "draining",
            clean_up=wants_clean_up(worker),
        )

    def talk(self, agent: Agent, **more: Any) -> Answer:
        """An exchange in which nothing goes wrong."""
        answer = self.handle(agent.message(self.now_ms, **more))
        agent.hear(answer, self.now_ms)
        return answer

    def seconds(self, count: float, *agents: Agent) -> None:
        """Time passes half a second at a time, as the lifecycle loop looks; these agents are heard of."""
        for _ in range(round(count * 2)):
            self.now_ms += 500
            tick(self.state, self.changes, self.now_ms)
            time_limits.look(self.state, self.changes, self.now_ms)
            self.commit()
            for agent in agents:
                self.talk(agent)

    def until_running(self, job: int, *agents: Agent) -> float:
        """How long it took, in seconds."""
        began = self.now_ms
        while JobId(job) not in self.state.live:
            self.seconds(0.5, *agents)
            assert self.now_ms < began + 600_000, f"job {job} was not tried again"
        return (self.now_ms - began) / 1000

    def preempt(self) -> None:
        """What the lifecycle loop does about preemption."""
        self.preemptor.look(self.state, self.changes, self.placer.reservations, self.now_ms)

    # --- the store

    def commit(self) -> Changes:
        """A hand-over: place, write, durable. Sweeps wait in `sweeps`."""
        self.placer.run(self.state, self.changes, self.now_ms)
        while self.placer.more:
            self.placer.run(self.state, self.changes, self.now_ms)
        book_groups(self.state, self.changes)
        end_groups(self.state, self.changes, self.now_ms)
        flush(self.state, self.changes)
        put_classes(self.changes)
        book(self.ledger, self.state, self.changes, self.now_ms)
        done, self.changes = self.changes, Changes()
        write(self.engine, done)
        self.state.durable = self.state.hand_over
        self.state.hand_over += 1
        self.sweeps.update(done.sweeps)
        return done

    def sweep(self) -> None:
        keep = [class_id for class_id, each in self.state.classes.items() if each.always_run]
        for batch, at_ms in self.sweeps.items():
            with self.engine.begin() as connection:
                while sweep_batch(connection, batch, at_ms, keep):
                    pass
        self.sweeps.clear()

    def recovered(self) -> tuple[EngineState, list[int]]:
        with self.engine.connect() as connection:
            state, _, unswept = recover(connection, self.now_ms)
        return state, unswept

    def read_ledger(self) -> Totals:
        with self.engine.connect() as connection:
            return read_ledger(connection)

    def crash(self) -> None:
        """What was not committed never was; the rest is read back."""
        self.now_ms += 2_000
        sharing = self.state.sharing
        self.state, unswept = self.recovered()
        self.ledger = self.read_ledger()
        self.state.sharing = sharing
        self.changes, self.placer, self.preemptor = Changes(), Placer(), Preemptor()
        self.sweeps = dict.fromkeys(unswept, self.now_ms)
        self.accepted = {job for job in self.accepted if job < self.state.next_job}
        self.restarts += 1

    def job(self, job: int) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(tables.jobs.select().where(tables.jobs.c.id == job)).one()

    def batch_state(self, batch: int) -> str:
        with self.engine.connect() as connection:
            query = tables.batches.select().where(tables.batches.c.id == batch)
            return str(connection.execute(query).one().state)

    def job_state(self, job: int) -> JobState:
        return JobState(self.job(job).state)

    def attempts(self, job: int) -> list[Any]:
        query = (
            tables.attempts.select()
            .where(tables.attempts.c.job_id == job)
            .order_by(tables.attempts.c.attempt)
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query))

    def faults(self) -> list[str]:
        """Broken rules of memory and, after a commit, of the rows, and what a crash now would lose."""
        found = violations(self.state)
        with self.engine.connect() as connection:
            found += stored_violations(connection)
        before = picture(self.state, self.ledger)
        after = picture(self.recovered()[0], self.read_ledger())
        found += [
            f"{key}: {before[key]} in memory, {after[key]} recovered"
            for key in before
            if before[key] != after[key]
        ]
        return found


def queued_jobs(queue: ReadyQueue) -> list[int]:
    return [job for each in queue._segments for job in each.ids[each.start :] if job not in queue._withdrawn]


def waiting_jobs(state: EngineState) -> dict[ClassId, list[tuple[int, int]]]:
    """Every ready job by class, queued or delayed, with when it first became ready."""
    found: dict[ClassId, list[tuple[int, int]]] = {}
    for class_id, queue in state.queues.items():
        for segment in queue._segments:
            found.setdefault(class_id, []).extend(
                (job, at) for _, job, at in segment.jobs() if job not in queue._withdrawn
            )
    for batch in state.batches.values():
        for class_id, parked in batch.keeping.parked.items() if batch.keeping is not None else ():
            found.setdefault(class_id, []).extend(
                (job, at) for segment in parked.segments for _, job, at in segment.jobs()
            )
    for job, held in state.held_jobs.items():
        found.setdefault(held.class_id, []).append((job, held.ready_at_ms))
    for job, waiting in state.delayed.items():
        found.setdefault(waiting.class_id, []).append((job, waiting.ready_at_ms))
    return {class_id: sorted(jobs) for class_id, jobs in found.items() if jobs}


def picture(state: EngineState, ledger: Totals) -> dict[str, Any]:
    """What must survive a crash, in a form that can be compared."""
    queues = waiting_jobs(state)
    queued = {job for jobs in queues.values() for job, _ in jobs}
    tried, preempted = dict(state.tried), dict(state.preempted)
    for batch in state.batches.values():
        tried.update(batch.tried)
        preempted.update(batch.preempted)
    return {
        "queues": queues,
        "faults": {
            job: (each.batch, each.class_id, each.count, each.deaths, each.workers, each.last)
            for job, each in sorted(state.faults.items())
        },
        "taken_back": {
            job: (each.batch, each.class_id, each.taken_back)
            for job, each in sorted(state.retried_as.items())
            if each.taken_back
        },
        "tried": {job: each for job, each in tried.items() if job in queued},
        "preempted": {job: count for job, count in preempted.items() if job in queued},
        "live": {
            job: (
                each.number,
                each.failures,
                each.worker,
                each.state,
                each.cancelling,
                each.preempted_for,
                each.preempted,
                each.batch,
                each.started_at_ms,
                each.ready_at_ms,
            )
            for job, each in sorted(state.live.items())
        },
        "waiting": {
            (batch.id, job): (each.class_id, each.parents_left, each.parent_failed)
            for batch in state.batches.values()
            for job, each in batch.waiting.items()
        },
        "batches": {
            batch.id: (
                batch.state,
                batch.cancelled,
                batch.jobs,
                None if batch.keeping is None else (batch.keeping.hold, batch.keeping.parallel_max),
                ledger.batches.get(batch.id, 0),
                {k: v for k, v in batch.counts.items() if v},
            )
            for batch in state.batches.values()
        },
        "held": {
            (batch.id, job): class_id
            for batch in state.batches.values()
            for class_id, jobs in batch.held
            for job in jobs
        },
        "keys": {
            batch.id: batch.keys for batch in state.batches.values() if batch.state == "open" or batch.accepts
        },
        "outcomes": {batch.id: batch.outcomes for batch in state.batches.values() if batch.accepts},
        "workers": {
            name: (
                w.state,
                w.cordoned,
                w.drain,
                w.free,
                w.free_slots,
                w.handle,
                w.expires_at_ms,
                w.attempts_done,
            )
            for name, w in sorted(state.workers.items())
        },
        "accounts": {key: (used.attempts, used.cost_pico) for key, used in ledger.accounts.items()},
        "pools": ledger.pools,
        "counts": {number: count for number, count in state.counts.items() if count},
        "in_use": state.in_use,
        "next": (state.next_job, state.next_batch),
    }
