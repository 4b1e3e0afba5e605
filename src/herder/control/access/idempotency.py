"""Requests with an Idempotency-Key: a repeated request finds what the first one created, also after a restart or a takeover.

Called by the API around each write. No answer is stored: the key stands on the row of what the request made (a job, a batch, a bunch
of jobs added to one, else the first event that it caused), under a unique index, for as long as that row is kept (`store/writing/retention.py`:
a day at least). A write that recorded nothing changed nothing, and does so again.

Looking into the store for each new key would cost more than a submission does. So what came since this server began is remembered:
the latest as a table, more of them in a filter that never denies a key it has seen. Keys of our own client say when they were made;
one that was made after the filter began is not looked up. Keys of others are.
"""

import asyncio
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from sqlalchemy import Connection

from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.core import Core
from herder.engine.memory.state import BatchLife
from herder.model.ids import UserName
from herder.model.stored.changes import Changes
from herder.model.stored.records import BunchRecord, EventRecord

KEY_LENGTH = 200
#: Requests remembered with what they made: about 500 bytes each.
RECENT_MAX = 10_000
#: Keys in one half of the filter, and its size: one false alarm in a hundred, 1.2 MB each.
FILTER_KEYS = 1_000_000
FILTER_BITS = 10 * FILTER_KEYS
FILTER_PROBES = 4
#: How far a client's clock may be off before its keys are looked up like those of others.
SKEW_MS = 60_000

#: Time in milliseconds as 12 hexadecimal digits, then chance, as `client.clock.new_key` makes them.
_TIMED = re.compile(r"t-([0-9a-f]{12})-[0-9a-f]{16,64}")


class Kind(StrEnum):
    JOB = "job"
    BATCH = "batch"
    BUNCH = "bunch"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a request made. `number`: of the job, of the batch, of the first job of a bunch, or of the event."""

    kind: Kind
    number: int
    fingerprint: str
    batch: int | None = None
    count: int = 1
    object: str = ""
    text: str = ""


class Requests:
    """Filled as calls come; used on the event loop only."""

    def __init__(self) -> None:
        self._recent: OrderedDict[str, Made] = OrderedDict()
        self._filter: _Filter | None = None
        self._asked: list[tuple[str, asyncio.Future[Made | None]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def find(self, core: Core, user: UserName, key: str, fingerprint: str) -> Made | None:
        """What the first such request made. Raises Conflict when the key was used for something else."""
        if len(key) > KEY_LENGTH or not key.isprintable():
            raise Invalid(
                "The Idempotency-Key is too long or has characters that are not printable.",
                field="Idempotency-Key",
                hint=f"Send at most {KEY_LENGTH} printable characters.",
            )
        name = f"{user}/{key}"
        made = self._recent.get(name)
        if made is None and not self._is_new(name, key, core.clock.now_ms()):
            made = await self._look_up(core, name)
            made = self._recent.get(name, made)  # the same request may have come twice at once
        if made is not None and made.fingerprint != fingerprint:
            raise Conflict(
                "This Idempotency-Key was used for another request.", hint="Use a new key for each write."
            )
        return made

    async def _look_up(self, core: Core, name: str) -> Made | None:
        """Those who come while a look is under way share the next one."""
        found: asyncio.Future[Made | None] = asyncio.get_running_loop().create_future()
        self._asked.append((name, found))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(core))
        return await found

    async def _look(self, core: Core) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                known = await core.read(partial(find_stored, names=[name for name, _ in asked]))
            except Exception as error:  # noqa: BLE001 - it is theirs who asked
                for _, waiting in asked:
                    if not waiting.done():
                        waiting.set_exception(error)
            else:
                for name, waiting in asked:
                    if not waiting.done():
                        waiting.set_result(known.get(name))
        self._looking = None

    def _is_new(self, name: str, key: str, now_ms: int) -> bool:
        timed = _TIMED.fullmatch(key)
        if self._filter is None:
            self._filter = _Filter(now_ms)
        if timed is None or self._filter.has(name):
            return False
        at_ms = int(timed[1], 16)
        return abs(now_ms - at_ms) <= SKEW_MS and at_ms - SKEW_MS >= self._filter.since_ms

    def keep(
        self,
        changes: Changes,
        user: UserName,
        key: str,
        fingerprint: str,
        now_ms: int,
        batch: BatchLife | None = None,
        subject: str = "",
    ) -> None:
        """Put the key on the row of what `changes` make. `batch`: one that is made, whose row is written from it later. `subject`: the
        object of the answer, whose event is taken before any other."""
        name = f"{user}/{key}"
        found = _stamp(changes, name, fingerprint, batch, subject)
        if found is None:
            return
        self._recent[name] = found
        if self._filter is None:
            self._filter = _Filter(now_ms)
        self._filter.add(name, now_ms)
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)


def _stamp(
    changes: Changes, name: str, fingerprint: str, batch: BatchLife | None, subject: str
) -> Made | None:
    if batch is not None:
        batch.request, batch.fingerprint = name, fingerprint
        return Made(kind=Kind.BATCH, number=batch.id, fingerprint=fingerprint)
    new = changes.jobs_new
    if new:
        first = new[0]
        if first.batch_id is None:
            new[0] = first._replace(request=name, fingerprint=fingerprint)
            return Made(kind=Kind.JOB, number=first.id, fingerprint=fingerprint)
        changes.put(BunchRecord(first.id, first.batch_id, len(new), name, fingerprint))
        return Made(
            kind=Kind.BUNCH, number=first.id, fingerprint=fingerprint, batch=first.batch_id, count=len(new)
        )
    events = changes.rows.get(EventRecord)
    if not events:
        return None
    about = (
        place for place, event in events.items() if isinstance(event, EventRecord) and event.object == subject
    )
    place = next(about, next(iter(events)))
    event = events[place]
    assert isinstance(event, EventRecord)
    events[place] = event._replace(request=name, fingerprint=fingerprint)
    return Made(
        kind=Kind.EVENT, number=event.sequence, fingerprint=fingerprint, object=event.object, text=event.text
    )


#: Four looks into unique indexes, as text: put together by SQLAlchemy it would cost ten times as much. One parameter each.
_FIND = """SELECT 'job', id, 0, 1, '', '', fingerprint FROM jobs WHERE request = ?
UNION ALL SELECT 'batch', id, 0, 0, '', '', fingerprint FROM batches WHERE request = ?
UNION ALL SELECT 'bunch', first_job, batch_id, jobs, '', '', fingerprint FROM bunches WHERE request = ?
UNION ALL SELECT 'event', sequence, 0, 0, object, text, fingerprint FROM events WHERE request = ?"""


def find_stored(connection: Connection, names: Sequence[str]) -> dict[str, Made]:
    """By name, of those that the store knows."""
    query = _FIND if connection.dialect.name == "sqlite" else _FIND.replace("?", "%s")
    found: dict[str, Made] = {}
    for name in names:
        row = connection.exec_driver_sql(query, (name,) * 4).first()
        if row is not None:
            kind, number, batch, count, subject, text, fingerprint = row
            made = Made(kind=Kind(kind), number=number, fingerprint=fingerprint, object=subject, text=text)
            found[name] = replace(made, batch=batch, count=count) if made.kind is Kind.BUNCH else made
    return found


def fingerprint_of(route: str, body: bytes | bytearray, secret: str = "") -> str:
    """What was asked for, so that a key is not taken for another request's. `secret`: of the server, where the body has what must not be
    guessed from its fingerprint, which is stored."""
    seen = hmac.new(secret.encode(), digestmod=hashlib.sha256) if secret else hashlib.sha256()
    seen.update(route.encode() + b"\n")
    seen.update(body)
    return seen.hexdigest()[:32]


class _Filter:
    """Two Bloom filters, the younger one filled and the older one kept until it is full: what `has` denies was never added since
    `since_ms`."""

    def __init__(self, since_ms: int) -> None:
        self._young, self._old = bytearray(FILTER_BITS // 8), bytearray(0)
        self._added = 0
        self.since_ms = self._young_since_ms = since_ms

    def add(self, name: str, now_ms: int) -> None:
        if self._added >= FILTER_KEYS:
            self._old, self._young = self._young, bytearray(FILTER_BITS // 8)
            self.since_ms, self._young_since_ms, self._added = self._young_since_ms, now_ms, 0
        young = self._young
        for place in _places(name):
            young[place >> 3] |= 1 << (place & 7)
        self._added += 1

    def has(self, name: str) -> bool:
        places = _places(name)
        return _all(self._young, places) or (bool(self._old) and _all(self._old, places))


def _places(name: str) -> tuple[int, ...]:
    mixed = hash(name) & 0xFFFF_FFFF_FFFF_FFFF
    first, second = mixed & 0xFFFF_FFFF, (mixed >> 32) | 1
    return tuple((first + number * second) % FILTER_BITS for number in range(FILTER_PROBES))


def _all(bits: bytearray, places: tuple[int, ...]) -> bool:
    return all(bits[place >> 3] & (1 << (place & 7)) for place in places)
