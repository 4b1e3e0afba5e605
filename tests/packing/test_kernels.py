"""The innermost loops of packing: what is written out for four dimensions and what does any number give the same answers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.decide.packing import kernels, shapes
from herder.decide.packing.groups import in_asked_dimensions
from herder.decide.packing.kernels import Four, Many
from herder.decide.packing.optimise import optimise
from herder.decide.packing.pack import Bin, BinOffer, ItemGroup, pack
from herder.model.values.resources import PLAIN, Dimensions, Resources, declare

SIX = Dimensions((declare("licence/abaqus"), declare("licence/ansys")))
AMOUNT = st.integers(0, 40)


def vectors(table: Dimensions, least: int = 0) -> st.SearchStrategy[Resources]:
    places = len(table.names)
    return st.lists(st.integers(least, 40), min_size=places, max_size=places).map(table.of)


def groups(table: Dimensions) -> st.SearchStrategy[list[ItemGroup]]:
    rows = st.lists(st.tuples(vectors(table), st.integers(1, 9)), min_size=1, max_size=8)
    return rows.map(
        lambda rows: [ItemGroup(key=key, size=size, count=count) for key, (size, count) in enumerate(rows)]
    )


def fleet(table: Dimensions) -> st.SearchStrategy[list[Bin]]:
    rows = st.lists(st.tuples(vectors(table), st.integers(1, 12)), max_size=5)
    return rows.map(
        lambda rows: [Bin(key=key, kind=0, free=free, slots=slots) for key, (free, slots) in enumerate(rows)]
    )


def sold(table: Dimensions) -> list[BinOffer]:
    return [
        BinOffer(
            kind=0,
            key=key,
            size=table.of([size] * len(table.names)),
            slots=20,
            price_pico_per_hour=size,
            limit=50,
        )
        for key, size in enumerate((40, 80))
    ]


@given(st.lists(vectors(PLAIN), min_size=1, max_size=9), vectors(PLAIN), vectors(PLAIN, 1))
def test_single_loops_agree(sizes: list[Resources], free: Resources, most: Resources) -> None:
    factors = [1.0 / (1 + number) for number in range(len(sizes))]
    four = [Four.row(number, size, factors[number]) for number, size in enumerate(sizes)]
    many = [Many.row(number, size, factors[number]) for number, size in enumerate(sizes)]
    weights = [0.5, 0.25, 2.0, 1.0]
    assert Four.best(four, weights, 0.5) == Many.best(many, weights, 0.5)
    assert [row[0] for row in Four.still_fitting(four, free, 2, lambda _: None)] == [
        row[0] for row in Many.still_fitting(many, free, 2, lambda _: None)
    ]
    largest = [max(column) or 1 for column in zip(*sizes, strict=True)]
    assert Four.directions(sizes, largest) == Many.directions(sizes, largest)
    scale, ratios = [kernels.WHOLE / each for each in largest], [0.0, 0.25, 0.5, 0.125]
    assert Four.reach(free, scale, ratios) == pytest.approx(Many.reach(free, scale, ratios))


@given(groups(PLAIN), fleet(PLAIN))
def test_packing_with_either_is_the_same(items: list[ItemGroup], bins: list[Bin]) -> None:
    usual = pack(items, bins, open_bins=sold(PLAIN))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "kernel_for", lambda places: Many)
        assert pack(items, bins, open_bins=sold(PLAIN)) == usual


@settings(max_examples=50)
@given(groups(SIX), fleet(SIX))
def test_six_dimensions_are_never_overfilled_and_what_fits_is_placed(
    items: list[ItemGroup], bins: list[Bin]
) -> None:
    packing = pack(items, bins)
    free = {each.key: each.free for each in bins}
    slots = {each.key: each.slots for each in bins}
    for packed in packing.placed:
        free[packed.bin_key] = free[packed.bin_key].minus(items[packed.item_key].size.times(packed.count))
        slots[packed.bin_key] -= packed.count
    assert all(min(left) >= 0 for left in free.values())
    assert min(slots.values(), default=0) >= 0
    for key, _ in packing.unplaced:
        assert not any(slots[each] > 0 and items[key].size.fits_in(free[each]) for each in free)


@settings(max_examples=30, deadline=None)
@given(groups(SIX), fleet(SIX))
def test_a_search_in_six_dimensions_keeps_its_bound(items: list[ItemGroup], bins: list[Bin]) -> None:
    found = optimise(items, bins, open_bins=sold(SIX), improve=8)
    assert 0 <= found.bound_pico_per_hour <= found.cost_pico_per_hour


@given(groups(PLAIN), fleet(PLAIN))
def test_what_nobody_asks_for_changes_nothing(items: list[ItemGroup], bins: list[Bin]) -> None:
    """The same amounts in other places, beside two that only the bins have: packing sees four places, and packs the same."""
    wide = [ItemGroup(key=each.key, size=SIX.of([0, 0, *each.size]), count=each.count) for each in items]
    wide_bins = [
        Bin(key=each.key, kind=0, free=SIX.of([9, 9, *each.free]), slots=each.slots) for each in bins
    ]
    asked, _, _ = in_asked_dimensions(wide, wide_bins, ())
    assert all(len(each.size) == 4 for each in asked)
    if all(any(column) for column in zip(*(each.size for each in items), strict=True)):
        assert pack(wide, wide_bins) == pack(items, bins)
