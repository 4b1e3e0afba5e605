"""The queue of ready jobs: order, withdrawal, and the same answers as a plain list gives."""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.engine.memory.queue import LEFT_BEHIND, ReadyQueue
from herder.model.ids import BatchId, JobId
from tests.support.engine_world import queued_jobs

ONE, TWO = BatchId(1), BatchId(2)


def taken(queue: ReadyQueue, count: int) -> list[int]:
    return [job for _, job, _ in queue.take(count)]


def test_first_come_first_served_across_batches_and_forms() -> None:
    queue = ReadyQueue()
    queue.push(ONE, range(1, 4), 10)
    queue.push(None, [9], 11)
    queue.push(TWO, [5, 7], 12)
    assert queue.count == 6
    assert queue.oldest_ready_at_ms == 10
    assert queue.take(5) == [(ONE, 1, 10), (ONE, 2, 10), (ONE, 3, 10), (None, 9, 11), (TWO, 5, 12)]
    assert queue.count == 1
    assert queue.oldest_ready_at_ms == 12


def test_neighbours_of_a_batch_stand_in_one_segment() -> None:
    queue = ReadyQueue()
    for start in (1, 11, 21):
        queue.push(ONE, range(start, start + 10), 10)
    assert len(queue._segments) == 1
    for job in (40, 42, 44):
        queue.push(ONE, [job], 10)
    assert len(queue._segments) <= 3
    assert taken(queue, 100) == [*range(1, 31), 40, 42, 44]


def test_single_jobs_of_no_order_share_an_array() -> None:
    queue = ReadyQueue()
    for job in (5, 3, 9, 1):
        queue.push(None, range(job, job + 1), 10)
    assert len(queue._segments) == 1
    assert taken(queue, 10) == [5, 3, 9, 1]


def test_one_that_is_tried_again_comes_first() -> None:
    queue = ReadyQueue()
    queue.push(ONE, range(1, 4), 10)
    assert taken(queue, 1) == [1]
    queue.put_back(ONE, JobId(1), 10)
    assert taken(queue, 2) == [1, 2]


def test_withdrawn_jobs_are_passed_over_and_not_counted() -> None:
    queue = ReadyQueue()
    queue.push(ONE, range(1, 6), 10)
    assert queue.withdraw(JobId(2))
    assert not queue.withdraw(JobId(2))
    assert not queue.withdraw(JobId(77))
    assert queue.count == 4
    assert 2 not in queue
    assert taken(queue, 3) == [1, 3, 4]
    assert queue.count == 1


def test_withdrawing_the_last_leaves_nothing_behind() -> None:
    queue = ReadyQueue()
    queue.push(ONE, range(1, 3), 10)
    assert queue.withdraw(JobId(1))
    assert queue.withdraw(JobId(2))
    assert (queue.count, queued_jobs(queue), list(queue.take(5))) == (0, [], [])


def test_a_batch_goes_at_once_without_those_withdrawn_before() -> None:
    queue = ReadyQueue()
    queue.push(ONE, range(1, 6), 10)
    queue.push(TWO, range(6, 9), 10)
    queue.push(ONE, range(9, 11), 10)
    queue.withdraw(JobId(3))
    queue.withdraw(JobId(7))
    assert queue.withdraw_batch(ONE) == 6
    assert queue.withdraw_batch(ONE) == 0
    assert queue.count == 2
    assert taken(queue, 9) == [6, 8]


def test_the_oldest_is_the_oldest_and_what_is_taken_is_let_go() -> None:
    """A class that never empties: 1,000 come and 998 are taken."""
    queue = ReadyQueue()
    for number in range(1_000):
        queue.push(None, range(number, number + 1), 10 * number)
        if number >= 2:
            queue.take(1)
    assert (queue.count, queue.oldest_ready_at_ms) == (2, 9_980)
    assert numbers_kept(queue) <= 2 + 2 * LEFT_BEHIND


@pytest.mark.parametrize("step", [1, 2], ids=["neighbours", "others"])
def test_memory_is_proportional_to_what_waits(step: int) -> None:
    queue = ReadyQueue()
    for number in range(10_000):
        queue.push(None, range(number * step, number * step + 1), number // 7)
    for job in range(10, 10_000 - 10):
        assert queue.withdraw(JobId(job * step))
    assert queue.count == 20
    assert numbers_kept(queue) + len(queue._withdrawn) <= 2 * 20 + 4 * LEFT_BEHIND


def test_a_retry_stands_by_when_it_first_became_ready() -> None:
    queue = ReadyQueue()
    for job in (1, 2, 3, 5):
        queue.push(None, [job], 10 * job)
    assert queue.take(4) == [(None, 1, 10), (None, 2, 20), (None, 3, 30), (None, 5, 50)]
    queue.push(ONE, range(7, 9), 60)
    for job in (2, 5, 1, 3):
        queue.put_back(None, JobId(job), 10 * job)
    queue.push(None, [6, 9], 70)
    queue.put_back(None, JobId(4), 65)
    assert taken(queue, 20) == [1, 2, 3, 5, 7, 8, 4, 6, 9]


def numbers_kept(queue: ReadyQueue) -> int:
    return sum(len(each.ids) for each in queue._segments if not isinstance(each.ids, range)) + len(
        queue._segments
    )


Plain = tuple[BatchId | None, int, int]
batches = st.sampled_from([None, ONE, TWO])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), batches, st.integers(1, 5)),
            st.tuples(st.just("push"), batches, st.integers(60, 200)),
            st.tuples(st.just("sparse"), batches, st.integers(1, 4)),
            st.tuples(st.just("wait"), st.sampled_from([1, 5, -3])),
            st.tuples(st.just("take"), st.sampled_from([0, 1, 1, 2, 7, 150])),
            st.tuples(st.just("again"), st.integers(0, 10)),
            st.tuples(st.just("first"), st.integers(0, 10)),
            st.tuples(st.just("withdraw"), st.integers(0, 400)),
            st.tuples(st.just("batch"), st.sampled_from([ONE, TWO])),
            st.tuples(st.just("merge"), st.integers(1, 5)),
        ),
        max_size=60,
    )
)
def test_it_answers_as_a_plain_list_does(steps: list[tuple[Any, ...]]) -> None:
    both = Both()
    for name, *arguments in steps:
        getattr(both, name)(*arguments)
        both.compare()


class Both:
    """The queue and a plain list; `front` is what was put before all others."""

    def __init__(self) -> None:
        self.queue = ReadyQueue()
        self.front: list[Plain] = []
        self.plain: list[Plain] = []
        self.out: list[Plain] = []
        self.number = self.now = 0

    @property
    def waiting(self) -> list[Plain]:
        return [*self.front, *self.plain]

    def push(self, batch: BatchId | None, count: int, step: int = 1) -> None:
        jobs = range(self.number, self.number + step * count, step)
        self.queue.push(batch, jobs if step == 1 else list(jobs), self.now)
        at = max([self.now, *(ready for _, _, ready in (self.plain or self.front)[-1:])])
        self.plain += [(batch, job, at) for job in jobs]
        self.number += step * count

    def sparse(self, batch: BatchId | None, count: int) -> None:
        self.push(batch, count, 2)

    def wait(self, more: int) -> None:
        self.now += more

    def take(self, count: int) -> None:
        got = self.queue.take(count)
        assert got == self.waiting[:count]
        self.out += got
        self.plain = self.plain[max(0, count - len(self.front)) :]
        self.front = self.front[count:]

    def again(self, index: int) -> None:
        if self.out:
            one = self.out.pop(index % len(self.out))
            self.queue.put_back(one[0], JobId(one[1]), one[2])
            self.plain.insert(bisect_left(self.plain, one[2], key=ready_at), one)

    def first(self, index: int) -> None:
        if self.out:
            batch, job, _ = self.out.pop(index % len(self.out))
            self.queue.put_first(batch, JobId(job), self.now)
            self.front.insert(0, (batch, job, self.now))

    def merge(self, count: int) -> None:
        back, self.out = self.out[:count], self.out[count:]
        self.queue.merge(back)
        self.front, self.plain = [], sorted([*self.waiting, *back], key=ready_at)

    def withdraw(self, job: int) -> None:
        there = any(each[1] == job for each in self.waiting)
        assert self.queue.withdraw(JobId(job)) is there
        self._keep(lambda each: each[1] != job)

    def batch(self, batch: BatchId) -> None:
        there = sum(each[0] == batch for each in self.waiting)
        assert self.queue.withdraw_batch(batch) == there
        self._keep(lambda each: each[0] != batch)

    def _keep(self, stays: Callable[[Plain], bool]) -> None:
        self.front, self.plain = list(filter(stays, self.front)), list(filter(stays, self.plain))

    def compare(self) -> None:
        queue, waiting = self.queue, self.waiting
        assert queue.count == len(waiting)
        assert queued_jobs(queue) == [job for _, job, _ in waiting]
        if waiting:
            assert queue.oldest_ready_at_ms == min(at for _, _, at in waiting)
            assert [queue.before(job) for _, job, _ in waiting[:3]] == [0, 1, 2][: len(waiting)]
        assert numbers_kept(queue) + len(queue._withdrawn) <= 3 * len(waiting) + 4 * LEFT_BEHIND


def ready_at(one: Plain) -> int:
    return one[2]
