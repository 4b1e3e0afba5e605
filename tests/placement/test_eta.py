"""Expected starts: the order they follow, how often the interval holds, what they cost; and the run times they stand on."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.forecast.calibration import End, EtaRecord
from herder.decide.forecast.queue_order import Order
from herder.decide.forecast.run_times import ENDS_MAX, KINDS_MAX, RunTime, RunTimes, kinds_of
from herder.decide.forecast.start_time import Coming, Ending, Eta, ForecastInput, Held, Outlook
from herder.engine.jobs.job import make_ready
from herder.engine.memory.queue import ReadyQueue
from herder.model.ids import ClassId, JobId, UserName
from herder.model.planning.observed import QueuedClass
from herder.model.stored.changes import Changes
from herder.model.work.job import JobClass, JobState
from herder.scheduler.start_times import Starts
from tests.support.fleet_in_time import START_MS, FleetInTime, TimedJob, cores, fleet, timed

MINUTE = RunTime(mean=math.log(60_000), spread=0.5, ends=30)


def queued(class_id: int, count: int, user: str = "ann", *, at: int = 0, priority: int = 0) -> QueuedClass:
    job_class = JobClass(user=UserName(user), request=cores(1), priority=priority)
    return QueuedClass(class_id=ClassId(class_id), job_class=job_class, count=count, oldest_ready_at_ms=at)


def forecast_input(*rivals: QueuedClass, free: int = 0, live: int = 16, **more: object) -> ForecastInput:
    endings = (Ending(amount=cores(1), run_time=MINUTE, elapsed_ms=30_000, count=live),) if live else ()
    given_: dict[str, object] = {"users": {}, "coming": (), **more}
    return ForecastInput(
        total=cores(16),
        free=((cores(free), 1),),
        endings=endings,
        rivals=rivals,
        guess=lambda _: MINUTE,
        **given_,
    )  # type: ignore[arg-type]


def start(target: QueuedClass, before: int, where: ForecastInput) -> Eta:
    eta = Outlook(forecast_input=where).start(target, before)
    assert eta is not None
    assert 0 <= eta.p10_ms <= eta.p50_ms <= eta.p90_ms
    return eta


def test_what_fits_starts_at_once_and_what_nothing_frees_is_not_known() -> None:
    mine = queued(1, 4)
    assert start(mine, 0, forecast_input(mine, free=4)).p50_ms == 0
    assert Outlook(forecast_input=forecast_input(mine, live=0)).start(mine, 0) is None


def test_further_back_and_behind_others_is_later() -> None:
    mine, urgent, other = queued(1, 200, at=5), queued(2, 50, "bob", priority=1), queued(3, 50, "cid")
    alone = [start(mine, before, forecast_input(mine)).p50_ms for before in (0, 10, 40, 160)]
    assert alone == sorted(alone)
    assert len(set(alone)) == 4
    assert start(mine, 10, forecast_input(mine, urgent)).p50_ms > alone[1]
    shared = start(mine, 10, forecast_input(mine, other)).p50_ms
    assert alone[1] < shared < start(mine, 10, forecast_input(mine, urgent)).p50_ms
    rich = {UserName("ann"): Held(used=cores(12))}
    assert start(mine, 10, forecast_input(mine, other, users=rich)).p50_ms > shared


def test_what_is_coming_counts() -> None:
    mine = queued(1, 100)
    soon = forecast_input(mine, coming=(Coming(amount=cores(64), in_ms=5_000),))
    assert start(mine, 60, soon).p50_ms < start(mine, 60, forecast_input(mine)).p50_ms


def fleet_jobs(seed: int) -> list[TimedJob]:
    """Six hours of eight users with two kinds of jobs each, in bunches, a little more than 160 cores can do."""
    rng = random.Random(seed)
    kinds = [(rng.choice([1, 1, 2, 4]), rng.uniform(4, 7), rng.uniform(0.3, 1.0)) for _ in range(16)]
    jobs: list[TimedJob] = []
    work = 0.0
    while work < 1.15 * 160 * 6 * 3600:
        kind = rng.randrange(16)
        size, mean, spread = kinds[kind]
        at = rng.uniform(0, 6 * 3600)
        for _ in range(rng.choice([1, 5, 20, 60])):
            run = rng.lognormvariate(mean, spread)
            jobs.append(timed(at, run, f"u{kind // 2}", size))
            work += run * size
    return jobs


def coverage(seed: int) -> tuple[int, int]:
    """(answers, of which held) in one simulated day: of jobs that stand last in their class, as when they have just come."""
    rng = random.Random(seed + 1000)
    told: list[tuple[int, int, Eta]] = []

    def ask(world: FleetInTime) -> None:
        waiting = [(class_id, queue) for class_id, queue in world.state.queues.items() if queue.count]
        if rng.random() > 0.02 or world.now_ms < START_MS + 1_800_000 or not waiting:
            return
        class_id, queue = rng.choice(waiting)
        before = queue.count - 1
        job = queue.at(before)
        placer = world.placer
        starts = Starts(world.state, placer.run_times, world.now_ms, (), placer.samples.record)
        eta = starts.of(class_id, before)
        assert job is not None
        assert eta is not None
        told.append((job - 1, world.now_ms - START_MS, eta))

    world = FleetInTime(state=fleet([16] * 10, slots=64), jobs=fleet_jobs(seed), on_instant=ask).run()
    held = sum(eta.p10_ms <= world.started_ms[job] - at <= eta.p90_ms for job, at, eta in told)
    return len(told), held


@pytest.mark.slow
def test_eighty_of_a_hundred_start_in_the_interval() -> None:
    days = [coverage(seed) for seed in range(8)]
    answers, held = (sum(column) for column in zip(*days, strict=True))
    assert answers > 400
    assert 0.75 <= held / answers <= 0.85, f"{held} of {answers}"


def test_an_answer_in_a_long_queue_is_quick() -> None:
    """100,000 jobs in 500 classes: far below the tenth of a second that people do not notice."""
    state = fleet([16] * 100, slots=64)
    for number in range(500):
        job_class = JobClass(
            user=UserName(f"u{number % 100}"), request=cores(1 + number % 4), project=f"p{number}"
        )
        class_id = ClassId(number + 1)
        state.classes[class_id], state.class_ids[job_class] = job_class, class_id
        state.counts[JobState.READY] += 200
        make_ready(state, None, class_id, range(number * 200 + 1, number * 200 + 201), START_MS)
    world = FleetInTime(state=state, jobs=())
    world.placer.run(state, Changes(), START_MS)
    before = time.process_time()
    assert Starts(state, world.placer.run_times, START_MS + 1000).of(ClassId(400), 100) is not None
    assert time.process_time() - before < 0.1


def test_the_record_mends_what_the_model_gets_wrong() -> None:
    record, model = EtaRecord(), Eta(p10_ms=50_000, p50_ms=100_000, p90_ms=200_000)
    assert record.correct(model).p50_ms == pytest.approx(100_000, rel=0.1)
    rng = random.Random(3)
    for _ in range(300):
        record.learn(model, round(300_000 * math.exp(rng.gauss(0, 0.2))))
    mended = record.correct(model)
    assert mended.p50_ms == pytest.approx(300_000, rel=0.1)
    assert mended.p90_ms < 500_000
    at_once = replace(model, p50_ms=0, p10_ms=0)
    assert record.correct(at_once) == at_once


def test_an_answer_learns_from_cases_like_it() -> None:
    """Small jobs slip through where wide ones wait: the one is corrected downwards, the other upwards."""
    record = EtaRecord()
    small = Eta(p10_ms=50_000, p50_ms=100_000, p90_ms=200_000, beside_worker=-5.0, beside_others=-4.0)
    wide = replace(small, beside_worker=0.0, beside_others=3.0)
    for _ in range(100):
        record.learn(small, 10_000)
        record.learn(wide, 1_000_000)
    assert record.correct(small).p90_ms < 100_000 < record.correct(wide).p10_ms


def test_an_interval_widens_while_it_is_missed_and_narrows_while_it_holds() -> None:
    def width(missed: bool) -> float:
        record, model = EtaRecord(), Eta(p10_ms=50_000, p50_ms=100_000, p90_ms=200_000)
        for _ in range(60):
            record.settle(End.LATE, missed)
        told = record.correct(model)
        assert told.p10_ms == EtaRecord().correct(model).p10_ms, "each end on its own"
        return told.p90_ms / told.p50_ms

    untouched = EtaRecord().correct(Eta(p10_ms=50_000, p50_ms=100_000, p90_ms=200_000))
    assert width(False) < untouched.p90_ms / untouched.p50_ms < width(True)


def test_what_was_watched_is_settled_once_and_teaches() -> None:
    """One core, one job at a time: the second and the last wait, are watched, start, and are no longer watched. The third came too soon
    after the second."""
    watched: list[int] = []
    jobs = [timed(0, 100), timed(10, 100), timed(11, 100), timed(60, 100)]
    world = FleetInTime(
        state=fleet([1]), jobs=jobs, on_instant=lambda world: watched.append(len(world.placer.samples._open))
    ).run()
    assert max(watched) == 2
    assert watched[-1] == 0
    assert not world.placer.samples._open
    assert len(world.placer.samples.record._scores) == 2


def test_free_room_on_many_workers_is_no_room_for_a_wide_job() -> None:
    mine = QueuedClass(
        class_id=ClassId(1),
        job_class=JobClass(user=UserName("ann"), request=cores(8)),
        count=1,
        oldest_ready_at_ms=0,
    )
    here = replace(forecast_input(mine), free=((cores(2), 10),))
    assert start(mine, 0, here).p50_ms > 0
    assert start(mine, 0, replace(here, free=((cores(8), 1),))).p50_ms == 0


def test_all_classes_read_the_same_order() -> None:
    """What is ahead of the last job of all users together is everything."""
    rivals = [queued(number, 10, user) for number, user in enumerate("abcd", start=1)]
    order = Order(rivals, {UserName("a"): Held(weight=2)}, cores(16))
    ends = [order.ahead(queued.class_id, 9) for queued in rivals]
    assert max(ends) == pytest.approx(tuple(cores(40)))
    assert ends[0] < ends[1], "who has more weight is through sooner"
    assert order.ahead(ClassId(1), 0) < order.ahead(ClassId(1), 5) < ends[0]


# --- run times --------------------------------------------------------------------------------------------------------

ANN = kinds_of(JobClass(user=UserName("ann"), request=cores(1)))
BOB = kinds_of(JobClass(user=UserName("bob"), request=cores(1)))


def learn_all(times: RunTimes, runs: Sequence[int]) -> None:
    for run_ms in runs:
        times.learn(ANN, run_ms)


def test_run_times_are_learned_and_unlearned() -> None:
    times = RunTimes()
    unknown = times.guess(ANN)
    learn_all(times, [10_000] * 20)
    known = times.guess(ANN)
    assert known.quantile_ms(0.5) == pytest.approx(10_000, rel=0.2)
    assert known.spread < unknown.spread
    assert unknown.quantile_ms(0.5) > times.guess(BOB).quantile_ms(0.5)
    assert times.guess(BOB).spread > known.spread
    learn_all(times, [80_000] * (3 * ENDS_MAX))
    assert times.guess(ANN).quantile_ms(0.5) == pytest.approx(80_000, rel=0.25)


def test_the_longer_it_runs_the_later_it_ends() -> None:
    residuals = [MINUTE.residual_ms(0.5, elapsed) for elapsed in (0, 60_000, 600_000, 6_000_000)]
    assert residuals[0] == pytest.approx(60_000, rel=0.01)
    assert all(left > 0 for left in residuals)
    assert residuals[1] < residuals[0]
    assert residuals[3] > residuals[2]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300), st.integers(0, 10**12))
def test_any_ends_give_a_usable_guess_and_the_same_one_again(ends: list[int], elapsed: int) -> None:
    one, other = RunTimes(), RunTimes()
    learn_all(one, ends)
    learn_all(other, ends)
    guess = one.guess(ANN)
    assert guess == other.guess(ANN)
    quantiles = [guess.quantile_ms(part) for part in (0.1, 0.5, 0.9)]
    assert quantiles == sorted(quantiles)
    left = [guess.residual_ms(part, elapsed) for part in (0.1, 0.5, 0.9)]
    assert left == sorted(left)
    assert left[0] >= 0


def test_memory_of_run_times_is_bounded() -> None:
    times = RunTimes()
    for number in range(KINDS_MAX + 500):
        times.learn((number,), 1000)
    assert len(times._ends) <= KINDS_MAX
    assert times.guess((number,)).ends == 1


# --- places in a queue ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 6), max_size=8), st.data())
def test_a_job_knows_its_place(sizes: list[int], data: st.DataObject) -> None:
    queue, first = ReadyQueue(), 1
    for number, size in enumerate(sizes):
        ids = range(first, first + size) if number % 2 else [*range(first, first + size)]
        queue.push(None, ids, number)
        first += size
    taken = len(list(queue.take(data.draw(st.integers(0, 5)))))
    there = [job for job in range(1, first) if job in queue]
    for job in data.draw(st.lists(st.sampled_from(there), unique=True)) if there else []:
        queue.withdraw(JobId(job))
    left = [job for job in there if job in queue]
    assert [queue.before(job) for job in left] == list(range(len(left)))
    assert queue.before(10**6) is None
    assert taken + len(there) == sum(sizes)
