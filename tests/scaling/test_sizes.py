"""Which sizes are made when several cost the same for each core: those that jobs fill, as long as workers are not scarce."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from herder.decide.packing.groups import BinOffer, ItemGroup
from herder.decide.packing.optimise import optimise
from herder.decide.plan.planner import decide
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.planning.observed import ObservedWorker, QueuedClass
from herder.model.values.resources import Resources
from tests.planning.world import NOW, applied, cores, creations, observed, pool, queued, template, worker


def sizes(*prices: int) -> list[Template]:
    return [template(f"c{size}", size, price) for size, price in zip((16, 32, 64, 128), prices, strict=False)]


EQUAL = sizes(160, 320, 640, 1280)


def made(spec: PoolSpec, *queue: QueuedClass, workers: list[ObservedWorker] | None = None) -> Counter[str]:
    seen = observed([spec], workers, list(queue))
    plan = decide(seen, NOW)
    assert decide(applied(seen, plan), NOW).empty
    return Counter(each.spec.template for each in creations(plan))


def test_jobs_get_workers_that_they_fill() -> None:
    roomy = pool("std", *EQUAL, max_workers=100)
    assert made(roomy, queued(1, 8, cores(16))) == {"c16": 8}
    assert made(roomy, queued(1, 2, cores(64)), queued(2, 1, cores(32))) == {"c64": 2, "c32": 1}


def test_a_job_that_fills_none_gets_the_smallest_that_takes_it() -> None:
    assert made(pool("std", *EQUAL, max_workers=100), queued(1, 1, cores(3))) == {"c16": 1}


def test_where_workers_are_counted_they_are_large() -> None:
    """A pool of ten would be full of small workers before it has done a tenth of what it could."""
    few = pool("std", *EQUAL, max_workers=10)
    assert made(few, queued(1, 8, cores(16))) == {"c128": 1}
    half = pool("std", *EQUAL, max_workers=100, new_workers_per_cycle=10)
    there = [worker(number, half, free=Resources(), live_attempts=1) for number in range(45)]
    assert made(half, queued(1, 8, cores(16)), workers=there) == {"c128": 1}


def test_a_larger_one_that_is_cheaper_is_taken() -> None:
    cheaper = pool("std", *sizes(160, 320, 640, 1100), max_workers=100)
    assert made(cheaper, queued(1, 8, cores(16))) == {"c128": 1}


def test_prices_that_differ_by_rounding_are_the_same() -> None:
    rounded = pool("std", *sizes(161, 320, 640, 1279), max_workers=100)
    assert made(rounded, queued(1, 8, cores(16))) == {"c16": 8}


@given(st.lists(st.tuples(st.integers(1, 128), st.integers(1, 9)), min_size=1, max_size=6))
def test_small_bins_cost_little_more_and_place_as_much(jobs: list[tuple[int, int]]) -> None:
    items = [ItemGroup(key=key, size=cores(size), count=count) for key, (size, count) in enumerate(jobs)]
    offers = [
        BinOffer(
            kind=0, size=each.allocatable, slots=110, price_pico_per_hour=each.price_pico_per_hour, limit=1000,
            key=key, limit_group=0,
        )
        for key, each in enumerate(EQUAL)
    ]  # fmt: skip
    fine = optimise(items, open_bins=offers, group_limits={0: 1000}, finer=frozenset({0}))
    assert not fine.packing.unplaced
    assert fine.cost_pico_per_hour >= fine.bound_pico_per_hour
    worth = sum(size * count for size, count in jobs) * 10
    assert fine.cost_pico_per_hour < 2 * worth + 1280
