"""The language of searches, and searches over HTTP: what is found, in pages, and what is refused and how."""

import httpx
import pytest

from herder.control.kernel.bounds.errors import Invalid
from herder.control.reads.search import jobs as job_search
from herder.control.reads.search.jobs import COLUMNS
from herder.control.reads.search.language import Term, parse
from tests.api.conftest import PlayedWorker, Refusal, Server
from tests.api.test_work import batch_of

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("state:failed", [("state", "=", ("failed",))]),
        ("state:failed,skipped user!=ann", [("state", "=", ("failed", "skipped")), ("user", "!=", ("ann",))]),
        ("report", [("name", "~", ("report",))]),
        ('"a b"', [("name", "~", ("a b",))]),
        (r'name~"say \"x\" \\" pool!~x', [("name", "~", (r'say "x" \\'[:-1],)), ("pool", "!~", ("x",))]),
        ("duration>5m attempts>=2", [("duration", ">", (300_000,)), ("attempts", ">=", (2,))]),
        ("created>-2h", [("created", ">", (NOW - 7_200_000,))]),
        ("ended<2026-11-27T14:00", [("ended", "<", (1_795_788_000_000,))]),
        ("exit_code=-1", [("exit_code", "=", (-1,))]),
        ("name=a:b=c", [("name", "=", ("a:b=c",))]),
    ],
)
def test_a_search_is_read(text: str, terms: list[tuple[str, str, tuple[object, ...]]]) -> None:
    assert parse(text, COLUMNS, NOW) == tuple(
        Term(column=column, operator=operator, values=values)  # type: ignore[arg-type]
        for column, operator, values in terms
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("stat:failed", "'stat'"),
        ("state:broken", "'broken'"),
        ("state~fail", "Column state"),
        ("duration:5m", "Column duration"),
        ("duration>5", "Column duration"),
        ("attempts>x", "Column attempts"),
        ("attempts>1,2", "Column attempts"),
        ("created>yesterday", "Column created"),
        ("user:", "Column user"),
        ('name~"open', "a quote is not closed"),
        ("attempts>9999999999999999", "too large"),
        ("x" * 1_001, "1,001 characters"),
        ("a " * 21, "21 terms"),
        ("name:" + ",".join("x" * 51), "51 values"),
    ],
)
def test_an_error_of_a_search_names_the_column_and_what_is_allowed(text: str, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text, COLUMNS, NOW)
    assert named in str(refused.value)
    assert refused.value.field == "q"


def found(api: httpx.Client, q: str, path: str = "/jobs", **more: object) -> list[str]:
    answer = api.get(path, params={"q": q, **more})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    return [each.get("key") or each["name"] for each in answer.json()["items"]]


def test_jobs_are_found(api: httpx.Client, worker: PlayedWorker) -> None:
    batch = batch_of(api, {"key": "night-1"}, {"key": "night_2"}, {"key": "100%"}, {"key": "a b"})["id"]
    taken = {assignment.job: assignment for assignment in worker.take(4)}
    first = min(taken)
    worker.end(first, state="failed", cause="exit_code", exit_code=7, message="it broke")
    for job in sorted(taken)[1:3]:
        worker.end(job)
    inside = f"batch:{batch} "
    assert found(api, f"{inside}state:failed") == ["night-1"]
    assert found(api, f"{inside}state:failed,running") == ["night-1", "a b"]
    assert found(api, f"{inside}state!=succeeded") == ["night-1", "a b"]
    assert found(api, f"{inside}NIGHT") == ["night-1", "night_2"]
    assert found(api, f"{inside}name~night_") == ["night_2"]
    assert found(api, f"{inside}name~%") == ["100%"]
    assert found(api, f'{inside}name:"a b"') == ["a b"]
    assert found(api, f"{inside}exit_code=7 cause:exit_code message~broke") == ["night-1"]
    assert found(api, f"{inside}worker:{worker.name} attempts=1 name!~night") == ["100%", "a b"]
    assert found(api, f"{inside}duration>1h") == []
    assert found(api, f"{inside}created>-1h user:admin,root,herder id>={first}")[:1] in ([], ["night-1"])
    assert found(api, "name~night") == ["night_2", "night-1"]
    assert found(api, "state:failed name~night", state="failed") == ["night-1"]
    worker.end(sorted(taken)[3])


def test_batches_are_found(api: httpx.Client) -> None:
    for name, attributes in (
        ("red", {"colour": "red", "a.b": "1"}),
        ("blue", {"colour": "blue"}),
        ("plain", {}),
    ):
        body = {"name": name, "attributes": attributes, "jobs": [{"runtime": "noop"}]}
        api.post("/batches", json=body).raise_for_status()
    assert found(api, "attribute.colour:red,blue", "/batches") == ["blue", "red"]
    assert found(api, "attribute.a.b:1", "/batches") == ["red"]
    assert found(api, "name~l state:open jobs<2", "/batches") == ["plain", "blue"]
    assert found(api, "attribute.colour!=red name:red,blue,plain", "/batches") == ["plain", "blue"]


def test_a_page_looks_at_a_bounded_number_of_jobs_and_the_next_goes_on(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_search, "SCANNED_MAX", 3)
    jobs = [{"key": f"p{place}", "cpu": 1} for place in range(10)]
    batch = batch_of(api, *jobs, commit=False)["id"]
    for order in ({"q": "name:p1,p8", "batch": batch}, {"q": f"name~p batch:{batch} name:p1,p8"}):
        seen, after, pages = [], {}, 0
        while True:
            page = api.get("/jobs", params={**order, **after}).json()
            seen += [each["key"] for each in page["items"]]
            pages += 1
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert (seen, pages) == (["p1", "p8"], 4)
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()


def test_a_search_finds_only_what_the_caller_may_see(server: Server, refused: Refusal) -> None:
    body = {"name": "secret", "jobs": [{"runtime": "noop", "key": "secret-1"}]}
    server.http.post("/batches", json=body).raise_for_status()
    with server.client(server.person("stranger")) as stranger:
        assert found(stranger, "secret", "/batches") == []
        assert found(stranger, "secret") == []
    assert found(server.http, "secret", "/batches") == ["secret"]
    assert "state" in refused(422, "GET", "/jobs", params={"q": "stat:failed"})["hint"]
    assert refused(422, "GET", "/batches", params={"q": "worker:x"})["field"] == "q"
