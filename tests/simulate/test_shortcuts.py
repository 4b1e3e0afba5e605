"""What the simulator and placement leave out because nothing can come of it: with it or without it, the decisions are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.generated import generated_month
from herder.decide.packing.pack import Bin, ItemGroup, pack
from herder.decide.placement import place
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.planning.observed import Observed, QueuedClass
from herder.model.planning.plan import Plan
from herder.model.stored.changes import Changes
from herder.model.values.resources import Resources
from herder.scheduler.placement import Placer
from herder.simulate.traces import read_trace
from herder.simulate.traces.trace import Trace
from herder.simulate.world.herder import Herder
from herder.simulate.world.offers import SimTemplate, cores, parse_template
from tests.simulate.small import EXCERPTS, WatchedWorld, ran

WIDE = (parse_template("cpu=32,memory=128,price=1.6"),)


def metacentrum() -> Trace:
    return read_trace(EXCERPTS / "metacentrum.csv.gz", limit=300)


def outcome(world: WatchedWorld) -> tuple[object, ...]:
    return world.starts, [
        (each.number, each.template, each.requested_s, each.closed_s) for each in world.closed
    ]


class Plans:
    """A policy, and what its planner said: every plan that does something."""

    def __init__(self, *, everything: bool, policy: Herder | None = None) -> None:
        self.policy, self.made, self.asked = policy or Herder(idle_s=300), list[Plan](), 0
        self.policy.plans_always = self.policy.calibrates = everything
        self.policy.on_plan = self.note

    def note(self, observed: Observed, plan: Plan) -> None:
        self.asked += 1
        if not plan.empty:
            self.made.append(plan)


@pytest.mark.parametrize(
    ("trace", "templates"),
    [
        (metacentrum(), (cores(64), cores(16, 0.3))),
        (read_trace(EXCERPTS / "surf.csv.gz", limit=1500), (cores(128),)),
        (generated_month(600, days=0.06, workers=40, seed=3), WIDE),
        (
            generated_month(250, days=0.03, workers=25, seed=4),
            (parse_template("cpu=32,memory=128,price=1.6,max=15"),),
        ),
    ],
    ids=["two templates", "wide", "many classes", "at the limit"],
)
def test_plans_that_are_not_asked_for_would_have_done_nothing(
    trace: Trace, templates: tuple[SimTemplate, ...]
) -> None:
    """Also: whether expectations are noted for ETAs changes nothing."""
    some, every = Plans(everything=False), Plans(everything=True)
    assert outcome(ran(trace, templates, some.policy)) == outcome(ran(trace, templates, every.policy))
    assert some.made == every.made
    assert some.asked < every.asked


def test_a_pool_that_may_neither_grow_nor_shrink_is_hardly_planned() -> None:
    trace = generated_month(120, days=0.02, workers=6, seed=6)
    fixed = [Herder(idle_s=0, min_workers=3, max_workers=3) for _ in range(2)]
    some, every = Plans(everything=False, policy=fixed[0]), Plans(everything=True, policy=fixed[1])
    assert outcome(ran(trace, WIDE, some.policy)) == outcome(ran(trace, WIDE, every.policy))
    assert some.made == every.made
    assert some.asked < every.asked / 3


@pytest.mark.parametrize("templates", [WIDE, (cores(64), cores(16, 0.3))], ids=["one", "two"])
def test_a_job_that_waits_alone_gets_the_same_worker_by_the_long_way(
    templates: tuple[SimTemplate, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = generated_month(900, days=0.2, workers=12, seed=5)
    short = outcome(ran(trace, templates, Herder()))
    taken = 0

    def the_long_way(
        self: Placer,
        state: EngineState,
        changes: Changes,
        pending: list[QueuedClass],
        workers: list[WorkerLife],
        now_ms: int,
    ) -> None:
        nonlocal taken
        taken += 1
        (item,) = pending
        request, left, first = item.job_class.request, item.count, []
        roomy = [worker for worker in workers if request.fits_in(worker.free)]
        for worker in self.fill_order.longest_first(state, roomy, now_ms):
            first.append(worker)
            left -= min(worker.free_slots, request.how_many_in(worker.free))
            if left <= 0:
                break
        if first:
            self._fill(state, changes, first, now_ms)
        else:
            self._nothing_fits(state, pending)

    monkeypatch.setattr(Placer, "_fill_with", the_long_way)
    monkeypatch.setattr(place, "_all_of_one", lambda queued, workers, pools: None)
    assert outcome(ran(trace, templates, Herder())) == short
    assert taken > 100


SIZES = st.builds(Resources, st.integers(0, 9), st.integers(0, 9), st.integers(0, 2), st.integers(0, 1))


@given(
    size=SIZES.filter(any),
    count=st.integers(0, 40),
    allowed=st.sampled_from([None, frozenset({0}), frozenset({1}), frozenset({0, 1})]),
    bins=st.lists(
        st.tuples(
            st.integers(0, 1), SIZES.map(lambda free: free.times(3)), st.integers(0, 6), st.integers(1, 4)
        ),
        max_size=8,
    ),
)
def test_one_group_alone_is_packed_as_beside_others(
    size: Resources, count: int, allowed: frozenset[int] | None, bins: list[tuple[int, Resources, int, int]]
) -> None:
    targets = [
        Bin(key=key, kind=kind, free=free, slots=slots, count=copies)
        for key, (kind, free, slots, copies) in enumerate(bins)
    ]
    item = ItemGroup(key=5, size=size, count=count, allowed=allowed)
    nobody = ItemGroup(key=6, size=size, count=0, allowed=allowed)
    alone, beside = pack([item], targets), pack([item, nobody], targets)
    assert alone.unplaced == beside.unplaced
    assert each(alone.placed) == each(beside.placed)


def each(placed: tuple[object, ...]) -> dict[tuple[int, int], int]:
    """By bin and copy, how many it takes: runs of equal copies may be written in more than one way."""
    found: dict[tuple[int, int], int] = {}
    for packed in placed:
        for copy in range(packed.first_copy, packed.first_copy + packed.copies):  # type: ignore[attr-defined]
            found[packed.bin_key, copy] = packed.count  # type: ignore[attr-defined]
    return found
