"""Items with rules about other items: at most so many in one bin or zone, and everything else in what is left."""

from collections import Counter
from dataclasses import replace

import pytest

from herder.decide.packing.apart import Standing, pack_apart
from herder.decide.packing.groups import Bin, BinOffer, ItemGroup, Packing
from herder.decide.packing.optimise import Optimised, optimise
from herder.model.values.resources import Resources
from herder.model.work.apart import Apart, CountRule, Topology

HOST, ZONE = Topology.WORKER, Topology.ZONE
ZONES = {0: "a", 1: "b", 2: "c", 9: ""}


def cores(count: int) -> Resources:
    return Resources(cpu_milli=1000 * count, memory_mib=count)


def bins(*kinds: int, size: int = 8) -> list[Bin]:
    return [Bin(key=key, kind=kind, free=cores(size), slots=110) for key, kind in enumerate(kinds)]


def offers(*kinds: int, limit: int = 100, size: int = 8) -> list[BinOffer]:
    return [
        BinOffer(kind=kind, size=cores(size), slots=110, price_pico_per_hour=10, limit=limit, limit_group=0)
        for kind in kinds
    ]


def item(key: int, count: int, apart: Apart | None, size: int = 1) -> ItemGroup:
    return ItemGroup(key=key, size=cores(size), count=count, apart=apart)


def one(group: str, topology: Topology, most: int = 1, spread: bool = False) -> Apart:
    rule = CountRule(group=group, topology=topology, most=most, above_least=spread)
    return Apart(rules=(rule,), counted_in=(group,))


def packed(
    items: list[ItemGroup],
    there: list[Bin],
    new: list[BinOffer],
    in_bins: dict[int, dict[str, int]] | None = None,
    in_zones: dict[str, dict[str, int]] | None = None,
    limit: int = 100,
) -> Packing:
    def rest(items, bins, offers, limits) -> Optimised:  # type: ignore[no-untyped-def]
        return optimise(items, bins, open_bins=offers, group_limits=limits)

    standing = Standing(zones=ZONES, in_bins=in_bins or {}, in_zones=in_zones or {})
    return pack_apart(items, there, new, {0: limit}, standing, rest).packing


def by_zone(packing: Packing, there: list[Bin], key: int = 0) -> Counter[str]:
    kinds = {each.key: each.kind for each in (*there, *packing.opened)}
    found: Counter[str] = Counter()
    for each in packing.placed:
        if each.item_key == key:
            found[ZONES[kinds[each.bin_key]]] += each.total
    return found


def test_replicas_that_are_apart_take_one_bin_each_and_others_the_rest() -> None:
    there = bins(0)
    packing = packed([item(0, 3, one("web", HOST)), item(1, 23, None)], there, offers(0))
    assert packing.unplaced == ()
    assert sum(each.copies for each in packing.opened) == 3
    assert {each.count for each in packing.placed if each.item_key == 0} == {1}
    assert sum(each.total for each in packing.placed if each.item_key == 1) == 23


def test_pods_that_run_already_count() -> None:
    there = bins(0, 0)
    packing = packed([item(0, 2, one("web", HOST))], there, [], in_bins={0: {"web": 1}})
    assert [(each.bin_key, each.total) for each in packing.placed] == [(1, 1)]
    assert packing.unplaced == ((0, 1),)


def test_who_is_meant_keeps_away_from_who_has_the_rule() -> None:
    lone = Apart(rules=(CountRule(group="web", topology=HOST, most=0),), counted_in=("apart from web",))
    web = Apart(rules=(CountRule(group="apart from web", topology=HOST, most=0),), counted_in=("web",))
    packing = packed([item(0, 1, lone, 2), item(1, 4, web)], bins(0), offers(0))
    at = {each.item_key: each.bin_key for each in packing.placed}
    assert at[0] != at[1]
    assert packing.unplaced == ()


@pytest.mark.parametrize(("count", "placed"), [(2, 2), (5, 3)])
def test_one_in_each_zone(count: int, placed: int) -> None:
    packing = packed([item(0, count, one("web", ZONE))], [], offers(0, 1, 2))
    zones = by_zone(packing, [])
    assert (sum(zones.values()), max(zones.values())) == (placed, 1)


def test_a_spread_fills_the_emptiest_zone_first() -> None:
    there = bins(0, 1)
    packing = packed(
        [item(0, 8, one("web", ZONE, spread=True))],
        there,
        offers(0, 1, 2),
        in_zones={"web": {"a": 3, "b": 1}},
    )
    assert by_zone(packing, there) == {"a": 1, "b": 3, "c": 4}


def test_a_zone_that_exists_and_is_full_holds_the_others_back() -> None:
    there = bins(0)
    packing = packed(
        [item(0, 8, one("web", ZONE, most=2, spread=True))], there, [], in_zones={"web": {"a": 0, "b": 0}}
    )
    assert (by_zone(packing, there), packing.unplaced) == ({"a": 2}, ((0, 6),))


def test_a_zone_where_nothing_may_be_created_is_no_zone() -> None:
    packing = packed([item(0, 8, one("web", ZONE, spread=True))], [], [*offers(0), *offers(1, limit=0)])
    assert (by_zone(packing, []), packing.unplaced) == ({"a": 8}, ())


def test_a_zone_that_its_pods_cannot_use_is_no_zone_although_others_are_counted_there() -> None:
    only_a = replace(item(0, 5, one("web", ZONE, spread=True)), allowed=frozenset({0}))
    counted = replace(item(1, 1, Apart(counted_in=("web",)), 6), allowed=frozenset({1}))
    other = replace(item(2, 1, one("db", ZONE), 2), allowed=frozenset({1}))
    other = replace(other, apart=replace(one("db", ZONE), counted_in=("db", "web")))
    packing = packed([only_a, counted, other], [], offers(0, 1))
    assert packing.unplaced == ()


def test_limits_hold_for_both_passes_together() -> None:
    packing = packed([item(0, 3, one("web", HOST)), item(1, 30, None)], [], offers(0), limit=4)
    assert sum(each.copies for each in packing.opened) == 4
    assert packing.unplaced == ((1, 1),)
    keys = [each.key for each in packing.opened]
    assert len(keys) == len(set(keys))


def test_five_thousand_in_two_hundred_classes_take_less_than_a_second() -> None:
    import time

    items = [
        item(key, 25, one(f"g{key}", ZONE if key % 2 else HOST, spread=bool(key % 2)) if key % 4 else None)
        for key in range(200)
    ]
    began = time.process_time()
    packing = packed(items, [], offers(0, 1, 2, limit=2000, size=16), limit=2000)
    assert time.process_time() - began < 1.0
    assert packing.unplaced == ()
