"""Calls on real threads: deadlines, abandoned calls, a driver that is full of them, and who does what meanwhile."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from herder.control.drivers.machines import Pauses
from herder.control.kernel.driver_calls import DriverCalls
from herder.model.fleet.driver import NotFound, OutcomeUnknown, RateLimited, Unavailable

SOON_S = 0.02
LONG_S = 30.0


class Hang:
    """Work that hangs until it is let go. Counts how often it acted."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self._go = threading.Event()
        self.acted = 0

    def __call__(self) -> str:
        self.begun.release()
        assert self._go.wait(30)
        self.acted += 1
        return "late"

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
async def calls() -> AsyncIterator[DriverCalls]:
    made = DriverCalls(places=2)
    yield made
    made.close()


@pytest.fixture
def hang() -> "Hang":
    return Hang()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def abandon(calls: DriverCalls, hang: Hang, driver: str = "cloud", worker: str = "") -> None:
    with pytest.raises(OutcomeUnknown):
        await calls.run(driver, "create", hang, deadline_s=SOON_S, worker=worker)


async def test_answers_and_errors_go_to_the_caller(calls: DriverCalls) -> None:
    assert await calls.run("cloud", "get", lambda: 7, deadline_s=LONG_S) == 7

    def fail() -> None:
        raise NotFound("gone")

    with pytest.raises(NotFound, match="gone"):
        await calls.run("cloud", "get", fail, deadline_s=LONG_S)


@pytest.mark.parametrize("error", [StopIteration("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
async def test_nothing_that_a_driver_raises_ends_thread_or_server(
    calls: DriverCalls, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    for _ in range(5):  # more than there are places
        with pytest.raises(RuntimeError, match=type(error).__name__):
            await calls.run("cloud", "get", fail, deadline_s=LONG_S)
    assert await calls.run("cloud", "get", lambda: 7, deadline_s=LONG_S) == 7


async def test_a_call_past_its_deadline_is_abandoned_and_its_late_answer_dropped(
    calls: DriverCalls, hang: Hang
) -> None:
    with pytest.raises(
        OutcomeUnknown, match=r"Driver cloud did not answer create of worker w-1 within 0\.02 s."
    ):
        await calls.run("cloud", "create", hang, deadline_s=SOON_S, worker="w-1")
    (call,) = calls.report("cloud").under_way
    assert (call.verb, call.worker, call.abandoned) == ("create", "w-1", True)
    assert await calls.run("cloud", "get", lambda: 7, deadline_s=LONG_S) == 7, "the other place works"
    hang.let_go()
    await until(lambda: not calls.report("cloud").under_way)
    assert (hang.acted, calls.report("cloud").abandoned_total) == (1, 1)


async def test_abandoned_calls_that_fill_the_driver_make_it_unavailable_until_they_return(
    calls: DriverCalls, hang: Hang
) -> None:
    for number in range(2):
        await abandon(calls, hang, worker=f"w-{number}")
    with pytest.raises(
        Unavailable, match=r"all 2 calls have passed their deadlines, the oldest \(create of worker w-0\)"
    ):
        await calls.run("cloud", "list", lambda: 7, deadline_s=LONG_S)
    assert await calls.run("other", "list", lambda: 7, deadline_s=LONG_S) == 7, (
        "another driver does not notice"
    )
    hang.let_go()
    await until(lambda: not calls.report("cloud").under_way)
    assert await calls.run("cloud", "list", lambda: 7, deadline_s=LONG_S) == 7


async def test_who_waits_for_a_place_hears_that_none_will_come(calls: DriverCalls, hang: Hang) -> None:
    hanging = [asyncio.create_task(abandon(calls, hang)) for _ in range(2)]
    await until(lambda: len(calls.report("cloud").under_way) == 2)
    with pytest.raises(Unavailable):
        await calls.run("cloud", "list", lambda: 7, deadline_s=LONG_S)
    await asyncio.gather(*hanging)
    hang.let_go()


async def test_places_are_given_in_order_of_coming_and_never_more_than_there_are(calls: DriverCalls) -> None:
    most, now, order, lock = 0, 0, [], threading.Lock()
    gate = threading.Event()

    def work(number: int) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
            order.append(number)
        gate.wait(20)
        with lock:
            now -= 1

    tasks = []
    for number in range(12):
        tasks.append(
            asyncio.create_task(calls.run("cloud", "get", lambda n=number: work(n), deadline_s=LONG_S))  # type: ignore[misc]
        )
        await asyncio.sleep(0)
    await until(lambda: now == 2)
    assert calls.report("cloud").waiting == 10
    gate.set()
    await asyncio.gather(*tasks)
    assert most == 2
    assert sorted(order) == list(range(12))
    assert all(abs(place - number) <= 2 for place, number in enumerate(order)), order


async def test_a_caller_that_goes_away_leaves_its_place_to_the_next(calls: DriverCalls, hang: Hang) -> None:
    under_way = [asyncio.create_task(calls.run("cloud", "create", hang, deadline_s=LONG_S)) for _ in range(2)]
    await until(lambda: len(calls.report("cloud").under_way) == 2)
    leaving = [asyncio.create_task(calls.run("cloud", "get", lambda: 1, deadline_s=LONG_S)) for _ in range(3)]
    staying = asyncio.create_task(calls.run("cloud", "get", lambda: 7, deadline_s=LONG_S))
    await until(lambda: calls.report("cloud").waiting == 4)
    for task in leaving:
        task.cancel()
    hang.let_go()
    assert await staying == 7
    assert await asyncio.gather(*under_way) == ["late", "late"]
    await asyncio.gather(*leaving, return_exceptions=True)
    assert calls.report("cloud").waiting == 0
    for _ in range(4):
        assert await calls.run("cloud", "get", lambda: 7, deadline_s=LONG_S) == 7


def test_a_call_that_never_returns_keeps_no_process_from_ending() -> None:
    program = """
import asyncio, threading
from herder.control.kernel.driver_calls import DriverCalls
from herder.model.fleet.driver import OutcomeUnknown

async def main():
    calls = DriverCalls()
    try:
        await calls.run("cloud", "create", threading.Event().wait, deadline_s=0.05)
    except OutcomeUnknown:
        print("abandoned")
    calls.close()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "abandoned\n"


async def test_what_changes_while_a_driver_is_asked_ends_the_next_wait() -> None:
    """A worker that is told to go while its creation fails does not wait for the next try."""
    pauses = Pauses()
    pauses.wake.set()
    await asyncio.wait_for(pauses.retry(RateLimited("later", retry_after_s=60)), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pauses.retry(RateLimited("later", retry_after_s=60)), SOON_S)
