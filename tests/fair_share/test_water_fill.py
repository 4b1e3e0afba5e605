"""Weighted max-min shares: exact sums, the least for its weight first, and everybody's turn comes."""

import random
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from herder.decide.placement.water_filling import PARTS, Claim, water_fill
from herder.model.ids import UserName


def claim(name: str, wanted: int, *, used: int = 0, weight: int = 1) -> Claim:
    return Claim(user=UserName(name), weight=weight, used=used, wanted=wanted)


def run_rounds(capacity: int, claims: list[Claim], rounds: int) -> tuple[dict[str, int], dict[str, int]]:
    """Totals, and the longest time that each went without anything."""
    totals = {str(c.user): 0 for c in claims}
    hungry = dict.fromkeys(totals, 0)
    longest = dict.fromkeys(totals, 0)
    deficits: dict[UserName, int] = {}
    for _ in range(rounds):
        filled = water_fill(capacity, claims, deficits)
        deficits = filled.deficits
        for user, granted in filled.grants.items():
            totals[user] += granted
            hungry[user] = 0 if granted else hungry[user] + 1
            longest[user] = max(longest[user], hungry[user])
    return totals, longest


def test_whoever_holds_least_is_raised_first() -> None:
    grants = water_fill(
        10, [claim("a", 100, used=8), claim("b", 100, used=0), claim("c", 100, used=3)]
    ).grants
    assert grants == {"a": 0, "b": 7, "c": 3}  # the level is 6.5; b is the first of equal remainders


def test_what_one_does_not_want_goes_to_the_others() -> None:
    assert water_fill(10, [claim("a", 1), claim("b", 100), claim("c", 2)]).grants == {"a": 1, "b": 7, "c": 2}


def test_weights_count() -> None:
    assert water_fill(12, [claim("a", 100, weight=1), claim("b", 100, weight=3)]).grants == {"a": 3, "b": 9}
    assert water_fill(4, [claim("a", 9, used=1, weight=1), claim("b", 9, used=3, weight=3)]).grants == {
        "a": 1,
        "b": 3,
    }


def test_the_cases_that_hail_gets_wrong() -> None:
    three = [claim(str(n), 10**6) for n in range(3)]
    assert sum(water_fill(1001, three).grants.values()) == 1001
    thousand = [claim(f"{n:04}", 10**6) for n in range(1000)]
    assert sum(water_fill(1500, thousand).grants.values()) == 1500
    assert sum(water_fill(400, thousand).grants.values()) == 400


def test_twenty_one_equal_users_and_ten_units() -> None:
    totals, longest = run_rounds(10, [claim(f"{n:02}", 50) for n in range(21)], 21)
    assert set(totals.values()) == {10}
    assert max(longest.values()) <= 2


def test_a_thousand_users_and_four_hundred_units() -> None:
    totals, longest = run_rounds(400, [claim(f"{n:04}", 50) for n in range(1000)], 20)
    assert set(totals.values()) == {8}
    assert max(longest.values()) <= 2


def test_one_unit_at_a_time_is_shared_by_weight() -> None:
    totals, _ = run_rounds(1, [claim("a", 9, weight=1), claim("b", 9, weight=3)], 400)
    assert totals == {"a": 100, "b": 300}


claims = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12
).map(lambda rows: [claim(f"{n:02}", w, used=u, weight=k) for n, (k, u, w) in enumerate(rows)])


@given(st.integers(0, 300), claims)
def test_sums_are_exact_and_nobody_gets_more_than_wanted(capacity: int, users: list[Claim]) -> None:
    grants = water_fill(capacity, users).grants
    assert sum(grants.values()) == min(capacity, sum(c.wanted for c in users))
    assert all(0 <= grants[c.user] <= c.wanted for c in users)


@given(st.integers(0, 300), claims)
def test_nobody_could_be_given_one_more_from_someone_better_off(capacity: int, users: list[Claim]) -> None:
    grants = water_fill(capacity, users).grants
    for rich in users:
        for poor in users:
            if grants[rich.user] > 0 and grants[poor.user] < poor.wanted:
                before_last = Fraction(rich.used + grants[rich.user] - 1, rich.weight)
                after_next = Fraction(poor.used + grants[poor.user] + 1, poor.weight)
                assert before_last < after_next


@given(st.integers(0, 300), claims)
def test_more_capacity_takes_nothing_away(capacity: int, users: list[Claim]) -> None:
    """By weight a single unit may move, which is rounding; between equals not even that."""
    equal = [claim(c.user, c.wanted, used=c.used) for c in users]
    less, more = water_fill(capacity, equal).grants, water_fill(capacity + 1, equal).grants
    assert all(more[c.user] >= less[c.user] for c in users)
    less, more = water_fill(capacity, users).grants, water_fill(capacity + 1, users).grants
    assert all(more[c.user] >= less[c.user] - 1 for c in users)


@given(st.integers(0, 300), claims, st.randoms(use_true_random=False))
def test_the_order_of_the_claims_does_not_matter(
    capacity: int, users: list[Claim], shuffle: random.Random
) -> None:
    owed = {c.user: (n * 7919 % 13 - 6) * PARTS // 10 for n, c in enumerate(users)}
    first = water_fill(capacity, users, owed)
    shuffled = list(users)
    shuffle.shuffle(shuffled)
    again = water_fill(capacity, shuffled, owed)
    assert (again.grants, again.deficits) == (first.grants, first.deficits)


@given(st.integers(1, 20), st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_over_many_rounds_everybody_gets_what_is_due(capacity: int, weights: list[int]) -> None:
    users = [claim(f"{n:02}", capacity, weight=weight) for n, weight in enumerate(weights)]
    rounds = 40
    totals, _ = run_rounds(capacity, users, rounds)
    if len(users) > 1:
        for c in users:
            due = Fraction(capacity * rounds * c.weight, sum(weights))
            assert abs(totals[c.user] - due) <= 2
