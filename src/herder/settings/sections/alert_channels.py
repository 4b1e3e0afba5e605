"""Of the section `alerts`: `channels`, `smtp` and `routes`, which say who is notified and how."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from herder.ledger.alerts.policies import Level
from herder.model.values.addresses import shown_origin
from herder.model.work.alerts import AlertRules, Channel, MailServer, QuietHours, Route
from herder.settings.sections.fields import Field
from herder.settings.sections.upkeep import between_durations
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Value

CHANNELS_MAX, ADDRESSES_MAX, ROUTES_MAX = 100, 20, 100
SECURITIES = ("starttls", "tls", "none")
LEVELS = tuple(each.word for each in Level)
#: What says where a message goes; a channel has exactly one of them.
TARGETS = ("url", "folder", "slack_file", "email")
_DIGEST_MOST_S = 7 * 86_400.0
#: What headers of mail take as they are: no encoded word (`=?`), which may stand for other headers, and nothing that would have to be quoted.
_NAME, _LABEL = r"[\w!#$%&'*+/=?^`{|}~-]+", r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?!.*=\?)(?=[^@]{{1,64}}@.{{1,253}}$){_NAME}(?:\.{_NAME})*@{_LABEL}(?:\.{_LABEL})*")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)(?:\s+(\S+))?")
_SUBJECT = re.compile(r"[\w./*-]{1,200}")

Reader = Callable[[Reading, Value], Any]


def read_recipients(found: Reading, value: Value) -> tuple[str, ...]:
    return tuple(
        validation.program_name(found, each.place, "alerts", validation.text(found, each))
        for each in validation.listing(found, value)
    )


def check_mail(found: Reading, value: Value, rules: AlertRules) -> None:
    """Channels with e-mail need a mail server."""
    if rules.smtp is None and any(each.email for each in rules.channels):
        found.wrong(
            value,
            "A channel has e-mail, and no mail server is set.",
            "Write `smtp: {host: …, sender: …}` beside `channels`.",
        )


def _web_address(found: Reading, value: Value) -> str:
    """An address may be as good as a password, so no error quotes it."""
    raw = validation.text(found, value)
    if raw and not shown_origin(raw):
        found.wrong(value, "The value is not a URL of a web server.", "Write https://HOST/PATH.")
    return raw


def _path(found: Reading, value: Value) -> str:
    raw = validation.text(found, value)
    if raw and not PurePath(raw).is_absolute():
        found.wrong(value, f"{raw[:50]!r} is not an absolute path.", "Begin it with /.")
    return raw


def _address(found: Reading, value: Value) -> str:
    raw = validation.text(found, value)
    if not _ADDRESS.fullmatch(raw):
        found.wrong(value, f"{raw[:50]!r} is not an e-mail address.", "Write NAME@HOST.")
    return raw


def _addresses(found: Reading, value: Value) -> tuple[str, ...]:
    given = tuple(_address(found, each) for each in validation.listing(found, value))
    if len(given) > ADDRESSES_MAX:
        found.wrong(
            value, f"There are more than {ADDRESSES_MAX} addresses.", "Write the address of a mailing list."
        )
    return given


def one_of(words: tuple[str, ...]) -> Reader:
    def read(found: Reading, value: Value) -> str:
        raw = validation.text(found, value)
        if raw not in words:
            found.wrong(
                value, f"{raw[:50]!r} is not one of {', '.join(words)}.", f"Write one of {', '.join(words)}."
            )
            return words[0]
        return raw

    return read


def _quiet(found: Reading, value: Value) -> QuietHours | None:
    raw = validation.text(found, value)
    match = _QUIET.fullmatch(raw)
    if match is None:
        found.wrong(
            value,
            f"{raw[:50]!r} is not a span of a day.",
            "Write for example 22:00-07:00 Europe/Berlin.",
        )
        return None
    begins, ends = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    zone = match[5] or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.wrong(
            value, f"{zone[:50]!r} is not a time zone.", "Write an IANA name such as Europe/Berlin or UTC."
        )
        return None
    if begins == ends:
        found.wrong(
            value, "The quiet hours end when they begin.", "Write two times, for example 22:00-07:00."
        )
        return None
    return QuietHours(from_minute=begins, to_minute=ends, timezone=zone)


#: By key of a channel: its attribute and its reader.
_CHANNEL: Mapping[str, tuple[str, Reader]] = {
    "url": ("url", _web_address),
    "folder": ("folder", _path),
    "slack_file": ("slack_file", _path),
    "email": ("email", _addresses),
    "from": ("from_level", one_of(LEVELS)),
    "quiet": ("quiet", _quiet),
    "digest": ("digest_s", between_durations(0.0, _DIGEST_MOST_S)),
}


def _read_channels(found: Reading, value: Value) -> tuple[Channel, ...]:
    channels = []
    for entry in validation.table(found, value).entries:
        name = validation.program_name(found, entry.place, "alerts.channels", entry.name)
        given = {}
        for each in validation.known_only(found, validation.table(found, entry.value), tuple(_CHANNEL)):
            attribute, read = _CHANNEL[each.name]
            given[attribute] = read(found, each.value)
        channel = Channel(name=name, **given)
        if sum(bool(given.get(each)) for each in TARGETS) != 1:
            found.wrong(
                entry.value, f"A channel has exactly one of {', '.join(TARGETS)}.", "Write one of them."
            )
        elif channel.digest_s and channel.kind in ("url", "folder"):
            found.wrong(
                entry.value,
                "Only slack_file and email are for people, who want a digest.",
                "Leave `digest` out: a program gets each alert.",
            )
        channels.append(channel)
    if len(channels) > CHANNELS_MAX:
        found.wrong(value, f"There are more than {CHANNELS_MAX} channels.", "Tell several people by one URL.")
    return tuple(channels)


def _write_channel(channel: Channel) -> dict[str, Any]:
    plain: dict[str, Any] = {"url": channel.url, "folder": channel.folder, "slack_file": channel.slack_file}
    plain["email"] = list(channel.email)
    plain["from"] = "" if channel.from_level == LEVELS[0] else channel.from_level
    plain["quiet"] = "" if channel.quiet is None else channel.quiet.text
    plain["digest"] = format_duration(channel.digest_s) if channel.digest_s else ""
    return {key: value for key, value in plain.items() if value}


def _host(found: Reading, value: Value) -> str:
    raw = validation.text(found, value)
    if not _HOST.fullmatch(raw):
        found.wrong(value, f"{raw[:50]!r} is not the name of a host.", "Write for example mail.example.org.")
    return raw


def _port(found: Reading, value: Value) -> int:
    port = validation.whole(found, value)
    if not 1 <= port <= 65_535:
        found.wrong(value, f"There is no port {port}.", "Write 1 to 65535; 587 is usual.")
    return port


_MAIL: Mapping[str, tuple[str, Reader]] = {
    "host": ("host", _host),
    "port": ("port", _port),
    "security": ("security", one_of(SECURITIES)),
    "sender": ("sender", _address),
    "user": ("user", validation.text),
    "password_file": ("password_file", _path),
    "ca_file": ("ca_file", _path),
}


def _read_smtp(found: Reading, value: Value) -> MailServer | None:
    """null, as it is written where nothing is said: none."""
    if isinstance(value, Scalar) and value.text is None:
        return None
    given = {}
    for each in validation.known_only(found, validation.table(found, value), tuple(_MAIL)):
        attribute, read = _MAIL[each.name]
        given[attribute] = read(found, each.value)
    for key in ("host", "sender"):
        if not given.get(key):
            found.wrong(
                value, f"The mail server has no `{key}`.", "Write `smtp: {host: NAME, sender: NAME@HOST}`."
            )
            return None
    server = MailServer(**given)
    if bool(server.user) != bool(server.password_file):
        found.wrong(value, "A user needs a password, and a password a user.", "Write both or neither.")
    elif server.user and server.security == "none":
        found.wrong(
            value, "A password would be sent in clear.", "Write `security: starttls` or `security: tls`."
        )
    return server


def _write_smtp(server: MailServer | None) -> dict[str, Any] | None:
    if server is None:
        return None
    return {key: value for key, (attribute, _) in _MAIL.items() if (value := getattr(server, attribute))}


def _read_routes(found: Reading, value: Value) -> tuple[Route, ...]:
    routes = []
    for each in validation.listing(found, value):
        subject, recipients = "", None
        for entry in validation.known_only(found, validation.table(found, each), ("subject", "recipients")):
            if entry.name == "subject":
                subject = validation.text(found, entry.value)
            else:
                recipients = read_recipients(found, entry.value)
        if not _SUBJECT.fullmatch(subject) or recipients is None:
            found.wrong(
                each,
                "A route has a subject and recipients.",
                "Write for example {subject: project/genomics, recipients: [genomics]}.",
            )
            continue
        routes.append(Route(subject=subject, recipients=recipients))
    if len(routes) > ROUTES_MAX:
        found.wrong(value, f"There are more than {ROUTES_MAX} routes.", "Use * in their subjects.")
    return tuple(routes)


_TEXT = {"type": "string"}
_CHANNEL_SCHEMA = {
    "type": "object",
    "properties": {
        "url": _TEXT, "folder": _TEXT, "slack_file": _TEXT,
        "email": {"type": "array", "items": _TEXT, "maxItems": ADDRESSES_MAX},
        "from": {"enum": list(LEVELS)},
        "quiet": {"type": "string", "examples": ["22:00-07:00 Europe/Berlin"]},
        "digest": {"type": ["string", "number"], "examples": ["1h"]},
    },
    "additionalProperties": False,
}  # fmt: skip
_MAIL_SCHEMA = {
    "type": ["object", "null"],
    "properties": {
        "host": _TEXT, "port": {"type": "integer", "minimum": 1, "maximum": 65_535},
        "security": {"enum": list(SECURITIES)}, "sender": _TEXT, "user": _TEXT, "password_file": _TEXT, "ca_file": _TEXT,
    },
    "required": ["host", "sender"],
    "additionalProperties": False,
}  # fmt: skip
_ROUTE_SCHEMA = {
    "type": "object",
    "properties": {"subject": _TEXT, "recipients": {"type": "array", "items": _TEXT}},
    "required": ["subject", "recipients"],
    "additionalProperties": False,
}

CHANNEL_FIELDS: tuple[Field, ...] = (
    Field(
        key="channels", attribute="channels", read=_read_channels,
        write=lambda channels: {each.name: _write_channel(each) for each in channels},
        schema={
            "type": "object",
            "additionalProperties": _CHANNEL_SCHEMA,
            "examples": [{"coo": {"url": "https://chat.example.org/hook"}, "division_gm": {"folder": "/srv/handoffs"}}],
        },
        doc="How recipients are notified, by their names. One of `url`, to which a signed message is posted (private ones must be in `callbacks: allow`), `folder`, into which a file is written, "
        "`slack_file` (a file with the address of an incoming webhook) and `email` (addresses). `from`: the lowest level that is sent. "
        "`quiet` (22:00-07:00 Europe/Berlin) and `digest` (1h): when alerts below critical wait.",
    ),
    Field(
        key="smtp", attribute="smtp", read=_read_smtp, write=_write_smtp, schema=_MAIL_SCHEMA,
        doc="The mail server for channels with `email`: `host`, `port` (587), `security` (starttls, tls or none), `sender`, `user` and `password_file`, `ca_file`.",
    ),
    Field(
        key="routes", attribute="routes", read=_read_routes,
        write=lambda routes: [{"subject": each.subject, "recipients": list(each.recipients)} for each in routes],
        schema={"type": "array", "items": _ROUTE_SCHEMA, "examples": [[{"subject": "project/genomics*", "recipients": ["genomics"]}]]},
        doc="Other recipients than the documented ones, by the subject of the alert; the first that fits is taken. `*` matches any characters.",
    ),
)  # fmt: skip
