"""Costs over HTTP: what work cost is there within moments, sums are exact, each line is explained, and everybody sees their own."""

import time
from decimal import Decimal
from typing import Any

import httpx

from tests.api.conftest import Refusal, Server


def worked(server: Server, client: httpx.Client) -> None:
    """One job of the client's has ended on a played worker."""
    job = client.post("/jobs", json={"runtime": "noop", "cpu": 1}).raise_for_status().json()["first_job"]
    server.played(job)


def lines(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return list(client.get("/costs/lines", params={"limit": 500, **query}).raise_for_status().json()["items"])


def test_bad_questions_are_answered_with_what_is_right(server: Server, refused: Refusal) -> None:
    assert "There is no dimension colour." in refused(422, "GET", "/costs?by=project,colour")["detail"]
    assert refused(422, "GET", "/costs?first=2026-13-01")["field"] == "first"
    assert "after the last one" in refused(422, "GET", "/costs?first=2026-02-01&last=2026-01-01")["detail"]
    assert "More than" in refused(422, "GET", "/costs?first=1990-01-01&last=2026-01-01")["detail"]
    assert "is not a month" in refused(422, "POST", "/costs/months/2026-1/close")["detail"]
    assert "has not ended" in refused(422, "POST", "/costs/months/2999-01/close")["detail"]
    assert refused(404, "GET", "/costs/lines/0000000000000000")["hint"] == "`herder cost lines` lists them."
    assert time.time() > 0
    assert Decimal(server.http.get("/costs").json()["total_usd"]) >= 0
