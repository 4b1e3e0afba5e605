"""The repair ladder of a pool, its breaker and its quarantine: readers and writers. Used by the table of settings (`pool_fields`)."""

from typing import Any

from herder.model.fleet.repair import COUNTED, DEFAULT_RULES, Breaker, Condition, RepairRule, Rung
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.problems import did_you_mean
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Table, Value

RULE_KEYS = ("condition", "after", "count", "rung")
BREAKER_KEYS = ("workers", "percent", "window")
#: Rows of one table; each condition has at most one for each rung.
RULES_MAX = len(Condition) * len(Rung)
COUNT_MAX = 1_000
#: Of one row, of the cooldown and of the breaker's window: a longer one is a slip.
AFTER_LONGEST_S = 7 * 86_400
TRIES_MAX = 20
QUARANTINE_MAX = 100

_EXAMPLE = "Write `- {condition: NotReady, after: 5m, rung: restart_service}`."


def read_repair(found: Reading, value: Value) -> tuple[RepairRule, ...]:
    """`default`, `off`, or a list of rows."""
    if isinstance(value, Scalar):
        # YAML 1.1 reads a bare `off` as false.
        if value.text in ("off", "false"):
            return ()
        if value.text != "default":
            found.wrong(
                value, f"{value.text!r} is not a repair table.", f"Write default, off, or rows. {_EXAMPLE}"
            )
        return DEFAULT_RULES
    items = validation.listing(found, value)
    if len(items) > RULES_MAX:
        found.wrong(
            value,
            f"The table has {len(items)} rows; the maximum is {RULES_MAX}.",
            f"Write at most {RULES_MAX}.",
        )
    rules: list[RepairRule] = []
    for item in items[:RULES_MAX]:
        rule = _read_rule(found, item)
        if rule is None:
            continue
        if any((rule.condition, rule.rung) == (other.condition, other.rung) for other in rules):
            found.wrong(
                item, f"{rule.rung} of {rule.condition} is listed twice.", "Remove one of the two rows."
            )
        rules.append(rule)
    return tuple(rules)


def _read_rule(found: Reading, value: Value) -> RepairRule | None:
    before = len(found.problems)
    row = validation.table(found, value)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, RULE_KEYS)}
    for name in ("condition", "rung"):
        if name not in given and isinstance(value, Table):
            found.wrong(value, f"The row has no {name}.", _EXAMPLE)
    if len(found.problems) > before:
        return None
    condition = _condition(found, given["condition"])
    rung = validation.choice(found, given["rung"], Rung, Rung.ESCALATE)
    if condition is None:
        return None
    wanted, other = ("count", "after") if condition in COUNTED else ("after", "count")
    if other in given:
        found.wrong(
            given[other], f"{condition} is judged by its {wanted}, not by {other}.", f"Write {wanted}."
        )
    if wanted not in given:
        example = "count: 3" if wanted == "count" else "after: 5m"
        found.wrong(value, f"The row of {condition} has no {wanted}.", f"Write `{example}`.")
        return None
    if wanted == "count":
        return RepairRule(condition=condition, rung=rung, count=_at_most(found, given["count"], COUNT_MAX))
    return RepairRule(condition=condition, rung=rung, after_s=read_bounded(found, given["after"]))


def _condition(found: Reading, value: Value) -> Condition | None:
    raw = validation.text(found, value)
    names = [each.value for each in Condition]
    if raw in names:
        return Condition(raw)
    if raw:
        found.wrong(value, f"{raw[:50]!r} is not a condition.", did_you_mean(raw, names))
    return None


def _at_most(found: Reading, value: Value, most: int) -> int:
    number = validation.positive(found, value)
    if number > most:
        found.wrong(value, f"{number:,} is above the maximum of {most:,}.", f"Write at most {most}.")
    return min(number, most)


def read_bounded(found: Reading, value: Value) -> float:
    """A duration of at most a week."""
    seconds = validation.duration(found, value)
    if seconds > AFTER_LONGEST_S:
        longest = format_duration(AFTER_LONGEST_S)
        found.wrong(
            value, f"{format_duration(seconds)} is longer than {longest}.", f"Write at most {longest}."
        )
    return min(seconds, float(AFTER_LONGEST_S))


def read_tries(found: Reading, value: Value) -> int:
    return _at_most(found, value, TRIES_MAX)


def read_quarantine(found: Reading, value: Value) -> int:
    number = validation.whole(found, value)
    if number > QUARANTINE_MAX:
        found.wrong(
            value, f"{number:,} is above the maximum of {QUARANTINE_MAX}.", f"Write at most {QUARANTINE_MAX}."
        )
    return min(number, QUARANTINE_MAX)


def write_repair(rules: tuple[RepairRule, ...]) -> str | list[dict[str, Any]]:
    if rules == DEFAULT_RULES:
        return "default"
    return [write_rule(rule) for rule in rules] if rules else "off"


def write_rule(rule: RepairRule) -> dict[str, Any]:
    when = {"count": rule.count} if rule.condition in COUNTED else {"after": format_duration(rule.after_s)}
    return {"condition": rule.condition.value, **when, "rung": rule.rung.value}


def read_breaker(found: Reading, value: Value) -> Breaker:
    row, usual = validation.table(found, value), Breaker()
    given = {entry.name: entry.value for entry in validation.known_only(found, row, BREAKER_KEYS)}
    return Breaker(
        workers=validation.whole(found, given["workers"]) if "workers" in given else usual.workers,
        percent=_percent(found, given["percent"]) if "percent" in given else usual.percent,
        window_s=read_bounded(found, given["window"]) if "window" in given else usual.window_s,
    )


def _percent(found: Reading, value: Value) -> int:
    if isinstance(value, Scalar) and value.text is not None and value.text.endswith("%"):
        value = Scalar(place=value.place, key=value.key, text=value.text.removesuffix("%"))
    number = validation.whole(found, value)
    if number > 100:
        found.wrong(value, f"{number} is more than 100 percent.", "Write at most 100.")
    return min(number, 100)


def write_breaker(breaker: Breaker) -> dict[str, Any]:
    return {
        "workers": breaker.workers,
        "percent": breaker.percent,
        "window": format_duration(breaker.window_s),
    }
