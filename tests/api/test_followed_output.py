"""Output that is followed, and plans that people ask for: neither looks again and again, and neither holds up the others."""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from herder.control import planning
from herder.control.errors import Overloaded
from herder.control.reads import following
from herder.control.reads.following import Followers
from herder.model.ids import UserName
from herder.model.principal import Principal, Role
from herder.wire.exchange import LogChunk
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
    monkeypatch.setattr(following, "FOLLOW_S", 3600.0)
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
    monkeypatch.setattr(following, "FOLLOWERS_EACH_MAX", 2)
    monkeypatch.setattr(following, "FOLLOWERS_MAX", 3)
    with ExitStack() as streams:
        kept = [streams.enter_context(followed(api, running)) for _ in range(2)]
        assert [next(lines) for lines in kept] == ["one"] * 2
        with pytest.raises(httpx.HTTPStatusError) as refused, followed(api, running):
            pass
        told = refused.value.response
        assert (told.status_code, told.json()["code"]) == (429, "overloaded")
        assert "2 outputs are followed by admin, 2 in all" in told.json()["detail"]
        assert api.get(f"/jobs/{running}/logs").text == "one\n", "without following it can be read"
        others = [
            streams.enter_context(server.client(server.person(name, "operator"))) for name in ("bob", "eve")
        ]
        kept.append(streams.enter_context(followed(others[0], running)))
        assert next(kept[-1]) == "one"
        with pytest.raises(httpx.HTTPStatusError) as refused, followed(others[1], running):
            pass
        assert refused.value.response.status_code == 429
    monkeypatch.setattr(following, "FOLLOW_S", 0.05)  # a client that has gone is seen at the latest then
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

    async def first_piece(*_: object) -> tuple[str, int, bool]:
        await asyncio.sleep(0)
        return "one", 3, False

    monkeypatch.setattr(following, "log_text", first_piece)
    monkeypatch.setattr(following, "FOLLOWERS_EACH_MAX", 2)
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
    work_out = planning._work_out

    def noted(*given: Any) -> planning.Answer:
        made_in.append(threading.current_thread().name)
        return work_out(*given)

    monkeypatch.setattr(planning, "_small", lambda _: False)
    monkeypatch.setattr(planning, "_work_out", noted)
    assert api.get(path).status_code == 200
    assert made_in
    assert all(name.startswith("questions") for name in made_in)
