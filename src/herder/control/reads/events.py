"""Views of events: pages of past events that the caller may see. Called by `port.py`."""

import json
from typing import Any

from sqlalchemy import Row, select

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.visibility import PAGE_MAX, events_in_view
from herder.model.permissions import Action, Kind, Principal, Thing, Verdict, may, scope_of
from herder.model.stored.event_kinds import EVENT_KINDS, is_filter
from herder.model.stored.records import EventRecord
from herder.model.values.times import iso
from herder.store.rows import tables as t
from herder.wire.api.resources import EventView, Page


def event_view(row: EventRecord | Row[Any]) -> EventView:
    return EventView(
        sequence=row.sequence,
        at=iso(row.at_ms),
        kind=row.kind,
        object=row.object,
        actor=row.actor,
        text=row.text,
        data=json.loads(row.data),
    )


async def event_page(
    core: Core,
    who: Principal,
    *,
    after: int | None,
    kind: str | None = None,
    subject: str | None = None,
    limit: int = 100,
    newest: bool = False,
) -> Page:
    """In order of what happened, after sequence `after`; `newest` first when asked for. `kind` may be a prefix (`worker.`).

    Those about the fleet, and those about jobs, batches, users and tokens that `who` may see.
    """
    limit = max(1, min(limit, PAGE_MAX))
    if kind is not None and not is_filter(kind):
        raise Invalid(
            f"{kind[:50]!r} is not a kind of event.",
            field="kind",
            hint=f"Choose one of {', '.join(sorted(EVENT_KINDS))}.",
        )
    query = select(t.events).where(*events_in_view(scope_of(who, Kind.EVENT))).limit(limit + 1)
    query = query.order_by(t.events.c.sequence.desc() if newest else t.events.c.sequence)
    if after is not None:
        query = query.where(t.events.c.sequence < after if newest else t.events.c.sequence > after)
    if kind is not None:
        query = query.where(t.events.c.kind.startswith(kind, autoescape=True))
    if subject is not None:
        query = query.where(t.events.c.object == subject)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [event_view(row) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].sequence) if len(rows) > limit else None)


def sees_event(who: Principal, row: EventRecord) -> bool:
    thing = Thing(kind=Kind.EVENT, owner=row.user, project=row.project)
    return may(who, Action.SEE, thing) is Verdict.ALLOWED
