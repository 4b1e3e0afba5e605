"""Explanations from recorded facts, for a worker (live or ended), a pool, and a job in any state."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.control.kernel.planner.planning_thread import PlanAnswer
from herder.control.planning.observation import observe_now
from herder.control.pools.pool_actions import pool_named
from herder.control.reads.explanations.cached_inputs import inputs_near
from herder.control.reads.explanations.ended_jobs import by_whom, history_of
from herder.control.reads.explanations.old_workers import why_still_there
from herder.control.reads.fleet.creations import failures_text, step_text
from herder.control.reads.fleet.worker_health import repair_facts
from herder.control.reads.work.jobs import effective_state, job_row
from herder.control.reads.work.pool_choice import memory_reason, pool_reason
from herder.decide.forecast.start_time import LEAST_MS, Eta
from herder.decide.placement.drf import WHOLE, share_of
from herder.decide.plan.why_waiting import Standing, why_waiting
from herder.engine.jobs.backoff import is_suspect
from herder.engine.jobs.next_class import class_now
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.draining.drain_texts import progress_text
from herder.model.ids import ClassId, JobId, UserName, WorkerName
from herder.model.permissions import Principal, scope_of
from herder.model.planning.plan import Action, CreateWorker, Reason, ReasonKind
from herder.model.values.money import format_usd
from herder.model.values.phrases import agree, clause, counted, listed, sentence
from herder.model.values.times import iso, span
from herder.model.work.job import JobState
from herder.scheduler.delayed_jobs import AWAY_MAX_MS
from herder.scheduler.start_times import Starts
from herder.store.rows import tables as t
from herder.store.rows.usage_rows import worker_row_cost
from herder.wire.api.resources import Explanation, ReasonView

EVENTS_MAX = 200
_HERDER = "herder"
#: Events that repeat the reason of the one before them.
_FOLLOWS = {
    "worker.trouble": ("worker.terminating", "worker.terminated"),
    "worker.draining": ("worker.terminating", "worker.terminated"),
    "worker.terminating": ("worker.terminated", "worker.failed"),
}
#: An expected start is told when it is in any case within this time,
ETA_SHORT_MS = 15_000
#: or when the late end of the range is at most this many times the middle.
ETA_FACTOR_MAX = 4


async def why_worker(core: Core, who: Principal, name: str) -> Explanation:
    """What it was made for, what happened to it, why it went."""

    def read(connection: Connection) -> tuple[Row[Any] | None, list[Row[Any]]]:
        row = connection.execute(select(t.workers).where(t.workers.c.name == name)).first()
        events = (
            select(t.events)
            .where(t.events.c.object == f"worker/{name}")
            .order_by(t.events.c.sequence)
            .limit(EVENTS_MAX)
        )
        return row, list(connection.execute(events))

    row, events = await core.read(read)
    if row is None:
        raise NotKnown(
            f"Worker {name!r} does not exist.",
            hint="`herder worker list --ended` also shows workers that have ended.",
        )
    made, removed = json.loads(row.reason_made), json.loads(row.reason_removed)
    why_made = sentence(made.get("text") or "the reason was not recorded")
    facts = [_fact("made", f"Plan {row.plan} created it: {why_made}", made.get("evidence", {}))]
    facts += [
        _fact(event.kind, f"{iso(event.at_ms)} {_happened(event)}", _evidence(event))
        for event in _news(events, made)
    ]
    summary = f"Why it was created: {why_made}"
    if removed:
        went = "was removed" if row.ended_at_ms else "is being removed"
        summary += f" Why it {went}: {sentence(removed.get('text', ''))}"
    elif row.state == "failed":
        summary += " Its creation failed."
    worker = core.state.workers.get(WorkerName(name))
    for kind, text in () if worker is None else _under_way(core, who, worker):
        summary += f" {text}"
        facts.append(_fact(kind, text, {}))
    still = await why_still_there(core, name)
    facts += _reasons(still)
    for reason in still:
        if reason.kind is not ReasonKind.EXPIRED:
            summary += f" {reason.text}"
    facts += repair_facts(core, name)
    until_ms = core.clock.now_ms() if row.ended_at_ms is None else row.ended_at_ms
    cost_pico = worker_row_cost(row, until_ms)
    facts.append(
        _fact(
            "work",
            f"{counted(row.attempts_done, 'attempt')} ended on it, and it cost {format_usd(cost_pico, 6)}.",
            {},
        )
    )
    return Explanation(subject=f"worker/{name}", summary=summary, facts=facts)


def _news(events: list[Row[Any]], made: dict[str, Any]) -> list[Row[Any]]:
    """Events without those of the same move that only repeat the reason: the request after its plan, the end after its drain. What a
    person did is never left out, nor anything that happened again."""
    kept: list[Row[Any]] = []
    reason, since = made.get("text"), "worker.requested"
    for event in events:
        follows = event.kind in _FOLLOWS.get(since, ()) or event.kind == since == "worker.requested"
        by_person = event.actor != _HERDER and not (kept and _same_moment(kept[-1], event))
        if not (follows and event.text == reason and not by_person):
            kept.append(event)
        reason, since = event.text, event.kind
    return kept


def _same_moment(before: Row[Any], event: Row[Any]) -> bool:
    return bool(before.at_ms == event.at_ms and before.actor == event.actor)


def _happened(event: Row[Any]) -> str:
    """With the person who did it."""
    return (
        sentence(event.text)
        if event.actor == _HERDER
        else f"{sentence(event.text)} By {by_whom(event.actor)}."
    )


def _evidence(event: Row[Any]) -> dict[str, Any]:
    reason = json.loads(event.data).get("reason") or {}
    evidence = reason.get("evidence", {})
    return evidence if isinstance(evidence, dict) else {}


def _fact(kind: str, text: str, evidence: dict[str, Any]) -> ReasonView:
    return ReasonView(kind=kind, text=text, evidence=evidence)


def _reasons(reasons: tuple[Reason, ...]) -> list[ReasonView]:
    return [_fact(each.kind, each.text, dict(each.evidence)) for each in reasons]


def _under_way(core: Core, who: Principal, worker: WorkerLife) -> Iterator[tuple[str, str]]:
    """Its creation or its drain, for the summary as well."""
    with_users = scope_of(who) is None
    drains = progress_text(core.state, worker, core.clock.now_ms(), with_users=with_users)
    for kind, text in (("step", step_text(core, worker)), ("drain", drains)):
        if text:
            yield kind, text


async def why_pool(core: Core, name: str) -> Explanation:
    """What the planner would say of it now."""
    pool = pool_named(core, name)
    plan = (await core.planning.ask(partial(observe_now, core))).plan
    report = next((report for report in plan.pools if report.pool == pool.name), None)
    if report is None:
        raise NotKnown(f"Pool {name!r} was deleted just now.")
    facts = _reasons(report.reasons)
    facts += [
        _fact("action", f"{_would(action)} {action.reason.text}", dict(action.reason.evidence))
        for action in plan.actions
        if (action.pool if hasattr(action, "pool") else action.spec.pool) == pool.name
    ]
    summary = (
        f"Pool {name} has {counted(report.actual, 'worker')}, {report.in_flight} "
        f"{agree(report.in_flight, 'is', 'are')} starting, and {report.desired} {agree(report.desired, 'is', 'are')} wanted."
    )
    failed = failures_text(core, pool.name)
    if failed:
        facts.append(_fact("creations_failed", failed, {}))
        newest = core.state.last_creation_failure.get(pool.name, "")
        facts.append(_fact("last_creation_failed", f"The last of them: {sentence(newest)}", {}))
    return Explanation(subject=f"pool/{name}", summary=summary, facts=facts)


def _would(action: Action) -> str:
    if isinstance(action, CreateWorker):
        return f"It would create {action.spec.name} ({action.spec.template})."
    return f"It would drain {action.worker}."


async def explain_job(core: Core, who: Principal, job: int) -> Explanation:
    """Why it is in the state it is in, and what it waits for."""
    row = await job_row(core, who, job)
    state = effective_state(core, row)
    if state is JobState.HELD:
        return _held(row)
    if state is JobState.READY and JobId(job) not in core.state.live:
        found = _delayed(core, JobId(job))
        if found is None:
            answer = await core.planning.ask(partial(observe_now, core))
            async with core.planning.turn:
                await asyncio.sleep(0)  # others come first who have waited meanwhile
                found = _waiting(core, row, answer)
            found.facts += _of_class(core, row)
        found.facts += [*await inputs_near(core, row), *await _events_of_attempts(core, job)]
        return found
    if state is JobState.BLOCKED:
        return await _blocked(core, row)
    if state is JobState.PENDING:
        text = f"Batch {row.batch_id} is open. Its jobs start after herder batch commit {row.batch_id}."
        return Explanation(subject=f"job/{job}", summary=text, facts=[_fact("batch_open", text, {})])
    found = await history_of(core, row, state)
    found.facts += await _events_of_attempts(core, job)
    return found


def _of_class(core: Core, row: Row[Any]) -> list[ReasonView]:
    job_class = core.state.classes[class_now(core.state, JobId(row.id), ClassId(row.class_id))]
    said = {"pool": pool_reason(core, job_class), "memory_profile": memory_reason(core, job_class)}
    return [_fact(kind, text, {}) for kind, text in said.items() if text]


#: When a job gave way to another, when another did to it, and why it is not tried again as it was submitted.
_OF_ATTEMPTS = (
    "job.preempted",
    "job.preempts",
    "job.memory_raised",
    "job.memory_exhausted",
    "job.leaves_spot",
    "job.stays_on_spot",
)


async def _events_of_attempts(core: Core, job: int) -> list[ReasonView]:
    events = (
        select(t.events)
        .where(t.events.c.object == f"job/{job}", t.events.c.kind.in_(_OF_ATTEMPTS))
        .order_by(t.events.c.sequence)
        .limit(EVENTS_MAX)
    )
    rows = await core.read(lambda connection: connection.execute(events).all())
    return [
        _fact(row.kind.removeprefix("job."), f"{iso(row.at_ms)} {row.text}", json.loads(row.data))
        for row in rows
    ]


def _held(row: Row[Any]) -> Explanation:
    what = f"job {row.id}" if row.state == JobState.HELD else f"batch {row.batch_id}"
    noun, _, number = what.partition(" ")
    text = f"{noun.capitalize()} {number} is held. The job starts after herder {noun} release {number}."
    return Explanation(subject=f"job/{row.id}", summary=text, facts=[_fact("held", text, {})])


def _delayed(core: Core, job: JobId) -> Explanation | None:
    """Of a job that a worker failed: what it waits for. None when it waits like any other."""
    waits, faults = core.state.delayed.get(job), core.state.faults.get(job)
    if waits is None or faults is None:
        return None
    fails, workers = counted(faults.count, "failure"), counted(len(faults.workers), "worker")
    past = f"{fails} on {workers} through no fault of its own (the last: {clause(faults.last)})"
    left_ms = waits.not_before_ms - core.clock.now_ms()
    if left_ms > 0:
        text = f"Job {job} is tried again in {span(left_ms)}, after {past}."
    elif is_suspect(faults):
        kept = f", until {waits.kept_on} is empty" if waits.kept_on else ""
        text = (
            f"Job {job} waits for a worker to itself{kept}, because {counted(faults.deaths, 'worker')} died while it ran. "
            f"It had {fails} (the last: {clause(faults.last)})."
        )
    else:
        names = listed([name for name in faults.workers if name in core.state.workers], "or")
        text = (
            f"Job {job} waits at most {AWAY_MAX_MS // 1000} s for a worker other than {names}, after {past}."
        )
    evidence = {
        "failures": faults.count,
        "deaths": faults.deaths,
        "workers": list(faults.workers),
        "not_before": iso(waits.not_before_ms),
    }
    return Explanation(subject=f"job/{job}", summary=text, facts=[_fact("delayed", text, evidence)])


def _waiting(core: Core, row: Row[Any], answer: PlanAnswer) -> Explanation:
    now = core.clock.now_ms()
    state = core.state
    class_id = class_now(state, JobId(row.id), ClassId(row.class_id))
    observed, steps = answer.observed, answer.steps
    reasons = why_waiting(
        class_id, state.classes[class_id], observed, now, holding=_holding(core), steps=steps
    )
    queue = state.queues.get(class_id)
    before = queue.before(row.id) if queue is not None else None
    reasons, bound = limits_where_they_bind(reasons, 0 if queue is None else queue.count, before)
    facts = _reasons(reasons)
    since = (now - (row.ready_at_ms or row.committed_at_ms or row.created_at_ms)) / 1000
    summary = f"Job {row.id} has been queued for {since:.0f} s. {facts[0].text if facts else 'It is next.'}"
    planned = () if steps is None else steps.creations(observed.plan_number, now)
    starts = Starts(state, core.placer.run_times, now, planned, core.placer.samples.record)
    eta = None if before is None or bound else starts.of(class_id, before)
    if eta is not None and (expected := eta_text(eta)):
        summary += f" {expected}"
        facts.append(
            _fact("eta", expected, {"p10_ms": eta.p10_ms, "p50_ms": eta.p50_ms, "p90_ms": eta.p90_ms})
        )
    kept = [
        reservation
        for reservation in core.placer.reservations.by_worker.values()
        if reservation.class_id == class_id
    ]
    if kept and before is not None and before < len(kept):
        reservation = kept[before]
        why = "attempts are being stopped there for it" if reservation.preempts else "it has waited long"
        text = f"A place on {reservation.worker} is reserved for it, because {why}. Other jobs run there only if they do not delay it."
        facts.append(
            _fact("reserved", text, {"worker": reservation.worker, "since": iso(reservation.made_at_ms)})
        )
    refused = core.preemptor.refused.get(class_id)
    if refused is not None:
        facts.append(_fact("preemption", refused, {}))
    return Explanation(subject=f"job/{row.id}", summary=summary, facts=facts)


def limits_where_they_bind(
    reasons: tuple[Reason, ...], count: int, before: int | None
) -> tuple[tuple[Reason, ...], bool]:
    """Of the jobs of a class a quota, the budget of an account or an alert holds back those at its end: for the others it is said last. Whether one binds this job."""
    held_back = {each: _held_back(each) for each in reasons if _held_back(each) is not None}
    binds = [each for each, jobs in held_back.items() if before is None or before >= count - (jobs or 0)]
    loose = [each for each in held_back if each not in binds]
    others = [each for each in reasons if each not in held_back]
    return (*binds, *others, *loose), bool(binds)


def _held_back(reason: Reason) -> int | None:
    """How many jobs; None: it holds back none."""
    if reason.kind not in (ReasonKind.QUOTA, ReasonKind.BUDGET, ReasonKind.ALERT):
        return None
    jobs = dict(reason.evidence).get("held_back", 0 if reason.kind is ReasonKind.QUOTA else None)
    return None if jobs is None else int(jobs)


def _holding(core: Core) -> dict[UserName, Standing]:
    state, total = core.state, core.placer.queue_index.total
    return {
        user: Standing(
            weight=state.weights.get(user, 1),
            share=share_of(used, total) / WHOLE,
        )
        for user, used in state.in_use.items()
    }


def eta_text(eta: Eta) -> str:
    """Empty when the range is too wide to be of use, as in `5 s (0 s – 5 min)`."""
    if eta.p90_ms <= LEAST_MS:
        return "It is expected to start at once."
    if eta.p90_ms > max(ETA_SHORT_MS, ETA_FACTOR_MAX * eta.p50_ms):
        return ""
    return f"It is expected to start in {span(eta.p50_ms)} (80 % interval: {span(eta.p10_ms)} – {span(eta.p90_ms)})."


async def _blocked(core: Core, row: Row[Any]) -> Explanation:
    def read(connection: Connection) -> list[tuple[int, str | None, int]]:
        query = (
            select(t.jobs.c.id, t.jobs.c.key, t.jobs.c.state)
            .join(t.job_parents, t.job_parents.c.parent_id == t.jobs.c.id)
            .where(t.job_parents.c.child_id == row.id)
            .order_by(t.jobs.c.id)
        )
        return [(parent, key, state) for parent, key, state in connection.execute(query)]

    parents = await core.read(read)
    left = [(parent, key, state) for parent, key, state in parents if state < JobState.SUCCEEDED]
    summary = f"Job {row.id} waits for {len(left)} of its {counted(len(parents), 'parent')}."
    facts = [
        _fact(
            "parent", f"Job {parent}{f' ({key})' if key else ''} is {JobState(state).label}.", {"job": parent}
        )
        for parent, key, state in left[:20]
    ]
    if len(left) > 20:
        facts.append(
            _fact(
                "parent",
                f"{counted(len(left) - 20, 'more parent')} {agree(len(left) - 20, 'has', 'have')} not ended.",
                {"count": len(left) - 20},
            )
        )
    return Explanation(subject=f"job/{row.id}", summary=summary, facts=facts)
