"""The runtimes, which run attempts: one file each, found by name, loaded when the first attempt needs it.

A runtime gets an `Assignment` and either ends it at once (returns `Finished`) or returns a `Running` and calls
`report.ended` exactly once later, from the event loop. It never talks to the server and never raises for what a job does.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from herder.agent.environment.settings import AgentSettings
from herder.model.values.phrases import clause
from herder.model.work.job import Cause
from herder.wire.api.secrets import Delivered
from herder.wire.worker.exchange import Assignment, Finished, LogChunk


class Verdict(NamedTuple):
    """How an attempt is to be reported when it was the agent that ended it."""

    state: Literal["failed", "cancelled"]
    cause: Cause
    message: str


def ended_now(assignment: Assignment, verdict: Verdict, now_ms: int) -> Finished:
    """The end of an attempt that never ran."""
    return Finished(
        job=assignment.job,
        attempt=assignment.attempt,
        state=verdict.state,
        started_at_ms=now_ms,
        ended_at_ms=now_ms,
        cause=verdict.cause.value,
        message=verdict.message,
    )


def fault(doing: str, error: Exception) -> Verdict:
    """A fault of the agent itself: it costs this attempt and no other, and the job is tried again."""
    text = f"The agent of the worker failed while {doing}: {type(error).__name__}: {clause(error)}."
    return Verdict("failed", Cause.INFRASTRUCTURE, text[:500])


class Running(Protocol):
    """An attempt that has started and not ended."""

    started_at_ms: int

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        """End it, reporting `verdict`; `at_once` without the grace that lets it end by itself. May be called again."""


class Report(Protocol):
    """Where runtimes say what happens: implemented by `Attempts`."""

    def ended(self, finished: Finished) -> None: ...

    def output(self, chunks: list[LogChunk]) -> None: ...

    def output_waits(self, job: int, attempt: int) -> bool:
        """Whether earlier output of this attempt has not left yet: then more of it can wait in its file."""


@runtime_checkable
class TellsDeadline(Protocol):
    """A runtime whose attempts can be told that they have only so long to run."""

    def tell_deadline(self, left_s: float) -> None:
        """May be called again with an earlier end; also before the first attempt."""


@runtime_checkable
class TellsTroubles(Protocol):
    """A runtime that knows when nothing can be started with it."""

    def troubles(self) -> list[str]:
        """As sentences; empty when it is well."""


class Runtime(Protocol):
    def start(
        self, assignment: Assignment, inputs: str | None = None, secrets: Sequence[Delivered] = ()
    ) -> Finished | Running:
        """`inputs`: the path of a file that becomes the attempt's `parents.json`; it may be moved. `secrets`: what it alone gets; they are in
        no message and no log."""

    async def close(self) -> None:
        """After the last attempt has ended: leave nothing behind."""


RUNTIMES = {
    "container": "herder.agent.runtimes.container:ContainerRuntime",
    "noop": "herder.agent.runtimes.noop:NoopRuntime",
    "process": "herder.agent.runtimes.process:ProcessRuntime",
}


class RuntimeLacking(Exception):
    """This machine lacks what the runtime needs. The text says what and the remedy."""


class UnknownRuntime(LookupError):
    """The text names the ones there are."""


def open_runtime(name: str, settings: AgentSettings, report: Report) -> Runtime:
    """Raises UnknownRuntime, RuntimeLacking or OSError."""
    if name not in RUNTIMES:
        raise UnknownRuntime(f"This worker has no runtime {name!r}. It has {', '.join(sorted(RUNTIMES))}.")
    module, _, attribute = RUNTIMES[name].partition(":")
    make: Callable[[AgentSettings, Report], Runtime] = getattr(import_module(module), attribute)
    return make(settings, report)
