"""What the server's own files say of alerts: who is told how, and when the next one is. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: The actions of policies that the server can carry out; others, such as notifying, are not about jobs.
CARRIED_OUT = ("defer_low_priority", "throttle", "stop_non_critical", "spot_only")
#: What it does unless the settings say otherwise: it changes nothing for jobs and pools that nobody has marked.
BY_DEFAULT = CARRIED_OUT[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Of each day, in minutes after midnight of its zone. The end may be on the next day."""

    from_minute: int
    to_minute: int
    timezone: str = "UTC"

    @property
    def text(self) -> str:
        """`22:00-07:00 Europe/Berlin`, as it is written."""
        begins, ends = divmod(self.from_minute, 60), divmod(self.to_minute, 60)
        return f"{begins[0]:02}:{begins[1]:02}-{ends[0]:02}:{ends[1]:02} {self.timezone}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How one recipient is told: exactly one of url, folder, slack_file and email."""

    name: str
    url: str = ""
    """A message is posted to it, signed as callbacks are."""
    folder: str = ""
    """A file `alert-ID.json` is written into it."""
    slack_file: str = ""
    """A file with the address of an incoming webhook of Slack, or of a chat that takes its messages. The address is as good as a password."""
    email: tuple[str, ...] = ()
    from_level: str = "info"
    """Alerts below it are not sent."""
    quiet: QuietHours | None = None
    """Alerts below critical wait until they end."""
    digest_s: float = 0.0
    """Alerts below critical are gathered: at most one message in so many seconds. 0: each at once."""

    @property
    def kind(self) -> str:
        if self.email:
            return "email"
        return "slack" if self.slack_file else "folder" if self.folder else "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where e-mail is handed in."""

    host: str
    port: int = 587
    security: str = "starttls"
    """starttls, tls, none"""
    sender: str = ""
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    """Certificates to trust, in place of those of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Alerts of these subjects are sent to other recipients than the documented ones."""

    subject: str
    """`division/monitoring`; `*` stands for any characters."""
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """The section `alerts` of herder.yaml. Seconds."""

    channels: tuple[Channel, ...] = ()
    smtp: MailServer | None = None
    routes: tuple[Route, ...] = ()
    """The first whose subject fits is taken."""
    chain: tuple[str, ...] | None = None
    """Who is told in turn while nobody acknowledges. None: as each policy says."""
    cooldown_s: float = 1_800.0
    escalate_after_s: float = 1_800.0
    tell_resolved: str = "critical"
    """From this level on, who was told of an alert is told that it is resolved. `never`: of no level."""
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
