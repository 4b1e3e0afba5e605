"""Calls of drivers in threads, each waited for no longer than its deadline. Used by the loops `launch` and `sweep`, through `Core.calls`."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from herder.model.driver import OutcomeUnknown

_T = TypeVar("_T")


class ThreadCalls:
    """`ports.calls.Calls`."""

    async def run(self, driver: str, verb: str, work: Callable[[], _T], *, deadline_s: float) -> _T:
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.to_thread(work)
        except TimeoutError:
            raise OutcomeUnknown(f"driver {driver}: {verb} gave no answer within {deadline_s:g} s") from None
