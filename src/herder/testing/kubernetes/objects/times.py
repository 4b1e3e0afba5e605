"""Times as the API writes them: RFC 3339 in UTC, to the second, or to the microsecond in leases."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from herder.testing.kubernetes.objects import Json


@lru_cache(maxsize=4096)
def _of_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339(now_ms: int) -> str:
    return _of_second(now_ms // 1000)


def micro_time(now_ms: int) -> str:
    return f"{_of_second(now_ms // 1000)[:-1]}.{now_ms % 1000 * 1000:06d}Z"


@lru_cache(maxsize=4096)
def parsed_ms(text: str) -> int:
    """Raises ValueError."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return int(moment.timestamp() * 1000)


_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNIT_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def duration_ms(text: str) -> int:
    """A duration as Go writes it: 1h30m."""
    return int(sum(float(number) * _UNIT_MS[unit] for number, unit in _PARTS.findall(text)))


def age_text(since: str, now_ms: int) -> str:
    """An age as tables show it: 4s, 12m, 5h, 3d."""
    seconds = max(0, (now_ms - parsed_ms(since)) // 1000)
    for unit, size, most in (("s", 1, 120), ("m", 60, 180), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def condition(
    kind: str, status: str, now_ms: int, *, reason: str = "", message: str = "", probe: bool = False
) -> Json:
    """A condition that changed now. `probe`: it has lastProbeTime, which is null, as those of pods have."""
    found: Json = {"type": kind, "status": status}
    if probe:
        found["lastProbeTime"] = None
    found["lastTransitionTime"] = rfc3339(now_ms)
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def with_condition(conditions: list[Json] | None, new: Json) -> list[Json]:
    """The new one in place of its type; its transition time stays when its status does."""
    found = list(conditions or [])
    for index, old in enumerate(found):
        if old["type"] == new["type"]:
            if old.get("status") == new["status"] and "lastTransitionTime" in old:
                new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
            found[index] = new
            return found
    found.append(new)
    return found


def condition_of(obj: Json, kind: str) -> Json | None:
    conditions: list[Json] = (obj.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), None)
