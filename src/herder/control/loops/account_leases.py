"""The loop of the budgets of users, projects and divisions: one lease for all running jobs of a user in a project, and what is left for more.

A lease is renewed when a third of its quantum is left, and earlier when more or less runs than it was for. Where that is refused, attempts are preempted, the
lowest priority and the youngest first, until what is left pays for the others; placement starts no more (`engine/memory/funds.py`).
What jobs cost is what the ledger books: a lease counts from the ended and the live attempts together, so that nothing is missed or doubled.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from herder.control.budgets import leasing
from herder.control.budgets.words import amount
from herder.control.budgets.worker_leases import is_due, quantum_ms
from herder.control.kernel.core import Core
from herder.decide.eligibility.matching import job_may_use_template
from herder.engine.attempts.attempt import preempt
from herder.engine.memory.events import record_event
from herder.engine.memory.funds import Funds
from herder.engine.memory.state import EngineState, LiveAttempt
from herder.ledger.budgets.leases import Lease, Refused
from herder.ledger.budgets.spec import Scope, Unit
from herder.ledger.budgets.transfers import borrowable
from herder.ledger.costs import cost
from herder.model.fleet.offer import offers_of
from herder.model.ids import UserName
from herder.model.stored.changes import Changes
from herder.model.values.money import MS_PER_HOUR, most_cost_of, usd_text
from herder.model.values.phrases import agree, counted
from herder.model.values.times import span
from herder.model.work.cost_share import price_per_hour, rounded, share_of
from herder.model.work.job import JobClass
from herder.model.work.usage import AttemptUsage

PERIOD_MOST_S = 5.0
LOOKS = 60
#: The lease of an account that has nothing running reserves nothing; it remembers what was charged.
IDLE_MS = 365 * 86_400_000
_SCOPES = (Scope.USER, Scope.PROJECT, Scope.DIVISION)

Account = tuple[UserName, str]


@dataclass(slots=True)
class Running:
    """What an account has running and has cost, in pico-USD."""

    booked: int = 0
    """Of ended attempts, as the ledger has it."""
    live: int = 0
    per_hour: int = 0
    """Of attempts that stay."""
    attempts: list[tuple[LiveAttempt, int]] = field(default_factory=list)
    """These, with what each costs an hour."""

    @property
    def cost(self) -> int:
        return self.booked + self.live


async def run(core: Core) -> None:
    period_s = min(PERIOD_MOST_S, core.settings.budget_quantum_s / LOOKS)
    known: set[Account] | None = None
    while True:
        if core.leadership.holds():
            with core.change(Changes()) as changes:
                known = look(core, changes, core.clock.now_ms(), known)
            if not changes.empty or core.state.fresh_demand:
                await core.commit(changes)
        await asyncio.sleep(period_s)


def look(core: Core, changes: Changes, now_ms: int, known: set[Account] | None) -> set[Account] | None:
    """`known`: all accounts of the look before, with a budget or without; None: there was none. What an account has cost before its budget is not paid by it."""
    state = core.state
    if not any(
        each.spec.scope in _SCOPES and each.spec.unit is Unit.USD for each in core.budgets.budgets.values()
    ):
        state.funds = None
        return None
    divisions = {each.name: each.division for each in state.sharing.projects}

    @cache
    def names_of(user: UserName, project: str) -> tuple[str, ...]:
        return leasing.budgets_of_account(core, user, project, divisions.get(project, ""))

    accounts = _accounts(core, lambda account: bool(names_of(*account)) or _is_left(core, account), now_ms)
    for account, running in sorted(accounts.items()):
        fresh = known is not None and account not in known
        _keep(core, changes, account, names_of(*account), running, fresh, now_ms)
    held_back = state.funds is not None and state.funds.held_back
    state.funds = _funds(core, names_of, now_ms)
    state.fresh_demand = state.fresh_demand or held_back  # there may be money again
    return _all_accounts(core)


def _all_accounts(core: Core) -> set[Account]:
    live = {core.state.classes[number] for number in {each.class_id for each in core.state.live.values()}}
    return {(user, project) for user, project, _ in core.ledger.accounts} | {
        (each.user, each.project) for each in live
    }


def _is_left(core: Core, account: Account) -> bool:
    """Whether its budget is being deleted, and its lease is still to be settled."""
    lease = core.budgets.live.get(lease_id(account))
    return lease is not None and not core.budgets.pays(lease)


def _accounts(core: Core, counts: Callable[[Account], bool], now_ms: int) -> dict[Account, Running]:
    found: dict[Account, Running] = {}
    for (user, project, _), spent in core.ledger.accounts.items():
        if counts((user, project)):
            found.setdefault((user, project), Running()).booked += spent.cost_pico
    for attempt in core.state.live.values():
        job_class = core.state.classes[attempt.class_id]
        account = (job_class.user, job_class.project)
        if counts(account):
            _add(core.state, found.setdefault(account, Running()), attempt, job_class, now_ms)
    return found


def _add(
    state: EngineState, running: Running, attempt: LiveAttempt, job_class: JobClass, now_ms: int
) -> None:
    machine = state.workers[attempt.worker].machine
    used = AttemptUsage(
        machine, job_class.user, job_class.project, attempt.batch, attempt.job, attempt.number,
        job_class.request, attempt.assigned_at_ms, now_ms,
    )  # fmt: skip
    running.live += cost(used)
    if not (attempt.cancelling or attempt.preempted_for):
        rate = price_per_hour(machine, job_class.request)
        running.per_hour += rate
        running.attempts.append((attempt, rate))


def lease_id(account: Account) -> str:
    return f"jobs/{account[0]}/{account[1]}"


def _keep(
    core: Core,
    changes: Changes,
    account: Account,
    names: tuple[str, ...],
    running: Running,
    fresh: bool,
    now_ms: int,
) -> None:
    key = lease_id(account)
    lease = core.budgets.live.get(key) or core.budgets.expired.get(key)
    if lease is not None and lease.budgets != names:  # it has got another budget
        leasing.settle(core, changes, key, max(lease.cost, running.cost))
        lease = None
    if not names:
        return
    if lease is not None and lease.id in core.budgets.live and running.cost < lease.cost and not running.live:
        # Attempts ended earlier than they were last seen, and their ends came late.
        leasing.restate(core, changes, key, running.cost)
        lease = core.budgets.live[key]
    if lease is not None and not _changed(core, lease, running, now_ms):
        return
    answer = _reserved(core, changes, key, names, lease, running, fresh, now_ms)
    if isinstance(answer, Refused):
        _stop(core, changes, account, running, answer, now_ms)
        _reserved(core, changes, key, names, lease, running, fresh, now_ms)


def _changed(core: Core, lease: Lease, running: Running, now_ms: int) -> bool:
    """Whether it is to be renewed: it ends soon, or was for much less or more than runs."""
    if lease.amount and is_due(core, lease, now_ms):
        return True
    unused = lease.amount - max(0, running.cost - lease.cost)
    needs = most_cost_of(running.per_hour, min(quantum_ms(core), lease.until_ms - now_ms))
    if not running.per_hour:
        return lease.amount > 0 or running.cost > lease.cost
    return unused < needs or unused > 2 * most_cost_of(running.per_hour, quantum_ms(core))


def _reserved(
    core: Core,
    changes: Changes,
    key: str,
    names: tuple[str, ...],
    lease: Lease | None,
    running: Running,
    fresh: bool,
    now_ms: int,
) -> Lease | Refused:
    needs = most_cost_of(running.per_hour, quantum_ms(core))
    until_ms = now_ms + (quantum_ms(core) if needs else IDLE_MS)
    if lease is not None:
        paid = max(lease.cost, running.cost)
        return leasing.renew(core, changes, lease.id, lease.number, paid, needs, until_ms)
    before = 0 if fresh else running.cost
    return leasing.reserve(core, changes, names, key, needs, until_ms, cost=before)


def _stop(
    core: Core, changes: Changes, account: Account, running: Running, refused: Refused, now_ms: int
) -> None:
    """Preempt what is not paid. What stays costs no more than is left for a quantum."""
    state, budget = core.state, core.budgets.budgets[refused.budget]
    paid_per_hour = max(0, refused.left) * MS_PER_HOUR // quantum_ms(core)
    ceiling = budget.ceiling(now_ms) or 0
    why = (
        f"Budget {refused.budget} has {amount(max(0, refused.left), Unit.USD)} of {amount(ceiling, Unit.USD)} left, too little for the "
        f"next {span(quantum_ms(core))} of all jobs of user {account[0]}"
        + (f" in project {account[1]}." if account[1] else ".")
    )
    running.attempts.sort(
        key=lambda each: (-state.classes[each[0].class_id].priority, each[0].assigned_at_ms, each[0].job)
    )
    stopped = 0
    while running.attempts and running.per_hour > paid_per_hour:
        attempt, rate = running.attempts.pop()
        preempt(state, changes, attempt, why)
        running.per_hour -= rate
        stopped += 1
    if stopped:
        text = f"{why} {counted(stopped, 'attempt')} {agree(stopped, 'is', 'are')} preempted."
        data: dict[str, object] = {"left_usd": usd_text(refused.left), "attempts": stopped}
        record_event(
            core.state, changes, now_ms, "budget.exhausted", f"budget/{refused.budget}", text, data=data
        )


def _funds(core: Core, names_of: Callable[[UserName, str], tuple[str, ...]], now_ms: int) -> Funds:
    left = {
        name: None if (left := each.left(now_ms)) is None else left + borrowable(core.budgets, each, now_ms)
        for name, each in core.budgets.budgets.items()
    }

    @cache
    def budgets_of(user: UserName, project: str) -> tuple[str, ...]:
        chain = core.budgets.chain(names_of(user, project))
        return tuple(each.spec.name for each in chain if left.get(each.spec.name) is not None)

    offers = [
        (
            pool,
            template,
            {(each.price_pico_per_hour, each.allocatable, each.gpu_parts) for each in offers_of(template)},
        )
        for pool in core.state.pools.values()
        for template in pool.templates
    ]

    @cache
    def price_of(job_class: JobClass) -> int:
        """The dearest worker on which it may run: where it will, nobody knows yet."""
        request, most = job_class.request, 0
        for price, allocatable, parts in {
            shape
            for pool, template, shapes in offers
            if job_may_use_template(job_class, pool, template)
            for shape in shapes
        }:
            if request.fits_in(allocatable):
                part, whole = share_of(price, allocatable, parts, request)
                most = max(most, rounded(price * part, whole))
        return most_cost_of(most, quantum_ms(core))

    limited = {name: each for name, each in left.items() if each is not None}
    return Funds(left=limited, budgets_of=budgets_of, price_of=price_of)
