"""Rebuilds the engine's memory from the store at start: everything that has not ended, and the running totals.

Called once by `server/data/opening.py` before anything else runs. Live attempts are kept: their workers may still be at work, and say so with
their next exchange; whoever does not within the pool's `dead_after_s` counts as dead.
"""

import json
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from herder.control.access.tokens import Directory
from herder.control.kernel.jobs.batch_rows import groups_of_batch, life_of_row
from herder.control.recovery.batches import recover_accepting, recover_parents
from herder.control.recovery.history import (
    UNENDED,
    read_totals,
    recover_failed_lately,
    recover_faults,
    recover_history,
    recover_preemptions,
    recover_taken_back,
)
from herder.control.recovery.queued_jobs import ready_at_of, recover_jobs
from herder.control.recovery.resources import known_resources
from herder.engine.attempts.attempt import ENDED_BY_ITSELF
from herder.engine.clock_step import begin_anew, latest_ms, went_back
from herder.engine.jobs import backoff
from herder.engine.jobs.classes import CLASSES_MAX, remember_class
from herder.engine.jobs.groups import withdraws
from herder.engine.memory import worker_node, worker_repair
from herder.engine.memory.forgotten_time import take_numbers
from herder.engine.memory.state import (
    ENDED_RUNS_MAX,
    EngineState,
    LiveAttempt,
    WorkerLife,
)
from herder.model.fleet.creation import read_creation
from herder.model.fleet.drain import Drain
from herder.model.fleet.membership import EXCHANGE, Membership
from herder.model.fleet.pool import Taint, TaintEffect
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import BatchId, ClassId, JobId, PlanNumber, PoolName, UserName, WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import SessionRecord, TokenRecord, UserRecord
from herder.model.stored.service_records import PipelineRecord, ScheduleRecord, SecretRecord
from herder.model.values.money import PicoUsd
from herder.model.values.resources import PLAIN, Dimensions
from herder.model.work.job import AttemptState, Cause, JobState
from herder.settings import pool_from_plain
from herder.store.rows import tables as t
from herder.store.rows.incarnation import (
    numbers_following,
    numbers_reached,
    read_incarnation,
    remembered_until_ms,
)
from herder.store.rows.json_forms import decode_class
from herder.store.rows.secrets_table import secrets
from herder.store.rows.versions import opened

#: Rows fetched at a time.
FETCH = 10_000

#: States of jobs that have not started.
_WAITING = [int(state) for state in JobState if not state.ended and state is not JobState.RUNNING]


def recover(
    connection: Connection, now_ms: int, declared: Dimensions = PLAIN, changes: Changes | None = None
) -> tuple[EngineState, Directory, list[int]]:
    """(state, users and tokens, cancelled batches whose jobs are not all marked yet). `declared`: in the server's settings. `changes`:
    filled with what is to be written because of the clock; without them the next change of each row says it."""
    last_ms = _last_event_ms(connection)
    state = EngineState(answer_base=max(now_ms, last_ms + 1), resources=known_resources(connection, declared))
    directory = _directory(connection, state)
    _pools(connection, state)
    _classes(connection, state)
    _projects(connection, state)
    _batches(connection, state)
    _schedules_and_pipelines(connection, state)
    _workers(connection, state, directory)
    recover_history(connection, state, now_ms)
    read_totals(connection, state)
    unswept = recover_jobs(connection, state)
    for queue in state.queues.values():
        queue.none_after(now_ms)
    _attempts(connection, state)
    recover_preemptions(connection, state)
    recover_faults(connection, state)
    recover_taken_back(connection, state)
    recover_failed_lately(connection, state, now_ms)
    recover_parents(connection, state)
    recover_accepting(connection, state)
    _ended_runs(connection, state)
    _waiting(connection, state)
    _numbers(connection, state)
    state.fresh_demand = True
    back_ms = max(last_ms, latest_ms(state)) - now_ms
    if back_ms > 0:
        went_back(state, Changes() if changes is None else changes, back_ms, now_ms)
    backoff.none_after(state, now_ms)
    begin_anew(state, now_ms)
    return state, directory, unswept


def _last_event_ms(connection: Connection) -> int:
    """The clock has shown this once."""
    query = select(t.events.c.at_ms).order_by(t.events.c.sequence.desc()).limit(1)
    return int(connection.execute(query).scalar() or 0)


def _directory(connection: Connection, state: EngineState) -> Directory:
    directory = Directory()
    for row in connection.execute(select(t.users).where(t.users.c.deleted_at_ms.is_(None))):
        directory.users[UserName(row.name)] = UserRecord(*row)
        state.weights[UserName(row.name)] = row.weight
    for row in connection.execute(select(t.tokens)):
        directory.tokens[row.hash] = TokenRecord(*row)
    for row in connection.execute(select(t.sessions).where(t.sessions.c.hash != "")):
        directory.sessions[row.hash] = SessionRecord(*row)
    for row in connection.execute(select(secrets).where(secrets.c.deleted_at_ms.is_(None))):
        directory.secrets[row.scope, row.owner, row.name] = SecretRecord(*row)._replace(sealed="")
    return directory


def _schedules_and_pipelines(connection: Connection, state: EngineState) -> None:
    for row in connection.execute(select(t.schedules).where(t.schedules.c.deleted == 0)):
        state.schedules[row.name] = ScheduleRecord(*row)
    for row in connection.execute(select(t.pipelines).where(t.pipelines.c.deleted == 0)):
        state.pipelines[row.name] = PipelineRecord(*row)._replace(config="")


def _pools(connection: Connection, state: EngineState) -> None:
    for row in connection.execute(select(t.pools).where(t.pools.c.deleted == 0)):
        where = f"The stored pool {row.name}"
        plain = opened("pool", json.loads(row.spec), where)
        spec = pool_from_plain({**plain, "frozen": bool(row.frozen)}, where=where, resources=state.resources)
        state.pools[spec.name] = spec


def _classes(connection: Connection, state: EngineState) -> None:
    """Those of jobs that have not ended, and the newest: they are likely to come again."""
    newest = select(func.max(t.job_classes.c.id)).scalar_subquery() - CLASSES_MAX // 2
    used = select(t.jobs.c.class_id).where(t.jobs.c.state.in_(UNENDED), t.NOT_SUCCEEDED)
    query = (
        select(t.job_classes.c.id, t.job_classes.c.spec)
        .where((t.job_classes.c.id > newest) | t.job_classes.c.id.in_(used))
        .order_by(t.job_classes.c.id)
    )
    for row in connection.execute(query):
        job_class = decode_class(row.spec, state.resources)
        remember_class(state, ClassId(row.id), job_class)
        state.class_ids[job_class] = ClassId(row.id)
        state.projects.setdefault(job_class.user, set()).add(job_class.project)


def _projects(connection: Connection, state: EngineState) -> None:
    for row in connection.execute(select(t.usage.c.user, t.usage.c.project)):
        state.projects.setdefault(UserName(row.user), set()).add(row.project)


def _batches(connection: Connection, state: EngineState) -> None:
    query = select(t.batches).where(t.batches.c.ended_at_ms.is_(None))
    live = select(t.batches.c.id).where(t.batches.c.ended_at_ms.is_(None))
    grouped = select(t.job_groups.c.batch_id).where(t.job_groups.c.batch_id.in_(live)).distinct()
    with_groups = set(connection.execute(grouped).scalars())
    for row in connection.execute(query).all():
        groups = groups_of_batch(connection, row.id) if row.id in with_groups else None
        state.batches[BatchId(row.id)] = life_of_row(row, groups)


def _workers(connection: Connection, state: EngineState, directory: Directory) -> None:
    query = select(t.workers).where(t.workers.c.ended_at_ms.is_(None)).order_by(t.workers.c.requested_at_ms)
    for row in connection.execute(query):
        worker = _worker(row, state.resources)
        worker.answer_number = state.answer_base
        state.workers[worker.spec.name] = worker
        if row.token_hash:
            directory.workers[row.token_hash] = worker.spec.name
        if row.activation_hash:
            directory.activations[row.activation_hash] = worker.spec.name


def _worker(row: Row[Any], resources: Dimensions) -> WorkerLife:
    plain = json.loads(row.spec)
    bootstrap, fingerprint = plain.get("bootstrap", ("", ""))
    spec = WorkerSpec(
        name=WorkerName(row.name),
        pool=PoolName(row.pool),
        template=row.template,
        driver=row.driver,
        allocatable=resources.read(plain["allocatable"]),
        slots=plain["slots"],
        price_pico_per_hour=PicoUsd(plain["price"]),
        gpu_parts=plain.get("gpu_parts", 1),
        labels=tuple((key, value) for key, value in plain["labels"]),
        taints=tuple(Taint(key=k, value=v, effect=TaintEffect(e)) for k, v, e in plain["taints"]),
        plan=PlanNumber(row.plan),
        reason=plain["reason"],
        zone=plain.get("zone", ""),
        spot=plain.get("spot", False),
        membership=msgspec.convert(plain["membership"], Membership) if "membership" in plain else EXCHANGE,
        cluster=plain.get("cluster", ""),
        bootstrap=bootstrap,
        bootstrap_fingerprint=fingerprint,
        driver_options=tuple((key, value) for key, value in plain.get("options", ())),
    )
    return WorkerLife(
        spec=spec,
        state=WorkerState(row.state),
        requested_at_ms=row.requested_at_ms,
        reason_made=_reason(row.reason_made) or Reason(kind=ReasonKind.REQUESTED, text=spec.reason),
        manual=bool(row.manual),
        cordoned=bool(row.cordoned),
        handle=row.handle,
        phase=row.phase,
        operation=row.operation,
        drain=Drain(**json.loads(row.drain)) if row.drain else None,
        health=worker_repair.read(row.health),
        node=worker_node.read(row.node),
        creation=read_creation(row.creation),
        provisioned_at_ms=row.provisioned_at_ms,
        ready_at_ms=row.ready_at_ms,
        draining_at_ms=row.draining_at_ms,
        last_seen_at_ms=row.last_seen_at_ms,
        expires_at_ms=row.expires_at_ms,
        extensions=row.extensions,
        warned_expiry_ms=row.warned_expiry_ms,
        expired_ms=row.expired_ms,
        agent_version=row.agent_version,
        attempts_done=row.attempts_done,
        reason_removed=_reason(row.reason_removed),
        token_hash=row.token_hash,
        activation_hash=row.activation_hash,
        activation_nonce=row.activation_nonce,
        free=spec.allocatable,
        free_slots=spec.slots,
        idle_since_ms=None
        if row.ready_at_ms is None or not spec.membership.work_is_known or spec.cluster
        else row.last_seen_at_ms,  # written when its last attempt ended; of pods nobody writes it
    )


def _reason(text: str) -> Reason | None:
    plain = json.loads(text)
    if not plain:
        return None
    return Reason(
        kind=ReasonKind(plain["kind"]), text=plain["text"], evidence=tuple(plain["evidence"].items())
    )


def _attempts(connection: Connection, state: EngineState) -> None:
    query = (
        select(t.attempts, t.jobs.c.batch_id, t.jobs.c.class_id, t.jobs.c.failures,
               t.jobs.c.ready_at_ms, t.jobs.c.created_at_ms)
        .join(t.jobs, t.jobs.c.id == t.attempts.c.job_id)
        .where(t.attempts.c.state < int(AttemptState.SUCCEEDED))
    )  # fmt: skip
    for row in connection.execute(query):
        job_class = state.classes[ClassId(row.class_id)]
        worker = state.workers[WorkerName(row.worker)]
        batch = state.batches.get(BatchId(row.batch_id)) if row.batch_id is not None else None
        attempt = LiveAttempt(
            job=JobId(row.job_id),
            number=row.attempt,
            failures=row.failures,
            class_id=ClassId(row.class_id),
            batch=batch.id if batch else None,
            worker=worker.spec.name,
            state=AttemptState(row.state),
            assigned_at_ms=row.assigned_at_ms,
            ready_at_ms=ready_at_of(batch, row),
            started_at_ms=row.started_at_ms,
            preempted_for=row.message if row.cause == Cause.PREEMPTED else "",
            cancelling=row.cause == Cause.CANCELLED
            or (batch is not None and withdraws(batch, row.job_id) and not job_class.always_run),
        )
        state.live[attempt.job] = worker.live[attempt.job] = attempt
        worker.unacked[attempt.job] = 0
        worker.idle_since_ms = None
        worker.free = worker.free.minus(job_class.request)
        worker.free_slots -= 1
        if attempt.cancelling or attempt.preempted_for:
            worker.cancels.add((attempt.job, attempt.number))
        state.live_usage.count(attempt.class_id, job_class, 1)


def _ended_runs(connection: Connection, state: EngineState) -> None:
    """How long the attempts of the latest jobs took, and how much memory, oldest first: both are learned from them anew."""
    by_itself = t.attempts.c.cause.in_(sorted(ENDED_BY_ITSELF))
    query = (
        select(
            t.jobs.c.class_id,
            t.attempts.c.state,
            t.attempts.c.assigned_at_ms,
            t.attempts.c.ended_at_ms,
            t.attempts.c.memory_peak_mib,
        )
        .join(t.jobs, t.jobs.c.id == t.attempts.c.job_id)
        .where((t.attempts.c.state == int(AttemptState.SUCCEEDED)) | by_itself)
        .where(t.attempts.c.ended_at_ms.is_not(None))
        .order_by(t.attempts.c.job_id.desc(), t.attempts.c.attempt.desc())
        .limit(ENDED_RUNS_MAX)
    )
    rows = connection.execute(query).all()
    for class_id, final, assigned_at_ms, ended_at_ms, peak_mib in reversed(rows):
        job_class = state.classes.get(class_id)
        if job_class is None:
            continue
        if job_class.retry.memory_profile and final == AttemptState.SUCCEEDED:
            state.memory_peaks.add(job_class.profile, peak_mib)
        run_ms = max(0, ended_at_ms - assigned_at_ms)
        state.ended_runs.append((ClassId(class_id), run_ms))


def _waiting(connection: Connection, state: EngineState) -> None:
    """How much of each user has not started: the limits for one user count from there on."""
    query = (
        select(t.jobs.c.user, func.count(), func.sum(func.length(t.jobs.c.payload)))
        .where(t.jobs.c.state.in_(_WAITING), t.NOT_SUCCEEDED)
        .group_by(t.jobs.c.user)
    )
    state.waited = {user: (jobs, int(size)) for user, jobs, size in connection.execute(query)}


def _numbers(connection: Connection, state: EngineState) -> None:
    """Counters go on where they were, also when the rows with the highest numbers are not kept any more."""
    state.incarnation, state.remembered_ms = read_incarnation(connection), remembered_until_ms(connection)
    take_numbers(state, numbers_following(connection).at_least(state.incarnation.next))
    classes = int(connection.execute(select(func.max(t.job_classes.c.id))).scalar() or 0)
    state.next_class = max(classes, numbers_reached(connection).get(str(t.job_classes.c.id), 0)) + 1
    state.first_plan = state.next_plan
