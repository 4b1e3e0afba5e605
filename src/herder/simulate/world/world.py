"""The simulated world: jobs arrive and end, workers boot, cost money and may be interrupted, in virtual time.

A policy looks at the `World` and acts through `place`, `open` and `close`; everything else happens by itself. The world
refuses what no real fleet could do (more on a worker than it has room for, a job twice), so that a policy's figures can be
trusted. It knows when jobs end; a policy must never ask it.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Protocol

from herder.model.values.phrases import agree
from herder.simulate.traces.trace import Trace
from herder.simulate.world.boot_times import Boot
from herder.simulate.world.offers import SimTemplate
from herder.simulate.world.rng import Draws
from herder.simulate.world.spot import SpotSeries
from herder.simulate.world.vectors import Dimensions, counted

_READY, _DROP = -1, -2


#: A job that is killed so often will hardly ever be done; without a bound such a simulation would not end.
KILLS_MOST = 200
#: With nothing running, booting or to come, a policy may look at its queue for so long before it is stopped.
STALLED_S = 30 * 86_400.0


class EndlessWork(ValueError):
    """The world and the trace do not go together: some job can never end."""


class PolicyFault(Exception):
    """A policy did what no fleet can do, or left jobs waiting for ever. A fault of the policy, not of the trace."""


class Worker:
    """A worker of the simulation. `room` is packed (see `vectors`); `mark` belongs to the policy."""

    __slots__ = (
        "booked", "closed_s", "mark", "number", "ready", "ready_s", "requested_s", "room", "running", "size", "template",
    )  # fmt: skip

    def __init__(self, number: int, template: int, size: int, requested_s: float, ready_s: float) -> None:
        self.number = number
        self.template = template
        self.size = self.room = size
        self.requested_s = requested_s
        self.ready_s = ready_s
        self.ready = False
        self.closed_s: float | None = None
        self.running: dict[int, float] = {}
        """By job, when it started here."""
        self.booked: list[int] = []
        """Jobs placed here that start when it is ready."""
        self.mark: object = None

    @property
    def idle(self) -> bool:
        return not self.running and not self.booked


class Policy(Protocol):
    """What decides. Called once for each instant at which something happened; answers when to be called at the latest."""

    def decide_now(self, world: "World") -> float | None: ...


class World:
    """What a policy sees. The lists hold what has happened since it was last asked:

    `arrived`: jobs that wait for a place (new ones, and those whose worker was lost). `freed`: workers on which a job
    ended. `readied`: workers that became ready. `lost`: workers that were interrupted.
    """

    def __init__(
        self,
        trace: Trace,
        templates: tuple[SimTemplate, ...],
        *,
        boot: Boot,
        seed: int = 0,
        spot: SpotSeries | None = None,
    ) -> None:
        self.trace = trace
        self.templates = templates
        self.boot = boot
        self.dimensions: Dimensions = counted((each.amounts for each in templates), trace.shapes)
        self.guards = self.dimensions.guards
        self.sizes = [self.dimensions.room(each.amounts) for each in templates]
        self.shape_requests = [self.dimensions.request(shape) for shape in trace.shapes]
        self.homeless = [
            not request or not any((size - request) & self.guards == self.guards for size in self.sizes)
            for request in self.shape_requests
        ]
        """By shape: whether it fits on no template at all, or asks for nothing that any template limits."""
        self.requests = [self.shape_requests[shape] for shape in trace.shape_of]
        self.least = self.dimensions.least(
            shape for shape, homeless in zip(trace.shapes, self.homeless, strict=True) if not homeless
        )
        self.now_s = 0.0
        self.arrived: list[int] = []
        self.freed: list[Worker] = []
        self.readied: list[Worker] = []
        self.lost: list[Worker] = []
        self.workers: dict[int, Worker] = {}
        """All that are paid for, oldest first."""
        self.counts = [0] * len(templates)
        self.started_s: list[float] = [-1.0] * len(trace)
        self.waits_from_s = list(trace.arrival_s)
        """When each job could have started: its arrival, or the end of its last parent."""
        self.closed: list[Worker] = []
        self.unplaced: list[int] = []
        self.work_killed_s = 0.0
        self._kills: dict[int, int] = {}
        self.ended = 0
        self.refused = 0
        """Workers asked for that could not be had."""
        self._draws = Draws(seed)
        self._heap: list[tuple[float, int, int, Worker | None]] = []
        self._sequence = 0
        self._numbers = 0
        self._parents_left = [len(parents) for parents in trace.parents] if trace.parents else []
        self._children = trace.children()
        self._spot = spot if spot is not None and any(each.spot for each in templates) else None
        self._wake_s = inf
        self._moved_s = 0.0

    # --- what a policy does -------------------------------------------------------------------------------------------

    def open(self, template: int) -> Worker | None:
        """Ask for a worker; None when the quota is used up or there is no stock."""
        offer = self.templates[template]
        if (offer.most is not None and self.counts[template] >= offer.most) or not offer.sold_at(self.now_s):
            self.refused += 1
            return None
        self._numbers += 1
        ready_s = self.now_s + self.boot.draw(self._draws)
        worker = Worker(self._numbers, template, self.sizes[template], self.now_s, ready_s)
        self.workers[worker.number] = worker
        self.counts[template] += 1
        if ready_s <= self.now_s:
            worker.ready = True
        else:
            self._push(ready_s, _READY, worker)
        return worker

    def place(self, job: int, worker: Worker) -> None:
        """Start a job on a worker; on one that still boots it starts when that is ready."""
        room = worker.room - self.requests[job]
        if room & self.guards != self.guards or worker.closed_s is not None:
            raise PolicyFault(
                f"Job {self.trace.names[job]} was placed on worker {worker.number}, which cannot take it."
            )
        if self.started_s[job] >= 0:
            raise PolicyFault(f"Job {self.trace.names[job]} was placed although it has started.")
        worker.room = room
        if worker.ready:
            self._start(job, worker)
        else:
            self.started_s[job] = worker.ready_s
            worker.booked.append(job)

    def _count_kill(self, job: int) -> None:
        kills = self._kills[job] = self._kills.get(job, 0) + 1
        if kills > KILLS_MOST:
            run_h = self.trace.run_s[job] / 3600
            raise EndlessWork(
                f"Job {self.trace.names[job] or job} was killed {KILLS_MOST} times: it runs for {run_h:.1f} h, and no worker lasts that "
                "long. Add a template that is not spot, or leave such jobs out."
            )

    def close(self, worker: Worker) -> None:
        """Give a worker back. What runs on it is killed, and arrives again."""
        if worker.closed_s is not None:
            raise PolicyFault(f"Worker {worker.number} was closed twice.")
        worker.closed_s = self.now_s
        del self.workers[worker.number]
        self.counts[worker.template] -= 1
        self.closed.append(worker)
        for job, start_s in worker.running.items():
            self._count_kill(job)
            self.work_killed_s += self.now_s - start_s
            self.started_s[job] = -1.0
            self.arrived.append(job)
        for job in worker.booked:
            self.started_s[job] = -1.0
            self.arrived.append(job)
        worker.running.clear()
        worker.booked.clear()

    # --- what happens by itself ---------------------------------------------------------------------------------------

    def run(self, policy: Policy, on_progress: Callable[[int], None] | None = None) -> None:
        """Until every job that fits somewhere has ended, and every worker is closed."""
        trace = self.trace
        ready_jobs, arrivals, total = 0, trace.arrival_s, len(trace)
        roots = (
            [job for job in range(total) if not self._parents_left[job]]
            if self._parents_left
            else range(total)
        )
        count, report_at = len(roots), 0
        if self._spot is not None:
            self._push(self._spot.first_s, _DROP, None)
        heap = self._heap
        while True:
            next_arrival_s = arrivals[roots[ready_jobs]] if ready_jobs < count else inf
            now_s = min(next_arrival_s, heap[0][0] if heap else inf, self._wake_s)
            if self.ended + len(self.unplaced) == total:
                break
            if now_s == inf:
                waiting = total - self.ended - len(self.unplaced)
                raise PolicyFault(
                    f"{waiting:,} {agree(waiting, 'job never starts', 'jobs never start')}: the policy neither places them nor asks to be called again."
                )
            self.now_s = now_s
            while heap and heap[0][0] == now_s:
                self._happen(heappop(heap))
            while ready_jobs < count and arrivals[roots[ready_jobs]] == now_s:
                self._arrive(roots[ready_jobs])
                ready_jobs += 1
                self._moved_s = now_s
            if now_s - self._moved_s > STALLED_S:
                self._check_life()
            self._ask(policy)
            if on_progress is not None and self.ended >= report_at:
                on_progress(self.ended)
                report_at = self.ended + 2000
        for worker in list(self.workers.values()):
            self.close(worker)

    def _check_life(self) -> None:
        """Only called after a long time without arrivals, ends and boots; drops of the spot market are no life."""
        if all(event[2] == _DROP for event in self._heap):
            waiting = len(self.trace) - self.ended - len(self.unplaced)
            raise EndlessWork(
                f"{waiting:,} {agree(waiting, 'job waits', 'jobs wait')}, and nothing has run or booted for {STALLED_S / 86_400:g} days. "
                "Raise max of the templates, or the policy's limit of workers."
            )

    def _ask(self, policy: Policy) -> None:
        wake_s = policy.decide_now(self)
        self.arrived.clear()
        self.freed.clear()
        if self.readied:
            self.readied.clear()
        if self.lost:
            self.lost.clear()
        if wake_s is not None and wake_s <= self.now_s:
            raise PolicyFault(
                f"The policy asked to be called again at {wake_s} s, which is not after the current {self.now_s} s."
            )
        self._wake_s = inf if wake_s is None else wake_s

    def _happen(self, event: tuple[float, int, int, Worker | None]) -> None:
        worker, job = event[3], event[2]
        if worker is not None:
            self._moved_s = self.now_s
        if job >= 0 and worker is not None:
            if worker.running.pop(job, None) is not None:
                worker.room += self.requests[job]
                self.freed.append(worker)
                self.ended += 1
                for child in self._children.get(job, ()):
                    self._parents_left[child] -= 1
                    if not self._parents_left[child]:
                        self.waits_from_s[child] = max(self.now_s, self.waits_from_s[child])
                        self._arrive(child)
        elif worker is not None:
            if worker.closed_s is None:
                worker.ready = True
                self.readied.append(worker)
                for booked in worker.booked:
                    self._start(booked, worker)
                worker.booked.clear()
        elif self._spot is not None:
            self._drop()

    def _start(self, job: int, worker: Worker) -> None:
        now_s = self.now_s
        self.started_s[job] = worker.running[job] = now_s
        self._sequence += 1
        heappush(self._heap, (now_s + self.trace.run_s[job], self._sequence, job, worker))

    def _arrive(self, job: int) -> None:
        if self.homeless[self.trace.shape_of[job]]:
            self._give_up(job)
        else:
            self.arrived.append(job)

    def _give_up(self, job: int) -> None:
        """A job that fits nowhere, and all that wait for it, are counted and never run."""
        stack = [job]
        while stack:
            lost = stack.pop()
            if self._parents_left and self._parents_left[lost] < 0:
                continue
            if self._parents_left:
                self._parents_left[lost] = -1
            self.unplaced.append(lost)
            stack += self._children.get(lost, ())

    def _drop(self) -> None:
        """Some machines of the spot market go, each with the same chance."""
        assert self._spot is not None
        share, next_s = self._spot.drop_at(self.now_s)
        for worker in list(self.workers.values()):
            if self.templates[worker.template].spot and self._draws.unit() < share:
                self.close(worker)
                self.lost.append(worker)
        if next_s is not None:
            self._push(next_s, _DROP, None)

    def _push(self, at_s: float, what: int, worker: Worker | None) -> None:
        self._sequence += 1
        heappush(self._heap, (at_s, self._sequence, what, worker))
