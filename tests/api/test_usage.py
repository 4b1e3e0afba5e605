"""Use that is reported over the API: who may report for whom, what is refused and where, models in three forms, and what is shown of it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from tests.api.conftest import Server

NUMBERS = count()
NOW = datetime.now(UTC)
TIME = (NOW - timedelta(hours=2)).isoformat()
Report = Callable[..., httpx.Response]


@pytest.fixture
def source() -> str:
    return f"meter-{next(NUMBERS)}"


@pytest.fixture
def report(server: Server, source: str) -> Report:
    """Of the administrator; `events` as they are sent."""

    def send(*events: dict[str, Any], client: httpx.Client | None = None, **query: Any) -> httpx.Response:
        return (client or server.http).post(
            "/usage", params=query, json={"source": source, "events": list(events)}
        )

    return send


def event(**more: Any) -> dict[str, Any]:
    said = {"id": "1", "time": TIME, "resource": "network.inter", "quantity": "1.5", "project": "p", **more}
    return {name: value for name, value in said.items() if value is not None}


def days(server: Server, client: httpx.Client | None = None, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = (client or server.http).get("/usage", params={**query, **after}).raise_for_status().json()
        items += page["items"]
        if page["next"] is None:
            return items
        after = {"after": page["next"]}


@pytest.fixture(scope="module")
def people(server: Server) -> Iterator[dict[str, httpx.Client]]:
    roles = {"ann": "user", "bob": "user", "opal": "operator", "vera": "viewer"}
    made = {name: server.client(server.person(name, role)) for name, role in roles.items()}
    yield made
    for client in made.values():
        client.close()


def test_who_pays_for_an_event_that_names_nobody_is_said(
    report: Report, people: dict[str, httpx.Client]
) -> None:
    unnamed = [event(project=None), event(id="2", project=None), event(id="3")]
    text = report(*unnamed, dry_run=True).raise_for_status().json()["text"]
    assert "2 new events name no payer: user admin in project default pays." in text
    own = report(event(project=None), client=people["ann"], dry_run=True).raise_for_status().json()["text"]
    assert "1 new event names no payer: user ann in project default pays." in own
    assert "payer" not in report(event(), dry_run=True).json()["text"]


def test_use_is_booked_once_in_base_units_and_shown_by_day(
    server: Server, report: Report, source: str
) -> None:
    first = report(event(), event(id="2", quantity=500, unit="MB")).raise_for_status().json()
    assert first["text"].startswith(f"Source {source} reported 2 new events and 0 known events.")
    assert "No rate for network.inter: this use is unpriced." in first["text"]
    assert "0 new events and 2 known events" in report(event(), event(id="2", quantity="0.5")).json()["text"]
    (day,) = days(server, source=source)
    assert (day["quantity"], day["unit"], day["base_units"]) == ("2", "GB", "2000000000")
    assert (day["project"], day["user"]) == ("p", "")


def test_a_dry_run_books_nothing(server: Server, report: Report, source: str) -> None:
    assert report(event(), dry_run=True).json()["dry_run"] is True
    assert days(server, source=source) == []


def test_a_counter_is_spread_over_the_days_between_its_reports(
    server: Server, report: Report, source: str
) -> None:
    begin = (NOW - timedelta(days=9)).replace(hour=0, minute=0, second=0, microsecond=0)
    for number, (hours, total) in enumerate(((0, 0), (48, 96), (36, 72))):
        time = (begin + timedelta(hours=hours)).isoformat()
        report(
            event(id=str(number), time=time, counter="c", total=total, quantity=None, unit="bytes")
        ).raise_for_status()
    assert [day["base_units"] for day in days(server, source=source)] == ["48", "48"]


@pytest.mark.parametrize(
    ("wrong", "status", "field", "said"),
    [
        ({"quantity": "-1"}, 422, "quantity", "negative"),
        ({"quantity": "0.0000000001"}, 422, "quantity", "not a whole number"),
        ({"quantity": "NaN"}, 422, "quantity", "is not an amount"),
        ({"quantity": "1e999999"}, 422, "quantity", "is not an amount"),
        ({"quantity": None}, 422, "quantity", "needs either"),
        ({"counter": "c"}, 422, "quantity", "needs either"),
        ({"counter": "c", "total": 1}, 422, "quantity", "needs either"),
        ({"total": 1, "quantity": None}, 422, "quantity", "needs either"),
        ({"resource": "network.outer"}, 422, "resource", "no resource"),
        ({"resource": "tokens.input.gold"}, 422, "resource", "no resource"),
        ({"unit": "GiB"}, 422, "unit", "not a unit of network.inter"),
        ({"time": "2026-11-28T09:30:00"}, 422, "time", "not a time"),
        ({"time": "yesterday"}, 422, "time", "not a time"),
        ({"time": (NOW + timedelta(minutes=20)).isoformat()}, 422, "time", "in the future"),
        ({"time": "2020-01-01T00:00:00Z"}, 422, "time", "400 days"),
        ({"id": "1", "quantity": "2"}, 409, "id", "with the quantity 1.5 GB, not 2 GB"),
        ({"id": "1", "project": "q"}, 409, "id", "with the project p, not q"),
        ({"claim": "taken"}, 409, "claim", "was reported before, as event '0'"),
        ({"product": "a\nb"}, 422, "product", "not printable"),
    ],
)  # fmt: skip
def test_what_cannot_be_booked_is_refused_with_its_place_and_all_of_the_report_with_it(
    server: Server, report: Report, source: str, wrong: dict[str, Any], status: int, field: str, said: str
) -> None:
    report(event(), event(id="0", claim=f"{source}-taken")).raise_for_status()
    if wrong.get("claim"):
        wrong = {"claim": f"{source}-taken"}
    answer = report(event(id="2"), event(**{"id": "3", **wrong}))
    assert (answer.status_code, answer.json()["field"]) == (status, f"events[1].{field}"), answer.text
    assert said in answer.json()["detail"]
    assert [day["base_units"] for day in days(server, source=source)] == ["3000000000"]


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a\n", "a" * 65])
def test_what_is_no_name_of_a_source_is_refused_with_what_it_may_be(server: Server, name: str) -> None:
    answer = server.http.post("/usage", json={"source": name, "events": [event()]})
    assert (answer.status_code, answer.json()["field"]) == (422, "source")
    assert f"{name[:60]!r} is not the name of a source." == answer.json()["detail"]
    assert "letters, digits" in answer.json()["hint"]


def test_users_report_for_themselves_and_operators_for_others(
    server: Server, people: dict[str, httpx.Client], report: Report, source: str
) -> None:
    assert report(event(project=None), client=people["vera"]).status_code == 403
    other = report(event(user="bob"), client=people["ann"])
    assert (other.status_code, other.json()["field"]) == (403, "events[0].user")
    assert other.json()["detail"] == "Only operators report use of others, and the user is 'bob'."
    assert report(event(division="research"), client=people["ann"]).status_code == 403
    report(event(project=None), client=people["ann"]).raise_for_status()
    report(event(project=None), client=people["bob"]).raise_for_status()
    report(event(user="ann", project="q"), client=people["opal"]).raise_for_status()
    seen = {
        name: {(day["source"], day["user"], day["project"]) for day in days(server, people[name])}
        for name in people
    }
    assert seen["ann"] == {(f"ann/{source}", "ann", "default"), (source, "ann", "q")}
    assert seen["bob"] == {(f"bob/{source}", "bob", "default")}
    assert seen["ann"] | seen["bob"] <= seen["opal"]
    assert seen["vera"] == set()


def test_a_project_that_names_its_members_is_theirs(
    server: Server, people: dict[str, httpx.Client], report: Report
) -> None:
    shared = {"pools": [], "sharing": {"projects": {"alpha": {"users": {"ann": "user"}}}}}
    server.http.post("/apply", json=shared).raise_for_status()
    try:
        report(event(project="alpha"), client=people["ann"]).raise_for_status()
        assert report(event(project="alpha"), client=people["bob"]).status_code == 403
        unknown = report(event(id="9", project="beta"))
        assert (unknown.status_code, unknown.json()["field"]) == (422, "events[0].project")
    finally:
        server.http.post("/apply", json={"pools": [], "sharing": {"projects": {}}}).raise_for_status()


def tokens(server: Server, source: str, **body: Any) -> httpx.Response:
    return server.http.post("/usage/tokens", json={"source": source, "project": "p", **body})


def by_resource(server: Server, source: str) -> dict[str, int]:
    return {day["resource"]: int(day["base_units"]) for day in days(server, source=source)}


REQUEST = {"id": "r1", "time": TIME, "model": "gpt-5", "tokens": {"input": 100, "cache_read": 900, "output": 50, "reasoning": 0}}  # fmt: skip
SPAN = {
    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
    "endTimeUnixNano": str(int(NOW.timestamp() - 60) * 10**9),
    "attributes": [
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-5"}},
        {"key": "gen_ai.response.id", "value": {"stringValue": "chatcmpl-1"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "50"}},
        {"key": "gen_ai.usage.cache_read.input_tokens", "value": {"intValue": "900"}},
    ],
}  # fmt: skip
ROW = {
    "request_id": "chatcmpl-1", "model": "gpt-5", "endTime": TIME, "prompt_tokens": 1000, "completion_tokens": 50, "cache_hit": "False",
    "metadata": {"additional_usage_values": {"prompt_tokens_details": {"cached_tokens": 900}}},
}  # fmt: skip


@pytest.mark.parametrize("body", [{"requests": [REQUEST]}, {"spans": [SPAN]}, {"rows": [ROW]}])
def test_three_forms_of_one_request_give_the_same_tokens(
    server: Server, source: str, body: dict[str, Any]
) -> None:
    """Claims are of the installation: each form has an answer of its own here."""
    text = tokens(server, source, **_unclaimed(body, source)).raise_for_status().json()["text"]
    assert "unpriced" in text
    assert by_resource(server, source) == {"tokens.input": 100, "tokens.cache_read": 900, "tokens.output": 50}


def _unclaimed(body: dict[str, Any], source: str) -> dict[str, Any]:
    import json

    plain: dict[str, Any] = json.loads(json.dumps(body).replace("chatcmpl-1", f"chatcmpl-{source}"))
    return plain


def test_a_gateway_and_a_tracer_that_report_one_answer_are_told(server: Server, source: str) -> None:
    tokens(server, source, **_unclaimed({"rows": [ROW]}, source)).raise_for_status()
    twice = tokens(server, f"{source}-spans", **_unclaimed({"spans": [SPAN]}, source))
    assert (twice.status_code, twice.json()["field"]) == (409, "spans[0].claim")
    assert f"as event 'chatcmpl-{source}' of source {source}" in twice.json()["detail"]


def test_a_large_prompt_and_a_tier_are_resources_of_their_own(server: Server, source: str) -> None:
    large = {**REQUEST, "prompt_tokens": 250_000, "tier": "batch"}
    tokens(server, source, requests=[large]).raise_for_status()
    assert set(by_resource(server, source)) == {
        f"tokens.{kind}.batches.above_200k" for kind in ("input", "cache_read", "output")
    }


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"requests": [{**REQUEST, "tier": "gold"}]}, "requests[0].tier", "not a tier of service"),
        ({"requests": [{**REQUEST, "tokens": {"input": -1}}]}, "requests[0].tokens", "There are -1 tokens"),
        ({"requests": [{**REQUEST, "tokens": {"In put": 1}}]}, "requests[0].tokens", "not a kind of tokens"),
        ({"requests": [{**REQUEST, "tokens": {}}]}, "requests[0].tokens", "no tokens"),
        ({"spans": [{"spanId": "1", "attributes": {}}]}, "spans[0].attributes", "names no model"),
        ({"rows": [{**ROW, "request_id": ""}]}, "rows[0].request_id", "no request_id"),
        ({"rows": [{**ROW, "prompt_tokens": 5}]}, "rows[0].tokens", "parts of the 5 tokens"),
        ({"rows": [{**ROW, "prompt_tokens": "many"}]}, "rows[0].prompt_tokens", "'many'"),
        ({}, "requests", "empty"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_read_is_refused_with_its_place(
    server: Server, source: str, body: dict[str, Any], field: str, said: str
) -> None:
    answer = tokens(server, source, **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert said in answer.json()["detail"]
    assert days(server, source=source) == []


def test_a_model_with_a_rate_is_not_told_as_unpriced(server: Server, source: str) -> None:
    price = {"card": "internal", "product": source, "from": "2026-01-01", "price": "1"}
    rates = [{**price, "resource": f"tokens.{kind}"} for kind in ("input", "output")]
    server.http.post("/rates", json={"rates": rates}).raise_for_status()
    request = {**REQUEST, "model": source, "tokens": {"input": 5, "output": 5, "reasoning": 5}}
    assert "unpriced" not in tokens(server, source, requests=[request]).raise_for_status().json()["text"]


def test_pages_of_days_hold_everything_once(server: Server, report: Report, source: str) -> None:
    report(*(event(id=str(number), user=f"u{number}") for number in range(23))).raise_for_status()
    assert [day["user"] for day in days(server, source=source, limit=5)] == sorted(
        f"u{number}" for number in range(23)
    )


def test_reports_that_come_at_once_are_booked_one_after_the_other(
    server: Server, report: Report, source: str
) -> None:
    """Each of ten senders reports the same use, and the same counter at times of its own."""

    def send(number: int) -> httpx.Response:
        at = (NOW - timedelta(hours=number + 1)).isoformat()
        grown = event(id=f"c{number}", time=at, counter="c", total=100 - number, quantity=None, unit="bytes")
        return report(event(unit="bytes", quantity=7), grown)

    with ThreadPoolExecutor(10) as pool:
        answers = [answer.raise_for_status().json()["text"] for answer in pool.map(send, range(10))]
    assert sum("2 new events and 0 known events" in text for text in answers) == 1
    assert sum("1 new event and 1 known event" in text for text in answers) == 9
    assert sum(int(day["base_units"]) for day in days(server, source=source)) == 7 + 100


def test_a_report_is_bounded(server: Server, report: Report, source: str) -> None:
    kinds = {f"kind_{number}": 1 for number in range(30)}
    many = tokens(
        server, source, requests=[{**REQUEST, "id": str(number), "tokens": kinds} for number in range(700)]
    )
    assert (many.status_code, many.json()["field"]) == (413, "requests[666]")
    grown = [event(id=str(number), counter=f"c{number}", total=1, quantity=None) for number in range(1_001)]
    assert "more than 1,000 counters" in report(*grown).json()["detail"]
    assert (
        "at most 5,000 items" in report(*(event(id=str(number)) for number in range(5_001))).json()["detail"]
    )
    parts = {name: [{}] * 2_000 for name in ("spans", "rows")}
    both = tokens(server, source, **parts, requests=[REQUEST] * 2_000)
    assert (both.status_code, both.json()["detail"]) == (
        413,
        "The report has 6,000 events; the maximum is 5,000.",
    )
    assert days(server, source=source) == []


def test_more_use_than_28_digits_is_shown_exactly(server: Server, report: Report, source: str) -> None:
    report(event(resource="tokens.input", product="m", quantity="1" + "0" * 29)).raise_for_status()
    (day,) = days(server, source=source)
    assert (day["quantity"], day["base_units"]) == ("1" + "0" * 29, "1" + "0" * 29)


def test_a_page_that_is_beyond_all_days_is_refused(server: Server) -> None:
    answer = server.http.get("/usage", params={"after": "\n".join(["9" * 20, *"abcdefg"])})
    assert (answer.status_code, answer.json()["field"]) == (422, "after")


def test_a_row_with_deep_metadata_is_refused(server: Server, source: str) -> None:
    row = {**ROW, "metadata": "[" * 100_000}
    answer = tokens(server, source, rows=[row])
    assert (answer.status_code, answer.json()["field"]) == (422, "rows[0].metadata")


def test_days_in_the_wrong_order_are_refused_and_a_dimension_counts_once(server: Server) -> None:
    answer = server.http.get("/usage", params={"from": "2026-12-01", "to": "2026-11-02"})
    assert (answer.status_code, answer.json()["field"]) == (422, "from")
    assert answer.json()["detail"] == "The first day, 2026-12-01, is after the last one, 2026-11-01."
    assert server.http.get("/costs", params={"by": "day,day,user"}).json()["by"] == ["day", "user"]
