"""Calls of the client: typed answers, retries that are harmless, the family of errors, streams that resume."""

import httpx
import pytest

from herder.client import (
    ConflictError,
    HerderClient,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    ServerError,
    TimedOutError,
    UnreachableError,
)
from herder.client.parts.events import parse_stream
from herder.client.parts.fleet import segment
from herder.settings import TEMPLATES, pool_from_plain
from herder.wire.api.people import TokenCreate, UserCreate, UserSet
from herder.wire.api.resources import ScaleRequest, WorkerAction
from herder.wire.api.work import BatchCreate, JobSubmission
from tests.support.fake_api import TOKEN, FakeApi
from tests.support.pools import pool_spec
from tests.support.wire_samples import batch, event, job, worker


def test_every_reading_route_gives_its_type(client: HerderClient) -> None:
    assert client.status().workers == {"ready": 2, "terminated": 9}
    assert [pool.name for pool in client.pools.list()] == ["burst", "permanent"]
    assert client.pools.get("burst").max_workers == 5
    assert [each.name for each in client.workers.list(pool="burst")] == ["burst-7-1", "burst-7-2"]
    assert client.workers.get("burst-7-1").attempts_done == 7
    assert client.workers.why("burst-7-1").summary == "made for jobs"
    assert client.workers.console("burst-7-1") == "boot ok\n"
    assert client.workers.logs("burst-7-1") == "agent ok\n"
    assert [(each.kind, each.state) for each in client.workers.operations("burst-7-1")] == [
        ("insert", "failed")
    ]
    assert client.batches.get(3).state == "running"
    assert [each.id for each in client.batches.list()] == [3]
    assert client.jobs.get(17).payload == {"command": ["echo", "hello"]}
    assert [each.id for each in client.jobs.list(batch=1)] == [17]
    assert client.jobs.explain(17).facts[0].kind == "nothing_fits"
    assert client.plans.next().number == client.plans.get(9).number == 9
    assert [plan.number for plan in client.plans.list()] == [9]
    assert [user.name for user in client.users()] == ["alice"]
    assert client.health() == client.ready() == {"status": "ok"}
    assert client.invariants() == []


def test_every_writing_route_sends_what_it_was_given(api: FakeApi, client: HerderClient) -> None:
    assert client.pools.scale("burst", ScaleRequest(workers=2), dry_run=True).dry_run
    assert api.calls[-1] == ("POST", "/api/v1/pools/burst/scale", {"dry_run": "true"}, {"workers": 2})
    client.pools.freeze("burst", "look at it")
    assert api.calls[-1][3] == {"message": "look at it"}
    client.pools.unfreeze("burst")
    client.workers.act("burst-7-1", "extend", WorkerAction(extend_s=7200))
    assert api.calls[-1] == (
        "POST",
        "/api/v1/workers/burst-7-1/extend",
        {"dry_run": "false"},
        {"extend_s": 7200},
    )
    client.jobs.cancel(17)
    client.batches.cancel(3)
    assert client.create_user(UserCreate(name="bob")).name == "bob"
    assert client.set_user("bob", UserSet(weight=3)).weight == 3
    assert "deleted" in client.delete_user("bob", cancel_jobs=True).text
    assert client.who_am_i().user == "alice"
    assert [token.id for token in client.tokens(user="alice", ended=True)] == ["3f9a1c02be47"]
    assert "revoked" in client.revoke_token("3f9a1c02be47").text
    assert client.create_token(TokenCreate(user="bob")).token == "s3cret"
    assert client.pools.delete("burst").text == "drains 2 workers of burst"


def test_apply_carries_the_plain_form_of_pools(api: FakeApi, client: HerderClient) -> None:
    pool = pool_spec("new", templates=(TEMPLATES["small"],), max_workers=3)
    assert client.apply([pool], dry_run=True).changes[0].change == "created"
    (body,) = api.bodies("/api/v1/apply")
    assert pool_from_plain(body["pools"][0], "test") == pool


def test_pages_are_followed_and_a_limit_stops_them(api: FakeApi, client: HerderClient) -> None:
    api.workers = {f"w-{n}": worker(f"w-{n}") for n in range(25)}
    api.page_size = 10
    assert [each.name for each in client.workers.list()] == list(api.workers)
    assert len(api.calls) == 3
    assert len(list(client.workers.list(limit=12))) == 12
    assert len(api.calls) == 5


@pytest.mark.parametrize("failures", [[503], [0], [502, 0, 429, 504]])
def test_failures_that_may_pass_are_tried_again(
    api: FakeApi, client: HerderClient, pauses: list[float], failures: list[int]
) -> None:
    api.fail = list(failures)
    assert client.pools.get("burst").name == "burst"
    assert len(api.calls) == len(pauses) + 1 == len(failures) + 1


@pytest.mark.parametrize("failure", [0, 503])
def test_a_write_whose_answer_was_lost_is_not_done_twice(
    api: FakeApi, client: HerderClient, failure: int
) -> None:
    api.fail_after_write = [failure]
    assert client.jobs.submit(JobSubmission(command=["true"])).first_job == 17
    assert len(api.bodies("/api/v1/jobs")) == 2
    assert api.writes_done == 1
    client.jobs.submit(JobSubmission(command=["true"]))
    assert api.writes_done == 2, "another call has another key"


def test_retries_end(api: FakeApi, client: HerderClient, pauses: list[float]) -> None:
    api.fail = [503] * 100
    with pytest.raises(UnreachableError):
        client.status()
    assert len(api.calls) == 5
    assert pauses == sorted(pauses) or all(pause <= 5 for pause in pauses)


def test_nobody_there(pauses: list[float]) -> None:
    with (
        HerderClient("http://127.0.0.1:9", TOKEN) as client,
        pytest.raises(UnreachableError, match="does not answer") as caught,
    ):
        client.status()
    assert "herder up" in caught.value.hint
    assert "Errno" not in str(caught.value)
    assert TOKEN not in str(caught.value) + repr(client) + repr(client.http)


@pytest.mark.parametrize("url", ["", "localhost:8765", "ftp://x", "http://[bad"])
def test_what_is_no_address_is_said_so(url: str) -> None:
    with pytest.raises(UnreachableError, match="not the address"):
        HerderClient(url)


def test_errors_have_their_class(api: FakeApi, client: HerderClient) -> None:
    with pytest.raises(NotFoundError, match="no pool 'nope'"):
        client.pools.get("nope")
    with pytest.raises(NotFoundError):
        client.pools.get("a/../b?c")
    with pytest.raises(ConflictError) as conflict:
        client.pools.scale("burst", ScaleRequest(workers=9))
    assert conflict.value.hint == "Raise max_workers."
    with pytest.raises(InvalidError) as invalid:
        client.pools.scale("burst", ScaleRequest(workers=1, template="huge"))
    assert invalid.value.field == "template"
    api.role_needed = "operator"
    with pytest.raises(NotAllowedError, match="operator"):
        client.pools.freeze("burst")
    api.fail = [500]
    with pytest.raises(ServerError):
        client.status()


def test_a_wrong_token_says_how_to_get_one(api: FakeApi) -> None:
    with HerderClient(api.url, "wrong-token") as client, pytest.raises(NotAllowedError) as caught:
        client.status()
    assert "HERDER_TOKEN_FILE" in caught.value.hint
    assert "wrong-token" not in str(caught.value) + caught.value.hint


def test_an_answer_of_something_else_is_no_crash() -> None:
    answers = iter([httpx.Response(200, text="<html>"), httpx.Response(404, text="<html>")])
    transport = httpx.MockTransport(lambda request: next(answers))
    with HerderClient("http://proxy.example", transport=transport) as client:
        with pytest.raises(ServerError, match="cannot be read"):
            client.status()
        with pytest.raises(NotFoundError, match="no explanation"):
            client.status()


def test_a_redirect_does_not_get_the_token() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url.host))
        return httpx.Response(302, headers={"Location": "http://evil.example/"})

    transport = httpx.MockTransport(answer)
    with (
        HerderClient("http://here.example", TOKEN, transport=transport) as client,
        pytest.raises(ServerError),
    ):
        client.status()
    assert seen == ["here.example"]


def test_waits_end_with_the_job_or_the_time(api: FakeApi, client: HerderClient) -> None:
    assert client.jobs.wait(17).state == "succeeded"
    with pytest.raises(TimedOutError, match="Batch 3 has not ended") as caught:
        client.batches.wait(3, timeout_s=0.05)
    assert caught.value.hint == "Continue waiting with `herder batch wait 3`."
    api.batches[3] = batch(3, state="failed")
    assert client.batches.wait(3).state == "failed"
    api.jobs[18] = job(18, state="running")
    with pytest.raises(TimedOutError):
        client.jobs.wait(18, timeout_s=0)


def test_small_batches_are_one_call_and_large_ones_bunches(api: FakeApi, client: HerderClient) -> None:
    small = [JobSubmission(command=["true"])] * 3
    assert [sent for sent, _ in client.batches.submit(BatchCreate(name="s"), small)] == [3]
    assert len(api.calls) == 1
    api.calls.clear()
    large = [JobSubmission(command=["true"])] * 25_000
    sent = [(count, view.state) for count, view in client.batches.submit(BatchCreate(name="l"), large)]
    assert [count for count, _ in sent] == [0, 10_000, 20_000, 25_000, 25_000]
    assert sent[-1][1] == "running"
    assert [len(body["jobs"]) for body in api.bodies("/api/v1/batches/4/jobs")] == [10_000, 10_000, 5_000]
    assert api.calls[-1][1] == "/api/v1/batches/4/commit"


def test_logs_go_on_where_they_broke_off(api: FakeApi, client: HerderClient) -> None:
    api.break_streams = 1
    assert "".join(client.jobs.logs(17, follow=True)) == "hello\nwörld\n"
    assert [call[2]["offset"] for call in api.calls] == ["0", "8"]


def test_events_stream_resumes_without_repeating(api: FakeApi, client: HerderClient) -> None:
    api.break_streams = 1
    found = []
    for each in client.events.stream():
        found.append(each.sequence)
        if len(found) == 5:
            break
    assert found == [1, 2, 3, 4, 5]
    assert [each.sequence for each in client.events.list(after=2, limit=2)] == [3, 4]


def test_an_event_stream_that_brings_nothing_ends(api: FakeApi, client: HerderClient) -> None:
    api.events = []
    with pytest.raises(UnreachableError, match="repeatedly"):
        list(client.events.stream())
    assert len(api.calls) == 9


def test_server_sent_events_are_read_as_the_standard_says() -> None:
    import msgspec

    text = msgspec.json.encode(event(7)).decode()
    lines = [": comment", "", "id: 7", "event: event", f"data:{text}", "", "retry: 5", "", "data: "]
    assert [each.sequence for each in parse_stream(lines)] == [7]
    with pytest.raises(ServerError):
        list(parse_stream(["data: {}", ""]))


def test_a_name_stays_one_part_of_the_path() -> None:
    """`..` would name what is above it, and a write would change that."""
    for name in (".", "..", "../x", "a/b", "a?b", ""):
        url = httpx.URL(f"http://h/api/v1/budgets/{segment(name)}/keep")
        assert url.raw_path.count(b"/") == 5, name
        assert b"/budgets/" in url.raw_path
