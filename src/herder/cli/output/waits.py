"""Waits for jobs, batches and drains, and shows their progress on stderr: one updated line on a terminal, otherwise a line after each change, at
most every few seconds.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from herder.cli.output.humanize import visible
from herder.cli.shell.exit_codes import Code, CommandError
from herder.client import clock
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.wire.resources import WorkerView
    from herder.wire.work import BatchView, JobView

#: How often it is asked on a terminal, and told elsewhere.
LOOK_S = 1.0
TELL_S = 10.0
_ENDED = ("succeeded", "failed", "cancelled", "skipped")
_ORDER = ("running", "ready", "blocked", "pending", *_ENDED)


def wait_for_batch(say: "Session", batch: int, timeout_s: float | None) -> "BatchView":
    """Raises TimedOutError."""
    with _telling(say) as tell:
        return say.client.batches.wait(
            batch, timeout_s, seen=lambda view: tell(_of_batch(view)), look_s=_look_s(say)
        )


def wait_for_job(say: "Session", job: int, timeout_s: float | None) -> "JobView":
    """Raises TimedOutError."""
    with _telling(say) as tell:
        return say.client.jobs.wait(
            job, timeout_s, seen=lambda view: tell(_of_job(view)), look_s=_look_s(say)
        )


def wait_for_jobs(
    say: "Session", jobs: Sequence[int], timeout_s: float | None, each: "Callable[[JobView], None]"
) -> None:
    """All of them, in their order; `each` is called with every one that has ended. Raises TimedOutError."""
    began = clock.monotonic_s()
    with _telling(say) as tell:
        for place, job in enumerate(jobs):
            left = None if timeout_s is None else max(0.0, timeout_s - (clock.monotonic_s() - began))
            so_far = f"{place:,} of {counted(len(jobs), 'job')} ended. "

            def seen(view: "JobView", so_far: str = so_far) -> None:
                tell(so_far + _of_job(view))

            view = say.client.jobs.wait(job, left, seen=seen, look_s=_look_s(say))
            tell("")
            each(view)


def wait_for_drains(say: "Session", workers: Sequence[str], *, removal: bool) -> "list[WorkerView]":
    """Until each is drained, with `removal` until each has ended. Raises CommandError when what is left is blocked, or a drain was
    taken back."""
    pending, done, text = list(workers), [], ""
    with _telling(say) as tell:
        try:
            while True:
                views = [say.client.workers.get(name) for name in pending]
                done += [view for view in views if _drained(view, removal)]
                left = [view for view in views if not _drained(view, removal)]
                if not left:
                    return done
                _check_drains(left)
                text = left[0].drain_text
                if len(workers) > 1:
                    text = f"{len(done):,} of {counted(len(workers), 'worker')} done. {text}"
                tell(text)
                pending = [view.name for view in left]
                clock.sleep_s(LOOK_S)
        except KeyboardInterrupt:
            tell("")
            say.say(text)
            raise


def _drained(view: "WorkerView", removal: bool) -> bool:
    return view.ended_at is not None or (not removal and view.drain == "drained")


def _check_drains(left: "Sequence[WorkerView]") -> None:
    for view in left:
        if not view.drain and view.state != "terminating":
            raise CommandError(
                f"The drain of worker {view.name} was ended; it gets new work again.",
                hint=f"`herder why worker {view.name}` shows by whom.",
                code=Code.CONFLICT,
            )
    if all(view.drain == "blocked" for view in left):
        raise CommandError(
            "\n".join(view.drain_text for view in left), hint="The drain continues.", code=Code.TIMED_OUT
        )


def _look_s(say: "Session") -> float | None:
    return None if say.quiet else LOOK_S


def _of_batch(view: "BatchView") -> str:
    ended = sum(view.counts.get(state, 0) for state in _ENDED)
    states = [f"{view.counts[state]:,} {state}" for state in _ORDER if view.counts.get(state)]
    return f"Batch {view.id}: {ended:,} of {counted(view.jobs, 'job')} ended ({', '.join(states) or 'none'})"


def _of_job(view: "JobView") -> str:
    return f"Job {view.id} is {view.state}" + (f", attempt {view.attempts}" if view.attempts > 1 else "")


@contextmanager
def _telling(say: "Session") -> "Iterator[Callable[[str], None]]":
    """A function that shows a sentence instead of the one before it."""
    if say.quiet:
        yield lambda text: None
    elif say.err.isatty():
        line = _Line(say)
        try:
            yield line.show
        finally:
            line.show("")
    else:
        yield _now_and_then(say)


class _Line:
    """One line of a terminal that is written over; rows that others print begin where it was."""

    def __init__(self, say: "Session") -> None:
        self._say = say
        self._shown = False

    def show(self, text: str) -> None:
        import shutil

        if not text and not self._shown:
            return
        width = shutil.get_terminal_size().columns - 1
        self._say.err.write("\r\x1b[K" + visible(text)[:width])
        self._say.err.flush()
        self._shown = bool(text)


def _now_and_then(say: "Session") -> "Callable[[str], None]":
    told, next_s = "", clock.monotonic_s() + TELL_S

    def tell(text: str) -> None:
        nonlocal told, next_s
        if text and text != told and clock.monotonic_s() >= next_s:
            told, next_s = text, clock.monotonic_s() + TELL_S
            say.say(text)

    return tell
