"""What decisions cost and how good they are: packing, shares, placement, plans, expected starts, reasons. No server runs.

CPU time of this process, and ratios to the certified bound; several seeds, of which the extremes are shown. The first call
of each kind is counted as any other: the server too makes it in passing.
"""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable

from bench.bench import Bench
from bench.figures import Figure
from bench.packing import proxmox, quality
from bench.packing.quality import Draw
from bench.waiting_world import NOW_MS, fill, waiting_world
from herder.control.planning.observation import observe, queued
from herder.decide.placement.place import place
from herder.decide.placement.water_filling import Claim, water_fill
from herder.decide.plan.planner import decide, plan_steps
from herder.decide.plan.why_waiting import why_waiting
from herder.engine.memory.state import EngineState
from herder.model.ids import ClassId, UserName
from herder.model.values.resources import ZERO
from herder.model.values.vectors import total_of
from herder.scheduler.placement import Placer
from herder.scheduler.reservations import open_worker
from herder.scheduler.start_times import Starts

NAME = "decisions"
PROXMOX = "200 VMs on 8 nodes of Proxmox"
#: An expected start is asked for at each so many-th place of every class.
PLACES = 100
ASKED_AT_MS = NOW_MS + 900_000
#: Nothing listens there: what remains of the command is its own start, and the words of its error.
NOWHERE = "http://127.0.0.1:9"


async def measure(bench: Bench) -> list[Figure]:
    seeds = quality.SEEDS[: bench.sizes.decision_seeds]
    bench.say(f"  packing, {len(seeds)} seeds")
    figures = [
        _figure(row.name, row.unit, row.runs or (row.value,))
        for row in quality.measure(seeds, items=bench.sizes.pack_items, large=bench.sizes.pack_large)
    ]
    bench.say("  shares, placement, plans, expected starts, reasons")
    times: dict[str, list[float]] = {}
    for seed in seeds:
        for name, spent_ms in _one_seed(bench, seed).items():
            times.setdefault(name, []).append(spent_ms)
    figures.append(_figure(PROXMOX, "CPU-s", tuple(proxmox.plan(seed).cpu_s for seed in seeds)))
    return figures + [_figure(name, "CPU-ms", tuple(runs)) for name, runs in times.items()]


def _figure(name: str, unit: str, runs: tuple[float, ...]) -> Figure:
    """The mean, unlike the medians of other measurements: seeds differ, and all of them count."""
    return Figure(measurement=NAME, name=name, unit=unit, value=sum(runs) / len(runs), runs=runs)


def _one_seed(bench: Bench, seed: int) -> dict[str, float]:
    sizes = bench.sizes
    claims = _claims(Draw(seed), sizes.share_users)
    state, placer = waiting_world(
        seed, jobs=sizes.pending_jobs, users=sizes.pending_users, workers=sizes.pending_workers
    )
    total = total_of((worker.spec.allocatable for worker in state.workers.values()), ZERO)
    pending, workers = queued(state, NOW_MS), [open_worker(worker) for worker in state.workers.values()]
    found = {"fair share of 10,000 users": _spent_ms(lambda: water_fill(50_000, claims))}
    found["placement pass, 100,000 pending"] = _spent_ms(
        lambda: place(pending, workers, total=total, pools=state.pools, now_ms=NOW_MS)
    )
    fill(state, placer)
    found["plan, 100,000 pending, and why pool"] = _spent_ms(lambda: _why_pool(state))
    found["expected starts of 100,000 jobs"] = _spent_ms(lambda: _all_starts(state, placer))
    found["why job, in the server"] = _spent_ms(lambda: _why_job(state, placer))
    found["why, the command's own start"] = _command_ms()
    return found


def _spent_ms(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def _claims(draw: Draw, users: int) -> list[Claim]:
    return [
        Claim(
            user=UserName(f"user-{number:05}"),
            weight=1 + draw.below(4),
            used=draw.below(10),
            wanted=draw.below(50),
        )
        for number in range(users)
    ]


def _all_starts(state: EngineState, placer: Placer) -> int:
    """Of every class, at every hundredth place: between them all jobs are told."""
    starts = Starts(state, placer.run_times, ASKED_AT_MS, record=placer.samples.record)
    return sum(
        starts.of(class_id, before) is not None
        for class_id, queue in state.queues.items()
        for before in range(0, queue.count, PLACES)
    )


def _why_job(state: EngineState, placer: Placer) -> None:
    """As `herder why job/N` makes it, without reading the job's row."""
    class_id = ClassId(max(state.queues))
    observed = observe(state, ASKED_AT_MS)
    steps = plan_steps(observed, ASKED_AT_MS)
    why_waiting(class_id, state.classes[class_id], observed, ASKED_AT_MS, steps=steps)
    planned = steps.creations(observed.plan_number, ASKED_AT_MS)
    Starts(state, placer.run_times, ASKED_AT_MS, planned, placer.samples.record).of(class_id, 0)


def _why_pool(state: EngineState) -> None:
    """As `herder why pool NAME` makes it."""
    decide(observe(state, ASKED_AT_MS), ASKED_AT_MS)


def _command_ms() -> float:
    before = os.times()
    subprocess.run(
        [sys.executable, "-m", "herder.app", "why", "job", "1"],
        env={**os.environ, "HERDER_URL": NOWHERE, "HERDER_TOKEN": "none"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    ) * 1000
