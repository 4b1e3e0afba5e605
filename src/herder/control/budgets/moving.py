"""What moves between budgets: requests, reallocations and loans, decided by their approvers, repaid day by day. All or nothing; a refusal changes nothing."""

from collections.abc import Callable

from herder.control.budgets.access import budget_named, check_approver, check_spender
from herder.control.budgets.words import amount, amounts_in, refusal
from herder.control.kernel.bounds.errors import Conflict, Forbidden, Invalid, NotKnown
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.budget_rows import put_rows
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.budgets import transfers
from herder.ledger.budgets.leases import BudgetError, Refused
from herder.ledger.budgets.spec import BudgetSpec
from herder.ledger.budgets.transfer import Transfer, TransferKind, TransferState
from herder.model.permissions import Principal, Role
from herder.model.stored.changes import Changes
from herder.settings.sections.budgets import limit_of
from herder.wire.api.budgets import BudgetAsk, TransferCreate, TransferDecision
from herder.wire.api.resources import Result

#: Days of a repayment, and requests that wait, at most.
REPAY_DAYS_MAX, WAITING_MAX = 366, 10_000
#: Of one user, those that count in a period with those that wait: each is kept as long, however small it is.
REQUESTS_OF_USERS_MAX = 100


def parsed(raw: str, spec: BudgetSpec, field: str = "amount") -> int:
    """Whole units of the budget. Raises Invalid."""
    try:
        return limit_of(raw, spec.unit)
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        hint = f"{remedy[:1].upper()}{remedy[1:]}." if remedy else ""
        raise Invalid(f"{message[:1].upper()}{message[1:]}.", field=field, hint=hint) from None


def request(core: Core, who: Principal, name: str, body: BudgetAsk, changes: Changes, now_ms: int) -> Result:
    """More for one budget in this period. Up to its part `approval` of the limit, with what was granted so before, it is granted at once. Raises Refused."""
    budget = budget_named(core, name)
    check_spender(who, budget.spec)
    _check_number(core, who)
    asked = _new(core, TransferKind.REQUEST, "", name, body.amount, body.reason, who, now_ms)
    limit = budget.spec.limit or 0
    at_once = transfers.granted_at_once(core.budgets, budget, now_ms)
    if (at_once + asked.amount) * 100 <= limit * budget.spec.approval_percent:
        return _granted(core, asked, who, "", changes, now_ms)
    if sum(each.state is TransferState.ASKED for each in core.budgets.transfers.values()) >= WAITING_MAX:
        raise Conflict(f"{WAITING_MAX:,} requests wait, the maximum.", hint="Decide about some first.")
    try:
        asked = transfers.ask(core.budgets, asked)
    except BudgetError as error:
        raise Conflict(amounts_in(error, budget.spec.unit)) from None
    more = amount(asked.amount, budget.spec.unit)
    who_decides = ", ".join(budget.spec.approvers) or "an operator"
    return _tell(
        core, asked, "budget.requested", f"Request {asked.number} of {more} for budget {name} waits for {who_decides}.",
        who, changes, now_ms,
    )  # fmt: skip


def _check_number(core: Core, who: Principal) -> None:
    """Raises Conflict."""
    mine = sum(
        each.kind is TransferKind.REQUEST and each.asked_by == who.user
        for each in core.budgets.transfers.values()
    )
    if who.role < Role.OPERATOR and mine >= REQUESTS_OF_USERS_MAX:
        raise Conflict(
            f"{who.user} has {mine:,} requests that wait or count in this period; users may have {REQUESTS_OF_USERS_MAX:,}.",
            hint="Ask an operator, or ask again when some of them are decided or their period is over.",
        )


def reallocate(core: Core, who: Principal, body: TransferCreate, changes: Changes, now_ms: int) -> Result:
    """From one budget to another, decided by an approver of the one that gives. Raises Refused."""
    source, target = budget_named(core, body.source), budget_named(core, body.target)
    check_approver(who, source.spec)
    if not 0 <= body.repay_days <= REPAY_DAYS_MAX:
        raise Invalid(f"repay_days must be 0 to {REPAY_DAYS_MAX}.", field="repay_days")
    asked = _new(
        core, TransferKind.REALLOCATION, source.spec.name, target.spec.name, body.amount, body.reason, who, now_ms
    )  # fmt: skip
    asked = asked._replace(lasting=not body.temporary, repay_days=body.repay_days)
    return _granted(core, asked, who, "", changes, now_ms)


def approve(
    core: Core, who: Principal, number: int, body: TransferDecision, changes: Changes, now_ms: int
) -> Result:
    """Raises Refused."""
    waiting = _waiting(core, who, number)
    if body.source:
        check_approver(who, budget_named(core, body.source).spec)
    check_message(body.message)
    if waiting.asked_by == who.user:
        raise Forbidden(
            f"Request {number} is {who.user}'s own.",
            hint="Another approver, or an administrator, decides about it.",
        )
    return _granted(core, waiting._replace(source=body.source), who, body.message, changes, now_ms)


def reject(
    core: Core, who: Principal, number: int, body: TransferDecision, changes: Changes, now_ms: int
) -> Result:
    """Raises Refused."""
    waiting = _waiting(core, who, number)
    check_message(body.message)
    done = transfers.reject(core.budgets, waiting, who.user, now_ms, body.message)
    text = f"Request {number} for budget {done.target} was rejected by {who.user}."
    return _tell(core, done, "budget.rejected", text, who, changes, now_ms)


def take_back(
    core: Core, who: Principal, number: int, body: TransferDecision, changes: Changes, now_ms: int
) -> Result:
    """What was granted and is not used or repaid yet. Raises Refused."""
    transfer = _known(core, number)
    check_approver(who, core.budgets.budgets[transfer.source or transfer.target].spec)
    check_message(body.message)
    target = core.budgets.budgets[transfer.target].spec
    left = transfer.amount - transfer.repaid
    done = _moved(
        core,
        lambda: transfers.take_back(core.budgets, transfer, who.user, now_ms, body.message),
        left,
        target,
        now_ms,
    )
    text = f"{amount(left, target.unit)} of transfer {number} were taken back from budget {target.name} by {who.user}."
    return _tell(core, done, "budget.taken_back", text, who, changes, now_ms)


def repay(core: Core, changes: Changes, now_ms: int) -> None:
    """The parts whose day has come, with an event each."""
    for transfer, part in transfers.repay(core.budgets, now_ms):
        unit = core.budgets.budgets[transfer.target].spec.unit
        text = (
            f"Budget {transfer.target} repaid {amount(part, unit)} to {transfer.source}; "
            f"{amount(transfer.amount - transfer.repaid, unit)} of {amount(transfer.amount, unit)} is still to be repaid."
        )
        record_event(core.state, changes, now_ms, "budget.repaid", f"budget/{transfer.target}", text)
    transfers.forget_old(core.budgets, now_ms)
    put_rows(core.budgets, changes, now_ms)


def _new(
    core: Core,
    kind: TransferKind,
    source: str,
    target: str,
    raw: str,
    reason: str,
    who: Principal,
    now_ms: int,
) -> Transfer:
    """Not noted yet. Raises Invalid."""
    check_message(reason, "reason")
    if not reason.strip():
        raise Invalid("The reason is empty.", field="reason", hint="Say what it is needed for.")
    parts = parsed(raw, core.budgets.budgets[target].spec)
    number = core.budgets.next_transfer
    return Transfer(number, kind, source, target, parts, reason, False, 0, who.user, now_ms)


def _granted(core: Core, asked: Transfer, who: Principal, note: str, changes: Changes, now_ms: int) -> Result:
    target = core.budgets.budgets[asked.target].spec
    done = _moved(
        core, lambda: transfers.grant(core.budgets, asked, who.user, now_ms, note), asked.amount, target, now_ms
    )  # fmt: skip
    origin = f"from budget {done.source} " if done.source else ""
    repaid = f" It is repaid over {done.repay_days} days." if done.repay_days else ""
    text = f"{amount(done.amount, target.unit)} {origin}were given to budget {target.name} by {who.user}.{repaid}"
    return _tell(core, done, "budget.granted", text, who, changes, now_ms)


def _moved(
    core: Core, move: Callable[[], Transfer | Refused], wanted: int, target: BudgetSpec, now_ms: int
) -> Transfer:
    """Raises Conflict."""
    try:
        done = move()
    except BudgetError as error:
        raise Conflict(amounts_in(error, target.unit)) from None
    if isinstance(done, Refused):
        text = refusal(core.budgets.budgets[done.budget], done, wanted, now_ms)
        raise Conflict(text, hint="Move less, or wait until leases have ended.")
    return done


def _known(core: Core, number: int) -> Transfer:
    transfer = core.budgets.transfers.get(number)
    if transfer is None:
        raise NotKnown(
            f"There is no request or transfer {number} that can be changed.",
            hint="`herder budget requests` shows them.",
        )
    return transfer


def _waiting(core: Core, who: Principal, number: int) -> Transfer:
    transfer = _known(core, number)
    if transfer.state is not TransferState.ASKED:
        raise Conflict(
            f"Transfer {number} is {transfer.state.replace('_', ' ')} already.",
            hint="`herder budget take-back` takes it back.",
        )
    check_approver(who, core.budgets.budgets[transfer.target].spec)
    return transfer


def _tell(
    core: Core, done: Transfer, kind: str, text: str, who: Principal, changes: Changes, now_ms: int
) -> Result:
    subject = f"transfer/{done.number}"
    data: dict[str, object] = {"from": done.source, "to": done.target, "reason": done.reason}
    record_event(core.state, changes, now_ms, kind, subject, text, actor=who.actor, data=data)
    put_rows(core.budgets, changes, now_ms)
    return Result(object=subject, text=text)
