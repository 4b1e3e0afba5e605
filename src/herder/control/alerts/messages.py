"""What recipients are sent of alerts. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from herder.control.alerts.texts import alert_view, amount_text, end_text, subject_text
from herder.ledger.alerts.policies import Policy
from herder.ledger.alerts.raising import Alert, Notice
from herder.model.values.phrases import counted
from herder.model.values.times import iso
from herder.notify.notes import Note


def json_body(policies: Mapping[str, Policy], recipient: str, notice: Notice) -> str:
    """For programs: the alert as the API shows it. Raises ArithmeticError, LookupError or ValueError when an amount cannot be written."""
    view = alert_view(policies[notice.alert.policy], notice.alert)
    plain = {"escalated": notice.escalated, "recipient": recipient, **msgspec.structs.asdict(view)}
    return msgspec.json.encode(plain).decode()


def note_of(policies: Mapping[str, Policy], notice: Notice, server_url: str) -> Note:
    """For people. Raises as `json_body` does."""
    alert = notice.alert
    policy = policies[alert.policy]
    if notice.resolved:
        return _end_note(policy, alert)
    view = alert_view(policy, alert)
    facts = [("Used", amount_text(alert.used, policy.resource))]
    if alert.limit is not None and not policy.absolute:
        facts.append(("Limit", amount_text(alert.limit, policy.resource)))
    facts.append(("Threshold", amount_text(alert.threshold, policy.resource)))
    if alert.projected is not None:
        facts.append(("Expected at the end", amount_text(alert.projected, policy.resource)))
    if view.period_to is not None:
        facts.append(("Period ends", view.period_to))
    actions = [each for each in view.actions if each != "notify"]
    if actions:
        facts.append(("Actions", ", ".join(each.replace("_", " ") for each in actions)))
    again = "Nobody has acknowledged it. " if notice.escalated else ""
    return Note(
        title=f"{alert.level.word}: {policy.id} of {subject_text(alert).lower()}",
        level=alert.level.word,
        text=view.text,
        facts=tuple(facts),
        advice=tuple(view.advice),
        remedy=f"{again}Acknowledge it: herder alert ack {alert.id}, or {server_url}/alerts/{alert.id}",
        at_s=alert.raised_ms // 1000,
        id=alert.id,
        occasion="escalated" if notice.escalated else "raised",
    )


def _end_note(policy: Policy, alert: Alert) -> Note:
    assert alert.resolved_ms is not None
    return Note(
        title=f"resolved: {policy.id} of {subject_text(alert).lower()}",
        level="resolved",
        text=end_text(policy, alert),
        facts=(("Raised", iso(alert.raised_ms)), ("Resolved", iso(alert.resolved_ms))),
        remedy=f"See it: herder alert show {alert.id}",
        at_s=alert.resolved_ms // 1000,
        id=alert.id,
        occasion="resolved",
    )


def message_id(alert_id: str, occasion: str) -> str:
    """The same for what is sent twice, and another one for the end of the alert."""
    return f"{alert_id}-resolved" if occasion == "resolved" else alert_id


def heading_of(notes: Sequence[Note]) -> str:
    """Of one its title; of several how many, and the first."""
    if len(notes) == 1:
        return notes[0].title
    return f"{counted(len(notes), 'alert')}, the first: {notes[0].title}"


def test_note(channel: str, now_ms: int) -> Note:
    return Note(
        title="info: test of the notifications",
        level="info",
        text=f"This is a test of channel {channel}. Nothing exceeds a threshold.",
        facts=(("Sent", iso(now_ms)),),
        at_s=now_ms // 1000,
        id=f"test-{now_ms}",
    )


def json_test(note: Note) -> str:
    """For programs: a message with none of the fields of an alert but its text."""
    return msgspec.json.encode({"test": True, "id": note.id, "text": note.text}).decode()
