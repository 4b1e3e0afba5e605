"""The part of `Reads` about batches and their callbacks."""

import asyncio
from collections.abc import Callable

from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.core import Core
from herder.control.kernel.waiting.waiters import Waiters
from herder.control.reads.search.batches import BatchFilter, list_batches
from herder.control.reads.work import callbacks, jobs
from herder.control.reads.work.followed_output import Again
from herder.control.reads.work.groups import group_page, group_view
from herder.control.reads.work.job_graph import JobGraph, job_graph
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.callbacks import CallbackSecret
from herder.wire.api.resources import Page
from herder.wire.api.work import BatchView, GroupView


class BatchReads:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def batches(self, who: Principal, wanted: BatchFilter) -> Page:
        check(who, Action.SEE, OF_KIND[Kind.BATCH])
        return await list_batches(self._core, who, wanted)

    def live_batch(self, life: BatchLife) -> BatchView:
        """One that was just made or committed."""
        return jobs.live_batch(self._core, life)

    async def batch(self, who: Principal, number: int) -> BatchView:
        view = await jobs.batch_view(self._core, who, number)
        return await callbacks.with_callback(self._core, who, view)

    async def job_graph(self, who: Principal, batch: int) -> JobGraph:
        return await job_graph(self._core, who, batch)

    async def groups(self, who: Principal, batch: int, *, after: int | None, limit: int) -> Page:
        return await group_page(self._core, who, batch, after=after, limit=limit)

    async def group(self, who: Principal, batch: int, path: str) -> GroupView:
        return await group_view(self._core, who, batch, path)

    async def callbacks(
        self, who: Principal, state: str | None, after: tuple[int, str] | None, limit: int
    ) -> Page:
        check(who, Action.SEE, OF_KIND[Kind.BATCH])
        return await callbacks.callback_page(self._core, who, state, after, limit)

    def callback_secret(self, who: Principal) -> CallbackSecret:
        return callbacks.secret_view(self._core, who)

    async def wait_batch(self, again: Again, number: int, seconds: float) -> BatchView:
        view = await self.batch(again(), number)
        if view.ended_at is None:
            batches = self._core.state.batches
            await _wait(self._core.batches_ended, number, seconds, lambda: BatchId(number) not in batches)
            view = await self.batch(again(), number)
        return view


async def _wait(waiters: Waiters, key: int, seconds: float, over: Callable[[], bool]) -> None:
    with waiters.wait(key) as waiting:
        if not over():
            await asyncio.wait({waiting}, timeout=seconds)
