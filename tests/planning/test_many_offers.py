"""One pool on three clouds: 10 regions and 60 types of machines each, on demand and as spot, for 5,000 mixed jobs."""

from __future__ import annotations

from random import Random

from herder.decide.plan.planner import decide
from herder.model.fleet.pool import SpotUse, Template, Zone
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from tests.planning.world import NOW, creations, observed, pool, queued

CLOUDS, REGIONS, TYPES, JOBS = ("gcp", "aws", "azure"), 10, 60, 5_000


def _templates(random: Random) -> list[Template]:
    sizes = []
    for _ in range(TYPES):
        cores = random.choice([2, 4, 8, 16, 32, 48, 64, 96])
        sizes.append((cores, cores * random.choice([1, 2, 4, 8])))

    def price(cores: int, gib: int, low: float, high: float) -> PicoUsd:
        return PicoUsd(int((cores * 30 + gib * 4) * 1e9 * random.uniform(low, high)))

    return [
        Template(
            name=f"{cloud}-t{number}",
            driver=cloud,
            allocatable=Resources(cores * 1000, gib * 1024, 0),
            price_pico_per_hour=PicoUsd((cores * 30 + gib * 4) * 10**9),
            zones=tuple(
                Zone(
                    name=f"{cloud}-r{region}",
                    price_pico_per_hour=price(cores, gib, 0.8, 1.3),
                    spot_price_pico_per_hour=price(cores, gib, 0.2, 0.6),
                )
                for region in range(REGIONS)
            ),
            spot=SpotUse.PREFER,
        )
        for cloud in CLOUDS
        for number, (cores, gib) in enumerate(sizes)
    ]


def test_the_plan_is_near_its_bound_and_places_every_job() -> None:
    random = Random(7)
    clouds = pool("all", *_templates(random), max_workers=10_000, new_workers_per_cycle=10_000)
    classes = 60
    jobs = [
        queued(
            number + 1,
            JOBS // classes + 1,
            Resources(
                random.choice([250, 500, 1000, 2000, 4000, 8000]),
                random.choice([256, 512, 1024, 4096, 16384]),
                0,
            ),
        )
        for number in range(classes)
    ]
    plan = decide(observed([clouds], [], jobs), NOW)
    assert creations(plan)
    assert plan.unplaced == ()
    assert plan.bound_pico_per_hour is not None
    assert plan.cost_pico_per_hour <= plan.bound_pico_per_hour * 1.03
