"""The runtime that runs each attempt in a container, through the Docker Engine API of the engine on this machine.

The life of one container is in `container_attempt`. An engine that does not answer is the worker's trouble: attempts that meet it end as
infrastructure, and the worker takes nothing new until it answers again.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from herder.agent.containers import request
from herder.agent.containers.engine import (
    Engine,
    EngineDown,
    EngineRefused,
    address_of,
    own_process,
    process_lives,
)
from herder.agent.containers.images import Images
from herder.agent.environment import clock
from herder.agent.environment.settings import AgentSettings
from herder.agent.processes.scratch import Scratch, make_work_folder
from herder.agent.processes.secret_files import SecretPlace
from herder.agent.runtimes import Report, Running, RuntimeLacking, Verdict, ended_now
from herder.agent.runtimes.container_attempt import ContainerAttempt
from herder.model.values.phrases import clause, sentence
from herder.model.work.job import Cause
from herder.wire.api.secrets import Delivered
from herder.wire.worker import startup
from herder.wire.worker.exchange import Assignment, Finished, JobPayload

_LOG = logging.getLogger(__name__)
_PAYLOAD = msgspec.json.Decoder(JobPayload)
PROBE_S = 3.0
"""How often an engine that did not answer is asked again."""
CLOSE_S = 10.0
_REMOVE_AGAIN_S = 0.5
_REMOVE_TRIES = 10


class ContainerRuntime:
    def __init__(self, settings: AgentSettings, report: Report) -> None:
        """Raises RuntimeLacking where there is no engine."""
        address = settings.container_engine or address_of(os.environ)
        if not address:
            raise RuntimeLacking(
                "This worker has no container engine. Start Docker or `podman system service` on its machine, or set CONTAINER_HOST for its agent."
            )
        self.settings = settings
        self.report = report
        try:
            self.engine = Engine(address)
        except ValueError as error:
            raise RuntimeLacking(str(error)) from None
        self.images = Images(self.engine)
        self.loop = asyncio.get_running_loop()
        self.labels = {
            request.LABEL_INSTALLATION: settings.installation,
            request.LABEL_WORKER: settings.worker,
            request.LABEL_AGENT: own_process(),
        }
        self.names = {startup.WORKER: settings.worker, startup.INSTALLATION: settings.installation}
        self._down = ""
        self._closing = False
        self._probe: asyncio.Task[None] | None = None
        self._attempts: dict[tuple[int, int], ContainerAttempt] = {}
        self._lingering: set[Scratch] = set()
        self._secrets = SecretPlace(settings.folder)
        self._leftovers = self.loop.create_task(self._remove_leftovers())

    def start(
        self, assignment: Assignment, inputs: str | None = None, secrets: Sequence[Delivered] = ()
    ) -> Finished | Running:
        now_ms = clock.now_ms()
        try:
            payload = _PAYLOAD.decode(assignment.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            text = f"The payload cannot be read: {clause(error)}."
            return ended_now(assignment, Verdict("failed", Cause.START_FAILED, text), now_ms)
        refused = self.refused(payload)
        if refused:
            return ended_now(assignment, Verdict("failed", Cause.START_FAILED, refused), now_ms)
        try:
            scratch = self._scratch(assignment, payload, inputs, secrets)
        except (OSError, ValueError) as error:
            cause = Cause.INFRASTRUCTURE if isinstance(error, OSError) else Cause.START_FAILED
            text = f"The scratch folder cannot be made: {clause(error)}."
            return ended_now(assignment, Verdict("failed", cause, text), now_ms)
        made = ContainerAttempt(self, assignment, payload, scratch, now_ms, secrets)
        self._attempts[assignment.job, assignment.attempt] = made
        return made

    def troubles(self) -> list[str]:
        """What keeps this worker from starting containers now, as sentences."""
        return [sentence(self._down)] if self._down else []

    def ended(self, attempt: ContainerAttempt, finished: Finished) -> None:
        self._attempts.pop((attempt.job, attempt.attempt), None)
        self.report.ended(finished)

    def engine_is_down(self, error: EngineDown) -> None:
        """Until it answers again, the worker says so."""
        self._down = str(error)
        if not self._closing and (self._probe is None or self._probe.done()):
            self._probe = self.loop.create_task(self._until_it_answers())

    def remove(self, scratch: Scratch, tries: int = _REMOVE_TRIES) -> None:
        """Now, or a little later when the engine still unmounts it."""
        self._lingering.discard(scratch)
        gone = False
        with suppress(OSError):
            gone = scratch.remove()
        if not gone:
            self._lingering.add(scratch)
            tries -= not scratch.busy
            if tries:
                self.loop.call_later(_REMOVE_AGAIN_S, self.remove, scratch, tries)

    async def close(self) -> None:
        self._closing = True  # a new probe would last until the engine answers
        for task in (self._probe, self._leftovers):
            if task is not None:
                task.cancel()
        tasks = [each.task for each in self._attempts.values()]
        for each in list(self._attempts.values()):
            each.stop(Verdict("failed", Cause.DRAINED, "The worker stopped."), at_once=True)
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S)
        await self.images.close()
        await asyncio.gather(*filter(None, (self._probe, self._leftovers)), return_exceptions=True)
        await self.engine.close()
        for scratch in list(self._lingering):
            with suppress(OSError):
                await asyncio.to_thread(scratch.remove, wait=True)
        self._secrets.close()

    # --- inside

    def refused(self, payload: JobPayload) -> str:
        """Why this worker does not run it; empty: it does. Asked again before the container is made: an image may have been pulled for
        minutes, in which a job that runs may have put a link where there was a folder."""
        if not payload.image:
            return "The job has no image."
        options = payload.options()
        if options.network == "host" and not self.settings.container_host_network:
            return "The job requests the network of the host, which this worker does not allow. Set HERDER_CONTAINER_HOST_NETWORK=on for its agent."
        roots = self.settings.container_mounts
        for mount in options.mounts:
            source = os.path.realpath(mount.source)
            if not any(source == root or source.startswith(root.rstrip("/") + "/") for root in roots):
                allowed = ", ".join(roots) or "none"
                return f"The job mounts {mount.source}, which this worker does not allow. Allowed folders: {allowed} (HERDER_CONTAINER_MOUNTS)."
        return ""

    def _scratch(
        self, assignment: Assignment, payload: JobPayload, inputs: str | None, secrets: Sequence[Delivered]
    ) -> Scratch:
        make_work_folder(self.settings)
        scratch = Scratch(
            self.settings.folder,
            assignment.job,
            assignment.attempt,
            self.settings.result_most_bytes,
            shared=True,
            keep=payload.data is not None,
            shred=payload.shred,
        )
        try:
            scratch.prepare(payload.inputs, inputs)
            user = payload.options().user
            scratch.put_secrets(self._secrets, assignment.job, assignment.attempt, secrets, user)
        except BaseException:
            scratch.close()
            scratch.remove()
            raise
        return scratch

    async def _until_it_answers(self) -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            try:
                await self.engine.ping()
            except EngineDown as error:
                self._down = str(error)
            except EngineRefused as error:
                self._down = f"The container engine at {self.engine.address} refuses a ping: {error}"
            else:
                _LOG.warning("The container engine at %s answers again.", self.engine.address)
                self._down = ""
                return

    async def _remove_leftovers(self) -> None:
        """Containers of agents of this installation that run on this machine no more."""
        try:
            for each in await self.engine.labelled(
                f"{request.LABEL_INSTALLATION}={self.settings.installation}"
            ):
                agent = each.labels.get(request.LABEL_AGENT, "")
                if not process_lives(agent):
                    job = each.labels.get(request.LABEL_JOB, "?")
                    _LOG.warning("Container %s of job %s was left over and is removed.", each.id[:12], job)
                    await self.engine.remove(each.id)
        except EngineDown as error:
            self.engine_is_down(error)
        except EngineRefused as error:
            _LOG.warning("Containers that were left over cannot be removed: %s", error)
