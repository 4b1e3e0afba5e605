"""Raises alerts from readings, and says who is to be told when. Pure: `now` is an argument, and what is told has to be delivered by the caller.

- A threshold of a period is raised exactly once in it, lower ones first; use that falls and rises again does not raise it again. One of an episode may be raised again when the
  use has been below it and the cooldown has passed.
- A higher alert of the same subject supersedes the lower ones: they are resolved, and only the highest is told.
- After an alert was told, one of the same subject that is not higher is told when the cooldown has passed.
- While nobody has acknowledged it, the next recipient of the chain is told after each `escalates_after_ms`.
- The highest threshold of a budget that is exhausted is raised whatever is spent, and stands until it pays again; actions still go by what is spent.
- A reading of a period that is over changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import NamedTuple

from herder.ledger.alerts.policies import Action, Level, Once, Policy, Threshold
from herder.ledger.alerts.readings import Reading, ms_to, outlook


class Resolved(StrEnum):
    BELOW = "below"
    """The use is below the threshold again."""
    SUPERSEDED = "superseded"
    """A higher alert of the same subject was raised."""
    PERIOD_ENDED = "period_ended"
    REMOVED = "removed"
    """What it was about is not judged by its policy any more, such as a budget that was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Amounts in base units of its policy's resource, times in ms."""

    id: str
    policy: str
    subject: str
    level: Level
    from_ms: int
    to_ms: int
    raised_ms: int
    threshold: int
    used: int
    limit: int | None
    projected: int | None
    """Use at the end of the period, as it looked when it was raised. None: unknown."""
    next_ms: int | None = None
    """From then to the next higher threshold. None: there is none, or it is not reached at that rate."""
    told: tuple[str, ...] = ()
    """Recipients, in the order in which they were told."""
    told_ms: int | None = None
    """When the last of them was told."""
    acknowledged_by: str = ""
    acknowledged_ms: int | None = None
    resolved_ms: int | None = None
    why_resolved: Resolved | None = None

    @property
    def active(self) -> bool:
        return self.resolved_ms is None


class Notice(NamedTuple):
    """An alert that recipients are to be told of. `escalated`: because nobody has acknowledged it. `resolved`: of its end, those who were told of it."""

    alert: Alert
    recipients: tuple[str, ...]
    escalated: bool
    resolved: bool = False


Key = tuple[str, str]
"""(policy, subject)."""


@dataclass(slots=True)
class Watch:
    """What is known of one subject of one policy in the present period."""

    from_ms: int
    to_ms: int
    raised: dict[Level, str] = field(default_factory=dict)
    """Ids of alerts; of an episode those that may not be raised again yet."""
    exceeded: frozenset[Level] = frozenset()
    """By the last reading."""
    exhausted: Level | None = None
    """The level of the alert that says so, if it is."""
    fallen: set[Level] = field(default_factory=set)
    """Of an episode: raised, and not exceeded at some time after it. May be raised again when the cooldown has passed."""
    told: tuple[Level, int] | None = None
    """The level that was told last, and when."""

    @property
    def period(self) -> tuple[int, int]:
        return self.from_ms, self.to_ms


@dataclass(slots=True)
class Alerts:
    policies: Mapping[str, Policy]
    alerts: dict[str, Alert] = field(default_factory=dict)
    """Active ones, and those of present periods."""
    watches: dict[Key, Watch] = field(default_factory=dict)
    routes: Sequence[tuple[str, tuple[str, ...]]] = ()
    """(pattern of subjects, recipients in place of those of the policy); the first that fits is taken."""
    ends_from: Level | None = None
    """From this level on, who was told of an alert is told of its end. None: of no level."""
    ended: dict[str, Alert] = field(default_factory=dict)
    """Resolved ones of whose end nobody is told yet."""

    @classmethod
    def restored(
        cls,
        policies: Iterable[Policy],
        kept: Iterable[Alert],
        routes: Sequence[tuple[str, tuple[str, ...]]] = (),
    ) -> "Alerts":
        """From the alerts of a store: what was raised is not raised again."""
        state = cls({each.id: each for each in policies}, routes=routes)
        for alert in sorted(kept, key=lambda each: (each.raised_ms, each.from_ms, each.level)):
            policy = state.policies.get(alert.policy)
            key = (alert.policy, alert.subject)
            if alert.why_resolved is Resolved.REMOVED:
                state.watches.pop(key, None)
                continue
            if policy is None:
                continue
            watch = state.watches.get(key)
            period = (alert.from_ms, alert.to_ms)
            if watch is None or (period != watch.period and policy.once is Once.PERIOD):
                watch = state.watches[key] = Watch(alert.from_ms, alert.to_ms)
            state.alerts[alert.id] = alert
            watch.raised[alert.level] = alert.id
            if alert.active:
                watch.exceeded |= {each.level for each in policy.thresholds if each.level <= alert.level}
            if alert.told_ms is not None and (watch.told is None or alert.told_ms >= watch.told[1]):
                watch.told = (alert.level, alert.told_ms)
        for watch in state.watches.values():
            watch.fallen = watch.raised.keys() - watch.exceeded
        return state

    def judge(self, reading: Reading) -> list[Alert]:
        """What changed: raised alerts in the order of their levels, and those that were resolved. Raises KeyError for a policy that does not exist."""
        policy = self.policies[reading.policy].at_percents(reading.percents)
        watch = self.watches.get((reading.policy, reading.subject))
        if watch is None:
            watch = self.watches[(reading.policy, reading.subject)] = Watch(reading.from_ms, reading.to_ms)
        changed: dict[str, Alert] = {}
        if policy.once is Once.PERIOD:
            if reading.to_ms <= watch.from_ms:
                return []
            if (reading.from_ms, reading.to_ms) != watch.period:
                self._end_period(watch, reading, changed)
        amounts = [
            (each, amount)
            for each in policy.thresholds
            if (amount := policy.amount(each, reading.limit)) is not None
        ]
        over = [(each, amount) for each, amount in amounts if reading.used >= amount]
        watch.exceeded = frozenset(each.level for each, _ in over)
        watch.exhausted = policy.thresholds[-1].level if reading.exhausted else None
        self._resolve(policy, watch, reading, changed)
        highest = max((each.level for each in self._active(watch)), default=0)
        ahead = amounts[len(over) :]
        next_ms = ms_to(reading, ahead[0][1]) if ahead else None
        for threshold, amount in over:
            if threshold.level not in watch.raised and threshold.level > highest:
                self._raise(watch, threshold, amount, next_ms, reading, changed)
        if ahead and watch.exhausted is not None and watch.exhausted not in watch.raised:
            self._raise(watch, *ahead[-1], None, reading, changed)
        return list(changed.values())

    def remove(self, keys: Iterable[Key], now_ms: int) -> list[Alert]:
        """What is not judged any more: its alerts are resolved, its actions end, and should it come back nothing is known of it."""
        resolved = []
        for key in keys:
            for alert in self._active(self.watches.pop(key)):
                gone = replace(alert, resolved_ms=now_ms, why_resolved=Resolved.REMOVED)
                resolved.append(self._keep(gone))
        return resolved

    def notices(self, now_ms: int) -> list[Notice]:
        """Who is to be told now. The caller delivers them, and then says so with `told`."""
        found = []
        for alert in sorted(self.alerts.values(), key=lambda each: (each.raised_ms, each.level, each.id)):
            notice = self._due(alert, now_ms) if alert.active else None
            if notice is not None:
                found.append(notice)
        known = (each for each in self.ended.values() if each.policy in self.policies)
        found += [Notice(each, each.told, escalated=False, resolved=True) for each in known]
        return found

    def told(self, notice: Notice, now_ms: int) -> Alert:
        alert = self.alerts[notice.alert.id]
        watch = self.watches.get((alert.policy, alert.subject))
        if watch is not None:  # else it was removed while the message was on its way
            watch.told = (alert.level, now_ms)
        return self._keep(replace(alert, told=(*alert.told, *notice.recipients), told_ms=now_ms))

    def acknowledge(self, alert_id: str, by: str, now_ms: int) -> Alert:
        """The first acknowledgement holds. Raises KeyError for an alert that does not exist."""
        alert = self.alerts[alert_id]
        if alert.acknowledged_ms is not None:
            return alert
        return self._keep(replace(alert, acknowledged_by=by, acknowledged_ms=now_ms))

    def actions_in_force(self, now_ms: int) -> dict[Key, frozenset[Action]]:
        """By policy and subject: the actions of each threshold that the last reading of the present period exceeds."""
        found = {}
        for (policy_id, subject), watch in self.watches.items():
            policy = self.policies[policy_id]
            if policy.once is Once.PERIOD and now_ms >= watch.to_ms:
                continue
            actions: frozenset[Action] = frozenset().union(
                *(each.actions for each in policy.thresholds if each.level in watch.exceeded)
            )
            if actions:
                found[(policy_id, subject)] = actions
        return found

    def forget(self, before_ms: int) -> list[str]:
        """Ids of resolved alerts of periods that ended before then; they are no longer held here."""
        held = {alert_id for watch in self.watches.values() for alert_id in watch.raised.values()}
        old = [
            each.id
            for each in self.alerts.values()
            if each.resolved_ms is not None and each.resolved_ms < before_ms and each.id not in held
        ]
        for alert_id in old:
            del self.alerts[alert_id]
        return old

    def _keep(self, alert: Alert) -> Alert:
        self.alerts[alert.id] = alert
        over = not alert.active and alert.why_resolved is not Resolved.SUPERSEDED
        if over and alert.told and self.ends_from is not None and alert.level >= self.ends_from:
            self.ended[alert.id] = alert
        return alert

    def _end_period(self, watch: Watch, reading: Reading, changed: dict[str, Alert]) -> None:
        for alert in self._active(watch):
            changed[alert.id] = self._keep(
                replace(alert, resolved_ms=reading.at_ms, why_resolved=Resolved.PERIOD_ENDED)
            )
        watch.from_ms, watch.to_ms, watch.raised = reading.from_ms, reading.to_ms, {}
        watch.fallen = set()

    def _resolve(self, policy: Policy, watch: Watch, reading: Reading, changed: dict[str, Alert]) -> None:
        for alert in self._active(watch):
            if alert.level not in watch.exceeded and alert.level is not watch.exhausted:
                changed[alert.id] = self._keep(
                    replace(alert, resolved_ms=reading.at_ms, why_resolved=Resolved.BELOW)
                )
        if policy.once is Once.EPISODE:
            watch.fallen |= watch.raised.keys() - watch.exceeded
            for level in sorted(watch.fallen):
                if reading.at_ms - self.alerts[watch.raised[level]].raised_ms >= policy.cooldown_ms:
                    del watch.raised[level]
                    watch.fallen.discard(level)

    def _raise(
        self,
        watch: Watch,
        threshold: Threshold,
        amount: int,
        next_ms: int | None,
        reading: Reading,
        changed: dict[str, Alert],
    ) -> None:
        alert = Alert(
            id=_id_of(reading, threshold.level), policy=reading.policy, subject=reading.subject,
            level=threshold.level, from_ms=reading.from_ms, to_ms=reading.to_ms, raised_ms=reading.at_ms,
            threshold=amount, used=reading.used, limit=reading.limit, projected=outlook(reading).projected,
            next_ms=next_ms,
        )  # fmt: skip
        for lower in self._active(watch):
            if lower.level < alert.level:
                changed[lower.id] = self._keep(
                    replace(lower, resolved_ms=reading.at_ms, why_resolved=Resolved.SUPERSEDED)
                )
        watch.raised[threshold.level] = alert.id
        changed[alert.id] = self._keep(alert)

    def _active(self, watch: Watch) -> Iterator[Alert]:
        found = [self.alerts[alert_id] for alert_id in watch.raised.values()]
        return (each for each in found if each.active)

    def _due(self, alert: Alert, now_ms: int) -> Notice | None:
        policy, watch = self.policies.get(alert.policy), self.watches.get((alert.policy, alert.subject))
        threshold = policy.threshold(alert.level) if policy is not None else None
        if policy is None or watch is None or threshold is None or not threshold.recipients:
            return None
        if alert.acknowledged_ms is not None:
            return None
        if alert.told_ms is None:
            rests = watch.told is not None and now_ms - watch.told[1] < policy.cooldown_ms
            if rests and watch.told is not None and alert.level <= watch.told[0]:
                return None
            return Notice(alert, self._recipients(alert, threshold), escalated=False)
        if now_ms - alert.told_ms < policy.escalates_after_ms:
            return None
        following = next((each for each in policy.chain if each not in alert.told), None)
        return None if following is None else Notice(alert, (following,), escalated=True)

    def _recipients(self, alert: Alert, threshold: Threshold) -> tuple[str, ...]:
        for pattern, recipients in self.routes:
            if fnmatchcase(alert.subject, pattern):
                return recipients
        return threshold.recipients


def _id_of(reading: Reading, level: Level) -> str:
    key = "\0".join((reading.policy, reading.subject, str(reading.from_ms), str(reading.at_ms), level.word))
    return f"alert-{blake2b(key.encode(), digest_size=6).hexdigest()}"
