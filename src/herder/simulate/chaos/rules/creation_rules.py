"""Rules of creations, judged at the providers: no more machines are being made at a time than `parallel_creates` of their driver, and calls
that create keep `pause_between_starts`, also when the server has died between two.

What was left over of an ended row (a call that acted late) is the sweep's, and counts for nothing here. A server that another has replaced
and that does not know it is not counted with its successor.
"""

from collections.abc import Collection, Iterator, Mapping

from herder.drivers.pretend.world import PretendMachine
from herder.model.fleet.creation import CreationLimits
from herder.simulate.chaos.world import World

#: Clocks of the server are read in whole milliseconds.
ROUNDING_S = 0.002


class CreationRules:
    def __init__(self, world: World, limits: Mapping[str, CreationLimits]) -> None:
        self._world, self._limits = world, limits
        self._last_s: dict[str, tuple[float, str]] = {}
        """By driver: when a call of `create` left last, and for which worker."""

    def called(self, driver: str, verb: str, worker: str) -> Iterator[tuple[str, str]]:
        limits = self._limits.get(driver)
        if verb != "create" or limits is None:
            return
        now_s, last = self._world.loop.time(), self._last_s.get(driver)
        self._last_s[driver] = (now_s, worker)
        if last is None or self._world.stale is not None:
            return
        distance_s = now_s - last[0]
        if distance_s + ROUNDING_S < limits.pause_between_starts_s:
            yield (
                "starts keep their distance",
                f"Driver {driver} was asked for {worker} {distance_s:.2f} s after {last[1]}; pause_between_starts is "
                f"{limits.pause_between_starts_s:g} s.",
            )

    def look(self, rows: Collection[str]) -> Iterator[tuple[str, str]]:
        """`rows`: of workers that have not ended."""
        for driver, provider in self._world.providers.items():
            limits = self._limits.get(driver)
            if limits is None:
                continue
            now_ms = provider.now_ms()
            making = sorted(
                name
                for (_, name), machine in provider.machines.items()
                if name in rows and _being_made(machine, now_ms)
            )
            if len(making) > limits.parallel_creates:
                yield (
                    "few machines are made at a time",
                    f"Driver {driver} makes {len(making)} machines ({', '.join(making)}); parallel_creates is {limits.parallel_creates}.",
                )


def _being_made(machine: PretendMachine, now_ms: int) -> bool:
    """Of one that has failed no step is under way."""
    going = machine.steps.at(now_ms) is not None and not machine.steps.has_failed(now_ms)
    return going and machine.running and machine.gone_at_ms is None
