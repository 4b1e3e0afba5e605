"""Faults that a test asks for: refused requests, slow and lost answers, tasks that fail or take long, listings that lag."""

import re
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Rule:
    """The first rule that meets a request, or a task, holds for it."""

    path: str = ""
    """A regular expression that is found in the path; none meets all."""
    method: str = ""
    task: str = ""
    """A kind of task (qmclone, qmstart): the rule is for tasks instead of requests."""
    times: int = 1
    """So many requests; -1: all."""
    delay_ms: int = 0
    """Of the answer, or added to the time of the task."""
    status: int = 0
    """Answered instead of asking the server; 0: it is asked."""
    text: str = ""
    """Of the error; for a task its exit status."""
    lose_answer: bool = False
    """The request has its effect, and the connection breaks before the answer."""

    def use(self) -> None:
        if self.times > 0:
            self.times -= 1


@dataclass(slots=True)
class Faults:
    rules: list[Rule] = field(default_factory=list)
    quorum_lost: bool = False
    listing_lag_ms: int = 0
    """`/cluster/resources` answers as it was so long ago at most."""

    def add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()
        self.quorum_lost, self.listing_lag_ms = False, 0

    def for_request(self, method: str, path: str) -> Rule | None:
        for rule in self.rules:
            meets = not rule.task and rule.method in ("", method) and re.search(rule.path, path) is not None
            if rule.times and meets:
                rule.use()
                return rule
        return None

    def for_task(self, kind: str) -> Rule | None:
        for rule in self.rules:
            if rule.times and rule.task == kind:
                rule.use()
                return rule
        return None
