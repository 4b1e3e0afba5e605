"""The queue of ready jobs: order, withdrawal, and the same answers as a plain list gives."""

from hypothesis import given
from hypothesis import strategies as st

from herder.engine.queue import ReadyQueue
from herder.model.ids import BatchId, JobId
from tests.support.engine_world import queued_jobs

ONE, TWO = BatchId(1), BatchId(2)


def taken(queue: ReadyQueue, count: int) -> list[int]:
    return [job for _, job in queue.take(count)]


def test_first_come_first_served_across_batches_and_forms() -> None:
    queue = ReadyQueue()
    queue.push(ONE, range(1, 4), 10)
    queue.push(None, [9], 11)
    queue.push(TWO, [5, 7], 12)
    assert queue.count == 6
    assert queue.oldest_ready_at_ms == 10
    assert list(queue.take(5)) == [(ONE, 1), (ONE, 2), (ONE, 3), (None, 9), (TWO, 5)]
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
    queue.push_first(ONE, JobId(1), 50)
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


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.sampled_from([None, ONE, TWO]), st.integers(1, 5)),
            st.tuples(st.just("sparse"), st.sampled_from([None, ONE, TWO]), st.integers(1, 4)),
            st.tuples(st.just("take"), st.integers(0, 7)),
            st.tuples(st.just("again"), st.integers(0, 10)),
            st.tuples(st.just("withdraw"), st.integers(0, 40)),
            st.tuples(st.just("batch"), st.sampled_from([ONE, TWO])),
        ),
        max_size=40,
    )
)
def test_it_answers_as_a_plain_list_does(steps: list[tuple[object, ...]]) -> None:
    queue, plain, out, number = ReadyQueue(), [], [], 0
    for step in steps:
        match step:
            case ("push", batch, int(count)):
                queue.push(batch, range(number, number + count), 1)  # type: ignore[arg-type]
                plain += [(batch, job) for job in range(number, number + count)]
                number += count
            case ("sparse", batch, int(count)):
                jobs = [number + 2 * index for index in range(count)]
                queue.push(batch, jobs, 1)  # type: ignore[arg-type]
                plain += [(batch, job) for job in jobs]
                number += 2 * count
            case ("take", int(count)):
                got = list(queue.take(count))
                assert got == plain[:count]
                out += got
                del plain[:count]
            case ("again", int(index)) if out:
                batch, job = out.pop(index % len(out))
                queue.push_first(batch, JobId(job), 1)
                plain.insert(0, (batch, job))
            case ("withdraw", int(job)):
                found = [each for each in plain if each[1] == job]
                assert queue.withdraw(JobId(job)) is bool(found)
                plain = [each for each in plain if each[1] != job]
            case ("batch", batch):
                assert queue.withdraw_batch(batch) == sum(each[0] == batch for each in plain)  # type: ignore[arg-type]
                plain = [each for each in plain if each[0] != batch]
        assert queue.count == len(plain)
        assert queued_jobs(queue) == [job for _, job in plain]
