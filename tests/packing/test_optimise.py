"""The longer search: never worse than the short one or with more time, nothing overfull, the same answer each time."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.packing.incremental import Standing
from bench.packing.quality import Draw, anti_correlated_items, many_templates, mixed_items, one_template
from bench.packing.sets import SETS
from herder.decide.packing.optimise import Optimised, optimise
from herder.decide.packing.pack import Bin, BinOffer, ItemGroup, Packing, pack
from herder.decide.packing.unplaced import Obstacle, misfit
from herder.model.values.resources import Resources
from tests.packing.peers import PEERS


def amounts(most: int) -> st.SearchStrategy[Resources]:
    return st.builds(
        Resources, st.integers(0, most), st.integers(0, most), st.integers(0, 2), st.integers(0, 1)
    )


kinds = st.frozensets(st.integers(0, 2), min_size=1) | st.none()
item_lists = st.lists(st.tuples(amounts(6), st.integers(0, 20), kinds), max_size=8).map(
    lambda rows: [ItemGroup(key=k, size=s, count=c, allowed=a) for k, (s, c, a) in enumerate(rows)]
)
bin_lists = st.lists(
    st.tuples(st.integers(0, 2), amounts(20), st.integers(0, 6), st.integers(1, 3)), max_size=4
).map(lambda rows: [Bin(key=i, kind=k, free=f, slots=s, count=c) for i, (k, f, s, c) in enumerate(rows)])
offer_lists = st.lists(
    st.tuples(amounts(20), st.integers(0, 9), st.integers(0, 50), st.integers(0, 5)), max_size=3
).map(
    lambda rows: [
        BinOffer(kind=i, size=z, slots=s, price_pico_per_hour=p, limit=n, limit_group=0)
        for i, (z, s, p, n) in enumerate(rows)
    ]
)


def check(
    items: Sequence[ItemGroup], bins: Sequence[Bin], offers: Sequence[BinOffer], found: Packing, group: int
) -> None:
    """Nothing overfull on any dimension, slots included; nothing where it may not be; nothing lost; limits hold."""
    by_key = {item.key: item for item in items}
    room = {(b.key, copy): (b.kind, b.free, b.slots) for b in bins for copy in range(b.count)}
    source = {offer.kind: offer for offer in offers}
    for opened in found.opened:
        offer = source[opened.kind]
        room |= {(opened.key, copy): (offer.kind, offer.size, offer.slots) for copy in range(opened.copies)}
    left = {item.key: item.count for item in items}
    for packed in found.placed:
        item = by_key[packed.item_key]
        for copy in range(packed.first_copy, packed.first_copy + packed.copies):
            kind, free, slots = room[packed.bin_key, copy]
            assert item.allowed is None or kind in item.allowed
            free, slots = free.minus(item.size.times(packed.count)), slots - packed.count
            assert min(*free, slots) >= 0
            room[packed.bin_key, copy] = kind, free, slots
            left[packed.item_key] -= packed.count
    assert dict(found.unplaced) == {key: count for key, count in left.items() if count}
    for offer in offers:
        assert sum(o.copies for o in found.opened if o.kind == offer.kind) <= offer.limit
    assert sum(o.copies for o in found.opened) <= group


@settings(max_examples=120, deadline=None)
@given(item_lists, bin_lists, offer_lists, st.integers(0, 9))
def test_nothing_is_overfull_and_more_steps_are_never_worse(
    items: list[ItemGroup], bins: list[Bin], offers: list[BinOffer], group: int
) -> None:
    before: Optimised | None = None
    for steps in (0, 3, 30, 120):
        found = optimise(items, bins, open_bins=offers, group_limits={0: group}, improve=steps)
        check(items, bins, offers, found.packing, group)
        if before is not None:
            missing = sum(count for _, count in found.packing.unplaced)
            missing_before = sum(count for _, count in before.packing.unplaced)
            assert (missing, found.cost_pico_per_hour) <= (missing_before, before.cost_pico_per_hour) or (
                missing < missing_before
            )
        before = found


@settings(max_examples=60, deadline=None)
@given(item_lists, bin_lists, offer_lists, st.randoms(use_true_random=False))
def test_the_order_of_items_and_offers_does_not_matter(
    items: list[ItemGroup], bins: list[Bin], offers: list[BinOffer], shuffle: random.Random
) -> None:
    first = optimise(items, bins, open_bins=offers, group_limits={0: 9}, improve=40)
    shuffle.shuffle(items)
    shuffle.shuffle(offers)
    assert repr(optimise(items, bins, open_bins=offers, group_limits={0: 9}, improve=40)) == repr(first)


@settings(max_examples=60, deadline=None)
@given(item_lists, offer_lists)
def test_a_higher_limit_never_places_less_and_never_raises_the_bound_of_the_same(
    items: list[ItemGroup], offers: list[BinOffer]
) -> None:
    def placed(group: int) -> tuple[int, int]:
        found = optimise(items, open_bins=offers, group_limits={0: group}, improve=0)
        return -sum(count for _, count in found.packing.unplaced), found.bound_pico_per_hour

    some, more = placed(9), placed(10_000)
    if some[0] == more[0]:
        assert more[1] <= some[1]


def test_a_large_fleet_of_distinct_items_is_the_same_in_any_order() -> None:
    items = anti_correlated_items(1, 400)
    first = optimise(items, open_bins=many_templates(), improve=30)
    again = optimise(items[::-1], open_bins=many_templates()[::-1], improve=30)
    assert repr(again) == repr(first)


def test_existing_workers_are_used_before_new_ones_are_paid_for() -> None:
    items = [ItemGroup(key=0, size=Resources(1000, 1, 0, 0), count=16)]
    there = [Bin(key=5, kind=0, free=Resources(16_000, 99, 0, 0), slots=50)]
    found = optimise(items, there, open_bins=one_template(), improve=10)
    assert (found.cost_pico_per_hour, found.bound_pico_per_hour, found.packing.opened) == (0, 0, ())


def test_a_small_fleet_is_proved_optimal() -> None:
    """Two offers, one of which pays only for the rest: first fit and plain alignment both buy too much."""
    items = [
        ItemGroup(key=0, size=Resources(500, 1024, 0, 0), count=40),
        ItemGroup(key=1, size=Resources(2000, 16_384, 0, 0), count=3),
        ItemGroup(key=2, size=Resources(90_000, 10, 0, 0), count=2),
    ]
    offers = [
        BinOffer(kind=0, size=Resources(8000, 32_768, 0, 0), slots=110, price_pico_per_hour=380, limit=99),
        BinOffer(kind=1, size=Resources(2000, 8192, 0, 0), slots=110, price_pico_per_hour=100, limit=3),
    ]
    found = optimise(items, open_bins=offers, improve=500)
    assert (found.cost_pico_per_hour, found.bound_pico_per_hour, found.packing.unplaced) == (
        1240,
        1240,
        ((2, 2),),
    )


@pytest.mark.parametrize(
    ("items", "offers", "steps", "floor"),
    [
        (mixed_items(1), one_template(), 900, 1.02),
        (mixed_items(1), many_templates(), 150, 1.03),
        (anti_correlated_items(1), one_template(), 40, 1.10),
        (anti_correlated_items(1), many_templates(), 10, 1.10),
    ],
    ids=["mixed-1", "mixed-24", "anti-1", "anti-24"],
)
def test_the_figures_are_reached(
    items: list[ItemGroup], offers: list[BinOffer], steps: int, floor: float
) -> None:
    found = optimise(items, open_bins=offers, improve=steps)
    assert found.packing.unplaced == ()
    assert found.cost_pico_per_hour <= floor * found.bound_pico_per_hour


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("offers", [one_template(), many_templates()], ids=["1", "24"])
@pytest.mark.parametrize("make", [mixed_items, anti_correlated_items], ids=["mixed", "anti"])
def test_no_peer_is_cheaper(peer: str, offers: list[BinOffer], make: object) -> None:
    items: list[ItemGroup] = make(2, 600)  # type: ignore[operator]
    found = optimise(items, open_bins=offers, improve=400)
    assert found.bound_pico_per_hour <= found.cost_pico_per_hour <= PEERS[peer](items, offers)


#: Sets that the peers' orders know how to pack: no existing workers, no limits, nothing but CPU, memory and pods.
PLAIN_SETS = [
    name
    for name, make in SETS.items()
    if (case := make(Draw(3), 60))
    and not case.bins
    and all(offer.limit > 60 and not offer.size.disk_mib and not offer.size.gpu for offer in case.offers)
]


@pytest.mark.parametrize("name", PLAIN_SETS)
def test_no_peer_is_cheaper_on_any_kind_of_set(name: str) -> None:
    case = SETS[name](Draw(3), 150)
    found = optimise(case.items, case.bins, open_bins=case.offers, improve=600)
    check(case.items, case.bins, case.offers, found.packing, 10**9)
    for peer in PEERS.values():
        assert found.bound_pico_per_hour <= found.cost_pico_per_hour <= peer(case.items, case.offers)


@pytest.mark.parametrize("name", sorted(set(SETS) - set(PLAIN_SETS)))
def test_other_sets_stay_within_a_tenth_of_the_bound(name: str) -> None:
    case = SETS[name](Draw(3), 300)
    found = optimise(case.items, case.bins, open_bins=case.offers, improve=200)
    check(case.items, case.bins, case.offers, found.packing, 10**9)
    assert found.packing.unplaced == ()
    assert found.bound_pico_per_hour <= found.cost_pico_per_hour <= 1.1 * found.bound_pico_per_hour


@settings(max_examples=60, deadline=None)
@given(item_lists.filter(bool), bin_lists, st.integers(0, 30))
def test_one_changed_item_moves_alone_and_fits(items: list[ItemGroup], bins: list[Bin], count: int) -> None:
    manual = Standing.of(items, bins, pack(items, bins))
    before = {item.key: manual.places(item.key) for item in items}
    old = items[0]
    left = manual.change(ItemGroup(key=old.key, size=old.size, count=count, allowed=old.allowed))
    assert left + sum(n for _, _, n in manual.places(old.key)) == count
    assert {item.key: manual.places(item.key) for item in items[1:]} == {
        k: before[k] for k in before if k != old.key
    }
    assert all(min(*free, slots) >= 0 for free, slots in manual.room())


def test_what_found_no_place_says_what_would_help() -> None:
    offers = [
        BinOffer(kind=0, size=Resources(4000, 8192, 0, 0), slots=10, price_pico_per_hour=1, limit=0),
        BinOffer(kind=1, size=Resources(8000, 16_384, 0, 0), slots=10, price_pico_per_hour=2, limit=5),
    ]
    large = misfit(Resources(6000, 20_480, 0, 0), None, offers)
    assert (large.obstacle, large.nearest, large.lacking) == (Obstacle.TOO_LARGE, 1, (("memory_mib", 4096),))
    limited = misfit(Resources(1000, 1, 0, 0), frozenset({0}), offers)
    assert (limited.obstacle, limited.nearest) == (Obstacle.AT_LIMIT, 0)
    assert misfit(Resources(1, 1, 0, 0), frozenset({7}), offers).obstacle is Obstacle.NOT_ALLOWED
    assert misfit(Resources(1, 1, 0, 0), None, []).obstacle is Obstacle.NO_OFFERS
