"""Routes for reports, invoices and exports of costs: documents in the format that is asked for."""

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from herder.api.http.documents import DOCUMENT_FORM, document_reply
from herder.api.http.replies import flag, number
from herder.api.http.route_table import RouteTable
from herder.control.kernel.bounds.errors import Invalid
from herder.control.reads.costs.report_reads import InvoiceAsk, ReportAsk
from herder.model.permissions import Action, Kind, Principal

_SEE = (Action.SEE, Kind.COST)


def add(front: RouteTable) -> None:
    reads = front.reads

    async def report(request: Request, who: Principal) -> Response:
        """Costs of a period: the whole report, a view (executive, division, resources), or a statement (showback, chargeback, hybrid).
        booked: by month of booking, as invoices are, instead of by day of use. format: json, csv, html, text or wide; table: one of its tables."""
        asked = request.query_params
        ask = ReportAsk(
            view=asked.get("view") or "full", period=asked.get("period") or "", first=asked.get("first"), last=asked.get("last"),
            division=asked.get("division") or "", method=asked.get("method") or "proportional",
            booked=flag(request, "booked"),
        )  # fmt: skip
        return document_reply(request, await reads.cost_report(who, ask))

    async def invoice(request: Request, who: Principal) -> Response:
        """What a project or a division is charged for a month. format: json, csv, html, text or wide; table: one of its tables."""
        asked = request.query_params
        due = number(request, "due_days", 30)
        ask = InvoiceAsk(
            month=asked.get("month") or "", project=asked.get("project") or "", division=asked.get("division") or "",
            card=asked.get("card") or "", due_days=30 if due is None else due, issuer=asked.get("issuer") or "",
        )  # fmt: skip
        return document_reply(request, await reads.invoice(who, ask))

    async def export(request: Request, who: Principal) -> Response:
        """Lines of the ledger between two days, as FOCUS 1.2 (CSV). booked: those that are booked in the months instead."""
        asked = request.query_params
        if asked.get("format", "focus") != "focus":
            raise Invalid(
                f"There is no format {asked['format']!r}.", field="format", hint="Write format=focus."
            )
        pieces = await reads.cost_export(
            who,
            asked.get("first"),
            asked.get("last"),
            asked.get("card"),
            asked.get("issuer") or "",
            booked=flag(request, "booked"),
        )
        return StreamingResponse(
            pieces, media_type="text/csv; charset=utf-8", headers={"Cache-Control": "no-store"}
        )

    front.read(
        "/costs/report", report, "text/plain", _SEE, query=("view", "period", "first", "last", "division", "method", "booked", *DOCUMENT_FORM)
    )  # fmt: skip
    front.read(
        "/costs/invoice", invoice, "text/plain", _SEE, query=("month", "project", "division", "card", "due_days", "issuer", *DOCUMENT_FORM)
    )  # fmt: skip
    front.read(
        "/costs/export",
        export,
        "text/plain",
        _SEE,
        query=("first", "last", "card", "issuer", "booked", "format"),
    )
