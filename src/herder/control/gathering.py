"""What attempts will run: payloads from memory or the store, with the results of parents put in where a job asked for them."""

from collections.abc import Sequence
from functools import partial

import msgspec
from sqlalchemy import Connection, select

from herder.control.core import Core
from herder.engine.state import LiveAttempt
from herder.model.ids import JobId
from herder.model.job import AttemptState
from herder.store.tables import attempts as attempts_table
from herder.store.tables import job_parents, jobs
from herder.wire.exchange import JobPayload

PARENTS_FILE = "parents.json"
#: Rows asked for at a time: SQLite takes 32,766 parameters in a statement.
ROWS_PER_QUERY = 10_000


async def payloads_for(core: Core, attempts: Sequence[LiveAttempt]) -> dict[JobId, bytes]:
    """By job; from memory first. A payload leaves memory when it is taken: a job is rarely started twice."""
    found: dict[JobId, bytes] = {}
    missing: list[JobId] = []
    for attempt in attempts:
        text = core.payloads.take(attempt.job)
        if text is None:
            missing.append(attempt.job)
        else:
            found[attempt.job] = text.encode()
    if missing:
        found.update(await core.read(lambda connection: _read_payloads(connection, missing)))
    for attempt in attempts:
        if core.state.classes[attempt.class_id].parents_results:
            found[attempt.job] = await core.read(
                partial(_with_parents, job=attempt.job, payload=found[attempt.job])
            )
    return found


def _read_payloads(connection: Connection, wanted: Sequence[JobId]) -> dict[JobId, bytes]:
    found: dict[JobId, bytes] = {}
    for start in range(0, len(wanted), ROWS_PER_QUERY):
        query = select(jobs.c.id, jobs.c.payload).where(jobs.c.id.in_(wanted[start : start + ROWS_PER_QUERY]))
        found.update((JobId(job), payload.encode()) for job, payload in connection.execute(query))
    return found


def _with_parents(connection: Connection, job: JobId, payload: bytes) -> bytes:
    """Put `parents.json` among the inputs: a list of `{job, key, result}` in the order in which the parents were submitted."""
    query = (
        select(jobs.c.id, jobs.c.key, attempts_table.c.result)
        .join(job_parents, job_parents.c.parent_id == jobs.c.id)
        .outerjoin(
            attempts_table,
            (attempts_table.c.job_id == jobs.c.id) & (attempts_table.c.state == int(AttemptState.SUCCEEDED)),
        )
        .where(job_parents.c.child_id == job)
        .order_by(jobs.c.id)
    )
    results = [
        {"job": parent, "key": key, "result": msgspec.Raw(result.encode()) if result else None}
        for parent, key, result in connection.execute(query)
    ]
    opened = msgspec.json.decode(payload, type=JobPayload)
    opened.inputs = {**opened.inputs, PARENTS_FILE: msgspec.json.encode(results).decode()}
    return msgspec.json.encode(opened)
