"""Routes for use that is reported from outside."""

from fastapi import Request

from herder.api.http.bodies import APPLY_BYTES_MAX
from herder.api.http.replies import page_size
from herder.api.http.route_table import DRY_RUN, RouteTable, Write
from herder.control.reads.usage import UsageFilter
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.resources import Page, Result
from herder.wire.api.usage import TokensReport, UsageCorrection, UsageReport

_SEE, _CREATE = (Action.SEE, Kind.USAGE), (Action.CREATE, Kind.USAGE)


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_usage(request: Request, who: Principal) -> Page:
        """Reported use by day (UTC) and payer, from day `from` to before day `to`. `source`, `user`, `project`: only of these."""
        asked = request.query_params
        filters = UsageFilter(
            from_day=asked.get("from", ""), to_day=asked.get("to", ""), source=asked.get("source", ""),
            user=asked.get("user", ""), project=asked.get("project", ""),
        )  # fmt: skip
        return await reads.usage(who, filters, asked.get("after"), page_size(request))

    def report(write: Write) -> Result:
        """Report use: all events of the request, or none. An event that was reported before is not booked again."""
        return commands.report_usage(
            write.who, write.found, write.changes, write.now_ms, dry_run=write.dry_run
        )

    def report_tokens(write: Write) -> Result:
        """Report requests to models, also as OpenTelemetry spans or rows of LiteLLM's spend log."""
        return report(write)

    def correct(write: Write) -> Result:
        """Correct the quantity of an event that was reported. The difference is booked, and charged to its budgets."""
        return commands.correct_usage(
            write.who, write.found, write.body.reason, write.changes, write.now_ms, dry_run=write.dry_run
        )

    front.write(
        "POST", "/usage/corrections", correct, UsageCorrection, Result, _CREATE, query=DRY_RUN, held=commands.usage_correction
    )  # fmt: skip
    front.read("/usage", list_usage, Page, _SEE, query=("from", "to", "source", "user", "project"))
    for path, run, body in (
        ("/usage", report, UsageReport),
        ("/usage/tokens", report_tokens, TokensReport),
    ):
        front.write(
            "POST", path, run, body, Result, _CREATE, query=DRY_RUN, held=commands.usage_outcome, bytes_max=APPLY_BYTES_MAX
        )  # fmt: skip
