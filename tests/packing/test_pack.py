"""The packing function: never too much in a bin, never a usable place left empty, and good enough to be proud of."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from herder.decide.packing.pack import Bin, BinOffer, ItemGroup, Packing, pack
from herder.model.values.resources import ZERO, Resources


def cores(count: float) -> Resources:
    return Resources(int(count * 1000), 0, 0, 0)


def items(*sizes: tuple[Resources, int]) -> list[ItemGroup]:
    return [ItemGroup(key=key, size=size, count=count) for key, (size, count) in enumerate(sizes)]


def offer(
    kind: int,
    size: Resources,
    price: int,
    *,
    limit: int = 1000,
    slots: int = 110,
    key: int = 0,
    group: int | None = None,
) -> BinOffer:
    return BinOffer(
        kind=kind, size=size, slots=slots, price_pico_per_hour=price, limit=limit, key=key, limit_group=group
    )


def contents(packing: Packing) -> dict[tuple[int, int], dict[int, int]]:
    """(bin key, copy) to item key to count."""
    result: dict[tuple[int, int], dict[int, int]] = {}
    for packed in packing.placed:
        for copy in range(packed.first_copy, packed.first_copy + packed.copies):
            inside = result.setdefault((packed.bin_key, copy), {})
            inside[packed.item_key] = inside.get(packed.item_key, 0) + packed.count
    return result


def test_scattered_free_room_is_not_room_for_a_large_item() -> None:
    bins = [Bin(key=key, kind=0, free=cores(8), slots=110) for key in range(20)]
    packing = pack(items((cores(16), 10)), bins)
    assert packing.placed == ()
    assert packing.unplaced == ((0, 10),)


def test_the_oldest_bin_is_filled_first_even_if_another_fits_better() -> None:
    bins = [Bin(key=7, kind=0, free=cores(8), slots=110), Bin(key=3, kind=0, free=cores(2), slots=110)]
    packing = pack(items((cores(1), 9)), bins)
    assert contents(packing) == {(7, 0): {0: 8}, (3, 0): {0: 1}}


def test_existing_bins_come_before_new_ones() -> None:
    packing = pack(
        items((cores(1), 5)),
        [Bin(key=1, kind=0, free=cores(3), slots=110)],
        open_bins=[offer(0, cores(2), 1)],
    )
    assert contents(packing) == {(1, 0): {0: 3}, (-1, 0): {0: 2}}


def test_items_go_only_where_they_are_allowed() -> None:
    bins = [Bin(key=1, kind=1, free=cores(8), slots=110), Bin(key=2, kind=2, free=cores(8), slots=110)]
    group = ItemGroup(key=0, size=cores(1), count=10, allowed=frozenset({2}))
    assert contents(pack([group], bins)) == {(2, 0): {0: 8}}


def test_an_item_that_may_go_anywhere_leaves_the_only_place_to_one_that_may_not() -> None:
    bins = [Bin(key=1, kind=1, free=cores(4), slots=110), Bin(key=2, kind=2, free=cores(4), slots=110)]
    anywhere = ItemGroup(key=0, size=cores(1), count=4, allowed=frozenset({1, 2}))
    picky = ItemGroup(key=1, size=cores(1), count=4, allowed=frozenset({1}))
    assert pack([anywhere, picky], bins).unplaced == ()


def test_slots_bound_items_that_ask_for_nothing() -> None:
    packing = pack(items((ZERO, 10)), [Bin(key=1, kind=0, free=cores(1), slots=4)])
    assert packing.unplaced == ((0, 6),)


def test_the_cheapest_offer_for_the_need_is_opened() -> None:
    small, large = offer(0, cores(4), 12), offer(1, cores(16), 48)
    assert [opened.kind for opened in pack(items((cores(1), 1)), open_bins=[small, large]).opened] == [0]
    assert [opened.kind for opened in pack(items((cores(5), 1)), open_bins=[small, large]).opened] == [1]
    cheaper = offer(2, cores(16), 40)
    full = pack(items((cores(1), 160)), open_bins=[small, large, cheaper]).opened
    assert [(opened.kind, opened.copies) for opened in full] == [(2, 10)]


def test_offers_that_cost_nothing_are_opened_sparingly() -> None:
    free = [offer(0, cores(4), 0), offer(1, cores(16), 0)]
    assert [(o.kind, o.copies) for o in pack(items((cores(1), 32)), open_bins=free).opened] == [(1, 2)]
    assert [(o.kind, o.copies) for o in pack(items((cores(1), 1)), open_bins=free).opened] == [(0, 1)]


def test_an_offer_that_pairs_two_kinds_of_item_beats_two_that_do_not() -> None:
    gpu_job, cpu_job = Resources(1000, 0, 0, 1), cores(7)
    packing = pack(
        items((gpu_job, 1), (cpu_job, 1)),
        open_bins=[offer(0, Resources(8000, 0, 0, 1), 120), offer(1, cores(8), 24)],
    )
    assert [(opened.kind, opened.copies) for opened in packing.opened] == [(0, 1)]


def test_limits_of_offers_and_of_groups_of_offers_hold() -> None:
    offers = [
        offer(0, cores(4), 10, limit=2, group=0),
        offer(1, cores(4), 11, limit=9, group=0),
        offer(2, cores(4), 50),
    ]
    packing = pack(items((cores(4), 10)), open_bins=offers, group_limits={0: 3})
    assert [(opened.kind, opened.copies) for opened in packing.opened] == [(0, 2), (1, 1), (2, 7)]
    assert pack(items((cores(4), 1)), open_bins=[offer(0, cores(4), 1, limit=0)]).unplaced == ((0, 1),)


def test_two_offers_of_one_kind_are_told_apart_by_their_key() -> None:
    offers = [offer(0, cores(4), 10, key=0, limit=1), offer(0, cores(16), 40, key=1, limit=1)]
    packing = pack(items((cores(4), 5)), open_bins=offers)
    assert sorted(opened.offer_key for opened in packing.opened) == [0, 1]
    assert packing.unplaced == ()


def test_equal_bins_given_once_with_a_count_are_filled_like_separate_ones() -> None:
    groups = items((cores(3), 7), (cores(3), 5), (cores(1), 11))
    together = pack(groups, [Bin(key=0, kind=0, free=cores(8), slots=5, count=6)])
    apart = pack(groups, [Bin(key=key, kind=0, free=cores(8), slots=5) for key in range(6)])
    assert contents(together) == {(0, key): inside for (key, _), inside in contents(apart).items()}
    assert together.unplaced == apart.unplaced


def mixed_items(count: int, seed: int) -> list[ItemGroup]:
    """The value sets of Karpenter's own benchmark."""
    draw = random.Random(seed)
    counts: dict[Resources, int] = {}
    for _ in range(count):
        size = Resources(
            draw.choice([100, 250, 500, 1000, 1500]), draw.choice([100, 256, 512, 1024, 2048, 4096]), 0, 0
        )
        counts[size] = counts.get(size, 0) + 1
    return items(*counts.items())


def test_mixed_cpu_and_memory_stays_within_five_percent_of_the_volume_bound() -> None:
    node = Resources(32_000, 65_536, 0, 0)
    for seed in range(4):
        groups = mixed_items(5000, seed)
        packing = pack(groups, open_bins=[offer(0, node, 100, slots=250)])
        bound = max(math.ceil(sum(g.size[d] * g.count for g in groups) / node[d]) for d in (0, 1))
        assert packing.unplaced == ()
        assert sum(opened.copies for opened in packing.opened) <= 1.05 * bound


small = st.integers(0, 6)
sizes = st.builds(Resources, small, small, st.integers(0, 2), st.integers(0, 2))
kinds = st.frozensets(st.integers(0, 2), min_size=1) | st.none()
item_lists = st.lists(st.tuples(sizes, st.integers(0, 30), kinds), max_size=8).map(
    lambda rows: [ItemGroup(key=k, size=s, count=c, allowed=a) for k, (s, c, a) in enumerate(rows)]
)
roomy = st.builds(Resources, *[st.integers(0, 20)] * 2, *[st.integers(0, 5)] * 2)
bin_lists = st.lists(
    st.tuples(st.integers(0, 2), roomy, st.integers(0, 6), st.integers(1, 3)), max_size=6
).map(lambda rows: [Bin(key=i, kind=k, free=f, slots=s, count=c) for i, (k, f, s, c) in enumerate(rows)])
offer_lists = st.lists(
    st.tuples(roomy, st.integers(0, 6), st.integers(0, 50), st.integers(0, 4)), max_size=3
).map(lambda rows: [offer(i, size, p, limit=n, slots=s, group=0) for i, (size, s, p, n) in enumerate(rows)])


@given(item_lists, bin_lists, offer_lists, st.integers(0, 5))
def test_no_bin_is_overfull_no_item_is_lost_and_no_place_is_wasted(
    groups: list[ItemGroup], bins: list[Bin], offers: list[BinOffer], group_limit: int
) -> None:
    packing = pack(groups, bins, open_bins=offers, group_limits={0: group_limit})
    by_key = {group.key: group for group in groups}
    room = {(b.key, copy): (b.kind, b.free, b.slots) for b in bins for copy in range(b.count)}
    for opened in packing.opened:
        source = offers[opened.kind]
        room |= {
            (opened.key, copy): (opened.kind, source.size, source.slots) for copy in range(opened.copies)
        }
    placed = dict.fromkeys(by_key, 0)
    for where, inside in contents(packing).items():
        kind, free, slots = room[where]
        for key, count in inside.items():
            allowed = by_key[key].allowed
            assert count > 0
            assert allowed is None or kind in allowed
            free, slots = free.minus(by_key[key].size.times(count)), slots - count
            placed[key] += count
        assert min(*free, slots) >= 0
        room[where] = kind, free, slots
    unplaced = dict(packing.unplaced)
    assert {key: placed[key] + unplaced.get(key, 0) for key in by_key} == {g.key: g.count for g in groups}
    made = dict.fromkeys(range(len(offers)), 0)
    for opened in packing.opened:
        made[opened.kind] += opened.copies
    assert all(made[number] <= offers[number].limit for number in made)
    assert sum(made.values()) <= group_limit
    for key in unplaced:
        size, allowed = by_key[key].size, by_key[key].allowed
        for kind, free, slots in room.values():
            assert not ((allowed is None or kind in allowed) and slots > 0 and size.fits_in(free))
        for number, source in enumerate(offers):
            open_still = made[number] < source.limit and sum(made.values()) < group_limit
            may = (allowed is None or number in allowed) and source.slots > 0 and size.fits_in(source.size)
            assert not (open_still and may)


@given(item_lists, bin_lists, offer_lists, st.randoms(use_true_random=False))
def test_the_order_of_items_and_offers_does_not_matter(
    groups: list[ItemGroup], bins: list[Bin], offers: list[BinOffer], shuffle: random.Random
) -> None:
    first = pack(groups, bins, open_bins=offers, group_limits={0: 99})
    shuffle.shuffle(groups)
    shuffle.shuffle(offers)
    assert repr(pack(groups, bins, open_bins=offers, group_limits={0: 99})) == repr(first)
