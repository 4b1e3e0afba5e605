"""The summary of the demo: what was counted and whether it agrees, waits, workers and their reasons, costs.

Called by `command.py` with what was read back from the server; asks nothing and decides nothing but what differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from herder.cli.output.humanize import style_of, usd
from herder.demo.recount import Recount
from herder.demo.source import Source
from herder.demo.work import Outcome
from herder.model.values.money import format_usd, parse_usd
from herder.model.values.phrases import counted
from herder.wire.api.resources import Explanation, WorkerView
from herder.wire.api.work import JobView

PLACES = 5
"""Decimal places of dollars: a demo costs a cent or two."""
WIDTH_MAX = 120
FACTS_MAX = 4
"""Of an explanation; the command that is named shows them all."""
_COLUMNS = ("files", "lines", "tokens", "nodes", "unparsed", "bytes", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`problems`: everything that keeps the demo from having succeeded, in words."""

    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.problems


def judge(outcome: Outcome, recounts: Mapping[str, Recount]) -> Verdict:
    """Every job must have succeeded, and every figure of every merge must be that of the recount."""
    problems = []
    for user, batch in outcome.batches.items():
        bad = [job for job in outcome.jobs[user] if job.state != "succeeded"]
        if batch.state != "succeeded" or bad:
            problems.append(
                f"batch {batch.id} of {user} {batch.state}: {counted(len(bad), 'job')} did not succeed"
            )
        problems += [_bad_job(job) for job in bad if job.state == "failed"]
        merged = outcome.merged[user]
        if merged is None:
            problems.append(f"the merge of {user} has no result")
            continue
        again = recounts[user].totals()
        problems += [
            f"{user}: the merge has {_cell(merged.get(name))} {name}, the recount has {_cell(again[name])}"
            for name in again
            if merged.get(name) != again[name]
        ]
    return Verdict(problems=tuple(problems))


def _bad_job(job: JobView) -> str:
    return f"job {job.id} ({job.key}) {job.state}: {job.cause} {job.message}".rstrip(" :")


def tell(
    console: Console,
    source: Source,
    outcome: Outcome,
    recounts: Mapping[str, Recount],
    verdict: Verdict,
    took_s: float,
) -> None:
    jobs = sum(len(rows) for rows in outcome.jobs.values())
    _heading(console, "Result", source.title)
    console.print(
        f"  {source.root}: {source.files:,} files, {_size(source.size_bytes)}, {len(source.groups)} groups\n"
        f"  {source.left_out}",
        highlight=False, markup=False, soft_wrap=True, style="dim",
    )  # fmt: skip
    _print(console, _results(outcome, recounts))
    _heading(console, "Jobs", "wait and run time: median, longest")
    _print(console, _jobs(outcome))
    _heading(console, "Workers")
    for alike in _alike(outcome.workers):
        _print(console, _workers(alike))
    _heading(console, "Cost")
    _print(console, _costs(outcome))
    _heading(console, "Explanations", "a worker that was removed; a job while it waited")
    _explained(console, outcome.why_worker, "herder why worker")
    _explained(console, outcome.why_waited, "herder job explain")
    console.print()
    if verdict.good:
        words = f"All {jobs} jobs succeeded, and the recount in this process is equal. The demo took {took_s:.0f} s."
        console.print(Text("✓ " + words, style="bold green"))
    for problem in verdict.problems:
        console.print(Text("✗ " + problem, style="bold red"), soft_wrap=True)


def _heading(console: Console, text: str, more: str = "") -> None:
    console.print()
    console.print(Text.assemble((text, "bold"), (f"   {more}" if more else "", "dim")))


def _print(console: Console, content: Table | Text) -> None:
    console.print(Padding(content, (0, 0, 0, 2), expand=False), width=min(console.width, WIDTH_MAX))


def _table(*columns: str, left: Sequence[str] = ()) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    return table


def _results(outcome: Outcome, recounts: Mapping[str, Recount]) -> Table:
    headers = ["FILES", "LINES", "TOKENS", "NODES", "FAULTY", "SHA-256", ""]
    table = _table("USER", "BY", *headers, left=("USER", "BY", "SHA-256", ""))
    shown = [name for name in _COLUMNS if name != "bytes"]
    for user, again in recounts.items():
        merged, own = outcome.merged[user], again.totals()
        if merged is None:
            table.add_row(user, "merge", *("-" for _ in shown), Text("no result", style="bold red"))
        else:
            table.add_row(user, "merge", *(_cell(merged.get(name)) for name in shown), "")
        same = merged == own
        mark = Text("same", style="green") if same else Text("differs", style="bold red")
        table.add_row("", "recount", *(_cell(own[name]) for name in shown), mark)
    return table


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB" if size_bytes >= 2**20 else f"{-(-size_bytes // 1024)} KiB"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)[:8]


def _jobs(outcome: Outcome) -> Table:
    headers = ("JOBS", "SUCCEEDED", "ATTEMPTS", "WAITED", "LONGEST", "RUN", "LONGEST ")
    table = _table("USER", *headers, left=("USER",))
    for user, jobs in outcome.jobs.items():
        waits = [_seconds(job.ready_at, job.started_at) for job in jobs if job.ready_at and job.started_at]
        runs = [_seconds(job.started_at, job.ended_at) for job in jobs if job.started_at and job.ended_at]
        good = sum(job.state == "succeeded" for job in jobs)
        attempts = sum(job.attempts for job in jobs)
        table.add_row(user, str(len(jobs)), str(good), str(attempts), *_spread(waits), *_spread(runs))
    return table


def _spread(seconds: Sequence[float]) -> tuple[str, str]:
    return (f"{median(seconds):.1f} s", f"{max(seconds):.1f} s") if seconds else ("-", "-")


def _seconds(start: str | None, end: str | None) -> float:
    if start is None or end is None:
        return 0.0
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _alike(workers: Sequence[WorkerView]) -> Iterator[list[WorkerView]]:
    """In the order in which they were made; together where they were made and removed for the same reasons."""
    ordered = sorted(workers, key=lambda each: (each.requested_at, len(each.name), each.name))
    together: dict[tuple[str, str, str], list[WorkerView]] = {}
    for worker in ordered:
        together.setdefault((worker.pool, worker.why_made, _why_removed(worker)), []).append(worker)
    yield from together.values()


def _why_removed(worker: WorkerView) -> str:
    if worker.why_removed:
        return worker.why_removed.removeprefix(f"{worker.name} ")
    return worker.state if worker.ended_at else ""


def _workers(alike: Sequence[WorkerView]) -> Table:
    """A line for each, then why they were made and why they went."""
    whole = Table.grid()
    for worker in alike:
        ended = worker.ended_at is not None
        lived = f"ran {_seconds(worker.requested_at, worker.ended_at):.0f} s" if ended else worker.state
        whole.add_row(
            Text.assemble(
                (f"{worker.name:<16}", "bold"),
                (f"{lived:<12}", "" if ended else style_of(worker.state)),
                f"{counted(worker.attempts_done, 'job'):<9}",
                usd(worker.cost_usd, PLACES),
            )
        )
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("created", alike[0].why_made)
    removed = _why_removed(alike[0])
    grid.add_row("removed" if removed else "kept", removed or "still running at the end of the demo")
    whole.add_row(Padding(grid, (0, 0, 0, 2)))
    return whole


def _costs(outcome: Outcome) -> Table:
    """Pools pay for the whole life of their workers, users for what their attempts had of it; the rest was idle."""
    status = outcome.status
    pools = {pool.name: parse_usd(pool.cost_usd) for pool in status.pools}
    users = {user: parse_usd(cost) for user, cost in status.spend_by_user.items()}
    total = parse_usd(status.spend_usd)
    users["idle and boot"] = parse_usd(0)
    shares = {**users, "idle and boot": total - sum(users.values())}
    table = _table("POOL", "COST", "   USER", "COST ", left=("POOL", "   USER"))
    left = [*((name, format_usd(cost, PLACES)) for name, cost in pools.items())]
    right = [*((name, format_usd(cost, PLACES)) for name, cost in shares.items())]
    for row in range(max(len(left), len(right))):
        pool = left[row] if row < len(left) else ("", "")
        user = right[row] if row < len(right) else ("", "")
        table.add_row(*pool, f"   {user[0]}", user[1])
    table.add_row("total", format_usd(total, PLACES), "   total", format_usd(total, PLACES), style="bold")
    return table


def _explained(console: Console, found: Explanation | None, command: str) -> None:
    if found is None:
        return
    name = found.subject.partition("/")[2]
    console.print(Text(f"  $ {command} {name}", style="cyan"))
    facts = [fact.text for fact in found.facts if not _told(found.summary, fact.text)]
    lines = [found.summary, *(f"- {fact}" for fact in facts[:FACTS_MAX])]
    _print(console, Text("\n".join(lines)))


def _told(summary: str, fact: str) -> bool:
    """Whether the summary says it already; events begin with their time, plans with their number."""
    after_time, after_plan = fact.partition(" ")[2], fact.partition(" created it: ")[2]
    return fact in summary or after_time in summary or bool(after_plan and after_plan in summary)
