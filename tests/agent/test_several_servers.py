"""An agent of an installation with several servers finds the one that answers, and learns where the others are."""

import asyncio
from typing import Any

import pytest

from herder.agent.environment.connection import Connection, Unreachable
from herder.agent.environment.settings import AgentSettings, SettingsError
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer, Fault


def connection(*urls: str, **more: Any) -> Connection:
    return Connection(AgentSettings(server_url=", ".join(urls), worker="w", activation_token="t", **more))


async def test_the_next_call_goes_to_the_next_server_when_one_does_not_answer(server: FakeServer) -> None:
    made = connection("http://127.0.0.1:1/", server.url)
    with pytest.raises(Unreachable):
        await made.call("/activate", b"{}")
    server.activation_faults.append(500)
    with pytest.raises(Unreachable, match="HTTP status 500"):
        await made.call("/activate", b'{"nonce":"n"}')
    with pytest.raises(
        Unreachable, match="cannot be reached"
    ):  # it answered with an error: the other one's turn
        await made.call("/activate", b"{}")
    assert await made.call("/activate", b'{"nonce":"n"}')
    await made.close()


async def test_two_calls_that_fail_together_leave_a_server_once(server: FakeServer) -> None:
    made = connection("http://127.0.0.1:1", server.url)
    failed = await asyncio.gather(*(made.call("/x", b"{}") for _ in range(2)), return_exceptions=True)
    assert [*map(type, failed)] == [Unreachable, Unreachable]
    assert await made.call("/activate", b'{"nonce":"n"}')
    await made.close()


async def test_what_is_learnt_comes_before_what_was_given_and_is_bounded(server: FakeServer) -> None:
    made = connection("http://127.0.0.1:1", "http://127.0.0.1:2")
    made.know([server.url, "gopher://x", *(f"http://127.0.0.1:{port}" for port in range(3, 60))])
    with pytest.raises(Unreachable):
        await made.call("/activate", b"{}")  # it stays with the server that it has, until that one fails
    assert await made.call("/activate", b'{"nonce":"n"}')
    assert len(made._servers) == 16
    await made.close()


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match=r"'10.0.0.6' is not the address of a server"):
        connection("http://10.0.0.5", "10.0.0.6")


async def test_running_attempts_notice_nothing_of_a_change_of_servers(
    server: FakeServer, start_agent: StartAgent
) -> None:
    async with FakeServer() as other:
        start_agent(server_url=f"{server.url},{other.url}")
        key = server.shell(1, "sleep 1; echo done")
        await server.until(lambda: key in server.assigned)
        await server.until(lambda: bool(server.started))
        await server.close()
        end = await other.end_of(key)
        assert (end.state, end.exit_code) == ("succeeded", 0)
        assert key not in server.finished
        await server.start(server.port)


async def test_a_server_without_a_leader_is_left_for_another(
    server: FakeServer, start_agent: StartAgent
) -> None:
    async with FakeServer() as other:
        start_agent(server_url=f"{server.url},{other.url}")
        await server.until(lambda: server.exchanges > 0)
        server.fault = lambda _: Fault.ERROR_500
        await other.until(lambda: other.exchanges > 0)
        server.fault = lambda _: Fault.NONE
