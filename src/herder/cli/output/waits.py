"""Waits for jobs, batches and drains, and shows their progress on stderr: one updated line on a terminal, otherwise a line after each change, at
most every few seconds.

A wait goes on while the server does not answer, and says so. It ends with what it waited for, with its time, or with Ctrl-C.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from herder.cli.output.drain_lines import drain_line
from herder.cli.output.fitting import columns_of, cut
from herder.cli.output.humanize import visible
from herder.cli.shell.exit_codes import Code, CommandError
from herder.client.errors import UnreachableError
from herder.client.http import clock
from herder.client.http.tries import FAILOVER_S, FOREVER
from herder.model.values.phrases import counted, listed, sentences

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.wire.api.resources import WorkerView
    from herder.wire.api.work import BatchView, JobView

#: How often it is asked on a terminal, and told elsewhere.
LOOK_S = 1.0
TELL_S = 10.0
_ENDED = ("succeeded", "failed", "cancelled", "skipped")
_ORDER = ("running", "ready", "blocked", "held", "pending", *_ENDED)


def wait_for_batch(say: "Session", batch: int, timeout_s: float | None) -> "BatchView":
    """Raises TimedOutError."""
    with telling(say) as tell:
        return say.client.batches.wait(
            batch, timeout_s, seen=lambda view: tell(_of_batch(view)), look_s=_look_s(say)
        )


def wait_for_job(say: "Session", job: int, timeout_s: float | None) -> "JobView":
    """Raises TimedOutError."""
    with telling(say) as tell:
        return say.client.jobs.wait(
            job, timeout_s, seen=lambda view: tell(_of_job(view)), look_s=_look_s(say)
        )


def wait_for_jobs(
    say: "Session", jobs: Sequence[int], timeout_s: float | None, each: "Callable[[JobView], None]"
) -> None:
    """All of them, in their order; `each` is called with every one that has ended. Raises TimedOutError."""
    until_s = FOREVER if timeout_s is None else clock.monotonic_s() + timeout_s
    with telling(say) as tell, ExitStack() as answered:
        for place, job in enumerate(jobs):
            left = None if timeout_s is None else max(0.0, until_s - clock.monotonic_s())
            so_far = f"{place:,} of {counted(len(jobs), 'job')} ended. "

            def seen(view: "JobView", so_far: str = so_far) -> None:
                tell(so_far + _of_job(view))

            view = say.client.jobs.wait(job, left, seen=seen, look_s=_look_s(say))
            if not place:
                answered.enter_context(say.client.http.patient(until_s))
            tell("")
            each(view)


def wait_for_drains(
    say: "Session", told: "Mapping[str, str]", *, removal: bool, timeout_s: float | None
) -> "list[WorkerView]":
    """Until each worker is drained, with `removal` until each has ended. `told`: what was answered to the order, by worker; it is said, unless the
    end of the waiting says the same. `timeout_s`: of the drains; when it is over, a server that does not answer is waited for no longer. Raises
    CommandError when what is left is blocked, or a drain was taken back."""
    pending, done, unsaid, text = list(told), [], dict(told), ""
    until_s = FOREVER if timeout_s is None else clock.monotonic_s() + timeout_s
    with telling(say) as tell:
        try:
            while True:
                views = _looks(say, pending, until_s, removal)
                done += [view for view in views if _drained(view, removal)]
                left = [view for view in views if not _drained(view, removal)]
                for view in views:
                    sentence = unsaid.pop(view.name, "")
                    if sentence and not (_drained(view, removal) and _says_the_end(sentence, view)):
                        say.say(sentence)
                if not left:
                    return done
                _check_drains(left, removal)
                before = f"{len(done):,} of {counted(len(told), 'worker')} done. " if len(told) > 1 else ""
                text = before + left[0].drain_text
                tell(text, partial(drain_line, left[0].drain_text, left[0].name, before))
                pending = [view.name for view in left]
                clock.sleep_s(LOOK_S)
        except KeyboardInterrupt:
            tell("")
            say.say(text)
            raise


def _looks(say: "Session", names: Sequence[str], until_s: float, removal: bool) -> "list[WorkerView]":
    """The order was answered, so the server is there, or comes back. Never shorter than a restart takes."""
    until_s = max(until_s, clock.monotonic_s() + FAILOVER_S)
    try:
        with say.client.http.patient(until_s):
            return [say.client.workers.get(name) for name in names]
    except UnreachableError as error:
        what, verb = ("removal", "remove") if removal else ("drain", "drain")
        raise CommandError(
            sentences(f"It is unknown whether the {what} of {listed(names)} has ended", error.message),
            hint=f"The {what} continues when the server runs. To wait again, run `herder worker {verb} {' '.join(names)} --wait --yes`.",
            code=Code.TIMED_OUT,
        ) from None


def _drained(view: "WorkerView", removal: bool) -> bool:
    return view.ended_at is not None or (not removal and view.drain == "drained")


def _says_the_end(sentence: str, view: "WorkerView") -> bool:
    """Whether the answer to the order was that nothing ran on the worker, which the end of the waiting says again."""
    return sentence.startswith(f"Worker {view.name} is drained")


def _check_drains(left: "Sequence[WorkerView]", removal: bool) -> None:
    what = "removal" if removal else "drain"
    for view in left:
        if not view.drain and view.state != "terminating":
            raise CommandError(
                f"The {what} of worker {view.name} was ended; it gets new work again.",
                hint=f"`herder why worker {view.name}` shows by whom.",
                code=Code.CONFLICT,
            )
    if all(view.drain == "blocked" for view in left):
        raise CommandError(
            "\n".join(view.drain_text for view in left),
            hint=f"The {what} continues.",
            code=Code.TIMED_OUT,
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
def telling(say: "Session") -> "Iterator[_Tell]":
    """A function that shows a sentence instead of the one before it. It also shows that the server does not answer."""
    if say.quiet:
        yield lambda text, shorter=None: None
    elif say.err.isatty():
        line = _Line(say)
        say.hear(line.show)
        try:
            yield line.show
        finally:
            say.hear(say.say)
            line.show("")
    else:
        yield _now_and_then(say)


class _Tell(Protocol):
    """`shorter`: the text for a terminal that is so wide; else its end is cut."""

    def __call__(self, text: str, shorter: "Callable[[int], str] | None" = None) -> None: ...


class _Line:
    """One line of a terminal that is written over; rows that others print begin where it was."""

    def __init__(self, say: "Session") -> None:
        self._say = say
        self._shown = False

    def show(self, text: str, shorter: "Callable[[int], str] | None" = None) -> None:
        if not text and not self._shown:
            return
        room = columns_of(self._say.err) - 1
        line = visible(shorter(room) if shorter else text, keep="")
        self._say.err.write("\r\x1b[K" + cut(line, room, words=True))
        self._say.err.flush()
        self._shown = bool(text)


def _now_and_then(say: "Session") -> _Tell:
    told, next_s = "", clock.monotonic_s() + TELL_S

    def tell(text: str, shorter: "Callable[[int], str] | None" = None) -> None:
        nonlocal told, next_s
        if text and text != told and clock.monotonic_s() >= next_s:
            told, next_s = text, clock.monotonic_s() + TELL_S
            say.say(text)

    return tell
