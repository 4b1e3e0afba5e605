"""Reads without a leader: what the store says, read into a memory that nothing changes, and shown by the same faces.

Asked by `forwarding.py` when no leader answers. While nobody leads nothing changes in the store, so what is read then stays right; when only
this server cannot reach the leader, it is read again after a time that grows with what reading costs. It must never write.
"""

import asyncio

from starlette.types import ASGIApp


class Stored:
    async def face(self) -> tuple[ASGIApp, int] | None:
        return None

    async def close(self) -> None:
        await asyncio.sleep(0)
