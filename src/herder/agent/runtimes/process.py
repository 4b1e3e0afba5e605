"""The runtime that starts a process per attempt on this machine: own session, own scratch folder, limits, output.

What belongs to a running attempt is in `agent.runtimes.process_attempt`. Whatever is missing on the machine to start one (space,
descriptors, processes, memory) is the machine's fault and is told as that. Linux 5.3 or newer.
"""

import asyncio
import errno
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

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
from herder.agent.runtimes.process_attempt import Leader, ProcessAttempt
from herder.agent.runtimes.warm_attempt import WarmAttempt
from herder.agent.warm.template import Child
from herder.agent.warm.templates import Bounds, Templates
from herder.model.values.phrases import clause
from herder.model.work.job import Cause
from herder.wire.api.secrets import Delivered
from herder.wire.data import checkpoint_path
from herder.wire.worker import startup
from herder.wire.worker.exchange import Assignment, Finished, JobPayload

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


class _Begun(NamedTuple):
    """What an attempt has before its process."""

    assignment: Assignment
    payload: JobPayload
    scratch: Scratch
    cores: tuple[int, ...]
    cgroup: Cgroup | None
    started_at_ms: int
    secrets: Sequence[Delivered]


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
        base = base_environment()
        self._marks = {startup.WORKER: settings.worker, startup.INSTALLATION: settings.installation}
        self._environment = base | self._marks
        bounds = Bounds(self._group, self.remove, self.watch.sweep)
        self._templates = Templates(settings, base, self._marks, self._identity, bounds)
        self.watch.keeps = self._templates.keeps
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
            scratch = self._scratch(assignment, keep=payload.data is not None, shred=payload.shred)
        except OSError as error:
            return _not_started(
                assignment, Cause.INFRASTRUCTURE, f"the scratch folder cannot be created: {_text_of(error)}"
            )
        cgroup = self._cgroup(assignment)
        cores = self.cores.take(assignment.cpu_milli) if self.settings.pin_cpus and cgroup is None else ()
        begun = _Begun(assignment, payload, scratch, cores, cgroup, now_ms, secrets)
        try:
            if not payload.command:
                raise ValueError("the job has no command")
            scratch.prepare(payload.inputs, inputs)
            if secrets:
                scratch.put_secrets(self._secrets, assignment.job, assignment.attempt, secrets)
        except Exception as error:  # noqa: BLE001 - all that was begun is undone, and the attempt is told as failed
            self._undo(begun, None)
            return _start_failed(assignment, error, had_started=False)
        return self._launch(begun, None) if payload.warm_python is None else self._warm(begun)

    def tell_deadline(self, left_s: float) -> None:
        """Raises OSError of the file; who asked for a signal gets it in any case."""
        try:
            deadline.write(self.settings.folder, left_s, clock.now_ms())
        finally:
            self.watch.ask_for_checkpoints()

    async def close(self) -> None:
        deadline.discard(self.settings.folder)
        await self._templates.close()
        self.watch.close()
        for _ in range(_REMOVE_TRIES):
            if not self.watch.sweep():
                break
            await asyncio.sleep(0.02)
        for left in list(self._lingering):
            if isinstance(left, Scratch):
                await asyncio.to_thread(left.remove, wait=True)
            else:
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
            tries -= not (isinstance(left, Scratch) and left.busy)
            if tries:
                self.loop.call_later(_REMOVE_AGAIN_S, self.remove, left, tries)

    # --- inside

    def _launch(self, begun: _Begun, child: Child | None) -> Finished | Running:
        """`child`: what runs it; None: a new process."""
        process: Leader | None = child
        try:
            checkpoint_signal = deadline.signal_asked(begun.payload.env)
            if child is not None:
                _folder(begun.payload, begun.scratch)  # what is wrong with the job is told before it begins
                os.sched_setaffinity(child.pid, begun.cores or self.cores.all)
            process = child or self._spawn(begun)
            attempt = ProcessAttempt(
                self,
                begun.assignment,
                begun.scratch,
                process,
                begun.cores,
                begun.cgroup,
                begun.started_at_ms,
                checkpoint_signal,
                Redaction(each.value for each in begun.secrets) if begun.secrets else None,
                forked=child is not None,
            )
        except Exception as error:  # noqa: BLE001 - all that was begun is undone, and the attempt is told as failed
            self._undo(begun, process)
            # A fork has not begun: what is wrong with the job is a ValueError, all else is the machine's fault.
            begun_already = process is not None and not (process is child and isinstance(error, ValueError))
            return _start_failed(begun.assignment, error, had_started=begun_already)
        if child is not None:
            try:
                self._tell(begun, child)
            except Exception as error:  # noqa: BLE001 - its end is reported with what went wrong
                attempt.failed(error)
        return attempt

    def _warm(self, begun: _Begun) -> Finished | Running:
        key = self._templates.key_of(begun.payload)
        if key is None or (self._cgroups is not None and begun.cgroup is None):
            return self._launch(
                begun, None
            )  # a fork must leave the group of its interpreter, with which it would end
        child = self._templates.spare(key)
        if child is not None:
            return self._launch(begun, child)
        attempt = WarmAttempt(
            self, begun.started_at_ms, partial(self._launch, begun), partial(self._never_started, begun)
        )
        self._templates.wait(key, attempt.take)
        return attempt

    def _never_started(self, begun: _Begun, verdict: Verdict) -> Finished:
        self._undo(begun, None)
        return ended_now(begun.assignment, verdict, clock.now_ms())

    def _tell(self, begun: _Begun, child: Child) -> None:
        """Raises OSError or ValueError."""
        environment = self._environment_of(begun)
        order = {
            "argv": begun.payload.command[1:],
            "folder": _folder(begun.payload, begun.scratch),
            "env": environment,
            "marks": "".join(
                f"{name}={environment[name]}\0" for name in (*self._marks, startup.JOB_ID, startup.ATTEMPT)
            ),
        }
        with self._stdin(begun.payload) as stdin:
            child.begin(order, stdin, begun.scratch.output)

    def _scratch(self, assignment: Assignment, *, keep: bool, shred: bool) -> Scratch:
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
                    keep=keep,
                    shred=shred,
                )
            except (FileNotFoundError, NotADirectoryError):
                if last:
                    raise
                make_work_folder(settings)
        raise AssertionError("not reached")

    def _cgroup(self, assignment: Assignment) -> Cgroup | None:
        return self._group(Limits(assignment.cpu_milli, assignment.memory_mib, assignment.cpu_hard))

    def _group(self, limits: Limits) -> Cgroup | None:
        if self._cgroups is None:
            return None
        try:
            return self._cgroups.take(limits)
        except OSError as error:
            _LOG.warning("A process runs without a cgroup: %s", error)
            return None

    def _give_back(self, cgroup: Cgroup) -> bool:
        return self._cgroups is None or self._cgroups.give_back(cgroup)

    def _undo(self, begun: _Begun, process: Leader | None) -> None:
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        self.cores.release(begun.cores, begun.assignment.cpu_milli)
        if begun.cgroup is not None:
            begun.cgroup.kill()
            self.remove(begun.cgroup)
        begun.scratch.close()
        self.remove(begun.scratch)

    def _environment_of(self, begun: _Begun) -> dict[str, str]:
        assignment, payload, scratch = begun.assignment, begun.payload, begun.scratch
        checkpoint = checkpoint_path(payload.data, assignment.job)
        return {
            **self._environment,
            **({"HOME": scratch.folder, "USER": self._identity.name} if self._identity else {}),
            "TMPDIR": scratch.folder,
            **payload.env,
            **variables_of(begun.secrets, scratch.secrets_folder),
            **self._marks,
            startup.JOB_ID: str(assignment.job),
            startup.ATTEMPT: str(assignment.attempt),
            startup.SCRATCH: scratch.folder,
            startup.RESULT: scratch.result_path,
            **({startup.CHECKPOINT_DIR: checkpoint} if checkpoint else {}),
            startup.DEADLINE_FILE: str(self.settings.folder / deadline.FILE),
        }

    def _spawn(self, begun: _Begun) -> Leader:
        with self._stdin(begun.payload) as stdin:
            return spawn(
                begun.payload.command,
                environment=self._environment_of(begun),
                folder=_folder(begun.payload, begun.scratch),
                stdin=stdin,
                output=begun.scratch.output,
                cores=begun.cores,
                all_cores=self.cores.all,
                identity=self._identity,
            )

    @contextmanager
    def _stdin(self, payload: JobPayload) -> Iterator[int]:
        stdin = text_as_file(payload.stdin) if payload.stdin else self._nothing
        try:
            yield stdin
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
