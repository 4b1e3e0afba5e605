"""Views of callbacks. Called by `control/reads/port.py`."""

from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select

from herder.control.access.access_check import OF_KIND, check
from herder.control.jobs.submitting.submission import batch_thing
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import callback_secret
from herder.control.reads.visibility import PAGE_MAX, in_view
from herder.model.permissions import Action, Kind, Principal, Verdict, may, scope_of
from herder.model.values.times import iso_or_none
from herder.notify.signature import secret_text
from herder.store.rows.callback_table import callbacks
from herder.store.writing.outbox import of_batch
from herder.wire.api.callbacks import CallbackSecret, CallbackView
from herder.wire.api.resources import Page
from herder.wire.api.work import BatchView

STATES = ("due", "delivered", "failed")


def waits(batch: int, url: str, group: str = "") -> CallbackView | None:
    """As long as the batch, or the group, has not ended."""
    return CallbackView(batch=batch, id="", url=url, state="waiting", group=group) if url else None


async def with_callback(core: Core, who: Principal, view: BatchView) -> BatchView:
    """What became of the message about a batch, when it has one."""
    waits = view.callback
    if waits is None:
        return view
    found = waits
    if view.ended_at is not None:
        row = await core.read(partial(of_batch, batch=view.id))
        found = waits if row is None else row_view(row)
    return msgspec.structs.replace(view, callback=_as_seen(who, found, view.user, view.project))


async def of_group(
    core: Core, who: Principal, batch: BatchView, group: str, url: str, *, ended: bool
) -> CallbackView | None:
    """What became of the message about a group, when it has one."""
    found = waits(batch.id, url, group)
    if found is not None and ended:
        row = await core.read(partial(of_batch, batch=batch.id, group=group))
        found = found if row is None else row_view(row)
    return None if found is None else _as_seen(who, found, batch.user, batch.project)


async def callback_page(
    core: Core, who: Principal, state: str | None, after: tuple[int, str] | None, limit: int
) -> Page:
    """The newest message about each batch and group that `who` may see, newest batch first, and its groups behind it. `after`: a batch, and
    the path of a group or nothing."""
    if state is not None and state not in STATES:
        raise Invalid(f"{state!r} is not a state of a callback: {', '.join(STATES)}.", field="state")
    limit = max(1, min(limit, PAGE_MAX))
    later, c = callbacks.alias(), callbacks.c
    newer = select(later.c.id).where(
        later.c.batch_id == c.batch_id,
        later.c.group_path == c.group_path,
        later.c.created_at_ms > c.created_at_ms,
    )
    query = select(callbacks).where(~newer.exists(), *in_view(scope_of(who), callbacks))
    if state is not None:
        query = query.where(c.state == state)
    if after is not None:
        batch, group = after
        query = query.where((c.batch_id < batch) | ((c.batch_id == batch) & (c.group_path > group)))
    query = query.order_by(c.batch_id.desc(), c.group_path).limit(limit + 1)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [_as_seen(who, row_view(row), row.user, row.project) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items=items, next=f"{items[-1].batch}/{items[-1].group}".rstrip("/") if more else None)


def secret_view(core: Core, who: Principal) -> CallbackSecret:
    """The caller's own; nobody else's is told to anybody."""
    check(who, Action.CREATE, OF_KIND[Kind.BATCH])
    return CallbackSecret(user=who.user, secret=secret_text(callback_secret(core.settings.secret, who.user)))


def row_view(row: Any) -> CallbackView:
    return CallbackView(
        batch=row.batch_id,
        id=row.id,
        url=row.url,
        state=row.state,
        tries=row.tries,
        next_try_at=iso_or_none(row.next_at_ms),
        ended_at=iso_or_none(row.ended_at_ms),
        http_status=row.status,
        error=row.error,
        group=row.group_path,
    )


def _as_seen(who: Principal, view: CallbackView, owner: str, project: str) -> CallbackView:
    if may(who, Action.CHANGE, batch_thing(view.batch, owner, project)) is Verdict.ALLOWED:
        return view
    parts = urlsplit(view.url)
    return msgspec.structs.replace(view, url=f"{parts.scheme}://{parts.netloc}/…", error="")
