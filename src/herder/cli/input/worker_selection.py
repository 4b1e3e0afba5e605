"""Which workers a command is about (names, or all of a pool), and the one order to each of them. Used by `worker drain` and `worker remove`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from herder.cli.input.selection import Failures, refuse_unknown
from herder.cli.output.waits import wait_for_drains
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import UNCHANGED, by_option, usage
from herder.cli.shell.session import Session, detaching, suggesting
from herder.cli.views.fleet.safety import show_safety
from herder.model.values.phrases import counted, listed

if TYPE_CHECKING:
    from herder.wire.api.resources import Result, WorkerAction, WorkerView

#: Effects that a question for confirmation names.
SHOWN_MAX = 10
#: Workers of a pool in one call: each needs a call of its own.
SELECTED_MAX = 1_000


def selected_workers(
    say: Session, names: Sequence[str] | None, pool: str | None, meant: "Callable[[WorkerView], bool]"
) -> list[str]:
    """The names, each once and as they were given, or those workers of the pool that are `meant`. Raises CommandError."""
    if names and pool is not None:
        raise usage("Name either workers or a pool, not both.", hint="Name only one of them.")
    if names:
        return list(dict.fromkeys(names))
    if pool is None:
        raise usage("No workers are named.", hint="Give names, or a pool as in --pool burst.")
    known = list(say.client.workers.list(pool=pool, limit=SELECTED_MAX + 1))
    if len(known) > SELECTED_MAX:
        raise usage(f"Pool {pool} has more than {counted(SELECTED_MAX, 'worker')}.", hint="Name the workers.")
    found = [each for each in known if meant(each)]
    if not found:
        refuse_unknown(say, pool=pool)
        raise CommandError(
            f"Pool {pool} has no workers for this command.",
            hint=f"`herder worker list --pool {pool}` shows its workers.",
            code=Code.NOT_FOUND,
        )
    return [worker.name for worker in found]


def order(
    say: Session,
    verb: str,
    workers: Sequence[str],
    action: "WorkerAction",
    *,
    dry_run: bool,
    yes: bool,
    wait: bool,
) -> None:
    """Asks, does it to each, and with `wait` waits until it has taken effect. Raises Exit when some of it failed."""

    def act(worker: str, *, dry_run: bool) -> "Result":
        with suggesting(say, "worker", worker), by_option(timeout_s="--timeout", message="--message"):
            return say.client.workers.act(worker, verb, action, dry_run=dry_run)

    if not (dry_run or yes):
        would = [act(worker, dry_run=True) for worker in workers[:SHOWN_MAX]]
        left = len(workers) - SHOWN_MAX
        more = f"\nThe same for {counted(left, 'more worker')}." if left > 0 else ""
        say.confirm("\n".join(each.text for each in would) + more, yes=False)
    failures = Failures(say, len(workers))
    done: list[tuple[str, Result]] = []
    for worker in workers:
        with failures.each():
            done.append((worker, act(worker, dry_run=dry_run)))
    if wait and not dry_run:
        done = _wait(say, verb, done, action.timeout_s)
    say.all_done(done, note=UNCHANGED if dry_run else "")
    for _, told in done:
        show_safety(say, told.checks)
    failures.exit()


def _wait(
    say: Session, verb: str, done: "Sequence[tuple[str, Result]]", timeout_s: float | None
) -> "list[tuple[str, Result]]":
    from herder.wire.api.resources import Result

    told = {name: each.text for name, each in done}
    what = f"the {'drain' if verb == 'drain' else 'removal'} of {listed(list(told))}"
    with detaching(what, f"herder worker {verb} {' '.join(told)} --wait --yes"):
        views = wait_for_drains(say, told, removal=verb == "remove", timeout_s=timeout_s)
    return [(view.name, Result(object=f"worker/{view.name}", text=_outcome(view))) for view in views]


def _outcome(view: "WorkerView") -> str:
    return f"Worker {view.name} was removed." if view.ended_at is not None else view.drain_text
