"""Records from a queue outside of Herder: every call of the queue with every fault, and a server that dies before and after each."""

import asyncio

import pytest
from sqlalchemy import func, select

from herder.simulate.chaos import Fault, World
from herder.simulate.chaos.actors.producers import INTAKE, Producers
from herder.simulate.chaos.faults.kinds import INTAKE_FAULTS
from herder.simulate.chaos.fleet import SHARING
from herder.simulate.chaos.rules.intake_rules import IntakeRules
from herder.store.rows.tables import jobs

STEPS = ("claim", "read", "acknowledge", "refuse", "followed", "tell")
#: Loops that have nothing to do here look rarely.
SETTINGS = {"intakes": (INTAKE,), "interruptions_period_s": 600.0, "sweep_period_s": 60.0}
RECORD = b'{"type": "pipeline_execution", "resource_requirements": {"cpu": "250m", "memory": "256Mi"}}'


class Records:
    """Three that become jobs, and one that cannot."""

    def __init__(self, world: World) -> None:
        self.world, self.producers = world, Producers(world.queue)
        self.producers.good, self.producers.bad = [f"record-{n}" for n in range(3)], ["bad"]
        self.rules = IntakeRules(world.queue, self.producers)
        self.broken: list[tuple[str, str]] = []
        world.written.append(lambda changes: self.broken.extend(self.rules.look(changes)))

    def push(self) -> None:
        for name in self.producers.good:
            self.world.queue.push(name, RECORD, 1.0)
        self.world.queue.push("bad", b'{"type": "nothing"}', 2.0)

    async def told(self) -> None:
        """Each has become what it should, and is told of, once."""
        queue = self.world.queue
        await self.world.until(lambda: not queue.queue and self.producers.all_ended(), 900, "all are told")
        self.broken += self.rules.at_rest(self.world.engine)
        assert self.broken == []
        with self.world.engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(jobs)).scalar() == 3


def new_world() -> World:
    return World(1, sharing=SHARING, core_settings=SETTINGS)


@pytest.mark.parametrize("step", STEPS)
def test_a_call_of_the_queue_that_fails(step: str) -> None:
    async def story(world: World) -> None:
        records = Records(world)
        for fault in INTAKE_FAULTS:
            world.dice.order(f"intake {step}", fault)
        records.push()
        if step == "followed":  # it is asked when the queue is opened
            world.kill_server()
            await world.restart(1.0)
        await records.told()
        assert {fault for what, fault in world.dice.met if what == f"intake {step}"} >= {INTAKE_FAULTS[0]}

    new_world().run(story)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_dies_at_a_call_of_the_queue(step: str, when: str) -> None:
    effect, died = f"intake {step}" + (" done" if when == "after" else ""), list[str]()

    async def story(world: World) -> None:
        records = Records(world)
        world.dies = lambda what: what == effect and not died and not died.append(what)  # type: ignore[func-returns-value]
        records.push()
        if step == "followed":
            world.kill_server()
            await world.restart(1.0)
        await records.told()
        assert died

    new_world().run(story)


def test_a_server_that_dies_between_the_job_and_its_acknowledgement() -> None:
    died = list[str]()

    async def story(world: World) -> None:
        records = Records(world)
        records.push()
        world.dies = lambda what: (
            what == "committed" and bool(world.queue.leases) and not died and not died.append(what)  # type: ignore[func-returns-value]
        )
        await records.told()
        assert died

    new_world().run(story)


def test_a_queue_that_is_away_pauses_the_intake_and_nothing_is_lost() -> None:
    async def story(world: World) -> None:
        records = Records(world)
        world.queue.away = True
        records.push()
        await world.until(lambda: bool(world.core.intake_notes["mimir"].paused), 60, "it is paused")
        world.queue.away = False
        await world.until(lambda: len(records.rules.jobs) == 3, 120, "all are jobs")
        world.queue.away = True
        await asyncio.sleep(60)
        assert set(world.queue.status.values()) <= {"queued", "scheduled", "spawned", "executing", "failed"}
        world.queue.away = False
        await records.told()
        assert not world.core.intake_notes["mimir"].paused

    new_world().run(story)


def test_a_server_that_stood_still_before_its_acknowledgement_brings_no_record_back() -> None:
    """Another one has taken the record over, and has told of its end."""

    async def story(world: World) -> None:
        records = Records(world)
        world.dice.order("intake acknowledge", Fault.ACTS_LATE, Fault.ACTS_LATE, Fault.ACTS_LATE)
        records.push()
        await world.until(lambda: len(records.rules.jobs) == 3, 600, "all are jobs")
        await records.told()
        await asyncio.sleep(300)  # what was on its way has arrived
        await records.told()

    new_world().run(story)
