"""Rows of alerts as the ledger's alerts, and back. Called by the loop of alerts and by reads."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select

from herder.ledger.alerts.policies import Level
from herder.ledger.alerts.raising import Alert, Resolved
from herder.model.stored.alert_records import AlertRecord
from herder.store.rows.alert_table import alerts

_A = alerts.c


def record_of(alert: Alert) -> AlertRecord:
    return AlertRecord(
        alert.id, alert.policy, alert.subject, alert.level.word, alert.from_ms, alert.to_ms, alert.raised_ms,
        str(alert.threshold), str(alert.used), _text(alert.limit), _text(alert.projected), alert.next_ms,
        ",".join(alert.told), alert.told_ms, alert.acknowledged_by, alert.acknowledged_ms, alert.resolved_ms,
        alert.why_resolved.value if alert.why_resolved is not None else "",
    )  # fmt: skip


def alert_of(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id, policy=row.policy, subject=row.subject, level=Level[row.level.upper()], from_ms=row.from_ms,
        to_ms=row.to_ms, raised_ms=row.raised_ms, threshold=int(row.threshold), used=int(row.used),
        limit=_amount(row.limit_amount), projected=_amount(row.projected), next_ms=row.next_ms,
        told=tuple(filter(None, row.told.split(","))), told_ms=row.told_ms,
        acknowledged_by=row.acknowledged_by, acknowledged_ms=row.acknowledged_ms, resolved_ms=row.resolved_ms,
        why_resolved=Resolved(row.why_resolved) if row.why_resolved else None,
    )  # fmt: skip


def _text(amount: int | None) -> str:
    return "" if amount is None else str(amount)


def _amount(text: str) -> int | None:
    return int(text) if text else None


def kept(connection: Connection, since_ms: int) -> list[Alert]:
    """Active ones, those of periods that have not ended, and those that were raised since then."""
    query = select(alerts).where(or_(_A.resolved_ms.is_(None), _A.to_ms > since_ms, _A.raised_ms > since_ms))
    return [alert_of(row) for row in connection.execute(query)]


def past(connection: Connection, since_ms: int, most: int) -> list[Alert]:
    """Raised since then, the newest first."""
    query = select(alerts).where(_A.raised_ms >= since_ms).order_by(_A.raised_ms.desc(), _A.id).limit(most)
    return [alert_of(row) for row in connection.execute(query)]


def one(connection: Connection, alert_id: str) -> Alert | None:
    row = connection.execute(select(alerts).where(_A.id == alert_id)).first()
    return None if row is None else alert_of(row)


def named(connection: Connection, ids: Sequence[str]) -> list[Alert]:
    """As far as they are kept."""
    return [alert_of(row) for row in connection.execute(select(alerts).where(_A.id.in_(ids)))]


def forget(connection: Connection, before_ms: int) -> None:
    """Resolved ones of periods that ended before then."""
    connection.execute(delete(alerts).where(_A.resolved_ms < before_ms, _A.to_ms < before_ms))
