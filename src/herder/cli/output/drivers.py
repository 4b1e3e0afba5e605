"""How drivers are shown: a row for each, and one with its calls under way."""

from typing import Any

from herder.cli.output.printer import Details
from herder.cli.output.view import Column, View
from herder.cli.output.words import age


def _column(header: str, make: Any, *, wide: bool = False, **more: bool) -> Column:
    def show(item: Any, now_s: float) -> str:
        value = make(item)
        return "-" if value is None or value == "" else str(value)

    return Column(header=header, show=show, raw=make, wide=wide, **more)


def _doing(driver: Any) -> str:
    """The longest calls first, at most three."""
    calls = sorted(driver.calls, key=lambda call: -call.seconds)
    shown = [
        f"{call.verb} {call.worker}".strip()
        + f" {call.seconds:.0f}s{' (abandoned)' if call.abandoned else ''}"
        for call in calls[:3]
    ]
    more = len(calls) - len(shown)
    return ", ".join(shown) + (f", {more} more" if more else "")


DRIVERS = View(
    noun="driver",
    name=lambda driver: str(driver.name),
    columns=(
        _column("NAME", lambda driver: driver.name),
        _column("KIND", lambda driver: driver.kind),
        _column("STATUS", lambda driver: driver.state, state=True),
        _column("WORKERS", lambda driver: driver.workers, right=True),
        _column("CALLS", lambda driver: f"{len(driver.calls)}/{driver.places}", right=True),
        _column("WAITING", lambda driver: driver.waiting, right=True),
        _column("ABANDONED", lambda driver: driver.abandoned, right=True),
        _column("DOING", _doing, long=True),
        _column("LAST ERROR", lambda driver: driver.last_error, wide=True, long=True),
        _column("CAN ALSO", lambda driver: ",".join(driver.capabilities), wide=True),
    ),
    empty="No drivers.",
)

CALLS = View(
    noun="call",
    name=lambda call: str(call.verb),
    columns=(
        _column("VERB", lambda call: call.verb),
        _column("WORKER", lambda call: call.worker),
        _column("SECONDS", lambda call: f"{call.seconds:.1f}", right=True),
        _column("ABANDONED", lambda call: "yes" if call.abandoned else "no"),
    ),
    empty="",
)


def details(driver: Any, now_s: float) -> Details:
    rows = [
        ("Name", driver.name),
        ("Kind", driver.kind or "-"),
        ("Status", driver.state),
        ("Reason", driver.reason or "-"),
        ("Frozen", f"{age(driver.since, now_s)} ago" if driver.since else "-"),
        ("Workers", str(driver.workers)),
        ("Calls", f"{len(driver.calls)} of at most {driver.places}, {driver.waiting} wait"),
        ("Abandoned", f"{driver.abandoned} now, {driver.abandoned_total} since the server started"),
        ("Last error", driver.last_error or "-"),
        ("Can also", ", ".join(driver.capabilities) or "-"),
    ]
    return Details(rows=rows, tables=[("Calls under way", CALLS, driver.calls)] if driver.calls else [])
