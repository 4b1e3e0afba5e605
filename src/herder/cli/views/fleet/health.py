"""The health of workers, for people: `worker health`, and what `worker list` and `worker get` say of it. Made of columns; it asks no server."""

from typing import Any

from herder.cli.output.columns import field, made, since, words
from herder.cli.output.humanize import age
from herder.cli.output.printer import Details
from herder.cli.output.rows import Column, View
from herder.model.values.times import brief

#: Workers under repair that are named.
NAMED_MAX = 5


def health_column() -> Column:
    """Of a list of workers."""
    return words("HEALTH", "health", str, state=True, drop=1)


def health_text(health: str, reason: str) -> str:
    """Of one worker: the reason says it all, where there is one."""
    return reason or health or "-"


HEALTH = View(
    noun="worker",
    name=lambda view: str(view.worker),
    columns=(
        field("WORKER", "worker"),
        health_column(),
        field("REASON", "reason", wrap=True),
    ),
    empty="No workers.",
)

CONDITIONS = View(
    noun="condition",
    name=lambda view: str(view.condition),
    columns=(
        field("CONDITION", "condition"),
        since("SINCE", "since"),
        since("LAST SEEN", "last_seen", drop=2),
        field("COUNT", "count", right=True, drop=3),
        field("FROM", "source", drop=1),
        field("MESSAGE", "message", wrap=True),
    ),
    empty="No conditions.",
)

NEXT = View(
    noun="rung",
    name=lambda view: str(view.rung),
    columns=(
        field("CONDITION", "condition"),
        field("RUNG", "rung"),
        made("WHEN", lambda view: view.at or f"at count {view.count}", key="when"),
        made("SKIPPED", lambda view: ", ".join(view.skipped) or "-", key="skipped_rungs", wrap=True),
    ),
    empty="Nothing is due.",
)


def details(view: Any, now_s: float) -> Details:
    rows = [
        ("Worker", f"{view.worker} (pool {view.pool})"),
        ("State", view.state),
        ("Health", health_text(view.health, view.reason)),
        *([] if view.system is None else [("System", _system(view.system, now_s))]),
        ("Repair", _repair(view.repair, now_s)),
    ]
    if view.held:
        rows.append(("Held back", view.held))
    if view.quarantined_at is not None:
        kept = (
            f"since {view.quarantined_at} ({age(view.quarantined_at, now_s)}), until {view.quarantined_until}"
        )
        rows.append(("Quarantine", kept))
    rows.append(("Breaker", _breaker(view.breaker)))
    tables = [("Conditions", CONDITIONS, view.conditions)] if view.conditions else []
    if view.next:
        tables.append(("Next", NEXT, view.next))
    return Details(rows=rows, tables=tables)


def _system(system: Any, now_s: float) -> str:
    """What the operating system said last, and why it is not known better now."""
    if system.seen_at is None:
        return system.trouble or f"unknown (bootstrap {system.bootstrap} has not asked it yet)"
    state = "ready" if system.ready else "unknown" if system.ready is None else "not ready"
    version = f", {system.version}" if system.version else ""
    said = f"{state} ({system.stage}{version}, seen {age(system.seen_at, now_s)} ago)"
    return " ".join(filter(None, (f"{said}.", system.text, system.trouble)))


def _repair(repair: Any, now_s: float) -> str:
    if repair is None:
        return "none"
    tries = f"try {repair.tries} of {repair.tries_max}"
    said = f"{repair.rung} because of {repair.condition}, {repair.step} since {age(repair.since, now_s)} ({tries})"
    if repair.escalated:
        said += "; a person is needed"
    return f"{said}. {repair.result}" if repair.result else f"{said}."


def _breaker(breaker: Any) -> str:
    state = "open" if breaker.open else "closed"
    named = [*breaker.under_repair[:NAMED_MAX]]
    if len(breaker.under_repair) > NAMED_MAX:
        named.append(f"{len(breaker.under_repair) - NAMED_MAX:,} more")
    workers = f" ({', '.join(named)})" if named else ""
    window = brief(int(breaker.window_s * 1000))
    return f"{state}: {len(breaker.under_repair)} of at most {breaker.limit} under repair, or begun within {window}{workers}"
