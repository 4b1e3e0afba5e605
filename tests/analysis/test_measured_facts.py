"""From measured use to facts and recommendations; costs of shapes sum to the ledger; what explains a change sums to it; what was saved by attempt."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.analysis.optimisation.facts import Size, Tasks, Timing
from herder.analysis.optimisation.outcomes import Period, monthly, saved
from herder.analysis.optimisation.recommendations import Kind as Rule
from herder.analysis.optimisation.recommendations import Rules
from herder.control.costs.recommendation_states import still_approved
from herder.control.reads.costs import measured_facts
from herder.control.reads.costs.explained_change import DIMENSIONS, USUAL_DAYS, explained_change
from herder.control.reads.costs.measured_facts import (
    Shape,
    Use,
    costs,
    days_known,
    facts,
    paid,
    peak_hours,
    uses_by_day,
)
from herder.control.reads.costs.measured_facts import uses as merged
from herder.control.reads.costs.recommending import Found, changed, found_in
from herder.ledger.lines import COST, Kind, Line, Payer, Place
from herder.ledger.quantities import DAY_MS
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.store.rows.measured_use import Asked, Measured

USD, HOUR_MS = 10**12, 3_600_000


#: Of which nothing was measured.
UNKNOWN = {"cpu_ran_ms": 0, "cpu_ms": 0, "cpu_peak_milli": 0, "memory_peak_mib": 0}


def uses(rows: Iterable[Measured]) -> dict[Shape, Use]:
    return merged(uses_by_day(rows).values())


def row(day: int = 0, hour: int = 9, **changes: Any) -> Measured:
    """An hour of a quarter of 4 cores, with three quarters of its memory; `changes`: of it, and of what was asked for."""
    asked = Asked("ml", "ann", 4000, 8192, 0, 0, "")
    of_it = {name: changes.pop(name) for name in list(changes) if name in Asked._fields}
    known = Measured(
        day * DAY_MS, hour, asked._replace(**of_it), "std", 1, HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, 1000, 6000
    )  # fmt: skip
    return known._replace(**changes)


def line(day: int, pico: int | None, user: str = "ann", kind: Kind = Kind.WORKLOAD) -> Line:
    return Line(
        "2026-11", day * DAY_MS, "", COST, kind, Payer("d", "ml", user), Place(pool="std"), "machine", "", 1, "r", pico
    )  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 64_000), st.integers(0, 10**6), st.integers(0, 8), st.integers(1, 10**9)),
        min_size=1,
    ),
    st.integers(0, 10**20),
    st.integers(1, 30),
)
def test_shapes_cost_what_the_ledger_says_and_not_more(
    shapes: list[tuple[int, int, int, int]], pico: int, days: int
) -> None:
    used = uses(row(cpu_milli=cpu, memory_mib=memory, gpu=gpu, held_ms=ms) for cpu, memory, gpu, ms in shapes)
    found = costs(used, {("ml", "ann", "std"): pico}, days)
    total = sum(each.pico for each in found.values())
    month = pico * 30 // days
    assert total <= month
    if any(sum(shape.weights(use.held_ms)) for shape, use in used.items()):
        assert total > month - len(used) - 1
    for shape, each in found.items():
        assert 0 <= each.cpu_pico + each.memory_pico <= each.pico + 1, shape


def test_of_dear_gpus_the_cores_cost_no_more_than_at_list_rates() -> None:
    used = uses([row(cpu_milli=1000, memory_mib=0, gpu=1)])
    (found,) = costs(used, {("ml", "ann", "std"): 100 * USD}, 30).values()
    assert (found.pico, found.cpu_pico) == (100 * USD, USD // 20)


def test_what_was_not_measured_is_unknown() -> None:
    used = uses(row(day, **UNKNOWN) for day in range(20))
    ((shape, use),) = used.items()
    size, tasks, timing = (fact for _, _, fact in facts(used, costs(used, {}, 30), 30, peak_hours(used)))
    assert isinstance(size, Size)
    assert isinstance(tasks, Tasks)
    assert isinstance(timing, Timing)
    assert (size.cpu_percent, size.memory_percent) == ((), ())
    assert (size.cpu_peak_milli, size.memory_peak_mib) == (None, None)
    assert (tasks.tolerant, timing.deferrable, use.may_wait) == (None, None, None)
    accounts = {shape.account: 1000 * USD}
    assert found_in(used, accounts, 30, Rules()) == []


def recommended(rows: list[Measured], pico: int = 1000 * USD) -> list[Found]:
    return found_in(uses(rows), {("ml", "ann", "std"): pico}, 30, Rules())


def test_too_large_requests_are_cut_to_the_peak_and_its_margin() -> None:
    rows = [row(day, cpu_peak_milli=2500, memory_peak_mib=3000, type="train") for day in range(14)]
    cpu, memory = recommended(rows)
    assert (cpu.recommendation.action, memory.recommendation.action) == ("cpu 3000m", "memory 4928Mi")
    assert (
        cpu.how
        == "herder job submit --type train --project ml --pool std --cpu 3000m --memory 8192Mi -- COMMAND"
    )
    assert recommended(rows[1:]) == [], "13 days are too few"
    busy = [*rows[:-1], row(13, cpu_ms=2 * HOUR_MS)]
    assert recommended(busy) == [], "on one day half of it was used"


def test_many_short_tasks_that_may_wait_are_packed() -> None:
    def rows(priority: int) -> list[Measured]:
        return [
            row(day, hour, attempts=30, held_ms=100_000, ran_ms=50_000, priority=priority, **UNKNOWN)
            for day in range(30)
            for hour in range(24)
        ]

    found = {each.recommendation.action: each for each in recommended(rows(-1))}
    assert {"batches_of_10", "hourly"} & found.keys() == {"batches_of_10"}, "the better one of both"
    assert found["batches_of_10"].recommendation.saving_pico == 500 * USD
    assert recommended(rows(0)) == [], "it is unknown whether they may wait"


def test_low_priorities_at_the_peak_of_a_pool_go_elsewhere() -> None:
    others = [row(day, hour, user="bob", **UNKNOWN) for day in range(30) for hour in range(24)]
    peak = [row(day, attempts=9, priority=-1, **UNKNOWN) for day in range(30)]
    (found,) = (each for each in recommended([*others, *peak]) if each.recommendation.kind is Rule.SCHEDULE)
    assert (found.shape.user, found.recommendation.action, found.recommendation.saving_pico) == ("ann", "off_peak", 0)  # fmt: skip
    night = [row(day, hour, priority=-1, **UNKNOWN) for day in range(30) for hour in range(24)]
    assert recommended([*others, *night]) == []


def test_rows_follow_the_facts_until_they_are_carried_out() -> None:
    rows = [row(day, cpu_peak_milli=2500) for day in range(14)]
    (found,) = recommended(rows)
    (record,) = changed({}, [found], 5)
    assert (record.state, record.found_ms) == ("open", 5)
    known = {record.id: record}
    assert list(changed(known, [found], 9)) == [], "nothing is written without a change"
    (dearer,) = recommended(rows, 2000 * USD)
    (kept,) = changed({record.id: record}, [dearer], 9)
    assert (kept.state, kept.found_ms) == ("open", 5)
    assert int(kept.saving_pico) > int(record.saving_pico)
    (gone,) = changed(known, [], 9)
    assert (gone.state, gone.closed_ms) == ("withdrawn", 9)
    begun: RecommendationRecord = record._replace(state="pilot", begun_ms=6)
    assert list(changed({record.id: begun}, [dearer], 9)) == []
    assert list(changed({record.id: begun}, [], 9)) == []
    (again,) = changed({record.id: gone}, [found], 12)
    assert (again.state, again.found_ms, again.closed_ms) == ("open", 12, None)


def test_an_approval_ends_with_what_was_approved() -> None:
    rows = [row(day, cpu_peak_milli=2500) for day in range(14)]
    (found,) = recommended(rows)
    (record,) = changed({}, [found], 5)
    approved = record._replace(
        state="approved", approved_by="coo", approved_ms=6, approved_pico=record.saving_pico
    )

    def state(paid: int, **more: Any) -> str:
        (other,) = recommended(rows, paid * USD)
        (kept,) = changed({record.id: approved}, [other._replace(**more)], 9)
        assert (kept.approved_by, kept.approved_ms, kept.approved_pico) == ("coo", 6, record.saving_pico)
        return kept.state

    assert [state(paid) for paid in (500, 1100, 1101, 2000)] == ["approved", "approved", "open", "open"]
    assert state(1000, how="herder job submit --pool other -- COMMAND") == "open"
    little = [(saving, str(saving)) for saving in (-100, 0, 100, 110, 111)]
    of = approved._replace(approved_pico="100")
    assert [still_approved(of, of._replace(saving_pico=text)) for _, text in little] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_only_work_on_machines_with_a_price_is_paid() -> None:
    lines = [line(3, 5), line(4, None), line(5, 7, kind=Kind.METERED), line(6, 8, user="bob")]
    assert paid(lines) == {("ml", "ann", "std"): 5, ("ml", "bob", "std"): 8}
    assert days_known(lines, 0, 10 * DAY_MS) == 7
    assert days_known([], 0, 10 * DAY_MS) == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, USUAL_DAYS), st.integers(-(10**15), 10**15), st.sampled_from(["ann", "bob", ""])
        )
    )
)
def test_each_dimension_explains_exactly_the_change(rows: list[tuple[int, int, str]]) -> None:
    found = explained_change([line(day, pico, user) for day, pico, user in rows], USUAL_DAYS * DAY_MS)
    assert {each.dimension for each in found.by} == set(DIMENSIONS)
    nearest = Decimal(len(rows) + 1) / 10**12
    for each in found.by:
        total = sum(Decimal(group.change_usd) for group in each.groups)
        assert abs(total - Decimal(found.change_usd)) <= nearest
    usual = sum(pico for day, pico, _ in rows if day < USUAL_DAYS)
    assert abs(Decimal(found.usual_usd) - Decimal(usual) / USUAL_DAYS / 10**12) <= Decimal(1) / 10**12


def test_a_change_is_explained_by_who_changed() -> None:
    lines = [line(day, 70, user) for day in range(7) for user in ("ann", "bob")]
    found = explained_change([*lines, line(7, 70), line(7, 700, "bob")], 7 * DAY_MS)
    assert (found.by[0].dimension, found.by[0].explains, found.by[0].named) == ("user", True, 1)
    assert found.by[0].groups[0].group == "bob"
    assert not any(each.explains for each in found.by[1:])
    assert explained_change([line(7, None)], 7 * DAY_MS).unpriced


def test_what_was_saved_is_of_the_same_work() -> None:
    before = Period(30, 3000, 300)
    assert saved(before, Period(10, 500, 100)) == 500, "half of the cost of an attempt"
    assert saved(before, Period(10, 500, 50)) == 0, "half of the work for half of the money"
    assert saved(before, Period(10, 700, 50)) == -200
    assert saved(before, Period(10, 0, 0)) is None
    assert saved(Period(30, 0, 0), Period(10, 500, 100)) is None
    assert monthly(500, 10) == 1500


def test_targets_are_named_by_what_they_request() -> None:
    assert Shape("ml", "ann", "std", 500, 512, 0).target == "ml/ann/std/500m-512Mi"
    assert Shape("ml", "ann", "std", 500, 512, 2).target.endswith("512Mi-2gpu")


def test_of_many_shapes_those_that_request_most_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_facts, "SHAPES_MAX", 2)
    found = uses(row(cpu_milli=cpu) for cpu in (1000, 3000, 2000))
    assert {shape.cpu_milli for shape in found} == {2000, 3000}
