"""Rules of creations, judged at the providers: no more machines are being made at a time than `parallel_creates` of their driver, calls that
create keep `pause_between_starts`, also when the server has died between two, a worker's creation is tried `create_tries` times at most and
after a pause, and a creation that was begun is followed by the provider's operation id.

What was left over of an ended row (a call that acted late) is the sweep's, and counts for nothing here. A server that another has replaced
and that does not know it is not counted with its successor.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from herder.drivers.pretend.world import PretendMachine
from herder.model.fleet.creation import CreationLimits
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.stored.records import WorkerRecord
from herder.simulate.chaos.world import World

#: Clocks of the server are read in whole milliseconds.
ROUNDING_S = 0.002


@dataclass(slots=True, kw_only=True)
class _Tries:
    """Calls of `create` for one worker since one went well."""

    calls: int = 0
    hosts: set[str]
    """Servers that ran meanwhile: what one of them had under way when it died is no try that failed."""
    last_s: float
    last_host: str


class CreationRules:
    def __init__(self, world: World, limits: Mapping[str, CreationLimits]) -> None:
        self._world, self._limits = world, limits
        self._last_s: dict[str, tuple[float, str]] = {}
        """By driver: when a call of `create` left last, and for which worker."""
        self._tries: dict[str, _Tries] = {}
        self._operations: dict[str, tuple[str, float]] = {}
        """By worker whose machine is being made: the operation of its row, and since when it is durable."""
        self._left_s = 0.0
        """When the call left that acts now."""

    def committed(self, changes: Changes) -> None:
        for record in changes.rows.get(WorkerRecord, {}).values():
            assert isinstance(record, WorkerRecord)
            if record.ended_at_ms is not None:
                self._tries.pop(record.name, None)
            if record.state != WorkerState.PROVISIONING or not record.operation:
                self._operations.pop(record.name, None)
            elif self._operations.get(record.name, ("", 0.0))[0] != record.operation:
                self._operations[record.name] = record.operation, self._world.loop.time()

    def acts(self, left_s: float) -> None:
        self._left_s = left_s

    def followed(self, worker: str, operation: str) -> Iterator[tuple[str, str]]:
        """A provider is asked how far a machine is, and of which operation."""
        known, since_s = self._operations.get(worker, ("", 0.0))
        if known and not operation and since_s < self._left_s:
            yield (
                "a creation is followed by its operation",
                f"The provider of {worker} was asked for its machine without the operation {known}, which its row has.",
            )

    def called(self, driver: str, verb: str, worker: str) -> Iterator[tuple[str, str]]:
        limits, server = self._limits.get(driver), self._world.server
        if verb != "create" or limits is None:
            return
        now_s, last = self._world.loop.time(), self._last_s.get(driver)
        self._last_s[driver] = (now_s, worker)
        if self._world.stale is not None:
            self._tries.pop(worker, None)
            return
        yield from self._tried(limits, worker, now_s, "" if server is None else server.host)
        if last is None:
            return
        distance_s = now_s - last[0]
        if distance_s + ROUNDING_S < limits.pause_between_starts_s:
            yield (
                "starts keep their distance",
                f"Driver {driver} was asked for {worker} {distance_s:.2f} s after {last[1]}; pause_between_starts is "
                f"{limits.pause_between_starts_s:g} s.",
            )

    def _tried(
        self, limits: CreationLimits, worker: str, now_s: float, host: str
    ) -> Iterator[tuple[str, str]]:
        tries = self._tries.get(worker)
        if tries is None:
            self._tries[worker] = _Tries(calls=1, hosts={host}, last_s=now_s, last_host=host)
            return
        tries.calls += 1
        tries.hosts.add(host)
        distance_s = now_s - tries.last_s
        if tries.last_host == host and distance_s + ROUNDING_S < limits.create_retry_pause_s:
            yield (
                "tries keep their distance",
                f"The creation of {worker} was tried again after {distance_s:.2f} s; create_retry_pause is {limits.create_retry_pause_s:g} s.",
            )
        most = limits.create_tries + len(tries.hosts) - 1
        if tries.calls > most:
            yield (
                "creations are tried a few times",
                f"Driver calls to create {worker}: {tries.calls} under {len(tries.hosts)} servers; create_tries is {limits.create_tries}.",
            )
        tries.last_s, tries.last_host = now_s, host

    def went_well(self, _driver: str, verb: str, worker: str) -> None:
        """What was made and cannot be found is asked for again at once: that is no try that failed."""
        if verb == "create":
            self._tries.pop(worker, None)

    def look(self, rows: Collection[str]) -> Iterator[tuple[str, str]]:
        """`rows`: of workers that have not ended."""
        for driver, provider in self._world.providers.items():
            limits = self._limits.get(driver)
            if limits is None:
                continue
            now_ms = provider.now_ms()
            making = [
                name
                for (_, name), machine in provider.machines.items()
                if not machine.told and name in rows and _being_made(machine, now_ms)
            ]
            if len(making) > limits.parallel_creates:
                yield (
                    "few machines are made at a time",
                    f"Driver {driver} makes {len(making)} machines ({', '.join(sorted(making))}); parallel_creates is {limits.parallel_creates}.",
                )


def _being_made(machine: PretendMachine, now_ms: int) -> bool:
    """Of one that has failed no step is under way."""
    going = machine.steps.at(now_ms) is not None and not machine.steps.has_failed(now_ms)
    return going and machine.running and machine.gone_at_ms is None
