"""The packing function. Placement, scaling, dry runs and `why` all call it, so they cannot disagree about what fits.

It fills existing bins first, in the order given (oldest first, never best fit, so that the youngest workers fall empty and
can go), and then opens new bins from offers. It works on shapes with counts, never item by item; the same input gives the
same packing, and the order of items and offers does not matter. It knows nothing of jobs, workers or pools.

Read `fill_bins`, then `open_bins.py`; one bin is filled by `fill_bin.py`. `optimise.py` does the same with a longer search for new
bins and a certified bound; what it opens is filled by placement with this function.
"""

from collections.abc import Iterable, Mapping, Sequence, Set

from herder.decide.packing.bounds.shadow_prices import best_prices, places_of, question, worths
from herder.decide.packing.fill_bin import Pattern
from herder.decide.packing.groups import (
    Bin,
    BinOffer,
    ItemGroup,
    Opened,
    Packed,
    Packing,
    in_asked_dimensions,
)
from herder.decide.packing.open_bins import Known, Run, copies_of, known_fill, offer_limits_of, plain_worth
from herder.decide.packing.open_bins import open_bins as open_new
from herder.decide.packing.shapes import WINDOW, ShapeTable

__all__ = [
    "Bin",
    "BinOffer",
    "ItemGroup",
    "Opened",
    "Packed",
    "Packing",
    "fill_bins",
    "first_runs",
    "pack",
    "priced_worth",
    "put_runs",
]


def pack(
    items: Iterable[ItemGroup],
    bins: Sequence[Bin] = (),
    *,
    open_bins: Sequence[BinOffer] = (),
    group_limits: Mapping[int, int] | None = None,
) -> Packing:
    groups = tuple(items)
    if len(groups) == 1 and not open_bins:
        return _one_group(groups[0], bins)
    asked, bins, open_bins = in_asked_dimensions(groups, bins, open_bins)
    table = ShapeTable(asked)
    if not table.shapes:
        return Packing(placed=(), opened=(), unplaced=())
    known: Known = {}
    fill_bins(table, bins, known)
    opened = put_runs(first_runs(table, open_bins, group_limits or {}, known)) if open_bins else []
    return Packing(placed=tuple(table.placed()), opened=tuple(opened), unplaced=tuple(table.unplaced()))


def _one_group(item: ItemGroup, bins: Sequence[Bin]) -> Packing:
    """The same for a single group, as when one job is submitted to a fleet with room: nothing competes, so each bin in turn
    takes what it can. One pass, and no tables."""
    left, placed = item.count, []
    for target in bins:
        if left <= 0:
            break
        if item.allowed is not None and target.kind not in item.allowed:
            continue
        each = min(target.slots, item.size.how_many_in(target.free))
        if each <= 0:
            continue
        full = min(target.count, left // each)
        if full:
            placed.append(Packed(item_key=item.key, bin_key=target.key, count=each, copies=full))
            left -= each * full
        if left > 0 and full < target.count:
            placed.append(Packed(item_key=item.key, bin_key=target.key, count=left, first_copy=full))
            left = 0
    return Packing(placed=tuple(placed), opened=(), unplaced=((item.key, left),) if left > 0 else ())


def first_runs(
    table: ShapeTable,
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    known: Known,
    finer: Set[int] = frozenset(),
) -> list[Run]:
    """New bins for what is left. Few shapes repeat, and their plain worth will do; many need the better prices."""
    if len(table.shapes) <= WINDOW:
        worth = plain_worth(table.shapes, offers)
    else:
        worth = priced_worth(table, offers, group_limits)
    return open_new(table, offers, offer_limits_of(offers, group_limits), known, worth=worth, finer=finer)


def priced_worth(
    table: ShapeTable, offers: Sequence[BinOffer], group_limits: Mapping[int, int]
) -> dict[int, int]:
    # In an order of their own: prices come from floats, and must not depend on how the offers were listed.
    offers = sorted(offers, key=lambda offer: (offer.kind, offer.key))
    asked = question([(shape, shape.left) for shape in table.shapes], (), offers, group_limits)
    return worths(best_prices(asked), table.shapes, places_of(table.shapes, offers, ()))


def fill_bins(table: ShapeTable, bins: Sequence[Bin], known: Known) -> None:
    unplaced = len(table.shapes)
    for target in bins:
        first = 0
        while first < target.count:
            pattern = known_fill(table, target.kind, target.free, target.slots, known)
            if not pattern:
                break
            copies = min(target.count - first, copies_of(pattern))
            _put(pattern, target.key, first, copies)
            unplaced -= sum(1 for shape, _ in pattern if shape.left == 0)
            if unplaced == 0:
                return
            first += copies


def _put(pattern: Pattern, bin_key: int, first: int, copies: int) -> None:
    for shape, count in pattern:
        shape.left -= count * copies
        shape.runs.append((bin_key, first, copies, count))


def put_runs(runs: Iterable[Run]) -> list[Opened]:
    """Number the new bins, and note in the shapes what they hold (it is off the table already)."""
    opened: list[Opened] = []
    for offer, pattern, copies in runs:
        key = -1 - len(opened)
        for shape, count in pattern:
            shape.runs.append((key, 0, copies, count))
        opened.append(Opened(key=key, kind=offer.kind, offer_key=offer.key, copies=copies))
    return opened
