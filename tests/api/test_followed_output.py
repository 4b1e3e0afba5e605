"""Output that is followed, and plans that people ask for: neither looks again and again, and neither holds up the others."""

import asyncio
import dataclasses
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from herder.client import HerderClient
from herder.control.kernel.bounds.errors import Overloaded
from herder.control.kernel.planner import planning_thread
from herder.control.reads.work import followed_output
from herder.control.reads.work.followed_output import Followers
from herder.control.reads.work.output import Output
from herder.model.ids import UserName
from herder.model.permissions import Principal, Role
from herder.wire.worker.exchange import Finished, LogChunk
from tests.api.conftest import PlayedWorker, Server


@pytest.fixture
def running(api: httpx.Client, worker: PlayedWorker) -> Iterator[int]:
    """A job that has printed one line."""
    job = int(api.post("/jobs", json={"runtime": "noop"}).raise_for_status().json()["first_job"])
    (given,) = worker.take()
    worker.exchange(logs=[LogChunk(job=job, attempt=given.attempt, offset=0, text="one\n")])
    yield job
    worker.end(job, given.attempt)


@contextmanager
def followed(api: httpx.Client, job: int) -> Iterator[Iterator[str]]:
    with api.stream("GET", f"/jobs/{job}/logs", params={"follow": "true"}, timeout=40) as answer:
        if answer.status_code != 200:
            answer.read()
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
        yield answer.iter_lines()


def test_output_and_the_end_come_without_waiting_for_the_next_look(
    api: httpx.Client, worker: PlayedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_output, "FOLLOW_S", 3600.0)
    job = int(api.post("/jobs", json={"runtime": "noop"}).raise_for_status().json()["first_job"])
    (given,) = worker.take()
    worker.exchange(logs=[LogChunk(job=job, attempt=given.attempt, offset=0, text="one\n")])
    with followed(api, job) as lines:
        assert next(lines) == "one"
        worker.exchange(logs=[LogChunk(job=job, attempt=given.attempt, offset=4, text="two\n")])
        assert next(lines) == "two"
        worker.end(job, given.attempt)
        assert list(lines) == []


def test_so_many_follow_at_a_time_and_who_leaves_makes_room(
    api: httpx.Client, server: Server, running: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_output, "FOLLOWERS_EACH_MAX", 2)
    monkeypatch.setattr(followed_output, "FOLLOWERS_MAX", 3)
    with ExitStack() as streams:
        kept = [streams.enter_context(followed(api, running)) for _ in range(2)]
        assert [next(lines) for lines in kept] == ["one"] * 2
        with pytest.raises(httpx.HTTPStatusError) as refused, followed(api, running):
            pass
        told = refused.value.response
        assert (told.status_code, told.json()["code"]) == (429, "overloaded")
        assert (
            "admin follows 2 outputs of at most 2, and all users follow 2 of at most" in told.json()["detail"]
        )
        assert api.get(f"/jobs/{running}/logs").text == "one\n", "without following it can be read"
        others = [
            streams.enter_context(server.client(server.person(name, "operator"))) for name in ("bob", "eve")
        ]
        kept.append(streams.enter_context(followed(others[0], running)))
        assert next(kept[-1]) == "one"
        with pytest.raises(httpx.HTTPStatusError) as refused, followed(others[1], running):
            pass
        assert refused.value.response.status_code == 429
    monkeypatch.setattr(
        followed_output, "FOLLOW_S", 0.05
    )  # a client that has gone is seen at the latest then
    deadline = time.monotonic() + 30
    while True:
        try:
            with followed(api, running) as lines:
                assert next(lines) == "one"
            return
        except httpx.HTTPStatusError:
            assert time.monotonic() < deadline, "nobody follows any more, and there is no room"
            time.sleep(0.02)


async def test_calls_that_come_together_do_not_pass_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not when all of them have read the first piece before any of them sends it; and who never reads on gives the place back."""

    async def first_piece(*_: object) -> Output:
        await asyncio.sleep(0)
        return Output(text="one", at=3, attempt=1, attempt_ended=False, job_ended=False, attempts=1)

    monkeypatch.setattr(followed_output, "output_of", first_piece)
    monkeypatch.setattr(followed_output, "FOLLOWERS_EACH_MAX", 2)
    followers, ann = Followers(), Principal(UserName("ann"), Role.USER)
    core: Any = SimpleNamespace()
    calls = [followers.follow(core, lambda: ann, 1, None, 0) for _ in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, Overloaded) for each in answers] == [False, False, True, True, True]
    answers.clear()
    gc.collect()
    while followers._of:
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/plans/next", "/pools/std/why"])
def test_a_plan_that_is_asked_for_is_made_beside_the_event_loop(
    api: httpx.Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in: list[str] = []
    work_out = planning_thread._work_out

    def noted(*given: Any) -> planning_thread.PlanAnswer:
        made_in.append(threading.current_thread().name)
        return work_out(*given)

    monkeypatch.setattr(planning_thread, "_small", lambda _: False)
    monkeypatch.setattr(planning_thread, "_work_out", noted)
    assert api.get(path).status_code == 200
    assert made_in
    assert all(name.startswith("questions") for name in made_in)


def _tried_again(api: httpx.Client, worker: PlayedWorker) -> tuple[int, Any]:
    """A job whose first attempt printed `one` and runs, and that may be tried again."""
    job = int(api.post("/jobs", json={"command": ["x"], "retries": 2}).raise_for_status().json()["first_job"])
    (given,) = worker.take()
    worker.exchange(logs=[LogChunk(job=job, attempt=given.attempt, offset=0, text="one\n")])
    return job, given


def _fail(worker: PlayedWorker, job: int, attempt: int, *, last: bool = False) -> None:
    """And take the next attempt, unless it is the last."""
    now = time.time_ns() // 1_000_000
    done = Finished(
        job=job,
        attempt=attempt,
        state="failed",
        started_at_ms=now,
        ended_at_ms=now,
        exit_code=1,
        cause="exit_code",
    )
    heard = worker.exchange(finished=[done])
    if not last:
        assert [each.attempt for each in heard.assign or worker.take()] == [attempt + 1]


def test_following_goes_on_over_attempts(api: httpx.Client, worker: PlayedWorker) -> None:
    job, given = _tried_again(api, worker)
    with followed(api, job) as lines:
        assert next(lines) == "one"
        _fail(worker, job, given.attempt)
        worker.exchange(logs=[LogChunk(job=job, attempt=2, offset=0, text="two\n")])
        worker.end(job, 2)
        assert list(lines) == ["", "[herder: attempt 2]", "two"]


def test_following_one_attempt_ends_with_it(api: httpx.Client, worker: PlayedWorker) -> None:
    job, given = _tried_again(api, worker)
    with api.stream(
        "GET", f"/jobs/{job}/logs", params={"follow": "true", "attempt": 1}, timeout=40
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "one"
        _fail(worker, job, given.attempt)
        assert list(lines) == []
    worker.end(job, 2)


def test_the_client_follows_every_attempt_also_those_that_end_between_two_looks(
    api: httpx.Client, server: Server, worker: PlayedWorker
) -> None:
    job, given = _tried_again(api, worker)
    with HerderClient(server.running.url, server.running.token) as client:
        pieces = client.jobs.follow(job)
        assert next(pieces) == (1, "one\n")
        worker.exchange(logs=[LogChunk(job=job, attempt=given.attempt, offset=4, text="more\n")])
        _fail(worker, job, given.attempt)
        for attempt, text in ((2, "two\n"), (3, "three\n")):
            worker.exchange(logs=[LogChunk(job=job, attempt=attempt, offset=0, text=text)])
            _fail(worker, job, attempt, last=attempt == 3)
        found = list(pieces)
    assert "".join(text for _, text in found) == "more\ntwo\nthree\n"
    assert {number for number, _ in found} == {1, 2, 3}


def test_a_worker_cannot_send_output_without_a_bound(
    api: httpx.Client, server: Server, worker: PlayedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = server.running.core
    monkeypatch.setattr(core, "settings", dataclasses.replace(core.settings, log_bytes_per_attempt=1000))
    job, given = _tried_again(api, worker)
    text = "x" * 10_000
    for number in range(10):
        at = 4 + number * len(text)
        worker.exchange(logs=[LogChunk(job=job, attempt=given.attempt, offset=at, text=text)])
    kept = len(api.get(f"/jobs/{job}/logs").text)
    assert 4000 < kept <= 4 * 1000 + 64 * 1024
    worker.end(job, given.attempt)


def test_a_worker_is_told_how_much_output_is_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    core = server.running.core
    monkeypatch.setattr(core, "settings", dataclasses.replace(core.settings, log_bytes_per_attempt=3 * 2**20))
    worker = server.worker()
    with server.client(worker.activation_token) as client:
        again = client.post("/worker/activate", json={"nonce": "n"}).raise_for_status()
    assert again.json()["log_bytes"] == 3 * 2**20
    worker.close()
