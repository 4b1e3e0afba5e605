"""Imitates Karpenter: batches of pods, sorted by size, first fit, and a set of templates for each new node.

Ours, written from its documents and source (kubernetes-sigs/karpenter): a batch closes after `batch_idle_s` without a
new pod or `batch_max_s`; pods by CPU, then memory, the largest first; onto nodes there and coming, oldest first; a new node keeps every
template that could still take all its pods, and becomes the cheapest of these. Empty nodes go after `consolidate_after_s`. It does not
move running jobs: batch jobs carry "do not disrupt".
"""

from herder.simulate.policies.free_capacity import FreeCapacity
from herder.simulate.policies.idle_timeout import IdleClock
from herder.simulate.world.world import Worker, World

_RETRY_S = 10.0


class _Claim:
    __slots__ = ("jobs", "templates", "total")

    def __init__(self, templates: list[int]) -> None:
        self.templates = templates
        self.jobs: list[int] = []
        self.total = 0

    def takes(self, world: World, request: int) -> list[int]:
        guards, total = world.guards, self.total + request
        return [t for t in self.templates if (world.sizes[t] - total) & guards == guards]


class KarpenterLike:
    def __init__(
        self, *, batch_idle_s: float = 1.0, batch_max_s: float = 10.0, consolidate_after_s: float = 0.0
    ) -> None:
        if batch_idle_s > batch_max_s:
            raise ValueError(
                f"batch_idle_s={batch_idle_s:g} is above batch_max_s={batch_max_s:g}. Lower one or raise the other."
            )
        self.batch_idle_s = batch_idle_s
        self.batch_max_s = batch_max_s
        self.free_capacity = FreeCapacity()
        self.idle = IdleClock(consolidate_after_s)
        self.batch: list[int] = []
        self._first_s = self._last_s = 0.0

    def decide_now(self, world: World) -> float | None:
        self.free_capacity.take_in(world)
        for job in world.arrived:
            self._schedule_or_batch(world, job)
        if self.batch and world.now_s >= self._closes_s():
            batch, self.batch = self.batch, []
            self._provision(world, batch)
        self.idle.take_in(world)
        for worker in self.idle.overdue(world):
            self.free_capacity.close(world, worker)
        times = [
            each
            for each in (self.idle.next_s(), self._closes_s() if self.batch else None)
            if each is not None
        ]
        return max(min(times), world.now_s + 0.001) if times else None

    def _closes_s(self) -> float:
        return min(self._last_s + self.batch_idle_s, self._first_s + self.batch_max_s)

    def _schedule_or_batch(self, world: World, job: int) -> None:
        """The cluster's scheduler takes what fits at once; the rest is pending."""
        worker = self.free_capacity.first(world, world.requests[job])
        if worker is not None:
            self._put(world, job, worker)
            return
        if not self.batch:
            self._first_s = world.now_s
        self._last_s = world.now_s
        self.batch.append(job)

    def _put(self, world: World, job: int, worker: Worker) -> None:
        self.idle.busy(worker)
        self.free_capacity.put(world, job, worker)

    def _provision(self, world: World, batch: list[int]) -> None:
        trace = world.trace
        claims: list[_Claim] = []
        for job in sorted(batch, key=lambda j: (*(-part for part in trace.shapes[trace.shape_of[j]]), j)):
            worker = self.free_capacity.first(world, world.requests[job])
            if worker is not None:
                self._put(world, job, worker)
            elif not self._join(world, claims, job):
                claim = _Claim(list(range(len(world.templates))))
                claim.templates = claim.takes(world, world.requests[job])
                claim.total = world.requests[job]
                claim.jobs.append(job)
                claims.append(claim)
        for claim in claims:
            self._launch(world, claim)

    def _join(self, world: World, claims: list[_Claim], job: int) -> bool:
        for claim in claims:
            templates = claim.takes(world, world.requests[job])
            if templates:
                claim.templates = templates
                claim.total += world.requests[job]
                claim.jobs.append(job)
                return True
        return False

    def _launch(self, world: World, claim: _Claim) -> None:
        for template in sorted(claim.templates, key=lambda t: (world.templates[t].price, t)):
            worker = world.open(template)
            if worker is not None:
                self.free_capacity.add(worker)
                for job in claim.jobs:
                    self.free_capacity.put(world, job, worker)
                return
        if not self.batch:
            self._first_s = world.now_s + _RETRY_S
        self._last_s = world.now_s + _RETRY_S
        self.batch += claim.jobs
