"""Costs: sums of the ledger, its lines, and months."""

from collections.abc import Iterator, Mapping, Sequence

from herder.client.http.transport import Query, Transport
from herder.client.parts.fleet import segment
from herder.client.parts.pages import pages, whole
from herder.wire.api.cost_changes import CostChange
from herder.wire.api.costs import CostSums, LineExplanation, LineView, MonthView
from herder.wire.api.documented_costs import Roi
from herder.wire.api.recommendations import (
    RecommendationList,
    RecommendationResults,
    RecommendationView,
)
from herder.wire.api.resources import Result

_RECOMMENDATIONS = "/costs/recommendations"
EXPORT_IDLE_S = 300.0
"""The server reads a month of lines before it sends the first."""


class Costs:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def sums(
        self,
        by: Sequence[str] = (),
        *,
        first: str | None = None,
        last: str | None = None,
        card: str | None = None,
    ) -> CostSums:
        """Between two days, by default of this month; `card`: a rate card, instead of what it cost."""
        return self._http.get("/costs", CostSums, {**_asked(first, last, card), "by": ",".join(by)})

    def lines(
        self,
        *,
        first: str | None = None,
        last: str | None = None,
        card: str | None = None,
        booked: bool = False,
        limit: int | None = None,
    ) -> Iterator[LineView]:
        """Of use on the days; `booked`: those of the months, with corrections of earlier ones."""
        asked = {**_asked(first, last, card), **_flag(booked)}
        return pages(self._http, "/costs/lines", LineView, asked, limit=limit)

    def explain(self, line: str) -> LineExplanation:
        return self._http.get(f"/costs/lines/{segment(line)}", LineExplanation)

    def report(self, form: str = "json", *, booked: bool = False, **asked: str | None) -> str:
        """`form`: json, csv, html, text or wide. `booked`: by month of booking, as invoices are. `asked`: view, period, first, last, division, method, table."""
        return self._http.get_text("/costs/report", {"format": form, **_given(asked), **_flag(booked)})

    def invoice(self, month: str, form: str = "json", **asked: str | int | None) -> str:
        """`asked`: project or division, card, due_days, issuer, table."""
        return self._http.get_text("/costs/invoice", {"format": form, "month": month, **_given(asked)})

    def export(self, *, booked: bool = False, **asked: str | None) -> Iterator[str]:
        """FOCUS 1.2, in pieces, as they come. `booked`: by month of booking. `asked`: first, last, card, issuer."""
        query = {"format": "focus", **_given(asked), **_flag(booked)}
        with self._http.stream("/costs/export", query, idle_s=EXPORT_IDLE_S) as answer:
            yield from answer.iter_text()

    def months(self) -> Iterator[MonthView]:
        return whole(self._http, "/costs/months", MonthView)

    def close(self, month: str) -> Result:
        return self._http.write("POST", f"/costs/months/{segment(month)}/close", Result)

    def change(self, day: str = "") -> CostChange:
        """Why a day (default: yesterday) cost more or less than the 7 days before."""
        return self._http.get("/costs/change", CostChange, {"day": day or None})

    def roi(self, **asked: str | None) -> Roi:
        """`asked`: period, hours_saved, hourly_rate, error_reduction, faster_delivery."""
        return self._http.get("/costs/roi", Roi, _given(asked))

    def recommendations(self, priority: str | None = None) -> RecommendationList:
        """The largest saving first. `priority`: high, medium, low."""
        return self._http.get(_RECOMMENDATIONS, RecommendationList, {"priority": priority})

    def recommendation(self, name: str) -> RecommendationView:
        return self._http.get(f"{_RECOMMENDATIONS}/{segment(name)}", RecommendationView)

    def approve(self, name: str) -> Result:
        return self._http.write("POST", f"{_RECOMMENDATIONS}/{segment(name)}/approve", Result)

    def implement(self, name: str) -> Result:
        """Note that a recommendation is carried out, or that its pilot begins or is over."""
        return self._http.write("POST", f"{_RECOMMENDATIONS}/{segment(name)}/implement", Result)

    def roll_back(self, name: str) -> Result:
        """Note that the change of a recommendation was undone; a pilot ends with it."""
        return self._http.write("POST", f"{_RECOMMENDATIONS}/{segment(name)}/roll-back", Result)

    def results(self, name: str) -> RecommendationResults:
        """What was projected, and what was saved."""
        return self._http.get(f"{_RECOMMENDATIONS}/{segment(name)}/results", RecommendationResults)


def _given(asked: Mapping[str, str | int | None]) -> Query:
    return {name: value for name, value in asked.items() if value is not None}


def _flag(booked: bool) -> Query:
    return {"booked": "true"} if booked else {}


def _asked(first: str | None, last: str | None, card: str | None) -> Query:
    return {name: value for name, value in (("first", first), ("last", last), ("card", card)) if value}
