"""How well and how fast items are packed: cost over the certified bound, and CPU time, on sets made from seeds.

`measure()` is called by the bench and by tests. The mixed sets are the value sets of Karpenter's own benchmark; the
anti-correlated ones have no shape twice. Times are CPU seconds; the search stops after `BUDGET_S` of them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import typer

from bench.packing.incremental import Standing
from herder.decide.packing.optimise import optimise
from herder.decide.packing.pack import Bin, BinOffer, ItemGroup, pack
from herder.model.values.money import PICO_PER_USD
from herder.model.values.resources import Resources

SEEDS = (1, 2, 3, 4)
ITEMS = 5_000
LARGE = 100_000
BUDGET_S = 0.8

_CPU = (100, 250, 500, 1000, 1500)
_MEMORY = (100, 256, 512, 1024, 2048, 4096)
#: USD per core and hour of the families with 2, 4 and 8 GiB a core.
_FAMILIES = ((2, 0.0425), (4, 0.048), (8, 0.063))
_CORES = (2, 4, 8, 16, 32, 48, 64, 96)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value` is the mean over the seeds; so is `cpu_s`."""

    name: str
    value: float
    unit: str
    floor: float | None
    goal: float | None
    cpu_s: float
    runs: tuple[float, ...] = ()
    """By seed."""


class Draw:
    """Numbers from a seed, the same on every machine and version (a linear congruential generator, MMIX's constants)."""

    def __init__(self, seed: int) -> None:
        self._state = seed * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        self.below(2)

    def below(self, limit: int) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self._state >> 33) * limit >> 31

    def of(self, values: Sequence[int]) -> int:
        return values[self.below(len(values))]


def one_template() -> list[BinOffer]:
    return [_offer(0, 32, 2, 0.0425)]


def many_templates() -> list[BinOffer]:
    """Three families of eight sizes, price in proportion to the cores."""
    pairs = [(cores, gib, price) for gib, price in _FAMILIES for cores in _CORES]
    return [_offer(kind, cores, gib, price) for kind, (cores, gib, price) in enumerate(pairs)]


def _offer(kind: int, cores: int, gib_per_core: int, usd_per_core: float) -> BinOffer:
    return BinOffer(
        kind=kind,
        size=Resources(cores * 1000, cores * gib_per_core * 1024, 0, 0),
        slots=1000,
        price_pico_per_hour=round(usd_per_core * 10_000) * cores * PICO_PER_USD // 10_000,
        limit=100_000,
    )


def mixed_items(seed: int, count: int = ITEMS) -> list[ItemGroup]:
    draw = Draw(seed)
    counts: dict[Resources, int] = {}
    for _ in range(count):
        size = Resources(draw.of(_CPU), draw.of(_MEMORY), 0, 0)
        counts[size] = counts.get(size, 0) + 1
    return [ItemGroup(key=key, size=size, count=n) for key, (size, n) in enumerate(sorted(counts.items()))]


def anti_correlated_items(seed: int, count: int = ITEMS) -> list[ItemGroup]:
    """CPU uniform up to 8 cores, memory what is missing to 16 GiB, give or take a fifth of that."""
    draw = Draw(seed)
    items = []
    for key in range(count):
        cpu = 100 + draw.below(7_900)
        memory = 16_384 - cpu * 16_384 // 8_000 + draw.below(6_554) - 3_277
        items.append(ItemGroup(key=key, size=Resources(cpu, max(100, min(16_384, memory)), 0, 0), count=1))
    return items


def fleet(draw: Draw, workers: int) -> list[Bin]:
    """Workers that all have something else free."""
    return [
        Bin(
            key=key,
            kind=0,
            free=Resources(4_000 + draw.below(60_000), 8_192 + draw.below(248_000), 0, 0),
            slots=110,
        )
        for key in range(workers)
    ]


def many_shapes(draw: Draw, items: int, shapes: int) -> list[ItemGroup]:
    sizes: dict[Resources, int] = {}
    while len(sizes) < shapes:
        sizes[Resources(50 + 50 * draw.below(80), 128 + 128 * draw.below(120), 0, 0)] = 1
    chosen = list(sizes)
    for _ in range(items - shapes):
        sizes[chosen[draw.below(shapes)]] += 1
    return [ItemGroup(key=key, size=size, count=n) for key, (size, n) in enumerate(sizes.items())]


def measure(seeds: Sequence[int] = SEEDS, *, items: int = ITEMS, large: int = LARGE) -> list[Row]:
    """`large`: items of the large set, on a tenth as many workers."""
    rows = [
        _gap("mixed items, one template", mixed_items, one_template(), seeds, 1.05, 1.02, items),
        _gap("mixed items, 24 templates", mixed_items, many_templates(), seeds, 1.03, 1.01, items),
        _gap(
            "anti-correlated items, one template",
            anti_correlated_items,
            one_template(),
            seeds,
            1.10,
            1.05,
            items,
        ),
        _gap(
            "anti-correlated items, 24 templates",
            anti_correlated_items,
            many_templates(),
            seeds,
            1.10,
            1.05,
            items,
        ),
    ]
    return rows + _large(seeds, large)


def _gap(
    name: str,
    make: Callable[[int, int], list[ItemGroup]],
    offers: Sequence[BinOffer],
    seeds: Sequence[int],
    floor: float,
    goal: float,
    count: int,
) -> Row:
    values, used = [], []
    for seed in seeds:
        items = make(seed, count)
        began = time.process_time()
        end = began + BUDGET_S
        found = optimise(items, open_bins=offers, improve=lambda end=end: time.process_time() < end)  # type: ignore[misc]
        used.append(time.process_time() - began)
        values.append(float(found.gap) + 1)
        assert not found.packing.unplaced
    return Row(
        name=name,
        value=_mean(values),
        unit="× bound",
        floor=floor,
        goal=goal,
        cpu_s=_mean(used),
        runs=tuple(values),
    )


def _large(seeds: Sequence[int], count: int) -> list[Row]:
    """100,000 items of 500 shapes on 10,000 workers: all of it, and again when one shape has changed."""
    whole, changed = [], []
    for seed in seeds[:2]:
        draw = Draw(seed)
        items, bins = many_shapes(draw, count, min(500, count)), fleet(draw, max(1, count // 10))
        began = time.process_time()
        packing = pack(items, bins, open_bins=many_templates())
        whole.append(time.process_time() - began)
        standing = Standing.of(items, bins, packing)
        one = items[draw.below(len(items))]
        began = time.process_time()
        standing.change(ItemGroup(key=one.key, size=one.size, count=one.count * 2))
        changed.append(time.process_time() - began)
    return [
        Row(
            name="100,000 items of 500 shapes on 10,000 workers",
            value=_mean(whole),
            unit="CPU-s",
            floor=2.0,
            goal=1.0,
            cpu_s=_mean(whole),
            runs=tuple(whole),
        ),
        Row(
            name="the same when one shape has changed",
            value=_mean(changed),
            unit="CPU-s",
            floor=0.2,
            goal=0.05,
            cpu_s=_mean(changed),
            runs=tuple(changed),
        ),
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    """Prints the rows: `python -m bench.packing.quality`."""
    for row in measure():
        goal = "" if row.goal is None else f"  goal {row.goal:g}"
        floor = "" if row.floor is None else f"  floor {row.floor:g}"
        typer.echo(f"{row.name}: {row.value:.4f} {row.unit}  ({row.cpu_s:.2f} CPU-s){floor}{goal}")


if __name__ == "__main__":
    main()
