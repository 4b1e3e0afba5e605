"""The inputs of attempts: payloads from memory or the store, and the results of parents for jobs that request them.

Used by `exchange`. Bounded in bytes, so that neither many large payloads nor the results of many parents make an answer that
cannot be sent or a server that grows: what does not fit waits for the next answer, and large results are fetched apart.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec
from sqlalchemy import Connection, case, func, select

from herder.control.kernel.core import Core
from herder.engine.memory.state import LiveAttempt
from herder.model.ids import JobId
from herder.model.work.job import AttemptState
from herder.store.rows.tables import attempts as attempts_table
from herder.store.rows.tables import job_parents, jobs
from herder.wire.worker.exchange import PARENTS_FILE, JobPayload

#: Payloads in one answer; the first is carried whatever its size (a job is at most as large as one call that submits it).
ANSWER_BYTES_MAX = 4 * 2**20
#: Parents' results up to this size travel inside the payload; larger ones are fetched apart.
INLINE_BYTES_MAX = 64 * 1024
#: Of results held in memory at a time for one fetch; one result is carried whatever its size (at most 1 MiB).
PIECE_BYTES = 512 * 1024
#: Payloads up to this size are read many at a time.
SMALL_BYTES = 4096
#: Rows asked for at a time: SQLite takes 32,766 parameters in a statement.
ROWS_PER_QUERY = 10_000


@dataclass(slots=True)
class Gathered:
    """`payloads` by job. `fetch`: the parents' results are to be fetched. `missing`: cannot be run. Others wait."""

    payloads: dict[JobId, bytes] = field(default_factory=dict)
    fetch: set[JobId] = field(default_factory=set)
    missing: dict[JobId, str] = field(default_factory=dict)
    size: int = 0

    def add(self, job: JobId, payload: bytes) -> bool:
        """False when it does not fit any more."""
        if self.payloads and self.size + len(payload) > ANSWER_BYTES_MAX:
            return False
        self.payloads[job] = payload
        self.size += len(payload)
        return True


async def payloads_for(core: Core, attempts: Sequence[LiveAttempt]) -> Gathered:
    """From memory first. A payload leaves memory when it is taken: a job is rarely started twice."""
    gathered = Gathered()
    unknown: list[LiveAttempt] = []
    for attempt in attempts:
        text = core.payloads.take(attempt.job)
        if text is None:
            unknown.append(attempt)
        elif not await _put(core, gathered, attempt, text.encode()):
            return gathered
    for start in range(0, len(unknown), ROWS_PER_QUERY):
        some = unknown[start : start + ROWS_PER_QUERY]
        wanted, left = [each.job for each in some], ANSWER_BYTES_MAX - gathered.size
        found, looked_at = await core.read(partial(_read_payloads, wanted=wanted, bytes_left=left))
        for attempt in some[:looked_at]:
            payload = found.get(attempt.job)
            if payload is None:
                gathered.missing[attempt.job] = "its payload is not in the store"
            elif not await _put(core, gathered, attempt, payload):
                return gathered
        if looked_at < len(some):
            break
    return gathered


async def _put(core: Core, gathered: Gathered, attempt: LiveAttempt, payload: bytes) -> bool:
    if core.state.classes[attempt.class_id].parents_results:
        whole: bytes | None = await core.read(partial(_with_parents, job=attempt.job, payload=payload))
        if whole is None:
            gathered.fetch.add(attempt.job)
        else:
            payload = whole
    return gathered.add(attempt.job, payload)


def _read_payloads(
    connection: Connection, wanted: Sequence[JobId], bytes_left: int
) -> tuple[dict[JobId, bytes], int]:
    """In the order of `wanted`, until there is enough; and how many were looked at. Large ones are read one by one."""
    length = func.length(jobs.c.payload)
    query = select(jobs.c.id, length, case((length <= SMALL_BYTES, jobs.c.payload))).where(
        jobs.c.id.in_(wanted)
    )
    rows = {job: (size, payload) for job, size, payload in connection.execute(query)}
    found: dict[JobId, bytes] = {}
    for looked_at, job in enumerate(wanted):
        if job not in rows:
            continue
        size, payload = rows[job]
        bytes_left -= size
        if bytes_left < 0 and found:
            return found, looked_at
        if payload is None:
            payload = connection.execute(select(jobs.c.payload).where(jobs.c.id == job)).scalar_one()
        found[job] = payload.encode()
    return found, len(wanted)


def _with_parents(connection: Connection, job: JobId, payload: bytes) -> bytes | None:
    """Put `parents.json` among the inputs; None when it is to be fetched apart."""
    parents = _parents(connection, job)
    if sum(size for _, _, size in parents) + 100 * len(parents) > INLINE_BYTES_MAX:
        return None
    results = _results(connection, [parent for parent, _, _ in parents])
    text = b"[" + b",".join(_entry(parent, key, results) for parent, key, _ in parents) + b"]"
    opened = msgspec.json.decode(payload, type=JobPayload)
    opened.inputs = {**opened.inputs, PARENTS_FILE: text.decode()}
    return msgspec.json.encode(opened)


async def stored_payload(core: Core, job: JobId) -> JobPayload | None:
    found, _ = await core.read(partial(_read_payloads, wanted=[job], bytes_left=ANSWER_BYTES_MAX))
    return msgspec.json.decode(found[job], type=JobPayload) if job in found else None


async def parents_file(core: Core, job: JobId) -> AsyncIterator[bytes]:
    """`parents.json` in pieces: a list of `{job, key, result}` in the order in which the parents were submitted."""
    parents: list[tuple[int, str | None, int]] = await core.read(partial(_parents, job=job))
    yield b"["
    for start, end in _pieces([size for _, _, size in parents]):
        some = parents[start:end]
        results = await core.read(partial(_results, parents=[parent for parent, _, _ in some]))
        yield b",".join(_entry(parent, key, results) for parent, key, _ in some) + (
            b"," if end < len(parents) else b""
        )
    yield b"]"


def _pieces(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of parents whose results together fit into `PIECE_BYTES` (or of one that does not)."""
    pieces: list[tuple[int, int]] = []
    start, total = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (total + size > PIECE_BYTES or index - start >= ROWS_PER_QUERY):
            pieces.append((start, index))
            start, total = index, 0
        total += size
    return [*pieces, (start, len(sizes))] if sizes else []


def _parents(connection: Connection, job: JobId) -> list[tuple[int, str | None, int]]:
    """(id, key, characters of the result)."""
    query = (
        select(jobs.c.id, jobs.c.key, func.coalesce(func.length(attempts_table.c.result), 0))
        .join(job_parents, job_parents.c.parent_id == jobs.c.id)
        .outerjoin(attempts_table, _SUCCEEDED)
        .where(job_parents.c.child_id == job)
        .order_by(jobs.c.id)
    )
    return [(int(parent), key, int(size)) for parent, key, size in connection.execute(query)]


def _results(connection: Connection, parents: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(parents), ROWS_PER_QUERY):
        some = parents[start : start + ROWS_PER_QUERY]
        query = select(attempts_table.c.job_id, attempts_table.c.result).where(
            attempts_table.c.job_id.in_(some), attempts_table.c.state == int(AttemptState.SUCCEEDED)
        )
        found.update((int(job), result) for job, result in connection.execute(query) if result)
    return found


def _entry(parent: int, key: str | None, results: dict[int, str]) -> bytes:
    result = results.get(parent)
    raw = msgspec.Raw(result.encode()) if result else None
    return msgspec.json.encode({"job": parent, "key": key, "result": raw})


_SUCCEEDED = (attempts_table.c.job_id == jobs.c.id) & (attempts_table.c.state == int(AttemptState.SUCCEEDED))
