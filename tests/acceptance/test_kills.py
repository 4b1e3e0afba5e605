"""Nothing that was accepted is lost and nothing succeeds twice, whoever is killed when."""

import json
import time

import psutil
import pytest

from herder.client import connect
from herder.wire.api.work import BatchCreate, JobSubmission
from tests.acceptance.conftest import Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(400)]

JOBS = 500


def submit(installation: Installation, count: int, sleep_ms: int) -> int:
    """Most pretend to work, one in 25 is a real process."""
    jobs = [
        JobSubmission(command=["true"], cpu="50m", memory="8Mi")
        if number % 25 == 0
        else JobSubmission(runtime="noop", sleep_ms=sleep_ms, cpu="25m", memory="8Mi")
        for number in range(count)
    ]
    with connect(env=installation.env) as client:
        return client.batches.create(BatchCreate(name="kills", jobs=jobs, commit=True)).id


def counts(installation: Installation, batch: int) -> dict[str, int]:
    return dict(json.loads(installation.run("batch", "get", str(batch), "-o", "json"))["counts"])


def finish(installation: Installation, batch: int, jobs: int, began: float) -> None:
    """All succeeded, each once; the books agree; nobody is left when the server has been stopped."""
    left = max(60.0, 120 - (time.monotonic() - began))
    installation.run("batch", "wait", str(batch), "--timeout", f"{left:.0f}s", limit_s=left + 60)
    assert counts(installation, batch) == {"succeeded": jobs}
    admin = ["admin", "invariants", "--data-dir", str(installation.data), *installation.store]
    assert "All invariants hold." in installation.run(*admin)
    with connect(env=installation.env) as client:
        assert client.invariants() == []
        tried = [job for job in client.jobs.list(batch=batch) if job.attempts > 1]
    assert installation.stop() == 0
    installation.until(lambda: not installation.agents(), 20, "the workers to go")
    assert "All invariants hold." in installation.run(*admin)
    assert tried, "nothing was lost: the kills came too late to prove anything"
    print(f"{jobs} jobs in {time.monotonic() - began:.1f} s; {len(tried)} were tried again")


def progress(installation: Installation, batch: int, at_least: int) -> None:
    installation.until(
        lambda: counts(installation, batch).get("succeeded", 0) >= at_least, 60, f"{at_least} successes"
    )


def at_work(installation: Installation) -> list[psutil.Process]:
    """Agents that hold attempts. All agents are stopped (SIGSTOP), so that none of these can be reported before its agent is killed."""
    found: list[psutil.Process] = []

    def look() -> bool:
        agents = installation.main_agents()
        for agent in agents:
            agent.suspend()
        with connect(env=installation.env) as client:
            busy = {worker.name for worker in client.workers.list() if worker.attempts}
        found[:] = [agent for agent in agents if agent.environ().get("HERDER_WORKER") in busy]
        if not found:
            for agent in agents:
                agent.resume()
        return bool(found)

    installation.until(look, 60, "an agent with something to do")
    return found


def go_on(installation: Installation) -> None:
    for agent in installation.main_agents():
        agent.resume()


def test_500_jobs_three_kills_of_the_server_and_two_of_an_agent(installation: Installation) -> None:
    began = time.monotonic()
    installation.start()
    batch = submit(installation, JOBS, sleep_ms=700)
    for number in range(3):
        progress(installation, batch, 20 + 60 * number)
        busy = at_work(installation) if number < 2 else []
        installation.kill()
        if busy:
            busy[0].kill()
            go_on(installation)
        installation.start()
    finish(installation, batch, JOBS, began)


def test_server_and_all_agents_die_at_once(installation: Installation) -> None:
    began = time.monotonic()
    installation.start()
    batch = submit(installation, 100, sleep_ms=2500)
    at_work(installation)
    agents = installation.main_agents()
    installation.kill()
    for agent in agents:
        agent.kill()
    installation.start()
    finish(installation, batch, 100, began)


def test_an_agent_dies_under_a_server_that_lives(installation: Installation) -> None:
    began = time.monotonic()
    installation.start()
    batch = submit(installation, 100, sleep_ms=2500)
    for number in range(2):
        progress(installation, batch, 30 * number)
        at_work(installation)[0].kill()
        go_on(installation)
    finish(installation, batch, 100, began)
