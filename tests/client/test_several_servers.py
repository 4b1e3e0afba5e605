"""A client that was given the addresses of several servers asks another one when the first does not answer or does not lead."""

import socket
import threading
from collections.abc import Iterator

import pytest

from herder.client import HerderClient, UnreachableError
from herder.client.http import clock, servers, tries
from herder.wire.api.work import JobSubmission
from tests.support.fake_api import TOKEN, FakeApi

SUBMIT, STATUS = "/api/v1/jobs", "/api/v1/status"
NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize("trouble", ["it is down", "it has no leader", "its answer was lost"])
def test_another_server_is_asked_and_a_write_is_done_once(
    api: FakeApi, pauses: list[float], trouble: str
) -> None:
    with FakeApi() as other, HerderClient(f"{api.url}, {other.url}/", TOKEN) as client:
        if trouble == "it is down":
            client.http.urls[0] = NOBODY
        elif trouble == "it has no leader":
            api.fail = [503]
        else:
            api.fail_after_write = [0]
        assert client.jobs.submit(JobSubmission(command=["true"])).first_job == 17
        assert len(other.bodies("/api/v1/jobs")) == 1
        assert len(pauses) == 1
        assert pauses[0] <= 1.0
        calls = len(other.calls)
        client.status()
        assert len(other.calls) == calls + 1, "it stays with the one that answers"


def test_an_event_stream_goes_to_the_next_server(api: FakeApi, pauses: list[float]) -> None:
    with HerderClient(f"{NOBODY},{api.url}", TOKEN) as client:
        assert next(iter(client.events.stream(after=0))).sequence == 1


def test_tries_end_when_no_server_has_answered_for_long(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "monotonic_s", lambda: 3.0 * len(pauses))
    with (
        HerderClient(f"{NOBODY},http://127.0.0.1:10", TOKEN) as client,
        pytest.raises(
            UnreachableError, match=r"No server answers at http://127.0.0.1:10, http://127.0.0.1:9: "
        ),
    ):
        client.status()
    assert 3 * len(pauses) >= tries.FAILOVER_S - 3
    assert max(pauses) <= 1.0


def test_an_address_that_is_none_among_several() -> None:
    with pytest.raises(UnreachableError, match="is not the address of a server"):
        HerderClient(f"{NOBODY},10.0.0.6:8765", TOKEN)


@pytest.fixture
def hung() -> Iterator[str]:
    """A server that was stopped (SIGSTOP): the kernel accepts calls for it, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short times, of the same proportions."""
    monkeypatch.setattr(tries, "SILENT_S", 0.2)
    monkeypatch.setattr(servers, "PROBE_S", 0.2)
    monkeypatch.setattr(tries, "TELL_AFTER_S", 0.0)


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_a_server_that_hangs_is_left_for_another_and_a_write_is_done_once(
    api: FakeApi, hung: str, short: None, role: str
) -> None:
    api.role = role
    told: list[str] = []
    with HerderClient(f"{hung},{api.url}", TOKEN) as client:
        client.http.told = told.append
        began_s = clock.monotonic_s()
        assert client.jobs.submit(JobSubmission(command=["true"])).first_job == 17
        assert clock.monotonic_s() - began_s < 5
        assert len(api.bodies(SUBMIT)) == api.writes_done == 1
        assert client.http.url == api.url
    assert told == [f"The server at {hung} does not answer: timed out. Trying again."]


def test_the_times_of_a_take_over_leave_room_for_a_server_that_hangs() -> None:
    """Until the other server leads: at most 10 s, of which the lease takes 5."""
    assert tries.SILENT_S + servers.PROBE_S + tries.PAUSE_SERVERS_S <= 7


@pytest.mark.parametrize("several", [True, False])
def test_a_leader_that_is_slow_gets_the_time_it_needs(api: FakeApi, short: None, several: bool) -> None:
    """Its answer comes after it has been asked whether it runs, and the call once more. The write is done once."""
    api.held[SUBMIT] = threading.Event()
    api.role = "leader"
    with FakeApi() as other, HerderClient(f"{api.url},{other.url}" if several else api.url, TOKEN) as client:
        other.role = "follower"
        asked = threading.Thread(target=_answer_later, args=(api, 2 if several else 1))
        asked.start()
        assert client.jobs.submit(JobSubmission(command=["true"])).first_job == 17
        asked.join(10)
        assert api.writes_done == 1
        assert len(api.bodies(SUBMIT)) == (2 if several else 1)
        assert not other.bodies(SUBMIT)


def _answer_later(api: FakeApi, times: int) -> None:
    """When the call has come so often, and longer than a server may be silent."""
    pause = threading.Event()
    while len(api.bodies(SUBMIT)) < times:
        pause.wait(0.02)
    pause.wait(3 * tries.SILENT_S)
    api.held[SUBMIT].set()


def test_a_call_that_the_follower_hands_on_to_a_leader_that_hangs_gets_more_time_with_each_try(
    api: FakeApi, hung: str, short: None
) -> None:
    api.role = "follower"
    api.held[SUBMIT] = threading.Event()
    with HerderClient(f"{api.url},{hung}", TOKEN) as client:
        asked = threading.Thread(target=_answer_later, args=(api, 3))
        asked.start()
        assert client.jobs.submit(JobSubmission(command=["true"])).first_job == 17
        asked.join(10)
        assert api.writes_done == 1
        assert 3 <= len(api.bodies(SUBMIT)) <= 5


def test_without_a_leader_one_server_is_asked_until_another_could_have_taken_over(
    api: FakeApi, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.fail = [503] * 8
    api.code = "no_leader"
    monkeypatch.setattr(clock, "monotonic_s", lambda: 1.0 * len(pauses))
    told: list[str] = []
    with HerderClient(api.url, TOKEN) as client:
        client.http.told = told.append
        assert client.jobs.submit(JobSubmission(command=["true"])).first_job == 17
    assert told == ["told to fail with 503. Trying again."]
    assert len(pauses) == 8


def test_an_event_stream_leaves_a_server_that_hangs(
    api: FakeApi, hung: str, short: None, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.client.http.transport.STREAM_SILENT_S", 0.2)
    with HerderClient(f"{hung},{api.url}", TOKEN) as client:
        assert next(iter(client.events.stream(after=0))).sequence == 1
