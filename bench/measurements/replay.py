"""A month of a million job events (submission, start, end) in virtual time, by the live engine, placement and planner.

Only its first days are replayed, and the figure is drawn out to the whole: the fleet grows from nothing in them, which costs more
than any later day, so the month takes no longer. CPU time of this process; no server and no store take part.
"""

import time

from bench.bench import Bench
from bench.figures import Figure, median_of
from bench.generated import generated_month
from herder.simulate.world.boot_times import Boot
from herder.simulate.world.herder import IDLE_S, Herder
from herder.simulate.world.offers import parse_template
from herder.simulate.world.world import World

NAME = "replay"
EVENTS = 1_000_000
EVENTS_PER_JOB = 3
MONTH_DAYS = 30.0
TEMPLATE = parse_template("cpu=32,memory=128,price=1.6")
BOOT = Boot(low_s=120, high_s=120)


async def measure(bench: Bench) -> list[Figure]:
    days = bench.sizes.replay_days
    jobs = round(EVENTS / EVENTS_PER_JOB / MONTH_DAYS * days)
    bench.say(f"  {jobs:,} jobs in {days:g} days of virtual time")
    trace = generated_month(jobs, days=days)
    spent: list[float] = []
    workers = 0
    for _ in range(bench.sizes.runs):
        world = World(trace, (TEMPLATE,), boot=BOOT)
        began = time.process_time()
        world.run(Herder(idle_s=IDLE_S))
        spent.append(time.process_time() - began)
        workers = len(world.closed)
    scale = EVENTS / (EVENTS_PER_JOB * jobs)
    note = f"from {jobs:,} jobs on {workers} workers"
    return [
        median_of(NAME, "a million job events", "CPU-s", [each * scale for each in spent], note),
        median_of(NAME, "CPU", "µs/job", [each / jobs * 1e6 for each in spent], note),
    ]
