"""The housekeeping loop: deletes rows that are past their retention (`store/writing/retention.py`), old observations and old tokens, and
records when tokens were last used.

Hourly, a piece at a time, with pauses in which others write.
"""

import asyncio
from functools import partial

from sqlalchemy import Connection, delete, select

from herder.control.kernel.core import Core
from herder.model.stored.changes import Changes
from herder.store.rows.tables import observations, sessions, tokens
from herder.store.writing.retention import forget_classes, steps, unused_classes

PERIOD_S = 3600.0
#: Tokens that were revoked or are over stay so long in lists, and say why they are refused.
TOKENS_KEPT_MS = 30 * 24 * 3_600_000
#: Rows deleted in one transaction.
PIECE = 5_000
PAUSE_S = 0.05


async def run(core: Core) -> None:
    while True:
        await _forget_observations(core)
        await look_after_tokens(core)
        for step in steps(core.settings.retention, core.clock.now_ms()):
            after: int | None = 0
            while after is not None:
                after = await core.store.call(partial(step, after=after))
                await asyncio.sleep(PAUSE_S)
        await look_after_classes(core)
        await asyncio.sleep(PERIOD_S)


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
    before_ms = core.clock.now_ms() - TOKENS_KEPT_MS
    old = [
        digest
        for digest, record in directory.tokens.items()
        if min(record.revoked_at_ms or 2**62, record.expires_at_ms or 2**62) < before_ms
    ][:PIECE]
    if old:
        await core.store.call(partial(forget_tokens, old=old))
    for digest in old:
        del directory.tokens[digest]
    for cookie, session in list(directory.sessions.items()):
        if session.token_hash not in directory.tokens:
            del directory.sessions[cookie]


def forget_tokens(connection: Connection, old: list[str]) -> None:
    connection.execute(delete(sessions).where(sessions.c.token_hash.in_(old)))
    connection.execute(delete(tokens).where(tokens.c.hash.in_(old)))


async def _forget_observations(core: Core) -> None:
    settings = core.settings
    before_ms = core.clock.now_ms() - int(settings.observations_kept_s * 1000)
    first = await core.read(
        partial(first_kept, before_ms=before_ms, bytes_max=settings.observations_bytes_max)
    )
    while await core.store.call(partial(forget_observations, first=first)):
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


def forget_observations(connection: Connection, first: int) -> bool:
    """Delete up to PIECE observations before `first`; answers whether there may be more."""
    o = observations.c
    # The newest of them first: what is left of them can still be read.
    query = select(o.plan).where(o.plan < first).order_by(o.plan.desc()).limit(PIECE)
    old = connection.execute(query).scalars().all()
    connection.execute(delete(observations).where(observations.c.plan.in_(old)))
    return len(old) >= PIECE
