"""The certified bound: never above what any feasible packing costs, found out by trying them all on small cases."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from herder.decide.packing.bounds.cover import Need, cheapest_cover
from herder.decide.packing.bounds.knapsack import Amounts, most_worth
from herder.decide.packing.bounds.lower_bound import certify, lower_bound
from herder.decide.packing.bounds.shadow_prices import question
from herder.decide.packing.optimise import optimise
from herder.decide.packing.pack import Bin, BinOffer, ItemGroup
from herder.decide.packing.search.configurations import mix_of_contents
from herder.decide.packing.shapes import ShapeTable
from herder.model.values.resources import Resources


def cheapest(
    items: Sequence[ItemGroup], bins: Sequence[Bin], offers: Sequence[BinOffer], group: int
) -> int | None:
    """The least cost at which all items are placed, by trying everything; None when it cannot be done."""
    flat = sorted(
        (item.size, item.allowed or frozenset(range(9))) for item in items for _ in range(item.count)
    )
    start = tuple((b.kind, tuple(b.free), b.slots) for b in bins for _ in range(b.count))
    none = 10**18

    @cache
    def best(at: int, room: tuple[tuple[int, tuple[int, ...], int], ...], used: tuple[int, ...]) -> int:
        if at == len(flat):
            return 0
        size, allowed = flat[at]
        least = none
        for after, opened in places(size, allowed, room, used):
            price = 0 if opened is None else offers[opened].price_pico_per_hour
            now = used if opened is None else (*used[:opened], used[opened] + 1, *used[opened + 1 :])
            least = min(least, price + best(at + 1, after, now))
        return least

    def places(
        size: Resources,
        allowed: frozenset[int],
        room: tuple[tuple[int, tuple[int, ...], int], ...],
        used: tuple[int, ...],
    ) -> Iterator[tuple[tuple[tuple[int, tuple[int, ...], int], ...], int | None]]:
        for n, (kind, free, slots) in enumerate(room):
            if (
                room.index(room[n]) == n
                and kind in allowed
                and slots > 0
                and all(a <= b for a, b in zip(size, free, strict=True))
            ):
                left = tuple(b - a for a, b in zip(size, free, strict=True))
                yield tuple(sorted((*room[:n], (kind, left, slots - 1), *room[n + 1 :]))), None
        for n, o in enumerate(offers):
            fits = o.kind in allowed and o.slots > 0 and size.fits_in(o.size)
            if fits and used[n] < o.limit and sum(used) < group:
                left = tuple(b - a for a, b in zip(size, o.size, strict=True))
                yield tuple(sorted((*room, (o.kind, left, o.slots - 1)))), n

    found = best(0, tuple(sorted(start)), (0,) * len(offers))
    return None if found >= none else found


small = st.integers(0, 5)
kinds = st.frozensets(st.integers(0, 2), min_size=1) | st.none()
item_lists = st.lists(
    st.tuples(st.builds(Resources, small, small, st.just(0), st.integers(0, 1)), st.integers(1, 2), kinds),
    min_size=1,
    max_size=3,
).map(lambda rows: [ItemGroup(key=k, size=s, count=c, allowed=a) for k, (s, c, a) in enumerate(rows)])
roomy = st.builds(Resources, st.integers(1, 9), st.integers(1, 9), st.just(0), st.integers(0, 2))
bin_lists = st.lists(
    st.tuples(st.integers(0, 2), roomy, st.integers(0, 3), st.integers(1, 2)), max_size=1
).map(lambda rows: [Bin(key=i, kind=k, free=f, slots=s, count=c) for i, (k, f, s, c) in enumerate(rows)])
offer_lists = st.lists(
    st.tuples(roomy, st.integers(1, 4), st.integers(0, 50), st.integers(0, 3)), min_size=1, max_size=3
).map(
    lambda rows: [
        BinOffer(kind=i, size=z, slots=s, price_pico_per_hour=p, limit=n, limit_group=0)
        for i, (z, s, p, n) in enumerate(rows)
    ]
)


@settings(max_examples=150, deadline=None)
@given(item_lists, bin_lists, offer_lists, st.integers(0, 4))
def test_the_bound_is_never_above_the_cheapest_packing_there_is(
    items: list[ItemGroup], bins: list[Bin], offers: list[BinOffer], group: int
) -> None:
    best = cheapest(items, bins, offers, group)
    if best is not None:
        rows = [(shape, shape.left) for shape in ShapeTable(items).shapes]
        assert lower_bound(rows, bins, offers, {0: group}) <= best
    found = optimise(items, bins, open_bins=offers, group_limits={0: group}, improve=50)
    assert found.bound_pico_per_hour <= found.cost_pico_per_hour
    if best is not None and not found.packing.unplaced:
        assert found.bound_pico_per_hour <= best <= found.cost_pico_per_hour


@settings(max_examples=150, deadline=None)
@given(item_lists, bin_lists, offer_lists, st.lists(st.floats(0, 40), min_size=5, max_size=5))
def test_any_prices_whatever_prove_a_bound_that_holds(
    items: list[ItemGroup], bins: list[Bin], offers: list[BinOffer], prices: list[float]
) -> None:
    best = cheapest(items, bins, offers, 3)
    if best is not None:
        rows = [(shape, shape.left) for shape in ShapeTable(items).shapes]
        asked = question(rows, bins, offers, {0: 3})
        assert certify(asked, {each: tuple(prices) for each in asked.demand}) <= best


@settings(max_examples=200, deadline=None)
@given(item_lists, bin_lists, offer_lists, st.integers(0, 4), st.integers(1, 200))
def test_contents_prove_a_bound_that_holds_however_early_they_stop(
    items: list[ItemGroup], bins: list[Bin], offers: list[BinOffer], group: int, steps: int
) -> None:
    best = cheapest(items, bins, offers, group)
    if best is not None:
        left = iter(range(steps))
        rows = [(shape, shape.left) for shape in ShapeTable(items).shapes]
        mix = mix_of_contents(
            rows,
            bins,
            offers,
            {0: group},
            known=(),
            worth={id(shape): 7 * sum(shape.size) + 1 for shape, _ in rows},
            enough=best + 17,
            keep_going=lambda: next(left, None) is not None,
        )
        assert mix.bound <= best


few = st.lists(st.tuples(*[st.integers(0, 4)] * 5), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(few, st.data(), st.integers(0, 200), st.integers(0, 40))
def test_no_content_is_worth_more_than_is_said(
    sizes: list[Amounts], data: DataObject, enough: int, steps: int
) -> None:
    worths = data.draw(st.lists(st.integers(0, 60), min_size=len(sizes), max_size=len(sizes)))
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(sizes), max_size=len(sizes)))
    free = data.draw(st.tuples(*[st.integers(0, 9)] * 5))
    best = 0
    for content in product(*(range(count + 1) for count in counts)):
        if all(sum(n * size[d] for n, size in zip(content, sizes, strict=True)) <= free[d] for d in range(5)):
            best = max(best, sum(n * worth for n, worth in zip(content, worths, strict=True)))
    found = most_worth(sizes, worths, counts, free, steps=steps, enough=enough)
    assert found.worth <= best <= max(found.at_most, found.worth)
    assert found.worth == sum(worths[i] * n for i, n in found.content.items())
    exact = most_worth(sizes, worths, counts, free, steps=10_000)
    assert exact.worth == exact.at_most == best


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 60))
def test_no_cheaper_cover_exists(data: DataObject, width: int, below: int) -> None:
    amounts = st.lists(st.integers(0, 6), min_size=width, max_size=width)
    needs = [Need(data.draw(st.integers(0, 20)), data.draw(amounts)) for _ in range(2)]
    prices, limits = data.draw(amounts), data.draw(amounts)
    costs = [
        sum(n * price for n, price in zip(chosen, prices, strict=True))
        for chosen in product(*(range(limit + 1) for limit in limits))
        if all(sum(n * g for n, g in zip(chosen, need.gives, strict=True)) >= need.least for need in needs)
    ]
    assert cheapest_cover(needs, prices, limits, below=below, steps=10_000) == min([*costs, below])
    assert cheapest_cover(needs, prices, limits, below=below, steps=2) <= min([*costs, below])


def test_a_handful_of_workers_is_proved_optimal() -> None:
    """Volume says 145 and contents say 150, but no workers that hold three of these cost less than 170."""
    offers = [
        BinOffer(kind=k, size=Resources(cpu, 2 * cpu, 0, 0), slots=99, price_pico_per_hour=price, limit=99)
        for k, (cpu, price) in enumerate(((4000, 70), (6000, 100)))
    ]
    items = [ItemGroup(key=0, size=Resources(2900, 100, 0, 0), count=3)]
    found = optimise(items, open_bins=offers, improve=300)
    assert (found.cost_pico_per_hour, found.bound_pico_per_hour) == (170, 170)


def one(size: Resources, price: int = 100, limit: int = 1000) -> BinOffer:
    return BinOffer(kind=0, size=size, slots=100, price_pico_per_hour=price, limit=limit)


def bound_of(items: list[ItemGroup], bins: list[Bin], offers: list[BinOffer]) -> int:
    return lower_bound([(shape, shape.left) for shape in ShapeTable(items).shapes], bins, offers, {})


def test_volume_is_rounded_up_to_whole_workers() -> None:
    items = [ItemGroup(key=0, size=Resources(1000, 0, 0, 0), count=33)]
    assert bound_of(items, [], [one(Resources(8000, 1, 0, 0))]) == 500


def test_large_items_do_not_share_a_worker() -> None:
    """Volume alone would say 60 %."""
    items = [ItemGroup(key=0, size=Resources(600, 0, 0, 0), count=10)]
    assert bound_of(items, [], [one(Resources(1000, 1, 0, 0))]) == 1000
    thirds = [ItemGroup(key=0, size=Resources(340, 0, 0, 0), count=10)]
    assert bound_of(thirds, [], [one(Resources(1000, 1, 0, 0))]) == 500


def test_what_existing_workers_can_take_costs_nothing() -> None:
    items = [ItemGroup(key=0, size=Resources(1000, 0, 0, 0), count=16)]
    there = [Bin(key=0, kind=0, free=Resources(8000, 0, 0, 0), slots=100)]
    assert bound_of(items, there, [one(Resources(8000, 1, 0, 0))]) == 100
    there[0] = Bin(key=0, kind=0, free=Resources(8000, 0, 0, 0), slots=3)
    assert bound_of(items, there, [one(Resources(8000, 1, 0, 0))]) == 200


def test_the_limit_of_a_cheap_offer_is_seen() -> None:
    items = [ItemGroup(key=0, size=Resources(1000, 0, 0, 0), count=80)]
    cheap = one(Resources(8000, 1, 0, 0), 40, limit=3)
    dear = BinOffer(kind=1, size=Resources(8000, 1, 0, 0), slots=100, price_pico_per_hour=100, limit=1000)
    assert bound_of(items, [], [cheap, dear]) == 3 * 40 + 7 * 100


def test_items_that_may_only_go_where_it_is_dear_cost_more() -> None:
    plain = ItemGroup(key=0, size=Resources(1000, 0, 0, 0), count=80)
    picky = ItemGroup(key=1, size=Resources(1000, 0, 0, 0), count=80, allowed=frozenset({1}))
    cheap = one(Resources(8000, 1, 0, 0), 40)
    dear = BinOffer(kind=1, size=Resources(8000, 1, 0, 0), slots=100, price_pico_per_hour=100, limit=1000)
    assert bound_of([plain, picky], [], [cheap, dear]) == 10 * 40 + 10 * 100
