"""Prometheus metrics, computed from the engine's memory at each scrape."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import worker_cost
from herder.control.reads.fleet.drivers import driver_views
from herder.engine.workers.draining.drain_texts import is_blocked
from herder.engine.workers.repairs import breaker
from herder.engine.workers.repairs.repair import needs_person
from herder.ledger.budgets.spec import Unit
from herder.model.permissions import Principal, scope_of
from herder.model.values.money import PICO_PER_USD
from herder.model.work.job import JobState


class _Collector:
    def __init__(self, core: Core, who: Principal) -> None:
        self._core = core
        self._scope = scope_of(who)

    def collect(self) -> Iterator[Metric]:
        state, now = self._core.state, self._core.clock.now_ms()
        leads = int(self._core.leadership.holds())
        yield GaugeMetricFamily("herder_leader", "1 if this server leads.", value=leads)
        jobs = GaugeMetricFamily("herder_jobs", "Jobs by state.", labels=["state"])
        for number, count in state.counts.items():
            jobs.add_metric([JobState(number).label], count)
        yield jobs
        workers = GaugeMetricFamily(
            "herder_workers", "Live workers by pool and state.", labels=["pool", "state"]
        )
        for (pool, status), count in Counter(
            (w.spec.pool, w.state.value) for w in state.workers.values()
        ).items():
            workers.add_metric([pool, status], count)
        yield workers
        notices = CounterMetricFamily(
            "herder_interruptions", "Notices that a provider takes a machine back.", labels=["pool", "source"]
        )
        for (pool, source), count in state.interruptions.items():
            notices.add_metric([pool, source.value], count)
        yield notices
        late = sum(1 for w in state.workers.values() if w.expires_at_ms is not None and w.expires_at_ms < now)
        yield GaugeMetricFamily("herder_workers_past_ttl", "Live workers past their ttl.", value=late)
        cost = GaugeMetricFamily(
            "herder_live_workers_cost_usd", "Cost of the live workers so far.", labels=["pool"]
        )
        costs: Counter[str] = Counter()
        for worker in state.workers.values():
            costs[worker.spec.pool] += worker_cost(worker, now)
        for name, pico in costs.items():
            cost.add_metric([name], pico / PICO_PER_USD)
        yield cost
        alerts = GaugeMetricFamily("herder_alerts", "Active alerts.", labels=["policy", "level"])
        active = (each for each in self._core.ledger.alerts.alerts.values() if each.active)
        for (policy, level), count in sorted(
            Counter((each.policy, each.level.word) for each in active).items()
        ):
            alerts.add_metric([policy, level], count)
        yield alerts
        yield from self._repairs()
        yield from self._drivers()
        yield from self._totals()
        yield from self._budgets()

    def _budgets(self) -> Iterator[Metric]:
        now = self._core.clock.now_ms()
        families = [
            GaugeMetricFamily(f"herder_budget_{name}", text, labels=["budget", "unit"])
            for name, text in (
                ("limit", "What may be spent in the period, with what was moved, in dollars or tokens."),
                ("spent", "What was settled in the period, in dollars or tokens."),
                ("reserved", "What is held by leases, in dollars or tokens."),
                ("left", "Limit and allowed overage without spent and reserved, in dollars or tokens."),
            )
        ]
        for name, budget in sorted(self._core.budgets.budgets.items()):
            unit, counting = budget.spec.unit, budget.counting(now)
            spent, reserved = sum(each.spent for each in counting), sum(each.reserved for each in counting)
            amounts = (budget.limit(now), spent, reserved, budget.left(now))
            for family, amount in zip(families, amounts, strict=True):
                if amount is None:  # it has no limit
                    continue
                family.add_metric([name, unit.value], amount / PICO_PER_USD if unit is Unit.USD else amount)
        yield from families

    def _repairs(self) -> Iterator[Metric]:
        state, now = self._core.state, self._core.clock.now_ms()
        repairs = CounterMetricFamily(
            "herder_worker_repairs",
            "Rungs of the repair ladder, by what became of them.",
            labels=["pool", "condition", "rung", "outcome"],
        )
        for (pool, condition, rung, outcome), count in sorted(state.repairs.items()):
            repairs.add_metric([pool, condition.value, rung.value, outcome.value], count)
        yield repairs
        workers = list(state.workers.values())
        kept = Counter(w.spec.pool for w in workers if w.health.quarantined_at_ms is not None)
        escalated = Counter(w.spec.pool for w in workers if needs_person(w))
        blocked = Counter(w.spec.pool for w in workers if is_blocked(w))
        seen = {w.spec.pool for w in workers if w.health.repair is not None}
        seen |= {name for name, history in state.history.items() if history.repairs_ms}
        under_repair, is_open = Counter[str](), Counter[str]()
        for name in sorted(seen & state.pools.keys()):
            found = breaker.under_repair(state, state.pools[name], now)
            under_repair[name] = len(found)
            is_open[name] = int(bool(found) and len(found) >= breaker.limit(state, state.pools[name]))
        for metric, text, counts in (
            (
                "herder_workers_escalated",
                "Workers whose repair has ended and whose condition still holds.",
                escalated,
            ),
            ("herder_workers_quarantined", "Sick workers that are kept for inspection.", kept),
            (
                "herder_drains_blocked",
                "Drains and repairs that wait for attempts beyond their deadline.",
                blocked,
            ),
            ("herder_workers_under_repair", "Workers that the breaker counts.", under_repair),
            (
                "herder_repair_breaker_open",
                "1 if as many workers are under repair as repair_breaker allows.",
                is_open,
            ),
        ):
            family = GaugeMetricFamily(metric, text, labels=["pool"])
            for name in sorted(state.pools):
                family.add_metric([name], counts[name])
            yield family

    def _drivers(self) -> Iterator[Metric]:
        core = self._core
        calls = GaugeMetricFamily(
            "herder_driver_calls", "Calls to providers that have not returned.", labels=["driver", "state"]
        )
        usable = GaugeMetricFamily(
            "herder_driver_usable", "1 if the driver may be called and answers.", labels=["driver"]
        )
        views = driver_views(core)
        for view in views:
            counts = {
                "under_way": len(view.calls) - view.abandoned,
                "abandoned": view.abandoned,
                "waiting": view.waiting,
            }
            for state, count in counts.items():
                calls.add_metric([view.name, state], count)
            usable.add_metric([view.name], int(view.state == "ready"))
        yield calls
        yield usable
        creating = GaugeMetricFamily(
            "herder_workers_creating", "Workers that are not ready, by step.", labels=["driver", "step"]
        )
        for view in views:
            for step, count in view.creations.steps.items():
                creating.add_metric([view.name, step], count)
        yield creating
        failed = CounterMetricFamily(
            "herder_creation_failures", "Creations that failed.", labels=["pool", "cause", "step"]
        )
        for labels, count in sorted(core.state.creation_failures.items()):
            failed.add_metric(list(labels), count)
        yield failed

    def _totals(self) -> Iterator[Metric]:
        core = self._core
        used = CounterMetricFamily("herder_attempts", "Ended attempts.", labels=["user", "project", "pool"])
        spent = CounterMetricFamily(
            "herder_attempts_cost_usd", "Cost of the ended attempts.", labels=["user", "project", "pool"]
        )
        for (user, project, pool), usage in core.ledger.accounts.items():
            if self._scope is not None and not self._scope.covers(user, project):
                continue
            used.add_metric([user, project, pool], usage.attempts)
            spent.add_metric([user, project, pool], usage.cost_pico / PICO_PER_USD)
        yield used
        yield spent
        failed = CounterMetricFamily(
            "herder_trigger_failures",
            "Plans in which a trigger or a planning step failed.",
            labels=["pool", "trigger"],
        )
        for (name, trigger), times in core.planning.faults.counts.items():
            failed.add_metric([name, trigger], times)
        yield failed
        yield CounterMetricFamily("herder_store_commits", "Transactions written.", value=core.store.commits)
        yield CounterMetricFamily("herder_store_rows", "Rows written.", value=core.store.rows)


def metrics_text(core: Core, who: Principal) -> bytes:
    """In Prometheus' text format. What each user and project used is told to operators; others hear of their own."""
    registry = CollectorRegistry()
    registry.register(_Collector(core, who))
    return generate_latest(registry)
