"""A trigger written from docs/how-to/add-a-trigger.md: a module and a name in one list, and all of the planner heeds it."""

from dataclasses import replace

import pytest

from herder.decide.planner import decide
from herder.decide.scaling import triggers
from herder.decide.scaling.load import Load
from herder.decide.scaling.scene import PoolView
from herder.decide.scaling.wish import Answer, Ask
from herder.model.plan import CreateWorker, DrainWorker, Reason, ReasonKind
from herder.model.pool import PoolSpec
from herder.model.resources import Resources
from tests.planning.world import MINUTE, NOW, applied, observed, pool, worker

LABEL = "team-size"


class Team:
    """As many workers as the label of the pool says there are people in the team."""

    def concerns(self, spec: PoolSpec) -> bool:
        return LABEL in dict(spec.labels)

    def ask(self, view: PoolView, load: Load, _size: Resources, _now_ms: int) -> Answer:
        missing = _wanted(view) - load.workers
        return Answer(
            asks=(Ask(pool=view.spec.name, count=missing, reason=_reason(view)),) if missing > 0 else ()
        )

    def keeps(self, view: PoolView, load: Load) -> Reason | None:
        return _reason(view) if load.workers < _wanted(view) else None


def _wanted(view: PoolView) -> int:
    return int(dict(view.spec.labels)[LABEL])


def _reason(view: PoolView) -> Reason:
    text = f"pool {view.spec.name} wants a worker for each of {_wanted(view)} people"
    return Reason(kind=ReasonKind.REQUESTED, text=text, evidence=(("flips", f"a lower {LABEL}"),))


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "POOL_TRIGGERS", (*triggers.POOL_TRIGGERS, Team()))


SPEC = replace(pool(), labels=((LABEL, "3"),), max_workers=10, idle_timeout_s=60.0)


def test_it_makes_workers_once() -> None:
    seen = observed([SPEC])
    plan = decide(seen, NOW)
    assert [action.reason.kind for action in plan.actions if isinstance(action, CreateWorker)] == [
        ReasonKind.REQUESTED
    ] * 3
    assert decide(applied(seen, plan), NOW).empty


def test_scale_down_leaves_it_its_workers_and_says_for_what() -> None:
    idle = [worker(number, SPEC, idle_since_ms=NOW - 60 * MINUTE) for number in range(5)]
    plan = decide(observed([SPEC], idle), NOW)
    assert sum(isinstance(action, DrainWorker) for action in plan.actions) == 2
    assert any("3 people" in reason.text for reason in plan.pools[0].reasons)


def test_a_pool_that_does_not_ask_for_it_is_left_alone() -> None:
    assert decide(observed([pool()]), NOW).empty
