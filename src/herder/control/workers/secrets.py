"""The secrets of one attempt, for the worker that holds it. Called by the API when the attempt is about to start.

This is the only place where values are decrypted. They are in no exchange, row, event or log line, and are not kept in memory.
"""

from collections.abc import Mapping
from functools import partial

import msgspec
from sqlalchemy import Connection, select

from herder.control.access.secrets import PROJECT, USER, SecretKey, place_of
from herder.control.jobs.submitting.secret_uses import user_may
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.model.ids import JobId, UserName
from herder.model.stored.service_records import SecretRecord
from herder.model.values.phrases import sentence
from herder.secrets.sealing import SealError
from herder.store.rows.secrets_table import secrets as secrets_table
from herder.store.rows.tables import jobs
from herder.wire.api.secrets import Delivered, SecretsAnswer
from herder.wire.worker.exchange import JobPayload, SecretUse


async def secrets_of(core: Core, worker: WorkerLife, job: int, number: int) -> SecretsAnswer:
    """Raises NotKnown for an attempt that this worker does not hold."""
    attempt = worker.live.get(JobId(job))
    if attempt is None or attempt.number != number:
        raise NotKnown(
            f"Worker {worker.spec.name} does not have attempt {number} of job {job}.",
            hint="Do not start the attempt.",
        )
    of = core.state.classes[attempt.class_id]
    created_ms, uses, rows = await core.read(partial(_read, job=job, user=of.user, project=of.project))
    values: list[Delivered] = []
    for use in uses:
        try:
            values.append(_delivered(core, use, rows, of.user, of.project, created_ms))
        except SealError as error:
            return SecretsAnswer(missing=sentence(f"Secret {use.name} cannot be delivered: {error}"))
    return SecretsAnswer(values=values)


def _delivered(
    core: Core,
    use: SecretUse,
    rows: Mapping[SecretKey, SecretRecord],
    user: UserName,
    project: str,
    created_ms: int,
) -> Delivered:
    """Raises SealError. `created_ms`: when the job was created."""
    key = _key(use, user, project)
    row = rows.get(key)
    if row is None or not row.sealed:
        raise SealError(f"it was deleted from {key[0]} {key[1]}")
    if key[0] == USER and row.created_at_ms > created_ms:
        # The name of a deleted user may be somebody else's by now.
        raise SealError(
            f"the secret of this name of user {user} was created after the job; submit the job again to use it"
        )
    if not user_may(core, user, key):
        raise SealError(f"user {user} is no longer a member of project {project} with the role user")
    if use.env and not row.text:
        raise SealError("its new value has bytes that a variable cannot hold")
    ring = core.settings.secret_keys
    if ring is None:
        raise SealError("the server has no key for secrets")
    value = ring.open(row.key_id, place_of(row), row.sealed)
    return Delivered(name=use.name, value=value, env=use.env, file=use.file)


def _read(
    connection: Connection, job: int, user: UserName, project: str
) -> tuple[int, list[SecretUse], dict[SecretKey, SecretRecord]]:
    """When the job was created, what it uses, and those that there are."""
    query = select(jobs.c.created_at_ms, jobs.c.payload).where(jobs.c.id == job)
    created_ms, payload = connection.execute(query).one()
    uses = msgspec.json.decode(payload, type=JobPayload).secrets
    c, found = secrets_table.c, {}
    for use in uses:
        scope, owner, name = _key(use, user, project)
        named = select(secrets_table).where(c.scope == scope, c.owner == owner, c.name == name)
        row = connection.execute(named).first()
        if row is not None:
            found[scope, owner, name] = SecretRecord(*row)
    return created_ms, uses, found


def _key(use: SecretUse, user: UserName, project: str) -> SecretKey:
    return (PROJECT, project, use.name) if use.scope == PROJECT else (USER, str(user), use.name)
