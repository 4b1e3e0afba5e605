"""The runtime that starts a process per attempt on this machine: own session, own scratch folder, limits, output.

Its end is seen through a pidfd, its use through `wait4` (exact CPU time). Memory: the sum over the attempt's processes,
sampled; the kernel's own peak counts only where it is above the agent's, because a child starts with its parent's peak.
Linux 5.3 or newer.
"""

import asyncio
import errno
import os
import resource
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from herder.agent import census, clock
from herder.agent.cgroup import Cgroup
from herder.agent.cores import Cores
from herder.agent.output import Output
from herder.agent.runtimes import Report, Running, Verdict
from herder.agent.scratch import Scratch
from herder.agent.settings import AgentSettings
from herder.agent.spawn import base_environment, limit_data, spawn, spawning_peak_kib, text_as_file
from herder.agent.watch import Watch
from herder.model.job import Cause
from herder.wire import startup
from herder.wire.exchange import Assignment, Finished, JobPayload

_PAYLOAD = msgspec.json.Decoder(JobPayload)
_KILL_AGAIN_S = 0.2
_REMOVE_AGAIN_S = 0.2
_REMOVE_TRIES = 5
#: The machine's fault, not the job's: no memory, processes, descriptors or space to start it.
_OUT_OF_STEAM = frozenset(
    {errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT}
)


class ProcessRuntime:
    def __init__(self, settings: AgentSettings, report: Report) -> None:
        if not hasattr(os, "pidfd_open"):
            raise OSError("the process runtime needs Linux 5.3 or newer")
        self.settings = settings
        self.report = report
        self.watch = Watch(settings)
        self.cores = Cores(os.sched_getaffinity(0))
        self.loop = asyncio.get_running_loop()
        self._environment = base_environment() | {
            startup.WORKER: settings.worker,
            startup.INSTALLATION: settings.installation,
        }
        self._lingering: set[Scratch] = set()
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def start(self, assignment: Assignment) -> Finished | Running:
        now_ms = clock.now_ms()
        try:
            payload = _PAYLOAD.decode(assignment.payload)
        except msgspec.MsgspecError as error:
            return _not_started(
                assignment, now_ms, Cause.START_FAILED, f"the payload cannot be read: {error}"
            )
        try:
            scratch = Scratch(
                self.settings.folder, assignment.job, assignment.attempt, self.settings.result_most_bytes
            )
        except OSError as error:
            return _not_started(assignment, now_ms, Cause.INFRASTRUCTURE, f"no scratch folder: {error}")
        cores = self.cores.take(assignment.cpu_milli) if self.settings.pin_cpus else ()
        try:
            if not payload.command:
                raise ValueError("the job has no command")
            scratch.write_inputs(payload.inputs)
            process = self._spawn(assignment, payload, scratch, cores)
        except (OSError, ValueError) as error:
            self.cores.release(cores, assignment.cpu_milli)
            scratch.close()
            self.remove(scratch)
            ours = isinstance(error, OSError) and error.errno in _OUT_OF_STEAM
            return _not_started(
                assignment, now_ms, Cause.INFRASTRUCTURE if ours else Cause.START_FAILED, _text_of(error)
            )
        return ProcessAttempt(self, assignment, scratch, process, cores, now_ms)

    async def close(self) -> None:
        self.watch.close()
        for _ in range(_REMOVE_TRIES):
            if not self.watch.sweep():
                break
            await asyncio.sleep(0.02)
        for scratch in self._lingering:
            scratch.remove()
        os.close(self._nothing)

    def remove(self, scratch: Scratch, tries: int = _REMOVE_TRIES) -> None:
        """Now, or a little later when a dying process is still writing."""
        self._lingering.discard(scratch)
        if not scratch.remove():
            self._lingering.add(scratch)
            if tries > 1:
                self.loop.call_later(_REMOVE_AGAIN_S, self.remove, scratch, tries - 1)

    def _spawn(
        self, assignment: Assignment, payload: JobPayload, scratch: Scratch, cores: tuple[int, ...]
    ) -> "subprocess.Popen[bytes]":
        environment = {
            **self._environment,
            "TMPDIR": scratch.folder,
            **payload.env,
            startup.WORKER: self.settings.worker,
            startup.INSTALLATION: self.settings.installation,
            startup.JOB_ID: str(assignment.job),
            startup.ATTEMPT: str(assignment.attempt),
            startup.SCRATCH: scratch.folder,
            startup.RESULT: scratch.result_path,
        }
        stdin = text_as_file(payload.stdin) if payload.stdin else self._nothing
        try:
            return spawn(
                payload.command,
                environment=environment,
                folder=scratch.folder,
                stdin=stdin,
                output=scratch.output,
                cores=cores,
                all_cores=self.cores.all,
            )
        finally:
            if stdin != self._nothing:
                os.close(stdin)


class ProcessAttempt:
    """One running process with everything that belongs to it, until its end is reported."""

    def __init__(
        self,
        runtime: ProcessRuntime,
        assignment: Assignment,
        scratch: Scratch,
        process: "subprocess.Popen[bytes]",
        cores: tuple[int, ...],
        started_at_ms: int,
    ) -> None:
        self.job = assignment.job
        self.attempt = assignment.attempt
        self.started_at_ms = started_at_ms
        self._runtime = runtime
        self._assignment = assignment
        self._scratch = scratch
        self._process = process
        self._cores = cores
        self._output = Output(self.job, self.attempt, scratch.output, runtime.settings.log_most_bytes)
        self._limit_kib = assignment.memory_mib * 1024
        self._peak_kib = 0
        self._verdict: Verdict | None = None
        self._over = False
        self._timeout: asyncio.TimerHandle | None = None
        self._next_kill: asyncio.TimerHandle | None = None
        self._cgroup = self._limit()
        self._pidfd = os.pidfd_open(process.pid)
        runtime.loop.add_reader(self._pidfd, self._ended)
        runtime.watch.add(process.pid, self)
        if assignment.timeout_ms is not None:
            text = f"ran longer than its timeout of {assignment.timeout_ms / 1000:g} s"
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
            self._runtime.watch.signal(self._process.pid, signal.SIGTERM)
            self._next_kill = self._runtime.loop.call_later(self._runtime.settings.kill_grace_s, self._kill)

    # --- from the watch

    def sampled(self, pids: list[int], resident_kib: int) -> None:
        if self._limit_kib and resident_kib > self._limit_kib:
            # Resident memory counts shared pages once for each process; before it costs a job its life, count exactly.
            exact_kib = census.proportional_kib(pids)
            resident_kib = resident_kib if exact_kib is None else exact_kib
        self._peak_kib = max(self._peak_kib, resident_kib)
        if self._limit_kib and resident_kib > self._limit_kib:
            self.stop(Verdict("failed", Cause.OUT_OF_MEMORY, self._memory_text()), at_once=True)

    def look_at_disk(self) -> None:
        most_mib = self._assignment.disk_mib
        if most_mib == 0:
            return
        used_mib = self._scratch.size_bytes(self._runtime.settings.disk_entries_most) / 2**20
        if used_mib > most_mib:
            text = f"its scratch folder held {used_mib:.0f} MiB, its limit is {most_mib} MiB"
            self.stop(Verdict("failed", Cause.OUT_OF_DISK, text), at_once=True)

    def send_output(self) -> None:
        if not self._runtime.report.output_waits(self.job, self.attempt):
            self._runtime.report.output(self._output.news())

    # --- inside

    def _limit(self) -> Cgroup | None:
        """Every limit that is set from outside; the process may have ended already, then they do not matter."""
        settings, pid = self._runtime.settings, self._process.pid
        if self._assignment.memory_mib:
            most_mib = int(self._assignment.memory_mib * settings.memory_backstop_factor)
            with suppress(OSError, ValueError):
                limit_data(pid, (most_mib + settings.memory_backstop_extra_mib) * 2**20)
        if settings.cgroup_folder is None:
            return None
        with suppress(OSError):
            name = f"attempt-{self.job}-{self.attempt}"
            cgroup = Cgroup(
                Path(settings.cgroup_folder), name, self._assignment.cpu_milli, self._assignment.memory_mib
            )
            cgroup.add(pid)
            return cgroup
        return None

    def _kill(self) -> None:
        """Again and again until the end is seen: a process may be just being born."""
        if self._next_kill is not None:
            self._next_kill.cancel()
        if self._cgroup is not None:
            self._cgroup.kill()
        self._runtime.watch.signal(self._process.pid, signal.SIGKILL)
        self._next_kill = self._runtime.loop.call_later(_KILL_AGAIN_S, self._kill)

    def _ended(self) -> None:
        pid = self._process.pid
        self._runtime.loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._over = True
        for timer in (self._timeout, self._next_kill):
            if timer is not None:
                timer.cancel()
        # Before it is waited for: as long as it is a zombie, its number can mean no other process.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        if self._cgroup is not None:
            self._cgroup.kill()
        _, status, use = os.wait4(pid, 0)
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        self._runtime.watch.remove(pid)
        if self._verdict is not None:
            self._runtime.watch.sweep()
        self._runtime.cores.release(self._cores, self._assignment.cpu_milli)
        self._report(code, use)

    def _report(self, code: int, use: resource.struct_rusage) -> None:
        ended_at_ms = clock.now_ms()
        peak_mib = self._peak_mib(use)
        result, complaint = self._scratch.result()
        state, cause, message = self._judge(code, peak_mib)
        try:
            self._runtime.report.output(self._output.news(final=True))
        except OSError as error:
            complaint += f"; its output cannot be read: {error.strerror}"
        self._scratch.close()
        self._runtime.remove(self._scratch)
        if self._cgroup is not None:
            self._cgroup.remove()
        self._runtime.report.ended(
            Finished(
                job=self.job,
                attempt=self.attempt,
                state=state,
                started_at_ms=self.started_at_ms,
                ended_at_ms=ended_at_ms,
                exit_code=code,
                cause=cause.value,
                message="; ".join(filter(None, (message, complaint))),
                result=result,
                cpu_ms=round((use.ru_utime + use.ru_stime) * 1000),
                memory_peak_mib=peak_mib,
            )
        )

    def _peak_mib(self, use: resource.struct_rusage) -> int:
        """0: not known (shorter than a sample and smaller than the agent)."""
        peak_kib = self._peak_kib
        if use.ru_maxrss > spawning_peak_kib():
            peak_kib = max(peak_kib, use.ru_maxrss)
        peak_mib = -(-peak_kib // 1024)
        return max(peak_mib, self._cgroup.memory_peak_mib()) if self._cgroup is not None else peak_mib

    def _judge(
        self, code: int, peak_mib: int
    ) -> tuple[Literal["succeeded", "failed", "cancelled"], Cause, str]:
        if self._verdict is not None:
            return self._verdict.state, self._verdict.cause, self._verdict.message
        if code == 0:
            return "succeeded", Cause.NONE, ""
        limit_mib = self._assignment.memory_mib
        near = limit_mib > 0 and peak_mib * 10 >= limit_mib * 9
        if near or (self._cgroup is not None and self._cgroup.ran_out_of_memory()):
            self._peak_kib = max(self._peak_kib, peak_mib * 1024)
            return "failed", Cause.OUT_OF_MEMORY, self._memory_text()
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            return "failed", Cause.EXIT_CODE, f"ended by signal {name}, which Herder did not send"
        return "failed", Cause.EXIT_CODE, f"exit code {code}"

    def _memory_text(self) -> str:
        limit_mib = self._assignment.memory_mib
        return f"used {-(-self._peak_kib // 1024)} MiB of memory, its limit is {limit_mib} MiB; ask for more"


def _not_started(assignment: Assignment, now_ms: int, cause: Cause, text: str) -> Finished:
    return Finished(
        job=assignment.job,
        attempt=assignment.attempt,
        state="failed",
        started_at_ms=now_ms,
        ended_at_ms=now_ms,
        cause=cause.value,
        message=f"could not be started: {text}",
    )


def _text_of(error: OSError | ValueError) -> str:
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
