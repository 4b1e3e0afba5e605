"""Attempts in containers that are stopped at any moment report one end, with a played engine."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from herder.agent.containers.engine import Container, Engine, EngineDown, EngineRefused, State
from herder.agent.containers.images import Images
from herder.agent.environment.settings import AgentSettings
from herder.agent.runtimes import Report, Verdict
from herder.agent.runtimes.container import ContainerRuntime
from herder.agent.runtimes.container_attempt import _LOOKS_S, ContainerAttempt
from herder.model.work.job import Cause
from herder.wire.worker.exchange import Assignment, Finished, LogChunk

CANCELLED = Verdict("cancelled", Cause.CANCELLED, "It was cancelled.")


class PlayedEngine:
    """Its container ends with exit code 3, and is removed when `may_remove` is set."""

    address = "unix:///played.sock"

    def __init__(self) -> None:
        self.refuses_start = False
        self.refusal = EngineRefused("no such command", 400)
        self.exit_code = 3
        self.down = False
        self.ends = asyncio.Event()
        self.removing = asyncio.Event()
        self.may_remove = asyncio.Event()
        self.ends.set()
        self.running = False
        self.looks = 0

    async def image_there(self, image: str) -> bool:
        return True

    async def labelled(self, label: str) -> list[Container]:
        return []

    async def create(self, name: str, body: Any) -> str:
        return "c"

    async def start(self, container: str) -> None:
        if self.refuses_start:
            raise self.refusal

    async def attach(self, container: str) -> AsyncIterator[bytes | None]:
        yield None

    async def wait(self, container: str) -> None:
        await self.ends.wait()

    async def state(self, container: str) -> State:
        self.looks += 1
        return State(exit_code=self.exit_code, running=self.running)

    async def kill(self, container: str, signal: str) -> None:
        self.ends.set()

    async def remove(self, container: str) -> None:
        self.removing.set()
        await self.may_remove.wait()
        await self.ping()

    async def ping(self) -> None:
        if self.down:
            raise EngineDown("The played engine does not answer")

    async def close(self) -> None: ...


class Ends:
    def __init__(self) -> None:
        self.found: list[Finished] = []
        self.came = asyncio.Event()

    def ended(self, finished: Finished) -> None:
        self.found.append(finished)
        self.came.set()

    def output(self, chunks: list[LogChunk]) -> None: ...

    def output_waits(self, job: int, attempt: int) -> bool:
        return False


@pytest.fixture
async def engine() -> PlayedEngine:
    return PlayedEngine()


@pytest.fixture
async def ends() -> Ends:
    return Ends()


@pytest.fixture
async def runtime(tmp_path: Path, engine: PlayedEngine, ends: Ends) -> AsyncIterator[ContainerRuntime]:
    settings = AgentSettings(
        server_url="http://x",
        worker="w",
        activation_token="t",
        work_folder=tmp_path,
        container_engine="unix:///no/such.sock",
    )
    made = ContainerRuntime(settings, cast("Report", ends))
    real, made.engine = made.engine, cast("Engine", engine)
    made.images = Images(made.engine)
    yield made
    engine.down = False
    engine.may_remove.set()
    await made.close()
    await real.close()


def started(runtime: ContainerRuntime) -> ContainerAttempt:
    payload = msgspec.Raw(b'{"command": ["x"], "image": "i:1"}')
    made = runtime.start(
        Assignment(
            job=7,
            attempt=1,
            runtime="container",
            cpu_milli=100,
            memory_mib=64,
            disk_mib=0,
            gpu=0,
            timeout_ms=None,
            payload=payload,
        )
    )
    assert isinstance(made, ContainerAttempt)
    return made


async def test_a_stop_before_its_first_step_is_reported(
    runtime: ContainerRuntime, engine: PlayedEngine, ends: Ends
) -> None:
    engine.may_remove.set()
    started(runtime).stop(CANCELLED)
    async with asyncio.timeout(30):
        await ends.came.wait()
    assert [each.state for each in ends.found] == ["cancelled"]


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_stop_while_its_container_is_removed_loses_no_end(
    runtime: ContainerRuntime, engine: PlayedEngine, ends: Ends, refuses: bool
) -> None:
    engine.refuses_start = refuses
    attempt = started(runtime)
    async with asyncio.timeout(30):
        await engine.removing.wait()
        attempt.stop(CANCELLED)
        attempt.stop(CANCELLED, at_once=True)
        await asyncio.sleep(0)
        engine.may_remove.set()
        await ends.came.wait()
    assert [each.cause for each in ends.found] == ["start_failed" if refuses else "exit_code"]
    assert attempt._stopping is None, "nothing kills a container that has been removed"


async def test_a_worker_whose_engine_is_down_stops(
    runtime: ContainerRuntime, engine: PlayedEngine, ends: Ends
) -> None:
    engine.down = True
    started(runtime)
    async with asyncio.timeout(30):
        await engine.removing.wait()
        closing = asyncio.create_task(runtime.close())
        await asyncio.sleep(0)  # it waits for the attempt
        engine.may_remove.set()
        await ends.came.wait()
        await closing
    assert len(ends.found) == 1


async def test_a_container_whose_output_has_ended_ends_before_its_engine_says_so(
    runtime: ContainerRuntime, engine: PlayedEngine, ends: Ends
) -> None:
    engine.ends.clear()
    engine.may_remove.set()
    started(runtime)
    async with asyncio.timeout(30):
        await ends.came.wait()
    assert [each.exit_code for each in ends.found] == [3]
    assert not engine.ends.is_set()


async def test_one_that_has_closed_its_output_and_runs_on_is_waited_for(
    runtime: ContainerRuntime, engine: PlayedEngine, ends: Ends
) -> None:
    engine.ends.clear()
    engine.may_remove.set()
    engine.running = True
    started(runtime)
    async with asyncio.timeout(30):
        while engine.looks < 1 + len(_LOOKS_S):
            await asyncio.sleep(0.01)
        assert ends.found == []
        engine.running = False
        engine.ends.set()
        await ends.came.wait()
    assert [each.exit_code for each in ends.found] == [3]


async def test_an_end_that_the_engine_does_not_know_is_not_the_jobs(
    runtime: ContainerRuntime, engine: PlayedEngine, ends: Ends
) -> None:
    engine.exit_code = -1
    engine.may_remove.set()
    started(runtime)
    async with asyncio.timeout(30):
        await ends.came.wait()
    (end,) = ends.found
    assert (end.cause, end.exit_code) == ("infrastructure", None)
    assert end.message == "The engine does not know how the container ended."


async def test_a_refusal_for_lack_of_something_of_the_machine_is_not_the_jobs(
    runtime: ContainerRuntime, engine: PlayedEngine, ends: Ends
) -> None:
    engine.refuses_start = True
    engine.refusal = EngineRefused("runc: fork: Resource temporarily unavailable", 500)
    engine.may_remove.set()
    started(runtime)
    async with asyncio.timeout(30):
        await ends.came.wait()
    assert [each.cause for each in ends.found] == ["infrastructure"]
