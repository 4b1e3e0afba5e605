"""The loop of traces in virtual time: a collector that is away for hours, and a store that is."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import insert

from herder.control.kernel.trace_queue import TraceQueue
from herder.model.work.job import JobState
from herder.observability.job_spans import Span
from herder.store.rows.tables import jobs
from tests.providers.fleet import Fleet

pytestmark = pytest.mark.virtual_time
HOUR_S = 3600
JOBS = 40


class PlayedCollector:
    """Each call takes a second."""

    def __init__(self) -> None:
        self.away, self.opened, self.closed, self.calls = False, 0, 0, 0
        self.traces: list[str] = []

    def __call__(self) -> "PlayedCollector":
        self.opened += 1
        return self

    async def export(self, spans: Sequence[Span]) -> str:
        self.calls += 1
        await asyncio.sleep(1)
        if self.away:
            return "No route."
        self.traces += [each.trace_id for each in spans if each.parent_id is None]
        return ""

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def collector() -> PlayedCollector:
    return PlayedCollector()


@pytest.fixture
async def fleet(collector: PlayedCollector) -> AsyncIterator[Fleet]:
    made = Fleet(loops=("traces",))
    made.core.tallies.traces = TraceQueue(collector, sample=1, per_second=10, most=JOBS)
    with made.engine.begin() as connection:
        connection.execute(
            insert(jobs),
            [
                {
                    "id": number, "position": 0, "class_id": 1, "payload": "{}", "created_at_ms": 1,
                    "state": int(JobState.SUCCEEDED), "ended_at_ms": 2,
                }
                for number in range(1, JOBS + 1)
            ],
        )  # fmt: skip
    yield made
    await made.close()


def queue_of(fleet: Fleet) -> TraceQueue:
    assert fleet.core.tallies.traces is not None
    return fleet.core.tallies.traces


async def test_traces_leave_at_their_rate_and_once(fleet: Fleet, collector: PlayedCollector) -> None:
    queue_of(fleet).note(range(1, JOBS + 1))
    await asyncio.sleep(3.5)
    assert len(collector.traces) <= 20
    await asyncio.sleep(20)
    assert len(collector.traces) == len(set(collector.traces)) == JOBS
    assert (queue_of(fleet).exported, queue_of(fleet).dropped) == (JOBS, 0)


async def test_an_outage_of_hours_is_bounded_and_over_when_it_is_over(
    fleet: Fleet, collector: PlayedCollector
) -> None:
    queue, collector.away = queue_of(fleet), True
    queue.note(range(1, 31))
    await asyncio.sleep(HOUR_S)
    assert collector.calls <= HOUR_S / 10
    assert queue.dropped == 30
    queue.note(range(1, JOBS + 1))
    queue.note([JOBS + 1, JOBS + 2])
    assert queue.dropped == 32
    collector.away = False
    await asyncio.sleep(120)
    assert (queue.exported, len(queue)) == (JOBS, 0)
    assert len(collector.traces) == JOBS


async def test_jobs_that_were_deleted_or_run_again_have_no_trace(
    fleet: Fleet, collector: PlayedCollector
) -> None:
    with fleet.engine.begin() as connection:
        connection.execute(jobs.update().where(jobs.c.id == 2).values(state=2, ended_at_ms=None))
        connection.execute(jobs.delete().where(jobs.c.id == 3))
    queue_of(fleet).note([1, 2, 3])
    await asyncio.sleep(10)
    assert (queue_of(fleet).exported, queue_of(fleet).dropped, len(queue_of(fleet))) == (1, 1, 0)


async def test_a_server_that_stops_closes_its_exporter(fleet: Fleet, collector: PlayedCollector) -> None:
    await asyncio.sleep(5)
    await fleet.close()
    assert (collector.opened, collector.closed) == (1, 1)
