"""Faults that a test asks for: slow answers, errors, refused requests, broken connections, watches that stall, a server that is away.

Put in front of the service by the cluster. A rule says which requests it meets and how often; without a rule nothing is wrong.
"""

import re
from dataclasses import dataclass, field

from herder.testing.kubernetes.api.answers import Answer, ApiError, Request
from herder.testing.kubernetes.api.watches import Watch


@dataclass(slots=True, kw_only=True)
class Rule:
    """The first rule that meets a request holds for it."""

    path: str = ""
    """A regular expression that is found in the path; none meets all."""
    method: str = ""
    times: int = 1
    """So many requests; -1: all."""
    delay_ms: int = 0
    status: int = 0
    """Answered instead of asking the server; 0: it is asked."""
    message: str = ""
    """Of that answer, such as the words of an admission webhook."""
    retry_after_s: int | None = None
    lose_answer: bool = False
    """The request has its effect, and the connection breaks before the answer."""

    def meets(self, request: Request) -> bool:
        if not self.times or (self.method and self.method != request.method):
            return False
        return not self.path or re.search(self.path, request.path) is not None


REASONS = {
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "Internal error occurred: a fault that a test asked for"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}


@dataclass(slots=True)
class Faults:
    rules: list[Rule] = field(default_factory=list)
    skew_ms: int = 0
    """The server's clock is ahead by so much: in the times that it writes."""
    away_until_ms: int = 0
    """Until then every connection is refused."""
    stall_new_watches: bool = False

    def add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()
        self.skew_ms = self.away_until_ms = 0
        self.stall_new_watches = False

    def rule_for(self, request: Request) -> Rule | None:
        for rule in self.rules:
            if rule.meets(request):
                if rule.times > 0:
                    rule.times -= 1
                return rule
        return None

    @staticmethod
    def instead(rule: Rule) -> Answer:
        reason, message = REASONS.get(rule.status, ("", "a fault that a test asked for"))
        answer = ApiError(
            rule.status, reason, rule.message or message, retry_after_s=rule.retry_after_s
        ).answer()
        answer.delay_ms = rule.delay_ms
        return answer

    @staticmethod
    def after(rule: Rule, answer: Answer | Watch) -> Answer | Watch:
        answer.delay_ms = rule.delay_ms
        if rule.lose_answer:
            if isinstance(answer, Watch):
                answer.hang_up()
            else:
                answer.cut = True
        return answer
