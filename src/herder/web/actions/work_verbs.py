"""Verbs of jobs and batches."""

from collections.abc import Callable
from typing import Any

from herder.control.commands import Commands
from herder.model.permissions import Kind, Principal
from herder.web.actions.verbs import Done, Order, Verb
from herder.web.addresses import number_of


async def _find_job(commands: Commands, who: Principal, target: str) -> Any:
    return await commands.find_job(who, number_of(target, "job"))


async def _find_again(commands: Commands, who: Principal, target: str) -> Any:
    return await commands.job_again(who, number_of(target, "job"))


async def _find_batch(commands: Commands, who: Principal, target: str) -> Any:
    await commands.find_batch(who, number_of(target, "batch"))


async def _find_failed(commands: Commands, who: Principal, target: str) -> Any:
    return await commands.find_ended(who, number_of(target, "batch"))


def _cancel_job(commands: Commands, order: Order) -> Done:
    result = commands.cancel_job(
        order.who, order.found, order.changes, order.now_ms, message=order.message, dry_run=order.dry_run
    )
    return Done(text=result.text)


def _hold_job(hold: bool) -> Callable[[Commands, Order], Done]:
    def run(commands: Commands, order: Order) -> Done:
        result = commands.hold_job(
            order.who,
            order.found,
            order.changes,
            order.now_ms,
            message=order.message,
            hold=hold,
            dry_run=order.dry_run,
        )
        return Done(text=result.text)

    return run


def _retry_job(commands: Commands, order: Order) -> Done:
    if order.dry_run:
        return Done(text=commands.try_job(order.who, order.found).text)
    made = commands.submit_job(order.who, order.found, order.changes, order.now_ms).first_job
    return Done(text=f"Job {order.target} was submitted again as job {made}.", leads_to=f"/jobs/{made}")


def _cancel_batch(commands: Commands, order: Order) -> Done:
    result = commands.cancel_batch(
        order.who,
        int(order.target),
        order.changes,
        order.now_ms,
        message=order.message,
        dry_run=order.dry_run,
    )
    return Done(text=result.text)


def _retry_batch(commands: Commands, order: Order) -> Done:
    result = commands.retry_batch(order.who, order.found, order.changes, order.now_ms, dry_run=order.dry_run)
    return Done(text=result.text)


WORK_VERBS = (
    Verb(
        noun="job",
        name="cancel",
        words="Cancel",
        does="It does not start, and an attempt that runs is stopped.",
        kind=Kind.JOB,
        run=_cancel_job,
        find=_find_job,
        grave=True,
    ),
    Verb(
        noun="job",
        name="retry",
        words="Retry",
        does="It is submitted again, as a new job.",
        kind=Kind.JOB,
        run=_retry_job,
        find=_find_again,
        says_why=False,
    ),
    Verb(
        noun="job",
        name="hold",
        words="Hold",
        does="It does not start until it is released.",
        kind=Kind.JOB,
        run=_hold_job(True),
        find=_find_job,
    ),
    Verb(
        noun="job",
        name="release",
        words="Release",
        does="It starts when it is its turn.",
        kind=Kind.JOB,
        run=_hold_job(False),
        find=_find_job,
    ),
    Verb(
        noun="batch",
        name="cancel",
        words="Cancel",
        does="Its jobs that have not ended are cancelled, and attempts that run are stopped.",
        kind=Kind.BATCH,
        run=_cancel_batch,
        find=_find_batch,
        grave=True,
    ),
    Verb(
        noun="batch",
        name="retry",
        words="Retry failed jobs",
        does="Its failed jobs, and those that were skipped because of them, are tried again.",
        kind=Kind.BATCH,
        run=_retry_batch,
        find=_find_failed,
        says_why=False,
    ),
)
