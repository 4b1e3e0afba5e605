"""Alerts as a table, and one in full."""

from decimal import Decimal

from herder.cli.output.columns import field, made, since
from herder.cli.output.printer import Details
from herder.cli.output.rows import View
from herder.model.values.money import PICO_PER_USD, dollars
from herder.model.values.times import brief
from herder.wire.api.alerts import AlertPolicyView, AlertView, ChannelView


def _used(alert: AlertView) -> str:
    return f"{alert.used_percent:.0f}%" if alert.used_percent is not None else _amount(alert.used, alert.unit)


ALERTS = View(
    noun="alert",
    name=lambda alert: str(alert.id),
    columns=(
        field("ID", "id"),
        field("LEVEL", "level"),
        field("POLICY", "policy", drop=2),
        made("SUBJECT", lambda each: each.subject or "organisation", key="subject"),
        made("USED", _used, key="used", right=True),
        field("STATE", "state", drop=1),
        since("AGE", "raised_at", drop=3),
    ),
    empty="No alerts. See the thresholds with: herder alert policies",
    tells_left_out=True,
)


def _thresholds(policy: AlertPolicyView) -> str:
    return ", ".join(policy.thresholds.values())


POLICIES = View(
    noun="alert policy",
    name=lambda policy: str(policy.id),
    columns=(
        field("ID", "id"),
        field("SCOPE", "scope"),
        made("THRESHOLDS", _thresholds, key="thresholds"),
        made("CARRIED OUT", lambda each: ", ".join(each.carried_out) or "-", key="carried_out", drop=1),
        field("ONCE IN", "once", drop=2),
    ),
    empty="All alerts are off in herder.yaml.",
    tells_left_out=True,
)


def _waits(channel: ChannelView) -> str:
    digest = f"digest of {brief(round(channel.digest_s * 1000))}" if channel.digest_s else ""
    return ", ".join(each for each in (channel.quiet, digest) if each) or "-"


CHANNELS = View(
    noun="channel",
    name=lambda channel: str(channel.name),
    columns=(
        field("NAME", "name"),
        field("KIND", "kind"),
        field("TO", "to", drop=2),
        field("FROM LEVEL", "from_level"),
        made("WAITS", _waits, key="waits", drop=1),
    ),
    empty="No channels. Add them in herder.yaml: alerts: channels",
    tells_left_out=True,
)


def details(alert: AlertView) -> Details:
    rows = [
        ("Alert", alert.id),
        ("Text", alert.text),
        ("State", f"{alert.state} {alert.resolved_because.replace('_', ' ')}".strip()),
        ("Raised", alert.raised_at),
        ("Period", f"{alert.period_from} to {alert.period_to or 'no end'}"),
        ("Threshold", _amount(alert.threshold, alert.unit)),
        ("At its end", _expected(alert)),
        ("Notified", _notified(alert)),
        ("Acknowledged", f"by {alert.acknowledged_by}" if alert.acknowledged_by else "no"),
        ("Actions", ", ".join(alert.actions) or "none"),
        *(("Advice", each) for each in alert.advice),
    ]
    if alert.next_threshold_s is not None:
        rows.insert(6, ("Next level in", brief(round(alert.next_threshold_s * 1000))))
    return Details(rows=rows, tables=[])


def _expected(alert: AlertView) -> str:
    if alert.projected is None:
        return "unknown"
    over = ""
    if alert.overage is not None and alert.overage != "0":
        over = f", {_amount(alert.overage, alert.unit)} above the limit"
    return f"{_amount(alert.projected, alert.unit)}{over}"


def _amount(text: str, unit: str) -> str:
    """`$12.30`, `200,000 tokens`."""
    amount = Decimal(text)
    return dollars(int(amount * PICO_PER_USD)) if unit == "USD" else f"{amount:,f} {unit}"


def _notified(alert: AlertView) -> str:
    """A recipient without a channel was sent nothing."""
    names = (f"{each} (has no channel)" if each in alert.without_channel else each for each in alert.notified)
    return ", ".join(names) or "-"
