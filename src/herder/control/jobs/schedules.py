"""Schedules: batches that are submitted at the times of a cron expression.

Called by `Commands` and by the schedules loop. That a time is dealt with is written in the commit that has its batch, so through a crash
each time leads to one batch at most. The batch is its owner's, with their rights and limits at that moment.
"""

import msgspec

from herder.control.access.access_check import OF_KIND, check
from herder.control.jobs.submitting.submission import create as create_batch
from herder.control.jobs.submitting.submission import try_create
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown, Overloaded, Refused, TooLarge
from herder.control.kernel.bounds.limits import check_name
from herder.control.kernel.core import Core
from herder.engine.jobs.batch_end import cancel_batch
from herder.engine.memory.events import record_event
from herder.model.ids import BatchId, UserName
from herder.model.permissions import Action, Kind, Principal, Thing, Verdict, may
from herder.model.stored.changes import Changes
from herder.model.stored.service_records import ScheduleRecord
from herder.model.values.times import iso
from herder.settings.syntax.cron import around, fault
from herder.wire.api.schedules import ScheduleCreate
from herder.wire.api.work import BatchCreate, JobsAdded

#: Of one user; each stays in memory with its batch.
SCHEDULES_EACH = 100
SPEC_BYTES = 256 * 1024
CATCH_UP_MAX_S = 30 * 86_400.0
#: A run that is no later than this is not late: the loop looks once a minute at least.
PUNCTUAL_MS = 60_000
_MINUTE_MS = 60_000


def create(core: Core, who: Principal, body: ScheduleCreate, changes: Changes, now_ms: int) -> ScheduleRecord:
    record = _checked(core, who, body, now_ms)
    _put(core, changes, record)
    text = f"Schedule {record.name} was created by {who.user}: {record.cron} ({record.timezone})."
    _tell(core, changes, record, "schedule.created", text, now_ms, who.actor)
    return record


def _checked(core: Core, who: Principal, body: ScheduleCreate, now_ms: int) -> ScheduleRecord:
    check(who, Action.CREATE, OF_KIND[Kind.BATCH])
    if not body.name or "/" in body.name:
        raise Invalid(
            f"{body.name[:50]!r} is not a valid name.", field="name", hint="Use a name without slashes."
        )
    check_name(body.name, "name")
    wrong = fault(body.cron, body.timezone)
    if wrong is not None:
        zone = fault("* * * * *", body.timezone) is not None
        raise Invalid(f"The schedule cannot be read: {wrong}.", field="timezone" if zone else "cron")
    if not 0 <= body.catch_up_s <= CATCH_UP_MAX_S:
        raise Invalid("catch_up_s must be between 0 and 30 days.", field="catch_up_s")
    if body.name in core.state.schedules:
        raise Conflict(f"The name {body.name!r} is in use.", field="name", hint="Choose another name.")
    mine = sum(each.user == who.user for each in core.state.schedules.values())
    if mine >= SCHEDULES_EACH:
        raise Overloaded(
            f"User {who.user} has {mine} schedules, the maximum.",
            hint="Delete some with `herder schedule delete`.",
        )
    if not body.batch.jobs:
        raise Invalid("The batch has no jobs.", field="batch.jobs", hint="Name at least one job.")
    spec = msgspec.json.encode(body.batch).decode()
    if len(spec) > SPEC_BYTES:
        raise TooLarge(
            f"The batch has {len(spec):,} bytes as JSON; the maximum of a schedule is {SPEC_BYTES:,}.",
            field="batch", hint="Submit one job that submits the others.",
        )  # fmt: skip
    record = ScheduleRecord(
        name=body.name, user=who.user, project=body.batch.project, cron=body.cron, timezone=body.timezone,
        concurrency=body.concurrency, catch_up_ms=int(body.catch_up_s * 1000), paused=0, spec=spec,
        created_at_ms=now_ms, handled_ms=now_ms, last_run_ms=None, last_batch=None, last_text="",
    )  # fmt: skip
    try_create(core, who, _batch(record, now_ms))
    return record


def _batch(record: ScheduleRecord, at_ms: int) -> BatchCreate:
    """What is submitted for one time."""
    batch = msgspec.json.decode(record.spec, type=BatchCreate)
    batch.attributes = {**batch.attributes, "schedule": record.name, "scheduled_at": iso(at_ms)}
    batch.name, batch.commit = batch.name or record.name, True
    return batch


def own(core: Core, who: Principal, name: str, action: Action = Action.CHANGE) -> ScheduleRecord:
    """Raises Refused."""
    check(who, action, OF_KIND[Kind.BATCH])
    record: ScheduleRecord | None = core.state.schedules.get(name)
    if record is None or may(who, action, thing(record)) is Verdict.UNKNOWN:
        raise NotKnown(f"There is no schedule {name[:100]!r}.", hint="`herder schedule list` shows them.")
    check(who, action, thing(record))
    return record


def thing(record: ScheduleRecord) -> Thing:
    return Thing(kind=Kind.BATCH, name=record.name, owner=record.user, project=record.project)


def pause(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> str:
    record = own(core, who, name)
    if record.paused:
        return f"Schedule {name} is already paused."
    _put(core, changes, record._replace(paused=1))
    text = f"Schedule {name} was paused by {who.user}."
    _tell(core, changes, record, "schedule.paused", text, now_ms, who.actor)
    return text


def resume(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> str:
    """What was missed meanwhile is not made up for."""
    record = own(core, who, name)
    if not record.paused:
        return f"Schedule {name} is not paused."
    _put(core, changes, record._replace(paused=0, handled_ms=now_ms))
    text = f"Schedule {name} was resumed by {who.user}."
    _tell(core, changes, record, "schedule.resumed", text, now_ms, who.actor)
    return text


def delete(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> str:
    record = own(core, who, name)
    del core.state.schedules[name]
    changes.put(record._replace(deleted=1))
    text = f"Schedule {name} was deleted by {who.user}. Its batches are kept."
    _tell(core, changes, record, "schedule.deleted", text, now_ms, who.actor)
    return text


def delete_all_of(core: Core, user: str, changes: Changes, now_ms: int, actor: str) -> None:
    """When a user is deleted: they would run with the rights and secrets of whoever gets the name next."""
    for record in [each for each in core.state.schedules.values() if each.user == user]:
        del core.state.schedules[record.name]
        changes.put(record._replace(deleted=1))
        text = f"Schedule {record.name} was deleted with its user {user}. Its batches are kept."
        _tell(core, changes, record, "schedule.deleted", text, now_ms, actor)


def run(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> JobsAdded:
    """Now, whatever its times and its concurrency are. The batch is the owner's."""
    record = own(core, who, name)
    batch = create_batch(core, _owner(core, record), _batch(record, now_ms), changes, now_ms)
    text = f"Schedule {name} was run by {who.user}: batch {batch.id}."
    _put(core, changes, record._replace(last_run_ms=now_ms, last_batch=batch.id, last_text=text))
    _tell(core, changes, record, "schedule.run", text, now_ms, who.actor)
    return JobsAdded(batch=batch.id, first_job=core.state.next_job - batch.jobs, count=batch.jobs)


def _owner(core: Core, record: ScheduleRecord) -> Principal:
    """Raises Conflict."""
    who = core.directory.person(UserName(record.user))
    if who is None:
        raise Conflict(f"User {record.user}, whose schedule it is, was deleted.")
    return who


def tick(core: Core, changes: Changes, now_ms: int) -> None:
    """Submit what is due: of the times that have passed since the last look the newest."""
    for record in sorted(core.state.schedules.values()):
        if record.paused:
            continue
        at_ms, _ = around(record.cron, record.timezone, now_ms // _MINUTE_MS)
        if at_ms is not None and at_ms > record.handled_ms:
            _due(core, changes, record, at_ms, now_ms)


def _due(core: Core, changes: Changes, record: ScheduleRecord, at_ms: int, now_ms: int) -> None:
    name, handled = record.name, record._replace(handled_ms=at_ms)
    last = None if record.last_batch is None else core.state.batches.get(BatchId(record.last_batch))
    skipped = ""
    if now_ms - at_ms > max(PUNCTUAL_MS, record.catch_up_ms):
        skipped = "no server ran, or it could not write, until after its catch_up"
    elif last is not None and record.concurrency == "forbid":
        skipped = f"batch {last.id} of the last run has not ended (concurrency forbid)"
    if skipped:
        text = f"The run of schedule {name} at {iso(at_ms)} was skipped: {skipped}."
        _put(core, changes, handled._replace(last_run_ms=at_ms, last_text=text))
        _tell(core, changes, record, "schedule.skipped", text, now_ms)
        return
    try:
        who = _owner(core, record)
        batch = create_batch(core, who, _batch(record, at_ms), changes, now_ms)
    except Refused as refused:
        text = f"The run of schedule {name} at {iso(at_ms)} failed. {refused.detail}"
        _put(core, changes, handled._replace(last_run_ms=at_ms, last_text=text))
        _tell(core, changes, record, "schedule.failed", text, now_ms)
        return
    if last is not None and record.concurrency == "replace" and not last.cancelled:
        why = f"schedule {name} has started batch {batch.id}"
        cancel_batch(core.state, changes, last, now_ms, actor="herder", why=why)
    text = f"The run of schedule {name} at {iso(at_ms)} is batch {batch.id}."
    _put(core, changes, handled._replace(last_run_ms=at_ms, last_batch=batch.id, last_text=text))


def _put(core: Core, changes: Changes, record: ScheduleRecord) -> None:
    core.state.schedules[record.name] = record
    changes.put(record)


def _tell(
    core: Core,
    changes: Changes,
    record: ScheduleRecord,
    kind: str,
    text: str,
    now_ms: int,
    actor: str = "herder",
) -> None:
    subject = f"schedule/{record.name}"
    record_event(
        core.state,
        changes,
        now_ms,
        kind,
        subject,
        text,
        actor=actor,
        owner=record.user,
        project=record.project,
    )
