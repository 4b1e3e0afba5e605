"""A trigger that raises, seen by users: jobs of other pools run, `herder plan` answers, and it is told once and counted."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from herder.control.reads.metrics import metrics_text
from herder.decide.scaling import limits, triggers
from herder.decide.scaling.proposals import TriggerResult
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import UserName
from herder.model.permissions import Principal, Role
from herder.model.work.job import JobState
from herder.simulate.chaos import POOLS, World
from herder.store.rows import tables as t
from tests.simulation.fleet import states_of

TWO = (replace(POOLS[0], size=replace(POOLS[0].size, max_workers=1)), replace(POOLS[0], name="broken"))
ROOT = Principal(user=UserName("root"), role=Role.ADMINISTRATOR)


class Fails:
    """One that is wrong about the pool `broken`."""

    def concerns(self, _spec: PoolSpec) -> bool:
        return True

    def ask(self, view: PoolView, *_: object) -> Any:
        if view.spec.name == "broken":
            raise ZeroDivisionError("division by zero")
        return TriggerResult()

    def keeps(self, *_: object) -> None:
        return None


@pytest.mark.failing_trigger
def test_other_pools_go_on_and_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(triggers, "POOL_TRIGGERS", (*triggers.POOL_TRIGGERS, Fails()))

    async def story(world: World) -> None:
        job = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=2000, pool=POOLS[0].name)
        await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, 200, "it ran")
        plan = await world.people.call("root", "GET", "/plans/next")
        (reasons,) = [each["reasons"] for each in plan["pools"] if each["pool"] == "broken"]
        assert [each["kind"] for each in reasons] == ["trigger_failed"]
        assert "ZeroDivisionError: division by zero" in reasons[0]["text"]
        await asyncio.sleep(30)
        with world.engine.connect() as connection:
            kinds = connection.execute(select(t.events.c.kind, func.count()).group_by(t.events.c.kind)).all()
        told = {row[0]: row[1] for row in kinds}
        assert told["trigger.failed"] == 1
        assert "loop.failed" not in told
        assert world.core.planning.faults.counts["broken", "Fails"] > 20
        text = metrics_text(world.core, ROOT).decode()
        found = re.findall(r'trigger_failures_total\{pool="([^"]+)",trigger="Fails"\} (\S+)', text)
        assert sorted(pool for pool, _ in found) == sorted(["broken", POOLS[0].name])
        assert {pool for pool, times in found if times == "0.0"} == {POOLS[0].name}, "an alert sees the first"

    World(pools=TWO).run(story)
    assert sum("Trigger Fails of pool broken failed" in each.getMessage() for each in caplog.records) == 1


@pytest.mark.failing_trigger
def test_a_pool_whose_planning_raises_stops_no_other_pool(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual = limits.growth_limit

    def growth_limit(view: PoolView, *rest: Any) -> Any:
        if view.spec.name == "broken":
            raise ZeroDivisionError("division by zero")
        return usual(view, *rest)

    monkeypatch.setattr(limits, "growth_limit", growth_limit)

    async def story(world: World) -> None:
        job = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=2000, pool=POOLS[0].name)
        await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, 200, "it ran")
        await asyncio.sleep(30)
        why = await world.people.call("root", "GET", "/pools/broken/why")
        assert "Planning step limits of pool broken failed" in why["facts"][0]["text"]
        with world.engine.connect() as connection:
            kinds = connection.execute(select(t.events.c.kind, func.count()).group_by(t.events.c.kind)).all()
        told = {row[0]: row[1] for row in kinds}
        assert told["trigger.failed"] == 1
        assert "loop.failed" not in told
        assert world.core.planning.faults.counts["broken", "limits"] > 20

    World(pools=TWO).run(story)
    assert sum("Planning step limits of pool broken" in each.getMessage() for each in caplog.records) == 1
