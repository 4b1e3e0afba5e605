"""Random sets of items of many kinds, from seeds: packing must be good on all of them, not on those it was tuned with.

`measure()` is called by people (`python -m bench.packing.sets`); tests pack excerpts. Each set says what it is made of;
sizes are parts of a worker of 32 CPU and 64 GiB unless it says otherwise. Times are CPU seconds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import typer

from bench.packing.quality import BUDGET_S, ITEMS, Draw, many_templates, one_template
from herder.decide.packing.optimise import optimise
from herder.decide.packing.pack import Bin, BinOffer, ItemGroup
from herder.model.values.money import PICO_PER_USD
from herder.model.values.resources import Resources

SEEDS = (1, 2)
_CPU, _MEMORY, _DISK = 32_000, 65_536, 500_000
#: Shares are parts of so many.
_WHOLE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    items: Sequence[ItemGroup]
    offers: Sequence[BinOffer]
    bins: Sequence[Bin] = ()


Make = Callable[[Draw, int], Case]


def _grouped(sizes: Sequence[Resources]) -> list[ItemGroup]:
    counts: dict[Resources, int] = {}
    for size in sizes:
        counts[size] = counts.get(size, 0) + 1
    return [ItemGroup(key=key, size=size, count=n) for key, (size, n) in enumerate(sorted(counts.items()))]


def _item(cpu: int, memory: int, disk: int = 0) -> Resources:
    """From shares."""
    return Resources(
        max(50, cpu * _CPU // _WHOLE), max(64, memory * _MEMORY // _WHOLE), disk * _DISK // _WHOLE, 0
    )


def _anti(draw: Draw, count: int, most: int, noise: int = 40) -> list[ItemGroup]:
    """CPU even up to `most`, memory what is missing to `most`, within `noise` per cent of it in all."""
    sizes = []
    for _ in range(count):
        cpu, spread = draw.below(most), most * noise // 100
        memory = most - cpu + (draw.below(spread) - spread // 2 if spread else 0)
        sizes.append(_item(cpu, max(0, min(most, memory))))
    return _grouped(sizes)


def _even(draw: Draw, count: int, most: int) -> list[ItemGroup]:
    """CPU and memory even up to `most`, each by itself."""
    return _grouped([_item(draw.below(most), draw.below(most)) for _ in range(count)])


def _opposed(draw: Draw, count: int, least: int, most: int) -> list[ItemGroup]:
    """CPU between the two, and memory as far from the other end: no two items are large in one resource and fit together."""
    shares = [least + draw.below(most - least) for _ in range(count)]
    return _grouped([_item(share, least + most - share) for share in shares])


def _large_and_small(draw: Draw, count: int) -> list[ItemGroup]:
    sizes = []
    for _ in range(count):
        low, wide = (30_000, 40_000) if draw.below(100) < 15 else (500, 4_500)
        sizes.append(_item(low + draw.below(wide), low + draw.below(wide)))
    return _grouped(sizes)


def _three_resources(draw: Draw, count: int) -> Case:
    items = _grouped(
        [_item(draw.below(40_000), draw.below(40_000), draw.below(40_000)) for _ in range(count)]
    )
    return Case(items=items, offers=[_offer(0, 32, 64, 136, disk=_DISK)])


def _with_gpus(draw: Draw, count: int) -> Case:
    sizes = []
    for _ in range(count):
        gpus = draw.of((1, 1, 1, 2, 4, 8)) if draw.below(100) < 20 else 0
        cpu, memory = 100 + draw.below(7_900), 128 + draw.below(32_000)
        sizes.append(Resources(cpu * max(1, gpus), memory * max(1, gpus), 0, gpus))
    offers = [_offer(0, 32, 128, 154), _offer(1, 96, 768, 1200, gpu=4), _offer(2, 128, 1024, 2200, gpu=8)]
    return Case(items=_grouped(sizes), offers=offers)


def _few_pods(draw: Draw, count: int) -> Case:
    sizes = [
        Resources(draw.of((50, 100, 200, 4000)), draw.of((64, 128, 256, 8192)), 0, 0) for _ in range(count)
    ]
    offers = [_offer(0, 32, 64, 136, pods=30), _offer(1, 8, 16, 36, pods=15)]
    return Case(items=_grouped(sizes), offers=offers)


def _many_of_each(draw: Draw, count: int) -> Case:
    """Twenty shapes up to half a worker, a hundred times as many items."""
    items = [
        ItemGroup(
            key=key,
            size=Resources(100 + draw.below(15_900), 100 + draw.below(32_000), 0, 0),
            count=1 + draw.below(count),
        )
        for key in range(20)
    ]
    return Case(items=items, offers=one_template())


def _beside_existing(draw: Draw, count: int) -> Case:
    bins = [
        Bin(key=key, kind=-1, free=Resources(draw.below(24_000), draw.below(49_152), 0, 0), slots=110)
        for key in range(count // 20)
    ]
    return Case(items=_anti(draw, count, 40_000), offers=_three(), bins=bins)


def _offer(
    kind: int, cores: int, gib: int, cents: int, *, disk: int = 0, gpu: int = 0, pods: int = 110
) -> BinOffer:
    return BinOffer(
        kind=kind,
        size=Resources(cores * 1000, gib * 1024, disk, gpu),
        slots=pods,
        price_pico_per_hour=cents * PICO_PER_USD // 100,
        limit=100_000,
    )


def _three() -> list[BinOffer]:
    """Three sizes whose prices are in no proportion."""
    return [_offer(0, 8, 16, 39), _offer(1, 16, 64, 95), _offer(2, 64, 128, 271)]


SETS: dict[str, Make] = {
    "anti-correlated, up to an eighth": lambda d, n: Case(items=_anti(d, n, 12_500), offers=one_template()),
    "anti-correlated, up to a quarter": lambda d, n: Case(items=_anti(d, n, 25_000), offers=one_template()),
    "anti-correlated, up to a third": lambda d, n: Case(items=_anti(d, n, 33_333), offers=one_template()),
    "anti-correlated, up to a half": lambda d, n: Case(items=_anti(d, n, 50_000), offers=one_template()),
    "the same, 24 templates": lambda d, n: Case(items=_anti(d, n, 50_000), offers=many_templates()),
    "anti-correlated, up to 0.9": lambda d, n: Case(items=_anti(d, n, 90_000), offers=one_template()),
    "strictly opposed, 0.05 to 0.5": lambda d, n: Case(
        items=_opposed(d, n, 5_000, 50_000), offers=one_template()
    ),
    "even, up to a half": lambda d, n: Case(items=_even(d, n, 50_000), offers=one_template()),
    "even, up to 0.9": lambda d, n: Case(items=_even(d, n, 90_000), offers=one_template()),
    "even, three sizes at odd prices": lambda d, n: Case(items=_even(d, n, 25_000), offers=_three()),
    "the same, the cheap at their limit": lambda d, n: Case(
        items=_even(d, n, 25_000), offers=[replace(o, limit=n // 50) if o.kind < 2 else o for o in _three()]
    ),
    "large and small": lambda d, n: Case(items=_large_and_small(d, n), offers=one_template()),
    "CPU, memory and disk": _three_resources,
    "GPU items among others": _with_gpus,
    "pods bind": _few_pods,
    "twenty shapes, many of each": _many_of_each,
    "beside existing workers": _beside_existing,
    "twelve items, three sizes": lambda d, n: Case(items=_even(d, 12, 25_000), offers=_three()),
    "forty items, one template": lambda d, n: Case(items=_anti(d, 40, 60_000), offers=one_template()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRow:
    """Means over the seeds; `worst` is the highest."""

    name: str
    gap: float
    worst: float
    cpu_s: float


def measure(seeds: Sequence[int] = SEEDS, count: int = ITEMS) -> list[SetRow]:
    return [_row(name, make, seeds, count) for name, make in SETS.items()]


def _row(name: str, make: Make, seeds: Sequence[int], count: int) -> SetRow:
    values, used = [], []
    for seed in seeds:
        case = make(Draw(seed), count)
        began = time.process_time()
        end = began + BUDGET_S
        found = optimise(
            case.items,
            case.bins,
            open_bins=case.offers,
            improve=lambda end=end: time.process_time() < end,  # type: ignore[misc]
        )
        used.append(time.process_time() - began)
        values.append(float(found.gap) + 1)
    return SetRow(name=name, gap=sum(values) / len(values), worst=max(values), cpu_s=sum(used) / len(used))


def main() -> None:
    """Prints the rows: `python -m bench.packing.sets`."""
    for row in measure():
        typer.echo(f"{row.name}: {row.gap:.4f} × bound, worst {row.worst:.4f}  ({row.cpu_s:.2f} CPU-s)")


if __name__ == "__main__":
    main()
