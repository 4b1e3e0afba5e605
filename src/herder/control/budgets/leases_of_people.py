"""Leases that are asked for over the API: by gateways of models, agents and scripts that spend what Herder does not run itself."""

import math
import re
from collections.abc import Callable, Sequence

from herder.control.budgets import leasing
from herder.control.budgets.access import budget_named, check_spender
from herder.control.budgets.moving import parsed
from herder.control.budgets.words import amount, amounts_in, refusal
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown
from herder.control.kernel.bounds.limits import check_between, check_count, check_word
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.budgets.leases import BudgetError, Lease, Refused
from herder.ledger.budgets.spec import BudgetSpec, Unit
from herder.model.permissions import Principal, Role
from herder.model.stored.changes import Changes
from herder.wire.api.budgets import LeaseRenew, LeaseReserve, LeaseSettle
from herder.wire.api.resources import Result

#: A lease lasts at most so long: one that is lost blocks its amount until then.
LASTS_LONGEST_S = 31 * 86_400
BUDGETS_EACH_MAX = 16
#: Others, as those of workers, have a slash: they are not changed by calls of people.
ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
LEASES_MAX = 100_000
#: On one budget, by callers below operators: a user cannot take all that there may be.
LEASES_OF_USERS_MAX = 1_000


def reserve(core: Core, who: Principal, body: LeaseReserve, changes: Changes, now_ms: int) -> Lease:
    """Raises Refused."""
    check_word(body.id, "id")
    if not ID.fullmatch(body.id):
        raise Invalid(
            f"{body.id[:50]!r} is not a valid id of a lease.",
            field="id",
            hint="Use letters, digits and . _ - only, beginning with no dot.",
        )
    check_count(len(body.budgets), BUDGETS_EACH_MAX, "budgets")
    specs = _specs(core, who, body.budgets)
    if len(core.budgets.live) >= LEASES_MAX:
        raise Conflict(f"There are {LEASES_MAX:,} leases, the maximum.", hint="Settle those that are done.")
    most, until_ms = parsed(body.amount, specs[0]), now_ms + _lasts_ms(body.lasts_s)
    known = core.budgets.live.get(body.id)
    if known is None and who.role < Role.OPERATOR:
        _check_user(core, body.budgets, most)
    if known is not None and (known.amount, list(known.budgets), known.number) == (most, body.budgets, 1):
        until_ms = known.until_ms  # asked for again, a moment later
    found = _answer(
        core,
        specs,
        most,
        now_ms,
        lambda: leasing.reserve(core, changes, body.budgets, body.id, most, until_ms),
    )
    return _tell(
        core,
        changes,
        found,
        f"Lease {body.id} reserves {amount(most, specs[0].unit)} of budget {', '.join(body.budgets)}.",
        who,
        now_ms,
    )


def renew(
    core: Core, who: Principal, lease_id: str, body: LeaseRenew, changes: Changes, now_ms: int
) -> Lease:
    """Raises Refused."""
    lease = known_lease(core, lease_id)
    specs = _specs(core, who, lease.budgets)
    most, cost = parsed(body.amount, specs[0]), parsed(body.cost, specs[0], "cost")
    if lease.number == body.number:
        _check_cost(who, lease, cost, specs[0].unit)
    until_ms = now_ms + _lasts_ms(body.lasts_s)
    found = _answer(
        core, specs, most, now_ms,
        lambda: leasing.renew(core, changes, lease_id, body.number, cost, most, until_ms, remote=True),
    )  # fmt: skip
    return _tell(
        core, changes, found, f"Lease {lease_id} was renewed with {amount(most, specs[0].unit)}.", who, now_ms
    )


def settle(
    core: Core, who: Principal, lease_id: str, body: LeaseSettle, changes: Changes, now_ms: int
) -> Result:
    """Raises Refused."""
    lease = known_lease(core, lease_id)
    specs = _specs(core, who, lease.budgets)
    cost = parsed(body.cost, specs[0], "cost")
    _check_cost(who, lease, cost, specs[0].unit)
    try:
        done = leasing.settle(core, changes, lease_id, cost)
    except BudgetError as error:
        raise Conflict(amounts_in(error, specs[0].unit)) from None
    assert done is not None, "it was known"
    text = f"Lease {lease_id} was settled at {amount(cost, specs[0].unit)}."
    _tell(core, changes, done, text, who, now_ms)
    return Result(object=f"budget-lease/{lease_id}", text=text)


def _check_user(core: Core, names: Sequence[str], most: int) -> None:
    """Operators may report any cost, so they need not reserve one. Raises Refused."""
    if not most:
        raise Invalid(
            "The lease reserves nothing.",
            field="amount",
            hint="Reserve what can be spent until it ends.",
        )
    now_ms = core.clock.now_ms()
    for name in names:
        if sum(span.leases for span in core.budgets.budgets[name].counting(now_ms)) < LEASES_OF_USERS_MAX:
            continue
        mine = sum(name in each.budgets and "/" not in each.id for each in core.budgets.live.values())
        if mine >= LEASES_OF_USERS_MAX:
            raise Conflict(
                f"Budget {name} has {mine:,} leases; users may have {LEASES_OF_USERS_MAX:,}.",
                hint="Settle those that are done.",
            )


def _check_cost(who: Principal, lease: Lease, cost: int, unit: Unit) -> None:
    """Only operators book more than was reserved: it is paid by the budgets above, whatever these have left. Raises Conflict."""
    most = lease.cost + lease.amount
    if who.role < Role.OPERATOR and cost > most:
        raise Conflict(
            f"Lease {lease.id} can cost {amount(most, unit)} at most with what it has reserved; {amount(cost, unit)} was reported.",
            field="cost",
            hint="Renew it with a larger amount before more is spent, or ask an operator to settle it.",
        )


def known_lease(core: Core, lease_id: str) -> Lease:
    """Raises NotKnown."""
    lease = core.budgets.live.get(lease_id) or core.budgets.expired.get(lease_id)
    if lease is None:
        raise NotKnown(
            f"There is no lease {lease_id[:100]!r}, or it is settled.",
            hint="`herder budget leases` shows them.",
        )
    return lease


def _specs(core: Core, who: Principal, names: Sequence[str]) -> list[BudgetSpec]:
    specs = [budget_named(core, name).spec for name in names]
    if not specs:
        raise Invalid("No budget is named.", field="budgets", hint="Name at least one.")
    for spec in specs:
        check_spender(who, spec)
    if len({spec.unit for spec in specs}) > 1:
        raise Invalid(
            "The budgets have different units.", field="budgets", hint="Take one lease for each unit."
        )
    return specs


def _lasts_ms(seconds: float) -> int:
    if not math.isfinite(seconds):
        raise Invalid("lasts_s is not a number of seconds.", field="lasts_s")
    check_between(math.ceil(seconds), 1, LASTS_LONGEST_S, "lasts_s")
    return round(seconds * 1000)


def _answer(
    core: Core, specs: Sequence[BudgetSpec], most: int, now_ms: int, ask: Callable[[], Lease | Refused]
) -> Lease:
    try:
        found = ask()
    except BudgetError as error:
        raise Conflict(amounts_in(error, specs[0].unit)) from None
    if isinstance(found, Refused):
        text = refusal(core.budgets.budgets[found.budget], found, most, now_ms)
        raise Conflict(
            text, hint=f"Reserve less, or ask for more with `herder budget request {found.budget}`."
        )
    return found


def _tell(core: Core, changes: Changes, lease: Lease, text: str, who: Principal, now_ms: int) -> Lease:
    record_event(
        core.state, changes, now_ms, "budget.leased", f"budget-lease/{lease.id}", text, actor=who.actor
    )
    return lease
