"""`herder status`: pools, queued jobs, recent failures, spending."""

from collections.abc import Iterator

import msgspec

from herder.cli.output.humanize import age, usd
from herder.cli.output.printer import Printer
from herder.cli.views.tables import POOLS
from herder.model.values.phrases import counted
from herder.wire.api.resources import Status

#: A server that was heard of within so many seconds is well.
HEARD_S = 5.0
_OPEN_STATES = ("ready", "running", "blocked", "held", "pending")


def show_status(printer: Printer, status: Status) -> None:
    for line in _head(status, printer.now_s):
        printer.prose(line)
    printer.line("")
    if status.pools:
        printer.table(POOLS, status.pools)
    else:
        printer.prose(POOLS.empty)
    printer.line("")
    for line in (
        *_attention(status),
        *_demands(status),
        "",
        *_servers(status),
        *_drivers(status),
        *_clusters(status),
        *_failures(status),
        "",
        *_spending(status),
    ):
        printer.prose(line)


def same_as(status: Status) -> Status:
    """Without what changes with the clock alone: two statuses of which only that differs say the same."""
    pools = [msgspec.structs.replace(pool, cost_usd="") for pool in status.pools]
    return msgspec.structs.replace(status, now="", servers=[], spend_usd="", spend_by_user={}, pools=pools)


def _head(status: Status, now_s: float) -> Iterator[str]:
    live = sum(count for state, count in status.workers.items() if state not in ("terminated", "failed"))
    running = status.jobs.get("running", 0)
    yield f"Herder {status.version}, up {age(status.started_at, now_s)}: {counted(live, 'worker')}, {counted(running, 'running job')}"


def _servers(status: Status) -> Iterator[str]:
    """Nothing where there is one server only."""
    if not status.servers:
        return
    yield "Servers"
    for server in status.servers:
        heard = "" if server.seen_s < HEARD_S else f", last heard of {server.seen_s:,.0f} s ago"
        term = f" (epoch {status.epoch:,})" if server.role == "leader" and status.epoch else ""
        yield f"  {server.url}: {server.role}{term}, version {server.version}{heard}"
    yield ""


def _demands(status: Status) -> Iterator[str]:
    yield "Jobs"
    open_jobs = [(state, status.jobs.get(state, 0)) for state in _OPEN_STATES]
    waiting = [f"{count:,} {state}" for state, count in open_jobs if count]
    yield "  " + (", ".join(waiting) or "no open jobs")
    ended = [
        f"{count:,} {state}" for state, count in status.jobs.items() if state not in _OPEN_STATES and count
    ]
    if ended:
        yield "  " + ", ".join(ended) + " so far"
    yield from (f"  {sentence}" for sentence in status.waiting)


def _attention(status: Status) -> Iterator[str]:
    """Empty when no person has to act."""
    if status.attention:
        yield "Needs attention"
        yield from (f"  {sentence}" for sentence in status.attention)
        yield ""


def _drivers(status: Status) -> Iterator[str]:
    """Nothing when all can be used."""
    if status.drivers:
        yield "Drivers"
        yield from (f"  {trouble}" for trouble in status.drivers)
        yield ""


def _clusters(status: Status) -> Iterator[str]:
    """Nothing where there is none."""
    if status.clusters:
        yield "Clusters"
        yield from (f"  {text}" for text in status.clusters)
        yield ""


def _failures(status: Status) -> Iterator[str]:
    yield "Recent failures"
    if not status.recent_failures:
        yield "  none"
    yield from (f"  {failure}" for failure in status.recent_failures)


def _spending(status: Status) -> Iterator[str]:
    yield "Cost"
    yield f"  {usd(status.spend_usd)} so far, {usd(status.price_per_hour_usd)}/h now"
    for user, amount in status.spend_by_user.items():
        yield f"  {user}: {usd(amount)}"
