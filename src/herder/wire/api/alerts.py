"""Alerts as the API shows them. Data only."""

from typing import Any, Literal

import msgspec

AlertState = Literal["active", "acknowledged", "resolved"]


class AlertView(msgspec.Struct, kw_only=True):
    """Amounts are decimal text in `unit`."""

    id: str
    policy: str
    subject: str
    """`division/monitoring`, `pool/burst`, `tier/hot`; empty: the organisation."""
    level: str
    """info, warning, critical, emergency"""
    state: AlertState
    text: str
    unit: str
    """tokens, USD, core-hours, GB"""
    used: str
    """When it was raised."""
    threshold: str
    limit: str | None
    """null: there is none."""
    used_percent: float | None
    """Of the limit."""
    projected: str | None
    """Use at the end of the period, at the rate at that time. null: unknown."""
    overage: str | None
    """Of it, what is above the limit."""
    left_s: float
    """From then to the end of the period."""
    next_threshold_s: float | None
    """From then to the next higher threshold, at that rate. null: there is none, or it is not reached."""
    period_from: str
    period_to: str | None
    """None: it has no end."""
    raised_at: str
    notified: list[str]
    """Recipients, in the order in which they were notified."""
    without_channel: list[str]
    """Of them, those that have no channel: no message was sent, and they read the list of alerts. Not in messages."""
    notified_at: str | None
    acknowledged_by: str
    acknowledged_at: str | None
    resolved_at: str | None
    resolved_because: str
    """below, superseded, period_ended, removed (its budget was deleted, or is judged by another policy); empty: it is active."""
    actions: list[str]
    """What holds while the threshold is exceeded."""
    advice: list[str]


class AlertPolicyView(msgspec.Struct, kw_only=True):
    id: str
    scope: str
    unit: str
    thresholds: dict[str, str]
    """By level: percent of the limit, or an amount."""
    once: str
    """period, episode"""
    recipients: dict[str, list[str]]
    """By level."""
    chain: list[str]
    actions: dict[str, list[str]]
    """By level."""
    carried_out: list[str]
    """Of the actions: those that the server carries out while they are in force."""


class AlertConfigure(msgspec.Struct, kw_only=True, omit_defaults=True):
    """As Cortex documents it: any further fields are taken and not used."""

    type: str
    threshold: Any = None


class ChannelView(msgspec.Struct, kw_only=True):
    """How one recipient is notified. Addresses of chats are not shown: they are as good as passwords."""

    name: str
    kind: str
    """url, folder, slack, email"""
    to: str
    """The host, the folder or the addresses."""
    from_level: str
    """The lowest level that is sent."""
    quiet: str
    """Alerts below critical wait in this time of the day; empty: none does."""
    digest_s: float
    """Alerts below critical are gathered for so long. 0: each is sent at once."""


class ChannelTest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    channel: str
