"""The server's memory does not grow with what has ended: a million jobs, each with a log and a result, beside a hundred thousand.

The workers are played over their own protocol by this process; the server is the installed command with the pretend driver.
"""

import asyncio
import json
import os
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from bench.server.calls import Caller
from bench.server.calls import connect as call
from herder.wire.api.work import BatchCreate, JobSubmission
from herder.wire.worker.exchange import (
    ActivateAnswer,
    Assignment,
    ExchangeAnswer,
    ExchangeRequest,
    Finished,
    LogChunk,
)
from tests.acceptance.conftest import Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.storm, pytest.mark.timeout(1800)]

FIRST = int(os.environ.get("STORM_JOBS_FIRST", "100000"))
JOBS = int(os.environ.get("STORM_JOBS", "1000000"))
BATCH = 10_000
WORKERS = 2
GROWTH = 1.2

CONFIG = """
pools:
  std:
    driver: pretend
    templates: [{{name: large, cpu: 200, memory: 200Gi, price_per_hour: "0.01", slots: 2000}}]
    min_workers: {workers}
    max_workers: {workers}
    idle_timeout: null
drivers:
  pretend:
    kind: pretend
    settings: {{start_data_folder: {folder}}}
"""


async def test_memory_does_not_grow_with_what_has_ended(tmp_path: Path) -> None:
    installation = Installation(tmp_path, None)
    folder = tmp_path / "start"
    installation.config.write_text(CONFIG.format(workers=WORKERS, folder=json.dumps(str(folder))))
    await asyncio.to_thread(installation.start)
    try:
        url = json.loads((installation.data / "server.json").read_text())["url"]
        token = (installation.data / "admin.token").read_text().strip()
        assert installation.server is not None
        server = psutil.Process(installation.server.pid)
        workers = [asyncio.create_task(play(url, folder, number)) for number in range(WORKERS)]
        people = await call(url, token)
        sizes = {}
        for ended in range(BATCH, JOBS + 1, BATCH):
            await run_batch(people)
            for worker in workers:
                assert not worker.done(), worker.result()
            if ended in (FIRST, JOBS):
                await asyncio.sleep(2)
                sizes[ended] = server.memory_full_info()
        for worker in workers:
            worker.cancel()
        told = {jobs: (size.rss >> 20, size.uss >> 20) for jobs, size in sizes.items()}
        print(f"(RSS, private) MiB after so many ended jobs: {told}")
        assert sizes[JOBS].rss <= GROWTH * sizes[FIRST].rss, told
    finally:
        installation.close()


async def run_batch(people: Caller) -> None:
    jobs = [JobSubmission(runtime="noop", cpu="100m", memory="8Mi") for _ in range(BATCH)]
    body = msgspec.json.encode(BatchCreate(jobs=jobs, commit=True))
    batch = msgspec.json.decode(await people.call("POST", "/batches", body))["id"]
    while msgspec.json.decode(await people.call("GET", f"/batches/{batch}/wait"))["state"] == "running":
        pass


async def play(url: str, folder: Path, number: int) -> str:
    """One worker: whatever it is given ends at once, with a line of output and a result."""
    said = await started(folder, number)
    async with httpx.AsyncClient(base_url=url + "/api/v1", timeout=60) as http:
        headers = {"Authorization": f"Bearer {said['activation_token']}"}
        answer = await http.post("/worker/activate", json={"nonce": "n"}, headers=headers)
        token = msgspec.json.decode(answer.raise_for_status().content, type=ActivateAnswer).token
    line = await call(url, token)
    assignments: list[Assignment] = []
    ack, exchange = 0, 0
    while True:
        exchange += 1
        request = ExchangeRequest(
            number=exchange,
            ack=ack,
            wait=not assignments,
            finished=[ended(each) for each in assignments],
            logs=[
                LogChunk(job=each.job, attempt=each.attempt, offset=0, text=f"job {each.job} at work\n")
                for each in assignments
            ],
        )
        heard = msgspec.json.decode(
            await line.call("POST", "/worker/exchange", msgspec.json.encode(request)), type=ExchangeAnswer
        )
        if heard.stop:
            return "stop requested by the server"
        ack, assignments = heard.number or ack, heard.assign


async def started(folder: Path, number: int) -> dict[str, str]:
    while True:
        found = sorted(folder.glob("*.json")) if folder.exists() else []
        if len(found) > number:
            return dict(json.loads(found[number].read_text()))
        await asyncio.sleep(0.05)


def ended(assignment: Assignment) -> Finished:
    result = msgspec.Raw(b'{"job":%d}' % assignment.job)
    return Finished(
        job=assignment.job,
        attempt=assignment.attempt,
        state="succeeded",
        started_at_ms=1,
        ended_at_ms=2,
        exit_code=0,
        result=result,
    )
