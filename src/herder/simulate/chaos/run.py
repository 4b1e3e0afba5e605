"""A chaos run: days of a fleet with users, operators and faults of every kind, then a time without faults, in which all jobs must end and
the fleet must shrink to its minimum.

The same options give the same result.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

from herder.simulate.chaos.actors.cluster_users import ClusterUsers
from herder.simulate.chaos.actors.crowd import DAY_S, PER_HOUR, Crowd
from herder.simulate.chaos.cluster_fleet import SITE_CPU, sites_of, with_cluster
from herder.simulate.chaos.faults.chance import stream
from herder.simulate.chaos.faults.cluster_mishaps import CLUSTER_MISHAPS, ClusterMishaps
from herder.simulate.chaos.faults.job_mishaps import JOB_MISHAPS, JobMishaps
from herder.simulate.chaos.faults.kinds import (
    CALL_FAULTS,
    CLUSTER_CALL_FAULTS,
    INTAKE_FAULTS,
    JOBS_CALL_FAULTS,
    NETWORK_FAULTS,
    Trouble,
)
from herder.simulate.chaos.faults.mishaps import MISHAPS, Mishaps
from herder.simulate.chaos.faults.provider_lies import LIES
from herder.simulate.chaos.fleet import CORE_SETTINGS, SHARING, Fleet, fleet_of
from herder.simulate.chaos.ports.network import ARRIVES_AFTER_S
from herder.simulate.chaos.rules.cluster_rest import ClusterRest
from herder.simulate.chaos.rules.rest import Rest
from herder.simulate.chaos.rules.violation import Violation
from herder.simulate.chaos.rules.watch import Watch
from herder.simulate.chaos.story import story_of
from herder.simulate.chaos.world import World

MINUTE_S = 60.0
HOUR = 1 / 3600
#: Odds of faults on a very bad day.
BAD_DAYS = Trouble(
    calls=0.05,
    network=0.004,
    people=0.03,
    store_slow=0.002,
    store_fails=0.00005,
    store_twice=0.02,
    server_crash=0.5 * HOUR,
    server_stop=0.3 * HOUR,
    machine_lost=1.0 * HOUR,
    agent_killed=1.0 * HOUR,
    agent_stop=1.0 * HOUR,
    partition=1.0 * HOUR,
    clock_set=0.06 * HOUR,
    agent_clock_set=0.2 * HOUR,
    crash_at_effect=0.0001,
    second_leader=0.15 * HOUR,
    zone_sold_out=0.3 * HOUR,
    burst_of_interruptions=0.1 * HOUR,
    interruption_announced=0.5 * HOUR,
    listing_lags=0.3 * HOUR,
    listing_partial=0.2 * HOUR,
    machine_halted=0.3 * HOUR,
    listing_stale=0.1 * HOUR,
    listing_late=0.1 * HOUR,
    machine_denied=0.3 * HOUR,
    all_denied=0.02 * HOUR,
    driver_hangs=0.2 * HOUR,
    quota_shrinks=0.1 * HOUR,
    prices_move=0.3 * HOUR,
    boot_never=0.03,
    step_fails=0.01,
    step_stalls=0.01,
    boot_slow=0.05,
    boot_twice=0.02,
    intake=0.01,
    queue_away=0.1 * HOUR,
    cluster_calls=0.01,
    watch_silent=0.5 * HOUR,
    versions_gone=0.3 * HOUR,
    api_restart=0.5 * HOUR,
    api_errors=0.5 * HOUR,
    api_slow=0.2 * HOUR,
    node_deleted=0.1 * HOUR,
    node_cordoned=0.3 * HOUR,
    kubelet_silent=0.5 * HOUR,
    node_machine_lost=0.3 * HOUR,
    budget_blocks=0.5 * HOUR,
    job_removed=0.5 * HOUR,
    pod_out_of_memory=0.3 * HOUR,
    pod_evicted=0.5 * HOUR,
    image_missing=0.2 * HOUR,
    site_lost=0.3 * HOUR,
    sites_full=0.2 * HOUR,
    quota_of_namespace=0.2 * HOUR,
)

#: Everything that --without can exclude: faults of calls, mishaps, and actions of operators.
KINDS = frozenset(
    {
        *(f"call {each.value}" for each in CALL_FAULTS),
        *(f"network {each.value}" for each in NETWORK_FAULTS),
        *(
            "store late",
            "store refused",
            "store written twice",
            "crash at an effect",
            "boot never",
            "step fails",
            "step stalls",
            "boot slow",
            "boot twice",
        ),
        *(f"intake {each.value}" for each in INTAKE_FAULTS),
        *(f"cluster {each.value}" for each in CLUSTER_CALL_FAULTS),
        *(f"jobs {each.value}" for each in JOBS_CALL_FAULTS),
        *CLUSTER_MISHAPS,
        *JOB_MISHAPS,
        *MISHAPS,
        *LIES,
        *PER_HOUR,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosOptions:
    seed: int
    days: float = 1.0
    workers: int = 50
    jobs_per_day: int = 2_000
    without: frozenset[str] = frozenset()
    """Kinds of faults and of operations that do not happen."""
    intensity: float = 1.0
    """Odds of all faults, as a multiple of the usual ones."""
    cluster: bool = False
    """Whether there is a Kubernetes cluster as well, with pools whose workers are its nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A world that favours one kind of fault: what is not as in `ChaosOptions` says."""

    odds: Mapping[str, float] = field(default_factory=dict)
    """Of `Trouble`, in place of the usual ones, whatever the intensity is."""
    core_settings: Mapping[str, Any] = field(default_factory=dict)
    fleet: Callable[[Fleet], Fleet] = lambda fleet: fleet


USUAL = Variation()


@dataclass(slots=True, kw_only=True)
class ChaosResult:
    options: ChaosOptions
    steps: int = 0
    """Effects of the servers, and calls over the network."""
    crashes: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    """The events that led to the first violation."""
    jobs: int = 0
    workers_made: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    days_run: float = 0.0
    fingerprint: str = ""


class ChaosRun:
    def __init__(
        self,
        options: ChaosOptions,
        progress: Callable[[float], None] = lambda _days: None,
        variation: Variation = USUAL,
    ) -> None:
        self.options, self._progress = options, progress
        fleet = fleet_of(options.workers)
        self._fleet: Fleet = variation.fleet(
            with_cluster(fleet, options.workers) if options.cluster else fleet
        )
        self.world = World(
            options.seed,
            odds=replace(_worse(options.intensity), **variation.odds),
            pools=self._fleet.pools,
            sharing=SHARING,
            providers=self._fleet.providers,
            core_settings={**CORE_SETTINGS, **variation.core_settings},
            own_clocks=True,
            without=options.without,
            pools_of_files=False,
            cluster=options.cluster,
            job_drivers=self._fleet.job_drivers,
        )
        self.crowd = Crowd(
            self.world, self._fleet.pools, options.jobs_per_day, options.intensity, self._fleet.budgets
        )
        kube = self.world.kube
        self.cluster_users = None if kube is None else ClusterUsers(kube, self.world.loop, self.world.dice)
        self.watch = Watch(self.world, self._fleet.pools, self.crowd, self.cluster_users)
        self.mishaps = Mishaps(self.world)
        self.cluster_mishaps: ClusterMishaps | None = None
        if kube is not None and self.cluster_users is not None:
            kube.add_sites(sites_of(options.workers), SITE_CPU)
            self.cluster_mishaps = ClusterMishaps(self.world, kube, self.cluster_users)
            assert self.world.pod_agents is not None
            self.job_mishaps = JobMishaps(self.world, kube, self.world.pod_agents)
        deaths = stream(options.seed, "deaths")
        odds = self.world.dice.odds.crash_at_effect
        self.world.dies = lambda _what: (
            self.world.dice.trouble
            and deaths.random() < odds
            and "crash at an effect" not in options.without
            and self.world.dice.count("crash at an effect")
        )

    def run(self) -> ChaosResult:
        with _silence(), _rare_collections():
            return self.world.run(self._story)

    async def _story(self, world: World) -> ChaosResult:
        background = [
            asyncio.ensure_future(each)
            for each in (
                self.crowd.run(),
                self.mishaps.run(),
                self.crowd.look_after_drivers(),
                self.watch.look_often(),
            )
        ]
        crowd, mishaps = background[:2]
        background += [
            asyncio.ensure_future(each.run())
            for each in (self.crowd.holders, self.crowd.keepers, self.crowd.treasurer)
        ]
        if self.cluster_users is not None and self.cluster_mishaps is not None:
            background += [
                asyncio.ensure_future(each.run())
                for each in (self.cluster_users, self.cluster_mishaps, self.job_mishaps)
            ]
        try:
            await self._go_on(self.options.days * DAY_S)
            crowd.cancel()
            mishaps.cancel()
            for each in background[4:]:
                each.cancel()
            if not self.watch.found:
                await self._calm_down()
        finally:
            for task in background:
                task.cancel()
            for task in background:
                with suppress(asyncio.CancelledError):
                    await task
        return self._result()

    async def _go_on(self, until_s: float) -> None:
        """Check the rules each minute, until `until_s` or until a rule is broken."""
        world, minutes = self.world, 0
        while world.loop.time() < until_s and not self.watch.found:
            await asyncio.sleep(min(MINUTE_S, until_s - world.loop.time()))
            minutes += 1
            self.watch.minute(MINUTE_S)
            if minutes % 10 == 0:
                self.watch.store()
                self._progress(world.loop.time() / DAY_S)

    async def _calm_down(self) -> None:
        """Stop the faults; all jobs must end, and the fleet must reach what the policy wants and stay there."""
        world = self.world
        world.dice.trouble = False
        self.mishaps.heal()
        if self.cluster_mishaps is not None:
            self.cluster_mishaps.heal()
            self.job_mishaps.heal()
        if world.server is None:
            await world.restart(1.0)
        await self.crowd.finish()
        await asyncio.sleep(
            ARRIVES_AFTER_S[1]
        )  # a request to hold a job may come after its repetition was refused
        await self.crowd.settle()
        if world.kube is not None and self.cluster_users is not None:
            await ClusterRest(world, self.watch, world.kube, self.cluster_users).wait()
        rest = Rest(world, self.watch)
        await rest.wait()
        self.watch.minute(MINUTE_S)
        self.watch.take_all(self.watch.alerts.at_rest())
        self.watch.store()
        self.watch.bill()

    def _result(self) -> ChaosResult:
        world, watch = self.world, self.watch
        effects = world.effects + sum(
            each.effects.count for each in (world.server, world.stale) if each is not None
        )
        return ChaosResult(
            options=self.options,
            steps=effects + world.wire.calls,
            crashes=world.stats["crashes"],
            faults=dict(sorted(world.dice.counts.items())),
            violations=watch.found,
            story=story_of(world.story, watch.found[0]) if watch.found else [],
            jobs=len(watch.accepted()),
            workers_made=len(watch.workers.ended) + len(watch.workers.rows),
            refused=dict(sorted(self.crowd.refused.items())),
            days_run=world.loop.time() / DAY_S,
            fingerprint=world.fingerprint,
        )


def run(
    options: ChaosOptions,
    progress: Callable[[float], None] = lambda _days: None,
    variation: Variation = USUAL,
) -> ChaosResult:
    return ChaosRun(options, progress, variation).run()


def _worse(intensity: float) -> Trouble:
    """The odds times the intensity, at most 1/3: with more nothing would get done."""
    return Trouble(
        **{each.name: min(1 / 3, getattr(BAD_DAYS, each.name) * intensity) for each in fields(BAD_DAYS)}
    )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """What was imported is left alone by the garbage collector, and a world makes few cycles: it looks for them rarely."""
    before = gc.get_threshold()
    gc.collect()  # or the circles of the last world would be kept with it
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def _silence() -> Iterator[None]:
    """No log lines of servers and agents: faults cause many, and the story has what matters."""
    loggers = [logging.getLogger(name) for name in ("herder", "herder.agent", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
