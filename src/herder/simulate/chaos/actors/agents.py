"""The machines of the simulated world: the real agent runs on each machine that has booted, with a runtime that only waits.

Each agent is a host of the event loop. It dies with its machine; it can also be killed while the machine stays, or be stopped for a while.
"""

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.facts import MachineFacts
from herder.agent.machine.ports import AgentPorts
from herder.agent.machine.usage import UseMeter
from herder.agent.main import converse
from herder.agent.runtimes import Report, Running, Runtime, Verdict, ended_now
from herder.drivers.pretend.world import Booted, PretendWorld
from herder.model.fleet.membership import LivesBy
from herder.model.values.resources import Resources
from herder.model.work.job import Cause
from herder.simulate.chaos.actors.announcements import Announced, Announcements
from herder.simulate.chaos.actors.cluster import PlayedCluster
from herder.simulate.chaos.faults.chance import stream
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.hosts.clocks import VirtualClock
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.simulate.chaos.ports.network import Line, Wire
from herder.wire.api.secrets import Delivered
from herder.wire.worker.exchange import Assignment, Finished

#: Minimum time between two comparisons with the provider that are due to a timer.
LOOK_S = 0.25
UNCUT = Path(tempfile.gettempdir())
#: What an agent uses: of a core, and KiB. Its attempts only wait. The /proc of the real machine is none of this world's.
AGENT_CPU, AGENT_KIB = 0.01, 32 * 1024


class _Payload(msgspec.Struct):
    command: list[str] = []
    sleep_ms: int = 0


class Machines:
    """Which agents run, and the side effects of jobs, counted where they happen."""

    def __init__(
        self,
        loop: VirtualLoop,
        clock: VirtualClock,
        providers: Iterable[PretendWorld],
        wire: Wire,
        dice: Dice,
        trace: Callable[..., None],
        *,
        own_clocks: bool = False,
        kube: PlayedCluster | None = None,
    ) -> None:
        """`kube`: what machines join that are to be nodes."""
        self._own_clocks, self._kube, self._providers = own_clocks, kube, list(providers)
        self._loop, self._clock, self._wire, self._dice, self._trace = loop, clock, wire, dice, trace
        self.agents: dict[str, str] = {}
        """Host by worker."""
        self.announcements = Announcements(loop.time)
        self.killed_once: set[str] = set()
        """Workers of which an agent was killed while the machine stayed: what it ran is lost."""
        self.clocks: dict[str, VirtualClock] = {}
        """By worker: the wall clock of its machine."""
        self.began: Counter[tuple[int, int]] = Counter()
        """Starts by (job, attempt)."""
        self.memory_mib: dict[tuple[int, int], int] = {}
        """What each attempt was given, by (job, attempt)."""
        self.done: Counter[int] = Counter()
        """By job: how often it was executed to the end."""
        self.ends: dict[tuple[int, int], set[str]] = {}
        """How each attempt ended, by (job, attempt), as its agent knows it."""
        self.told_ends_s: dict[str, float] = {}
        """By worker: the end that the attempts of the agent that runs there know, on the loop's clock."""
        self.at_work: set[str] = set()
        """Workers whose agent has opened a runtime."""
        self.broken: set[str] = set()
        """Workers on which nothing can be started."""
        self.begun_again: Callable[[int, int], None] = lambda _job, _attempt: None
        """Called when an attempt is started a second time."""
        self.begins: Callable[[int, int], None] = lambda _job, _attempt: None
        """Called when an attempt is started."""
        self.given: Callable[[int, Sequence[Delivered]], None] = lambda _job, _secrets: None
        """Called when an attempt is started, with the secrets that it gets."""
        self.looked: Callable[[], None] = lambda: None
        """Called whenever something has happened at a provider."""
        self.agent_died: Callable[[str], None] = lambda _worker: None
        """Called with each agent that was killed."""
        self.in_pods: set[str] = set()
        """Workers whose agent runs in a pod: their machines are those of the cluster, and of no provider."""
        self._boots = 0
        self._restarts: dict[str, int] = {}
        """By worker, how many restarts of its machine were seen."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def announced(self) -> dict[str, Announced]:
        """By worker, what its provider has said of its end."""
        return self.announcements.by_worker

    def compare(self) -> None:
        """Kill the agents of machines that no longer run, and start agents on machines that have booted. Called after each change at a
        provider; also sets a timer for the next boot or removal."""
        for provider in self._providers:
            provider.settle()
        self.looked()
        there = {
            worker
            for provider in self._providers
            for (_, worker), machine in provider.machines.items()
            if machine.running
        }
        for worker in [each for each in self.agents if each not in there and each not in self.in_pods]:
            self.kill(worker)
        if self._kube is not None:
            self._kube.keep(there)
        self._restart_machines()
        due: list[int] = []
        for provider in self._providers:
            for booted in provider.newly_booted():
                self._boot(booted)
            due += provider.next_changes()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due:
            wait_s = max(LOOK_S, min(due) / 1000 - self._clock.true_ms() / 1000)
            self._timer = self._loop.call_later(wait_s, self.compare)

    def _restart_machines(self) -> None:
        """Kill the agents of machines that were restarted."""
        for provider in self._providers:
            for (_, worker), machine in provider.machines.items():
                if machine.restarts != self._restarts.get(worker, 0):
                    self._restarts[worker] = machine.restarts
                    if worker in self.agents:
                        self.kill(worker, machine_stays=True)
                    elif self._kube is not None:
                        self._kube.restart(str(worker))

    def lives(self, worker: str) -> bool:
        """Whether an agent runs there, or a kubelet, also one that is not heard: its node is repaired and not dead."""
        return worker in self.agents or (self._kube is not None and worker in self._kube.there)

    def kill(self, worker: str, *, machine_stays: bool = False) -> None:
        self._trace("agent dies", worker)
        host = self.agents.pop(worker)
        self.told_ends_s.pop(worker, None)
        self.at_work.discard(worker)
        self.in_pods.discard(worker)
        self._loop.kill_host(host)
        self.agent_died(worker)
        if machine_stays:
            self.killed_once.add(worker)
            self._wire.hang_up(worker)

    def _boot(self, booted: Booted) -> None:
        name, odds = booted.spec.name, self._dice.odds
        if self._dice.happens("boot never", odds.boot_never):
            self._trace("never boots", name)
            return
        slow_s = (
            self._dice.of("boots").uniform(60, 900) if self._dice.happens("boot slow", odds.boot_slow) else 0
        )
        self._loop.call_later(slow_s, self._start, booted)
        if self._dice.happens("boot twice", odds.boot_twice):
            again_s = self._dice.of("boots").uniform(1.0, 60.0)
            self._loop.call_later(slow_s + again_s, self._start, booted)

    def _start(self, booted: Booted) -> None:
        """Start the agent of a machine that has booted. At a second boot the first agent is killed."""
        name = booted.spec.name
        if not any(
            machine.running and worker == name
            for provider in self._providers
            for (_, worker), machine in provider.machines.items()
        ):
            return
        if self._kube is not None and booted.spec.membership.lives_by is LivesBy.NODE:
            self._kube.boot(booted.spec)
            return
        if name in self.agents:
            self.kill(name, machine_stays=True)
        settings = AgentSettings(
            server_url=booted.start.server_url,
            worker=name,
            activation_token=booted.start.activation_token,
            self_delete_after_s=booted.start.self_delete_after_s,
            work_folder=UNCUT,
        )
        self._begin(settings, booted.spec.allocatable)

    def begin_agent(
        self, settings: AgentSettings, size: Resources, leave: asyncio.Event, ended: Callable[[int], None]
    ) -> None:
        """Start one in a pod. `leave` is SIGTERM; `ended` is called with its exit code when it has ended by itself."""
        if settings.worker in self.agents:
            self.kill(settings.worker)
        self._begin(settings, size, leave, ended)
        self.in_pods.add(settings.worker)

    def _begin(
        self,
        settings: AgentSettings,
        size: Resources,
        leave: asyncio.Event | None = None,
        ended: Callable[[int], None] | None = None,
    ) -> None:
        name = settings.worker
        self._boots += 1
        clock = self.clocks.get(name)
        if clock is None:
            mine = VirtualClock(self._loop, self._clock.wall_ahead_ms) if self._own_clocks else self._clock
            clock = self.clocks[name] = mine
        facts = MachineFacts(
            pid=self._boots,
            hostname=name,
            cpu_milli=size.cpu_milli,
            memory_mib=size.memory_mib,
            disk_mib=size.disk_mib,
        )
        ports = AgentPorts(
            network=Line(self._wire, settings, self._dice.odds.network),
            clock=clock,
            chance=stream(self._dice.seed, f"agent {self._boots}"),
            open_runtime=lambda _name, settings, report: _Waits(report, self, settings.worker, clock),
            open_health=lambda _settings: None,
            facts=lambda _folder: facts,
            notices=self.announcements.ear(name),
            open_meter=lambda clock_s: UseMeter(clock_s, lambda: (clock_s() * AGENT_CPU, AGENT_KIB)),
        )
        host = self.agents[name] = f"agent {name} {self._boots}"
        self._trace("agent starts", name)
        self._loop.begin(host, self._live(settings, ports, leave or asyncio.Event(), ended))

    async def _live(
        self,
        settings: AgentSettings,
        ports: AgentPorts,
        leave: asyncio.Event,
        ended: Callable[[int], None] | None,
    ) -> None:
        code = await converse(settings, ports, leave)
        name = settings.worker
        self._trace("agent ends", name, code.name)
        if ended is not None:
            host = self.agents.pop(name)
            self.in_pods.discard(name)
            self.at_work.discard(name)
            self.told_ends_s.pop(name, None)
            ended(int(code))
            self._loop.kill_host(host)

    def work_s(self, sleep_ms: int) -> float:
        return sleep_ms / 1000 if sleep_ms else self._dice.of("work").uniform(0.0, 15.0)

    def fails(self) -> bool:
        return self._dice.of("work").random() < 0.1


#: A command: the job needs so many MiB of memory.
FILL = "fill"


class _Waits(Runtime):
    """Executes nothing. A job with `sleep_ms` succeeds after that time; other jobs draw their time, and some fail."""

    def __init__(self, report: Report, machines: Machines, worker: str, clock: VirtualClock) -> None:
        self._report, self._machines, self._worker, self._clock = report, machines, worker, clock
        machines.at_work.add(worker)

    def tell_deadline(self, left_s: float) -> None:
        """As `TellsDeadline`."""
        self._machines.told_ends_s[self._worker] = asyncio.get_running_loop().time() + left_s

    def start(
        self, assignment: Assignment, inputs: str | None = None, secrets: Sequence[Delivered] = ()
    ) -> Finished | Running:
        self._machines.given(assignment.job, secrets)
        if self._worker in self._machines.broken:
            return ended_now(assignment, _BROKEN, self._clock.now_ms())
        return _Work(self._report, self._machines, assignment, self._clock)

    async def close(self) -> None:
        pass


class _Work(Running):
    def __init__(
        self, report: Report, machines: Machines, assignment: Assignment, clock: VirtualClock
    ) -> None:
        self._report, self._machines, self._assignment, self._clock = report, machines, assignment, clock
        machines.memory_mib[assignment.job, assignment.attempt] = assignment.memory_mib
        machines.begins(assignment.job, assignment.attempt)
        machines.began[assignment.job, assignment.attempt] += 1
        if machines.began[assignment.job, assignment.attempt] > 1:
            machines.begun_again(assignment.job, assignment.attempt)
        self.started_at_ms = clock.now_ms()
        self._began_ms = clock.monotonic_ms()
        payload = msgspec.json.decode(assignment.payload, type=_Payload)
        how = _FAILED if not payload.sleep_ms and machines.fails() else None
        if payload.command == ["false"]:
            how = _FAILED
        elif payload.command[:1] == [FILL] and assignment.memory_mib < int(payload.command[1]):
            how = _OUT_OF_MEMORY
        seconds, limit_ms = machines.work_s(payload.sleep_ms), assignment.timeout_ms
        if limit_ms is not None and limit_ms < seconds * 1000:
            seconds, how = limit_ms / 1000, _TIMED_OUT
        self._timer: asyncio.Handle = asyncio.get_running_loop().call_later(seconds, self._end, how)
        self._over = False

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self._end, verdict)

    def _end(self, verdict: Verdict | None) -> None:
        self._over = True
        state = "succeeded" if verdict is None else verdict.state
        if verdict is None:
            self._machines.done[self._assignment.job] += 1
        self._machines.ends.setdefault((self._assignment.job, self._assignment.attempt), set()).add(state)
        self._report.ended(
            Finished(
                job=self._assignment.job,
                attempt=self._assignment.attempt,
                state=state,
                started_at_ms=self.started_at_ms,
                ended_at_ms=self.started_at_ms + self._clock.monotonic_ms() - self._began_ms,
                exit_code=0 if verdict is None else 1 if verdict is _FAILED else None,
                cause="" if verdict is None else verdict.cause.value,
                message="" if verdict is None else verdict.message,
            )
        )


_BROKEN = Verdict("failed", Cause.INFRASTRUCTURE, "Its disk is full.")
_FAILED = Verdict("failed", Cause.EXIT_CODE, "It was drawn to fail.")
_OUT_OF_MEMORY = Verdict("failed", Cause.OUT_OF_MEMORY, "It used more memory than it requested.")
_TIMED_OUT = Verdict("failed", Cause.TIMEOUT, "It ran longer than its timeout.")

#: Agents log each fault; only errors matter here.
logging.getLogger("herder.agent").setLevel(logging.ERROR)
