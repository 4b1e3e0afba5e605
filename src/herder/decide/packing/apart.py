"""Places items that are bound to the items around them: at most so many of a group in one bin or zone. The rest is packed after them.

Called by the queued-jobs trigger where pods with such rules wait; without them it is never called. Each class goes, in one pass, into the
bins in their order, zone by zone where zones count, and then into new bins. What these leave free is offered to all other items.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from herder.decide.packing.groups import (
    Bin,
    BinOffer,
    ItemGroup,
    Opened,
    Packed,
    Packing,
    in_asked_dimensions,
)
from herder.decide.packing.open_bins import OfferLimits, offer_limits_of
from herder.decide.packing.optimise import Optimised
from herder.model.values.resources import Resources
from herder.model.work.apart import Apart, CountRule, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is there already. A group that is spread has each zone that counts, also with none of it."""

    zones: Mapping[int, str]
    """The zone of a kind of bin; empty: none."""
    in_bins: Mapping[int, Mapping[str, int]]
    """By key of a bin and group."""
    in_zones: Mapping[str, Mapping[str, int]]
    """By group and zone."""


#: Items, bins, offers and limits of groups of offers: how everything else is packed.
Rest = Callable[[Sequence[ItemGroup], Sequence[Bin], Sequence[BinOffer], Mapping[int, int]], Optimised]


def pack_apart(
    items: Sequence[ItemGroup],
    bins: Sequence[Bin],
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    standing: Standing,
    rest: Rest,
) -> Optimised:
    """Each of `bins` is one bin. No bound is proved."""
    items, bins, offers = in_asked_dimensions(items, bins, offers)
    work = _Work(bins, offers, group_limits, standing)
    for item in sorted((each for each in items if each.apart is not None), key=_order, reverse=True):
        left = work.place(item)
        if left:
            work.unplaced.append((item.key, left))
    others = [each for each in items if each.apart is None]
    first_key = 1 + max((each.key for each in bins), default=-1)
    places = [place.as_bin(first_key + number) for number, place in enumerate(work.opened)]
    found = rest(others, [*(place.as_bin() for place in work.old), *places], *work.left_of_offers())
    return _together(work, found, first_key)


def _order(item: ItemGroup) -> tuple[bool, bool, Resources, int]:
    """What is bound to zones first, and what is only counted last; then the large before the small."""
    rules = item.apart.rules if item.apart is not None else ()
    return any(each.topology is Topology.ZONE for each in rules), bool(rules), item.size, -item.key


@dataclass(slots=True)
class _Place:
    key: int
    kind: int
    zone: str
    free: Resources
    slots: int
    counts: dict[str, int]
    offer: BinOffer | None = None

    def as_bin(self, key: int | None = None) -> Bin:
        return Bin(key=self.key if key is None else key, kind=self.kind, free=self.free, slots=self.slots)

    def room(self, item: ItemGroup, apart: Apart, most: int) -> int:
        fits = min(most, self.slots, item.size.how_many_in(self.free))
        for rule in apart.rules:
            if fits > 0 and rule.topology is Topology.WORKER:
                fits = min(fits, _more(rule, apart, self.counts.get(rule.group, 0)))
        return fits


def _more(rule: CountRule, apart: Apart, have: int, least: int = 0) -> int:
    """How many more may come to where so many are."""
    free = rule.most + (least if rule.above_least else 0) - have
    if rule.group in apart.counted_in:
        return max(0, free)
    return 2**31 if free >= 0 else 0


@dataclass(slots=True)
class _Zone:
    """What one class may still use of a zone, in order: a bin that has no room for it will have none later."""

    places: list[_Place]
    next: int = 0
    blocked: bool = False


class _Work:
    def __init__(
        self,
        bins: Sequence[Bin],
        offers: Sequence[BinOffer],
        group_limits: Mapping[int, int],
        standing: Standing,
    ) -> None:
        self._zone_of = standing.zones
        self.old = [
            _Place(
                each.key, each.kind, standing.zones.get(each.kind, ""), each.free, each.slots,
                dict(standing.in_bins.get(each.key, {})),
            )
            for each in bins
        ]  # fmt: skip
        self.opened: list[_Place] = []
        self.packed: list[tuple[int, _Place, int]] = []
        self.unplaced: list[tuple[int, int]] = []
        self._offers, self._group_limits = offers, group_limits
        self._limits: OfferLimits = offer_limits_of(offers, group_limits)
        self._in_zones = {group: dict(counts) for group, counts in standing.in_zones.items()}
        self._domains = {group: set(counts) for group, counts in standing.in_zones.items()}
        """Zones that count for a spread: an item of another class may be counted in a zone that its own pods cannot use."""

    def place(self, item: ItemGroup) -> int:
        """Answers how many have no place."""
        apart = item.apart or Apart()
        rules = [each for each in apart.rules if each.topology is Topology.ZONE]
        places = [each for each in (*self.old, *self.opened) if _may(item, each.kind)]
        if not rules:
            return self._place_anywhere(item, apart, places)
        zones = {place.zone: _Zone([]) for place in places}
        zones |= {
            self._zone_of.get(each.kind, ""): _Zone([]) for each in self._offers if _may(item, each.kind)
        }
        for place in places:
            zones[place.zone].places.append(place)
            self._exists(rules, place.zone)
        left = item.count
        while left > 0:
            taken = self._place_in_a_zone(item, apart, rules, zones, left)
            if not taken:
                break
            left -= taken
        return left

    def _place_anywhere(self, item: ItemGroup, apart: Apart, places: Sequence[_Place]) -> int:
        left = item.count
        for place in places:
            if left <= 0:
                return 0
            left -= self._put(item, apart, place, left)
        while left > 0 and (opened := self._open(item, apart, left, None)) is not None:
            left -= self._put(item, apart, opened, left)
        return left

    def _place_in_a_zone(
        self, item: ItemGroup, apart: Apart, rules: Sequence[CountRule], zones: Mapping[str, _Zone], left: int
    ) -> int:
        """In the zone that has the fewest of those that may take one; one by one where each counts."""
        each_counts = any(rule.group in apart.counted_in for rule in rules)
        live = [name for name, zone in zones.items() if not zone.blocked]
        for name in sorted(live, key=lambda name: (self._count(rules, name), name)):
            room = self._room(apart, rules, name)
            if room <= 0:
                continue
            share = -(-left // len(live))
            taken = self._put_in_zone(
                item, apart, zones[name], name, 1 if each_counts else left, max(share, 1)
            )
            if taken:
                self._exists(rules, name)
                return taken
            zones[name].blocked = True
        return 0

    def _put_in_zone(
        self, item: ItemGroup, apart: Apart, zone: _Zone, name: str, most: int, share: int
    ) -> int:
        while zone.next < len(zone.places):
            taken = self._put(item, apart, zone.places[zone.next], most)
            if taken:
                return taken
            zone.next += 1
        opened = self._open(item, apart, share, name)
        if opened is None:
            return 0
        zone.places.append(opened)
        return self._put(item, apart, opened, most)

    def _count(self, rules: Sequence[CountRule], zone: str) -> int:
        return max(self._in_zones.get(rule.group, {}).get(zone, 0) for rule in rules)

    def _room(self, apart: Apart, rules: Sequence[CountRule], zone: str) -> int:
        room = 2**31
        for rule in rules:
            if not zone:  # it is no domain: nothing is apart from it, and nothing is spread over it
                if rule.above_least:
                    return 0
                continue
            counts = self._in_zones.get(rule.group, {})
            domains = self._domains.get(rule.group, set()) | {zone}
            least = 0 if len(domains) < rule.domains else min(counts.get(name, 0) for name in domains)
            room = min(room, _more(rule, apart, counts.get(zone, 0), least))
        return room

    def _exists(self, rules: Sequence[CountRule], zone: str) -> None:
        for rule in rules:
            if zone:
                self._domains.setdefault(rule.group, set()).add(zone)

    def _put(self, item: ItemGroup, apart: Apart, place: _Place, most: int) -> int:
        count = place.room(item, apart, most)
        if count <= 0:
            return 0
        place.free, place.slots = place.free.minus(item.size.times(count)), place.slots - count
        for group in apart.counted_in:
            place.counts[group] = place.counts.get(group, 0) + count
            if place.zone:
                counts = self._in_zones.setdefault(group, {})
                counts[place.zone] = counts.get(place.zone, 0) + count
        self.packed.append((item.key, place, count))
        return count

    def _open(self, item: ItemGroup, apart: Apart, left: int, zone: str | None) -> _Place | None:
        """The cheapest for each item that it would take."""
        best: tuple[float, int, _Place] | None = None
        for number, offer in enumerate(self._offers):
            at = self._zone_of.get(offer.kind, "")
            if not _may(item, offer.kind) or (zone is not None and at != zone) or self._limits.of(offer) <= 0:
                continue
            place = _Place(0, offer.kind, at, offer.size, offer.slots, {}, offer)
            room = place.room(item, apart, left)
            if room > 0 and (best is None or (offer.price_pico_per_hour / room, number) < best[:2]):
                best = offer.price_pico_per_hour / room, number, place
        if best is None:
            return None
        place = best[2]
        assert place.offer is not None
        self._limits.take(place.offer, 1)
        self.opened.append(place)
        return place

    def left_of_offers(self) -> tuple[list[BinOffer], dict[int, int]]:
        used, group_used = self._limits.used, self._limits.group_used
        offers = [
            replace(each, limit=each.limit - used.get((each.kind, each.key), 0)) for each in self._offers
        ]
        limits = {number: limit - group_used.get(number, 0) for number, limit in self._group_limits.items()}
        return offers, limits


def _may(item: ItemGroup, kind: int) -> bool:
    return item.allowed is None or kind in item.allowed


@dataclass(slots=True)
class _Runs:
    """New bins that follow one another and are of one offer are one entry."""

    opened: list[Opened] = field(default_factory=list)
    at: list[tuple[int, int]] = field(default_factory=list)
    """By number of the new bin: the key of its entry, and which copy it is."""

    def add(self, offer: BinOffer) -> None:
        last = self.opened[-1] if self.opened else None
        if last is None or (last.kind, last.offer_key) != (offer.kind, offer.key):
            last = Opened(key=-1 - len(self.opened), kind=offer.kind, offer_key=offer.key, copies=0)
            self.opened.append(last)
        self.opened[-1] = replace(last, copies=last.copies + 1)
        self.at.append((last.key, last.copies))


def _together(work: _Work, rest: Optimised, first_key: int) -> Optimised:
    runs, cost = _Runs(), 0
    number_of: dict[int, int] = {}
    for number, place in enumerate(work.opened):
        assert place.offer is not None
        number_of[id(place)] = number
        runs.add(place.offer)
        cost += place.offer.price_pico_per_hour
    shift = len(runs.opened)

    def moved(packed: Packed) -> Packed:
        if packed.bin_key < 0:
            return replace(packed, bin_key=packed.bin_key - shift)
        if packed.bin_key < first_key:
            return packed
        key, copy = runs.at[packed.bin_key - first_key]
        return replace(packed, bin_key=key, first_copy=copy)

    def mine(item_key: int, place: _Place, count: int) -> Packed:
        number = number_of.get(id(place))
        key, copy = (place.key, 0) if number is None else runs.at[number]
        return Packed(item_key=item_key, bin_key=key, count=count, first_copy=copy)

    return Optimised(
        packing=Packing(
            placed=(*(mine(*each) for each in work.packed), *map(moved, rest.packing.placed)),
            opened=(*runs.opened, *(replace(each, key=each.key - shift) for each in rest.packing.opened)),
            unplaced=tuple(sorted((*work.unplaced, *rest.packing.unplaced))),
        ),
        cost_pico_per_hour=cost + rest.cost_pico_per_hour,
        bound_pico_per_hour=0,
    )
