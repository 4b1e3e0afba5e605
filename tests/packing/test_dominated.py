"""Offers that no packing needs are left out: greedily the same is opened without them, and a bound with either holds for both."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.packing import optimise as module
from herder.decide.packing.dominated import needed_offers
from herder.decide.packing.groups import Bin, BinOffer, ItemGroup
from herder.decide.packing.optimise import Optimised, optimise
from herder.decide.packing.shapes import ShapeTable
from herder.model.values.resources import Resources


def offer(key: int, price: int, *, kind: int = 0, limit: int = 9, group: int | None = None) -> BinOffer:
    return BinOffer(
        kind=kind, size=Resources(4000, 4096, 0), slots=10, price_pico_per_hour=price, limit=limit, key=key,
        limit_group=group,
    )  # fmt: skip


def item(count: int, allowed: frozenset[int] | None = None) -> ItemGroup:
    return ItemGroup(key=0, size=Resources(1000, 512, 0), count=count, allowed=allowed)


def kept(items: list[ItemGroup], *offers: BinOffer, limits: dict[int, int] | None = None) -> list[int]:
    return [each.key for each in needed_offers(ShapeTable(items).shapes, offers, limits or {})]


def test_the_cheapest_of_each_look_are_kept_as_far_as_there_could_be_bins() -> None:
    assert kept([item(5)], offer(0, 30), offer(1, 10), offer(2, 20)) == [1]
    assert kept([item(5)], offer(0, 30), offer(1, 10, limit=2), offer(2, 20, limit=3)) == [1, 2]
    assert kept([item(5)], offer(1, 10, group=0), offer(2, 20, group=0), limits={0: 9}) == [1]
    assert kept([item(50)], offer(1, 10, group=0), offer(2, 20, group=0), limits={0: 9}) == [1]
    assert kept([item(50)], offer(1, 10, group=0), offer(2, 20, group=1), limits={0: 9, 1: 9}) == [1, 2]


def test_what_an_item_allows_tells_offers_apart() -> None:
    cheap, dear = offer(0, 10, kind=0), offer(1, 20, kind=1)
    assert kept([item(5)], cheap, dear) == [0]
    assert kept([item(5, frozenset({1}))], cheap, dear) == [0, 1]
    assert kept([item(5, frozenset({0, 1}))], cheap, dear) == [0]


_KINDS = range(4)
_allowed = st.none() | st.frozensets(st.sampled_from(_KINDS), min_size=1)
_items = st.lists(
    st.builds(
        lambda cpu, memory, count, allowed: (Resources(cpu, memory, 0), count, allowed),
        st.sampled_from([250, 500, 1000, 2000]), st.sampled_from([256, 512, 1024, 2048]), st.integers(1, 5), _allowed,
    ),
    min_size=1, max_size=3,
)  # fmt: skip
_offers = st.lists(
    st.tuples(
        st.sampled_from(_KINDS), st.sampled_from([1000, 2000, 4000]), st.sampled_from([1024, 2048, 4096]),
        st.sampled_from([0, 1, 2, 10]), st.sampled_from([0, 10, 20, 20, 30]), st.integers(0, 3),
        st.sampled_from([None, 0, 1]),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(_items, _offers, st.integers(0, 3), st.integers(0, 3), st.booleans(), st.sampled_from([0, 20]))
def test_without_them_the_same_is_found(
    wanted: list[tuple[Resources, int, frozenset[int] | None]],
    sold: list[tuple[int, int, int, int, int, int, int | None]],
    first: int, second: int, there: bool, steps: int,
) -> None:  # fmt: skip
    items = [
        ItemGroup(key=key, size=size, count=count, allowed=allowed)
        for key, (size, count, allowed) in enumerate(wanted)
    ]
    offers = [
        BinOffer(kind=kind, size=Resources(cpu, memory, 0), slots=slots, price_pico_per_hour=price, limit=limit, key=key, limit_group=group)
        for key, (kind, cpu, memory, slots, price, limit, group) in enumerate(sold)
    ]  # fmt: skip
    bins = [Bin(key=0, kind=0, free=Resources(1000, 1024, 0), slots=2)] if there else []

    def found() -> Optimised:
        return optimise(items, bins, open_bins=offers, group_limits={0: first, 1: second}, improve=steps)

    short = found()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "needed_offers", lambda _shapes, every, _limits: list(every))
        whole = found()
    assert short.packing.unplaced == whole.packing.unplaced
    if not steps:
        assert short.packing == whole.packing
    # A search that ends early may take another way, and the cheapest packing costs the same: each bound is below both.
    bounds = (short.bound_pico_per_hour, whole.bound_pico_per_hour)
    assert max(bounds) <= min(short.cost_pico_per_hour, whole.cost_pico_per_hour)
    used: Counter[tuple[int, int]] = Counter()
    for opened in short.packing.opened:
        used[opened.kind, opened.offer_key] += opened.copies
    assert all(used[each.kind, each.key] <= each.limit for each in offers)
