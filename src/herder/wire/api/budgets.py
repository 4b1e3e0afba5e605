"""Budgets, leases on them and transfers between them, as the API takes and shows them. Data only. Amounts are text: US dollars as a decimal number, or whole tokens."""

from typing import Any, Literal

import msgspec


class BudgetSet(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Settings as herder.yaml writes them; those that are not named stay as they are, or have their default."""

    settings: dict[str, Any]
    ahead: bool = False
    """What it limits may come later: a pool, project, user or division that does not exist is no error."""


class BudgetPeriodView(msgspec.Struct, kw_only=True):
    start: str
    end: str | None
    """Null: it never ends."""
    spent: str
    reserved: str
    moved: str
    """What other budgets or an approver gave to it in this period; negative: what it gave."""


class BudgetView(msgspec.Struct, kw_only=True):
    name: str
    scope: str
    of: str
    parent: str
    unit: str
    priority: str
    period: str
    timezone: str
    limit: str | None
    """Of this period, with what was moved to it. Null: it limits nothing."""
    most: str | None
    """The limit with its overage."""
    spent: str
    """Settled."""
    used: str
    """Spent, and what the holders of leases have used of what is reserved, as far as it is known: workers are metered."""
    reserved: str
    left: str | None
    """Of this budget alone."""
    grantable: str | None
    """What can be reserved now, through all budgets above it too."""
    leases: int
    approvers: list[str] = []
    """Users who decide about requests, beside administrators; empty: operators do."""
    state: Literal["active", "deleting"] = "active"
    """Deleting: it limits nothing now, and is gone when its last lease has ended."""
    gone_at: str | None = None
    """Of one that is being deleted: when its last lease has ended at the latest."""
    periods: list[BudgetPeriodView] = []
    """The newest first, as far as they are in memory. Not in lists."""
    transfers: list["TransferView"] = []
    """Requests, reallocations and loans that it gives to or gets from, and that can still be decided, repaid or taken back: the newest 20, the newest first. Not in lists."""
    transfers_total: int = 0
    """How many there are. Not in lists."""


class SpendEstimate(msgspec.Struct, kw_only=True):
    """Between p10 and p90 it is in at least 80 of 100 cases."""

    mean: str
    p10: str
    p90: str


class BudgetForecast(msgspec.Struct, kw_only=True):
    """An estimate from the lines of the ledger that the budget pays; null is unknown, or there is none, and `text` says which."""

    name: str
    unit: str
    at: str
    limit: str | None
    most: str | None
    """The limit with its overage."""
    used: str
    """In this period, so far."""
    period_end: str | None
    """Null: the period never ends, or is a rolling window."""
    at_period_end: SpendEstimate | None
    """What will be used of this period."""
    horizon_days: int
    in_horizon: SpendEstimate | None
    """What will be spent from now on, in so many days, whatever the periods."""
    outlook: Literal["holds", "used_up", "no_limit", "unknown"]
    """Until the end of the period; of one that never ends, in the next `horizon_days`."""
    used_up_on: str | None
    """The day, UTC, on which nothing is left of `most` if it is spent as expected."""
    used_up_earliest: str | None
    """The same if each day comes out at its p90."""
    learned_days: int
    """Whole days that the forecast is made from; fewer than 14 are too few."""
    unpriced: list[str]
    """Resources of which some use has no price and is in no estimate."""
    text: str
    period_start: str | None = None
    """Of a rolling window the beginning of what it counts now. Null: the period has no beginning."""
    by_day: dict[str, str] = {}
    """What the ledger has of each whole day (UTC) of this period that is learned from, the oldest first; a day without a line is left out."""
    thresholds: list[int] = []
    """Percents of the limit at which alerts are raised."""


class LeaseReserve(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: str
    budgets: list[str]
    amount: str
    """The most that can be spent until it ends."""
    lasts_s: float


class LeaseRenew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    number: int
    """Of the quantum that is settled."""
    cost: str
    """Of the lease from its beginning on."""
    amount: str
    lasts_s: float


class LeaseSettle(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    cost: str
    """Of the lease from its beginning on."""


class BudgetLeaseView(msgspec.Struct, kw_only=True):
    id: str
    budgets: list[str]
    amount: str
    number: int
    ends_at: str
    cost: str
    unit: str
    state: str


class BudgetAsk(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    amount: str
    reason: str


class TransferCreate(
    msgspec.Struct,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"source": "from", "target": "to"},
):
    source: str
    target: str
    amount: str
    reason: str
    temporary: bool = True
    """For this period only; else for every period from now on."""
    repay_days: int = 0
    """Repaid in so many daily parts; 0: not."""


class DocumentedAsk(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Body of `/api/budget/request`. `division` is another word for `entity`."""

    entity: str = ""
    division: str = ""
    amount: int | str
    reason: str


class DocumentedMove(
    msgspec.Struct,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"source": "from", "target": "to"},
):
    """Body of `/api/budget/reallocate`."""

    source: str
    target: str
    amount: int | str
    reason: str = ""


class TransferDecision(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    message: str = ""
    source: str = msgspec.field(default="", name="from")
    """Of an approval: the budget that gives. Empty: none, the limit grows."""


class TransferView(msgspec.Struct, kw_only=True, rename={"source": "from", "target": "to"}):
    number: int
    kind: str
    state: str
    source: str
    target: str
    amount: str
    unit: str
    repaid: str
    next_repayment: str | None
    temporary: bool
    reason: str
    asked_by: str
    asked_at: str
    decided_by: str
    message: str
