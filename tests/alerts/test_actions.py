"""Actions of alerts in the simulated world: jobs of low priority wait while a budget is nearly spent, jobs that are not critical stop, and all goes on when that has ended."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from herder.control.alerts import actions
from herder.control.loops import alerts as loop
from herder.control.reads.alert_readings import Sources
from herder.ledger.alerts.documented import COMPUTE, CPU_HOUR, TOKEN_BUDGET
from herder.ledger.alerts.raising import Resolved
from herder.ledger.alerts.readings import Reading
from herder.ledger.budgets.periods import FOREVER_MS
from herder.ledger.quantities import DAY_MS
from herder.model.planning.plan import ReasonKind
from herder.model.stored.changes import Changes
from herder.model.work.alerts import AlertRules
from herder.model.work.job import JobState
from herder.simulate.chaos import POOLS, World
from herder.store.rows.tables import attempts, events
from tests.simulation.fleet import states_of
from tests.simulation.test_account_budgets import running

LONG = {"cpu": 1, "memory": "1Gi", "sleep_ms": 3_600_000}


class Played(Sources):
    """What a test says is used, by policy; of the budget of user ann, and of the organisation."""

    used: dict[str, int]
    """Each test puts its own there."""
    ends_ms: int | None = None
    """Of the period. None: with the day."""

    async def readings(self, changes: Changes, now_ms: int) -> list[Reading]:
        day_ms = now_ms - now_ms % DAY_MS
        subjects = {TOKEN_BUDGET.id: "budget/of-ann", COMPUTE.id: ""}
        return [
            Reading(policy, subjects[policy], day_ms, self.ends_ms or day_ms + DAY_MS, now_ms, used, 100)
            for policy, used in self.used.items()
        ]


def play(story: Any, monkeypatch: Any, used: dict[str, int], **rules: Any) -> None:
    monkeypatch.setattr(Played, "used", used, raising=False)
    monkeypatch.setattr(loop, "Sources", Played)
    World(1, pools=POOLS[:1], core_settings={"alerts": AlertRules(**rules)}).run(story)


async def budget_of_ann(world: World) -> None:
    budget = {"scope": "user", "of": "ann", "limit": 100, "unit": "tokens", "period": "day"}
    await world.people.call(
        "root", "POST", "/apply", {"pools": [], "budgets": {"of-ann": budget}, "ahead": True}
    )


def recorded(world: World) -> list[str]:
    kinds = ("alert.action_started", "alert.action_ended", "alert.jobs_preempted")
    query = select(events.c.kind).where(events.c.kind.in_(kinds)).order_by(events.c.sequence)
    with world.engine.connect() as connection:
        return list(connection.execute(query).scalars())


def ended(world: World, *jobs: int) -> bool:
    return all(states_of(world).get(job) is JobState.SUCCEEDED for job in jobs)


def test_jobs_of_low_priority_wait_and_say_why_and_start_when_the_use_falls(monkeypatch: Any) -> None:
    used = {TOKEN_BUDGET.id: 90}

    async def story(world: World) -> None:
        await budget_of_ann(world)
        await world.until(lambda: world.core.state.restrictions is not None, 120, "it is in force")
        low = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=1_000, priority=-1)
        usual = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=1_000)
        other = await world.people.submit(user="bob", cpu=1, memory="1Gi", sleep_ms=1_000, priority=-1)
        await world.until(lambda: ended(world, usual, other), 300, "others run")
        await asyncio.sleep(60)
        assert states_of(world)[low] is JobState.READY
        plan = world.core.planning.last
        assert plan is not None
        (waits,) = [each for each in plan.unplaced if each.reason.kind is ReasonKind.ALERT]
        (alert,) = [each for each in world.core.ledger.alerts.alerts.values() if each.active]
        why = await world.people.call("ann", "GET", f"/jobs/{low}/explain")
        assert f"because of {alert.id} (token-budget-warning, defer low priority), until " in why["summary"]
        assert waits.count == 1
        used[TOKEN_BUDGET.id] = 10
        await world.until(lambda: ended(world, low), 120, "it starts")
        assert world.core.state.restrictions is None
        assert recorded(world) == ["alert.action_started", "alert.action_ended"]

    play(story, monkeypatch, used)


def test_a_period_without_an_end_is_planned_and_told_and_clean_up_jobs_start(monkeypatch: Any) -> None:
    used = {TOKEN_BUDGET.id: 90}
    monkeypatch.setattr(Played, "ends_ms", FOREVER_MS)

    async def story(world: World) -> None:
        await budget_of_ann(world)
        await world.until(lambda: world.core.state.restrictions is not None, 120, "it is in force")
        low = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=1_000, priority=-1)
        other = await world.people.submit(user="bob", cpu=1, memory="1Gi", sleep_ms=1_000)
        await world.until(lambda: ended(world, other), 300, "plans are made")
        why = await world.people.call("ann", "GET", f"/jobs/{low}/explain")
        assert "until the use falls" in why["summary"]
        ((restriction,), low_class) = (world.core.state.restrictions.all, next(iter(world.core.state.queues)))
        job_class = world.core.state.classes[low_class]
        assert restriction.binds(job_class)
        assert not restriction.binds(replace(job_class, always_run=True))

    play(story, monkeypatch, used)


def test_what_is_not_critical_is_preempted_and_goes_on_and_nothing_is_counted(monkeypatch: Any) -> None:
    used = {TOKEN_BUDGET.id: 10}

    async def story(world: World) -> None:
        await budget_of_ann(world)
        low = await world.people.submit(**LONG, priority=-1, attempts_max=1)
        usual, other = (
            await world.people.submit(**LONG),
            await world.people.submit(user="bob", **LONG, priority=-1),
        )
        await world.until(lambda: running(world, low, usual, other), 300, "all run")
        used[TOKEN_BUDGET.id] = 100
        await world.until(lambda: not running(world, low), 120, "it is stopped")
        await asyncio.sleep(120)
        assert states_of(world)[low] is JobState.READY
        assert running(world, usual, other)
        used[TOKEN_BUDGET.id] = 10
        await world.until(lambda: running(world, low), 120, "it goes on")
        with world.engine.connect() as connection:
            causes = connection.execute(select(attempts.c.cause).where(attempts.c.job_id == low)).scalars()
            assert list(causes)[:1] == ["preempted"]
        assert sorted(recorded(world)) == [
            *["alert.action_ended"] * 2, *["alert.action_started"] * 2, "alert.jobs_preempted",
        ]  # fmt: skip

    play(story, monkeypatch, used)


def test_very_many_are_stopped_in_parts(monkeypatch: Any) -> None:
    used = {TOKEN_BUDGET.id: 10}
    monkeypatch.setattr(actions, "STOPPED_AT_ONCE", 3)

    async def story(world: World) -> None:
        await budget_of_ann(world)
        jobs = [await world.people.submit(**LONG, priority=-1) for _ in range(8)]
        await world.until(lambda: running(world, *jobs), 600, "all run")
        used[TOKEN_BUDGET.id] = 100
        await world.until(lambda: not world.core.state.live, 120, "all are stopped")
        query = select(events.c.data).where(events.c.kind == "alert.jobs_preempted")
        with world.engine.connect() as connection:
            told = [json.loads(each)["jobs"] for each in connection.execute(query).scalars()]
        assert [len(each) for each in told] == [3, 3, 2]
        assert sorted(job for each in told for job in each) == sorted(jobs)

    play(story, monkeypatch, used)


def test_what_is_said_of_a_budget_ends_when_it_is_deleted_and_begins_anew_when_it_comes_back(
    monkeypatch: Any,
) -> None:
    used = {TOKEN_BUDGET.id: 90}

    async def story(world: World) -> None:
        await budget_of_ann(world)
        await world.until(lambda: world.core.state.restrictions is not None, 120, "it is in force")
        known = world.core.ledger.alerts
        (first,) = [each for each in known.alerts.values() if each.active]
        used.clear()
        await world.until(
            lambda: world.core.state.restrictions is None, 60, "it is gone, and its action ends"
        )
        assert (known.alerts[first.id].why_resolved, known.watches) == (Resolved.REMOVED, {})
        used[TOKEN_BUDGET.id] = 90
        await world.until(lambda: world.core.state.restrictions is not None, 60, "it is in force again")
        (second,) = [each for each in known.alerts.values() if each.active]
        assert (second.level, second.id != first.id) == (first.level, True)
        world.kill_server()
        await world.restart(1.0)
        await world.until(lambda: bool(world.core.ledger.alerts.watches), 60, "it goes on")
        await asyncio.sleep(60)
        assert [each.id for each in world.core.ledger.alerts.alerts.values() if each.active] == [second.id]

    play(story, monkeypatch, used)


def test_a_quarter_of_the_work_of_low_priority_runs(monkeypatch: Any) -> None:
    used = {COMPUTE.id: 240 * CPU_HOUR}

    async def story(world: World) -> None:
        await world.until(lambda: world.core.state.restrictions is not None, 120, "it is in force")
        for _ in range(8):
            await world.people.submit(**LONG, priority=-1)
        await world.until(lambda: len(world.core.state.live) == 2, 300, "two run")
        await asyncio.sleep(120)
        assert len(world.core.state.live) == 2
        used[COMPUTE.id] = 0
        await world.until(lambda: len(world.core.state.live) == 8, 600, "all run")

    play(story, monkeypatch, used)


def test_what_waits_still_waits_while_a_server_that_has_started_knows_no_reading_yet(
    monkeypatch: Any,
) -> None:
    used = {TOKEN_BUDGET.id: 90}

    async def story(world: World) -> None:
        await budget_of_ann(world)
        await world.until(lambda: recorded(world) == ["alert.action_started"], 120, "it begins")
        low = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=1_000, priority=-1)
        usual = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=1_000)
        known = asyncio.Event()

        async def late(_self: Sources, changes: Changes, now_ms: int) -> list[Reading]:
            await known.wait()
            used[TOKEN_BUDGET.id] = 10
            return await played(_self, changes, now_ms)

        played = Played.readings
        monkeypatch.setattr(Played, "readings", late)
        world.kill_server()
        await world.restart(1.0)
        await world.until(lambda: ended(world, usual), 300, "others run")
        await asyncio.sleep(60)
        assert states_of(world)[low] is JobState.READY
        known.set()
        await world.until(lambda: ended(world, low), 120, "it starts")

    play(story, monkeypatch, used)


def test_a_restart_begins_nothing_twice_and_what_is_not_to_be_carried_out_is_not(monkeypatch: Any) -> None:
    used = {TOKEN_BUDGET.id: 90}

    async def story(world: World) -> None:
        await budget_of_ann(world)
        await world.until(lambda: recorded(world) == ["alert.action_started"], 120, "it begins")
        state = world.core.state
        again = loop.Actions(world.core)
        await again.restore()
        changes = Changes()
        with world.core.change(changes):
            again.carry_out(changes, world.core.clock.now_ms())
        assert changes.empty
        rules = replace(world.core.settings.alerts, carry_out=())
        world.core.settings = replace(world.core.settings, alerts=rules)
        await world.until(lambda: state.restrictions is None, 120, "it ends")

    play(story, monkeypatch, used)
