"""Preemption: who gives way to whom, who is left alone, and that nothing is lost or counted against those who gave way."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.decide.placement.free_capacity import OpenWorker
from herder.decide.placement.preemption import (
    Candidate,
    CandidateWorker,
    Choice,
    PreemptingJob,
    choose,
    may_be_victim,
    with_victims_gone,
)
from herder.model.ids import JobId, WorkerName
from herder.model.stored.records import EventRecord
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, Cause, JobState, RetryPolicy
from herder.model.work.sharing import (
    Amounts,
    Limits,
    Preemption,
    PriorityClass,
    ProjectQuota,
    Reclaim,
    Sharing,
)
from herder.scheduler import preemption
from tests.support.engine_world import POOL, Agent, World, job_class

POOLS = {POOL.name: POOL}
RULES = Preemption(minimum_run_s=600)
URGENT = PriorityClass(name="urgent", value=100, preempts=True)
SMALL = Resources(1000, 1024, 0)
BOTH = Resources(2000, 2048, 0)
ONCE = RetryPolicy(retries=0, attempts_max=1)


# --- the choice


def candidate(job: int, cpu: int = 1000, **more: Any) -> Candidate:
    given: dict[str, Any] = {"project": "default", "priority": 0, "ran_ms": 700_000, "minimum_ms": 600_000}
    return Candidate(job=JobId(job), request=Resources(cpu, 100, 0), **{**given, **more})


def candidate_worker(name: str, *candidates: Candidate, free: int = 0, slots: int = 4) -> CandidateWorker:
    worker = OpenWorker(
        name=WorkerName(name), pool=POOL.name, free=Resources(free, 4096, 0), free_slots=slots
    )
    return CandidateWorker(worker=worker, candidates=candidates)


def chosen(found: Choice | None) -> tuple[str, list[int]]:
    assert found is not None
    return found.candidate_worker.worker.name, [int(each.job) for each in found.victims]


def preempting_job(cpu: int = 1000, **more: Any) -> PreemptingJob:
    return PreemptingJob(job_class=job_class(request=Resources(cpu, 100, 0), priority=100), **more)


def test_the_lowest_priority_goes_first_then_the_least_work_lost_then_the_fewest() -> None:
    mixed = candidate_worker(
        "a", candidate(1, priority=5, ran_ms=600_000), candidate(2, priority=0, ran_ms=9_000_000)
    )
    assert chosen(choose(preempting_job(), [mixed], POOLS, RULES)) == ("a", [2])
    newer = candidate_worker("b", candidate(3, ran_ms=650_000), candidate(4, ran_ms=800_000))
    assert chosen(choose(preempting_job(), [mixed, newer], POOLS, RULES)) == ("b", [3])
    wide = candidate_worker("c", candidate(5, 2000, ran_ms=1_300_000))
    two = candidate_worker("d", candidate(6, ran_ms=650_000), candidate(7, ran_ms=650_000))
    assert chosen(choose(preempting_job(2000), [wide, two], POOLS, RULES)) == ("c", [5])


def test_who_is_not_needed_in_the_end_is_given_back() -> None:
    found = choose(
        preempting_job(2000),
        [candidate_worker("a", candidate(1, ran_ms=600_000), candidate(2, 2000))],
        POOLS,
        RULES,
    )
    assert chosen(found) == ("a", [2])


def test_nobody_is_taken_who_is_young_equal_or_protected() -> None:
    for other in (
        candidate(1, ran_ms=599_999),
        candidate(2, priority=100),
        candidate(3, preempted=3),
        candidate(4, cpu=500),
    ):
        assert choose(preempting_job(), [candidate_worker("a", other)], POOLS, RULES) is None
    elsewhere = PreemptingJob(job_class=job_class(request=SMALL, priority=100, pool="other"))
    assert choose(elsewhere, [candidate_worker("a", candidate(1, 4000))], POOLS, RULES) is None


def test_free_room_is_taken_before_anybody_is() -> None:
    candidate_workers = [candidate_worker("a", candidate(1)), candidate_worker("b", free=1000)]
    assert chosen(choose(preempting_job(), candidate_workers, POOLS, RULES)) == ("b", [])


def test_reclaiming_takes_what_was_borrowed_and_no_more() -> None:
    rules = replace(RULES, reclaim=Reclaim.ANY)
    owed = preempting_job(missing=Amounts(cpu_milli=1000), borrowed={"lent": Amounts(cpu_milli=1000)})
    lent = [candidate(n, project="lent", priority=200, ran_ms=700_000 + n) for n in (1, 2)]
    assert chosen(choose(owed, [candidate_worker("a", candidate(9), *lent)], POOLS, rules)) == ("a", [1])
    wide = preempting_job(2000, missing=Amounts(cpu_milli=2000), borrowed={"lent": Amounts(cpu_milli=1000)})
    assert choose(wide, [candidate_worker("a", *lent)], POOLS, rules) is None, (
        "one of the two runs within its own quota"
    )
    lower = replace(RULES, reclaim=Reclaim.LOWER_PRIORITY)
    assert choose(owed, [candidate_worker("a", *lent)], POOLS, lower) is None


candidates = st.lists(
    st.builds(
        candidate,
        st.just(0),
        st.sampled_from([250, 500, 1000, 3000]),
        priority=st.sampled_from([-5, 0, 5, 100]),
        ran_ms=st.integers(500_000, 900_000),
        preempted=st.integers(0, 4),
    ),
    max_size=6,
)


@given(
    st.lists(st.tuples(candidates, st.integers(0, 1500), st.integers(0, 2)), max_size=4), st.integers(1, 4)
)
@settings(max_examples=300)
def test_a_choice_is_enough_and_nobody_in_it_could_be_spared(
    given_stages: list[tuple[list[Candidate], int, int]], cores: int
) -> None:
    candidate_workers = [
        candidate_worker(
            f"w{number}",
            *(replace(each, job=JobId(number * 100 + n)) for n, each in enumerate(some)),
            free=free,
            slots=slots,
        )
        for number, (some, free, slots) in enumerate(given_stages)
    ]
    wanted = preempting_job(cores * 500)
    request = wanted.job_class.request

    def fits(on: CandidateWorker, gone: tuple[Candidate, ...]) -> bool:
        free, slots = on.worker.free, on.worker.free_slots + len(gone)
        for each in gone:
            free = free.plus(each.request)
        return request.fits_in(free) and slots > 0

    found = choose(wanted, candidate_workers, POOLS, RULES)
    able = {
        each.worker.name: tuple(c for c in each.candidates if may_be_victim(wanted, c, RULES))
        for each in candidate_workers
    }
    if found is None:
        assert not any(fits(each, able[each.worker.name]) for each in candidate_workers)
        return
    assert set(found.victims) <= set(able[found.candidate_worker.worker.name])
    assert fits(found.candidate_worker, found.victims)
    for victim in found.victims:
        assert not fits(found.candidate_worker, tuple(each for each in found.victims if each is not victim))
    assert min(with_victims_gone(found, request).worker.free) >= 0


# --- the engine


def full(*low: Any, sharing: Sharing | None = None, minutes: int = 20) -> tuple[World, Agent]:
    """One worker of 2 CPU with these jobs on it, that have run for a while."""
    world = World(POOL)
    world.state.sharing = sharing or Sharing(priority_classes=(URGENT,), preemption=RULES)
    _, agent = world.ready_worker(1)
    for each in low:
        world.submit(1, each)
    world.commit()
    talk(world, agent)
    talk(world, agent)
    assert len(agent.held) == len(low)
    world.now_ms += minutes * 60_000
    return world, agent


def talk(world: World, agent: Agent) -> None:
    world.now_ms += 1000
    world.talk(agent)


def look(world: World, seconds: int = 10) -> list[Any]:
    """A look at preemption after so long; answers the events that it made."""
    world.now_ms += seconds * 1000
    world.preempt()
    done = world.commit()
    return [each for each in done.rows.get(EventRecord, {}).values() if "preempt" in each.kind]  # type: ignore[union-attr]


def low(**more: Any) -> Any:
    return job_class("ann", SMALL, retry=ONCE, **more)


def test_an_urgent_job_takes_a_place_and_nothing_is_counted_against_who_gave_it() -> None:
    world, agent = full(low(), low())
    (urgent,) = world.submit(1, job_class("bob", BOTH, priority=100))
    world.submit(3, job_class("cyd", Resources(500, 512, 0), priority=50))
    world.commit()
    told = look(world)
    assert sorted(each.kind for each in told) == ["job.preempted", "job.preempted", "job.preempts"]
    (mine,) = (each for each in told if each.kind == "job.preempts")
    assert mine.object == f"job/{urgent}"
    assert "job 1 and job 2" in mine.text
    assert look(world, 2) == [], "nobody else is asked while they stop"
    talk(world, agent)
    talk(world, agent)
    assert [job for job, _ in agent.held] == [urgent], "what comes free is kept for it"
    assert world.faults() == []
    assert {world.job_state(job) for job in (1, 2)} == {JobState.READY}
    (first,) = world.attempts(1)
    assert (AttemptState(first.state), first.cause) == (AttemptState.CANCELLED, Cause.PREEMPTED)
    assert f"Preempted by job {urgent}, which has priority 100 (urgent) against priority 0" in first.message
    agent.end((urgent, 1), world.now_ms)
    for _ in range(12):
        talk(world, agent)
        for key in list(agent.held):
            agent.end(key, world.now_ms)
    assert {world.job_state(job) for job in world.accepted} == {JobState.SUCCEEDED}, (
        "also with attempts_max 1"
    )


def test_what_comes_free_piece_by_piece_is_kept() -> None:
    world, agent = full(low(), low())
    (urgent,) = world.submit(1, job_class("bob", BOTH, priority=100))
    (small,) = world.submit(1, job_class("cyd", SMALL, priority=50))
    world.commit()
    assert look(world)
    talk(world, agent)
    later = agent.outbox.pop((2, 1))
    world.talk(agent, tell_held=False)
    assert set(world.state.live) == {2}, "half of it is free, and the small job would fit there"
    agent.outbox[2, 1] = later
    talk(world, agent)
    assert set(world.state.live) == {urgent}
    assert small in world.accepted


def test_a_number_that_no_class_has_preempts_nobody() -> None:
    world, _ = full(low(), low())
    world.submit(1, job_class("bob", SMALL, priority=101))
    world.commit()
    assert look(world) == []
    assert look(full(low(), sharing=Sharing())[0]) == []


def test_nobody_is_preempted_before_its_minimum_run_time_of_settings_or_pool() -> None:
    world, agent = full(low(), low(), minutes=9)
    world.submit(1, job_class("bob", SMALL, priority=100))
    world.commit()
    assert look(world) == []
    assert "2 have not run for the minimum time" in next(iter(world.preemptor.refused.values()))
    world.state.pools[POOL.name] = replace(POOL, jobs=replace(POOL.jobs, minimum_run_s=3600.0))
    assert look(world, 120) == []
    world.state.pools[POOL.name] = POOL
    assert len(look(world, 2)) == 2
    talk(world, agent)
    assert not world.preemptor.refused


def test_it_waits_first_and_for_what_is_coming_soon() -> None:
    world, _ = full(low(), low())
    world.submit(1, job_class("bob", SMALL, priority=100))
    world.commit()
    assert look(world, 4) == [], "it has waited for 4 of 5 seconds"
    coming = world.claim(2)
    assert look(world) == [], "a worker is expected within two minutes"
    world.state.history[POOL.name].boot_s = 1200.0
    assert len(look(world)) == 2, "but not in twenty"
    assert coming.spec.name in world.state.workers


def test_a_job_that_was_preempted_so_often_is_left_alone() -> None:
    rules = Preemption(minimum_run_s=60, protected_after=2)
    world, agent = full(low(), sharing=Sharing(priority_classes=(URGENT,), preemption=rules))
    for count in (1, 2, 3):
        (urgent,) = world.submit(1, job_class("bob", BOTH, priority=100))
        world.commit()
        told = look(world, 120)
        if count == 3:
            assert told == []
            assert "1 was preempted 2 times" in next(iter(world.preemptor.refused.values()))
            return
        world.crash()
        agent.ack = 0
        for _ in range(3):
            talk(world, agent)
        assert [job for job, _ in agent.held] == [urgent]
        agent.end((urgent, 1), world.now_ms)
        for _ in range(2):
            talk(world, agent)
        assert list(agent.held) == [(1, count + 1)]
        assert world.state.live[JobId(1)].preempted == count
        assert world.faults() == []


def test_a_crash_while_it_stops_asks_nobody_else_and_forgets_nothing() -> None:
    world, agent = full(low(), low())
    world.submit(1, job_class("bob", SMALL, priority=100))
    world.commit()
    assert len(look(world)) == 2
    world.crash()
    assert sum(bool(each.preempted_for) for each in world.state.live.values()) == 1
    assert look(world) == []
    for _ in range(3):
        talk(world, agent)
    assert 3 in {job for job, _ in agent.held}
    assert len(world.state.live) == 2
    assert world.faults() == []


def test_a_success_on_its_way_stays_one() -> None:
    world, agent = full(low(), low())
    world.submit(1, job_class("bob", SMALL, priority=100))
    world.commit()
    told = look(world)
    victim = next(int(each.object.partition("/")[2]) for each in told if each.kind == "job.preempted")
    agent.end((victim, 1), world.now_ms)
    talk(world, agent)
    assert world.job_state(victim) is JobState.SUCCEEDED
    talk(world, agent)
    assert len(world.state.live) == 2


def test_a_cancelled_job_that_was_preempted_is_cancelled() -> None:
    world, agent = full(low(), low())
    world.submit(1, job_class("bob", SMALL, priority=100))
    world.commit()
    (told, *_) = look(world)
    victim = int(told.object.partition("/")[2])
    world.cancel_job(victim)
    talk(world, agent)
    talk(world, agent)
    assert world.job_state(victim) is JobState.CANCELLED
    assert world.faults() == []


def test_several_small_jobs_take_their_places_in_one_look() -> None:
    world, agent = full(low(), low())
    world.submit(2, job_class("bob", SMALL, priority=100))
    world.commit()
    assert len([each for each in look(world) if each.kind == "job.preempted"]) == 2
    for _ in range(3):
        talk(world, agent)
    assert {job for job, _ in agent.held} == {3, 4}


def test_a_lender_gets_back_what_was_borrowed_when_reclaiming_is_on() -> None:
    quotas = (
        ProjectQuota(name="lent", nominal=Limits(jobs=1)),
        ProjectQuota(name="owed", nominal=Limits(jobs=1)),
    )
    sharing = Sharing(projects=quotas, preemption=RULES)
    world, agent = full(low(project="lent"), low(project="lent"), sharing=sharing)
    (owed,) = world.submit(1, job_class("bob", SMALL, project="owed"))
    world.submit(1, job_class("bob", SMALL, project="lent"))
    world.commit()
    assert look(world) == [], "off by default"
    world.state.sharing = replace(sharing, preemption=replace(RULES, reclaim=Reclaim.ANY))
    told = look(world)
    assert "to return quota that project owed lent to project lent" in told[0].text
    assert look(world, 2) == []
    for _ in range(3):
        talk(world, agent)
    assert len(world.state.live) == 2
    assert owed in {job for job, _ in agent.held}
    assert look(world, 3600) == [], "everybody has what is its own"


def test_in_a_large_fleet_the_workers_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preemption, "WORKERS_MAX", 2)
    world = World(POOL)
    world.state.sharing = Sharing(priority_classes=(URGENT,), preemption=RULES)
    agents = [world.ready_worker(number)[1] for number in range(1, 7)]
    for number in range(6):
        world.submit(2, job_class("ann", SMALL, priority=0 if number == 4 else 100))
        world.commit()
    for agent in agents:
        world.talk(agent)
        world.talk(agent)
    world.now_ms += 3_600_000
    world.submit(1, job_class("bob", SMALL, priority=100))
    world.commit()
    told = [look(world, 2) for _ in range(8)]
    assert sum(len(each) for each in told) == 2, "once found, nobody else is asked"
    (gave, _) = next(each for each in told if each)
    assert '"worker":"std-' in gave.data
    assert {bool(each.preempted_for) for each in world.state.live.values()} == {True, False}
