"""Tables and details of drivers, with their calls in progress."""

from typing import Any

from herder.cli.output.columns import field, made, words
from herder.cli.output.humanize import age
from herder.cli.output.printer import Details
from herder.cli.output.rows import Column, View


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
        field("NAME", "name"),
        field("KIND", "kind", drop=8),
        field("STATUS", "state", state=True),
        field("WORKERS", "workers", right=True),
        Column(
            header="CALLS",
            key="call_count",
            show=lambda driver, now_s: f"{len(driver.calls)}/{driver.places}",
            raw=lambda driver: len(driver.calls),
            right=True,
        ),
        field("WAITING", "waiting", right=True, drop=1),
        Column(
            header="CREATING",
            key="creating",
            show=lambda driver, now_s: f"{driver.creations.under_way}/{driver.creations.most}",
            raw=lambda driver: driver.creations.under_way,
            right=True,
            drop=7,
        ),
        made(
            "CLAIMS WAIT",
            lambda driver: driver.creations.waiting_text or "-",
            key="claims_wait",
            wrap=True,
            drop=4,
        ),
        field("ABANDONED", "abandoned", right=True, drop=3),
        made(
            "CAPABILITIES",
            lambda driver: ",".join(driver.capabilities),
            key="can_also",
            wide=True,
            long=True,
            drop=6,
        ),
        made("IN PROGRESS", _doing, key="doing", wrap=True, drop=2),
        field("LAST ERROR", "last_error", wide=True, wrap=True, drop=5),
    ),
    empty="No drivers.",
)

CALLS = View(
    noun="call",
    name=lambda call: str(call.verb),
    columns=(
        field("VERB", "verb"),
        field("WORKER", "worker"),
        words("SECONDS", "seconds", lambda seconds: f"{seconds:.1f}", right=True),
        words("ABANDONED", "abandoned", lambda abandoned: "yes" if abandoned else "no"),
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
        ("Calls", f"{len(driver.calls)} in progress of at most {driver.places}, {driver.waiting} waiting"),
        (
            "Creations",
            f"{driver.creations.under_way} in progress of at most {driver.creations.most}, {driver.creations.waiting} waiting",
        ),
        *([("Waits", driver.creations.waiting_text)] if driver.creations.waiting_text else []),
        ("Steps", ", ".join(f"{step} {count}" for step, count in driver.creations.steps.items()) or "-"),
        ("Abandoned", f"{driver.abandoned} now, {driver.abandoned_total} since the server started"),
        ("Last error", driver.last_error or "-"),
        ("Capabilities", ", ".join(driver.capabilities) or "-"),
    ]
    return Details(rows=rows, tables=[("Calls in progress", CALLS, driver.calls)] if driver.calls else [])
