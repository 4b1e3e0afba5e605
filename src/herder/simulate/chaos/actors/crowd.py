"""The people of a chaos run: users submit jobs and batches through the day and cancel some; operators scale, extend, drain, cordon,
freeze and apply changed settings, at random times.

Each call is repeated with one idempotency key until it is answered. Refusals (4xx) are counted; no other error may be the answer.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Any

from herder.model.fleet.pool import PoolSpec
from herder.settings.sections.pool.pools import pool_to_plain
from herder.simulate.chaos.actors.agents import FILL
from herder.simulate.chaos.actors.holders import Holders, groups_of, limit_of
from herder.simulate.chaos.actors.job_limits import limits_of
from herder.simulate.chaos.actors.keepers import Keepers
from herder.simulate.chaos.actors.people import NotTaken
from herder.simulate.chaos.actors.planners import Planners
from herder.simulate.chaos.actors.producers import Producers
from herder.simulate.chaos.actors.receivers import GONE
from herder.simulate.chaos.actors.server import Server
from herder.simulate.chaos.actors.treasurer import Treasurer
from herder.simulate.chaos.faults.chance import Chance
from herder.simulate.chaos.world import World

TICK_S = 30.0
DAY_S = 86_400.0
#: Share of arrivals that are records on a queue.
QUEUED = 0.1
#: Share of the others that are batches, and the mean number of jobs of a batch.
IN_BATCHES = 0.1
BATCH = 6
#: Share of batches whose callback goes to a host that wants no messages.
GONE_PART = 0.1
USERS = ("ann", "bob", "cyd", "dan")
#: Odds per hour of each action of operators.
PER_HOUR = {
    "add workers": 0.4,
    "drain": 0.3,
    "cordon": 0.3,
    "uncordon": 0.6,
    "extend": 0.5,
    "remove": 0.2,
    "apply": 0.25,
    "freeze pool": 0.05,
    "freeze driver": 0.05,
}
#: Bodies of drains and removals.
DRAINS: tuple[dict[str, Any], ...] = ({}, {"timeout_s": 30.0}, {"timeout_s": 1800.0}, {"force": True})
#: Settings of a pool that operators change. Changed labels and a soft ttl cause replacements.
CHANGED = ("max_workers", "min_workers", "idle_timeout", "scale_up_cooldown", "ttl", "labels", "ttl_soft")
#: How often an operator looks at frozen drivers and pools.
LOOK_AFTER_S = 300.0


class Crowd:
    def __init__(
        self,
        world: World,
        pools: tuple[PoolSpec, ...],
        jobs_per_day: int,
        intensity: float = 1.0,
        budgets: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self._world, self._pools, self._jobs_per_day = world, pools, jobs_per_day
        self._intensity = intensity
        self.budgets: Mapping[str, Mapping[str, Any]] = budgets or {}
        self.refused: Counter[str] = Counter()
        self.acts: Counter[str] = Counter()
        self._batches: list[tuple[str, int]] = []
        self._recent: list[int] = []
        self._errands: dict[asyncio.Task[None], None] = {}
        self.producers, self._planners = Producers(world.queue), Planners(world.people, self._tried)
        self.keepers = Keepers(world.people, world.dice, USERS, self._tried)
        self.treasurer = Treasurer(budgets or {}, world.dice.of("budgets"), self._said)
        self.holders = Holders(world, self._said, self._send, lambda: self._batches, lambda: self._recent)

    async def run(self) -> None:
        self._send(self._planners.begin())
        while True:
            self._submissions()
            self._operations()
            await asyncio.sleep(TICK_S)

    async def look_after_drivers(self) -> None:
        """An operator unfreezes frozen drivers and pools after a while, and allows removals."""
        while True:
            await asyncio.sleep(LOOK_AFTER_S)
            server = self._world.server
            if server is None:
                continue
            for driver in sorted(server.core.state.frozen_drivers):
                provider = self._world.providers.get(driver)
                if provider is not None and provider.concealed:
                    continue  # the machines are there: the provider has to be asked first
                await self._said(
                    "unfreeze driver", "root", f"/drivers/{driver}/unfreeze", {"allow_removals": True}
                )
            for name, pool in sorted(server.core.state.pools.items()):
                if pool.frozen and not pool.driver_frozen:
                    await self._said("unfreeze pool", "root", f"/pools/{name}/unfreeze", {})

    async def finish(self) -> None:
        """Wait for the outstanding answers."""
        while self._errands:
            await asyncio.wait(list(self._errands))

    async def settle(self) -> None:
        """Release what is held, apply the first settings again, uncordon workers, and remove workers that were added by hand."""
        await self._planners.end()
        await self.holders.release_all()
        await self._said("apply", "root", "/apply", {"pools": [pool_to_plain(each) for each in self._pools]})
        await self.treasurer.settle()
        server = self._world.server
        for name in sorted(server.core.state.workers if server is not None else ()):
            worker = server.core.state.workers.get(name) if server is not None else None
            verb = "remove" if worker is not None and worker.manual else "uncordon"
            await self._said(
                verb, "root", f"/workers/{name}/{verb}", {"force": True} if verb == "remove" else {}
            )

    # --- users

    def _submissions(self) -> None:
        draw = self._world.dice.of("arrivals")
        wave = 1 + 0.8 * math.sin(2 * math.pi * self._world.loop.time() / DAY_S)
        # Each arrival is a record, a job, or a batch of `BATCH` on average.
        arrivals = self._jobs_per_day / (QUEUED + (1 - QUEUED) * (1 - IN_BATCHES + IN_BATCHES * BATCH))
        due = int(arrivals / DAY_S * TICK_S * wave + draw.random())
        for _ in range(due):
            if draw.random() < QUEUED:
                self.producers.push(draw)
            elif draw.random() < IN_BATCHES:
                self._send(self._batch(draw.randint(1, 2 * BATCH - 1), draw))
            else:
                self._send(self._single(draw))
        if self._batches and draw.random() < 0.01:
            user, number = draw.choice(self._batches)
            self._send(self._said("cancel batch", user, f"/batches/{number}/cancel", {}))
        if self._recent and draw.random() < 0.03:
            self._send(self._said("cancel job", "root", f"/jobs/{draw.choice(self._recent)}/cancel", {}))

    def _job(self, draw: Chance, user: str) -> dict[str, Any]:
        minutes = draw.choice((0.1, 0.5, 2, 5, 10, 20, 40)) * draw.uniform(0.5, 1.5)
        job: dict[str, Any] = {
            "runtime": "noop",
            "cpu": draw.choice(("250m", "500m", 1, 1, 2, 2, 4, 6)),
            "memory": draw.choice(("256Mi", "1Gi", "4Gi")),
            "sleep_ms": int(minutes * 60_000),
            "retries": 3,
            "attempts_max": 1000,
        }
        kind = draw.random()
        if kind < 0.04:
            job["command"] = ["false"]
        elif kind < 0.07:
            job["timeout_s"] = 30.0
        elif kind < 0.10:
            job["always_run"] = True
        else:
            self._fills(job)
        return job | limits_of(self._world.dice) | self.keepers.uses(user)

    def _fills(self, job: dict[str, Any]) -> None:
        """Some need more memory than they request at first, and some leave spot."""
        draw = self._world.dice.of("memory")
        if draw.random() < 0.05:
            most = draw.choice(("", "2Gi", "6Gi"))
            job["memory"], job["command"] = "256Mi", [FILL, str(draw.choice((500, 1_500, 5_000)))]
            job["on_retry"] = {"memory_factor": draw.choice((1.5, 2.0, 4.0)), "memory_max": most}
        elif draw.random() < 0.1:
            job["on_retry"] = {"on_demand_after": draw.choice((1, 2))}

    async def _single(self, draw: Chance) -> None:
        user = draw.choice(USERS)
        job = self._job(draw, user)
        job.pop("always_run", None)
        if user == "bob" and draw.random() < 0.5:
            job["priority"] = "high"
        number = await self._tried("submit", self._world.people.submit(user, **job))
        if number is not None:
            self._recent = [*self._recent[-50:], number]

    async def _batch(self, size: int, draw: Chance) -> None:
        user = draw.choice(USERS)
        jobs = [self._job(draw, user) for _ in range(size)]
        for place, job in enumerate(jobs):
            if place and draw.random() < 0.4:
                job["parents"] = [draw.randrange(place)]
        more: dict[str, Any] = {"cancel_after_failures": 3} if draw.random() < 0.2 else {}
        more |= limit_of(self._world) | groups_of(self._world, user, jobs)
        called = self._world.dice.of("callbacks").random()
        if called < 0.5:
            more["callback"] = f"https://{GONE if called < GONE_PART else f'{user}.example.org'}/hook"
        number = await self._tried("batch", self._world.people.batch(user, jobs, **more))
        if number is not None:
            self._batches = [*self._batches[-20:], (user, number)]

    # --- operators

    def _operations(self) -> None:
        draw, server = self._world.dice.of("operators"), self._world.server
        self._new_prices(server)
        for what, per_hour in PER_HOUR.items():
            if (
                draw.random() >= per_hour * self._intensity / 3600 * TICK_S
                or server is None
                or what in self._world.dice.without
            ):
                continue
            workers = sorted(server.core.state.workers)
            if what in ("drain", "cordon", "uncordon", "extend", "remove"):
                if workers:
                    bodies = DRAINS if what in ("drain", "remove") else ({},)
                    body = draw.choice(bodies)
                    self._send(self._said(what, "root", f"/workers/{draw.choice(workers)}/{what}", body))
            elif what == "add workers":
                pool = draw.choice(self._pools).name
                ttl = {"ttl_s": 3600.0} if draw.random() < 0.5 else {}
                more = {"workers": draw.randint(1, 3), **ttl}
                self._send(self._said(what, "root", f"/pools/{pool}/scale", more))
            elif what == "apply":
                self._send(self._said(what, "root", "/apply", {"pools": [self._changed(draw)]}))
            elif what == "freeze pool":
                self._send(self._said(what, "root", f"/pools/{draw.choice(self._pools).name}/freeze", {}))
            else:
                driver = draw.choice(sorted(self._world.providers))
                self._send(self._said(what, "root", f"/drivers/{driver}/freeze", {"message": "maintenance"}))

    def _new_prices(self, server: Server | None) -> None:
        """Put the list of prices in force where it has moved."""
        moved = self._world.prices.moved
        for name, pool in list(server.core.state.pools.items()) if server is not None else ():
            if name in moved:
                moved.discard(name)
                plain = self._world.prices.put(str(name), pool_to_plain(pool))
                self._send(self._said("new prices", "root", "/apply", {"pools": [plain]}))

    def _changed(self, draw: Chance) -> dict[str, Any]:
        pool = draw.choice(self._pools)
        plain = pool_to_plain(pool)
        key = draw.choice(CHANGED)
        most = pool.size.max_workers
        plain[key] = {
            "max_workers": draw.randint(max(1, pool.size.min_workers), most),
            "min_workers": draw.randint(0, max(1, most // 3)),
            "idle_timeout": draw.choice(("60s", "10m", "1h")),
            "scale_up_cooldown": draw.choice(("0s", "60s", "300s")),
            "ttl": draw.choice(("2h", "6h", None)),
            "labels": {**plain.get("labels", {}), "made-for": str(draw.randint(1, 9))},
            "ttl_soft": draw.choice(("30m", "2h", None)),
        }[key]
        if key == "max_workers" and plain.get("max_live_workers"):
            plain["max_live_workers"] = None
        return plain

    # --- calls

    def _send(self, errand: Coroutine[Any, Any, None]) -> None:
        task = self._world.loop.create_task(errand)
        self._errands[task] = None
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._errands.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._world.crashes.append(error)

    async def _said(self, what: str, user: str, path: str, body: dict[str, Any]) -> None:
        await self._tried(what, self._world.people.call(user, "POST", path, body))

    async def _tried(self, what: str, call: Coroutine[Any, Any, Any]) -> Any:
        try:
            answer = await call
        except NotTaken as said:
            self.refused[f"{what} {said.status}"] += 1
            self._world.trace("refused", what, said.status)
            return None
        self.acts[what] += 1
        self._world.trace("said", what)
        return answer
