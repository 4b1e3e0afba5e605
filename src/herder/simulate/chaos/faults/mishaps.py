"""Mishaps: faults of hosts, machines, clocks and the spot market, each at its odds, as long as `Dice.trouble` is true.

Each mishap ends after a while; `heal` ends the rest at the end of the run.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from herder.drivers.pretend.world import PretendWorld
from herder.simulate.chaos.faults.bursts import strike
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.faults.provider_lies import LIES, ProviderLies
from herder.simulate.chaos.world import World

#: Time between two draws.
TICK_S = 10.0
#: By kind: the field of `Trouble` with its odds, and the method that causes it.
MISHAPS = {
    "server crash": ("server_crash", "_crash"),
    "server stop": ("server_stop", "_stop_server"),
    "second leader": ("second_leader", "_second_leader"),
    "machine lost": ("machine_lost", "_lose_machine"),
    "machine halted": ("machine_halted", "_halt_machine"),
    "agent killed": ("agent_killed", "_kill_agent"),
    "agent stop": ("agent_stop", "_stop_agent"),
    "partition": ("partition", "_partition"),
    "clock set": ("clock_set", "_set_clock"),
    "agent clock set": ("agent_clock_set", "_set_agents_clock"),
    "zone sold out": ("zone_sold_out", "_sell_out"),
    "burst of interruptions": ("burst_of_interruptions", "_interrupt"),
    "interruption announced": ("interruption_announced", "_announce"),
    "listing lags": ("listing_lags", "_lag"),
    "listing partial": ("listing_partial", "_part"),
    "driver hangs": ("driver_hangs", "_hang"),
    "quota shrinks": ("quota_shrinks", "_shrink"),
    "prices move": ("prices_move", "_move_prices"),
    "queue away": ("queue_away", "_take_queue_away"),
}
_HANGS = (Fault.REQUEST_LOST, Fault.REFUSED)


class Mishaps:
    def __init__(self, world: World) -> None:
        self._world = world
        self._capacity = {name: world.provider_settings(name) for name in world.providers}
        self._lies = ProviderLies(world)

    async def run(self) -> None:
        odds = self._world.dice.odds
        causes = tuple(
            (kind, getattr(odds, name), getattr(owner, method))
            for owner, table in ((self, MISHAPS), (self._lies, LIES))
            for kind, (name, method) in table.items()
        )
        while True:
            for kind, per_second, cause in causes:
                if self._world.dice.happens(kind, per_second * TICK_S):
                    cause()
            await asyncio.sleep(TICK_S)

    def heal(self) -> None:
        """End all mishaps."""
        world = self._world
        for name, provider in world.providers.items():
            provider.sold_out.clear()
            provider.list_lag_s, provider.get_lag_s, provider.listed_most = 0.0, 0.0, None
            world.change_provider(name, self._capacity[name])
        self._lies.heal()
        world.calls.stuck.clear()
        world.wire.cut_off.clear()
        world.queue.away = False
        world.loop.wake_all()
        if world.stale is not None:
            world.kill_stale(world.stale.host)

    # --- inside

    def _draw(self, least: float, most: float) -> float:
        return self._world.dice.of("mishaps").uniform(least, most)

    def _some_agent(self) -> str | None:
        agents = sorted(self._world.machines.agents)
        return self._world.dice.of("mishaps").choice(agents) if agents else None

    def _some_provider(self) -> str:
        return self._world.dice.of("mishaps").choice(sorted(self._world.providers))

    def _later(self, seconds: float, mend: Callable[[], None]) -> None:
        self._world.loop.call_later(seconds, mend)

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._world.loop.create_task(coroutine)

    def _crash(self) -> None:
        if self._world.server is not None:
            self._world.kill_server()
            self._begin(self._world.restart(self._draw(1.0, 120.0)))

    def _stop_server(self) -> None:
        if self._world.server is not None:
            self._stop(self._world.server.host, self._draw(1.0, 300.0))

    def _second_leader(self) -> None:
        world = self._world
        if world.server is None:
            return
        first = world.server.host
        if self._world.dice.of("mishaps").random() < 0.5:
            self._stop(first, self._draw(20.0, 600.0))  # it continues later, and still believes that it leads
        agents = sorted(world.machines.agents)
        world.wire.with_stale = {each for each in agents if world.dice.of("mishaps").random() < 0.5}
        self._begin(world.replace_server())

    def _stop(self, host: str, seconds: float) -> None:
        self._world.trace("stopped", host, round(seconds))
        self._world.loop.stop_host(host)
        self._later(seconds, lambda: self._world.loop.wake_host(host))

    def _lose_machine(self) -> None:
        worker = self._some_agent()
        if worker is not None:
            self._world.trace("machine is lost", worker)
            for provider in self._world.providers.values():
                provider.lose(worker)

    def _halt_machine(self) -> None:
        draw, provider = self._world.dice.of("mishaps"), self._world.providers[self._some_provider()]
        names = sorted(str(name) for (_, name), each in provider.machines.items() if each.running)
        if names:
            worker = draw.choice(names)
            self._world.trace("machine is off", worker)
            provider.halt(worker)

    def _kill_agent(self) -> None:
        worker = self._some_agent()
        if worker is not None:
            self._world.machines.kill(worker, machine_stays=True)

    def _stop_agent(self) -> None:
        worker = self._some_agent()
        if worker is not None:
            self._stop(self._world.machines.agents[worker], self._draw(1.0, 900.0))

    def _partition(self) -> None:
        worker = self._some_agent()
        if worker is not None:
            self._world.trace("cut off", worker)
            self._world.wire.cut_off.add(worker)
            self._later(self._draw(5.0, 1500.0), lambda: self._world.wire.cut_off.discard(worker))

    def _set_clock(self) -> None:
        by_s = self._world.dice.of("mishaps").choice((-1, 1)) * self._draw(2, 3 * 3600)
        self._world.trace("the server's clock is set", round(by_s))
        self._world.stats["clock set"] += 1
        self._world.clock.set_wall(by_s)

    def _set_agents_clock(self) -> None:
        worker = self._some_agent()
        if worker is not None:
            by_s = self._world.dice.of("mishaps").choice((-1, 1)) * self._draw(2, 3 * 3600)
            self._world.trace("an agent's clock is set", worker, round(by_s))
            self._world.machines.clocks[worker].set_wall(by_s)

    def _sell_out(self) -> None:
        place = self._world.dice.of("mishaps").choice((("a", False), ("a", True), ("b", True), ("b", False)))
        provider = self._world.providers[self._some_provider()]
        self._world.trace("sold out", place)
        provider.sold_out.add(place)
        self._later(self._draw(600, 7200), lambda: provider.sold_out.discard(place))

    def _interrupt(self) -> None:
        """Spot machines of one zone are taken back in a burst, and none is available for a while."""
        zone, provider = self._world.dice.of("mishaps").choice(("a", "b")), self._world.providers["cloud"]
        self._world.trace("spot machines are taken back", zone)
        provider.sold_out.add((zone, True))
        spot = sorted(str(each) for each in provider.spot_of(zone))
        strike(self._world.dice.of("bursts"), spot, self._later, self._take_back)
        self._later(self._draw(600, 7200), lambda: provider.sold_out.discard((zone, True)))

    def _take_back(self, workers: list[str]) -> None:
        for worker in workers:
            self._world.trace("spot machines are taken back", worker)
            self._world.providers["cloud"].lose(worker)

    def _move_prices(self) -> None:
        self._world.prices.move(self._world.dice.of("prices"))
        self._world.trace("prices move", *sorted(self._world.prices.moved))

    def _announce(self) -> None:
        """A provider says that it takes a machine back, or all spot machines of a zone: in time, earlier than said, or never. Its
        driver says so, or the machine does, or both."""
        draw, provider = self._world.dice.of("mishaps"), self._world.providers["cloud"]
        zone, burst, left_s = draw.choice(("a", "b")), draw.random() < 0.3, self._draw(30.0, 120.0)
        after_s = draw.choice((left_s, left_s, draw.uniform(0.0, left_s), None))
        by_agent, by_driver = draw.choice(((True, False), (False, True), (True, True)))
        names = sorted(str(worker) for _, worker in provider.machines)

        def announce(workers: list[str]) -> None:
            for worker in workers:
                self._world.trace(
                    "is announced to be taken back", worker, round(left_s), after_s and round(after_s)
                )
                provider.announce(worker, left_s, after_s, told=by_driver)
                self._world.machines.announcements.announce(worker, left_s, agent=by_agent, driver=by_driver)

        if burst:
            provider.sold_out.add((zone, True))
            self._later(self._draw(600, 7200), lambda: provider.sold_out.discard((zone, True)))
            spot = sorted(str(each) for each in provider.spot_of(zone))
            strike(self._world.dice.of("bursts"), spot, self._later, announce)
        elif names:
            announce([draw.choice(names)])

    def _lag(self) -> None:
        """New machines are not listed yet; at some providers they cannot be asked for either."""
        provider, draw = self._world.providers[self._some_provider()], self._world.dice.of("mishaps")
        provider.list_lag_s = self._draw(1.0, 14.0)
        provider.get_lag_s = provider.list_lag_s if draw.random() < 0.5 else 0.0
        self._later(self._draw(300, 3600), lambda: self._lags_no_more(provider))

    def _lags_no_more(self, provider: PretendWorld) -> None:
        provider.list_lag_s = provider.get_lag_s = 0.0

    def _part(self) -> None:
        provider = self._world.providers[self._some_provider()]
        provider.listed_most = self._world.dice.of("mishaps").randint(0, 5)
        self._later(self._draw(60, 1800), lambda: setattr(provider, "listed_most", None))

    def _hang(self) -> None:
        name = self._some_provider()
        self._world.trace("does not answer", name)
        fault = self._world.dice.of("mishaps").choice(_HANGS)
        self._world.calls.stuck[name] = fault
        self._later(self._draw(30, 900), lambda: self._answers(name))

    def _take_queue_away(self) -> None:
        seconds = self._draw(5, 1800)
        self._world.trace("the queue does not answer", round(seconds))
        self._world.queue.away = True
        self._later(seconds, lambda: setattr(self._world.queue, "away", False))

    def _answers(self, driver: str) -> None:
        self._world.calls.stuck.pop(driver, None)

    def _shrink(self) -> None:
        """The provider has less capacity for a while."""
        name, world = self._some_provider(), self._world
        usual = self._capacity[name]
        less = replace(usual, machines_most=max(1, int(usual.machines_most * self._draw(0.2, 0.8))))
        world.trace("capacity shrinks", name, less.machines_most)
        world.change_provider(name, less)
        self._later(self._draw(600, 14_400), lambda: world.change_provider(name, usual))
