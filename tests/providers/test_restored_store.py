"""A store that was restored, or is the wrong one, against the machines of a fleet: nothing of a forgotten time goes without a person."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from herder.control.drivers import sweep_decisions
from herder.control.kernel.bounds.errors import Conflict, NotKnown, NotReady, Unauthenticated
from herder.control.kernel.secret_tokens import derived_token, hash_token
from herder.control.reads.fleet.drivers import troubles
from herder.control.reads.fleet.sweeps import sweep_view
from herder.control.workers.exchange import activate, invited
from herder.model.fleet.driver import StartData
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PlanNumber, WorkerName
from herder.model.stored.changes import Changes
from herder.settings import pool_from_plain
from herder.store.backup.restoring import mark_put_back
from herder.wire.api.drivers import SweepDecision
from herder.wire.worker.exchange import ActivateRequest
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import ANN, Fleet

pytestmark = pytest.mark.virtual_time

PLAIN: dict[str, Any] = {
    "name": "p",
    "driver": "cloud",
    "max_workers": 20,
    "templates": [{"name": "t", "cpu": 1, "memory": "1Gi", "price_per_hour": "0.1"}],
}


async def begun(fleet: Fleet, count: int = 2) -> None:
    """Some workers that the store knows, in a pool that it knows."""
    pool = pool_from_plain(PLAIN)
    fleet.core.state.pools[pool.name] = pool
    names = [f"p-1-{number}" for number in range(1, count + 1)]
    await fleet.want(*names)
    await fleet.until(lambda: all(fleet.states()[name] == "joining" for name in names))
    await fleet.join(*names)
    fleet.core.state.next_plan = max(fleet.core.state.next_plan, 5)


def of_lost_time(fleet: Fleet, plan: int, count: int) -> list[str]:
    """Machines that the store does not know, because it is older."""
    driver, names = fleet.core.drivers["cloud"], [f"p-{plan}-{number}" for number in range(1, count + 1)]
    worker = next(iter(fleet.core.state.workers.values()))
    for name in names:
        token = derived_token("s", f"activation/{name}")
        start = StartData(server_url="", activation_token=token, self_delete_after_s=1)
        driver.create(replace(worker.spec, name=WorkerName(name), plan=PlanNumber(plan)), start)
    return names


async def decide(fleet: Fleet, action: str, *machines: str, dry_run: bool = False, message: str = "") -> str:
    changes, now_ms = Changes(), fleet.clock.now_ms()
    body = SweepDecision(action=action, machines=list(machines), message=message)  # type: ignore[arg-type]
    done = sweep_decisions.decide(fleet.core, ANN, "cloud", body, changes, now_ms, dry_run=dry_run)
    assert changes.empty is dry_run, "a dry run changes nothing"
    await fleet.core.commit(changes)
    return done.text


async def restored(fleet: Fleet, count: int, **pool: Any) -> list[str]:
    """Two workers that the store knows, and `count` machines of the time that it has forgotten, as listed; `pool`: as it is now."""
    await begun(fleet)
    mark_put_back(fleet.engine, fleet.clock.now_ms(), "The store was restored", salt=7)
    lost = of_lost_time(fleet, 7, count)
    await fleet.crash()
    made = pool_from_plain({**PLAIN, **pool})
    fleet.core.state.pools[made.name] = made
    await fleet.until(lambda: len(fleet.core.driver_notes["cloud"].unknown) == count, limit_s=60)
    return lost


async def test_a_restored_store_keeps_even_a_single_machine_that_it_does_not_know(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    await begun(fleet)
    mark_put_back(fleet.engine, fleet.clock.now_ms(), "The store was restored", salt=7)
    await fleet.crash()
    lost = of_lost_time(fleet, 7, 1)
    await asyncio.sleep(3600)
    assert set(fleet.machines()) == {"p-1-1", "p-1-2", *lost}
    assert not [call for call in fleet.calls.made if call[1] == "delete"]
    assert "cloud" not in fleet.core.state.frozen_drivers
    (said,) = troubles(fleet.core)
    assert said == (
        "Driver cloud lists 1 machine of a time that the store has forgotten. It is kept until you decide: run `herder admin sweep "
        "--driver cloud`."
    )
    assert fleet.events("driver.unknown_machines") == [said], "told once"
    await fleet.crash()
    await fleet.until(lambda: bool(troubles(fleet.core)), limit_s=60)


async def test_a_machine_of_a_later_plan_proves_that_the_store_is_older(make_fleet: MakeFleet) -> None:
    """Nobody has said that it was restored: a copied file, or the wrong database."""
    fleet = make_fleet()
    await begun(fleet)
    before = (fleet.core.state.next_plan, fleet.core.state.next_job)
    of_lost_time(fleet, 77, 2)
    await fleet.until(lambda: fleet.core.state.incarnation.number == 1, limit_s=60)
    state = fleet.core.state
    assert state.next_plan > 10_000 + before[0]
    assert state.next_job > 20_000_000
    assert state.incarnation.forgotten(77)
    assert not state.incarnation.forgotten(before[0] - 1)
    (told,) = fleet.events("store.put_back")
    assert "Driver cloud lists machine p-77-" in told
    await asyncio.sleep(3600)
    assert len(fleet.machines()) == 4
    assert len(fleet.events("store.put_back")) == 1
    await fleet.crash()
    assert fleet.core.state.next_plan >= state.next_plan
    assert fleet.core.state.incarnation == state.incarnation


async def test_what_is_left_over_of_the_known_time_goes_after_the_delay(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(sweep_delay_s=120.0)
    await begun(fleet)
    of_lost_time(fleet, 3, 1)
    await asyncio.sleep(110)
    assert "p-3-1" in fleet.machines()
    view = await sweep_view(fleet.core, "cloud", "ann")
    assert [(each.worker, each.held, each.next[:15]) for each in view.unknown] == [
        ("p-3-1", False, "It is removed i")
    ]
    await fleet.until(lambda: "p-3-1" not in fleet.machines(), limit_s=30)
    assert fleet.core.state.incarnation.number == 0


async def test_many_unknown_machines_freeze_the_driver_until_they_are_adopted(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await begun(fleet)
    await fleet.core.settle()
    mark_put_back(fleet.engine, fleet.clock.now_ms(), "The store was restored", salt=7)
    lost = of_lost_time(fleet, 7, 8)
    await fleet.crash()
    pool = pool_from_plain(PLAIN)
    fleet.core.state.pools[pool.name] = pool
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    assert "Run `herder admin sweep --driver cloud` to see them" in fleet.events("driver.frozen")[-1]
    await fleet.crash()
    fleet.core.state.pools[pool.name] = pool
    assert fleet.core.state.frozen_drivers["cloud"].by_sweep
    with pytest.raises(Conflict, match="were not listed since"):
        await decide(fleet, "adopt")
    view = await sweep_view(fleet.core, "cloud", "ann")
    assert [each.worker for each in view.unknown] == lost
    assert {each.not_adoptable for each in view.unknown} == {""}
    assert "were adopted" not in await decide(fleet, "adopt", dry_run=True)
    assert set(fleet.states()) == {"p-1-1", "p-1-2"}
    with pytest.raises(NotKnown, match="no unknown machine 'p-9-9'") as unknown:
        await decide(fleet, "adopt", "p-9-9")
    assert unknown.value.hint == "`herder admin sweep --driver cloud` shows those that it lists."
    assert await decide(fleet, "adopt", lost[0]) == (
        "1 machine of driver cloud is adopted. Driver cloud stays frozen, because 7 unknown machines remain, and the limit is 3. Adopt them "
        "too, or run `herder admin sweep --driver cloud --remove`."
    )
    assert "cloud" in fleet.core.state.frozen_drivers, "the sweep would freeze it again at once"
    assert await decide(fleet, "adopt") == "7 machines of driver cloud are adopted."
    assert "cloud" not in fleet.core.state.frozen_drivers
    assert [fleet.states()[name] for name in lost] == ["joining"] * 8
    assert len(fleet.events("worker.adopted")) == 8

    # Their agents come back with the tokens that they were started with.
    token = derived_token("s", f"activation/{lost[0]}")
    answer = await activate(fleet.core, token, ActivateRequest(nonce="n"))
    assert answer.token == derived_token("s", f"worker/{lost[0]}/n"), "as before the restore"
    assert fleet.core.state.workers[WorkerName(lost[0])].state is WorkerState.READY
    assert troubles(fleet.core) == []
    await asyncio.sleep(120)
    assert set(lost) <= set(fleet.machines())


async def test_a_person_removes_them_and_the_limit_does_not_count_it(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await begun(fleet)
    mark_put_back(fleet.engine, fleet.clock.now_ms(), "The store was restored", salt=7)
    of_lost_time(fleet, 7, 8)
    await fleet.crash()
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    text = await decide(fleet, "remove", dry_run=True)
    assert text == "8 unknown machines of driver cloud would be removed. What runs on them is lost."
    assert (
        await decide(fleet, "remove")
        == "8 unknown machines of driver cloud are removed. What runs on them is lost."
    )
    await fleet.until(lambda: fleet.machines() == ["p-1-1", "p-1-2"], limit_s=60)
    assert fleet.core.state.frozen_drivers == {}
    assert troubles(fleet.core) == []
    assert "no unknown machines" in await decide(fleet, "remove")


async def test_what_cannot_be_adopted_says_why(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await begun(fleet)
    mark_put_back(fleet.engine, fleet.clock.now_ms(), "The store was restored", salt=7)
    of_lost_time(fleet, 7, 1)
    await fleet.crash()
    await fleet.until(lambda: bool(troubles(fleet.core)), limit_s=60)
    told = await decide(fleet, "adopt")
    assert "Pool p does not exist." in told
    assert told.endswith("This applies to 1 machine: p-7-1.")
    for change, why in (
        ({"driver": "other"}, "Pool p uses driver other now."),
        ({"templates": [{**PLAIN["templates"][0], "name": "u"}]}, "Pool p no longer has template t."),
        ({"max_workers": 2}, "2 of 2 workers exist"),
    ):
        pool = pool_from_plain({**PLAIN, **change})
        fleet.core.state.pools[pool.name] = pool
        text = await decide(fleet, "adopt")
        assert text.startswith("0 machines of driver cloud are adopted, 1 cannot be adopted.")
        assert why in text
    assert "p-7-1" in fleet.machines()
    await fleet.decide("freeze", "cloud")
    with pytest.raises(Conflict, match="was frozen by ann"):
        await decide(fleet, "remove")


ROOM_OF_FIVE = (
    "3 machines of driver cloud {will} adopted, 5 cannot be adopted. Pool p cannot get 1 more worker: 5 of 5 workers exist, including those "
    "adopted now and those being drained. Raise max_workers with `herder apply`, or remove machines. This applies to 5 machines: p-7-4, "
    "p-7-5, p-7-6 and 2 more. Driver cloud stays frozen, because 5 unknown machines remain, and the limit is 3. Run `herder admin sweep "
    "--driver cloud --remove`."
)


async def test_a_dry_run_refuses_what_the_real_run_refuses(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    lost = await restored(fleet, 8, max_workers=5)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    view = await sweep_view(fleet.core, "cloud", "ann")
    assert [each.worker for each in view.unknown if not each.not_adoptable] == lost[:3]
    assert await decide(fleet, "adopt", dry_run=True) == ROOM_OF_FIVE.format(will="would be")
    assert await decide(fleet, "adopt") == ROOM_OF_FIVE.format(will="are")
    assert [fleet.states()[name] for name in lost] == ["joining"] * 3 + [""] * 5
    assert "cloud" in fleet.core.state.frozen_drivers
    none_left = await decide(fleet, "adopt", dry_run=True)
    assert none_left.startswith(
        "0 machines of driver cloud would be adopted, 5 cannot be adopted. Pool p cannot"
    )
    assert "5 of 5 workers exist, including those being drained." in none_left
    assert none_left.count("Pool p cannot get") == 1
    assert await decide(fleet, "remove", dry_run=True) == (
        "5 unknown machines of driver cloud would be removed. What runs on them is lost."
    )
    await decide(fleet, "remove")
    await fleet.until(lambda: len(fleet.machines()) == 5, limit_s=60)
    assert fleet.core.state.frozen_drivers == {}


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ({"max_live_workers": 3}, "Pool p cannot get 1 more worker: 3 of 3 live workers exist"),
        (
            {
                "templates": [{**PLAIN["templates"][0], "zones": [{"name": "a", "max_workers": 1}]}],
            },
            "Zone a of template t in pool p is at its limit: 1 of 1 workers exist, including those adopted now. Raise max_workers of the zone",
        ),
    ],
)
async def test_other_limits_of_a_pool_are_asked_too(
    make_fleet: MakeFleet, pool: dict[str, Any], says: str
) -> None:
    fleet = make_fleet()
    await restored(fleet, 2, **pool)
    tried = await decide(fleet, "adopt", dry_run=True)
    assert tried.startswith("1 machine of driver cloud would be adopted, 1 cannot be adopted.")
    assert says in tried
    done = await decide(fleet, "adopt")
    assert done == tried.replace("would be adopted", "is adopted")
    assert "cloud" not in fleet.core.state.frozen_drivers


async def test_a_frozen_driver_from_which_nothing_could_be_adopted_says_how_to_go_on(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    await restored(fleet, 8, max_workers=2)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    fleet.core.settings = replace(fleet.core.settings, removals_least=20)
    told = await decide(fleet, "adopt")
    assert told.endswith(
        "Driver cloud stays frozen, because no machine was adopted. Run `herder admin sweep --driver cloud --remove`, or `herder driver "
        "unfreeze cloud` to use the driver again."
    )
    assert "cloud" in fleet.core.state.frozen_drivers


async def test_one_machine_of_many_is_removed_before_the_driver_is_frozen_for_the_others(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    lost = await restored(fleet, 8)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    assert await decide(fleet, "remove", lost[0]) == (
        "1 unknown machine of driver cloud is removed. What runs on it is lost. 7 unknown machines remain, and the limit is 3, so the driver "
        "is frozen afterwards. Decide about the others too: run `herder admin sweep --driver cloud`."
    )
    await fleet.until(lambda: lost[0] not in fleet.machines(), limit_s=60)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    assert set(lost[1:]) <= set(fleet.machines())


async def test_unknown_agents_wait_while_a_person_decides_and_are_refused_otherwise(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    await begun(fleet)
    token = derived_token("s", "activation/p-7-1")
    with pytest.raises(Unauthenticated):
        invited(fleet.core, token)
    mark_put_back(fleet.engine, fleet.clock.now_ms(), "The store was restored", salt=7)
    of_lost_time(fleet, 7, 1)
    await fleet.crash()
    with pytest.raises(NotReady, match="it is not decided yet"):
        invited(fleet.core, token)
    await fleet.until(lambda: bool(troubles(fleet.core)), limit_s=60)
    with pytest.raises(NotReady):
        invited(fleet.core, token)
    await decide(fleet, "remove")
    with pytest.raises(Unauthenticated):
        invited(fleet.core, token)
    assert hash_token(token) not in fleet.core.directory.activations


async def test_agents_that_go_on_calling_are_told(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await begun(fleet)
    for turn in range(100):
        for token in ("stays", "stays too", *([] if turn else ["leaves"])):
            with pytest.raises(Unauthenticated):
                invited(fleet.core, token)
        await asyncio.sleep(5)
    (told,) = fleet.events("worker.unknown_agent")
    assert told.startswith("1 agent calls again and again with a token that belongs to no worker.")
    assert fleet.core.unknown_agents.calls == 201
    assert (await sweep_view(fleet.core, "cloud", "ann")).unknown_agents == 2
    assert set(fleet.states()) == {"p-1-1", "p-1-2"}
