"""Calls of an executor run on real local workers: values, exceptions, cancelling, limits, and the end of a server in the middle."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import pytest

from herder.client import HerderClient, UnreachableError
from herder.client.executor import Executor, JobFailedError, RemoteError
from tests.acceptance.conftest import Installation
from tests.client.running import started

Connect = Callable[[], HerderClient]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Connect]]:
    found = started(tmp_path_factory.mktemp("server"))
    yield found
    found[0].close()


@pytest.fixture
def executor(place: tuple[Installation, Connect]) -> Iterator[Executor]:
    with Executor(cpu="100m", memory="64Mi", client=place[1]) as made:
        yield made


def test_a_call_gives_its_value(executor: Executor) -> None:
    base = 40
    future = executor.submit(lambda x, *, y: base + x + y, 1, y=1)
    assert future.result(60) == 42
    assert future.done()
    assert not future.cancelled()
    assert future.job > 0


def test_map_gives_the_values_in_order_in_chunks_too(executor: Executor) -> None:
    assert list(executor.map(pow, range(6), [2] * 6, timeout=60)) == [0, 1, 4, 9, 16, 25]
    assert list(executor.map(pow, range(10), [2] * 10, chunksize=4, timeout=60)) == [n * n for n in range(10)]
    assert list(executor.map(pow, [], [])) == []
    with pytest.raises(ValueError, match="chunksize is 0"):
        executor.map(pow, [1], [2], chunksize=0)


def test_an_exception_is_raised_here_with_the_traceback_of_the_worker(executor: Executor) -> None:
    def fails() -> None:
        raise KeyError("nothing")

    error = executor.submit(fails).exception(60)
    assert isinstance(error, KeyError)
    assert error.args == ("nothing",)
    assert isinstance(error.__cause__, RemoteError)
    assert "in fails" in str(error.__cause__)


def test_an_exception_that_cannot_be_pickled_is_raised_by_its_text(executor: Executor) -> None:
    class OfTwo(Exception):
        def __init__(self, first: str, second: str) -> None:
            super().__init__(first)

    def fails() -> None:
        raise OfTwo("one", "two")

    with pytest.raises(RemoteError, match="OfTwo: one"):
        executor.submit(fails).result(60)


def test_what_ends_an_interpreter_ends_a_call_only(executor: Executor) -> None:
    with pytest.raises(RemoteError, match="SystemExit: 3"):
        executor.submit(sys.exit, 3).result(60)
    with pytest.raises(JobFailedError, match="Exit code 7") as failed:
        executor.submit(os._exit, 7).result(60)
    assert (failed.value.state, failed.value.cause, failed.value.exit_code) == ("failed", "exit_code", 7)


def test_what_is_too_large_is_said_with_its_size(executor: Executor) -> None:
    with pytest.raises(ValueError, match="may have 250,000") as refused:
        executor.submit(len, os.urandom(300_000))
    assert "read it, and send its path" in str(refused.value)
    with pytest.raises(RemoteError, match=r"ValueError: The pickled result has .* may have 1,000,000"):
        executor.submit(os.urandom, 1_000_000).result(60)

    def fails() -> None:
        raise ValueError("é" * 2_000_000)

    error = executor.submit(fails).exception(60)
    assert isinstance(error, ValueError | RemoteError), error
    assert "éé" in str(error)


def test_a_call_that_cannot_be_pickled_is_an_error_where_it_is_written(executor: Executor) -> None:
    with pytest.raises(TypeError, match="pickle"):
        executor.submit(len, threading.Lock())


def test_a_job_that_the_server_refuses_is_the_outcome_of_its_call(
    place: tuple[Installation, Connect],
) -> None:
    with Executor(cpu="100m", memory="64Mi", pool="nowhere", client=place[1]) as made:
        first, second = made.submit(len, "a"), made.submit(len, "b")
        for each in (first, second):
            assert "nowhere" in str(each.exception(60))


def test_a_call_that_runs_is_cancelled_with_its_job(
    executor: Executor, place: tuple[Installation, Connect], tmp_path: Path
) -> None:
    sign = tmp_path / "began"

    def long(path: str) -> None:
        open(path, "w").close()
        time.sleep(600)

    future = executor.submit(long, str(sign))
    place[0].until(sign.exists, 60, "the call to begin")
    assert executor.submit(len, "short").result(60) == 5, (
        "a short call is not seen late because of a long one"
    )
    assert future.cancel()
    assert future.cancelled()
    assert future.cancel()
    done, _ = futures.wait([future], 5)
    assert done == {future}
    with place[1]() as client:
        assert client.jobs.wait(future.job, 30).state == "cancelled"


def test_its_time_limit_ends_a_call(place: tuple[Installation, Connect]) -> None:
    with (
        Executor(cpu="100m", memory="64Mi", timeout_s=1, client=place[1]) as made,
        pytest.raises(JobFailedError, match="timeout") as failed,
    ):
        made.submit(time.sleep, 600).result(60)
    assert failed.value.cause == "timeout"


def test_leaving_waits_for_what_was_submitted_and_takes_no_more(place: tuple[Installation, Connect]) -> None:
    with Executor(cpu="100m", memory="64Mi", client=place[1]) as made:
        open_calls = [made.submit(pow, number, 2) for number in range(5)]
    assert [each.result(0) for each in open_calls] == [0, 1, 4, 9, 16]
    with pytest.raises(RuntimeError, match="takes no more calls"):
        made.submit(len, "")
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("herder-executor")]
    assert names == []


def test_shutting_down_with_cancel_futures_ends_what_runs(place: tuple[Installation, Connect]) -> None:
    made = Executor(cpu="100m", memory="64Mi", client=place[1])
    running = [made.submit(time.sleep, 600) for _ in range(3)]
    made.shutdown(cancel_futures=True)
    assert all(each.cancelled() for each in running)


def test_without_a_server_it_says_so_at_once() -> None:
    def nowhere() -> HerderClient:
        return HerderClient("http://127.0.0.1:9", retries=0)

    with pytest.raises(UnreachableError):
        Executor(client=nowhere)


def test_another_version_of_python_is_named(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.client.executor.calls.VERSION", "2.7")
    with pytest.raises(RuntimeError, match=r"made by Python 2\.7, but the worker runs Python 3"):
        executor.submit(len, "").result(60)


@pytest.mark.slow
def test_calls_outlive_the_end_of_the_server(tmp_path: Path) -> None:
    installation, connect = started(tmp_path)
    try:
        with Executor(cpu="100m", memory="64Mi", client=connect) as made:
            calls = [made.submit(lambda n: (time.sleep(1), n)[1], number) for number in range(6)]
            installation.until(lambda: any(each.done() for each in calls), 60, "the first call to end")
            installation.kill()
            installation.start()
            assert [each.result(60) for each in calls] == list(range(6))
    finally:
        installation.close()
