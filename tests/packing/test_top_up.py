"""Workers of a search, with a few more where placement finds no room for all: what is answered holds when it is filled as placement does it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from herder.decide.packing.groups import Bin, BinOffer, ItemGroup, Opened
from herder.decide.packing.optimise import optimise
from herder.decide.packing.pack import pack
from herder.decide.packing.top_up import bins_of, topped_up
from herder.model.values.resources import Resources


def _case(random: Random) -> tuple[list[ItemGroup], list[Bin], list[BinOffer], dict[int, int]]:
    items = [
        ItemGroup(
            key=key,
            size=Resources(random.choice([250, 700, 1500, 4000]), random.choice([256, 900, 4096]), 0),
            count=random.randint(1, 60),
        )
        for key in range(random.randint(2, 6))
    ]
    bins = [
        Bin(key=key, kind=0, free=Resources(random.randint(0, 8000), random.randint(0, 16_000), 0), slots=20)
        for key in range(random.randint(0, 3))
    ]
    offers = [
        BinOffer(
            kind=0,
            size=Resources(cores * 1000, cores * random.choice([1024, 2048, 4096]), 0),
            slots=110,
            price_pico_per_hour=cores * random.randint(20, 60),
            limit=random.choice([2, 20, 200]),
            key=key,
            limit_group=key % 2,
        )
        for key, cores in enumerate(random.choices([2, 4, 8, 16, 32], k=4))
    ]
    return items, bins, offers, {0: random.choice([3, 300]), 1: 300}


def test_what_is_answered_holds_and_keeps_the_limits() -> None:
    random, more = Random(5), 0
    for _ in range(100):
        items, bins, offers, limits = _case(random)
        found = optimise(items, bins, open_bins=offers, group_limits=limits, improve=60)
        topped = topped_up(items, bins, offers, limits, found)
        if topped is None:
            continue
        opened = topped.packing.opened
        more += sum(each.copies for each in opened) > sum(each.copies for each in found.packing.opened)
        filled = pack(items, [*bins, *bins_of(opened, offers)])
        assert filled.unplaced == found.packing.unplaced == topped.packing.unplaced
        assert topped.bound_pico_per_hour == found.bound_pico_per_hour
        by_key = {offer.key: offer for offer in offers}
        assert topped.cost_pico_per_hour == sum(
            by_key[each.offer_key].price_pico_per_hour * each.copies for each in opened
        )
        taken, groups = Counter[int](), Counter[int | None]()
        for each in opened:
            taken[each.offer_key] += each.copies
            groups[by_key[each.offer_key].limit_group] += each.copies
        assert all(taken[key] <= by_key[key].limit for key in taken)
        assert all(groups[group] <= limit for group, limit in limits.items())
        assert len({each.key for each in opened}) == len(opened)
        assert {each.bin_key for each in topped.packing.placed if each.bin_key < 0} == {
            each.key for each in opened
        }
    assert more > 0


def test_a_bin_that_is_not_needed_is_not_opened() -> None:
    items = [ItemGroup(key=0, size=Resources(1000, 1024), count=3)]
    offers = [
        BinOffer(kind=0, size=Resources(2000, 4096), slots=10, price_pico_per_hour=7, limit=9, limit_group=0)
    ]
    found = optimise(items, [], open_bins=offers, group_limits={0: 9})
    doubled = replace(
        found, packing=replace(found.packing, opened=(Opened(key=-1, kind=0, offer_key=0, copies=5),))
    )
    topped = topped_up(items, [], offers, {0: 9}, doubled)
    assert topped is not None
    assert [each.copies for each in topped.packing.opened] == [2]
    assert topped.cost_pico_per_hour == 14


def test_without_room_for_all_there_is_no_answer() -> None:
    items = [ItemGroup(key=0, size=Resources(1000, 1024), count=3)]
    offers = [BinOffer(kind=0, size=Resources(2000, 4096), slots=10, price_pico_per_hour=7, limit=2)]
    found = optimise(items, [], open_bins=offers)
    few = replace(
        found, packing=replace(found.packing, opened=(Opened(key=-1, kind=0, offer_key=0, copies=1),))
    )
    assert topped_up(items, [], [replace(offers[0], limit=1)], {}, few) is None
