"""Alert rules and recording rules of Prometheus, with a runbook for each alert. One place: files, manifests and pages are made from it."""

from herder.observability.rules import capacity, costs, fleet, health, server, work
from herder.observability.rules.rule import Alert, Group

GROUPS: tuple[Group, ...] = (
    server.GROUP,
    fleet.GROUP,
    health.GROUP,
    capacity.GROUP,
    work.GROUP,
    costs.GROUP,
)
ALERTS: tuple[Alert, ...] = tuple(alert for group in GROUPS for alert in group.alerts)

__all__ = ["ALERTS", "GROUPS", "Alert", "Group"]
