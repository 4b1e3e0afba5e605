"""Rules of the actions of alerts: while one is in force nothing starts that it forbids, and it ends with the use that has caused it.

By events and rows, after each commit: placement comes last in a commit, so what a commit begins binds its own attempts. A throttle is judged by all jobs that have not ended, which are at least
those that its room is a part of.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from herder.ledger.alerts.policies import Action
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord, JobClassRecord
from herder.model.work.alerts import AlertRules
from herder.model.work.job import JobState
from herder.simulate.chaos.rules.job_rules import JobRules

NOT_STARTED = "no job starts that an alert keeps back"
WITHIN_THROTTLE = "throttled jobs keep their part"
END = "actions of alerts end"
Found = tuple[str, str]


class _InForce(NamedTuple):
    policy: str
    subject: str
    action: str


class _Class(NamedTuple):
    user: str
    pool: str
    priority: int


class ActionRules:
    def __init__(
        self, rows: JobRules, budgets: Mapping[str, Mapping[str, Any]], settings: AlertRules
    ) -> None:
        """`budgets`: as herder.yaml has them; those of users and pools, and groups of these."""
        self._rows, self._budgets, self._settings = rows, budgets, settings
        self._classes: dict[int, _Class] = {}
        """Of jobs that are not `always_run`."""
        self._jobs: dict[int, _Class] = {}
        """Those that have not ended."""
        self._most: dict[_InForce, int] = {}
        """What is in force, with the most jobs that it was about at one time since it began."""

    def look(self, changes: Changes) -> Iterator[Found]:
        """After `JobRules.look`."""
        self._note(changes)
        for event in changes.rows.get(EventRecord, {}).values():
            assert isinstance(event, EventRecord)
            if event.kind in ("alert.action_started", "alert.action_ended"):
                data = json.loads(event.data)
                key = _InForce(data["policy"], data["subject"], data["action"])
                if event.kind == "alert.action_started":
                    self._most[key] = 0
                else:
                    self._most.pop(key, None)
        for each in self._most:
            bound = {job for job, of in self._jobs.items() if self._binds(each, of)}
            self._most[each] = max(self._most[each], len(bound))
            yield from self._started(each, bound)
        for job, status in changes.job_status.items():
            if JobState(status.state).ended:
                self._jobs.pop(job, None)

    def at_rest(self) -> Iterator[Found]:
        """When budgets have had money for everything for long."""
        for each in self._most:
            if each.subject.startswith("budget/"):
                yield (
                    END,
                    f"Action {each.action} of {each.policy} is in force for {each.subject}, which has money.",
                )

    def _started(self, each: _InForce, bound: set[int]) -> Iterator[Found]:
        begun = sorted(bound & self._rows.begun)
        if not begun:
            return
        if each.action != Action.THROTTLE:
            yield (
                NOT_STARTED,
                f"Jobs {begun[:5]} were started while {each.action} of {each.policy} was in force.",
            )
            return
        most = -(-self._most[each] * self._settings.throttle_percent // 100)
        live = sum(job in self._rows.running for job in bound)
        if live > most:
            yield (
                WITHIN_THROTTLE,
                f"{live} jobs run under {each.policy}; of {self._most[each]} at most {most} may.",
            )

    def _note(self, changes: Changes) -> None:
        for record in changes.rows.get(JobClassRecord, {}).values():
            assert isinstance(record, JobClassRecord)
            spec = json.loads(record.spec)
            if not spec.get("always_run", False):
                self._classes[record.id] = _Class(record.user, record.pool, spec.get("priority", 0))
        for job in changes.jobs_new:
            if job.class_id in self._classes:
                self._jobs[job.id] = self._classes[job.class_id]

    def _binds(self, each: _InForce, of: _Class) -> bool:
        stops = each.action == Action.STOP_NON_CRITICAL
        below = self._settings.non_critical_below if stops else self._settings.low_priority_below
        if of.priority >= below:
            return False
        kind, _, name = each.subject.partition("/")
        return not each.subject or (kind == "budget" and self._pays(name, of))

    def _pays(self, name: str, of: _Class) -> bool:
        spec = self._budgets.get(name, {})
        subject = spec.get("of", name)
        if (spec.get("scope"), subject) in (("user", of.user), ("pool", of.pool)):
            return True
        below = (child for child, each in self._budgets.items() if each.get("parent") == name)
        return any(self._pays(each, of) for each in below)
