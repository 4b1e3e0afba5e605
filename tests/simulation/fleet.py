"""A whole installation under virtual time and faults drawn from a seed: engine, store, planner, pretend provider, agents.

`Simulation.run` makes trouble for a while, then lets everything come to rest. Nothing here waits for the real clock.
"""

import random
from collections.abc import Sequence
from types import SimpleNamespace

from herder.control.plans import apply_plan, observe, record_plan
from herder.decide.checks import check_plan
from herder.decide.planner import decide
from herder.drivers.pretend.driver import PretendDriver
from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.world import PretendWorld
from herder.engine import worker as life
from herder.engine.invariants import violations
from herder.engine.state import WorkerLife
from herder.model.driver import DriverError, NotFound, OutcomeUnknown, OutOfCapacity, StartData, Unavailable
from herder.model.ids import PoolName, WorkerName
from herder.model.job import JobClass, JobState, RetryPolicy
from herder.model.money import PicoUsd
from herder.model.plan import Reason, ReasonKind
from herder.model.pool import PoolSpec, Template
from herder.model.resources import Resources
from herder.model.sharing import NO_SHARING, Sharing
from herder.model.worker import WorkerState
from tests.support.engine_world import Agent, Answer, Message, World, job_class

STEP_MS = 500
TROUBLE_S = 120
LIMIT_S = 3_600
SMALL = Template(
    name="small", allocatable=Resources(2000, 4096, 8192), price_pico_per_hour=PicoUsd(100), slots=6
)
LARGE = Template(
    name="large", allocatable=Resources(8000, 8192, 8192), price_pico_per_hour=PicoUsd(350), slots=12
)
TIMES = {"dead_after_s": 15.0, "boot_timeout_s": 60.0, "drain_grace_s": 20.0, "idle_timeout_s": 20.0}
POOLS = (
    PoolSpec(name=PoolName("std"), driver="pretend", templates=(SMALL, LARGE), max_workers=6, **TIMES),
    PoolSpec(
        name=PoolName("brief"), driver="pretend", templates=(SMALL,), max_workers=3, ttl_s=40.0, **TIMES
    ),
)
OFTEN = RetryPolicy(retries=1, attempts_max=1000)
CLASSES: Sequence[JobClass] = (
    job_class("ann", Resources(500, 256, 0), retry=OFTEN),
    job_class("bob", Resources(2000, 1024, 0), retry=OFTEN, priority=3),
    job_class("cyd", Resources(6000, 4096, 0), retry=OFTEN),
    job_class("ann", Resources(250, 128, 0), retry=OFTEN, always_run=True),
    job_class("bob", Resources(1000, 1024, 0), retry=OFTEN, pool="brief"),
)
EXPECTED = {WorkerState.JOINING, WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING}


class Simulation:
    def __init__(
        self, seed: int, classes: Sequence[JobClass] = CLASSES, sharing: Sharing = NO_SHARING
    ) -> None:
        self.draw = random.Random(seed)
        self.classes = classes
        self.world = World(*POOLS)
        self.world.state.sharing = sharing
        self.provider = PretendWorld(lambda: self.world.now_ms)
        settings = PretendSettings(boot_s=12.0, boot_spread=0.9, machines_most=8)
        self.driver = PretendDriver(settings, self.provider)
        self.agents: dict[WorkerName, Agent] = {}
        self.until: dict[tuple[WorkerName, int, int], int] = {}
        self.up: list[tuple[int, Message]] = []
        self.down: list[tuple[int, Answer]] = []
        self.orphans: set[WorkerName] = set()
        self.trouble = True
        self.stats = {"plans": 0, "deaths": 0, "crashes": 0, "lost messages": 0}

    # --- the whole

    def run(self) -> None:
        self.world.commit()
        began = self.world.now_ms
        while self.trouble or not self.at_rest():
            self.trouble = self.world.now_ms - began < TROUBLE_S * 1000
            if self.world.now_ms - began > LIMIT_S * 1000:
                raise AssertionError(f"not at rest after {LIMIT_S} s: {self.left()}")
            self.step((self.world.now_ms - began) // STEP_MS)
            assert violations(self.world.state) == []

    def step(self, number: int) -> None:
        if self.trouble:
            self.people()
        self.agents_work()
        self.messages()
        if number % 2 == 0:
            self.plan()
            self.world.preempt()
            life.tick(self.world.state, self.world.changes, self.world.now_ms, {p.name: 5.0 for p in POOLS})
        self.launch()
        if number % 10 == 0:
            self.compare()
        self.maybe(0.7, self.world.commit)
        self.maybe(0.3, self.world.sweep)
        if self.trouble:
            self.maybe(0.02, self.crash)
            self.maybe(0.03, self.death)
        self.world.now_ms += STEP_MS

    def maybe(self, chance: float, act) -> None:  # type: ignore[no-untyped-def]
        if self.draw.random() < chance:
            act()

    def at_rest(self) -> bool:
        self.world.commit()
        self.world.sweep()
        state = self.world.state
        waiting = sum(state.counts[each] for each in JobState if not each.ended)
        return not (waiting or state.workers or self.provider.machines)

    def left(self) -> str:
        state = self.world.state
        workers = {name: worker.state.value for name, worker in state.workers.items()}
        return f"{ {JobState(k).label: v for k, v in state.counts.items() if v} }, {workers}, {list(self.provider.machines)}"

    # --- people

    def people(self) -> None:
        world, draw = self.world, self.draw
        if draw.random() < 0.15:
            world.submit(draw.randint(1, 8), draw.choice(self.classes))
        if draw.random() < 0.06:
            batch = world.batch(draw.choice([None, None, 3]))
            wanted = [draw.choice(self.classes) for _ in range(draw.randint(1, 20))]
            references = {
                index: [draw.randrange(index) for _ in range(draw.randint(1, 2))]
                for index in range(1, len(wanted))
                if draw.random() < 0.4
            }
            world.add(batch, wanted, references)
            world.commit_batch(batch)
        batches = [each for each in world.state.batches.values() if not each.cancelled]
        if batches and draw.random() < 0.02:
            world.cancel_batch(draw.choice(batches))
        if world.accepted and draw.random() < 0.03:
            world.commit()
            world.cancel_job(draw.choice(sorted(world.accepted)))

    # --- the server's loops

    def plan(self) -> None:
        world = self.world
        observed = observe(world.state, world.now_ms)
        plan = decide(observed, world.now_ms)
        assert check_plan(observed, plan) == ()
        if plan.actions:
            self.stats["plans"] += 1
            record_plan(world.state, world.changes, plan)
            core = SimpleNamespace(state=world.state)
            apply_plan(core, world.changes, plan, world.now_ms)  # type: ignore[arg-type]
            world.commit()

    def launch(self) -> None:
        for worker in list(self.world.state.workers.values()):
            if self.draw.random() < 0.5:
                continue
            if worker.state in (WorkerState.REQUESTED, WorkerState.PROVISIONING):
                self.create(worker)
            elif worker.state is WorkerState.TERMINATING:
                self.delete(worker)
            if worker.spec.name not in self.world.state.workers and self.world.restarts:
                return  # a crash may have replaced everything

    def create(self, worker: WorkerLife) -> None:
        world, name = self.world, worker.spec.name
        life.provisioning(world.state, worker, f"activation-{name}")
        world.commit()
        if self.trouble and self.draw.random() < 0.15:
            after = self.draw.random() < 0.5
            error = self.draw.choice([OutOfCapacity("full"), Unavailable("down"), OutcomeUnknown("cut")])
            self.provider.fail("create", error, after=after and not isinstance(error, OutOfCapacity))
        start = StartData(server_url="", activation_token=f"activation-{name}", self_delete_after_s=60)
        try:
            machine = self.driver.create(worker.spec, start)
        except OutOfCapacity as error:
            life.create_failed(world.state, world.changes, worker, str(error), world.now_ms)
            return
        except DriverError:
            return  # tried again in a later step
        if self.trouble and self.draw.random() < 0.05:
            self.crash()  # made, and nobody has written it down
            return
        life.provisioned(world.state, world.changes, worker, machine.handle, world.now_ms)

    def delete(self, worker: WorkerLife) -> None:
        self.world.commit()
        if self.trouble and self.draw.random() < 0.2:
            self.provider.fail("delete", Unavailable("down"), after=self.draw.random() < 0.5)
        try:
            self.driver.delete(worker.spec.name)
        except NotFound:
            pass
        except DriverError:
            return
        self.agents.pop(worker.spec.name, None)
        if self.trouble and self.draw.random() < 0.05:
            self.crash()
            return
        life.terminated(self.world.state, self.world.changes, worker, self.world.now_ms)

    def compare(self) -> None:
        """The sweep: machines without a row go when they are seen twice, rows without a machine are closed."""
        machines = {machine.worker for machine in self.driver.list()}
        for worker in list(self.world.state.workers.values()):
            if worker.state in EXPECTED and worker.spec.name not in machines:
                reason = Reason(kind=ReasonKind.DEAD, text="its machine is gone")
                life.terminate(self.world.state, self.world.changes, worker, reason, self.world.now_ms)
        unknown = machines - set(self.world.state.workers)
        for name in unknown & self.orphans:
            self.provider.lose(name)
            self.agents.pop(name, None)
        self.orphans = unknown

    # --- trouble

    def crash(self) -> None:
        self.world.crash()
        self.stats["crashes"] += 1
        assert self.world.faults() == []

    def death(self) -> None:
        """A machine vanishes, or stays and says nothing any more."""
        if self.agents:
            name = self.draw.choice(sorted(self.agents))
            if self.draw.random() < 0.5:
                self.provider.lose(name)
            del self.agents[name]
            self.stats["deaths"] += 1

    # --- agents and their messages

    def agents_work(self) -> None:
        now = self.world.now_ms
        for booted in self.provider.newly_booted():
            worker = self.world.state.workers.get(booted.spec.name)
            if (
                worker is None
                or worker.activation_hash is None
                or (self.trouble and self.draw.random() < 0.1)
            ):
                continue
            token = f"token-{worker.spec.name}"
            if life.activated(self.world.state, self.world.changes, worker, token, "nonce", now):
                self.world.commit()
                self.agents[worker.spec.name] = Agent(worker=worker.spec.name)
        for agent in list(self.agents.values()):
            if agent.gone:
                del self.agents[agent.worker]
                continue
            self._run(agent, now)
            if agent.outbox or now % 5_000 < STEP_MS or self.draw.random() < 0.3:
                leaving = agent.draining and not agent.held and not agent.outbox
                message = agent.message(now, tell_held=self.draw.random() < 0.5, leaving=leaving)
                self._post(self.up, message)

    def _run(self, agent: Agent, now: int) -> None:
        for job, attempt in list(agent.held):
            key = (agent.worker, job, attempt)
            if key not in self.until:
                self.until[key] = now + self.draw.randint(0, 15_000)
            elif self.until[key] <= now:
                failed = self.draw.random() < 0.1
                how = {"state": "failed", "cause": "exit_code"} if failed else {}
                agent.end((job, attempt), now, **how)

    def _post(self, queue: list, message: object) -> None:  # type: ignore[type-arg]
        """On its way for up to two seconds; lost or doubled at times; later ones may overtake it."""
        luck = self.draw.random()
        if self.trouble and luck < 0.08:
            self.stats["lost messages"] += 1
            return
        for _ in range(2 if self.trouble and luck > 0.95 else 1):
            late = self.draw.randint(0, 2_000) if self.trouble else 0
            queue.append((self.world.now_ms + late, message))

    def messages(self) -> None:
        now = self.world.now_ms
        arrived = [message for at, message in self.up if at <= now]
        self.up = [each for each in self.up if each[0] > now]
        for message in arrived:
            self._post(self.down, self.world.handle(message))
        heard = [answer for at, answer in self.down if at <= now]
        self.down = [each for each in self.down if each[0] > now]
        for answer in heard:
            agent = self.agents.get(answer.of.worker)
            if agent is not None:
                agent.hear(answer, now)
