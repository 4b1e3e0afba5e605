"""Steps of creations with their own time-outs, tries, and how many machines a driver makes at a time – also over a crash of the server."""

import asyncio
import json
from itertools import pairwise

import pytest
from sqlalchemy import select

from herder.control.drivers import turns
from herder.control.pools.pool_actions import store_pool
from herder.control.reads.explanations.explain import why_pool
from herder.control.reads.fleet.creations import creations_view, failures_text, step_text
from herder.control.reads.fleet.drivers import driver_view
from herder.drivers.pretend import PretendSettings, StepEnd
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.deadlines import tick
from herder.model.fleet.creation import Creation, CreationLimits, Step
from herder.model.fleet.driver import OutcomeUnknown, RateLimited, Unavailable
from herder.model.ids import PoolName, WorkerName
from herder.model.stored.changes import Changes
from herder.settings import pool_from_plain
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.ports.calls import Order
from herder.store.rows.tables import workers
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet

pytestmark = pytest.mark.virtual_time

FOUR_STEPS = PretendSettings(create_s=10, configure_s=10, start_s=10, boot_s=10, waits_for_boot=True)
STEPS = ["create", "configure", "start", "boot"]


def worker(fleet: Fleet, name: str = "w-1") -> WorkerLife:
    return fleet.core.state.workers[WorkerName(name)]


def step(fleet: Fleet, name: str = "w-1") -> str:
    creation = worker(fleet, name).creation
    return "" if creation is None else creation.step.value


async def time_passes(fleet: Fleet, seconds: float) -> None:
    """As the lifecycle loop looks."""
    for _ in range(round(seconds * 2)):
        await asyncio.sleep(0.5)
        with fleet.core.change(Changes()) as changes:
            tick(fleet.core.state, changes, fleet.core.clock.now_ms())
        await fleet.core.commit(changes)


def stored_reason(fleet: Fleet, name: str = "w-1") -> dict[str, object]:
    with fleet.engine.connect() as connection:
        row = connection.execute(select(workers).where(workers.c.name == name)).one()
    return dict(json.loads(row.reason_removed))


async def test_a_driver_of_four_steps_is_followed_and_resumed_after_a_crash_in_each(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet(settings=FOUR_STEPS)
    await fleet.want("w-1")
    for each in STEPS:
        await fleet.until(lambda each=each: worker(fleet).operation.startswith(f"{each}-"))  # type: ignore[misc]
        operation = worker(fleet).operation
        assert step(fleet) == each
        since_ms = worker(fleet).creation.since_ms  # type: ignore[union-attr]
        assert since_ms <= fleet.core.clock.now_ms()
        await fleet.crash()
        assert (step(fleet), worker(fleet).operation) == (each, operation)
    await fleet.until(lambda: fleet.states() == {"w-1": "joining"})
    assert step(fleet) == "join"
    assert [call for _, call, _ in fleet.world.calls if call == "create"] == ["create"]
    await fleet.join("w-1")
    assert worker(fleet).creation is None


@pytest.mark.parametrize(
    ("stuck", "limit_s"), [(Step.CREATE, 90), (Step.CONFIGURE, 30), (Step.START, 60), (Step.BOOT, 120)]
)
async def test_each_step_has_its_own_time_out_and_the_failure_names_it(
    make_fleet: MakeFleet, stuck: Step, limit_s: int
) -> None:
    fleet = make_fleet(settings=FOUR_STEPS)
    fleet.world.break_step(stuck, StepEnd.STALLS)
    await fleet.want("w-1")
    await fleet.until(lambda: step(fleet) == stuck)
    await time_passes(fleet, limit_s - 3)
    assert worker(fleet).state.in_flight
    await time_passes(fleet, 5)
    await fleet.until(lambda: not fleet.core.state.workers)
    assert fleet.machines() == [], "what was begun goes through the driver's deletion"
    assert f"w-1 did not finish step {stuck} within {limit_s} s." in fleet.events("worker.terminat")
    assert stored_reason(fleet)["evidence"] == {
        "step": stuck.value,
        "step_timeout_s": limit_s,
        "cause": "step_timeout",
    }
    assert failures_text(fleet.core, PoolName("p")).endswith(f"1 step_timeout in step {stuck}.")
    assert not fleet.core.ledger.pools, "it costs nothing"


async def test_a_driver_of_one_step_has_the_time_of_all_that_it_does_not_report(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet(settings=PretendSettings(create_s=170))
    await fleet.want("w-1")
    await time_passes(fleet, 165)
    assert step(fleet) == "create"
    await fleet.until(lambda: fleet.states() == {"w-1": "joining"})
    assert step(fleet) == "boot"
    await time_passes(fleet, 571)
    await fleet.until(lambda: not fleet.core.state.workers)
    assert fleet.events("worker.terminating") == [
        "w-1 did not finish step boot within 570 s. Driver cloud does not report boot, join and ready apart."
    ]


async def test_a_step_that_fails_is_a_typed_failure(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=FOUR_STEPS)
    fleet.world.break_step(Step.CONFIGURE, StepEnd.FAILS)
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states() == {"w-1": "terminated"})
    assert fleet.machines() == []
    assert stored_reason(fleet)["evidence"] == {"cause": "step_failed", "step": "configure"}
    assert fleet.events("worker.trouble") == ["The machine is failed in step configure."]


async def test_a_slow_creation_is_told_once(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=FOUR_STEPS)
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states() == {"w-1": "joining"})
    now_ms = fleet.core.clock.now_ms()
    worker(fleet).creation = Creation(step=Step.JOIN, since_ms=now_ms, begun_ms=now_ms - 590_000)
    await time_passes(fleet, 5)
    assert fleet.events("worker.creation_slow") == []
    await time_passes(fleet, 20)
    (told,) = fleet.events("worker.creation_slow")
    assert told.startswith(
        "The creation of w-1 has taken more than 600 s (provision_alert). It is in step join."
    )


@pytest.mark.parametrize(
    "error",
    [Unavailable("503"), RateLimited("slower", 1), OutcomeUnknown("cut off")],
    ids=lambda e: type(e).__name__,
)
async def test_a_creation_is_tried_three_times_with_a_pause_and_then_fails(
    make_fleet: MakeFleet, error: Exception
) -> None:
    fleet = make_fleet(creation_limits={"cloud": CreationLimits(create_retry_pause_s=60)})
    fleet.calls.order(Order(fault=Fault.REFUSED, verb="create", error=error, times=100))
    await fleet.want("w-1")
    await asyncio.sleep(40)
    assert worker(fleet).creation.tries == 1  # type: ignore[union-attr]
    assert step_text(fleet.core, worker(fleet)).startswith("w-1 is in step create: tries failed: 1 of 3;")
    await fleet.crash()
    assert worker(fleet).creation.tries == 1, "they outlast a crash"  # type: ignore[union-attr]
    await fleet.until(lambda: not fleet.core.state.workers)
    made = [verb for _, verb, _ in fleet.calls.made if verb == "create"]
    # A new process does not know that the pause is still running; it tries at once.
    assert len(made) == 3
    assert stored_reason(fleet)["evidence"] == {"cause": "unavailable", "step": "create"}
    assert fleet.core.state.creation_failures == {("p", "unavailable", "create"): 1}


async def test_a_lost_answer_of_a_worker_that_has_joined_meanwhile_begins_no_creation_anew(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    fleet.calls.order(Order(fault=Fault.ANSWER_LOST, verb="create"))
    await fleet.want("w-1")
    while "create" not in {call.verb for call in fleet.core.calls.report("cloud").under_way}:
        await asyncio.sleep(0.01)
    await fleet.join("w-1")
    await asyncio.sleep(60)
    assert worker(fleet).creation is None
    assert fleet.states() == {"w-1": "ready"}


async def test_only_so_many_are_made_at_a_time_and_the_others_say_why_they_wait(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet(settings=FOUR_STEPS, creation_limits={"cloud": CreationLimits(parallel_creates=2)})
    await fleet.want(*(f"w-{n}" for n in range(1, 6)))
    await asyncio.sleep(20)
    assert fleet.machines() == ["w-1", "w-2"]
    view = driver_view(fleet.core, "cloud").creations
    assert (view.under_way, view.most, view.waiting) == (2, 2, 3)
    assert view.waiting_text == "3 claims wait: parallel_creates is 2."
    assert view.steps == {"claim": 3, "configure": 2}
    assert step_text(fleet.core, worker(fleet, "w-5")) == (
        "w-5 waits for its turn at driver cloud: parallel_creates is 2."
    )
    await fleet.crash()
    await asyncio.sleep(5)
    assert fleet.machines() == ["w-1", "w-2"], "those that an earlier process began are counted"
    await fleet.until(lambda: list(fleet.states().values()) == ["joining"] * 5)
    waited = worker(fleet, "w-5").creation
    assert waited is not None
    assert waited.begun_ms is not None
    assert waited.begun_ms - worker(fleet, "w-5").requested_at_ms > 60_000


async def test_what_is_being_given_up_holds_its_place_until_it_is_removed(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=FOUR_STEPS, creation_limits={"cloud": CreationLimits(parallel_creates=1)})
    await fleet.want("w-1", "w-2")
    await fleet.until(lambda: step(fleet) == "configure")
    fleet.calls.order(Order(fault=Fault.REFUSED, verb="delete", times=4))
    await fleet.end("w-1")
    await asyncio.sleep(2)
    assert fleet.machines() == ["w-1"]
    assert creations_view(fleet.core, "cloud").under_way == 1
    await fleet.until(lambda: fleet.machines() == ["w-2"])


async def test_starts_keep_their_distance_also_over_a_crash(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(creation_limits={"cloud": CreationLimits(pause_between_starts_s=30)})
    asked_s: list[float] = []
    fleet.calls.told = lambda _driver, verb, _worker: (
        asked_s.append(asyncio.get_running_loop().time()) if verb == "create" else None
    )
    await fleet.want("w-1", "w-2", "w-3", "w-4")
    await fleet.until(lambda: len(asked_s) == 2)
    assert turns.waiting_text(fleet.core, "cloud") == "2 claims wait: pause_between_starts is 30s."
    await asyncio.sleep(20)
    await fleet.crash()
    await fleet.until(lambda: list(fleet.states().values()) == ["joining"] * 4)
    assert [b - a >= 30 for a, b in pairwise(asked_s)] == [True] * 3


async def test_a_claim_waits_no_longer_than_its_step_and_nobody_is_asked(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=FOUR_STEPS, creation_limits={"cloud": CreationLimits(parallel_creates=1)})
    fleet.world.break_step(Step.CREATE, StepEnd.STALLS, worker="w-1")
    await fleet.want("w-1", "w-2")
    await asyncio.sleep(5)
    waiting = worker(fleet, "w-2")
    waiting.requested_at_ms -= 890_000
    waiting.creation = waiting.creation and waiting.creation.moved(-890_000)
    await time_passes(fleet, 10)
    await fleet.until(lambda: WorkerName("w-2") not in fleet.core.state.workers)
    assert "w-2 waited for its turn at driver cloud for 900 s (step claim)." in fleet.events(
        "worker.terminating"
    )
    assert ("create", "w-2") not in [(verb, name) for _, verb, name in fleet.world.calls]


async def test_a_driver_has_the_call_timeout_that_is_set(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(creation_limits={"cloud": CreationLimits(call_timeout_s=3)})
    fleet.calls.order(Order(fault=Fault.REQUEST_LOST, verb="create"))
    await fleet.want("w-1")
    await asyncio.sleep(4)
    assert driver_view(fleet.core, "cloud").last_error.endswith(
        "did not answer create of worker w-1 within 3 s"
    )
    await fleet.until(lambda: fleet.states() == {"w-1": "joining"})


async def test_the_newest_failed_creation_is_named_for_its_pool(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=FOUR_STEPS)
    changes = Changes()
    template = {"name": "t", "cpu": 1, "memory": "1Gi", "disk": "1Gi", "price_per_hour": 0}
    pool = pool_from_plain({"name": "p", "driver": "cloud", "templates": [template]})
    store_pool(fleet.core, changes, pool, fleet.clock.now_ms())
    await fleet.core.commit(changes)
    fleet.world.break_step(Step.START, StepEnd.STALLS)
    await fleet.want("w-1")
    await fleet.until(lambda: step(fleet) == Step.START)
    await time_passes(fleet, 62)
    await fleet.until(lambda: not fleet.core.state.workers)
    counted, newest = (await why_pool(fleet.core, "p")).facts[-2:]
    assert counted.text.endswith("1 step_timeout in step start.")
    assert newest.text == "The last of them: w-1 did not finish step start within 60 s."
