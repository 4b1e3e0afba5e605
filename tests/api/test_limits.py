"""Every bound on what people send is refused with its field, before it costs anything; a user can have so much waiting and no more."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from herder.control.kernel.bounds import limits
from herder.control.kernel.jobs.backlog import BATCH_COUNTS_AS
from tests.api.conftest import Refusal, Server

NOOP = {"runtime": "noop", "cpu": 8, "pool": "big"}
LONG = "x" * (limits.WORD_LENGTH + 1)
MESSAGE = "x" * (limits.MESSAGE_LENGTH + 1)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("job", "status", "field"),
    [
        ({"env": {"": "x"}}, 422, "env"),
        ({"env": {"A": "x\0"}}, 422, "env"),
        ({"stdin": "\0"}, 422, "stdin"),
        ({"sleep_ms": -1}, 422, "sleep_ms"),
        ({"sleep_ms": limits.SLEEP_MS_MAX + 1}, 422, "sleep_ms"),
        ({"env": {"A=B": "x"}}, 422, "env"),
        ({"env": {"A" * 257: "x"}}, 422, "env"),
        ({"env": {f"A{n}": "" for n in range(limits.ENV_COUNT + 1)}}, 422, "env"),
        ({"inputs": {f"f{n}": "" for n in range(limits.INPUTS_COUNT + 1)}}, 422, "inputs"),
        ({"inputs": {"": "x"}}, 422, "inputs"),
        ({"inputs": {"n" * 257: "x"}}, 422, "inputs"),
        ({"inputs": {"n" * 256: "x"}}, 422, "inputs"),
        ({"inputs": {"../x": "x"}}, 422, "inputs"),
        ({"inputs": {"/etc/x": "x"}}, 422, "inputs"),
        ({"inputs": {".": "x"}}, 422, "inputs"),
        ({"inputs": {"a//b": "x"}}, 422, "inputs"),
        ({"inputs": {"a/b/c": "x", "a": "x"}}, 422, "inputs"),
        ({"timeout_s": 0.0004}, 422, "timeout_s"),
        ({"command": ["x"] * (limits.WORDS + 1)}, 422, "command"),
        ({"command": ["x" * limits.PAYLOAD_BYTES]}, 413, "command"),
        ({"stdin": "x" * limits.PAYLOAD_BYTES}, 413, "command"),
        ({"selector": {f"k{n}": "v" for n in range(51)}}, 422, "selector"),
        ({"selector": {LONG: "v"}}, 422, "selector"),
        ({"selector": {"k": LONG}}, 422, "selector"),
        ({"tolerations": [{"key": f"k{n}"} for n in range(51)]}, 422, "tolerations"),
        ({"tolerations": [{"key": LONG}]}, 422, "tolerations"),
        ({"affinity": [{"key": "k", "operator": "NotIn", "values": [LONG]}]}, 422, "affinity[0]"),
        ({"affinity": [{"key": LONG, "operator": "DoesNotExist"}]}, 422, "affinity[0]"),
        ({"affinity": [{"key": "k", "operator": "NotIn", "values": ["v"] * 65}]}, 422, "affinity[0]"),
        ({"affinity": [{"key": "k", "operator": "DoesNotExist"}] * 65}, 422, "affinity"),
        ({"affinity": [{"key": "k", "operator": "NotIn", "values": [LONG[1:]] * 64}] * 2}, 413, "affinity"),
        ({"tolerations": [{"key": LONG[1:], "value": LONG[1:]}] * 50}, 413, "affinity"),
        ({"pool": LONG}, 422, "pool"),
        ({"runtime": LONG}, 422, "runtime"),
        ({"gpu_model": LONG}, 422, "gpu_model"),
        ({"cpu": "1" * 300}, 422, "cpu"),
        ({"key": "x" * 201}, 422, "key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_job_beyond_a_limit(refused: Refusal, job: dict[str, Any], status: int, field: str) -> None:
    said = refused(status, "POST", "/jobs", json={**NOOP, **job})
    assert said["field"] == field
    assert len(said["detail"]) < 500
    said = refused(status, "POST", "/batches", json={"jobs": [NOOP, {**NOOP, **job}]})
    assert said["field"] == f"jobs[1].{field}"


@pytest.mark.parametrize(
    ("batch", "status", "field"),
    [
        ({"attributes": {f"k{n}": "" for n in range(65)}}, 422, "attributes"),
        ({"attributes": {"k": "v" * 4097}}, 422, "attributes.k"),
        ({"attributes": {"ü" * 65: "v"}}, 422, "attributes." + "ü" * 50),
        ({"attributes": {f"k{n}": "v" * 4000 for n in range(5)}}, 413, "attributes"),
        ({"name": "x" * 201}, 422, "name"),
        ({"project": "x" * 201}, 422, "project"),
        ({"jobs": [NOOP] * 10_001}, 413, "jobs"),
    ],
)
def test_a_batch_beyond_a_limit(refused: Refusal, batch: dict[str, Any], status: int, field: str) -> None:
    assert refused(status, "POST", "/batches", json=batch)["field"] == field


def test_parents_of_one_call_are_counted_before_they_are_checked(refused: Refusal, server: Server) -> None:
    jobs = [NOOP] * 100 + [{**NOOP, "parents": list(range(100))}] * 2001
    said = refused(413, "POST", "/batches", json={"jobs": jobs})
    assert (said["field"], "several calls" in said["hint"]) == ("jobs", True)
    allowed = [NOOP] * 100 + [{**NOOP, "parents": list(range(100))}] * 100
    assert server.http.post("/batches", json={"jobs": allowed}).status_code == 200


def test_words_for_events_are_bounded(api: httpx.Client, refused: Refusal) -> None:
    job = api.post("/jobs", json=NOOP).json()["first_job"]
    batch = api.post("/batches", json={}).json()["id"]
    worker = api.post("/pools/big/scale", json={"workers": 1, "ttl_s": 3600}).json()["workers"][0]
    for path in (
        f"/jobs/{job}/cancel",
        f"/batches/{batch}/cancel",
        "/pools/big/freeze",
        "/drivers/pretend/freeze",
        f"/workers/{worker}/drain",
    ):
        assert refused(422, "POST", path, json={"message": MESSAGE})["field"] == "message"
    scale = {"workers": 1, "reason": MESSAGE}
    assert refused(422, "POST", "/pools/big/scale", json=scale)["field"] == "reason"
    assert (
        refused(422, "POST", "/pools/big/scale", json={"workers": 1, "template": LONG})["field"] == "template"
    )
    assert refused(422, "POST", "/tokens", json={"note": "x" * 201})["field"] == "note"
    api.post(f"/workers/{worker}/remove", json={"force": True}).raise_for_status()


@pytest.mark.parametrize("depth", [33, 480, 900])
def test_settings_that_are_nested_too_deeply(refused: Refusal, depth: int) -> None:
    pool = {"name": "deep", "driver": "pretend", "labels": nested(depth)}
    assert "levels" in refused(422, "POST", "/apply", json={"pools": [pool]})["detail"]
    sharing = {"projects": nested(depth)}
    assert refused(422, "POST", "/apply", json={"pools": [], "sharing": sharing})["field"] == "sharing"


def test_settings_with_too_many_values(refused: Refusal) -> None:
    pools = [{"name": "wide", "labels": {f"k{n}": "v" for n in range(limits.SETTINGS_VALUES)}}]
    assert refused(413, "POST", "/apply", json={"pools": pools})["field"] == "pools"


@pytest.mark.parametrize(
    ("path", "field", "choice"),
    [
        ("/jobs?state=runing", "state", "running"),
        ("/batches?state=done", "state", "succeeded"),
        ("/workers?state=gone", "state", "terminated"),
        ("/workers?state=gone&ended=true", "state", "terminated"),
        ("/events?kind=worker.rady", "kind", "worker.ready"),
        ("/events?kind=nothing", "kind", "worker.ready"),
    ],
)
def test_a_filter_that_can_match_nothing_is_refused_with_the_choices(
    refused: Refusal, path: str, field: str, choice: str
) -> None:
    said = refused(422, "GET", path)
    assert said["field"] == field
    assert choice in said["hint"]


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "/jobs?project=alpha", "project"),
        ("GET", "/jobs?state=ready&statee=x", "statee"),
        ("GET", "/status?pool=big", "pool"),
        ("POST", "/jobs?wait=true", "wait"),
        ("POST", "/pools/big/freeze?dryrun=true", "dryrun"),
        ("POST", "/workers/none/remove?dry-run=true", "dry-run"),
        ("DELETE", "/pools/big?dry=true", "dry"),
        ("DELETE", "/tokens/0123456789ab?force=true", "force"),
    ],
)
def test_what_an_address_asks_for_is_never_passed_over(
    api: httpx.Client, refused: Refusal, method: str, path: str, field: str
) -> None:
    """A dry run that is misspelt would be a real one."""
    body = {"json": NOOP if path.startswith("/jobs") else {}} if method == "POST" else {}
    assert refused(422, method, path, **body)["field"] == field
    assert not api.get("/pools/big").json()["frozen"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *((f"{path}?limit={size}", "limit") for path in ("/jobs", "/batches", "/events", "/plans", "/workers") for size in (0, -1)),
        ("/jobs?after=-1", "after"),
        ("/jobs?batch=-3", "batch"),
        ("/events?newest=maybe", "newest"),
    ],
)  # fmt: skip
def test_numbers_and_flags_of_an_address_are_in_their_bounds(refused: Refusal, path: str, field: str) -> None:
    assert refused(422, "GET", path)["field"] == field


def test_filters_of_events_by_noun(api: httpx.Client) -> None:
    for kind in ("pool", "pool.", "pool.created"):
        items = api.get("/events", params={"kind": kind}).json()["items"]
        assert items
        assert all(each["kind"].startswith("pool.") for each in items)


@pytest.fixture
def few(server: Server) -> Iterator[Server]:
    """A server on which a user may have 150 jobs or 20,000 bytes waiting."""
    backlog = server.running.core.backlog
    before = backlog.jobs_max, backlog.bytes_max
    backlog.jobs_max, backlog.bytes_max = 150, 20_000
    yield server
    backlog.jobs_max, backlog.bytes_max = before


def until_taken(client: httpx.Client, path: str, body: Any) -> httpx.Response:
    """What has ended is seen a second later at most."""
    for _ in range(100):
        answer = client.post(path, json=body)
        if answer.status_code != 429:
            return answer
        time.sleep(0.1)
    raise AssertionError("it was refused for ten seconds")


def test_a_user_can_have_so_many_jobs_waiting(few: Server, refused: Refusal) -> None:
    with few.client(few.person("many")) as client, few.client(few.person("another")) as other:
        batch = client.post("/batches", json={"jobs": [NOOP] * (150 - BATCH_COUNTS_AS)}).json()["id"]
        said = refused(429, "POST", "/jobs", client, json=NOOP)
        assert "151 waiting jobs; the maximum for a user is 150 (queued_jobs_per_user)" in said["detail"]
        assert "cancel some" in said["hint"]
        refused(429, "POST", f"/batches/{batch}/jobs", client, json={"jobs": [NOOP]})
        refused(429, "POST", "/batches", client, json={})
        assert other.post("/jobs", json=NOOP).status_code == 200, "others are not held up"
        client.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
        assert until_taken(client, "/jobs", NOOP).status_code == 200


def test_a_user_can_have_so_many_bytes_waiting_also_after_a_restart(few: Server, refused: Refusal) -> None:
    job = {**NOOP, "command": ["x" * 7_000]}
    token = few.person("large")
    with few.client(token) as client:
        jobs = [client.post("/jobs", json=job).json()["first_job"] for _ in range(2)]
        said = refused(429, "POST", "/jobs", client, json=job)
        assert "bytes of commands and inputs; the maximum for a user is 20,000" in said["detail"]
    few.restart()
    backlog = few.running.core.backlog
    backlog.jobs_max, backlog.bytes_max = 150, 20_000
    with few.client(token) as client:
        refused(429, "POST", "/jobs", client, json=job)
        for number in jobs:
            client.post(f"/jobs/{number}/cancel", json={}).raise_for_status()
        assert until_taken(client, "/jobs", job).status_code == 200


def test_what_new_kinds_of_jobs_require_counts_as_bytes_once(few: Server, refused: Refusal) -> None:
    """A class keeps its selector, tolerations and affinity in memory as long as a job of it waits."""

    def picky(number: int) -> dict[str, Any]:
        return {
            **NOOP,
            "affinity": [{"key": "k", "operator": "NotIn", "values": [f"{number}{LONG[2:]}"] * 12}],
        }

    with few.client(few.person("picky")) as client:
        for _ in range(9):
            client.post("/jobs", json=picky(1)).raise_for_status()
        kinds = [client.post("/jobs", json=picky(number)).status_code for number in range(2, 9)]
        assert kinds == [200] * 5 + [429] * 2
        said = refused(429, "POST", "/jobs?dry_run=true", client, json=picky(9))
        assert "the maximum for a user is 20,000" in said["detail"]
