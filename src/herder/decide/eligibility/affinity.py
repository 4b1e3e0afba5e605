"""Whether a worker's labels match a node affinity, by Kubernetes' rules.

Used by `matching` for workers, templates and offers alike, and by admission, which explains. It looks at labels only; pools, taints
and GPUs are `matching`'s.
"""

from collections.abc import Callable, Mapping

from herder.model.work.demand import Asks, Expression, Operator, Term

Labels = tuple[tuple[str, str], ...]


def labels_fulfil(asks: Asks, labels: Labels) -> bool:
    """The selector, which is the simple form, and the affinity."""
    if asks.selector and not set(asks.selector) <= set(labels):
        return False
    required = asks.affinity.required
    if not required:
        return True
    have = dict(labels)
    return any(term_holds(term, have) for term in required)


def term_holds(term: Term, labels: Mapping[str, str]) -> bool:
    """All of its expressions do. One without expressions matches nothing, as in Kubernetes."""
    return bool(term) and all(holds(expression, labels) for expression in term)


def holds(expression: Expression, labels: Mapping[str, str]) -> bool:
    """NotIn and DoesNotExist hold where the label is absent; Gt and Lt only where it is there and both are whole numbers."""
    return _HOLDS[expression.operator](labels.get(expression.key), expression.values)


def looks_at(asks: Asks, key: str) -> bool:
    """Whether anything that is required says something about this label."""
    named = any(key == name for name, _ in asks.selector)
    return named or any(key == each.key for term in asks.affinity.required for each in term)


def fault(expression: Expression) -> str | None:
    """What is wrong with it, whatever the labels; None when nothing is."""
    operator, values = expression.operator, expression.values
    if not expression.key:
        return "the label's name is empty"
    if operator in (Operator.IN, Operator.NOT_IN) and not values:
        return f"{operator} needs at least one value"
    if operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST) and values:
        return f"{operator} takes no values"
    if operator in (Operator.GT, Operator.LT) and (len(values) != 1 or _whole(values[0]) is None):
        return f"{operator} needs one whole number"
    return None


def text(expression: Expression) -> str:
    """As people write it: `zone In (a, b)`, `gpus Gt 2`, `gpus Exists`."""
    values = ", ".join(expression.values)
    if expression.operator in (Operator.IN, Operator.NOT_IN):
        values = f"({values})"
    return f"{expression.key} {expression.operator} {values}".rstrip()


def _compared(have: str | None, values: tuple[str, ...]) -> int | None:
    """Below, at or above zero as the label is below, at or above the value; None when they cannot be compared."""
    label = None if have is None else _whole(have)
    value = _whole(values[0]) if len(values) == 1 else None
    return None if label is None or value is None else label - value


def _whole(raw: str) -> int | None:
    """Of 64 bits, as Kubernetes reads it."""
    digits = raw.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19):
        return None
    number = int(raw)
    return number if -(2**63) <= number < 2**63 else None


_HOLDS: dict[Operator, Callable[[str | None, tuple[str, ...]], bool]] = {
    Operator.IN: lambda have, values: have is not None and have in values,
    Operator.NOT_IN: lambda have, values: have is None or have not in values,
    Operator.EXISTS: lambda have, _: have is not None,
    Operator.DOES_NOT_EXIST: lambda have, _: have is None,
    Operator.GT: lambda have, values: (_compared(have, values) or 0) > 0,
    Operator.LT: lambda have, values: (_compared(have, values) or 0) < 0,
}
