"""What Azure did with a VM, from its activity log: for a person who looks for a fault. Called by `driver`.

The log has several events for one operation: that it began, was accepted, has ended. They share an id.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from herder.model.fleet.driver_capabilities import ProviderOperation
from herder.remote.clouds.errors import short

#: Azure keeps 90 days, and refuses a question for more.
LOG_DAYS = 89
_ENDS = {"succeeded": "done", "failed": "failed", "canceled": "failed"}


def operations_in(events: Iterable[Mapping[str, Any]]) -> list[ProviderOperation]:
    """The newest first."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        grouped.setdefault(str(event.get("operationId") or event.get("eventDataId", "")), []).append(event)
    return sorted(map(_operation, grouped.values()), key=lambda each: each.began_ms or 0, reverse=True)


def _operation(events: list[Mapping[str, Any]]) -> ProviderOperation:
    states = {_ENDS[state]: event for event in events if (state := _value(event, "status").lower()) in _ENDS}
    failed = states.get("failed")
    times = [at for event in events if (at := _ms(str(event.get("eventTimestamp", "")))) is not None]
    return ProviderOperation(
        kind=_value(events[0], "operationName"),
        state="failed" if failed is not None else "done" if states else "running",
        began_ms=min(times, default=None),
        by=next((str(event["caller"]) for event in events if event.get("caller")), ""),
        detail=_reason(failed) if failed is not None else "",
    )


def _reason(event: Mapping[str, Any]) -> str:
    properties = event.get("properties")
    words = properties.get("statusMessage", "") if isinstance(properties, dict) else ""
    return short(words) or _value(event, "subStatus")


def _value(event: Mapping[str, Any], name: str) -> str:
    found = event.get(name)
    return str(found.get("value", "")) if isinstance(found, dict) else ""


def _ms(moment: str) -> int | None:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None
