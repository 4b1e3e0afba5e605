"""Budgets by what they are for: of each subject what it has in US dollars and in tokens side by side, with its share of the budget above."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from herder.cli.output.columns import field
from herder.cli.output.rows import View
from herder.cli.views.budgets import shown

if TYPE_CHECKING:
    from herder.wire.api.budgets import BudgetView


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Of one unit. `share`: of the limit of the budget above; None where one of both has no limit."""

    limit: str | None = None
    used: str | None = None
    left: str | None = None
    share: str | None = None


NOTHING = Side()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    scope: str
    of: str
    periods: str
    usd: Side = NOTHING
    tokens: Side = NOTHING

    @property
    def name(self) -> str:
        return f"{self.scope} {self.of}"

    @property
    def usd_limit(self) -> str | None:
        return self.usd.limit

    @property
    def usd_left(self) -> str | None:
        return self.usd.left

    @property
    def usd_share(self) -> str | None:
        return self.usd.share

    @property
    def tokens_limit(self) -> str | None:
        return self.tokens.limit

    @property
    def tokens_left(self) -> str | None:
        return self.tokens.left

    @property
    def tokens_share(self) -> str | None:
        return self.tokens.share


SUBJECTS = View(
    noun="subject",
    name=lambda each: str(each.name),
    columns=(
        field("FOR", "name"),
        field("USD LIMIT", "usd_limit", right=True),
        field("USD LEFT", "usd_left", right=True),
        field("SHARE", "usd_share", key="usd_share", right=True, drop=1),
        field("TOKEN LIMIT", "tokens_limit", right=True),
        field("TOKENS LEFT", "tokens_left", right=True),
        field("SHARE", "tokens_share", key="tokens_share", right=True, drop=1),
        field("PERIOD", "periods", drop=2),
    ),
    empty="No budgets. Create one with: herder budget set NAME --limit 500 --set scope=pool --set of=POOL",
    tells_left_out=True,
)


def subjects(budgets: Iterable["BudgetView"]) -> list[Subject]:
    """By what they are for, groups and events by their own names."""
    known = {each.name: each for each in budgets}
    found: dict[tuple[str, str], Subject] = {}
    for each in known.values():
        of = each.name if each.scope in ("group", "event") else each.of
        subject = found.get((each.scope, of), Subject(scope=each.scope, of=of, periods=""))
        periods = dict.fromkeys([*filter(None, subject.periods.split(", ")), each.period])
        side = Side(
            limit=shown(each.limit, each.unit),
            used=shown(each.used, each.unit),
            left=shown(each.left, each.unit),
            share=_share(each, known.get(each.parent)),
        )
        subject = replace(subject, periods=", ".join(periods))
        found[(each.scope, of)] = (
            replace(subject, usd=side) if each.unit == "usd" else replace(subject, tokens=side)
        )
    return [found[key] for key in sorted(found)]


def _share(budget: "BudgetView", parent: "BudgetView | None") -> str | None:
    """Of the same period only: a part of a day's limit says nothing of a month's."""
    if parent is None or budget.limit is None or parent.limit is None or budget.period != parent.period:
        return None
    whole = Decimal(parent.limit)
    return f"{Decimal(budget.limit) * 100 / whole:.1f} %" if whole > 0 else None
