"""What may be forgotten: idempotency keys after a day. Hourly, a piece at a time."""

import asyncio
from functools import partial

from sqlalchemy import Connection, delete, select

from herder.control.clock import now_ms
from herder.control.core import Core
from herder.store.tables import idempotency

PERIOD_S = 3600.0
KEYS_KEPT_MS = 24 * 3_600_000
#: Rows deleted in one transaction.
PIECE = 5_000


async def run(core: Core) -> None:
    while True:
        before = now_ms() - KEYS_KEPT_MS
        while await core.writer.call(partial(forget_keys, before_ms=before)):
            await asyncio.sleep(0.05)
        await asyncio.sleep(PERIOD_S)


def forget_keys(connection: Connection, before_ms: int) -> bool:
    """Delete up to PIECE old keys; answers whether there may be more."""
    old = connection.execute(
        select(idempotency.c.user, idempotency.c.key).where(idempotency.c.at_ms < before_ms).limit(PIECE)
    ).all()
    for user, key in old:
        connection.execute(delete(idempotency).where(idempotency.c.user == user, idempotency.c.key == key))
    return len(old) >= PIECE
