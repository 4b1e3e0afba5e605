"""Checks all rules when they are due, and keeps the violations."""

import asyncio
import json
from collections.abc import Iterable

from herder.engine.memory.group_invariants import group_violations as groups_in_memory
from herder.engine.memory.invariants import violations as memory_violations
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.stored.records import WorkerRecord
from herder.model.work.alerts import AlertRules
from herder.model.work.job import AttemptState
from herder.simulate.chaos.actors.cluster_users import ClusterUsers
from herder.simulate.chaos.actors.crowd import Crowd
from herder.simulate.chaos.actors.server import Server
from herder.simulate.chaos.fleet import JOB_SLOTS, JOB_TYPES, LIMITED_CPU, LIMITED_USER, LIMITS
from herder.simulate.chaos.rules import event_rules
from herder.simulate.chaos.rules.action_rules import ActionRules
from herder.simulate.chaos.rules.attempt_rules import AttemptRules
from herder.simulate.chaos.rules.bill_rules import broken as broken_bill
from herder.simulate.chaos.rules.budget_rules import BudgetRules
from herder.simulate.chaos.rules.clock_rules import ClockRules
from herder.simulate.chaos.rules.cluster_rules import ClusterRules
from herder.simulate.chaos.rules.creation_rules import CreationRules
from herder.simulate.chaos.rules.deadline_rules import DeadlineRules
from herder.simulate.chaos.rules.fleet_news import FleetNews
from herder.simulate.chaos.rules.growth_rules import GrowthRules
from herder.simulate.chaos.rules.intake_rules import IntakeRules
from herder.simulate.chaos.rules.job_object_rules import JobObjectRules
from herder.simulate.chaos.rules.job_rules import JobRules
from herder.simulate.chaos.rules.lifetime_rules import LifetimeRules
from herder.simulate.chaos.rules.limit_rules import LimitRules
from herder.simulate.chaos.rules.machine_rules import MachineRules
from herder.simulate.chaos.rules.notice_rules import NoticeRules
from herder.simulate.chaos.rules.price_rules import PriceRules
from herder.simulate.chaos.rules.provider_rules import ProviderRules
from herder.simulate.chaos.rules.schedule_rules import ScheduleRules
from herder.simulate.chaos.rules.secret_rules import SecretRules
from herder.simulate.chaos.rules.shrink_rules import ShrinkRules
from herder.simulate.chaos.rules.silence_rules import LOOK_S, SilenceRules
from herder.simulate.chaos.rules.violation import Violation
from herder.simulate.chaos.rules.worker_rules import WorkerRules
from herder.simulate.chaos.world import World
from herder.store.group_invariants import group_violations as groups_in_rows
from herder.store.invariants import violations as stored_violations

#: Violations that are kept; later ones are dropped.
VIOLATIONS_MOST = 20
GROUP_COUNTS = "counts of groups are those of their jobs"


class Watch:
    def __init__(
        self,
        world: World,
        pools: tuple[PoolSpec, ...],
        crowd: Crowd,
        cluster_users: ClusterUsers | None = None,
    ) -> None:
        self._world = world
        self.found: list[Violation] = []
        self.jobs, self.workers, self.machines = JobRules(), WorkerRules(pools), MachineRules(world)
        self.creations = CreationRules(world, LIMITS)
        world.calls.told = lambda driver, verb, worker: self.take_all(
            self.creations.called(driver, verb, worker)
        )
        world.calls.acts, world.calls.went_well = self.creations.acts, self.creations.went_well
        for provider in world.providers.values():
            provider.asked = lambda worker, operation: self.take_all(
                self.creations.followed(worker, operation)
            )
        self.silence = SilenceRules(world, min(pool.lifetime.dead_after_s for pool in pools))
        self.news = FleetNews(pools)
        self.attempts = AttemptRules(world, self.jobs)
        self.limits = LimitRules(world, self.jobs, JOB_TYPES, JOB_SLOTS)
        self.growth, self.shrink = GrowthRules(world, self.news), ShrinkRules(world, self.news)
        self.deadlines, self.providers = (
            DeadlineRules(world, self.news, self.jobs.on),
            ProviderRules(world, self.news, self.silence.silent_s),
        )
        self.intake = IntakeRules(world.queue, crowd.producers)
        self.secrets = SecretRules(world, crowd.keepers)
        self.schedules = ScheduleRules(world)
        self.prices, self.lifetimes = PriceRules(world, self.news), LifetimeRules(world, self.news)
        self.budgets = BudgetRules(world)
        self.alerts = ActionRules(self.jobs, crowd.budgets, AlertRules())
        self.clocks = ClockRules(world, world.wire.server_time)
        self.notices = NoticeRules(world, self.silence, self.news, self.jobs.on)
        self.cluster: ClusterRules | None = None
        if world.kube is not None and cluster_users is not None:
            self.cluster = ClusterRules(world, world.kube, cluster_users, self.news)
        self.job_objects: JobObjectRules | None = None
        if world.kube is not None and world.pod_agents is not None:
            self.job_objects = JobObjectRules(world, world.kube, world.pod_agents, self.news)
        self._clock_sets = 0
        world.written.append(self.committed)
        world.ends = self.memory_of
        world.machines.begins = lambda job, attempt: self.take_all(self.attempts.begins(job, attempt))
        world.machines.given = lambda job, given: self.take_all(self.secrets.starts(job, given))
        world.wire.said = lambda *call: self.take_all(self.secrets.said(*call))
        world.machines.looked = self.looked
        world.machines.begun_again = lambda job, attempt: self.take_all(
            [("an attempt begins once", f"Attempt {attempt} of job {job} was started twice.")]
        )

    def looked(self) -> None:
        """A provider may have done something."""
        self.take_all(self.providers.acted())
        if self.cluster is not None:
            self.cluster.acted()

    def committed(self, changes: Changes) -> None:
        if self._world.stats["clock set"] != self._clock_sets:
            self._clock_sets = self._world.stats["clock set"]
            self.workers.clock_set()
        for (job, number), row in changes.attempts.items():
            self._world.trace(
                "attempt", job, number, AttemptState(row.state).name.lower(), row.cause, row.worker
            )
        for record in changes.rows.get(WorkerRecord, {}).values():
            assert isinstance(record, WorkerRecord)
            why = json.loads(record.reason_removed)
            self._world.trace("worker", record.name, record.state, why.get("kind", ""))
            known = self.workers.rows.get(record.name)
            fresh = record.state == WorkerState.TERMINATING and known is not None and not known.state.leaving
            if fresh and "dead_after_s" in why.get("evidence", {}):
                self.take_all(self.silence.dead(record.name))
        self.creations.committed(changes)
        self.take_all(self.jobs.look(changes))
        self.take_all(self.attempts.look(changes))
        self.take_all(self.limits.look(changes))
        self.take_all(self.alerts.look(changes))
        self.take_all(self.workers.look(changes, self.jobs.on))
        news = self.news.look(changes)
        self.take_all(self.growth.look(changes, news))
        self.take_all(self.shrink.look(news, self.jobs.on))
        self.take_all(self.providers.look(changes, news))
        self.take_all(self.prices.look(news))
        self.take_all(self.lifetimes.look(news))
        if self.cluster is not None:
            self.take_all(self.cluster.look(news))
        if self.job_objects is not None:
            self.take_all(self.job_objects.look(news))
        self.take_all(self.intake.look(changes))
        self.take_all(self.schedules.look(changes))
        self.take_all(self.secrets.look(changes))
        self.take_all(event_rules.look(changes))
        self.take_all(self.clocks.look(changes))
        self.take_all(self.notices.look(changes))

    async def look_often(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.silence.look()
            self.take_all(self.creations.look(self.workers.rows))
            self.take_all(self.notices.look_often())

    def minute(self, seconds: float) -> None:
        for server in (self._world.server, self._world.stale):
            if server is not None and self._world.loop.alive(server.host):
                self.memory_of(server)
        self.take_all(self.machines.look(self.workers, seconds))
        self.take_all(self.deadlines.look(seconds))
        self.take_all(self.limits.minute(seconds))
        self.take_all(self.schedules.minute(seconds))
        self.take_all(self.budgets.minute(seconds))
        if self.cluster is not None:
            self.take_all(self.cluster.minute(seconds))
        if self.job_objects is not None:
            self.take_all(self.job_objects.minute(seconds))
        crashes, self._world.crashes = self._world.crashes, []
        self.take_all(("nothing inside fails", f"{type(each).__name__}: {each}") for each in crashes)

    def accepted(self) -> set[int]:
        """Jobs that people were told of, and those that others than people wanted."""
        scheduled = {job for job, batch in self.jobs.batch_of.items() if batch in self.schedules.batches}
        return self._world.people.accepted | set(self.intake.jobs.values()) | scheduled

    def workers_of_jobs(self) -> set[str]:
        """Those whose Kubernetes Job exists."""
        return set() if self.job_objects is None else self.job_objects.workers()

    def memory_of(self, server: Server) -> None:
        state = server.core.state
        used = sum(
            state.classes[attempt.class_id].request.cpu_milli
            for attempt in state.live.values()
            if state.classes[attempt.class_id].user == LIMITED_USER
        )
        if used > LIMITED_CPU * 1000:
            self.take(
                "quotas are respected",
                f"User {LIMITED_USER} has {used / 1000:g} cores in use; the quota is {LIMITED_CPU}.",
            )
        self.take_all(self.budgets.memory(server.core))
        self.take_all((GROUP_COUNTS, each) for each in groups_in_memory(server.core.state))
        self.take_all(
            ("memory is consistent", each) for each in memory_violations(server.core.state, groups=False)
        )

    def store(self) -> None:
        with self._world.engine.connect() as connection:
            self.take_all(
                ("rows are consistent", each) for each in stored_violations(connection, groups=False)
            )
            self.take_all((GROUP_COUNTS, each) for each in groups_in_rows(connection))

    def bill(self) -> None:
        """When the run is over: it reads the whole log of use."""
        with self._world.engine.connect() as connection:
            self.take_all(broken_bill(connection))

    def take_all(self, found: Iterable[tuple[str, str]]) -> None:
        for rule, text in found:
            self.take(rule, text)

    def take(self, rule: str, text: str) -> None:
        if len(self.found) < VIOLATIONS_MOST:
            self.found.append(Violation(rule=rule, text=text, at_s=round(self._world.loop.time(), 6)))
            self._world.trace("VIOLATION", rule, text)
