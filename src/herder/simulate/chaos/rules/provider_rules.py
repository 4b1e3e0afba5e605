"""Rules between rows and providers: a machine has its row first, a closed row has no machine, nobody is taken for gone whose machine is
there, and a driver is frozen only for what is so. Judged by what the providers hold, not by what they say."""

from collections import Counter
from collections.abc import Callable, Iterator

from herder.drivers.pretend.world import PretendMachine, PretendWorld
from herder.model.planning.plan import ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord
from herder.simulate.chaos.rules.fleet_news import FleetNews, WorkerNews
from herder.simulate.chaos.world import World

#: A provider that lies for longer about a machine may be believed.
LIES_S = 25.0
#: Machines that one lie may cost in `BRAKE_S`: the server's own bound, and what a sweep had under way.
AT_ONCE_LEAST, AT_ONCE_PART = 3, 0.2
BRAKE_S = 55.0
#: Between two listings each worker calls; one who has in less than a period before it is taken for gone was heard after the first of
#: the two. So much is taken off for the calls themselves.
TOLD_S = 50.0
#: A row is closed so long after a machine was asked for that its creation is not under way any more.
YOUNG_S = 10.0


class ProviderRules:
    def __init__(self, world: World, news: FleetNews, silent_s: Callable[[str], float | None]) -> None:
        """`silent_s`: how long ago a call of the worker was taken; None: never."""
        self._world, self._news, self._silent_s = world, news, silent_s
        self._known: set[str] = set()
        """Workers that have had a row."""
        self._first: dict[str, str] = {}
        """The handle of the first machine of each worker."""
        self._lied_s: dict[str, float] = {}
        """Since when a provider denies the machine, by worker."""
        self._lie_over_s: dict[str, float] = {}
        self._taken: list[tuple[float, str]] = []
        """(when, driver) of machines that were taken for gone and are there."""
        self._odd_s: dict[str, float] = {}
        """By driver: when it last had a machine without a row."""

    def acted(self) -> Iterator[tuple[str, str]]:
        """A provider may have made something."""
        now_s = self._world.loop.time()
        for driver, provider in self._world.providers.items():
            self._note_lies(provider, now_s)
            for (_, name), machine in provider.machines.items():
                self._first.setdefault(name, machine.handle)
                if name not in self._news.workers:
                    self._odd_s[driver] = now_s
                if name not in self._known:
                    self._known.add(str(name))
                    yield (
                        "a machine has its row first",
                        f"Driver {driver} made machine {name} without a row that requests it.",
                    )

    def look(self, changes: Changes, news: list[WorkerNews]) -> Iterator[tuple[str, str]]:
        self._known |= {each.name for each in news}
        for each in news:
            if each.ends:
                yield from self._closed(each)
            if each.goes and each.why_removed == ReasonKind.DEAD.value:
                yield from self._gone(each)
        for record in changes.rows.get(EventRecord, {}).values():
            assert isinstance(record, EventRecord)
            if record.kind == "driver.frozen" and "belong to no worker" in record.text:
                driver = record.object.partition("/")[2]
                if self._world.loop.time() - self._odd_s.get(driver, -1e9) > 60.0:
                    yield "no driver is frozen for nothing", record.text

    # --- inside

    def _machine(self, worker: WorkerNews) -> PretendMachine | None:
        provider = self._world.providers.get(worker.driver)
        if provider is None:
            return None  # a Kubernetes Job: `job_object_rules.py`
        return next((each for (_, name), each in provider.machines.items() if name == worker.name), None)

    def _sweep_period_s(self) -> float:
        server = self._world.server
        return 0.0 if server is None else server.core.settings.sweep_period_s

    def _allowed(self, driver: str) -> bool:
        """Whether a person lets the sweep work without its limit now."""
        core = None if self._world.server is None else self._world.server.core
        if core is None or driver not in core.driver_notes:
            return False
        return core.clock.monotonic_ms() < core.driver_notes[driver].removals_allowed_until_ms

    def _lied(self, name: str) -> float:
        """For how many seconds a provider has denied it, up to now or up to a moment ago."""
        now_s = self._world.loop.time()
        since_s = self._lied_s.get(name)
        return 0.0 if since_s is None else now_s - since_s

    def _note_lies(self, provider: PretendWorld, now_s: float) -> None:
        for name in provider.concealed:
            self._lied_s.setdefault(name, now_s)
            self._lie_over_s[name] = now_s
        for name, over_s in list(self._lie_over_s.items()):
            if now_s - over_s > 120.0:
                del self._lie_over_s[name], self._lied_s[name]

    def _closed(self, worker: WorkerNews) -> Iterator[tuple[str, str]]:
        machine = self._machine(worker)
        if machine is None or self._lied(worker.name) > 0:
            return
        if not self._young(worker.driver, machine):
            yield (
                "a closed row has no machine",
                f"The row of worker {worker.name} was closed ({worker.state.value}), and driver {worker.driver} has its machine.",
            )

    def _young(self, driver: str, machine: PretendMachine) -> bool:
        """Whether it could not be found yet when the provider was asked."""
        young_s = YOUNG_S + self._world.providers[driver].get_lag_s
        return self._world.clock.true_ms() - machine.asked_at_ms <= young_s * 1000

    def _gone(self, worker: WorkerNews) -> Iterator[tuple[str, str]]:
        machine = self._machine(worker)
        if worker.evidence or machine is None or not machine.running or machine.gone_at_ms is not None:
            return
        if machine.handle != self._first.get(worker.name) and self._young(worker.driver, machine):
            return  # the machine that is gone was another: a request to create it that was late has made this one since
        now_s, silent_s = self._world.loop.time(), self._silent_s(worker.name)
        if silent_s is not None and silent_s < self._sweep_period_s() - TOLD_S:
            yield (
                "no worker is gone while it calls",
                f"Worker {worker.name} was declared gone {silent_s:.0f} s after its last call; its machine exists.",
            )
        if self._lied(worker.name) < LIES_S:
            yield (
                "no worker is gone while its machine exists",
                f"Worker {worker.name} was taken for gone, and driver {worker.driver} has its machine.",
            )
            return
        if self._allowed(worker.driver):
            return
        self._taken = [each for each in self._taken if now_s - each[0] < BRAKE_S] + [(now_s, worker.driver)]
        count = Counter(driver for _, driver in self._taken)[worker.driver]
        fleet = count + sum(each.driver == worker.driver for each in self._news.workers.values())
        most = max(AT_ONCE_LEAST, int(AT_ONCE_PART * fleet))
        if count > most:
            yield (
                "a provider that lies costs few workers",
                f"{count} workers of driver {worker.driver} were taken for gone in a minute, and their machines are there; {most} may be.",
            )
