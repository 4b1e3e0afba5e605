"""Rules of budgets: whoever costs has a lease, no lease is left over, what is spent is what the ledger has booked, and no more than there was.

By the memory of the server. A budget is overspent only by machines that are being removed and by time in which no server ran:
both are added up here from outside.
"""

from collections.abc import Iterable, Iterator, Mapping

from herder.control.budgets.leasing import budgets_of_account
from herder.control.kernel.core import Core
from herder.control.kernel.worker_leases import lease_of
from herder.ledger.budgets.leases import Lease, broken
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.values.money import format_usd, most_cost_of
from herder.simulate.chaos.world import World

HAVE_LEASES = "workers have leases"
LEFT_OVER = "no lease is left over"
PAY = "budgets pay what workers cost"
NOT_OVERSPENT = "budgets are not overspent"
#: How long a worker may be without a lease while the server runs, and how much of its cost the looks of the server may miss.
WITHIN_S = 120.0
Found = tuple[str, str]


class BudgetRules:
    def __init__(self, world: World) -> None:
        self._world = world
        self._without_s: dict[str, float] = {}
        """By worker of a pool with a budget: for how long it has cost without a lease while the server ran."""
        self._excused: dict[str, int] = {}
        """By budget, in pico-USD: what machines that were being removed, or lived while no server ran, may have cost."""
        self._running = ""
        self._rates: dict[str, int] = {}
        """At the last look."""
        self._last_ms = 0
        """The clock of the server at the last look: it may be set while no server runs, which is the same as a long absence."""

    def memory(self, core: Core) -> Iterator[Found]:
        """At any time."""
        leases = core.budgets
        if not leases.budgets:
            return
        for text in broken(leases, core.clock.now_ms()):
            if "overspent" not in text:
                yield LEFT_OVER, text
        for lease in (*leases.live.values(), *leases.expired.values()):
            worker = lease.id.removeprefix("worker/")
            ending = any(str(each.spec.name) == worker for each in core.state.dirty_workers.values())
            if lease.id.startswith("worker/") and worker not in core.state.workers and not ending:
                yield LEFT_OVER, f"Lease {lease.id} is {lease.state}, and its worker has ended."
        yield from self._booked(core)

    def _booked(self, core: Core) -> Iterator[Found]:
        """Of budgets that have paid for all that their pool has cost."""
        held: dict[str, list[Lease]] = {}
        for lease in (*core.budgets.live.values(), *core.budgets.expired.values()):
            held.setdefault(lease.budgets[0], []).append(lease)
        for name, budget in core.budgets.budgets.items():
            booked = core.ledger.pools.get(PoolName(budget.spec.subject))
            if budget.spec.scope != "pool":
                continue
            settled = sum(
                each.cost if each.state == "live" else each.cost + each.amount for each in held.get(name, ())
            )
            spent = sum(each.spent for each in budget.spans.values())
            if spent != settled + (booked or 0):
                yield (
                    PAY,
                    f"Budget {name} has {spent} pico-USD spent; its pool has cost {booked or 0}, and its live workers were charged {settled}.",
                )

    def minute(self, seconds: float) -> Iterator[Found]:
        server = self._world.server
        core = None if server is None else server.core
        runs = server is not None and self._world.loop.running(server.host)
        steady = runs and server is not None and server.host == self._running
        self._running = server.host if runs and server is not None else ""
        if core is None or not core.budgets.budgets:
            return
        now_ms = core.clock.now_ms()
        passed_ms = max(int(1000 * seconds), now_ms - (self._last_ms or now_ms))
        self._last_ms = now_ms
        if not steady:
            self._excuse(self._rates, passed_ms)  # of those that have ended since, too
        self._rates = _rates(core, unstoppable=False)
        self._excuse(_rates(core, unstoppable=steady), passed_ms)
        yield from self._leaseless(core, seconds if steady else 0.0, now_ms)
        yield from self._overspent(core, now_ms)

    def _leaseless(self, core: Core, seconds: float, now_ms: int) -> Iterator[Found]:
        without = dict[str, float]()
        for worker in core.state.workers.values():
            lease = lease_of(core.budgets, worker.spec.name)
            if not worker.state.leaving and (lease is None or lease.until_ms < now_ms):
                name = str(worker.spec.name)
                without[name] = self._without_s.get(name, 0.0) + seconds
        self._without_s = without
        for name, since_s in without.items():
            if since_s > WITHIN_S:
                yield HAVE_LEASES, f"Worker {name} has no lease for {since_s:g} s."

    def _excuse(self, rates: Mapping[str, int], passed_ms: int) -> None:
        """Twice, since what began or ended between two looks is not seen."""
        for name, rate in rates.items():
            self._excused[name] = self._excused.get(name, 0) + most_cost_of(rate, 2 * passed_ms)

    def _overspent(self, core: Core, now_ms: int) -> Iterator[Found]:
        for name, budget in core.budgets.budgets.items():
            over = -(budget.left(now_ms) or 0)
            allowed = self._excused.get(name, 0)
            if over > allowed:
                yield (
                    NOT_OVERSPENT,
                    f"Budget {name} is overspent by {format_usd(over)}; what could not be stopped has cost at most {format_usd(allowed)}.",
                )


def _rates(core: Core, *, unstoppable: bool) -> dict[str, int]:
    """By budget, pico-USD per hour of the workers and attempts that it pays for. `unstoppable`: of those that are told to stop already."""
    rates: dict[str, int] = {}

    def add(names: Iterable[str], price: int) -> None:
        for budget in core.budgets.chain(names):
            rates[budget.spec.name] = rates.get(budget.spec.name, 0) + price

    for worker in core.state.workers.values():
        lease = lease_of(core.budgets, worker.spec.name)
        if lease is None or not core.budgets.pays(lease):
            continue
        if worker.state is WorkerState.TERMINATING or not unstoppable:
            add(lease.budgets, worker.spec.price_pico_per_hour)
    for attempt in core.state.live.values():
        if attempt.cancelling or attempt.preempted_for or not unstoppable:
            job_class, worker = core.state.classes[attempt.class_id], core.state.workers[attempt.worker]
            names = budgets_of_account(core, job_class.user, job_class.project)
            add(names, worker.spec.price_pico_per_hour)
    return rates
