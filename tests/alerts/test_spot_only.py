"""The action spot_only: while the budget of a pool is nearly spent it gets spot workers only, and the plan says why."""

from dataclasses import replace
from typing import Any

from herder.control.reads.alert_readings import Sources
from herder.decide.plan.planner import decide
from herder.ledger.alerts.documented import POOL_BUDGET
from herder.ledger.alerts.readings import Reading
from herder.ledger.quantities import DAY_MS
from herder.model.fleet.pool import SpotUse
from herder.model.planning.budgets import SpotOnly
from herder.model.planning.plan import ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.model.work.alerts import CARRIED_OUT, AlertRules
from herder.simulate.chaos import POOLS, World
from tests.planning.world import NOW, creations, observed, pool, queued, template
from tests.simulation.test_budgets import apply, budget

STEADY = replace(POOLS[0].templates[0], name="steady", price_pico_per_hour=PicoUsd(PICO_PER_USD // 10))
DEAR = PicoUsd(PICO_PER_USD // 5)
TAKEN_BACK = replace(
    STEADY, name="taken-back", spot=SpotUse.YES, price_pico_per_hour=DEAR, spot_price_pico_per_hour=DEAR
)
POOL = replace(POOLS[0], templates=(STEADY, TAKEN_BACK))


def test_only_offers_of_spot_are_used_where_there_are_some() -> None:
    both = pool("both", template("steady", price=1), template("cheap", price=9, spot=SpotUse.YES))
    none = pool("none", template("steady", price=1))
    world = observed([both, none], [], [queued(1, 1, pool="both"), queued(2, 1, pool="none")])
    told = tuple(
        SpotOnly(pool=each.name, alert="alert-1", policy="pool-budget", until_ms=None)
        for each in (both, none)
    )
    plan = decide(replace(world, spot_only=told), NOW)
    assert sorted((each.spec.pool, each.spec.spot) for each in creations(plan)) == [
        ("both", True),
        ("none", False),
    ]
    said = [
        reason.text for report in plan.pools for reason in report.reasons if reason.kind is ReasonKind.ALERT
    ]
    assert said == [
        "Pool both creates only spot workers because of alert-1 (pool-budget, spot only), until the use falls."
    ]
    assert [each.spec.spot for each in creations(decide(world, NOW))] == [False, False]


def test_it_begins_and_ends_with_the_alert_and_a_restart_changes_nothing(monkeypatch: Any) -> None:
    used = {"percent": 80}

    async def readings(_self: Sources, changes: Changes, now_ms: int) -> list[Reading]:
        day_ms = now_ms - now_ms % DAY_MS
        return [
            Reading(POOL_BUDGET.id, "budget/burst", day_ms, day_ms + DAY_MS, now_ms, used["percent"], 100)
        ]

    async def story(world: World) -> None:
        await apply(world, budget("1000"))
        await world.until(lambda: bool(world.core.state.spot_only), 120, "it is in force")
        (first,) = world.core.state.spot_only
        assert (first.pool, first.policy) == ("std", "pool-budget")
        assert first.until_ms is not None
        assert first.alert in world.core.ledger.alerts.alerts
        await world.people.submit(cpu=2, sleep_ms=600_000)
        await world.until(lambda: len(world.core.state.workers) == 1, 120, "a worker is created")
        (worker,) = world.core.state.workers.values()
        assert worker.spec.spot
        world.kill_server()
        await world.restart(1.0)
        assert [each.pool for each in world.core.state.spot_only] == ["std"]
        used["percent"] = 10
        await world.until(lambda: not world.core.state.spot_only, 120, "it has ended")
        await world.people.submit(cpu=2, sleep_ms=600_000)
        await world.until(lambda: len(world.core.state.workers) == 2, 120, "another is created")
        assert sorted(each.spec.spot for each in world.core.state.workers.values()) == [False, True]

    monkeypatch.setattr(Sources, "readings", readings)
    World(1, pools=(POOL,), core_settings={"alerts": AlertRules(carry_out=CARRIED_OUT)}).run(story)


def test_it_is_not_carried_out_unless_the_settings_say_so() -> None:
    assert "spot_only" in CARRIED_OUT
    assert "spot_only" not in AlertRules().carry_out
