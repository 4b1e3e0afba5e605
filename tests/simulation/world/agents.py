"""The machines' side of the simulated world: on each machine that has booted the real agent runs, with a runtime that only waits.

An agent is a host of its own. It dies with its machine; it can also be killed while the machine stays, or be stopped for a while.
"""

import asyncio
import logging
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.ports import AgentPorts
from herder.agent.main import converse
from herder.agent.runtimes import Report, Running, Runtime, Verdict, ended_now
from herder.drivers.pretend.world import Booted, PretendWorld
from herder.model.work.job import Cause
from herder.wire.exchange import Assignment, Finished
from tests.simulation.world.clock import VirtualClock
from tests.simulation.world.loop import VirtualLoop
from tests.simulation.world.network import Line, Wire
from tests.simulation.world.plan import Dice

#: How often machines that came or went are looked for.
LOOK_S = 0.25
_UNCUT = Path(tempfile.gettempdir())


class _Payload(msgspec.Struct):
    command: list[str] = []
    sleep_ms: int = 0


class Machines:
    """Who runs where, and what was run: the side effects of jobs, counted where they happen."""

    def __init__(
        self, loop: VirtualLoop, clock: VirtualClock, provider: PretendWorld, wire: Wire, dice: Dice
    ) -> None:
        self._loop, self._clock, self._provider, self._wire, self._dice = loop, clock, provider, wire, dice
        self.agents: dict[str, str] = {}
        """Host by worker."""
        self.began: Counter[tuple[int, int]] = Counter()
        """Starts by (job, attempt)."""
        self.done: Counter[int] = Counter()
        """By job: how often its work was carried out to the end."""
        self._restarts: dict[str, int] = {}
        """Of each machine, how many were seen."""
        self.broken: set[str] = set()
        """Workers on which nothing can be started."""

    async def look(self) -> None:
        while True:
            self.compare()
            await asyncio.sleep(LOOK_S)

    def compare(self) -> None:
        there = {worker for (_, worker), machine in self._provider.machines.items() if machine.running}
        for worker in [worker for worker in self.agents if worker not in there]:
            self.kill(worker)
        for (_, name), machine in self._provider.machines.items():
            if machine.restarts != self._restarts.get(name, 0):
                self._restarts[name] = machine.restarts
                if name in self.agents:
                    self.kill(name)
        for booted in self._provider.newly_booted():
            self._boot(booted)

    def kill(self, worker: str) -> None:
        self._loop.kill_host(self.agents.pop(worker))

    def _boot(self, booted: Booted) -> None:
        name = booted.spec.name
        settings = AgentSettings(
            server_url=booted.start.server_url,
            worker=name,
            activation_token=booted.start.activation_token,
            self_delete_after_s=booted.start.self_delete_after_s,
            work_folder=_UNCUT,
        )
        ports = AgentPorts(
            network=Line(self._wire, settings, self._dice.odds.network),
            clock=self._clock,
            chance=self._dice.draw,
            open_runtime=lambda _name, settings, report: _Waits(report, self, settings.worker),
            open_health=lambda _settings: None,
        )
        again = self._restarts.get(name, 0)
        host = self.agents[name] = f"agent {name} {again}" if again else f"agent {name}"
        self._loop.begin(host, self._live(settings, ports))

    async def _live(self, settings: AgentSettings, ports: AgentPorts) -> None:
        await converse(settings, ports, asyncio.Event())

    def work_s(self, sleep_ms: int) -> float:
        return sleep_ms / 1000 if sleep_ms else self._dice.draw.uniform(0.0, 15.0)

    def fails(self) -> bool:
        return self._dice.draw.random() < 0.1

    def now_ms(self) -> int:
        return self._clock.now_ms()


class _Waits(Runtime):
    """Runs nothing. A job that says how long it takes succeeds; any other draws its time, and fails at times."""

    def __init__(self, report: Report, machines: Machines, worker: str) -> None:
        self._report, self._machines, self._worker = report, machines, worker

    def start(self, assignment: Assignment, inputs: str | None = None) -> Finished | Running:
        if self._worker in self._machines.broken:
            return ended_now(assignment, _BROKEN, self._machines.now_ms())
        return _Work(self._report, self._machines, assignment)

    async def close(self) -> None:
        pass


class _Work(Running):
    def __init__(self, report: Report, machines: Machines, assignment: Assignment) -> None:
        self._report, self._machines, self._assignment = report, machines, assignment
        machines.began[assignment.job, assignment.attempt] += 1
        self.started_at_ms = machines.now_ms()
        payload = msgspec.json.decode(assignment.payload, type=_Payload)
        how = _FAILED if not payload.sleep_ms and machines.fails() else None
        if payload.command == ["false"]:
            how = _FAILED
        self._timer: asyncio.Handle = asyncio.get_running_loop().call_later(
            machines.work_s(payload.sleep_ms), self._end, how
        )
        self._over = False

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self._end, verdict)

    def _end(self, verdict: Verdict | None) -> None:
        self._over = True
        if verdict is None:
            self._machines.done[self._assignment.job] += 1
        self._report.ended(
            Finished(
                job=self._assignment.job,
                attempt=self._assignment.attempt,
                state="succeeded" if verdict is None else verdict.state,
                started_at_ms=self.started_at_ms,
                ended_at_ms=self._machines.now_ms(),
                exit_code=0 if verdict is None else 1 if verdict is _FAILED else None,
                cause="" if verdict is None else verdict.cause.value,
                message="" if verdict is None else verdict.message,
            )
        )


_BROKEN = Verdict("failed", Cause.INFRASTRUCTURE, "its disk is full")
_FAILED = Verdict("failed", Cause.EXIT_CODE, "it was drawn to fail")

#: What agents say of their lives is of no interest to a test.
logging.getLogger("herder.agent").setLevel(logging.ERROR)
