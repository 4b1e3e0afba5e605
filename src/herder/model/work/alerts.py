"""What the server's own files say of alerts: who is told how, and when the next one is. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: The actions of policies that the server can carry out; others, such as notifying, are not about jobs.
CARRIED_OUT = ("defer_low_priority", "throttle", "stop_non_critical", "spot_only")
#: What it does unless the settings say otherwise: it changes nothing for jobs and pools that nobody has marked.
BY_DEFAULT = CARRIED_OUT[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How one recipient is told: exactly one of both."""

    name: str
    url: str = ""
    """A message is posted to it, signed as callbacks are."""
    folder: str = ""
    """A file `alert-ID.json` is written into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """The section `alerts` of herder.yaml. Seconds."""

    channels: tuple[Channel, ...] = ()
    chain: tuple[str, ...] | None = None
    """Who is told in turn while nobody acknowledges. None: as each policy says."""
    cooldown_s: float = 1_800.0
    escalate_after_s: float = 1_800.0
    thresholds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By policy and level: percent, core-hours or dollars, in place of the documented ones."""
    storage_capacity: Mapping[str, int] = field(default_factory=dict)
    """GB by tier (hot, warm, cold): of what reported storage fills. A tier that is not named is not judged."""
    carry_out: tuple[str, ...] = BY_DEFAULT
    """Of these, what this server carries out."""
    low_priority_below: int = 0
    """Jobs of a lower priority are deferred and throttled."""
    non_critical_below: int = 0
    """Jobs of a lower priority are stopped."""
    throttle_percent: int = 25
    """Of the jobs of low priority that run or may start: so many run at once."""
    off: tuple[str, ...] = ()
    """Policies that raise nothing."""
