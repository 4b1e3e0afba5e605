"""The answer to a request for which a rule may hold. Called by fakes."""

from collections.abc import Callable

from herder.testing.fakes.faults import Rule
from herder.testing.fakes.messages import Answer


def answered(rule: Rule | None, ask: Callable[[], Answer], refuse: Callable[[Rule], Answer]) -> Answer:
    """`ask`: the fake without faults. `refuse`: the error of a rule in the provider's form."""
    if rule is None:
        return ask()
    answer = ask() if not rule.status or rule.acts else Answer(status=200)
    if rule.status:
        answer = refuse(rule)
        answer.body = answer.body if rule.body is None else rule.body
    answer.headers |= rule.headers
    answer.delay_ms, answer.cut = rule.delay_ms, rule.lose_answer
    return answer
