"""One running process of an attempt, from its start until its end is reported. Created by the process runtime.

Its end is seen through a pidfd, its CPU time through `wait4`. Memory: from its cgroup where there is one, else the sum over its
processes, sampled. Whatever goes wrong in here, also in the agent itself, ends in exactly one report of this attempt.
"""

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from herder.agent.environment import clock
from herder.agent.environment.settings import AgentSettings
from herder.agent.processes import process_table
from herder.agent.processes.cgroup import Cgroup
from herder.agent.processes.cores import Cores
from herder.agent.processes.outcome import Judgement, judge, memory_text, own_peak_kib
from herder.agent.processes.output import Output
from herder.agent.processes.redaction import Redaction
from herder.agent.processes.scratch import Scratch
from herder.agent.processes.spawn import limit_data, spawning_peak_kib
from herder.agent.processes.watch import Watch
from herder.agent.runtimes import Report, Verdict, fault
from herder.model.work.job import Cause
from herder.wire.worker.exchange import Assignment, Finished

_LOG = logging.getLogger(__name__)
_KILL_AGAIN_S = 0.2


class Leader(Protocol):
    """The first process of an attempt: one that was started, or forked from a warm interpreter."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def kill(self) -> None: ...

    def wait(self) -> int: ...


class Machine(Protocol):
    """What attempts on one machine share. Implemented by the process runtime."""

    settings: AgentSettings
    report: Report
    watch: Watch
    cores: Cores
    loop: asyncio.AbstractEventLoop

    def remove(self, left: Scratch | Cgroup) -> None:
        """Now, or a little later when a dying process is still writing."""


class ProcessAttempt:
    def __init__(
        self,
        runtime: Machine,
        assignment: Assignment,
        scratch: Scratch,
        process: Leader,
        cores: tuple[int, ...],
        cgroup: Cgroup | None,
        started_at_ms: int,
        checkpoint_signal: int = 0,
        redaction: Redaction | None = None,
        *,
        forked: bool = False,
    ) -> None:
        """Raises OSError when the process cannot be followed; then the caller ends it. `forked`: its memory began with its own fork."""
        self.job = assignment.job
        self.attempt = assignment.attempt
        self.started_at_ms = started_at_ms
        self._began_ms = clock.CLOCK.monotonic_ms()
        self._runtime = runtime
        self._assignment = assignment
        self._scratch = scratch
        self._process = process
        self._cores = cores
        self._cgroup = cgroup
        self._output = Output(
            self.job, self.attempt, scratch.output, runtime.settings.log_most_bytes, redaction
        )
        self._forked = forked
        self._limit_kib = assignment.memory_mib * 1024
        self._peak_kib = 0
        self._verdict: Verdict | None = None
        self._over = False
        self._checkpoint_signal, self._asked = checkpoint_signal, False
        self._timeout: asyncio.TimerHandle | None = None
        self._next_kill: asyncio.TimerHandle | None = None
        if cgroup is not None:
            self._join(cgroup, process.pid)
        self._limit()
        self._pidfd = os.pidfd_open(process.pid)
        try:
            runtime.loop.add_reader(self._pidfd, self._ended)
        except OSError:
            os.close(self._pidfd)
            raise
        runtime.watch.add(process.pid, self)
        if assignment.timeout_ms is not None:
            text = f"Ran longer than its timeout of {assignment.timeout_ms / 1000:g} s."
            verdict = Verdict("failed", Cause.TIMEOUT, text)
            self._timeout = runtime.loop.call_later(assignment.timeout_ms / 1000, self.stop, verdict)

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        if self._over:
            return
        first = self._verdict is None
        if first:
            self._verdict = verdict
        if at_once:
            self._kill()
        elif first:
            self._next_kill = self._runtime.loop.call_later(self._runtime.settings.kill_grace_s, self._kill)
            self._try(self._ask_to_end)

    # --- from the watch

    def sampled(self, pids: list[int], resident_kib: int) -> None:
        if self._cgroup is not None:
            self._look_at_cgroup(self._cgroup, pids)
        if self._limit_kib and resident_kib > self._limit_kib:
            # Resident memory counts shared pages once for each process; before it costs a job its life, count exactly.
            exact_kib = process_table.proportional_kib(pids)
            resident_kib = resident_kib if exact_kib is None else exact_kib
        elif self._cgroup is not None:
            return  # it counts more exactly; what was taken before the group was joined is seen above
        self._peak_kib = max(self._peak_kib, resident_kib)
        if self._limit_kib and resident_kib > self._limit_kib:
            self._stop_for_memory()

    def look_at_disk(self) -> None:
        most_mib = self._assignment.disk_mib
        if most_mib == 0:
            return
        used_mib = self._scratch.size_bytes(self._runtime.settings.disk_entries_most) / 2**20
        if used_mib > most_mib:
            text = f"The scratch folder has {used_mib:.0f} MiB; the limit is {most_mib} MiB."
            self.stop(Verdict("failed", Cause.OUT_OF_DISK, text), at_once=True)

    def ask_for_checkpoint(self) -> None:
        """Once, and only who asked for it: a signal that is not expected ends a process."""
        if self._checkpoint_signal and not (self._asked or self._over or self._verdict):
            self._asked = True
            self._runtime.watch.signal(self._process.pid, self._checkpoint_signal)

    def send_output(self) -> None:
        if not self._runtime.report.output_waits(self.job, self.attempt):
            self._runtime.report.output(self._output.news())

    def failed(self, error: Exception) -> None:
        """Looking after it failed by a fault of the agent: nobody would see its limits any more."""
        self.stop(fault("supervising the attempt", error), at_once=True)

    # --- inside

    def _limit(self) -> None:
        """The process may have ended already, then it does not matter."""
        settings = self._runtime.settings
        if self._assignment.memory_mib:
            most_mib = int(self._assignment.memory_mib * settings.memory_backstop_factor)
            with suppress(OSError, ValueError):
                limit_data(self._process.pid, (most_mib + settings.memory_backstop_extra_mib) * 2**20)

    def _join(self, cgroup: Cgroup, pid: int) -> None:
        try:
            cgroup.add(pid)
        except ProcessLookupError:
            pass
        except OSError as error:
            _LOG.warning("Job %s: process %s cannot be moved into its cgroup: %s", self.job, pid, error)

    def _look_at_cgroup(self, cgroup: Cgroup, pids: list[int]) -> None:
        """A process that was started in the instant before its parent was put into the group is put there now."""
        inside = cgroup.pids()
        for pid in pids:
            if pid not in inside:
                self._join(cgroup, pid)
        self._peak_kib = max(self._peak_kib, cgroup.memory_kib())
        if self._limit_kib and cgroup.ran_out_of_memory():
            # Version 1 kills one process of them; what is left of such an attempt is nobody's wish.
            self._stop_for_memory()

    def _stop_for_memory(self) -> None:
        text = memory_text(self._peak_kib, self._assignment.memory_mib)
        self.stop(Verdict("failed", Cause.OUT_OF_MEMORY, text), at_once=True)

    def _ask_to_end(self) -> None:
        self._runtime.watch.signal(self._process.pid, signal.SIGTERM)

    def _kill(self) -> None:
        """Again and again until the end is seen: a process may be just being born."""
        if self._next_kill is not None:
            self._next_kill.cancel()
        self._next_kill = self._runtime.loop.call_later(_KILL_AGAIN_S, self._kill)
        self._try(self._kill_all)

    def _kill_all(self) -> None:
        if self._cgroup is not None:
            self._cgroup.kill()
        self._runtime.watch.signal(self._process.pid, signal.SIGKILL)

    def _try(self, step: Callable[[], None]) -> None:
        """What is done to an attempt that is to end; `_kill` comes again when it fails."""
        try:
            step()
        except Exception:  # noqa: BLE001 - the next kill follows, and the end is reported in any case
            _LOG.exception("Job %s, attempt %s: %s failed.", self.job, self.attempt, step.__name__)

    def _ended(self) -> None:
        """Called by the event loop: nothing may leave it, and the end is reported whatever happens."""
        self._over = True
        self._runtime.loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        for timer in (self._timeout, self._next_kill):
            if timer is not None:
                timer.cancel()
        # By the clock that nobody sets: a run is as long as it was.
        ended_at_ms = self.started_at_ms + clock.CLOCK.monotonic_ms() - self._began_ms
        try:
            code, use = self._reap()
            finished = self._finished(code, use, ended_at_ms)
        except Exception as error:  # noqa: BLE001 - it is told as the end of this attempt
            _LOG.exception("Job %s, attempt %s: its end could not be examined.", self.job, self.attempt)
            finished = self._failed(fault("examining its end", error), ended_at_ms)
        for step in (self._leave_watch, self._give_back, self._clean):
            self._try(step)
        self._runtime.report.ended(finished)

    def _reap(self) -> tuple[int, resource.struct_rusage]:
        pid = self._process.pid
        # Before it is waited for: as long as it is a zombie, its number can mean no other process.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        if self._cgroup is not None and self._cgroup.pids() - {pid}:
            self._cgroup.kill()
        _, status, use = os.wait4(pid, 0)
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        return code, use

    def _leave_watch(self) -> None:
        if self._process.returncode is None:
            self._process.poll()
        self._runtime.watch.remove(self._process.pid)
        if self._verdict is not None:
            self._runtime.watch.sweep()

    def _give_back(self) -> None:
        self._runtime.cores.release(self._cores, self._assignment.cpu_milli)

    def _clean(self) -> None:
        if self._cgroup is not None:
            self._runtime.remove(self._cgroup)
        self._scratch.close()
        self._runtime.remove(self._scratch)

    def _finished(self, code: int, use: resource.struct_rusage, ended_at_ms: int) -> Finished:
        held_kib = max(self._peak_kib, self._own_peak_kib(use.ru_maxrss))
        peak_kib = self._final_peak_kib(held_kib)
        result, complaint = self._scratch.result()
        end = self._judged(code, peak_kib, held_kib)
        try:
            self._runtime.report.output(self._output.news(final=True))
        except OSError as error:
            complaint += f" The output cannot be read: {error.strerror}."
        return Finished(
            job=self.job,
            attempt=self.attempt,
            state=end.state,
            started_at_ms=self.started_at_ms,
            ended_at_ms=ended_at_ms,
            exit_code=code,
            cause=end.cause.value,
            message="; ".join(filter(None, (end.message, complaint))),
            result=result,
            cpu_ms=round((use.ru_utime + use.ru_stime) * 1000),
            memory_peak_mib=-(-peak_kib // 1024),
        )

    def _failed(self, verdict: Verdict, ended_at_ms: int) -> Finished:
        said = self._verdict or verdict
        return Finished(
            job=self.job,
            attempt=self.attempt,
            state=said.state,
            started_at_ms=self.started_at_ms,
            ended_at_ms=ended_at_ms,
            cause=said.cause.value,
            message=said.message,
        )

    def _own_peak_kib(self, told_kib: int) -> int:
        return told_kib if self._forked else own_peak_kib(told_kib, spawning_peak_kib())

    def _final_peak_kib(self, held_kib: int) -> int:
        """0: not known (without a cgroup, shorter than a sample and smaller than the agent)."""
        if self._cgroup is None:
            return held_kib
        charged_kib = self._cgroup.memory_peak_kib(self._limit_kib)
        if not charged_kib and self._limit_kib and self._cgroup.ran_out_of_memory():
            return max(held_kib, self._limit_kib)
        return max(held_kib, charged_kib)

    def _judged(self, code: int, peak_kib: int, held_kib: int) -> Judgement:
        if self._verdict is not None:
            return Judgement(self._verdict.state, self._verdict.cause, self._verdict.message)
        killed = code != 0 and self._cgroup is not None and self._cgroup.ran_out_of_memory()
        found = judge(
            code, peak_kib, self._assignment.memory_mib, held_kib=held_kib, killed_for_memory=killed
        )
        if self._asked and found.cause is Cause.EXIT_CODE:
            text = f"Asked to checkpoint, because the machine is taken back. {found.message}"
            return Judgement("failed", Cause.PREEMPTED, text)
        return found
