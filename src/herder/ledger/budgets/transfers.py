"""Moves between budgets: granted only as far as the giver has something left, repaid day by day, taken back as far as it is unused. Pure.

A move changes the limits of both budgets, and of those above them up to the first that is above both: so no budget's limit can be passed by moving things about.
A budget that is above both, or of which there is none, is not changed.
"""

from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.leases import BudgetError, Leases, Refused
from herder.ledger.budgets.periods import midnight_after
from herder.ledger.budgets.transfer import Transfer, TransferKind, TransferState

#: A budget that borrows takes at least this part of its limit at once, if it is free: else each lease would be a loan of its own.
LOAN_PERCENT = 5


def ask(state: Leases, transfer: Transfer) -> Transfer:
    """Note it; nothing moves yet. Raises BudgetError and KeyError."""
    _check(state, transfer)
    return _note(state, transfer)


def grant(state: Leases, transfer: Transfer, who: str, now_ms: int, note: str = "") -> Transfer | Refused:
    """Move it now. Raises BudgetError and KeyError; Refused: the budget that gives has too little left, and nothing has changed."""
    _check(state, transfer)
    refused = _move(state, transfer.source, transfer.target, transfer.amount, now_ms, transfer.lasting)
    if refused is not None:
        return refused
    zone = state.budgets[transfer.target].spec.timezone
    return _note(
        state,
        transfer._replace(
            state=TransferState.GRANTED,
            decided_by=who,
            decided_ms=now_ms,
            note=note,
            days_left=transfer.repay_days,
            due_ms=midnight_after(zone, now_ms) if transfer.repay_days else None,
        ),
    )


def reject(state: Leases, transfer: Transfer, who: str, now_ms: int, note: str = "") -> Transfer:
    return _note(
        state,
        transfer._replace(state=TransferState.REJECTED, decided_by=who, decided_ms=now_ms, note=note),
    )


def take_back(state: Leases, transfer: Transfer, who: str, now_ms: int, note: str = "") -> Transfer | Refused:
    """What is not repaid yet goes back, if the budget that has it has not used it. Raises BudgetError where there is nothing to go back."""
    left = transfer.amount - transfer.repaid
    if transfer.state is not TransferState.GRANTED or left == 0:
        raise BudgetError(
            f"transfer {transfer.number} is {transfer.state.replace('_', ' ')}; only a granted one can be taken back"
        )
    if not transfer.lasting and not transfer.repay_days and not _same_periods(state, transfer, now_ms):
        raise BudgetError(
            f"transfer {transfer.number} was for a period that is over; nothing is left to take back"
        )
    refused = _move(state, transfer.target, transfer.source, left, now_ms, transfer.lasting)
    if refused is not None:
        return refused
    back = transfer._replace(
        state=TransferState.TAKEN_BACK, decided_by=who, decided_ms=now_ms, note=note, due_ms=None, days_left=0
    )
    return _note(state, back)


def repay(state: Leases, now_ms: int) -> list[tuple[Transfer, int]]:
    """The parts whose day has come, as far as the debtor has something left; the rest is shared out over the days that follow, the last day being repeated
    until all is repaid. (The transfer after it, how much was repaid.)"""
    done = []
    for number in sorted(state.transfers):
        at = state.transfers[number]
        while at.due_ms is not None and at.due_ms <= now_ms:
            at, part = _repay_day(state, at, now_ms)
            _note(state, at)
            done.append((at, part))
    return done


def _repay_day(state: Leases, transfer: Transfer, now_ms: int) -> tuple[Transfer, int]:
    assert transfer.due_ms is not None
    outstanding = transfer.amount - transfer.repaid
    part = -(-outstanding // max(1, transfer.days_left))
    side = _sides(state, transfer.target, transfer.source)[0]
    lefts = [left for each in side if (left := each.movable(now_ms)) is not None]
    part = max(0, min([part, *lefts]))
    if part:
        refused = _move(state, transfer.target, transfer.source, part, now_ms, lasting=False)
        assert refused is None, "it has that much left"
    repaid = transfer.repaid + part
    over = repaid == transfer.amount
    zone = state.budgets[transfer.target].spec.timezone
    # Days in which no server ran are made up for one after another.
    due = None if over else midnight_after(zone, transfer.due_ms)
    after = transfer._replace(
        repaid=repaid,
        due_ms=due,
        days_left=0 if over else max(1, transfer.days_left - 1),
        state=TransferState.REPAID if over else transfer.state,
    )
    if not over and part == 0 and due is not None and due <= now_ms:
        after = after._replace(due_ms=midnight_after(zone, now_ms))  # nothing is left today: tomorrow
    return after, part


def lendable(state: Leases, budget: Budget, now_ms: int) -> int:
    """What its siblings may borrow of it now."""
    left, limit = budget.left(now_ms), budget.spec.limit
    if left is None or limit is None:
        return 0
    lent = sum(each.lent for each in budget.counting(now_ms))
    own = left - (budget.ceiling(now_ms) or 0) + (budget.limit(now_ms) or 0)  # its overage is not lent
    return max(0, min(own, limit * budget.spec.lending_percent // 100 - lent))


def borrowable(state: Leases, budget: Budget, now_ms: int) -> int:
    """What it would be lent now, if it asked for that."""
    if not budget.spec.borrow or budget.spec.limit is None:
        return 0
    return sum(lendable(state, each, now_ms) for each in _siblings(state, budget))


def _siblings(state: Leases, budget: Budget) -> list[Budget]:
    parent = budget.spec.parent
    return [
        each
        for each in state.budgets.values()
        if each is not budget and parent and each.spec.parent == parent and not each.deleting
    ]


def borrow(state: Leases, name: str, missing: int, now_ms: int) -> list[Transfer]:
    """So much from the siblings that have the most, for this period; empty: they have too little between them, and nothing has changed."""
    budget = state.budgets[name]
    if not budget.spec.borrow or budget.spec.limit is None or missing <= 0:
        return []
    free = sorted(
        ((lendable(state, each, now_ms), each.spec.name) for each in _siblings(state, budget)), reverse=True
    )
    if sum(amount for amount, _ in free) < missing:
        return []
    want = max(missing, budget.spec.limit * LOAN_PERCENT // 100)
    loans = []
    for amount, lender in free:
        part = min(amount, want)
        if part <= 0:
            break
        want -= part
        loan = Transfer(
            state.next_transfer, TransferKind.LOAN, lender, name, part,
            f"{name} had {missing} too little.", False, 0, name, now_ms,
        )  # fmt: skip
        granted = grant(state, loan, name, now_ms)
        assert isinstance(granted, Transfer), "it was free"
        lent = state.budgets[lender].span(now_ms)
        lent.lent += part
        loans.append(granted)
    return loans


def _check(state: Leases, transfer: Transfer) -> None:
    source, target = transfer.source, transfer.target
    if transfer.amount <= 0:
        raise BudgetError("the amount must be more than 0")
    if source == target:
        raise BudgetError(f"budget {target} cannot give to itself; name two budgets")
    for name in filter(None, (source, target)):
        if state.budgets[name].deleting:
            raise BudgetError(
                f"budget {name} is being deleted, so nothing moves to or from it; name another, or keep it (herder budget keep {name})"
            )
        if state.budgets[name].spec.limit is None:
            raise BudgetError(
                f"budget {name} has no limit, so there is nothing to move; name one with a limit"
            )
    if source and state.budgets[source].spec.unit is not state.budgets[target].spec.unit:
        raise BudgetError(f"budgets {source} and {target} have different units")
    if transfer.repay_days and not source:
        raise BudgetError("what no budget gives cannot be repaid; name the budget that gives")
    if transfer.lasting and transfer.repay_days:
        raise BudgetError("what is moved for every period is not repaid; leave out one of the two")


def _sides(state: Leases, source: str, target: str) -> tuple[list[Budget], list[Budget]]:
    """Whose limits change: those of the giver's side, and of the other's."""
    giving = state.chain((source,)) if source else []
    taking = state.chain((target,)) if target else []
    if not source or not target:
        return giving[:1], taking[:1]
    above = {each.spec.name for each in giving} & {each.spec.name for each in taking}
    return [each for each in giving if each.spec.name not in above], [
        each for each in taking if each.spec.name not in above
    ]


def _move(state: Leases, source: str, target: str, amount: int, now_ms: int, lasting: bool) -> Refused | None:
    giving, taking = _sides(state, source, target)
    for budget in giving:
        left = budget.movable(now_ms)
        if left is not None and left < amount:
            return Refused(budget.spec.name, left)
    for sign, side in ((-1, giving), (1, taking)):
        for budget in side:
            if budget.spec.limit is None:
                continue
            span = budget.span(now_ms)
            if lasting:
                budget.lasting += sign * amount
                state.touched_budgets.add(budget.spec.name)
            else:
                span.moved += sign * amount
            state.touched_spans.add((budget.spec.name, span.start_ms))
    return None


def _same_periods(state: Leases, transfer: Transfer, now_ms: int) -> bool:
    then = transfer.decided_ms or 0
    names = filter(None, (transfer.source, transfer.target))
    return all((span := state.budgets[name].span(now_ms)).start_ms <= then < span.end_ms for name in names)


def granted_at_once(state: Leases, budget: Budget, now_ms: int) -> int:
    """What was given to it on request, without an approver, and counts now. (Nobody approves a request of their own.)"""
    return sum(
        each.amount
        for each in state.transfers.values()
        if each.target == budget.spec.name
        and each.kind is TransferKind.REQUEST
        and each.state is TransferState.GRANTED
        and each.decided_by == each.asked_by
        and _counts(budget, each, now_ms)
    )


def _counts(budget: Budget, transfer: Transfer, now_ms: int) -> bool:
    """Whether what it moved is in the limit now: in a rolling window, longer than it can be taken back."""
    then = transfer.decided_ms or 0
    return any(span.start_ms <= then < span.end_ms for span in budget.counting(now_ms))


def forget_old(state: Leases, now_ms: int) -> None:
    """Those that can be neither decided, repaid nor taken back any more, and count in no limit."""
    for transfer in list(state.transfers.values()):
        waits = transfer.state is TransferState.ASKED or transfer.due_ms is not None
        if waits or transfer.lasting or _counts(state.budgets[transfer.target], transfer, now_ms):
            continue
        if not _same_periods(state, transfer, now_ms):
            _note(state, transfer._replace(state=TransferState.OVER))


def _note(state: Leases, transfer: Transfer) -> Transfer:
    state.touched_transfers[transfer.number] = transfer
    state.next_transfer = max(state.next_transfer, transfer.number + 1)
    if transfer.state in (TransferState.ASKED, TransferState.GRANTED):
        state.transfers[transfer.number] = transfer
    else:
        state.transfers.pop(transfer.number, None)
    return transfer
