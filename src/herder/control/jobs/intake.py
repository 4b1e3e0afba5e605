"""A record of an intake becomes a job, once, whatever is repeated and wherever the server stops in between.

Called by the loop `intakes` with records that it has claimed. The order is: the job is durable, under a request key made of the record's
name; then the record is acknowledged. A record that comes again finds its job by the key. What can never be a job is told as an event,
then kept apart with the reason.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from herder.control.access.idempotency import KEY_LENGTH, Requests
from herder.control.jobs.documented import submission_of
from herder.control.jobs.submitting import submission
from herder.control.kernel.bounds.errors import Invalid, NotReady, Overloaded, Refused, StoreTroubled
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.ids import UserName
from herder.model.permissions import ROLES, Principal
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause
from herder.ports.intake import RECORD_MOST_BYTES, IntakeQueue, Told
from herder.settings.sections.jobs.intakes import IntakeSettings
from herder.wire.api.documented import DataAccess, DocumentedSubmission, ResourceRequirements, TaskSpec
from herder.wire.decode_errors import explained_sentence
from herder.wire.worker import startup

#: A record is one job, whatever its data said when it came.
FINGERPRINT = "intake"
#: They pass by themselves: the record waits under its lease.
_WAIT = (Overloaded, NotReady, StoreTroubled)
#: Characters of a reason that are kept.
REASON_MAX = 1000


class _Requirements(msgspec.Struct, kw_only=True):
    cpu: str | int | float = ""
    memory: str | int = ""
    gpu: bool | int = False


class _Data(msgspec.Struct, kw_only=True):
    input_datasets: list[str] = []
    output_location: str = ""
    storage_credentials: str = ""


class _Record(msgspec.Struct, kw_only=True):
    """As documented; what else it has is passed over."""

    type: str
    priority: int = 0
    project_id: str = "default"
    task_spec: TaskSpec = msgspec.field(default_factory=TaskSpec)
    resource_requirements: _Requirements = msgspec.field(default_factory=_Requirements)
    data_access: _Data = msgspec.field(default_factory=_Data)


@dataclass(slots=True)
class Intake:
    core: Core
    settings: IntakeSettings
    queue: IntakeQueue
    requests: Requests = field(default_factory=Requests)

    async def take(self, record: str, data: bytes | None) -> int | None:
        """The number of its job; None: it was refused. Raises IntakeDown, and Refused for what passes by itself: then the record is claimed again."""
        try:
            job = await self._job_of(record, data)
        except _WAIT:
            raise
        except Refused as refused:
            await self._refuse(
                record, f"{refused.field}: {refused.detail}" if refused.field else refused.detail
            )
            return None
        told = Told(record=record, status="queued", data=with_status(data, "queued"), final=False)
        await self.queue.acknowledge(record, job, told)
        return job

    async def _job_of(self, record: str, data: bytes | None) -> int:
        """The number of its job, which is durable. Raises Refused."""
        core, key = self.core, f"intake/{self.settings.name}/{record}"
        if len(key) > KEY_LENGTH or not record.isprintable():
            raise Invalid("The name of the record is too long or has characters that are not printable.")
        user = UserName(self.settings.user)
        made = await self.requests.find(core, user, key, FINGERPRINT)
        if made is not None:
            await core.settle()
            return made.number
        if data is None:
            raise Invalid("The data of the record does not exist.")
        if len(data) > RECORD_MOST_BYTES:
            raise Invalid(f"The record has more than {RECORD_MOST_BYTES} bytes.")
        core.take_in_work()
        who, now_ms = self._principal(), core.clock.now_ms()
        job = self._submission(record, data)
        with core.change(Changes()) as changes:
            first = submission.submit(core, who, job, changes, now_ms).first_job
            self.requests.keep(changes, user, key, FINGERPRINT, now_ms)
        await core.commit(changes)
        return first

    def _principal(self) -> Principal:
        """Looked up anew for each record. Raises NotReady."""
        directory, name = self.core.directory, UserName(self.settings.user)
        user = directory.users.get(name)
        if user is None:
            raise NotReady(
                f"There is no user {name}, as whom intake {self.settings.name} submits.",
                hint=f"Create the user with `herder user create {name}`.",
            )
        return Principal(name, ROLES[user.role], directory.members.get(name, {}))

    def _submission(self, record: str, data: bytes) -> Any:
        """Raises Invalid."""
        try:
            found = msgspec.json.decode(data, type=_Record)
        except msgspec.ValidationError as error:
            raise Invalid(explained_sentence(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"The record is not JSON: {clause(error)}.") from None
        except RecursionError:
            raise Invalid("The record is nested too deeply.") from None
        known = self.core.state.sharing.job_type(found.type)
        of_type = 0 if known is None else known.priority
        wants, access = found.resource_requirements, found.data_access
        job = submission_of(
            DocumentedSubmission(
                type=found.type,
                pipeline_id=found.task_spec.pipeline_id,
                project_id=self.settings.project or found.project_id,
                parameters=found.task_spec.parameters,
                resource_requirements=ResourceRequirements(cpu=wants.cpu, memory=wants.memory, gpu=wants.gpu),
                data_access=DataAccess(
                    input_datasets=access.input_datasets,
                    output_location=access.output_location,
                    storage_credentials=access.storage_credentials,
                ),
                # The priority of the type is for everybody; another one must be the user's to name.
                priority=0 if found.priority == of_type else found.priority,
            )
        )
        job.key = record
        job.env[startup.TYPED_JOB_ID] = record
        return job

    async def _refuse(self, record: str, reason: str) -> None:
        core, name = self.core, self.settings.name
        shown = record.encode(errors="replace").decode()[:KEY_LENGTH]
        reason = reason[:REASON_MAX]
        changes = Changes()
        text = f"Record {shown!r} of intake {name} was refused. {reason}"
        record_event(
            core.state,
            changes,
            core.clock.now_ms(),
            "intake.refused",
            f"intake/{name}",
            text,
            owner=self.settings.user,
        )
        await core.commit(changes)
        await self.queue.refuse(record, reason)


def with_status(data: bytes | None, status: str, **more: str | None) -> bytes | None:
    """The record with the status of its job; None when it is gone, is too long or is no record."""
    if data is None or len(data) > RECORD_MOST_BYTES:
        return None
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(plain, dict):
        return None
    return msgspec.json.encode(
        {**plain, "status": status, **{key: text for key, text in more.items() if text is not None}}
    )
