"""The server's side of the worker protocol: activation, and the exchange, by which a worker reports and receives work.

Called by the API. An answer leaves only when everything in the report, and everything it says itself, is durable. A call is held
open while there is nothing to say; a newer one of the same worker ends it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

import msgspec

from herder.control.jobs.attempts.attempt_environment import with_environment
from herder.control.jobs.attempts.inputs import Gathered, parents_file, payloads_for
from herder.control.kernel.bounds.errors import NotKnown, StoreTroubled, Unauthenticated
from herder.control.kernel.bounds.limits import LOG_NOTES_BYTES, LOG_TIMES_MAX
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import derived_token, hash_token
from herder.control.workers.strangers import activation_refusal, refusal
from herder.engine.attempts.attempt import ended
from herder.engine.memory.state import LiveAttempt, WorkerLife, pool_of
from herder.engine.workers.draining.drain_texts import until_ms
from herder.engine.workers.exchange import gather, has_news, leave, leave_after_one, not_carried, take_in
from herder.engine.workers.repairs.conditions import Found
from herder.engine.workers.repairs.repair import wants_clean_up
from herder.engine.workers.worker import activated, seen, suspect
from herder.model.fleet.pool import CpuLimit
from herder.model.fleet.repair import Condition
from herder.model.fleet.worker import WorkerState
from herder.model.ids import JobId, WorkerName
from herder.model.stored.changes import Changes
from herder.model.stored.records import LogRecord
from herder.model.work.job import Cause
from herder.wire.nesting import LEVELS_MAX, nested_too_deeply
from herder.wire.worker.exchange import (
    NO_RESULT,
    ActivateAnswer,
    ActivateRequest,
    Assignment,
    ExchangeAnswer,
    ExchangeRequest,
    Finished,
    Refusal,
)

#: A larger result is left out: results travel through the store to whoever asks for them.
RESULT_BYTES_MAX = 2**20
#: Characters kept of what a worker says of an attempt.
MESSAGE_MAX = 4000
#: Troubles of a worker that are kept, and characters of each.
TROUBLES_MAX = 8
TROUBLE_TEXT_MAX = 300
#: Characters kept of the version that an agent says it has.
VERSION_LENGTH = 50
_CONDITIONS = frozenset(each.value for each in Condition)


def beat_s(core: Core, worker: WorkerLife) -> float:
    return pool_of(core.state, worker).lifetime.heartbeat_s


def invited(core: Core, token: str) -> WorkerLife:
    """The worker that an activation token was made for. Raises Unauthenticated."""
    name = core.directory.activations.get(hash_token(token)) if token else None
    worker = core.state.workers.get(name) if name is not None else None
    if worker is None:
        raise activation_refusal(
            core, token, "Unknown or expired activation token.", "The worker was removed; stop this agent."
        )
    return worker


async def activate(core: Core, token: str, request: ActivateRequest) -> ActivateAnswer:
    """The one-time token for the worker's own. The same nonce again gets the same answer (the first may have been lost)."""
    worker = invited(core, token)
    if not request.nonce:
        raise Unauthenticated(
            "Unknown or expired activation token.", hint="The worker was removed; stop this agent."
        )
    own = derived_token(core.settings.secret, f"worker/{worker.spec.name}/{request.nonce}")
    before, changes = worker.token_hash, Changes()
    version = "".join(filter(str.isprintable, request.version))[:VERSION_LENGTH]
    now_ms = core.clock.now_ms()
    if not activated(core.state, changes, worker, hash_token(own), request.nonce, now_ms, version):
        raise Unauthenticated("This activation token was already used by another process.")
    if before is not None and before != worker.token_hash:
        core.directory.workers.pop(before, None)  # of the process before a repair: it is told to leave
    core.directory.workers[hash_token(own)] = worker.spec.name
    await core.commit(changes)
    beat, shape = beat_s(core, worker), worker.spec.allocatable
    return ActivateAnswer(
        worker=worker.spec.name,
        token=own,
        poll_s=min(core.settings.poll_s, beat),
        beat_s=beat,
        self_delete_after_s=core.settings.self_delete_after_s,
        cpu_milli=shape.cpu_milli,
        memory_mib=shape.memory_mib,
        disk_mib=shape.disk_mib,
        gpu=shape.gpu,
        slots=worker.spec.slots,
        log_bytes=core.settings.log_bytes_per_attempt,
        installation=core.settings.installation,
        servers=list(core.addresses) if len(core.leadership.addresses) > 1 else [],
    )


def worker_of(core: Core, token: str) -> WorkerLife:
    """The worker that a token belongs to. Raises Unauthenticated: that worker is to stop and leave."""
    name = core.directory.workers.get(hash_token(token)) if token else None
    worker = core.state.workers.get(name) if name is not None else None
    if worker is None:
        raise refusal(
            core, token, "Unknown worker token: the worker was removed.", "Stop all attempts and exit."
        )
    return worker


async def exchange(
    core: Core,
    worker: WorkerLife,
    request: ExchangeRequest,
    gone: Callable[[], Awaitable[object]],
    refused: Sequence[Refusal] = (),
) -> ExchangeAnswer:
    """`gone` ends when the connection does: a worker whose held-open call breaks gets no new work until it is heard of again.

    `refused`: items of the report that could not be read; the answer names them.
    """
    _wait_for_store(core, worker)
    await _take_in(core, worker, request)
    if request.wait and not refused and not has_news(core.state, worker):
        await _hold(core, worker, request.number, gone)
        if worker.exchange_number > request.number:
            # A newer call is the one that is answered.
            return ExchangeAnswer(
                number=0, drain=worker.state is WorkerState.DRAINING, use=_asks_for_use(core, worker)
            )
    answer = await _answer(core, worker)
    answer.refused = list(refused)
    if len(core.leadership.addresses) > 1:
        answer.servers = _new_addresses(core, worker.spec.name)
    return answer


def _new_addresses(core: Core, worker: WorkerName) -> list[str]:
    """Of the servers; empty when the worker was told the same before."""
    found = core.leadership.addresses
    if len(found) < 2 or core.told_addresses.get(worker) is found:
        return []
    core.told_addresses[worker] = found
    return list(core.addresses)


def _wait_for_store(core: Core, worker: WorkerLife) -> None:
    """What cannot be written down is not taken in: the worker keeps it and comes again. It lives all the same. Raises StoreTroubled."""
    trouble = core.store.trouble
    if trouble is not None and trouble.stuck:
        changes = Changes()
        seen(core.state, changes, worker, core.clock.now_ms())
        core.gather(changes)
        raise StoreTroubled(trouble)


async def _take_in(core: Core, worker: WorkerLife, request: ExchangeRequest) -> None:
    changes = Changes()
    with core.change(changes):
        _report(core, worker, request, changes, core.clock.now_ms())
    if not changes.empty or core.state.open_workers or core.state.dirty_workers:
        await core.commit(changes)


def _report(core: Core, worker: WorkerLife, request: ExchangeRequest, changes: Changes, now: int) -> None:
    superseded = request.number > worker.exchange_number
    take_in(
        core.state,
        changes,
        worker,
        number=request.number,
        ack=request.ack,
        begun=request.started,
        held=request.held,
        finished=frozenset((each.job, each.attempt) for each in request.finished),
        use=request.use,
        troubles=tuple(each[:TROUBLE_TEXT_MAX] for each in request.troubles[:TROUBLES_MAX]),
        typed=_typed(request),
        clock_ms=request.clock_ms,
        cleaned=request.cleaned[:TROUBLE_TEXT_MAX],
        interrupted_ms=request.interrupted_ms,
        now_ms=now,
    )
    _take_output(core, worker, request, changes)
    for each in request.finished:
        result = _result(each)
        if len(each.message) > MESSAGE_MAX:
            each.message = each.message[:MESSAGE_MAX]
        ended(core.state, changes, worker, each, result, now)
        if each.job in core.output_came.by_key:
            changes.after.append(partial(core.output_came.notify, each.job))
    if request.finished:
        leave_after_one(core.state, changes, worker, now)
    if request.leaving:
        leave(core.state, changes, worker, now)
    if superseded:
        wake_up = core.wake_ups.get(worker.spec.name)
        if wake_up is not None:
            wake_up.set()


def _typed(request: ExchangeRequest) -> dict[Condition, Found]:
    """Names that this version does not know are passed over: the agent may be newer."""
    return {
        Condition(name): Found(message[:TROUBLE_TEXT_MAX])
        for name, message in request.conditions[:TROUBLES_MAX]
        if name in _CONDITIONS
    }


def _take_output(core: Core, worker: WorkerLife, request: ExchangeRequest, changes: Changes) -> None:
    """A worker writes nobody else's output, and of an attempt no more than is kept, repeats included."""
    most = LOG_TIMES_MAX * core.settings.log_bytes_per_attempt + LOG_NOTES_BYTES
    for chunk in request.logs:
        own = worker.live.get(JobId(chunk.job))
        if own is None or own.number != chunk.attempt:
            continue
        own.log_bytes += len(chunk.text.encode())
        if own.log_bytes > most:
            continue
        changes.put(LogRecord(chunk.job, chunk.attempt, chunk.offset, chunk.text))
        if chunk.job in core.output_came.by_key:
            changes.after.append(partial(core.output_came.notify, chunk.job))


def _result(finished: Finished) -> str | None:
    """A result that cannot be kept is left out, and the attempt's message says so."""
    if finished.result == NO_RESULT:
        return None
    content = bytes(finished.result or b"")
    if not content:
        return None
    if len(content) > RESULT_BYTES_MAX:
        why = f"is larger than {RESULT_BYTES_MAX:,} bytes"
    elif nested_too_deeply(content):
        why = f"is nested more than {LEVELS_MAX} levels deep"
    else:
        try:
            return content.decode()
        except UnicodeDecodeError:
            why = "is not UTF-8"
    finished.message = " ".join(filter(None, (finished.message, f"The result {why} and was not kept.")))
    return None


async def _hold(core: Core, worker: WorkerLife, number: int, gone: Callable[[], Awaitable[object]]) -> None:
    name = worker.spec.name
    wake_up = core.wake_ups.get(name)
    if wake_up is None:
        wake_up = core.wake_ups[name] = asyncio.Event()
    deadline = asyncio.get_running_loop().time() + min(core.settings.poll_s, beat_s(core, worker))
    watch = asyncio.ensure_future(gone())
    try:
        while not (core.closing or has_news(core.state, worker)) and worker.exchange_number <= number:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            wake_up.clear()
            notify = asyncio.ensure_future(wake_up.wait())
            done, _ = await asyncio.wait({notify, watch}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            notify.cancel()
            if watch in done:
                await _broken(core, worker, number)
                return
    finally:
        watch.cancel()


async def _broken(core: Core, worker: WorkerLife, number: int) -> None:
    if worker.exchange_number == number and worker.state is WorkerState.READY:
        changes = Changes()
        suspect(
            core.state,
            changes,
            worker,
            "The connection to the worker was lost. It gets no new work until it reconnects.",
            core.clock.now_ms(),
        )
        await core.commit(changes)


async def _answer(core: Core, worker: WorkerLife) -> ExchangeAnswer:
    if worker.state.ended or worker.state is WorkerState.TERMINATING:
        return ExchangeAnswer(number=0, stop=True)
    number, attempts, cancels = gather(core.state, worker)
    assign: list[Assignment] = []
    if attempts:
        gathered = await payloads_for(core, attempts)
        await _fail_missing(core, worker, attempts, gathered)
        pool = core.state.pools.get(worker.spec.pool)
        pool_limit = pool.jobs.cpu_limit if pool else CpuLimit.WEIGHT
        for attempt in attempts:
            payload = gathered.payloads.get(attempt.job)
            if payload is None:
                not_carried(worker, attempt, number)
            else:
                job_class = core.state.classes[attempt.class_id]
                if job_class.type:
                    payload = with_environment(core, attempt, job_class, payload)
                fetch = attempt.job in gathered.fetch
                assign.append(_assignment(core, attempt, payload, pool_limit, fetch=fetch))
    return ExchangeAnswer(
        number=number,
        assign=assign,
        cancel=[(int(job), attempt) for job, attempt in cancels],
        drain=worker.state is WorkerState.DRAINING,
        use=_asks_for_use(core, worker),
        clean_up=wants_clean_up(worker),
        deadline_ms=_deadline_ms(core, worker),
    )


def _deadline_ms(core: Core, worker: WorkerLife) -> int | None:
    """How long the attempts of a worker whose machine is taken back may run on."""
    end_ms = until_ms(worker) if worker.health.interrupted else None
    return None if end_ms is None else max(0, end_ms - core.clock.now_ms())


def _assignment(
    core: Core, attempt: LiveAttempt, payload: bytes, pool_limit: CpuLimit, *, fetch: bool
) -> Assignment:
    job_class = core.state.classes[attempt.class_id]
    request = job_class.request
    return Assignment(
        job=attempt.job,
        attempt=attempt.number,
        runtime=job_class.runtime,
        cpu_milli=request.cpu_milli,
        memory_mib=request.memory_mib,
        disk_mib=request.disk_mib,
        gpu=request.gpu,
        timeout_ms=None if job_class.timeout_s is None else int(job_class.timeout_s * 1000),
        payload=msgspec.Raw(payload),
        cpu_hard=(job_class.cpu_limit or pool_limit) is CpuLimit.HARD,
        fetch=fetch,
        secrets=job_class.secrets,
    )


async def _fail_missing(
    core: Core, worker: WorkerLife, attempts: Sequence[LiveAttempt], gathered: Gathered
) -> None:
    """What can never be delivered ends here, so that it does not stand in the way of the others for ever."""
    if not gathered.missing:
        return
    now, changes = core.clock.now_ms(), Changes()
    for attempt in attempts:
        why = gathered.missing.get(attempt.job)
        if why is not None:
            end = Finished(
                job=attempt.job,
                attempt=attempt.number,
                state="failed",
                started_at_ms=now,
                ended_at_ms=now,
                cause=Cause.START_FAILED.value,
                message=f"The attempt could not be started: {why}.",
            )
            ended(core.state, changes, worker, end, None, now)
    await core.commit(changes)


def inputs_of(core: Core, worker: WorkerLife, job: int, number: int) -> AsyncIterator[bytes]:
    """The results of the parents of an attempt that this worker holds, in pieces. Raises NotKnown for any other."""
    return parents_file(core, held_attempt(worker, job, number).job)


def held_attempt(worker: WorkerLife, job: int, number: int) -> LiveAttempt:
    """Raises NotKnown for one that this worker does not have."""
    attempt = worker.live.get(JobId(job))
    if attempt is None or attempt.number != number:
        raise NotKnown(
            f"Worker {worker.spec.name} does not have attempt {number} of job {job}.",
            hint="Do not start the attempt.",
        )
    return attempt


def _asks_for_use(core: Core, worker: WorkerLife) -> bool:
    """The metrics show it of every pool; plans see it only where the pool has a rule for it."""
    return worker.spec.pool in core.state.pools


def forget_worker(core: Core, name: WorkerName) -> None:
    """Its tokens open nothing any more, its held call is answered."""
    for table in (core.directory.workers, core.directory.activations):
        for key in [key for key, owner in table.items() if owner == name]:
            del table[key]
    core.told_addresses.pop(name, None)
    wake_up = core.wake_ups.pop(name, None)
    if wake_up is not None:
        wake_up.set()
