"""Why a day cost more or less than usual: by which dimension its change is explained best, and by which groups. Part of `Reads`.

Usual is the mean of the 7 days before, so that each day of a week is in it once.
"""

from herder.analysis.optimisation.decomposition import Explanation, explanations
from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.costs.documented import span_of
from herder.control.reads.costs.lines import lines_between, seen_by
from herder.ledger.lines import COST, Line, value_of
from herder.ledger.months import date_text
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Kind, Principal
from herder.model.values.money import usd_text
from herder.store.rows.rate_rows import day_of
from herder.wire.api.cost_changes import ChangedGroup, ChangeView, CostChange

USUAL_DAYS = 7
DIMENSIONS = (
    "division",
    "project",
    "user",
    "pool",
    "template",
    "market",
    "provider",
    "kind",
    "resource",
    "product",
)


class ChangeReads:
    _core: Core

    async def cost_change(self, who: Principal, day: str) -> CostChange:
        """`day`: such as 2026-11-28, and of today what it has cost so far; empty for yesterday. Days without lines count as 0. Raises Invalid."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        now_ms = self._core.clock.now_ms()
        day_ms = _day(day, now_ms)
        from_ms = day_ms - USUAL_DAYS * DAY_MS
        lines = seen_by(who, await lines_between(self._core, from_ms, day_ms + DAY_MS, (COST,)))
        return explained_change(lines, day_ms)


def _day(text: str, now_ms: int) -> int:
    """Words such as `daily` are periods and no days, and are refused."""
    if not text:
        return now_ms - now_ms % DAY_MS - DAY_MS
    try:
        day_of(text)
        return span_of(text, now_ms, "day")[0]
    except (ValueError, Invalid):
        hint = "Write the day, UTC, such as 2026-11-28."
        raise Invalid(f"{text[:50]!r} is not a day.", field="day", hint=hint) from None


def explained_change(lines: list[Line], day_ms: int) -> CostChange:
    """Exact: both sides are added up over 7 days, and divided only where they are shown."""
    found: dict[str, tuple[dict[str, int], dict[str, int]]] = {name: ({}, {}) for name in DIMENSIONS}
    unpriced = False
    for line in lines:
        if line.pico is None:
            unpriced = True
            continue
        today = line.day_ms == day_ms
        for name, sides in found.items():
            sums, group = sides[today], value_of(line, name)
            sums[group] = sums.get(group, 0) + line.pico * (USUAL_DAYS if today else 1)
    usual, actual = (sum(side.values()) for side in found["kind"])
    return CostChange(
        day=date_text(day_ms),
        usual_usd=_shown(usual),
        actual_usd=_shown(actual),
        change_usd=_shown(actual - usual),
        unpriced=unpriced,
        by=[_view(each) for each in explanations(found)],
    )


def _view(found: Explanation) -> ChangeView:
    return ChangeView(
        dimension=found.dimension,
        explains=found.surprise_pico > 0,
        named=found.named,
        groups=[
            ChangedGroup(
                group=each.group, usual_usd=_shown(each.usual_pico), actual_usd=_shown(each.actual_pico),
                change_usd=_shown(each.change_pico),
            )
            for each in found.parts
        ],
    )  # fmt: skip


def _shown(pico: int) -> str:
    """The mean of a day, to the nearest pico-dollar: 7 is odd, so there is no half."""
    return usd_text((2 * pico + USUAL_DAYS) // (2 * USUAL_DAYS))
