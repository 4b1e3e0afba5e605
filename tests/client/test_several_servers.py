"""A client that was given the addresses of several servers asks another one when the first does not answer or does not lead."""

import pytest

from herder.client import HerderClient, UnreachableError, clock, transport
from herder.wire.work import JobSubmission
from tests.support.fake_api import TOKEN, FakeApi

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
    times = iter(range(0, 1000, 3))
    monkeypatch.setattr(clock, "monotonic_s", lambda: float(next(times)))
    with (
        HerderClient(f"{NOBODY},http://127.0.0.1:10", TOKEN) as client,
        pytest.raises(
            UnreachableError, match=r"No server answers at http://127.0.0.1:10, http://127.0.0.1:9: "
        ),
    ):
        client.status()
    assert 3 * len(pauses) >= transport.FAILOVER_S - 3
    assert max(pauses) <= 1.0


def test_an_address_that_is_none_among_several() -> None:
    with pytest.raises(UnreachableError, match="is not the address of a server"):
        HerderClient(f"{NOBODY},10.0.0.6:8765", TOKEN)
