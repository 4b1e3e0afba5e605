"""Herder itself: the live server's engine, placement, observation and planner, in virtual time on the simulated world.

What a server does between two commits happens here for each instant: reports go to `engine`, `Placer.run` assigns, `observe` makes
the picture and `decide` the plan, whose claims and drains go to `engine` again. Nothing is decided in this file. The world stands
for the driver and the agents. The scale loop's pace is kept: at once when something changed, else after a second.
"""

from collections.abc import Callable
from dataclasses import dataclass

from herder.control.planning.observation import observe
from herder.control.planning.plans import record_plan, remember_needs
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.engine.attempts.attempt import ended
from herder.engine.jobs.batch import add_jobs
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.workers.worker import (
    activated,
    claim,
    create_failed,
    drain,
    machine_gone,
    terminate,
    terminated,
)
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.pool import PoolSize, PoolSpec, ScaleDown, ScaleUp, SpotUse, Template
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, JobId, PoolName, UserName, WorkerName
from herder.model.planning.observed import Observed
from herder.model.planning.plan import CreateWorker, Plan, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass, RetryPolicy
from herder.scheduler.placement import Placer
from herder.simulate.world.world import PolicyFault, Worker, World

POOL = PoolName("simulated")
#: Virtual time begins here, so that no moment is zero.
BEGIN_MS = 1_000_000_000_000
SCALE_PERIOD_S = 1.0
#: A pool's own default.
IDLE_S = 1800.0
#: With jobs waiting and nothing to be done about it, the planner is asked again after so long.
STUCK_S = 60.0
#: Where idle workers are weighed against waiting, at the latest after so long: a worker is kept for minutes to hours.
LOOK_MS = 120_000
#: The world does interrupted work again for as long as it takes, so that policies can be compared.
UNTIL_DONE = RetryPolicy(attempts_max=10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """An attempt's end as its worker would report it."""

    job: int
    attempt: int
    started_at_ms: int
    ended_at_ms: int
    state: str = "succeeded"
    exit_code: int | None = 0
    cause: str = ""
    message: str = ""
    cpu_ms: int = 0
    memory_peak_mib: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_cached: int = 0
    bytes_in_cache: int = 0


class Herder:
    """The parameters are the pool's settings; their defaults are the product's, but for `max_workers`, of which a trace may need many, and
    `idle_s`: a pool's default of half an hour spares people a wait, here cost is compared, so an idle worker goes at once. Where idle
    workers are weighed (`wait_cost`) the default is the product's."""

    on_plan: Callable[[Observed, Plan], None] | None = None
    """Called with every observation and its plan: for tests and recordings."""

    def __init__(
        self,
        *,
        idle_s: float | None = None,
        max_workers: int = 100_000,
        new_per_cycle: int = 10,
        min_workers: int = 0,
        wait_cost: int | None = None,
    ) -> None:
        if min_workers > max_workers:
            raise ValueError(
                f"min_workers={min_workers} is above max_workers={max_workers}. Lower one or raise the other."
            )
        at_once = idle_s is None and wait_cost is None
        self.idle_s = 0.0 if at_once else IDLE_S if idle_s is None else idle_s
        self.max_workers = max_workers
        self.new_per_cycle = new_per_cycle
        self.min_workers = min_workers
        self.wait_cost = wait_cost
        self.state = EngineState()
        self.placer = Placer()
        self.machines: dict[WorkerName, Worker] = {}
        self.names: dict[int, WorkerName] = {}
        """By the world's number."""
        self.job_ids: dict[int, JobId] = {}
        """By the trace's index, as long as the job is not over; `indexes` is the way back."""
        self.indexes: dict[JobId, int] = {}
        self._classes: dict[tuple[str, int], ClassId] = {}
        self._templates: dict[str, int] = {}
        self._idle_names: set[WorkerName] = set()
        self._settled: tuple[object, ...] | None = None
        """The queue and the fleet of which the last plan said that all that waits has its place in flight."""
        self._full: int | None = None
        """The fleet with which the last plan found every place taken and nothing to do."""
        self._kept: tuple[int, set[WorkerName]] | None = None
        """The fleet and its idle workers that the last plan kept although their time was over: they are the least there must be."""
        self.calibrates = False
        """Compare expected starts with what came, as a server does. Nothing is decided by it: only who asks for them needs it."""
        self.plans_always = False
        """Plan also where nothing can come of it: for the test that nothing does."""
        self._look_ms = 0
        """Where idle workers are weighed: when they are looked at again though nothing happens."""

    def decide_now(self, world: World) -> float | None:
        if not self.state.pools:
            self._set_up(world)
        now_ms, changes = BEGIN_MS + round(world.now_s * 1000), Changes()
        self._report(world, changes, now_ms)
        self._submit(world, changes, now_ms)
        self._place(world, now_ms)
        plan = self._plan(world, now_ms) if self._worth_planning(world, now_ms) else None
        if self.calibrates:
            self.placer.samples.look(self.state, self.placer.run_times, now_ms)
        self.state.dirty_workers.clear()
        return self._wake_s(world, plan)

    # --- what agents and people would say -----------------------------------------------------------------------------

    def _report(self, world: World, changes: Changes, now_ms: int) -> None:
        state = self.state
        for worker in world.freed:
            name = self.names.get(worker.number)
            life = state.workers.get(name) if name is not None else None
            if life is None:
                continue
            over = [
                attempt for attempt in life.live.values() if self.indexes[attempt.job] not in worker.running
            ]
            for attempt in over:
                report = _End(
                    job=attempt.job,
                    attempt=attempt.number,
                    started_at_ms=attempt.assigned_at_ms,
                    ended_at_ms=now_ms,
                )
                ended(state, changes, life, report, None, now_ms)
                del self.job_ids[self.indexes.pop(attempt.job)]
            if not life.live:
                self._idle_names.add(life.spec.name)
                if life.state is WorkerState.DRAINING:
                    self._remove(world, life, changes, now_ms)
        for worker in world.readied:
            life = state.workers[self.names[worker.number]]
            activated(state, changes, life, "", "simulated", now_ms)
            self._idle_names.add(life.spec.name)
        for worker in world.lost:
            life = state.workers[self.names.pop(worker.number)]
            machine_gone(state, changes, life, now_ms)
            terminated(state, changes, life, now_ms)
            del self.machines[life.spec.name]

    def _submit(self, world: World, changes: Changes, now_ms: int) -> None:
        """Jobs whose worker was lost are queued again by the engine itself."""
        new = [job for job in world.arrived if job not in self.job_ids]
        if not new:
            return
        classes = [self._class(world, job) for job in new]
        first = add_jobs(self.state, changes, None, classes, [None] * len(new), [""] * len(new), {}, now_ms)
        for offset, job in enumerate(new):
            self.job_ids[job] = JobId(first + offset)
            self.indexes[JobId(first + offset)] = job

    def _class(self, world: World, job: int) -> ClassId:
        trace = world.trace
        key = (trace.users[job], trace.shape_of[job])
        known = self._classes.get(key)
        if known is None:
            known = self._classes[key] = ClassId(len(self._classes) + 1)
            request = _resources(world, world.requests[job])
            self.state.classes[known] = JobClass(
                user=UserName(trace.users[job] or "everybody"), request=request, retry=UNTIL_DONE
            )
        return known

    # --- what the server does -----------------------------------------------------------------------------------------

    def _place(self, world: World, now_ms: int) -> None:
        changes = Changes()
        self.placer.run(self.state, changes, now_ms)
        while self.placer.more:
            self.placer.run(self.state, changes, now_ms)
        for record in changes.attempts.values():
            name = WorkerName(record.worker)
            self._idle_names.discard(name)
            world.place(self.indexes[JobId(record.job_id)], self.machines[name])

    def _worth_planning(self, world: World, now_ms: int) -> bool:
        """A server plans every second; in between nothing changes but the time, which matters to idle workers only. While all
        that waits has its place on workers in flight and fits on no other, jobs that come and find room, or end and make too
        little, change nothing of the packing either. Where idle workers are weighed, it also matters that jobs came."""
        waits = any(queue.count for queue in self.state.queues.values())
        if not waits or world.readied or world.lost:
            self._settled = None
        if world.readied or world.lost:
            self._kept = None
        settled = (
            waits and not self.plans_always and (self._nobody_comes_or_goes() or self._still_settled(world))
        )
        if not self.state.workers or (waits and not settled):
            return True
        if self.wait_cost is not None and (world.arrived or now_ms >= self._look_ms):
            return True
        return self._next_idle_ms() <= now_ms

    def _nobody_comes_or_goes(self) -> bool:
        """The last plan found nothing to do with as many workers as there may be, they are still the same, and all work."""
        return self._full == self.state.fleet_version and not self._idle_names

    def _still_settled(self, world: World) -> bool:
        """Same queue, same fleet, and no worker on which a job ended now has room for anything that waits."""
        if self._settled is None or self._settled != self._queue_and_fleet():
            return False
        state = self.state
        requests = {
            state.classes[class_id].request for class_id, queue in state.queues.items() if queue.count
        }
        for worker in world.freed:
            life = state.workers.get(self.names.get(worker.number, WorkerName("")))
            if life is not None and any(request.fits_in(life.free) for request in requests):
                return False
        return True

    def _queue_and_fleet(self) -> tuple[object, ...]:
        state = self.state
        return state.fleet_version, *(
            (number, queue.count) for number, queue in state.queues.items() if queue.count
        )

    def _all_in_flight(self, plan: Plan) -> bool:
        """Whether every job that waits found its place, and on no worker that is ready."""
        state = self.state
        if not plan.empty or plan.unplaced:
            return False
        if any(report.desired != report.actual + report.in_flight for report in plan.pools):
            return False
        waiting = [state.classes[class_id].request for class_id, queue in state.queues.items() if queue.count]
        ready = [life.free for life in state.workers.values() if life.state is WorkerState.READY]
        return not any(request.fits_in(free) for request in set(waiting) for free in ready)

    def _next_idle_ms(self) -> int:
        since = [
            life.idle_since_ms
            for name in self._idle_names
            if (life := self.state.workers.get(name)) is not None and life.idle_since_ms is not None
        ]
        if not since or self.wait_cost is not None:
            return self._look_ms if since else 2**62
        if not self.plans_always and self._kept == (self.state.fleet_version, self._idle_names):
            return 2**62
        return min(since) + int(self.idle_s * 1000)

    def _plan(self, world: World, now_ms: int) -> Plan:
        self._look_ms = now_ms + LOOK_MS
        observed = observe(self.state, now_ms, self.placer.run_times.guess)
        plan = decide(observed, now_ms)
        remember_needs(self.state, plan)
        if self.on_plan is not None:
            self.on_plan(observed, plan)
        self._settled = self._full = None
        if plan.empty:
            if len(self.state.workers) >= self._most(world):
                self._full = self.state.fleet_version
            if self._next_idle_ms() <= now_ms:
                self._kept = self.state.fleet_version, set(self._idle_names)
            if self._all_in_flight(plan):
                self._settled = self._queue_and_fleet()
            return plan
        findings = check_plan(observed, plan)
        if findings:
            raise PolicyFault(f"Plan {plan.number} breaks a rule: {findings[0]}.")
        changes = Changes()
        record_plan(self.state, changes, plan)
        for action in plan.actions:
            if isinstance(action, CreateWorker):
                self._create(world, action, changes, now_ms)
            else:
                life = self.state.workers[action.worker]
                drain(self.state, changes, life, action.reason, now_ms)
                if not life.live:
                    self._remove(world, life, changes, now_ms)
        self._place(world, now_ms)
        return plan

    def _create(self, world: World, action: CreateWorker, changes: Changes, now_ms: int) -> None:
        worker = world.open(self._templates[action.spec.template])
        life = claim(self.state, changes, action, now_ms)
        if worker is None:
            text, cause = "the world has no more of these now", FailureCause.OUT_OF_CAPACITY
            create_failed(self.state, changes, life, text, now_ms, cause)
            return
        self.machines[life.spec.name] = worker
        self.names[worker.number] = life.spec.name
        if worker.ready:
            activated(self.state, changes, life, "", "simulated", now_ms)
            self._idle_names.add(life.spec.name)

    def _remove(self, world: World, life: WorkerLife, changes: Changes, now_ms: int) -> None:
        worker = self.machines.pop(life.spec.name)
        del self.names[worker.number]
        self._idle_names.discard(life.spec.name)
        if worker.closed_s is None:
            world.close(worker)
        if life.state is not WorkerState.TERMINATING:
            terminate(
                self.state,
                changes,
                life,
                Reason(kind=ReasonKind.IDLE, text=f"{life.spec.name} was drained."),
                now_ms,
            )
        terminated(self.state, changes, life, now_ms)

    def _wake_s(self, world: World, plan: Plan | None) -> float | None:
        times = []
        if any(queue.count for queue in self.state.queues.values()):
            acted = plan is not None and not plan.empty
            times.append(world.now_s + (SCALE_PERIOD_S if acted else STUCK_S))
        idle_ms = self._next_idle_ms()
        if idle_ms < 2**62:
            times.append(max(world.now_s + SCALE_PERIOD_S, (idle_ms - BEGIN_MS) / 1000))
        return min(times) if times else None

    def _set_up(self, world: World) -> None:
        self._templates = {template.name: number for number, template in enumerate(world.templates)}
        templates = tuple(
            Template(
                name=template.name,
                allocatable=_resources(world, world.sizes[number]),
                price_pico_per_hour=PicoUsd(round(template.price * PICO_PER_USD)),
                slots=1_000_000,
                spot=SpotUse.YES if template.spot else SpotUse.NO,
                spot_price_pico_per_hour=PicoUsd(round(template.price * PICO_PER_USD)),
            )
            for number, template in enumerate(world.templates)
        )
        self.state.pools[POOL] = PoolSpec(
            name=POOL,
            templates=templates,
            size=PoolSize(
                min_workers=self.min_workers,
                max_workers=self._most(world),
                new_workers_per_cycle=self.new_per_cycle,
            ),
            scale_down=ScaleDown(idle_timeout_s=float(self.idle_s)),
            scale_up=ScaleUp(wait_cost=self.wait_cost),
        )

    def _most(self, world: World) -> int:
        """Where every template has a quota, the pool's owner knows what they come to."""
        quotas = [template.most for template in world.templates if template.most is not None]
        known = len(quotas) == len(world.templates)
        return max(self.min_workers, min(self.max_workers, sum(quotas))) if known else self.max_workers


def _resources(world: World, packed: int) -> Resources:
    """The dimensions that count; the others are zero on both sides, and so always fit."""
    amounts = dict(zip(world.dimensions.indexes, world.dimensions.unpack(packed), strict=True))
    return ZERO.like(amounts.get(place, 0) for place in range(len(ZERO)))
