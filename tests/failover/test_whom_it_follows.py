"""What a follower says of the leader: not that there is none while the lease passes from one server to the next."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from herder.server.leadership import turns

URL = "http://127.0.0.1:2"


async def said(
    monkeypatch: pytest.MonkeyPatch, leaders: list[str | None], *, leads: bool = False
) -> list[str]:
    """`leaders`: what it sees at each look."""
    monkeypatch.setattr(turns, "LOOK_S", 0.001)
    monkeypatch.setattr(turns, "ELECTED_S", 0.2)

    def leader() -> Any:
        url = leaders.pop(0) if len(leaders) > 1 else leaders[0]
        candidate.epoch = 3 if leads and len(leaders) == 1 else 0
        return None if url is None else SimpleNamespace(url=url)

    candidate: Any = SimpleNamespace(leader=leader, epoch=0)
    told: list[str] = []
    await asyncio.wait_for(turns.tell_leader(told.append, URL, candidate), 10)
    return told


async def test_a_leader_that_is_elected_a_moment_later_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await said(monkeypatch, [None, None, None, "http://127.0.0.1:1"]) == [
        f"This server at {URL} follows the server at http://127.0.0.1:1, and takes over when that one fails."
    ]


async def test_that_no_server_leads_is_said_when_it_is_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await said(monkeypatch, [None]) == [
        f"This server at {URL} follows. No server leads at the moment."
    ]


async def test_a_server_that_takes_over_itself_does_not_say_that_it_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await said(monkeypatch, [None, None, None], leads=True) == []
