"""The runtime that starts a process per attempt on this machine: own session, own scratch folder, limits, output.

What belongs to a running attempt is in `agent.runtimes.process_attempt`. Whatever is missing on the machine to start one (space,
descriptors, processes, memory) is the machine's fault and is told as that. Linux 5.3 or newer.
"""

import asyncio
import errno
import logging
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from herder.agent.environment import clock
from herder.agent.environment.settings import AgentSettings
from herder.agent.processes import deadline
from herder.agent.processes.cgroup import Cgroup, Limits
from herder.agent.processes.cgroup_place import find_place
from herder.agent.processes.cores import Cores
from herder.agent.processes.redaction import Redaction
from herder.agent.processes.run_as import identity_of
from herder.agent.processes.scratch import Scratch, make_work_folder
from herder.agent.processes.secret_files import SecretPlace, variables_of
from herder.agent.processes.spawn import base_environment, spawn, text_as_file
from herder.agent.processes.watch import Watch
from herder.agent.runtimes import Report, Running, Verdict, ended_now
from herder.agent.runtimes.process_attempt import ProcessAttempt
from herder.model.values.phrases import clause
from herder.model.work.job import Cause
from herder.wire import startup
from herder.wire.exchange import Assignment, Finished, JobPayload
from herder.wire.secrets import Delivered

_LOG = logging.getLogger(__name__)
_PAYLOAD = msgspec.json.Decoder(JobPayload)
_REMOVE_AGAIN_S = 0.2
_REMOVE_TRIES = 5
#: The machine's fault, not the job's: no memory, processes, descriptors or space to start it, or a disk that fails.
_MACHINES_FAULT = frozenset(
    {
        errno.ENOMEM,
        errno.EAGAIN,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
    }
)


class ProcessRuntime:
    def __init__(self, settings: AgentSettings, report: Report) -> None:
        if not hasattr(os, "pidfd_open"):
            raise OSError("The process runtime needs Linux 5.3 or newer.")
        self.settings = settings
        self.report = report
        self.watch = Watch(settings)
        self.cores = Cores(os.sched_getaffinity(0))
        self.loop = asyncio.get_running_loop()
        self._identity = identity_of(settings)
        self._cgroups = find_place(settings.cgroup_folder) if settings.cgroups else None
        self._environment = base_environment() | {
            startup.WORKER: settings.worker,
            startup.INSTALLATION: settings.installation,
        }
        self._lingering: set[Scratch | Cgroup] = set()
        self._secrets = SecretPlace(settings.folder, self._identity)
        deadline.discard(settings.folder)  # of a process before this one
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def start(
        self, assignment: Assignment, inputs: str | None = None, secrets: Sequence[Delivered] = ()
    ) -> Finished | Running:
        now_ms = clock.now_ms()
        try:
            payload = _PAYLOAD.decode(assignment.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return _not_started(assignment, Cause.START_FAILED, f"the payload cannot be read: {error}")
        try:
            scratch = self._scratch(assignment)
        except OSError as error:
            return _not_started(
                assignment, Cause.INFRASTRUCTURE, f"the scratch folder cannot be created: {_text_of(error)}"
            )
        cgroup = self._cgroup(assignment)
        cores = self.cores.take(assignment.cpu_milli) if self.settings.pin_cpus and cgroup is None else ()
        process: subprocess.Popen[bytes] | None = None
        try:
            if not payload.command:
                raise ValueError("the job has no command")
            checkpoint_signal = deadline.signal_asked(payload.env)
            scratch.prepare(payload.inputs, inputs)
            if secrets:
                scratch.put_secrets(self._secrets, assignment.job, assignment.attempt, secrets)
            process = self._spawn(assignment, payload, scratch, cores, secrets)
            return ProcessAttempt(
                self,
                assignment,
                scratch,
                process,
                cores,
                cgroup,
                now_ms,
                checkpoint_signal,
                Redaction(each.value for each in secrets) if secrets else None,
            )
        except Exception as error:  # noqa: BLE001 - all that was begun is undone, and the attempt is told as failed
            self._undo(assignment, scratch, process, cores, cgroup)
            return _start_failed(assignment, error, had_started=process is not None)

    def tell_deadline(self, left_s: float) -> None:
        """Raises OSError of the file; who asked for a signal gets it in any case."""
        try:
            deadline.write(self.settings.folder, left_s, clock.now_ms())
        finally:
            self.watch.ask_for_checkpoints()

    async def close(self) -> None:
        deadline.discard(self.settings.folder)
        self.watch.close()
        for _ in range(_REMOVE_TRIES):
            if not self.watch.sweep():
                break
            await asyncio.sleep(0.02)
        for left in self._lingering:
            left.remove()
        self._secrets.close()
        if self._cgroups is not None:
            self._cgroups.close()
        os.close(self._nothing)

    def remove(self, left: "Scratch | Cgroup", tries: int = _REMOVE_TRIES) -> None:
        """Now, or a little later when a dying process is still writing."""
        self._lingering.discard(left)
        try:
            gone = left.remove() if isinstance(left, Scratch) else self._give_back(left)
        except OSError:
            gone = False
        if not gone:
            self._lingering.add(left)
            if tries > 1:
                self.loop.call_later(_REMOVE_AGAIN_S, self.remove, left, tries - 1)

    # --- inside

    def _scratch(self, assignment: Assignment) -> Scratch:
        """The work folder is made again when it is gone."""
        settings = self.settings
        for last in (False, True):
            try:
                return Scratch(
                    settings.folder,
                    assignment.job,
                    assignment.attempt,
                    settings.result_most_bytes,
                    self._identity,
                )
            except (FileNotFoundError, NotADirectoryError):
                if last:
                    raise
                make_work_folder(settings)
        raise AssertionError("not reached")

    def _cgroup(self, assignment: Assignment) -> Cgroup | None:
        if self._cgroups is None:
            return None
        try:
            return self._cgroups.take(
                Limits(assignment.cpu_milli, assignment.memory_mib, assignment.cpu_hard)
            )
        except OSError as error:
            _LOG.warning("Job %s runs without a cgroup: %s", assignment.job, error)
            return None

    def _give_back(self, cgroup: Cgroup) -> bool:
        return self._cgroups is None or self._cgroups.give_back(cgroup)

    def _undo(
        self,
        assignment: Assignment,
        scratch: Scratch,
        process: "subprocess.Popen[bytes] | None",
        cores: tuple[int, ...],
        cgroup: Cgroup | None,
    ) -> None:
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        self.cores.release(cores, assignment.cpu_milli)
        if cgroup is not None:
            cgroup.kill()
            self.remove(cgroup)
        scratch.close()
        self.remove(scratch)

    def _spawn(
        self,
        assignment: Assignment,
        payload: JobPayload,
        scratch: Scratch,
        cores: tuple[int, ...],
        secrets: Sequence[Delivered],
    ) -> "subprocess.Popen[bytes]":
        environment = {
            **self._environment,
            **({"HOME": scratch.folder, "USER": self._identity.name} if self._identity else {}),
            "TMPDIR": scratch.folder,
            **payload.env,
            **variables_of(secrets, scratch.secrets_folder),
            startup.WORKER: self.settings.worker,
            startup.INSTALLATION: self.settings.installation,
            startup.JOB_ID: str(assignment.job),
            startup.ATTEMPT: str(assignment.attempt),
            startup.SCRATCH: scratch.folder,
            startup.RESULT: scratch.result_path,
            startup.DEADLINE_FILE: str(self.settings.folder / deadline.FILE),
        }
        stdin = text_as_file(payload.stdin) if payload.stdin else self._nothing
        try:
            return spawn(
                payload.command,
                environment=environment,
                folder=_folder(payload, scratch),
                stdin=stdin,
                output=scratch.output,
                cores=cores,
                all_cores=self.cores.all,
                identity=self._identity,
            )
        finally:
            if stdin != self._nothing:
                os.close(stdin)


def _folder(payload: JobPayload, scratch: Scratch) -> str:
    """Raises ValueError."""
    if payload.cwd and not os.path.isdir(payload.cwd):
        raise ValueError(f"its working folder {payload.cwd} does not exist on this worker")
    return payload.cwd or scratch.folder


def _start_failed(assignment: Assignment, error: Exception, *, had_started: bool) -> Finished:
    jobs_fault = isinstance(error, ValueError) or (
        isinstance(error, OSError) and error.errno not in _MACHINES_FAULT
    )
    if jobs_fault and not had_started:
        return _not_started(assignment, Cause.START_FAILED, _text_of(error))
    if not isinstance(error, OSError):
        _LOG.error("Job %s could not be started.", assignment.job, exc_info=error)
    return _not_started(assignment, Cause.INFRASTRUCTURE, f"this worker cannot run it: {_text_of(error)}")


def _not_started(assignment: Assignment, cause: Cause, text: str) -> Finished:
    return ended_now(
        assignment,
        Verdict("failed", cause, f"The attempt could not be started: {clause(text)}."),
        clock.now_ms(),
    )


def _text_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
