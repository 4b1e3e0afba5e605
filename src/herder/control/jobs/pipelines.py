"""Configurations of pipelines: texts that jobs ask for by the name of their pipeline. Herder does not read them.

Called by `Commands` and `reads/pipelines.py`. A pipeline belongs to its user, and may be read and set by those who may see and change the
batches of that user and project; one of herder.yaml may be read by every user, and is changed there.
"""

import re
from collections.abc import Mapping

from herder.control.access.access_check import OF_KIND, check
from herder.control.jobs.submitting.submission import may_submit
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown, Overloaded, TooLarge
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.permissions import Action, Kind, Principal, Thing, Verdict, may
from herder.model.stored.changes import Changes
from herder.model.stored.service_records import PipelineRecord
from herder.model.values.times import iso
from herder.model.work.pipeline import CONFIG_BYTES, Pipeline
from herder.store.rows.tables import DEFAULT_PROJECT
from herder.wire.api.resources import Result
from herder.wire.pipelines import PipelineSet, PipelineView

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Of one user.
PIPELINES_EACH = 1_000


def set_config(
    core: Core, who: Principal, name: str, body: PipelineSet, changes: Changes, now_ms: int
) -> PipelineView:
    """Create it, or change it. Raises Refused."""
    check(who, Action.CREATE, OF_KIND[Kind.BATCH])
    if not NAME.fullmatch(name):
        raise Invalid(
            f"{name[:70]!r} is not a valid name of a pipeline.",
            field="name",
            hint="Use at most 64 letters, digits and . _ -; the first must be a letter or digit.",
        )
    size = _size(body.config)
    if core.state.sharing.pipeline(name) is not None:
        raise Conflict(
            f"Pipeline {name} is defined in herder.yaml.", hint="Change it there, and run `herder apply`."
        )
    known = core.state.pipelines.get(name)
    project = body.project or (known.project if known else DEFAULT_PROJECT)
    if known is None or project != known.project:
        may_submit(core, who, Kind.BATCH, project)
    if known is None:
        _check_number(core, who)
        record = PipelineRecord(name, who.user, project, body.config, size, now_ms, now_ms, who.user)
    else:
        _check_mine(who, known)
        record = known._replace(
            project=project, config=body.config, bytes=size, changed_at_ms=now_ms, changed_by=who.user
        )
    _put(core, changes, record)
    verb = "created" if known is None else "changed"
    _tell(
        core, changes, record, "pipeline.set", f"Pipeline {name} was {verb} by {who.user}.", now_ms, who.actor
    )
    return view_of(record)


def _size(config: str) -> int:
    size = len(config.encode(errors="replace"))
    if not config:
        raise Invalid(
            "The configuration is empty.", field="config", hint="Send the text that jobs are to read."
        )
    if "\0" in config:
        raise Invalid("The configuration has a NUL character, so it is not text.", field="config")
    if size > CONFIG_BYTES:
        raise TooLarge(
            f"The configuration has {size:,} bytes; the maximum is {CONFIG_BYTES:,}.",
            field="config",
            hint="Store it where jobs can fetch it.",
        )
    return size


def _check_number(core: Core, who: Principal) -> None:
    if sum(each.user == who.user for each in core.state.pipelines.values()) >= PIPELINES_EACH:
        raise Overloaded(
            f"User {who.user} has {PIPELINES_EACH:,} pipelines, the maximum.",
            hint="Delete some with `herder pipeline delete`.",
        )


def _check_mine(who: Principal, known: PipelineRecord) -> None:
    """A name is one pipeline of the whole server, so one that is not seen is in the way too. Raises Conflict and Forbidden."""
    if may(who, Action.SEE, thing(known)) is Verdict.UNKNOWN:
        raise Conflict(f"The name {known.name!r} is in use.", field="name", hint="Choose another name.")
    check(who, Action.CHANGE, thing(known))


def own(core: Core, who: Principal, name: str, action: Action = Action.CHANGE) -> PipelineRecord:
    """Raises Refused."""
    check(who, action, OF_KIND[Kind.BATCH])
    record = core.state.pipelines.get(name)
    if record is None or may(who, Action.SEE, thing(record)) is Verdict.UNKNOWN:
        raise NotKnown(f"There is no pipeline {name[:100]!r}.", hint="`herder pipeline list` shows them.")
    check(who, action, thing(record))
    return record


def delete(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
    if core.state.sharing.pipeline(name) is not None:
        check(who, Action.CHANGE, OF_KIND[Kind.BATCH])
        raise Conflict(
            f"Pipeline {name} is defined in herder.yaml.", hint="Remove it there, and run `herder apply`."
        )
    text = f"Pipeline {name} was deleted by {who.user}."
    _remove(core, changes, own(core, who, name), text, now_ms, who.actor)
    return Result(object=f"pipeline/{name}", text=text)


def delete_all_of(core: Core, user: str, changes: Changes, now_ms: int, actor: str) -> None:
    """When a user is deleted: whoever gets the name next gets nothing of theirs."""
    for record in [each for each in core.state.pipelines.values() if each.user == user]:
        text = f"Pipeline {record.name} was deleted with its user {user}."
        _remove(core, changes, record, text, now_ms, actor)


def _remove(core: Core, changes: Changes, record: PipelineRecord, text: str, now_ms: int, actor: str) -> None:
    del core.state.pipelines[record.name]
    changes.put(record._replace(config="", bytes=0, deleted=1))
    _tell(core, changes, record, "pipeline.deleted", text, now_ms, actor)


def _put(core: Core, changes: Changes, record: PipelineRecord) -> None:
    core.state.pipelines[record.name] = record._replace(config="")
    changes.put(record)


def thing(record: PipelineRecord) -> Thing:
    return Thing(kind=Kind.BATCH, name=record.name, owner=record.user, project=record.project)


def view_of(record: PipelineRecord, config: str = "") -> PipelineView:
    return PipelineView(
        name=record.name, user=record.user, project=record.project, bytes=record.bytes,
        changed_at=iso(record.changed_at_ms), changed_by=record.changed_by, config=config,
    )  # fmt: skip


def view_of_file(pipeline: Pipeline, config: str = "") -> PipelineView:
    size = len(pipeline.config.encode())
    return PipelineView(
        name=pipeline.name, user="", project="", bytes=size, changed_at=None, changed_by="", config=config
    )


def seen(core: Core, who: Principal) -> Mapping[str, PipelineView]:
    """Those that `who` may read. One of herder.yaml comes before one that was stored under its name."""
    found = {
        name: view_of(record)
        for name, record in core.state.pipelines.items()
        if may(who, Action.SEE, thing(record)) is Verdict.ALLOWED
    }
    found.update((each.name, view_of_file(each)) for each in core.state.sharing.pipelines)
    return found


def _tell(
    core: Core, changes: Changes, record: PipelineRecord, kind: str, text: str, now_ms: int, actor: str
) -> None:
    record_event(
        core.state, changes, now_ms, kind, f"pipeline/{record.name}", text,
        actor=actor, owner=record.user, project=record.project,
    )  # fmt: skip
