"""Leases on budgets: whoever spends reserves the most that its next quantum can cost, in every budget above it at once, and settles what it did cost. Pure.

`spent + reserved <= ceiling` holds in each budget after each step, whatever the order of steps, as long as no holder spends more than it has reserved. One that does – a
machine that cannot be stopped at once – is booked in full: then no more is granted until something is left again. A lease that is not settled by its end expires, and counts as all that it had
reserved: what a holder that was lost has used is unknown, and unknown is not zero. If it becomes known later, the difference is corrected.

A lease counts in the periods in which it was reserved, also when it is settled in a later one. Amounts are whole units of one kind: pico-USD, or tokens.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from herder.ledger.budgets.budget import Budget, Span
from herder.ledger.budgets.spec import BudgetSpec, Scope, Unit
from herder.ledger.budgets.transfer import Transfer, TransferState

#: How long the cost of an expired lease can still be reported.
LATE_MS = 7 * 86_400_000
#: Deleted budgets whose spent is still known, at most.
REMOVED_KEPT = 1_000


class BudgetError(ValueError):
    """What was asked for cannot be. The text says what to do."""


class BudgetInUse(BudgetError):
    """What was spent, leased or moved does not allow the change."""


class LeaseState(StrEnum):
    LIVE = "live"
    SETTLED = "settled"
    EXPIRED = "expired"


class Lease(NamedTuple):
    id: str
    budgets: tuple[str, ...]
    """As the holder named them; those above them count too."""
    amount: int
    until_ms: int
    number: int
    """Grows with each renewal."""
    spans: tuple[tuple[str, int], ...]
    """By budget, which of its periods it counts in."""
    cost: int = 0
    """What its holder has reported, from its beginning on."""
    state: LeaseState = LeaseState.LIVE
    ended_ms: int | None = None


class Refused(NamedTuple):
    """`budget`: the one that binds, the lowest of them; `left`: what it has."""

    budget: str
    left: int


class Charged(NamedTuple):
    budgets: Iterable[str]
    """Those that pay; those above them pay too."""
    amount: int
    """Negative: it was less than was charged before."""
    at_ms: int
    known_ms: int | None = None
    """When the use was reported: what was created later was never charged for it, and is not now. None: now."""


@dataclass(slots=True)
class Leases:
    """All budgets, leases and transfers. `touched…`: what has changed since the last commit took it along."""

    budgets: dict[str, Budget] = field(default_factory=dict)
    live: dict[str, Lease] = field(default_factory=dict)
    expired: dict[str, Lease] = field(default_factory=dict)
    transfers: dict[int, Transfer] = field(default_factory=dict)
    """Those that can still be decided, repaid or taken back."""
    next_transfer: int = 1
    removed: dict[str, Budget] = field(default_factory=dict)
    """Created again, a budget goes on with what it has spent."""
    touched_budgets: set[str] = field(default_factory=set)
    touched_spans: set[tuple[str, int]] = field(default_factory=set)
    touched_leases: dict[str, Lease] = field(default_factory=dict)
    touched_transfers: dict[int, Transfer] = field(default_factory=dict)
    _by_subject: dict[tuple[Scope, str, Unit], str] | None = None

    def reserve(
        self,
        lease_id: str,
        budgets: Iterable[str],
        amount: int,
        until_ms: int,
        now_ms: int,
        *,
        cost: int = 0,
    ) -> Lease | Refused:
        """`cost`: what its holder had cost before, which no budget pays. The same question again is answered as before. Raises KeyError for a budget that does not exist, BudgetError for a lease that differs."""
        names = tuple(budgets)
        known = self.live.get(lease_id) or self.expired.get(lease_id)
        if known is not None:
            if (known.budgets, known.amount, known.until_ms, known.number) != (names, amount, until_ms, 1):
                raise BudgetError(
                    f"lease {lease_id} exists with another amount, budget or end; renew it, or use another id"
                )
            return known
        _check(lease_id, names, amount, until_ms, now_ms)
        chain = self._paying(names)
        refused = self._refused(chain, amount, now_ms)
        return refused or self._hold(Lease(lease_id, names, amount, until_ms, 1, (), cost), chain, now_ms)

    def renew(
        self,
        lease_id: str,
        number: int,
        cost: int,
        amount: int,
        until_ms: int,
        now_ms: int,
        *,
        remote: bool = False,
    ) -> Lease | Refused:
        """Settle the quantum with this number and reserve the next, in one step; refused: nothing has changed. `cost`: of the lease from its beginning. The same
        question again, also with a later end, is answered as before. `remote`: the answer may not reach the holder, who then goes on with the quantum that it has;
        so at least what is left of it is reserved. Raises KeyError for a lease that is not known, BudgetError."""
        _check(lease_id, ("",), amount, until_ms, now_ms)
        known = self.live.get(lease_id) or self.expired[lease_id]
        if known.number == number + 1:
            return known  # the answer was lost
        if known.number != number:
            raise BudgetError(f"lease {lease_id} is at number {known.number}, not {number}; read it again")
        used = _used(known, cost)
        if remote and known.state is LeaseState.LIVE:
            amount = max(amount, known.amount - used)
        chain = self._paying(known.budgets)
        refused = self._refused(chain, amount, now_ms, freed=dict.fromkeys(known.spans, known.amount - used))
        if refused is not None:
            return refused
        self._release(known, used)
        self.expired.pop(lease_id, None)
        next_ = Lease(lease_id, known.budgets, amount, until_ms, number + 1, (), cost)
        return self._hold(next_, chain, now_ms)

    def settle(self, lease_id: str, cost: int, now_ms: int) -> Lease | None:
        """The holder is done. `cost`: of the lease from its beginning. None: it is settled already, or has expired too long ago. Raises BudgetError."""
        lease = self.live.get(lease_id) or self.expired.get(lease_id)
        if lease is None:
            return None
        self._release(lease, _used(lease, cost))
        self.live.pop(lease_id, None)
        self.expired.pop(lease_id, None)
        return self._end(lease._replace(cost=cost), LeaseState.SETTLED, now_ms)

    def restate(self, lease_id: str, cost: int) -> None:
        """Its holder has cost less than it had reported: the difference goes back to the periods of its lease, as far as it was spent there."""
        lease = self.live[lease_id]
        for name, start in lease.spans:
            span = self.budgets[name].spans[start]
            span.spent -= min(span.spent, max(0, lease.cost - cost))
        self.touched_spans.update(lease.spans)
        self.live[lease_id] = self.touched_leases[lease_id] = lease._replace(cost=min(lease.cost, cost))

    def expire(self, now_ms: int) -> list[Lease]:
        """Those whose end has come count as all that they had reserved, until their holder reports more."""
        over = sorted(each for each in self.live.values() if each.until_ms <= now_ms)
        for lease in over:
            del self.live[lease.id]
            self._release(lease, lease.amount)
            self.expired[lease.id] = self._end(lease, LeaseState.EXPIRED, now_ms)
        for old in [each for each in self.expired.values() if each.until_ms <= now_ms - LATE_MS]:
            del self.expired[old.id]
        return over

    def charge(self, charges: Iterable[Charged], now_ms: int) -> list[str]:
        """Use that nobody had reserved, in the period of its time. It is booked in full, whatever is left: it has happened already.

        What is taken back of a period is at most what was spent in it, after all that is added to it; each budget is bounded by itself. What happened in
        a period of a budget that is not known, such as one before it was created, changes nothing of it. The names of the budgets that it has changed, the
        lowest of each charge first. Raises KeyError.
        """
        sums: dict[tuple[str, int], int] = {}
        for budgets, amount, at_ms, known_ms in charges:
            for each in self.chain(budgets):
                span = each.span_of(at_ms, now_ms) if each.existed(known_ms) else None
                if span is not None:
                    key = each.spec.name, span.start_ms
                    sums[key] = sums.get(key, 0) + amount
        for (name, start), amount in sums.items():
            span = self.budgets[name].spans[start]
            span.spent += max(amount, -span.spent)
        self.touched_spans.update(sums)
        return list(dict.fromkeys(name for name, _ in sums))

    def left(self, budgets: Iterable[str], now_ms: int) -> int | None:
        """What can be reserved now, through all budgets above. None: nothing limits it. Raises KeyError."""
        left = [each.left(now_ms) for each in self.chain(budgets)]
        return min((each for each in left if each is not None), default=None)

    def budget_for(self, scope: Scope, subject: str, unit: Unit) -> str | None:
        """The name of the budget that limits it; None: there is none, or it is being deleted."""
        if self._by_subject is None:
            specs = [each.spec for each in self.budgets.values() if not each.deleting]
            self._by_subject = {(each.scope, each.subject, each.unit): each.name for each in specs}
        return self._by_subject.get((scope, subject, unit))

    def chain(self, names: Iterable[str]) -> list[Budget]:
        """These and all above them, each once, the lowest first. Raises KeyError."""
        found: dict[str, Budget] = {}
        for name in names:
            at = name
            while at and at not in found:
                found[at] = self.budgets[at]
                at = found[at].spec.parent
        return list(found.values())

    def _paying(self, names: Iterable[str]) -> list[Budget]:
        """As `chain`. Raises KeyError, and BudgetError for a budget that is being deleted."""
        found = self.chain(names)
        for each in found:
            if each.deleting:
                raise BudgetError(
                    f"budget {each.spec.name} is being deleted and pays for nothing new; settle its leases, or keep it (herder budget keep {each.spec.name})"
                )
        return found

    def put(self, spec: BudgetSpec, now_ms: int) -> None:
        """Create it, or change it. Its set must have no `faults`. Raises BudgetError below what is spent and reserved already: nothing that was granted is taken away."""
        known, self._by_subject = self.budgets.get(spec.name), None
        if known is None:
            self._create(spec, now_ms)
            return
        self.check_change(known, spec, now_ms)
        known.spec = spec
        self.touched_budgets.add(spec.name)

    def _create(self, spec: BudgetSpec, now_ms: int) -> None:
        """Of the same unit and periods as one that was deleted: with what that had spent. Else its periods count from now on."""
        old = self.removed.pop(spec.name, None)
        budget = self.budgets[spec.name] = Budget(spec, created_at_ms=now_ms)
        self.touched_budgets.add(spec.name)
        if old is None:
            return
        if not _alike(old.spec, spec):
            self._touch(budget, now_ms)  # its row takes the place of the old one's
            return
        budget.created_at_ms = old.created_at_ms
        for start, span in old.spans.items():
            budget.spans[start] = Span(start, span.end_ms, spent=span.spent)
            self.touched_spans.add((spec.name, start))

    def check_change(self, known: Budget, spec: BudgetSpec, now_ms: int) -> None:
        before = known.spec
        for key in ("unit", "period", "timezone"):
            if getattr(before, key) != getattr(spec, key):
                raise BudgetError(
                    f"budget {spec.name} exists with another {key}; delete it, or create one of another name"
                )
        if before.parent != spec.parent and any(each.leases for each in known.spans.values()):
            raise BudgetInUse(
                f"budget {spec.name} has leases, so its parent cannot change; wait until they have ended"
            )
        if before.parent != spec.parent:
            self._check_unmoved(spec.name)
        used, had = known.used(now_ms), known.ceiling(now_ms)
        ceiling = Budget(spec, known.lasting, known.spans).ceiling(now_ms)
        if ceiling is not None and ceiling < used and (had is None or ceiling < had):
            text = f"budget {spec.name} has {used} spent or reserved already"
            if spec.limit is None or ceiling == spec.limit:
                raise BudgetInUse(f"{text}; set at least that, or wait for leases to end")
            raise BudgetInUse(
                f"{text} and may use {ceiling} with this limit, its overage and what was moved; set more, or wait for leases to end"
            )

    def _check_unmoved(self, name: str) -> None:
        """What was moved between it, or those below it, and others has changed the limits above both. Raises BudgetError."""
        for each in self.transfers.values():
            if each.state is not TransferState.GRANTED or not each.source:
                continue
            if any(name == above.spec.name for above in self.chain((each.source, each.target))):
                raise BudgetInUse(
                    f"budget {name} has transfer {each.number} in force, so its parent cannot change; take it back, or wait until it is over"
                )

    def forget_subjects(self) -> None:
        """Which budget is for what may have changed."""
        self._by_subject = None

    def pays(self, lease: Lease) -> bool:
        """Whether all budgets that its holder named exist and are not being deleted: only then it can be renewed."""
        found = (self.budgets.get(name) for name in lease.budgets)
        return all(each is not None and not each.deleting for each in found)

    def _refused(
        self, chain: list[Budget], amount: int, now_ms: int, freed: dict[tuple[str, int], int] | None = None
    ) -> Refused | None:
        """Nothing is always granted: who cannot stop at once reports what it costs."""
        for budget in chain if amount else ():
            left = budget.left(now_ms)
            if left is None:
                continue
            if freed:
                left += sum(
                    freed.get((budget.spec.name, span.start_ms), 0) for span in budget.counting(now_ms)
                )
            if left < amount:
                return Refused(budget.spec.name, left)
        return None

    def _hold(self, lease: Lease, chain: list[Budget], now_ms: int) -> Lease:
        spans = []
        for budget in chain:
            span = budget.span(now_ms)
            span.reserved += lease.amount
            span.leases += 1
            spans.append((budget.spec.name, span.start_ms))
        held = lease._replace(spans=tuple(spans))
        self.live[lease.id] = self.touched_leases[lease.id] = held
        self.touched_spans.update(spans)
        return held

    def _release(self, lease: Lease, used: int) -> None:
        """Of one that has expired, its amount is spent already: only the difference is booked, as far as the period is still known."""
        for key in lease.spans:
            budget = self.budgets.get(key[0])
            span = None if budget is None else budget.spans.get(key[1])
            if span is None:
                continue
            if lease.state is LeaseState.LIVE:
                span.reserved -= lease.amount
                span.leases -= 1
                span.spent += used
            else:
                span.spent += used - lease.amount
            self.touched_spans.add(key)

    def _end(self, lease: Lease, state: LeaseState, now_ms: int) -> Lease:
        ended = lease._replace(state=state, ended_ms=now_ms)
        self.touched_leases[lease.id] = ended
        return ended

    def _touch(self, budget: Budget, now_ms: int) -> None:
        self.touched_spans.add((budget.spec.name, budget.span(now_ms).start_ms))


def _check(lease_id: str, names: tuple[str, ...], amount: int, until_ms: int, now_ms: int) -> None:
    if amount < 0:
        raise BudgetError(f"lease {lease_id} reserves a negative amount")
    if until_ms <= now_ms:
        raise BudgetError(f"lease {lease_id} would end in the past; choose a later end")
    if not names:
        raise BudgetError(f"lease {lease_id} names no budget; name at least one")


def _alike(one: BudgetSpec, other: BudgetSpec) -> bool:
    return (one.unit, one.period, one.timezone) == (other.unit, other.period, other.timezone)


def _used(lease: Lease, cost: int) -> int:
    """Of its quantum. Raises BudgetError."""
    if cost < lease.cost:
        raise BudgetError(
            f"the cost of lease {lease.id} was {lease.cost} before and cannot go down to {cost}; report what it has cost from its beginning"
        )
    return cost - lease.cost


def broken(state: Leases, now_ms: int) -> list[str]:
    """Which of what must hold does not."""
    held: dict[tuple[str, int], list[int]] = {}
    for lease in state.live.values():
        for key in lease.spans:
            held.setdefault(key, []).append(lease.amount)
    return [*_differences(held, state), *_over(state, now_ms)]


def _differences(held: dict[tuple[str, int], list[int]], state: Leases) -> Iterator[str]:
    for name, budget in state.budgets.items():
        for start, span in budget.spans.items():
            mine = held.pop((name, start), [])
            if (span.reserved, span.leases) != (sum(mine), len(mine)):
                yield f"budget {name} has {span.reserved} reserved, and its leases {sum(mine)}"
    for name, start in held:
        yield f"budget {name} has leases in a period that it does not know: {start}"


def _over(state: Leases, now_ms: int) -> Iterator[str]:
    for name, budget in state.budgets.items():
        left = budget.left(now_ms)
        if left is not None and left < 0:
            yield f"budget {name} is overspent by {-left}"
