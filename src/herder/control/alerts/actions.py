"""Carries out the actions of alerts while their thresholds are exceeded: jobs of low priority wait, and jobs that are not critical are preempted.

Which are in force is a function of the last readings (`ledger/alerts/raising.py`). What has begun is in the store, so that a restart begins and ends nothing twice.
When an action ends, what waited is placed at once.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

from herder.control.alerts.texts import raised_text
from herder.control.budgets.leasing import budget_of_pool, budgets_of_account
from herder.control.kernel.core import Core
from herder.engine.attempts.attempt import preempt
from herder.engine.memory.events import record_event
from herder.engine.memory.restrictions import Restriction, Restrictions
from herder.engine.memory.state import LiveAttempt
from herder.ledger.alerts.policies import Action, Once
from herder.ledger.alerts.raising import Key
from herder.ledger.budgets.periods import FOREVER_MS
from herder.ledger.budgets.spec import Scope, Unit
from herder.model.ids import JobId, PoolName
from herder.model.planning.budgets import SpotOnly
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.model.values.phrases import agree, counted
from herder.model.work.job import JobClass
from herder.store.rows.meta import meta_text

#: Row of `meta`.
META_KEY = "alerts/actions"
#: Attempts that are asked to stop in one commit.
STOPPED_AT_ONCE = 500


class InForce(NamedTuple):
    policy: str
    subject: str
    action: str


def go_on(core: Core, stored: str | None) -> None:
    """At the start of a server, before it takes calls: what had begun binds until the first look at the alerts, and nothing more starts under a throttle.
    `stored`: the row META_KEY."""
    actions = Actions(core, _read(stored))
    core.state.restrictions = actions.restored()
    core.state.spot_only = actions.spot_only()


class Actions:
    """Of one server, as long as it leads."""

    def __init__(self, core: Core, begun: dict[InForce, str] | None = None) -> None:
        self._core = core
        self._begun = begun
        """With the alert of each. None: not read yet."""

    async def restore(self) -> None:
        if self._begun is None:
            self._begun = _read(await self._core.read(partial(meta_text, key=META_KEY)))

    def restored(self) -> Restrictions | None:
        """What had begun and is still to be carried out."""
        known = self._core.settings.alerts.carry_out
        held = [
            self._held(each, alert, None)
            for each, alert in (self._begun or {}).items()
            if each.action in known and each.action != Action.SPOT_ONLY
        ]
        return Restrictions(held) if held else None

    def carry_out(self, changes: Changes, now_ms: int) -> None:
        """`restore` comes first. Within the commit of the readings."""
        core, before = self._core, self._begun
        assert before is not None
        now = dict(self._in_force(now_ms))
        for each in sorted(now.keys() - before.keys()):
            self._record(changes, each, now[each], "alert.action_started", now_ms)
        for each in sorted(before.keys() - now.keys()):
            self._record(changes, each, before[each], "alert.action_ended", now_ms)
        if now.keys() != before.keys():
            changes.put(
                MetaRecord(META_KEY, json.dumps(sorted([*each, alert] for each, alert in now.items())))
            )
        self._begun = now
        core.state.spot_only = self.spot_only()
        restrictions = [
            self._restriction(each, alert)
            for each, alert in sorted(now.items())
            if each.action != Action.SPOT_ONLY
        ]
        waited = core.state.restrictions is not None
        core.state.restrictions = Restrictions(restrictions) if restrictions else None
        core.state.fresh_demand = core.state.fresh_demand or waited  # there may be room again

    def _in_force(self, now_ms: int) -> Iterator[tuple[InForce, str]]:
        core = self._core
        for (policy, subject), actions in core.ledger.alerts.actions_in_force(now_ms).items():
            for action in actions & set(core.settings.alerts.carry_out):
                yield InForce(policy, subject, str(action)), _alert_of(core, (policy, subject))

    def spot_only(self) -> tuple[SpotOnly, ...]:
        """Of what has begun: the pools of these budgets, and of those below them, each once."""
        core, found = self._core, dict[PoolName, SpotOnly]()
        for each, alert in sorted((self._begun or {}).items()):
            if each.action != Action.SPOT_ONLY or each.action not in core.settings.alerts.carry_out:
                continue
            for pool in sorted(core.state.pools):
                if pool not in found and _pays_for(core, each.subject, pool):
                    found[pool] = SpotOnly(
                        pool=pool, alert=alert, policy=each.policy, until_ms=self._until_ms(each)
                    )
        return tuple(each for _, each in sorted(found.items()))

    def _until_ms(self, each: InForce) -> int | None:
        """The end of its period. None: it has none, or nothing was judged since the start."""
        alerts = self._core.ledger.alerts
        watch, policy = alerts.watches.get((each.policy, each.subject)), alerts.policies.get(each.policy)
        if watch is None or policy is None or policy.once is not Once.PERIOD or watch.to_ms >= FOREVER_MS:
            return None
        return watch.to_ms

    def _restriction(self, each: InForce, alert: str) -> Restriction:
        core = self._core
        found = self._held(each, alert, self._until_ms(each))
        if each.action == Action.THROTTLE:
            found.room = self._room(found, core.settings.alerts.throttle_percent)
        return found

    def _held(self, each: InForce, alert: str, until_ms: int | None) -> Restriction:
        rules = self._core.settings.alerts
        stops = each.action == Action.STOP_NON_CRITICAL
        return Restriction(
            alert=alert,
            policy=each.policy,
            action=each.action,
            below=rules.non_critical_below if stops else rules.low_priority_below,
            until_ms=until_ms,
            covers=covers(self._core, each.subject),
        )

    def _room(self, throttled: Restriction, percent: int) -> int:
        """Of the jobs that run or may start, so many percent may run at once, rounded up."""
        state, classes = self._core.state, self._core.state.classes
        running = sum(1 for each in state.live.values() if throttled.binds(classes[each.class_id]))
        waiting = sum(
            queue.count
            for number, queue in state.queues.items()
            if queue.count and throttled.binds(classes[number])
        )
        return max(0, -(-(running + waiting) * percent // 100) - running)

    def to_stop(self) -> Iterator[tuple[Restriction, list[JobId]]]:
        """Jobs that are not critical and run, each with what stops it: so many at once as `stop` takes in one commit."""
        state = self._core.state
        stopping = [
            each
            for each in (state.restrictions.all if state.restrictions is not None else ())
            if each.action == Action.STOP_NON_CRITICAL
        ]
        for restriction in stopping:
            going = [job for job, attempt in state.live.items() if self._stops(restriction, attempt)]
            for begin in range(0, len(going), STOPPED_AT_ONCE):
                yield restriction, going[begin : begin + STOPPED_AT_ONCE]

    def stop(self, changes: Changes, each: Restriction, jobs: Sequence[JobId], now_ms: int) -> None:
        """Those of them that still run."""
        state = self._core.state
        live = [state.live[job] for job in jobs if job in state.live]
        going = [attempt for attempt in live if self._stops(each, attempt)]
        why = f"{each.alert} ({each.policy}) stops jobs of a priority below {each.below}; they continue when the action has ended."
        for attempt in going:
            preempt(state, changes, attempt, why)
        if going:
            text = f"{counted(len(going), 'attempt')} {agree(len(going), 'is', 'are')} preempted: {why}"
            data: dict[str, object] = {"jobs": sorted(int(attempt.job) for attempt in going)}
            self._event(changes, "alert.jobs_preempted", each.alert, text, data, now_ms)

    def _stops(self, each: Restriction, attempt: LiveAttempt) -> bool:
        if attempt.cancelling or attempt.preempted_for:
            return False
        return each.binds(self._core.state.classes[attempt.class_id])

    def _record(self, changes: Changes, each: InForce, alert: str, kind: str, now_ms: int) -> None:
        name, subject = each.action.replace("_", " "), each.subject or "the organisation"
        what = kind.rpartition("_")[2]
        text = f"Action {name} of {each.policy} has {what} for {subject}."
        known = self._core.ledger.alerts.alerts.get(alert)
        if what == "started" and known is not None:
            text += f" {raised_text(self._core.ledger.alerts.policies[each.policy], known)}"
        data: dict[str, object] = {"policy": each.policy, "subject": each.subject, "action": each.action}
        self._event(changes, kind, alert, text, data, now_ms)

    def _event(
        self, changes: Changes, kind: str, alert: str, text: str, data: dict[str, object], now_ms: int
    ) -> None:
        record_event(self._core.state, changes, now_ms, kind, f"alert/{alert}", text, data=data)


def covers(core: Core, subject: str) -> Callable[[JobClass], bool]:
    """Whether a job belongs to the subject of an alert: a division, a budget with all below it, or, without a name, the organisation. Of others, such as a tier of storage, no job does."""
    kind, _, name = subject.partition("/")
    if not subject:
        return lambda _job_class: True
    divisions = {each.name: each.division for each in core.state.sharing.projects}
    if kind == "division":
        return lambda job_class: divisions.get(job_class.project, "") == name
    if kind != "budget":
        return lambda _job_class: False

    @cache
    def paid_from(user: str, project: str, pool: str) -> bool:
        names = [
            found
            for unit in Unit
            for found in budgets_of_account(core, user, project, divisions.get(project, ""), unit)
        ]
        names += [found for unit in Unit if (found := core.budgets.budget_for(Scope.POOL, pool, unit))]
        return any(each.spec.name == name for each in core.budgets.chain(names))

    return lambda job_class: paid_from(job_class.user, job_class.project, job_class.pool)


def _pays_for(core: Core, subject: str, pool: PoolName) -> bool:
    """Whether the subject of an alert is the budget of a pool, or one above it."""
    kind, _, name = subject.partition("/")
    budget = budget_of_pool(core, pool)
    return (
        kind == "budget"
        and budget is not None
        and name in {each.spec.name for each in core.budgets.chain((budget,))}
    )


def _alert_of(core: Core, key: Key) -> str:
    """The highest alert of the subject that was raised, also one that is acknowledged."""
    raised = core.ledger.alerts.watches[key].raised
    return raised[max(raised)] if raised else key[0]


def _read(stored: str | None) -> dict[InForce, str]:
    return {InForce(*key): alert for *key, alert in json.loads(stored or "[]")}
