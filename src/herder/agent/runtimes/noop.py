"""The runtime that starts no process: it ends at once, or after `sleep_ms`. For tests, benchmarks and demos.

It is the yardstick for what Herder itself costs per job, so its path is kept short.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from herder.agent.environment import clock
from herder.agent.environment.settings import AgentSettings
from herder.agent.runtimes import Report, Running, Verdict
from herder.model.values.phrases import clause
from herder.model.work.job import Cause
from herder.wire.api.secrets import Delivered
from herder.wire.worker.exchange import Assignment, Finished


class _Payload(msgspec.Struct):
    sleep_ms: int = 0


_DECODER = msgspec.json.Decoder(_Payload)
_TIMED_OUT = Verdict("failed", Cause.TIMEOUT, "Ran longer than its timeout.")


class NoopRuntime:
    __slots__ = ("_report",)

    def __init__(self, settings: AgentSettings, report: Report) -> None:
        self._report = report

    def start(
        self, assignment: Assignment, inputs: str | None = None, secrets: Sequence[Delivered] = ()
    ) -> Finished | Running:
        now_ms = clock.now_ms()
        try:
            sleep_ms = _DECODER.decode(assignment.payload).sleep_ms
        except msgspec.MsgspecError as error:
            return Finished(
                job=assignment.job,
                attempt=assignment.attempt,
                state="failed",
                started_at_ms=now_ms,
                ended_at_ms=now_ms,
                cause=Cause.START_FAILED.value,
                message=f"The payload cannot be read: {clause(error)}.",
            )
        if sleep_ms > 0:
            return _Sleep(self._report, assignment, now_ms, sleep_ms)
        return Finished(
            job=assignment.job,
            attempt=assignment.attempt,
            state="succeeded",
            started_at_ms=now_ms,
            ended_at_ms=now_ms,
            exit_code=0,
        )

    async def close(self) -> None:
        pass


class _Sleep:
    """A timer that stands for work."""

    __slots__ = ("_assignment", "_began_ms", "_report", "_timer", "started_at_ms")

    def __init__(self, report: Report, assignment: Assignment, now_ms: int, sleep_ms: int) -> None:
        self._report = report
        self._assignment = assignment
        self.started_at_ms = now_ms
        self._began_ms = clock.CLOCK.monotonic_ms()
        timeout_ms = assignment.timeout_ms
        loop = asyncio.get_running_loop()
        if timeout_ms is not None and timeout_ms < sleep_ms:
            self._timer = loop.call_later(timeout_ms / 1000, self._end, _TIMED_OUT)
        else:
            self._timer = loop.call_later(sleep_ms / 1000, self._end, None)

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        # Never from inside `stop`: who stops many attempts is walking over them.
        if not self._timer.cancelled():
            self._timer.cancel()
            asyncio.get_running_loop().call_soon(self._end, verdict)

    def _end(self, verdict: Verdict | None) -> None:
        self._report.ended(
            Finished(
                job=self._assignment.job,
                attempt=self._assignment.attempt,
                state=verdict.state if verdict else "succeeded",
                started_at_ms=self.started_at_ms,
                ended_at_ms=self.started_at_ms + clock.CLOCK.monotonic_ms() - self._began_ms,
                exit_code=None if verdict else 0,
                cause=verdict.cause.value if verdict else "",
                message=verdict.message if verdict else "",
            )
        )
