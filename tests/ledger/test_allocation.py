"""Idle cost and overhead shared out to payers: nothing is lost, nobody pays twice, and nobody is an answer too."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.allocation import NOBODY, TIERS, Allocation, Method, Tier, Weights, allocated, tiered
from herder.ledger.cents import PICO_PER_CENT, cents, dollars, shown
from herder.ledger.lines import COST, Kind, Line, Payer, Place, sums_by
from herder.model.values.money import PICO_PER_USD

USD = PICO_PER_USD
MONTHS = {"2026-10": 1_790_812_800_000, "2026-11": 1_793_491_200_000}
PAYERS = [Payer("research", "alpha", "ann"), Payer("research", "beta", "bob"), Payer("sales", "gamma", "cy")]


def line(kind: Kind, pico: int | None, payer: Payer = NOBODY, pool: str = "burst", **more: object) -> Line:
    month = str(more.get("period", "2026-11"))
    one = Line(
        month, MONTHS[month], "", COST, kind, payer, Place(pool, "w-1", "small", "gcp", "z", "spot"), "machine", "", 1_000, "5", pico
    )  # fmt: skip
    return one._replace(**more)  # type: ignore[arg-type]


picos = st.integers(min_value=-(10**6), max_value=10**18)
lines = st.builds(
    line,
    st.sampled_from([Kind.WORKLOAD, Kind.IDLE, Kind.OVERHEAD]),
    picos | st.none(),
    st.sampled_from([NOBODY, *PAYERS]),
    st.sampled_from(["burst", "gpu", "spot"]),
    period=st.sampled_from(sorted(MONTHS)),
    day_ms=st.integers(0, 60).map(lambda day: 1_790_812_800_000 + day * 86_400_000),
    quantity=st.integers(min_value=0, max_value=10**12),
    resource=st.sampled_from(["machine", "cpu"]),
)
hows = st.builds(
    Allocation, method=st.sampled_from(Method), owners=st.dictionaries(st.sampled_from(["burst", "gpu"]), st.sampled_from(PAYERS))
)  # fmt: skip


def out(given_lines: Iterable[Line], how: Allocation) -> list[Line]:
    found = list(given_lines)
    return list(allocated(found, Weights.of(found), how))


@given(st.lists(lines, max_size=30), hows)
def test_sums_of_all_groups_but_the_payers_stay(found: list[Line], how: Allocation) -> None:
    made = out(found, how)
    groups = ("period", "pool", "resource", "day_ms")
    for count in range(len(groups) + 1):
        for group in combinations(groups, count):
            before, after = sums_by(found, *group), sums_by(made, *group)
            assert {key: each.pico for key, each in after.items() if each.pico} == {
                key: each.pico for key, each in before.items() if each.pico
            }
    for group in combinations(("division", "project", "user", "pool"), 2):
        assert sum(each.pico for each in sums_by(made, *group).values()) == sum(
            each.pico or 0 for each in found
        )
    assert sum(each.quantity for each in made) == sum(each.quantity for each in found)


@given(st.lists(lines, max_size=30), hows, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(found: list[Line], how: Allocation, random: object) -> None:
    mixed = list(found)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert sorted(out(found, how), key=repr) == sorted(out(mixed, how), key=repr)


@given(st.lists(lines, max_size=30), hows, st.integers(0, 61))
def test_parts_of_a_month_sum_to_the_month(found: list[Line], how: Allocation, day: int) -> None:
    weights, cut = Weights.of(found), 1_790_812_800_000 + day * 86_400_000
    whole = sums_by(allocated(found, weights, how), "project", "user")
    early = sums_by(allocated([each for each in found if each.day_ms < cut], weights, how), "project", "user")
    late = sums_by(allocated([each for each in found if each.day_ms >= cut], weights, how), "project", "user")
    for key, each in whole.items():
        assert each.pico == sum(part[key].pico for part in (early, late) if key in part)


@pytest.mark.parametrize(
    ("method", "shares"),
    [
        (Method.PROPORTIONAL, {"alpha": 7_500, "beta": 2_500}),
        (Method.EQUAL, {"alpha": 5_000, "beta": 5_000}),
        # 30,000 $ of work weigh 10,000 + 0.85 × 20,000 = 27,000; 10,000 $ weigh 10,000.
        (Method.TIERED, {"alpha": 10_000 * 27 // 37, "beta": 10_000 * 10 // 37}),
    ],
)
def test_each_method_shares_as_it_says(method: Method, shares: dict[str, int]) -> None:
    found = [
        line(Kind.WORKLOAD, 30_000 * USD, PAYERS[0]),
        line(Kind.WORKLOAD, 10_000 * USD, PAYERS[1]),
        line(Kind.WORKLOAD, 99 * USD, PAYERS[2], pool="gpu"),
        line(Kind.IDLE, 10_000 * USD),
    ]
    idle = sums_by(
        [each for each in out(found, Allocation(method=method)) if each.kind is Kind.IDLE], "project"
    )
    assert {project: each.pico // USD for (project,), each in idle.items()} == shares


def test_direct_goes_to_the_owner_and_without_one_stays() -> None:
    found = [line(Kind.IDLE, 5 * USD), line(Kind.OVERHEAD, 7 * USD, pool="gpu")]
    made = out(found, Allocation(method=Method.DIRECT, owners={"gpu": Payer("research")}))
    assert [(each.payer, each.pico) for each in made] == [(NOBODY, 5 * USD), (Payer("research"), 7 * USD)]


def test_idle_of_a_pool_that_nobody_used_stays_unallocated() -> None:
    """opencost/opencost#883 lost such a line."""
    found = [line(Kind.IDLE, 27 * USD, pool="gpu"), line(Kind.WORKLOAD, USD, PAYERS[0])]
    for method in (Method.PROPORTIONAL, Method.EQUAL, Method.TIERED):
        assert out(found, Allocation(method=method))[0] == found[0]


def test_what_has_no_price_is_shared_out_by_quantity() -> None:
    found = [line(Kind.WORKLOAD, USD, PAYERS[0]), line(Kind.WORKLOAD, USD, PAYERS[1]), line(Kind.IDLE, None)]
    idle = [each for each in out(found, Allocation(method=Method.PROPORTIONAL)) if each.kind is Kind.IDLE]
    assert [(each.payer.project, each.quantity, each.pico) for each in idle] == [
        ("alpha", 500, None),
        ("beta", 500, None),
    ]


@given(st.integers(0, 10**20), st.integers(0, 10**18))
def test_tiers_never_weigh_less_for_more(low: int, more: int) -> None:
    assert tiered(low + more, TIERS) >= tiered(low, TIERS)
    assert tiered(low, [Tier(0, 100)]) == 100 * low


def test_tiers_at_their_bounds() -> None:
    weights = {dollars: tiered(dollars * USD, TIERS) // (100 * USD) for dollars in (10_000, 50_000, 60_000)}
    assert weights == {10_000: 10_000, 50_000: 44_000, 60_000: 51_000}


def test_cents_add_up_to_a_total_that_was_rounded_in_many_parts() -> None:
    assert shown([4 * PICO_PER_CENT], 0).parts == [0]
    assert shown([6 * PICO_PER_CENT], 10).parts == [10]
    assert shown([PICO_PER_CENT, 2 * PICO_PER_CENT + 1], 8).parts == [3, 5]
    assert shown([], 0).parts == []


@given(st.lists(st.integers(min_value=-(10**16), max_value=10**16), max_size=40))
def test_cents_add_up(amounts: list[int]) -> None:
    found = shown(amounts)
    assert sum(found.parts) == found.total
    assert sum(amounts) + found.rounding_pico == found.total * PICO_PER_CENT
    assert 2 * abs(found.rounding_pico) <= PICO_PER_CENT
    for part, amount in zip(found.parts, amounts, strict=True):
        assert abs(part * PICO_PER_CENT - amount) < PICO_PER_CENT


def test_rows_of_november_by_activity() -> None:
    """The seed rounds each row alone: three thirds of 100 $ would be 99.99 $."""
    third = [100 * USD // 3, 100 * USD // 3, 100 * USD - 2 * (100 * USD // 3)]
    assert (shown(third).parts, shown(third).total) == ([3333, 3333, 3334], 10_000)


@pytest.mark.parametrize(
    ("pico", "whole"), [(5 * 10**9, 0), (15 * 10**9, 2), (-5 * 10**9, 0), (-15 * 10**9, -2), (5 * 10**9 + 1, 1)]
)  # fmt: skip
def test_half_a_cent_goes_to_the_even_one(pico: int, whole: int) -> None:
    assert cents(pico) == whole


def test_dollars_are_written_with_two_places() -> None:
    assert [dollars(each) for each in (0, 5, -5, 123_456, -100)] == [
        "0.00",
        "0.05",
        "-0.05",
        "1,234.56",
        "-1.00",
    ]
