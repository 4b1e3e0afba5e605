"""The section `alerts` of herder.yaml: what is read, and what is refused where."""

import pytest

from herder.control.alerts.policies import policies_of
from herder.ledger.alerts.documented import COMPUTE, CPU_HOUR
from herder.model.work.alerts import Channel, QuietHours
from herder.settings.load import load_texts
from herder.settings.sections.alerts import ALERT_FIELDS
from herder.settings.sections.upkeep import to_plain
from herder.settings.syntax.problems import SettingsError

TEXT = """
alerts:
  channels:
    coo: {url: https://chat.example.org/hook}
    division_gm: {folder: /srv/handoffs}
  chain: [division_gm, coo]
  cooldown: 1h
  escalate_after: 10m
  thresholds:
    compute-overallocation: {warning: 150}
  off: [cost-variance]
"""


def test_all_of_it() -> None:
    rules = load_texts([("herder.yaml", TEXT)]).alerts
    assert rules.channels == (
        Channel(name="coo", url="https://chat.example.org/hook"),
        Channel(name="division_gm", folder="/srv/handoffs"),
    )
    found = {each.id: each for each in policies_of(rules)}
    assert "cost-variance" not in found
    compute = found[COMPUTE.id]
    assert [each.at for each in compute.thresholds] == [150 * CPU_HOUR, 230 * CPU_HOUR, 250 * CPU_HOUR]
    assert (compute.chain, compute.cooldown_ms, compute.escalates_after_ms) == (
        ("division_gm", "coo"),
        3_600_000,
        600_000,
    )
    assert to_plain(rules, ALERT_FIELDS)["thresholds"] == {"compute-overallocation": {"warning": 150}}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            "channels:\n    coo: {url: https://a, folder: /b}",
            3,
            "A channel has exactly one of url, folder, slack_file, email.",
        ),
        ("channels:\n    coo: {}", 3, "A channel has exactly one of url, folder, slack_file, email."),
        ("channels:\n    coo: {url: chat}", 3, "The value is not a URL of a web server."),
        ("channels:\n    coo: {url: 'https://[::1'}", 3, "The value is not a URL of a web server."),
        (
            "smtp: {host: a, sender: a@b.org}\n  channels:\n    coo: {email: ['=?utf-8?q?=0a?=@x.org']}",
            4,
            "'=?utf-8?q?=0a?=@x.org' is not an e-mail address.",
        ),
        (
            "smtp: {host: a, sender: '=?utf-8?q?a?=@x.org'}",
            2,
            "'=?utf-8?q?a?=@x.org' is not an e-mail address.",
        ),
        ("channels:\n    coo: {folder: here}", 3, "'here' is not an absolute path."),
        ("thresholds:\n    storage-capacity: {warning: 95}", 3, "The thresholds are not in order."),
        ("thresholds:\n    storage-capacity: {info: 50}", 3, None),
        ("thresholds:\n    storage: {warning: 50}", 3, None),
        ("thresholds:\n    storage-capacity: {warning: 0}", 3, None),
        ("smtp: {host: a, sender: a@b.org}\n  channels:\n    coo: {email: [nobody]}", 4, None),
        ("channels:\n    coo: {email: [a@b.org]}", 2, "A channel has e-mail, and no mail server is set."),
        ("channels:\n    coo: {url: https://a, from: high}", 3, None),
        ("channels:\n    coo: {url: https://a, quiet: at night}", 3, "'at night' is not a span of a day."),
        (
            "channels:\n    coo: {url: https://a, quiet: 22:00-07:00 Berlin}",
            3,
            "'Berlin' is not a time zone.",
        ),
        (
            "channels:\n    coo: {url: https://a, quiet: 07:00-07:00}",
            3,
            "The quiet hours end when they begin.",
        ),
        (
            "channels:\n    coo: {url: https://a, digest: 1h}",
            3,
            "Only slack_file and email are for people, who want a digest.",
        ),
        ("smtp: {host: mail.example.org}", 2, "The mail server has no `sender`."),
        ("smtp: {host: 'a b', sender: a@b.org}", 2, "'a b' is not the name of a host."),
        ("smtp: {host: a, sender: a@b.org, port: 70000}", 2, "There is no port 70000."),
        ("smtp: {host: a, sender: a@b.org, user: x}", 2, "A user needs a password, and a password a user."),
        (
            "smtp: {host: a, sender: a@b.org, user: x, password_file: /p, security: none}",
            2,
            "A password would be sent in clear.",
        ),
        ("routes: [{subject: division/a}]", 2, "A route has a subject and recipients."),
        ("off: [nothing]", 2, "There is no alert 'nothing'."),
    ],
)
def test_what_is_refused(text: str, line: int, message: str | None) -> None:
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", f"alerts:\n  {text}\n")])
    (problem,) = caught.value.problems
    assert problem.place.line == line
    assert message is None or problem.message == message
    assert problem.remedy


def test_channels_for_people() -> None:
    text = """
alerts:
  smtp: {host: mail.example.org, sender: herder@example.org, user: herder, password_file: /etc/herder/mail}
  channels:
    ops: {slack_file: /etc/herder/chat, from: warning, digest: 1h}
    coo: {email: [coo@example.org], quiet: 22:00-07:00 Europe/Berlin}
  routes:
    - {subject: project/genomics*, recipients: [ops]}
"""
    rules = load_texts([("herder.yaml", text)]).alerts
    assert rules.channels == (
        Channel(name="ops", slack_file="/etc/herder/chat", from_level="warning", digest_s=3600.0),
        Channel(
            name="coo",
            email=("coo@example.org",),
            quiet=QuietHours(from_minute=22 * 60, to_minute=7 * 60, timezone="Europe/Berlin"),
        ),
    )
    assert rules.smtp is not None
    assert (rules.smtp.port, rules.smtp.security) == (587, "starttls")
    shown = to_plain(rules, ALERT_FIELDS)
    assert shown["channels"]["ops"] == {"slack_file": "/etc/herder/chat", "from": "warning", "digest": "1h"}
    assert shown["channels"]["coo"] == {"email": ["coo@example.org"], "quiet": "22:00-07:00 Europe/Berlin"}
    assert shown["routes"] == [{"subject": "project/genomics*", "recipients": ["ops"]}]
