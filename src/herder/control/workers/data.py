"""What a worker asks about the data of an attempt that it holds: signed URLs, and the manifest. Called by the API.

Only what the job itself names is signed, read from its stored payload. Stores are asked in threads of their own, so that one that does not
answer delays nothing else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from herder.control.jobs.attempts.inputs import stored_payload
from herder.control.jobs.attempts.object_stores import Signing
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.workers.exchange import held_attempt
from herder.engine.memory.state import WorkerLife
from herder.remote.object_stores.opening import DataFault, DataLacking, DataLater
from herder.wire.data import DataAnswer, DataRequest, JobData, outputs_of

ANSWER_S = 10.0
"""Under what a worker waits for an answer: it is told that the store does not answer, not left to think that of the server."""
FILES_MAX = 100_000
_THREADS = ThreadPoolExecutor(4, thread_name_prefix="herder-signing")


async def data_of(core: Core, worker: WorkerLife, job: int, number: int, request: DataRequest) -> DataAnswer:
    """Raises NotKnown for an attempt that this worker does not hold, and Invalid."""
    attempt = held_attempt(worker, job, number)
    if len(request.files) > FILES_MAX:
        raise Invalid(f"The call names {len(request.files):,} files; the maximum is {FILES_MAX:,}.")
    payload = await stored_payload(core, attempt.job)
    data = (payload.data if payload is not None else None) or JobData()
    signing = Signing(core.settings.object_stores, core.state.classes[attempt.class_id].project)

    def work() -> DataAnswer:
        if request.step == "inputs":
            signed, own = signing.inputs(data)
            return DataAnswer(inputs=signed, own=own)
        if request.step == "outputs":
            return DataAnswer(urls=signing.outputs(outputs_of(data, job, number), request.files))
        return DataAnswer(attempt=signing.manifest(data, job, number, request.files))

    return await _told(work)


async def _told(work: Callable[[], DataAnswer]) -> DataAnswer:
    running = asyncio.get_running_loop().run_in_executor(_THREADS, work)
    try:
        return await asyncio.wait_for(running, ANSWER_S)
    except DataFault as error:
        return DataAnswer(fault=str(error))
    except (DataLater, DataLacking) as error:
        return DataAnswer(fault=f"{error}", later=True)
    except TimeoutError:
        return DataAnswer(
            fault=f"The object store of the job's data did not answer the server within {ANSWER_S:g} s.",
            later=True,
        )
