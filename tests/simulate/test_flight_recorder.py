"""The flight recorder gives back what it was shown, whatever came in between, and what the planner made of it."""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import pytest

from bench.generated import generated_month
from herder.decide.plan.planner import decide
from herder.model.fleet.pool import Taint, Toleration
from herder.model.fleet.upkeep import Disruption, DisruptionBudget, Opening, TimeWindow
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, PlanNumber, UserName
from herder.model.planning.budgets import BudgetLeft, BudgetsLeft, UnpaidClass, bounded
from herder.model.planning.observed import Observed, ObservedWorker, QueuedClass, RunningClass
from herder.model.planning.plan import Plan
from herder.model.stored.records import ObservationRecord
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass
from herder.simulate.world.herder import Herder
from herder.simulate.world.offers import parse_template
from herder.store.rows.json_forms import plain_plan
from herder.store.writing import flight_recorder
from herder.store.writing.flight_recorder import BrokenRecord, Recorder, play
from tests.planning.world import NOW, observed, pool, template, worker
from tests.simulate.small import ran


def simulated() -> list[tuple[Observed, Plan]]:
    """Every observation of a simulation that grows and shrinks, recorded or not."""
    seen: list[tuple[Observed, Plan]] = []
    policy = Herder(idle_s=60)
    policy.on_plan = lambda observed, plan: seen.append((observed, plan))
    ran(generated_month(300, days=0.05, workers=20), (parse_template("cpu=32,memory=128,price=1.6"),), policy)
    assert len(seen) > 50
    return [
        (replace(observed, plan_number=PlanNumber(place)), plan)
        for place, (observed, plan) in enumerate(seen, 1)
    ]


def test_what_was_recorded_comes_back_and_is_decided_alike() -> None:
    recorder, shown = Recorder(), simulated()
    rows = [recorder.frame(observed, plan.made_at_ms) for observed, plan in shown]
    assert [played.observed for played in play(rows)] == [observed for observed, _ in shown]
    for played, (_, plan) in zip(play(rows), shown, strict=True):
        again = replace(decide(played.observed, played.now_ms), number=plan.number)
        if plan.empty:  # names of workers hold the number, which this test has changed
            assert msgspec.json.encode(plain_plan(again)) == msgspec.json.encode(plain_plan(plan))


def test_frames_hold_differences_and_begin_anew_at_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight_recorder, "FRAMES_MAX", 20)
    recorder, shown = Recorder(), simulated()
    rows = [recorder.frame(observed, plan.made_at_ms) for observed, plan in shown]
    whole = [place for place, row in enumerate(rows) if row.follows is None]
    assert whole[:1] == [0]
    assert len(whole) >= len(rows) // 20
    middle = rows[whole[-1] :]
    assert [each.observed for each in play(middle)] == [observed for observed, _ in shown[whole[-1] :]]
    assert all(row.size == len(row.body) for row in rows)
    with pytest.raises(BrokenRecord, match="builds on that of plan 1, which is missing"):
        list(play(rows[1:]))
    with pytest.raises(BrokenRecord, match="cannot be read"):
        list(play([rows[0]._replace(body="AAAA")]))


def random_observations(seed: int) -> list[Observed]:
    """Workers and classes come, change and go, with everything in them that can be."""
    draw = random.Random(seed)
    classes = [
        JobClass(
            user=UserName(f"u{number % 3}"),
            request=Resources(100 * number, 64, 0, number % 2),
            selector=(("zone", "a"),) * (number % 2),
            tolerations=(Toleration(key="gpu"),) * (number % 3),
            timeout_s=None if number % 2 else 1.5 * number,
        )
        for number in range(12)
    ]
    spec = pool("std", template("two"), taints=(Taint(key="gpu"),))
    workers: dict[str, ObservedWorker] = {}
    found = []
    for step in range(1, 40):
        for _ in range(draw.randint(0, 3)):
            made = worker(100 * step + draw.randint(1, 99), spec)
            workers[made.name] = made
        for name in [name for name in workers if draw.random() < 0.3]:
            if draw.random() < 0.3:
                del workers[name]
                continue
            running = tuple(
                RunningClass(
                    job_class=each, count=2, started_sum_ms=step, last_start_ms=step, ends_at_ms=None
                )
                for each in draw.sample(classes, draw.randint(0, 3))
            )
            state = draw.choice([WorkerState.READY, WorkerState.DRAINING])
            workers[name] = replace(
                workers[name], state=state, running=draw.choice([None, running]), free_slots=step
            )
        queued = tuple(
            QueuedClass(
                class_id=ClassId(number),
                job_class=classes[number],
                count=draw.randint(1, 3),
                oldest_ready_at_ms=step,
            )
            for number in sorted(draw.sample(range(12), draw.randint(0, 5)))
        )
        found.append(
            Observed(
                plan_number=PlanNumber(step),
                pools=(replace(spec, size=replace(spec.size, max_workers=step // 10)),),
                workers=tuple(workers.values()),
                workers_as_of_ms=step,
                demand=queued,
                demand_as_of_ms=None if step % 7 == 0 else step,
            )
        )
    return found


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_observed_comes_back(seed: int) -> None:
    recorder, shown = Recorder(), random_observations(seed)
    rows: list[ObservationRecord] = [recorder.frame(observed, 5) for observed in shown]
    assert [played.observed for played in play(rows)] == shown


def test_windows_budgets_and_agents_come_back() -> None:
    night = TimeWindow(cron="0 2 * * 6", timezone="Europe/Berlin", duration_s=3600.0)
    budgets = (
        DisruptionBudget(percent=10),
        DisruptionBudget(workers=0, reasons=(Disruption.EXPIRED,), window=night),
    )
    of = pool("std", maintenance_windows=(night,), disruption_budget=budgets, ttl_soft_s=3600.0)
    old = worker(
        1, pool("std", labels=(("disk", "ssd"),)), agent_version="1.0", ready_at_ms=NOW, extended=True
    )
    shown = replace(
        observed([of, pool("plain", disruption_budget=3)], [old]),
        openings=((of.name, (Opening(window=night, start_ms=NOW, end_ms=NOW + 1),)),),
        agent_version="2.0",
        agent_since_plan=PlanNumber(4),
        budgets=BudgetsLeft(
            quantum_ms=900_000,
            budgets=(
                BudgetLeft(name="burst", limit_cents=10**12, left=bounded(10**24), parent="all"),
                BudgetLeft(name="all", limit_cents=None, left=None),
            ),
            pools=((of.name, "burst"),),
        ),
        unpaid=(UnpaidClass(class_id=ClassId(3), count=2, budget="of-ann", limit_cents=9, left=-1, needs=7),),
    )
    (played,) = play([Recorder().frame(shown, NOW)])
    assert played.observed == shown
    assert decide(played.observed, NOW) == decide(shown, NOW)
