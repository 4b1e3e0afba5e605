"""What alerts are judged by now, for the loop of alerts. What is not known makes no reading.

Storage and traffic are those that are reported, from the sums by day; CPU is what attempts had asked for, from the ledger's sums by day, which are of the last hour at most.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from sqlalchemy import Connection, select

from herder.control.alerts.samples import META_KEY, Samples
from herder.control.costs.recommendation_states import waiting_pico
from herder.control.kernel.core import Core
from herder.control.reads.costs.lines import lines_between
from herder.ledger.alerts.documented import (
    BUDGET,
    COMPUTE,
    NETWORK,
    OPPORTUNITY,
    POOL_BUDGET,
    STORAGE,
    TOKEN_BUDGET,
    VARIANCE,
)
from herder.ledger.alerts.policies import Policy
from herder.ledger.alerts.readings import MEAN_DAYS, Reading, baseline, usual_cost
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.periods import window_ms
from herder.ledger.budgets.spec import BudgetSpec, Scope, Unit
from herder.ledger.lines import COST, GB, Line
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.store.rows.ledger_tables import work_days
from herder.store.rows.meta import meta_text
from herder.store.rows.usage_event_rows import read_metered_days

EGRESS = "network.egress"
BUDGET_SUBJECT = "budget/"
_USUAL = BudgetSpec(name="x").thresholds
Days = Mapping[str, Mapping[int, int]]
"""By resource and day, base units."""


class Sources:
    """Of one server, as long as it leads."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._samples: Samples | None = None
        self._day_ms = 0
        """Up to here the costs of divisions have been compared."""

    async def readings(self, changes: Changes, now_ms: int) -> list[Reading]:
        """`changes`: filled with what has to be remembered."""
        if self._samples is None:
            text = await self._core.read(partial(meta_text, key=META_KEY))
            self._samples = Samples() if text is None else Samples.of(text)
        limiting = [each for each in self._core.budgets.budgets.values() if not each.deleting]
        found = list(of_budgets(limiting, now_ms))
        if not self._samples.due(now_ms):
            return found
        today_ms = now_ms - now_ms % DAY_MS
        metered: Days = await self._core.read(partial(_metered, from_ms=today_ms - DAY_MS))
        found += self._storage(metered, today_ms, now_ms)
        found += self._traffic(metered.get(EGRESS, {}), now_ms)
        cpu = await self._core.read(partial(cpu_of_day, day_ms=today_ms)) + metered.get("cpu", {}).get(
            today_ms, 0
        )
        found.append(Reading(COMPUTE.id, "", today_ms, today_ms + DAY_MS, now_ms, cpu, None))
        if self._core.ledger.looked_ms is not None:
            waiting = waiting_pico(self._core.ledger.recommendations.values())
            found.append(Reading(OPPORTUNITY.id, "", now_ms, now_ms, now_ms, waiting, None))
        if self._day_ms != today_ms:
            self._day_ms = today_ms
            since_ms = today_ms - (MEAN_DAYS + 1) * DAY_MS
            lines = await lines_between(self._core, since_ms, today_ms, (COST,))
            found += variances(lines, since_ms, today_ms, now_ms)
        changes.put(MetaRecord(META_KEY, self._samples.text()))
        return found

    def _storage(self, metered: Days, today_ms: int, now_ms: int) -> Iterator[Reading]:
        """The mean of yesterday: what today's reports say is not complete."""
        for tier, capacity in self._core.settings.alerts.storage_capacity.items():
            used = metered.get(f"storage.{tier}", {}).get(today_ms - DAY_MS)
            if used is not None:
                yield Reading(
                    STORAGE.id,
                    f"tier/{tier}",
                    today_ms,
                    today_ms + DAY_MS,
                    now_ms,
                    used // DAY_MS,
                    capacity * GB,
                )

    def _traffic(self, days: Mapping[int, int], now_ms: int) -> list[Reading]:
        assert self._samples is not None
        grown = self._samples.take(days, now_ms)
        usual = baseline(self._samples.values, now_ms)
        if grown is None or not usual:
            return []
        return [Reading(NETWORK.id, "", now_ms, now_ms, now_ms, grown, usual)]


def of_budgets(budgets: Iterable[Budget], now_ms: int) -> Iterator[Reading]:
    """What is spent of each, without what is reserved; of a rolling window its parts together. One without a limit exceeds no threshold."""
    for budget in budgets:
        limit = budget.limit(now_ms)
        spans = budget.counting(now_ms)
        spec, span, window = budget.spec, budget.span(now_ms), window_ms(budget.spec.period)
        from_ms, to_ms = span.start_ms, span.end_ms
        if window:  # a rolling one has no beginning: once in each of its lengths
            from_ms = now_ms - now_ms % window
            to_ms = from_ms + window
        policy, own = policy_of_budget(spec)
        yield Reading(
            policy.id,
            f"{BUDGET_SUBJECT}{spec.name}",
            from_ms,
            to_ms,
            now_ms,
            sum(each.spent for each in spans),
            limit,
            percents=own,
            exhausted=budget.exhausted(now_ms),
        )


def policy_of_budget(spec: BudgetSpec) -> tuple[Policy, tuple[int, ...]]:
    """With the percents of the limit that it has instead of the policy's; empty: the policy's are in force."""
    own = spec.thresholds if spec.thresholds != _USUAL else ()
    policy = TOKEN_BUDGET if spec.unit is Unit.TOKENS else BUDGET
    if spec.scope is Scope.POOL and policy is BUDGET and not own:
        policy = POOL_BUDGET
    return policy, own


def variances(lines: list[Line], since_ms: int, today_ms: int, now_ms: int) -> Iterator[Reading]:
    """Of each division: yesterday against the mean of the days before, since the first with any cost. What has no price is in neither."""
    first_ms = min((each.day_ms for each in lines), default=today_ms)
    days = range(max(first_ms, since_ms), today_ms, DAY_MS)
    costs: dict[str, dict[int, int]] = defaultdict(lambda: dict.fromkeys(days, 0))
    for line in lines:
        if line.payer.division and line.pico is not None:
            costs[line.payer.division][line.day_ms] += line.pico
    for division, by_day in sorted(costs.items()):
        *before, yesterday = by_day.values()
        usual = usual_cost(before)
        if usual:
            yield Reading(
                VARIANCE.id, f"division/{division}", today_ms, today_ms + DAY_MS, now_ms, yesterday, usual
            )


def cpu_of_day(connection: Connection, day_ms: int) -> int:
    """Summed up here: amounts that may exceed 64 bits are text in the store."""
    query = select(work_days.c.cpu_milli_ms).where(work_days.c.day_ms == day_ms)
    return sum(int(row.cpu_milli_ms) for row in connection.execute(query))


def _metered(connection: Connection, from_ms: int) -> Days:
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in read_metered_days(connection, from_ms):
        found[row.resource][row.day_ms] += row.quantity
    return found
