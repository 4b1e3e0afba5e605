"""Vectors over named dimensions: four places written out and any number of them agree, and a dimension one lacks counts 0."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.placement.drf import WHOLE, share_of
from herder.model.ids import UserName
from herder.model.values.resources import (
    PLAIN,
    ZERO,
    Dimensions,
    Resources,
    Unit,
    declare,
    name_fault,
    stored_amounts,
)
from herder.model.values.vectors import NO_LIMIT, least_of, most_of, total_of
from herder.model.work.job import JobClass
from herder.model.work.sharing import Amounts, amount_names, amounts_from, amounts_of, limits_of
from herder.store.rows.json_forms import decode_class, encode_class

TABLE = Dimensions((declare("licence/abaqus"), declare("scratch", Unit.MIB, quota=False), declare("pods")))
AMOUNT = st.integers(-50, 50)
FOUR = st.lists(AMOUNT, min_size=4, max_size=4).map(PLAIN.of)
SEVEN = st.lists(AMOUNT, min_size=7, max_size=7).map(TABLE.of)
EITHER = st.one_of(FOUR, SEVEN)

BINARY: dict[str, Callable[[int, int], int]] = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "least": min,
    "most": max,
    "beyond": lambda a, b: max(0, a - b),
}


@given(EITHER, EITHER, st.sampled_from(sorted(BINARY)))
def test_both_lengths_and_their_mixtures_follow_plain_arithmetic(
    one: Resources, other: Resources, name: str
) -> None:
    got: Resources = getattr(one, name)(other)
    names = TABLE.names if max(len(one), len(other)) == 7 else PLAIN.names
    first, second = one.amounts(), other.amounts()
    assert got.amounts() == {key: BINARY[name](first.get(key, 0), second.get(key, 0)) for key in names}


@given(EITHER, EITHER, st.integers(-5, 5))
def test_fitting_counting_and_lacking_agree(ask: Resources, free: Resources, count: int) -> None:
    lacking = ask.lacking_in(free)
    assert ask.fits_in(free) == (not lacking)
    assert ask.times(count).amounts() == {name: amount * count for name, amount in ask.amounts().items()}
    fits = ask.how_many_in(free)
    have = free.amounts()
    asked = {name: amount for name, amount in ask.amounts().items() if amount > 0}
    assert fits == max(
        0, min((have.get(name, 0) // amount for name, amount in asked.items()), default=NO_LIMIT)
    )


@given(st.lists(EITHER, min_size=1, max_size=5))
def test_sums_and_extremes_of_many(vectors: list[Resources]) -> None:
    every = [vector.amounts() for vector in vectors]
    for found, of in (
        (least_of(vectors), min),
        (most_of(vectors), max),
        (total_of(vectors, ZERO), lambda *x: sum(x)),
    ):
        for name, amount in found.amounts().items():
            given = [each.get(name, 0) for each in every]
            assert amount == (given[0] if len(given) == 1 else of(*given))


@given(
    st.lists(st.integers(0, 50), min_size=7, max_size=7).map(TABLE.of),
    st.lists(st.integers(0, 50), min_size=7, max_size=7).map(TABLE.of),
)
def test_a_dominant_share_is_of_goods_and_never_of_a_cap(amount: Resources, total: Resources) -> None:
    goods = [
        part * WHOLE // whole
        for dimension, part, whole in zip(TABLE.all, amount, total, strict=True)
        if whole > 0 and not dimension.cap
    ]
    assert share_of(amount, total) == max(goods, default=0)


def test_a_vector_says_what_it_is_of_in_the_words_of_its_table() -> None:
    made = TABLE.vector({"cpu_milli": 1500, "memory_mib": 2048, "licence/abaqus": 2, "scratch": 512})
    assert str(made) == "1500m CPU, 2 GiB memory, 2 licence/abaqus, 512 MiB scratch"
    assert made.declared() == {"licence/abaqus": 2, "scratch": 512}
    assert (made.cpu_milli, made.memory_mib, made.gpu) == (1500, 2048, 0)
    assert made.replaced("pods", 7).amounts()["pods"] == 7


def test_a_store_may_hold_four_amounts_or_names_and_both_are_read() -> None:
    assert TABLE.read([1, 2, 3, 4]) == TABLE.of([1, 2, 3, 4])
    made = TABLE.vector({"gpu": 1, "licence/abaqus": 2})
    assert TABLE.read(made.stored()) == made
    assert PLAIN.read(Resources(1, 2, 3, 4).stored()) == Resources(1, 2, 3, 4)
    assert stored_amounts([1, 2, 3, 4])["disk_mib"] == 3
    with pytest.raises(KeyError, match="licence/abaqus"):
        PLAIN.read(made.stored())


def test_places_may_move_between_two_starts() -> None:
    """Another order in the file, or one resource less: names are what is stored."""
    made = TABLE.vector({"cpu_milli": 5, "scratch": 9})
    other = Dimensions((declare("scratch", Unit.MIB), declare("licence/abaqus"), declare("pods")))
    assert other.read(made.stored()).amounts()["scratch"] == 9


def test_a_job_class_comes_back_from_the_store() -> None:
    asked = JobClass(
        user=UserName("ann"), request=TABLE.vector({"cpu_milli": 100, "memory_mib": 1, "licence/abaqus": 1})
    )
    assert decode_class(encode_class(asked), TABLE) == asked
    plain = JobClass(user=UserName("ann"), request=Resources(100, 1))
    assert '"request":[100,1,0,0]' in encode_class(plain)
    assert decode_class(encode_class(plain)) == plain


def test_quotas_count_what_the_table_says() -> None:
    assert amount_names(TABLE) == ("cpu_milli", "memory_mib", "gpu", "jobs", "licence/abaqus")
    request = TABLE.vector({"cpu_milli": 100, "memory_mib": 1, "licence/abaqus": 2, "scratch": 9})
    taken = amounts_of(request).times(3)
    assert taken.named() == {"cpu_milli": 300, "memory_mib": 3, "gpu": 0, "jobs": 3, "licence/abaqus": 6}
    assert taken.jobs == 3
    assert amounts_of(Resources(100, 1, 7, 2)).times(-2) == Amounts(-200, -2, -4, -2)
    assert amounts_from(TABLE, Amounts(1, 2, 3, 4)).named()["licence/abaqus"] == 0
    limits = limits_of(TABLE, {"licence/abaqus": 5})
    assert limits.named() == {"licence/abaqus": 5}
    assert limits.any


@pytest.mark.parametrize("name", ["cpu", "cpu_milli", "jobs", "slots", "Licence", "a b", "", "-x", "x" * 101])
def test_names_that_cannot_be_declared(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize(
    "name", ["licence/abaqus", "ephemeral-storage", "nvidia.com/mig-1g.5gb", "pods", "x"]
)
def test_names_that_can(name: str) -> None:
    assert name_fault(name) is None
