"""Use that is reported from outside: `client.usage`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from herder.client.http.transport import Query, Transport
from herder.client.parts.pages import pages
from herder.wire.api.resources import Result
from herder.wire.api.usage import MeteredDayView, TokensReport, UsageCorrection, UsageEvent


class Usage:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(
        self,
        *,
        from_day: str = "",
        to_day: str = "",
        source: str = "",
        user: str = "",
        project: str = "",
        limit: int | None = None,
    ) -> Iterator[MeteredDayView]:
        """By day (UTC) and payer, before `to_day`."""
        query: Query = {"from": from_day, "to": to_day, "source": source, "user": user, "project": project}
        return pages(self._http, "/usage", MeteredDayView, query, limit=limit)

    def report(
        self,
        source: str,
        events: Sequence[UsageEvent | Mapping[str, Any]],
        *,
        dry_run: bool = False,
        leased: bool = False,
    ) -> Result:
        """All of them, or none; what was reported before is not booked again. The server checks the fields of plain ones. `leased`: leases on budgets have paid for it."""
        body = {"source": source, "events": [*events], "leased": leased}
        return self._http.write("POST", "/usage", Result, body, {"dry_run": dry_run})

    def correct(self, correction: UsageCorrection, *, dry_run: bool = False) -> Result:
        """What an event should have been; the difference is booked."""
        return self._http.write("POST", "/usage/corrections", Result, correction, {"dry_run": dry_run})

    def report_tokens(self, report: TokensReport, *, dry_run: bool = False) -> Result:
        """Requests to models, also as spans or rows of a spend log."""
        return self._http.write("POST", "/usage/tokens", Result, report, {"dry_run": dry_run})
