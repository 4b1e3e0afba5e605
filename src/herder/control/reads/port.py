"""`Reads`: the port through which API and dashboard read anything. Each method takes the caller and returns a view.

Access is asked inside, here or in the module that reads; lists hold what the caller may see. Nothing here changes anything, and no
face looks past it into `Core`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from herder.control.access import users as people
from herder.control.access.access_check import FLEET, OF_KIND, check
from herder.control.drivers.bootstraps import consoles
from herder.control.kernel.bounds.errors import NotKnown, NotReady, Refused
from herder.control.kernel.core import Core
from herder.control.planning.observation import observe_now
from herder.control.reads import events, repeated_requests, sharing
from herder.control.reads.credentials import CredentialReads
from herder.control.reads.explanations import explain, pods
from herder.control.reads.fleet import clusters, drivers, sweeps
from herder.control.reads.fleet import pools_and_workers as fleet
from herder.control.reads.fleet.adoptable_pools import importable
from herder.control.reads.fleet.bootstraps import bootstrap_page, check_bootstrap
from herder.control.reads.fleet.driver_checks import check_driver
from herder.control.reads.fleet.offers import listed_offers
from herder.control.reads.fleet.operations import operation_views
from herder.control.reads.fleet.worker_health import worker_health_view
from herder.control.reads.metering import MeteringReads
from herder.control.reads.metrics import metrics_text
from herder.control.reads.pipelines import PipelineReads
from herder.control.reads.search.jobs import list_jobs
from herder.control.reads.work import jobs
from herder.control.reads.work.batch_reads import BatchReads
from herder.control.reads.work.documented import DocumentedReads
from herder.control.reads.work.ended_jobs import wait_ended, wait_job
from herder.control.reads.work.followed_output import Again, Followers, How
from herder.control.reads.work.job_types import SharingReads
from herder.control.reads.work.output import output_of
from herder.control.reads.work.schedules import ScheduleReads
from herder.engine.memory.invariants import violations
from herder.model.fleet.driver import DriverError
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.stored.records import EventRecord
from herder.model.values.phrases import sentence
from herder.model.work.job import JobState
from herder.store.invariants import violations as stored_violations
from herder.wire.api.bootstraps import BootstrapChecks
from herder.wire.api.clusters import ClusterChecks, ClusterView, SchedulingInfo
from herder.wire.api.drivers import DriverChecks, DriverImport, DriverView, SweepAnswer, SweepView
from herder.wire.api.health import WorkerHealthView
from herder.wire.api.people import UserView, WhoAmI
from herder.wire.api.resources import (
    ApplyAnswer,
    EventView,
    Explanation,
    Page,
    PlanView,
    PoolView,
    ScaleAnswer,
    Status,
    WorkerView,
)
from herder.wire.api.work import EndedJob, JobDetail, JobView

#: A store that has not written for longer than this is not ready.
READY_S = 5.0
#: A stream of events says nothing for so long at most, so that proxies and clients know that it lives.
SILENCE_S = 15.0
#: Events read at a time when a stream catches up.
CATCH_UP = 500


class Figures(NamedTuple):
    """What the dashboard draws."""

    desired: int
    actual: int
    ready: int
    queued: int
    running: int
    price_pico_per_hour: int


class Reads(
    BatchReads, ScheduleReads, PipelineReads, MeteringReads, CredentialReads, SharingReads, DocumentedReads
):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._followers = Followers()

    def now_ms(self) -> int:
        return self._core.clock.now_ms()

    def monotonic_ms(self) -> int:
        return self._core.clock.monotonic_ms()

    # --- the fleet

    def leads(self) -> bool:
        """Asked by anybody. False: this server's lease may have ended."""
        return self._core.leadership.holds()

    async def ready(self) -> None:
        """Asked by anybody. Raises NotReady when the store takes no writes."""
        self._core.take_in_work()
        try:
            await asyncio.wait_for(self._core.settle(), READY_S)
        except TimeoutError:
            raise NotReady(f"The store did not take a write within {READY_S:g} s.") from None

    async def status(self, who: Principal) -> Status:
        check(who, Action.SEE, FLEET)
        return await fleet.status(self._core, who)

    def figures(self) -> Figures:
        """Asked by the server itself, for all who may see the fleet."""
        state = self._core.state
        workers = state.workers.values()
        going = sum(worker.state.leaving for worker in workers)
        return Figures(
            desired=len(workers) - going,
            actual=len(workers),
            ready=sum(worker.state is WorkerState.READY for worker in workers),
            queued=state.counts[JobState.READY],
            running=state.counts[JobState.RUNNING],
            price_pico_per_hour=sum(
                worker.spec.price_pico_per_hour for worker in workers if worker.provisioned_at_ms is not None
            ),
        )

    async def pools(self, who: Principal) -> Page:
        check(who, Action.SEE, FLEET)
        return _whole(await fleet.pool_views(self._core))

    async def pool(self, who: Principal, name: str) -> PoolView:
        check(who, Action.SEE, FLEET)
        return await fleet.pool_view(self._core, name)

    async def why_pool(self, who: Principal, name: str) -> Explanation:
        check(who, Action.SEE, FLEET)
        return await explain.why_pool(self._core, name)

    async def workers(
        self,
        who: Principal,
        *,
        pool: str | None = None,
        state: str | None = None,
        ended: bool = False,
        after: str | None = None,
        limit: int = 100,
    ) -> Page:
        check(who, Action.SEE, FLEET)
        return await fleet.worker_page(
            self._core, who, pool=pool, state=state, ended=ended, after=after, limit=limit
        )

    async def worker(self, who: Principal, name: str) -> WorkerView:
        check(who, Action.SEE, FLEET)
        return await fleet.worker_view(self._core, who, name)

    async def worker_health(self, who: Principal, name: str) -> WorkerHealthView:
        check(who, Action.SEE, FLEET)
        return worker_health_view(self._core, name)

    async def why_worker(self, who: Principal, name: str) -> Explanation:
        check(who, Action.SEE, FLEET)
        return await explain.why_worker(self._core, who, name)

    async def console(self, who: Principal, name: str) -> str:
        check(who, Action.SEE, Thing(kind=Kind.CONSOLE, name=name))
        view = await fleet.worker_view(self._core, who, name)
        try:
            return await consoles.console(self._core, view.driver, WorkerName(name))
        except DriverError as error:
            raise NotKnown(sentence(f"Worker {name} has no console: {error}")) from None

    async def worker_logs(self, who: Principal, name: str, service: str) -> str:
        check(who, Action.SEE, Thing(kind=Kind.CONSOLE, name=name))
        view = await fleet.worker_view(self._core, who, name)
        try:
            return await consoles.logs(self._core, view.driver, WorkerName(name), service)
        except DriverError as error:
            raise NotKnown(sentence(f"Worker {name} has no log of {service}: {error}")) from None

    async def operations(self, who: Principal, name: str) -> Page:
        check(who, Action.SEE, Thing(kind=Kind.CONSOLE, name=name))
        view = await fleet.worker_view(self._core, who, name)
        return _whole(await operation_views(self._core, view.driver, WorkerName(name)))

    def bootstraps(self, who: Principal) -> Page:
        check(who, Action.SEE, FLEET)
        return bootstrap_page(self._core)

    async def check_bootstrap(self, who: Principal, name: str) -> BootstrapChecks:
        check(who, Action.CHANGE, FLEET)
        return await check_bootstrap(self._core, name)

    def drivers(self, who: Principal) -> Page:
        check(who, Action.SEE, FLEET)
        return _whole(drivers.driver_views(self._core))

    def offers(self, who: Principal, driver: str | None, *, shapes: bool) -> Page:
        check(who, Action.SEE, FLEET)
        return _whole(listed_offers(self._core, driver, shapes=shapes))

    async def sweep(self, who: Principal, name: str) -> SweepView:
        check(who, Action.CHANGE, FLEET)
        return await sweeps.sweep_view(self._core, name, who.user)

    def driver(self, who: Principal, name: str) -> DriverView:
        check(who, Action.SEE, FLEET)
        return drivers.driver_view(self._core, name)

    async def check_driver(self, who: Principal, name: str) -> DriverChecks:
        check(who, Action.CHANGE, FLEET)
        return await check_driver(self._core, name)

    async def importable(self, who: Principal, name: str) -> DriverImport:
        check(who, Action.CHANGE, FLEET)
        return await importable(self._core, name)

    def clusters(self, who: Principal) -> Page:
        check(who, Action.SEE, FLEET)
        return _whole(clusters.cluster_views(self._core))

    def cluster(self, who: Principal, name: str) -> ClusterView:
        check(who, Action.SEE, FLEET)
        return clusters.cluster_view(self._core, name)

    async def why_pod(self, who: Principal, namespace: str, name: str, cluster: str | None) -> Explanation:
        """`cluster`: needed only where several have such a pod."""
        check(who, Action.SEE, FLEET)
        return await pods.why_pod(self._core, namespace, name, cluster)

    async def check_cluster(self, who: Principal, name: str) -> ClusterChecks:
        check(who, Action.CHANGE, FLEET)
        return await clusters.check(self._core, name)

    def scheduling_info(self, who: Principal, pool: str) -> SchedulingInfo:
        check(who, Action.SEE, FLEET)
        return clusters.scheduling_view(self._core, pool)

    async def scaled(self, who: Principal, worker: str) -> ScaleAnswer:
        """What the request that made this worker, among others, was answered."""
        check(who, Action.SEE, FLEET)
        return await repeated_requests.scaled(self._core, worker)

    async def swept(self, who: Principal, event: int) -> SweepAnswer:
        """What the request that this event is of was answered."""
        check(who, Action.CHANGE, FLEET)
        return await repeated_requests.swept(self._core, event)

    async def applied(
        self, who: Principal, first: int, pools: Sequence[str], budgets: int = 0
    ) -> ApplyAnswer:
        """What the request that named these pools, and whose first event that is, was answered."""
        check(who, Action.SEE, FLEET)
        return await repeated_requests.applied(self._core, first, pools, budgets)

    async def plans(
        self, who: Principal, *, after: int | None = None, limit: int = 50, empty: bool = True
    ) -> Page:
        check(who, Action.SEE, FLEET)
        return await fleet.plan_page(self._core, after=after, limit=limit, empty=empty)

    async def next_plan(self, who: Principal) -> PlanView:
        check(who, Action.SEE, FLEET)
        answer = await self._core.planning.ask(partial(observe_now, self._core))
        return fleet.next_plan_view(self._core, answer.plan)

    async def plan(self, who: Principal, number: int) -> PlanView:
        check(who, Action.SEE, FLEET)
        return await fleet.plan_of(self._core, number)

    async def invariants(self, who: Principal) -> list[str]:
        check(who, Action.SEE, OF_KIND[Kind.BOOKS])
        await self._core.settle()
        return violations(self._core.state) + list(await self._core.read(stored_violations))

    def call_begun(self) -> Callable[[str, str, int], None]:
        """For the metrics; what it answers is told of the answer: area, method and status."""
        return self._core.tallies.call_begun(self._core.clock)

    def metrics(self, who: Principal) -> bytes:
        check(who, Action.SEE, FLEET)
        return metrics_text(self._core, who)

    # --- people

    def who_am_i(self, who: Principal) -> WhoAmI:
        return people.who_am_i(self._core, who)

    def users(self, who: Principal) -> Page:
        check(who, Action.SEE, OF_KIND[Kind.USER])
        return _whole(sharing.user_views(self._core, who))

    def made_user(self, who: Principal, name: str) -> UserView:
        check(who, Action.SEE, Thing(kind=Kind.USER, owner=name))
        return repeated_requests.made_user(self._core, name)

    # --- work

    async def jobs(self, who: Principal, wanted: jobs.JobFilter) -> Page:
        check(who, Action.SEE, OF_KIND[Kind.JOB])
        return await list_jobs(self._core, who, wanted)

    async def job(self, who: Principal, number: int) -> JobDetail:
        return await jobs.job_detail(self._core, who, number)

    async def wait_job(self, again: Again, number: int, seconds: float) -> JobView:
        return await wait_job(self._core, again, number, seconds)

    async def wait_ended(self, again: Again, numbers: Sequence[int], seconds: float) -> list[EndedJob]:
        return await wait_ended(self._core, again, numbers, seconds)

    async def explain(self, who: Principal, number: int) -> Explanation:
        return await explain.explain_job(self._core, who, number)

    async def log(self, who: Principal, number: int, attempt: int | None, offset: int) -> str:
        """What it has printed. Raises Refused, also for one that has not started."""
        return (await output_of(self._core, who, number, attempt, offset, follow=False)).text

    async def follow_log(
        self, again: Again, number: int, attempt: int | None, offset: int, how: How
    ) -> AsyncIterator[str]:
        """The output until its attempt, or without one the job, has ended. Raises Refused, also when too many are followed; later, it ends the stream."""
        return await self._followers.follow(self._core, again, number, attempt, offset, how)

    # --- events

    async def events(
        self,
        who: Principal,
        *,
        after: int | None,
        kind: str | None = None,
        subject: str | None = None,
        limit: int = 100,
        newest: bool = False,
    ) -> Page:
        return await events.event_page(
            self._core, who, after=after, kind=kind, subject=subject, limit=limit, newest=newest
        )

    @property
    def last_event(self) -> int:
        return self._core.state.next_event - 1

    def watch(self) -> "asyncio.Queue[EventRecord | None]":
        """That something happened. For pages that show the fleet; what it was goes through `event_stream`."""
        return self._core.events.watch()

    def unwatch(self, queue: "asyncio.Queue[EventRecord | None]") -> None:
        self._core.events.unwatch(queue)

    async def event_stream(self, again: Again, after: int | None) -> AsyncIterator[EventView | None]:
        """First what is in the table, then what is published; None when nothing happened for a while.

        A number at or below the last one sent is not sent again. It ends when the caller's rights have, or who reads is too slow.
        """
        queue = self._core.events.watch()
        last = self.last_event if after is None else after
        try:
            async for view in self._catch_up(again, last):
                last = view.sequence
                yield view
            while True:
                try:
                    record = await asyncio.wait_for(queue.get(), SILENCE_S)
                except TimeoutError:
                    again()
                    yield None
                    continue
                if record is None:
                    return  # too slow; the client resumes from the table
                if record.sequence > last and events.sees_event(again(), record):
                    last = record.sequence
                    yield events.event_view(record)
        except Refused:
            return
        finally:
            self._core.events.unwatch(queue)

    async def _catch_up(self, again: Again, last: int) -> AsyncIterator[EventView]:
        while True:
            page = await events.event_page(self._core, again(), after=last, limit=CATCH_UP)
            for view in page.items:
                last = view.sequence
                yield view
            if page.next is None:
                return


def _whole(views: Sequence[Any]) -> Page:
    return Page(items=list(views), total=len(views))
