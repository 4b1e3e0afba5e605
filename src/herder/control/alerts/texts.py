"""Sentences and views of alerts. Pure."""

from collections.abc import Collection

from herder.ledger.alerts.policies import Level, Once, Policy
from herder.ledger.alerts.raising import Alert
from herder.ledger.alerts.readings import Reading, outlook
from herder.ledger.budgets.periods import FOREVER_MS
from herder.ledger.lines import GB, UNITS
from herder.model.values import decimals
from herder.model.values.addresses import shown_origin
from herder.model.values.money import PICO_PER_USD, dollars, usd_text
from herder.model.values.times import iso, iso_or_none
from herder.model.work.alerts import Channel
from herder.wire.api.alerts import AlertPolicyView, AlertState, AlertView, ChannelView

#: By resource: the unit that people see, and base units in one of it.
_UNITS = {
    "usd": ("USD", PICO_PER_USD),
    "tokens": ("tokens", 1),
    "cpu": ("core-hours", UNITS["cpu"].base),
    "storage": ("GB", GB),
    "network.egress": ("GB", GB),
}


def unit_of(resource: str) -> tuple[str, int]:
    return _UNITS[resource]


def decimal_text(amount: int, resource: str) -> str:
    """In its unit, to 6 decimals; of money exact."""
    return usd_text(amount) if resource == "usd" else decimals.decimal_text(amount, unit_of(resource)[1], 6)


def amount_text(amount: int, resource: str) -> str:
    """For people: `$12.50`, `13,650 tokens`."""
    if resource == "usd":
        return dollars(amount)
    unit, base = unit_of(resource)
    return f"{decimals.fixed_text(amount, base, 1 if base > 1 else 0)} {unit}"


def subject_text(alert: Alert) -> str:
    """`Division monitoring`; of the organisation `The organisation`."""
    kind, _, name = alert.subject.partition("/")
    return f"{kind.capitalize()} {name}" if name else "The organisation"


def raised_text(policy: Policy, alert: Alert) -> str:
    used = amount_text(alert.used, policy.resource)
    if alert.limit is None or policy.absolute:
        said = f"{subject_text(alert)} is at {used}; the threshold is {amount_text(alert.threshold, policy.resource)}."
    else:
        percent = 100 * alert.used // alert.limit
        said = (
            f"{subject_text(alert)} is at {percent} % of {amount_text(alert.limit, policy.resource)}: {used}."
        )
        if alert.used < alert.threshold:
            said = f"{subject_text(alert)} is exhausted: {used} of {amount_text(alert.limit, policy.resource)} is spent, and what is not reserved is too little for what is asked."
    if alert.projected is not None and policy.once is Once.PERIOD:
        said += f" At this rate it comes to {amount_text(alert.projected, policy.resource)} by the end of the period."
    return f"{policy.id}, {alert.level.word}: {said}"


def end_text(policy: Policy, alert: Alert) -> str:
    """Of one that is resolved."""
    why = "" if alert.why_resolved is None else alert.why_resolved.value.replace("_", " ")
    return f"Resolved ({why}). {raised_text(policy, alert)}"


def state_of(alert: Alert) -> AlertState:
    if not alert.active:
        return "resolved"
    return "active" if alert.acknowledged_ms is None else "acknowledged"


def alert_view(policy: Policy, alert: Alert, channels: Collection[str] | None = None) -> AlertView:
    """Of a policy that is not in force any more the caller gives the documented one. `channels`: names of those that exist, if they are to be told apart."""
    at = Reading(
        alert.policy, alert.subject, alert.from_ms, alert.to_ms, alert.raised_ms, alert.used, alert.limit
    )
    over = None
    if alert.projected is not None and alert.limit is not None:
        over = max(0, alert.projected - alert.limit)
    resource, threshold, name = (
        policy.resource,
        policy.threshold(alert.level),
        alert.subject.partition("/")[2],
    )

    def text(amount: int | None) -> str | None:
        return None if amount is None else decimal_text(amount, resource)

    return AlertView(
        id=alert.id, policy=alert.policy, subject=alert.subject, level=alert.level.word, state=state_of(alert),
        text=raised_text(policy, alert), unit=unit_of(resource)[0], used=decimal_text(alert.used, resource),
        threshold=decimal_text(alert.threshold, resource), limit=text(alert.limit),
        used_percent=round(100 * alert.used / alert.limit, 1) if alert.limit else None,
        projected=text(alert.projected), overage=text(over), left_s=outlook(at).left_ms / 1000,
        next_threshold_s=None if alert.next_ms is None else alert.next_ms / 1000,
        period_from=iso(alert.from_ms), period_to=None if alert.to_ms >= FOREVER_MS else iso(alert.to_ms), raised_at=iso(alert.raised_ms),
        notified=list(alert.told), without_channel=[each for each in alert.told if channels is not None and each not in channels], notified_at=iso_or_none(alert.told_ms), acknowledged_by=alert.acknowledged_by,
        acknowledged_at=iso_or_none(alert.acknowledged_ms), resolved_at=iso_or_none(alert.resolved_ms),
        resolved_because=alert.why_resolved.value if alert.why_resolved else "",
        actions=sorted(threshold.actions) if threshold else [], advice=[each.replace("{name}", name) for each in threshold.advice] if threshold else [],
    )  # fmt: skip


def policy_view(policy: Policy, carried_out: Collection[str]) -> AlertPolicyView:
    """`carried_out`: actions, by the settings."""

    def at(level: Level) -> str:
        threshold = policy.threshold(level)
        assert threshold is not None
        return amount_text(threshold.at, policy.resource) if policy.absolute else f"{threshold.at} %"

    levels = [each.level for each in policy.thresholds]
    return AlertPolicyView(
        id=policy.id, scope=policy.scope, unit=unit_of(policy.resource)[0],
        thresholds={level.word: at(level) for level in levels}, once=policy.once.value,
        recipients={each.level.word: list(each.recipients) for each in policy.thresholds},
        chain=list(policy.chain),
        actions={each.level.word: sorted(each.actions) for each in policy.thresholds},
        carried_out=sorted({action for each in policy.thresholds for action in each.actions if action in carried_out}),
    )  # fmt: skip


def channel_view(channel: Channel) -> ChannelView:
    """Of an address only its host: what follows may be as good as a password."""
    to = channel.folder or channel.slack_file or shown_origin(channel.url).partition("://")[2].strip("[]")
    return ChannelView(
        name=channel.name, kind=channel.kind, to=", ".join(channel.email) or to, from_level=channel.from_level,
        quiet="" if channel.quiet is None else channel.quiet.text, digest_s=channel.digest_s,
    )  # fmt: skip
