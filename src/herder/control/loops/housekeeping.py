"""The housekeeping loop: deletes rows that are past their retention (`store/writing/retention.py`) or above its bounds, old observations and
old tokens, and records when tokens were last used.

As often as the shortest age needs, a piece at a time, with pauses in which others write. A piece is as large as fits a short transaction:
what the last ones took says how many rows that is.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, delete, select

from herder.control.kernel.core import Core
from herder.model.stored.changes import Changes
from herder.store.rows.tables import observations, sessions, tokens
from herder.store.writing.retention import Step, forget_classes, steps, unused_classes
from herder.store.writing.size_bounds import Bound, bounds

#: Between two passes: a part of the shortest age, within these.
PART_OF_AGE = 10
PERIOD_SHORTEST_S, PERIOD_LONGEST_S = 1.0, 600.0
#: Unused classes are looked for at most this often: it goes through all jobs.
CLASSES_S = 3600.0
#: A transaction is to take about this long, so that hardly any takes the 50 ms for which nobody should wait.
TARGET_MS = 15
#: And with its commit no longer than this, as far as fewer rows help.
WHOLE_MS = 30
#: Rows of a piece: at first, at least and at most.
ROWS_FIRST, ROWS_LEAST, ROWS_MOST = 200, 20, 4_000
#: Rows of plain deletions by key.
PIECE = 500
PAUSE_S = 0.02
#: However often batches are retried, old rows are deleted.
KEEP_TIMES_MOST = 5


@dataclass(slots=True)
class Paces:
    """How many rows of each kind fit a transaction, learned from those before."""

    rows: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> int:
        return self.rows.get(kind, ROWS_FIRST)

    def took(self, kind: str, rows: int, work_ms: int, whole_ms: int) -> None:
        """`work_ms`: what the rows took; `whole_ms`: with the commit, which takes its time however few they are."""
        if work_ms > TARGET_MS:
            rows = max(ROWS_LEAST, rows * TARGET_MS // max(TARGET_MS + 5, work_ms))
        elif whole_ms > WHOLE_MS:
            rows = max(min(rows, ROWS_FIRST), rows * 3 // 4)
        elif work_ms < TARGET_MS // 2:
            rows = min(ROWS_MOST, rows + rows // 2)
        self.rows[kind] = rows


async def run(core: Core) -> None:
    paces, classes_at_ms = Paces(), None
    while True:
        await once(core, paces)
        now_ms = core.clock.monotonic_ms()
        if classes_at_ms is None or now_ms - classes_at_ms >= CLASSES_S * 1000:
            classes_at_ms = now_ms
            await look_after_classes(core)
        await asyncio.sleep(period_s(core.settings.retention.shortest_ms))


def period_s(shortest_ms: int) -> float:
    return min(PERIOD_LONGEST_S, max(PERIOD_SHORTEST_S, shortest_ms / 1000 / PART_OF_AGE))


async def once(core: Core, paces: Paces) -> None:
    """One pass over everything but classes."""
    keep = core.settings.retention
    await _forget_observations(core, paces)
    await look_after_tokens(core)
    for step in steps(keep, core.clock.now_ms()):
        await _whole(core, paces, step, None)
    for bound in bounds(keep, core.clock.now_ms()):
        for step in bound.steps:
            await _whole(core, paces, step, bound)


async def _whole(core: Core, paces: Paces, step: Step, bound: Bound | None) -> None:
    """All pieces of a step, as long as its bound is passed."""
    after: int | None = 0
    while after is not None and (bound is None or await core.read(bound.passed)):
        after = await _piece(core, paces, _kind(step), partial(step, after=after))
        if after is not None:
            await asyncio.sleep(PAUSE_S)


def _kind(step: Step) -> str:
    """Its name: pieces of one kind of row cost alike."""
    return str(getattr(getattr(step, "func", step), "__qualname__", ""))


async def _piece(core: Core, paces: Paces, kind: str, work: Callable[..., int | None]) -> int | None:
    """One transaction, measured from its begin to after its commit: the wait for the writer is not its time."""
    for _ in range(KEEP_TIMES_MOST):
        left_ms = core.rows_kept_until_ms - core.clock.monotonic_ms()
        if left_ms <= 0:
            break
        await asyncio.sleep(left_ms / 1000)
    rows, clock, began_ms, done_ms = paces.of(kind), core.clock, 0, 0

    def timed(connection: Connection) -> int | None:
        nonlocal began_ms, done_ms
        began_ms = clock.monotonic_ms()
        after = work(connection, piece=rows)
        done_ms = clock.monotonic_ms()
        return after

    after = await core.store.call(timed)
    paces.took(kind, rows, done_ms - began_ms, clock.monotonic_ms() - began_ms)
    return after


async def look_after_classes(core: Core) -> None:
    """Of classes that are not in memory now no job is made any more: one that comes again gets a new number."""
    in_memory = set(core.state.classes)
    await core.settle()
    unused = [each for each in await core.read(unused_classes) if each not in in_memory]
    for start in range(0, len(unused), PIECE):
        await core.store.call(partial(forget_classes, ids=unused[start : start + PIECE]))
        await asyncio.sleep(PAUSE_S)


async def look_after_tokens(core: Core) -> None:
    """Last uses go to the store; what has ended long ago goes from store and memory, with its sessions."""
    directory, changes = core.directory, Changes()
    directory.write_uses(changes)
    if not changes.empty:
        await core.commit(changes)
    before_ms = core.clock.now_ms() - core.settings.retention.tokens_ms
    old = [
        digest
        for digest, record in directory.tokens.items()
        if min(record.revoked_at_ms or 2**62, record.expires_at_ms or 2**62) < before_ms
    ]
    for start in range(0, len(old), PIECE):
        some = old[start : start + PIECE]
        await core.store.call(partial(forget_tokens, old=some))
        for digest in some:
            del directory.tokens[digest]
    for cookie, session in list(directory.sessions.items()):
        if session.token_hash not in directory.tokens:
            del directory.sessions[cookie]


def forget_tokens(connection: Connection, old: list[str]) -> None:
    connection.execute(delete(sessions).where(sessions.c.token_hash.in_(old)))
    connection.execute(delete(tokens).where(tokens.c.hash.in_(old)))


async def _forget_observations(core: Core, paces: Paces) -> None:
    settings = core.settings
    before_ms = core.clock.now_ms() - int(settings.observations_kept_s * 1000)
    first = await core.read(
        partial(first_kept, before_ms=before_ms, bytes_max=settings.observations_bytes_max)
    )
    while await _piece(core, paces, "observations", partial(_observations_piece, first=first)) is not None:
        await asyncio.sleep(PAUSE_S)


def first_kept(connection: Connection, before_ms: int, bytes_max: int) -> int:
    """The oldest observation that stays: one that stands alone, so that those after it can be read. It goes with all that build on
    it, when the newest of them is old. The newest such one always stays: the next is going to build on it."""
    o = observations.c
    first, size, newest_ms = 0, 0, None
    query = select(o.plan, o.follows, o.at_ms, o.size).order_by(o.plan.desc())
    for plan, follows, at_ms, bytes_ in connection.execute(query):
        size += bytes_
        newest_ms = at_ms if newest_ms is None else newest_ms
        if follows is None:
            if first and (newest_ms < before_ms or size > bytes_max):
                break
            first, newest_ms = plan, None
    return first


def _observations_piece(connection: Connection, first: int, piece: int) -> int | None:
    return 0 if forget_observations(connection, first, piece) else None


def forget_observations(connection: Connection, first: int, piece: int = PIECE) -> bool:
    """Delete up to `piece` observations before `first`; answers whether there may be more."""
    o = observations.c
    # The newest of them first: what is left of them can still be read.
    query = select(o.plan).where(o.plan < first).order_by(o.plan.desc()).limit(piece)
    old = connection.execute(query).scalars().all()
    connection.execute(delete(observations).where(observations.c.plan.in_(old)))
    return len(old) >= piece
