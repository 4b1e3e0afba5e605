"""Channels of a running server: chat and e-mail, levels, quiet hours, digests, routes, and the test of a channel."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from herder.control.alerts.telling import Teller
from herder.ledger.alerts.documented import STORAGE, TOKEN_BUDGET
from herder.model.work.alerts import Channel, MailServer, QuietHours, Route
from herder.notify.notes import Note
from herder.notify.quiet_hours import quiet_until_ms
from herder.notify.slack import slack_body
from tests.alerts.test_server import Watched, items, kinds, serve, used, wait
from tests.support.mail_server import MailBox
from tests.support.receiver import Receiver, status

__all__ = ["serve", "used"]


def address_file(folder: Path, chat: Receiver) -> str:
    file = folder / "chat"
    file.write_text(f"{chat.url}\n")
    return str(file)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("quiet", "at", "until"),
    [
        (QuietHours(from_minute=22 * 60, to_minute=7 * 60), "2026-11-28T21:59", None),
        (QuietHours(from_minute=22 * 60, to_minute=7 * 60), "2026-11-28T22:00", "2026-11-29T07:00"),
        (QuietHours(from_minute=22 * 60, to_minute=7 * 60), "2026-11-29T06:59", "2026-11-29T07:00"),
        (QuietHours(from_minute=22 * 60, to_minute=7 * 60), "2026-11-29T07:00", None),
        (QuietHours(from_minute=60, to_minute=120), "2026-11-29T01:30", "2026-11-29T02:00"),
        # Berlin is an hour ahead in winter, and two in summer.
        (QuietHours(from_minute=22 * 60, to_minute=7 * 60, timezone="Europe/Berlin"), "2026-11-28T21:00", "2026-11-29T06:00"),
        (QuietHours(from_minute=22 * 60, to_minute=7 * 60, timezone="Europe/Berlin"), "2026-07-28T20:00", "2026-07-29T05:00"),
    ],
)  # fmt: skip
def test_quiet_hours(quiet: QuietHours, at: str, until: str | None) -> None:
    assert quiet_until_ms(quiet, ms(at)) == (None if until is None else ms(until))


def test_a_chat_gets_no_links_or_mentions_by_a_name() -> None:
    note = Note(title="info: <!channel> & <https://x>", level="info", text="a<b", at_s=1, id="alert-1")
    body = json.loads(slack_body(note.title, [note]))
    assert body["text"] == "info: &lt;!channel&gt; &amp; &lt;https://x&gt;"
    assert body["attachments"][0]["text"].startswith("a&lt;b")


def test_a_chat_is_told_how_many_more_there_are() -> None:
    notes = [Note(title=f"n{n}", level="info", text="t", at_s=1, id=f"alert-{n}") for n in range(25)]
    body = json.loads(slack_body("25 alerts", notes))
    assert (len(body["attachments"]), body["text"]) == (20, "25 alerts 5 more: herder alert list")


def test_chat_and_mail_get_what_is_for_people(
    serve: Callable[..., Watched], used: dict[str, int], tmp_path: Path
) -> None:
    with Receiver(status(200, "ok")) as chat, MailBox() as box:
        server = serve(
            channels=(
                Channel(name="division_gm", slack_file=address_file(tmp_path, chat)),
                Channel(name="coo", email=("coo@example.org",)),
            ),
            smtp=MailServer(host="127.0.0.1", port=box.port, sender="herder@example.org", security="none"),
        )
        used[TOKEN_BUDGET.id] = 91
        (alert,) = wait(server, lambda: [each for each in items(server) if each["notified"]])
        (posted,) = chat.wait()
        (mailed,) = box.wait()
    body = json.loads(posted.body)
    assert body["text"] == "critical: token-budget-warning of division monitoring"
    (attachment,) = body["attachments"]
    assert {"title": "Used", "value": "91 tokens", "short": True} in attachment["fields"]
    assert f"herder alert ack {alert['id']}" in attachment["text"]
    assert mailed["Subject"] == f"[Herder] {body['text']}"
    assert alert["text"] in " ".join(mailed.get_content().split())
    assert alert["notified"] == ["division_gm", "coo"]


class At:
    """The clock of the teller, which a test sets."""

    def __init__(self, text: str) -> None:
        self.ms = ms(text)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> At:
    """The teller believes in this time."""
    clock, tell = At("2026-11-28T23:00"), Teller.tell

    async def at(self: Teller, notices: Any, _now_ms: int) -> Any:
        return await tell(self, notices, clock.ms)

    monkeypatch.setattr(Teller, "tell", at)
    return clock


NIGHT = QuietHours(from_minute=22 * 60, to_minute=7 * 60)


def test_quiet_hours_keep_a_warning_and_nothing_urgent(
    serve: Callable[..., Watched], used: dict[str, int], told: At
) -> None:
    with Receiver() as receiver:
        channel = Channel(name="infrastructure_gm", url=receiver.url, quiet=NIGHT)
        server = serve(channels=(channel,), routes=(Route(subject="*", recipients=("infrastructure_gm",)),))
        used[STORAGE.id] = 81
        wait(server, lambda: items(server))
        used[TOKEN_BUDGET.id] = 91
        wait(server, lambda: [each for each in items(server) if each["notified"]])
        (urgent,) = receiver.wait()
        assert json.loads(urgent.body)["level"] == "critical"
        assert {each["level"] for each in items(server) if not each["notified"]} == {"warning"}
        told.ms = ms("2026-11-29T07:00")
        wait(server, lambda: all(each["notified"] for each in items(server)))
        assert [json.loads(each.body)["level"] for each in receiver.got] == ["critical", "warning"]


def test_an_alert_that_is_acknowledged_in_quiet_hours_is_not_sent(
    serve: Callable[..., Watched], used: dict[str, int], told: At
) -> None:
    with Receiver() as receiver:
        server = serve(
            channels=(Channel(name="ops", url=receiver.url, quiet=NIGHT),),
            routes=(Route(subject="*", recipients=("ops",)),),
        )
        used[STORAGE.id] = 81
        (alert,) = wait(server, lambda: items(server))
        server.http.post(f"/alerts/{alert['id']}/acknowledge").raise_for_status()
        told.ms = ms("2026-11-29T07:00")
        used[TOKEN_BUDGET.id] = 91
        receiver.wait()
        wait(server, lambda: any(each["notified"] for each in items(server)))
        assert [json.loads(each.body)["level"] for each in receiver.got] == ["critical"]


def test_a_digest_is_one_message(
    serve: Callable[..., Watched], used: dict[str, int], told: At, tmp_path: Path
) -> None:
    with Receiver(status(200, "ok")) as chat:
        server = serve(
            channels=(Channel(name="ops", slack_file=address_file(tmp_path, chat), digest_s=3600.0),),
            routes=(
                Route(subject="tier/*", recipients=("ops",)),
                Route(subject="division/*", recipients=("ops",)),
            ),
            cooldown_s=1.0,
        )
        used[STORAGE.id] = 81
        wait(server, lambda: items(server) and items(server)[0]["notified"])
        used[TOKEN_BUDGET.id] = 76
        wait(server, lambda: len(items(server)) == 2)
        assert len(chat.got) == 1
        told.ms += 3_600_000
        wait(server, lambda: all(each["notified"] for each in items(server)))
        assert len(chat.got) == 2


def test_levels_and_routes(serve: Callable[..., Watched], used: dict[str, int]) -> None:
    with Receiver() as receiver:
        base = receiver.url
        server = serve(
            channels=(
                Channel(name="monitoring", url=f"{base}/monitoring"),
                Channel(name="boss", url=f"{base}/boss", from_level="critical"),
            ),
            routes=(Route(subject="division/moni*", recipients=("monitoring", "boss")),),
            chain=(),
        )
        used[TOKEN_BUDGET.id] = 76
        wait(server, lambda: items(server) and items(server)[0]["notified"])
        assert [each.path for each in receiver.got] == ["/hook/monitoring"]
        used[TOKEN_BUDGET.id] = 91
        receiver.wait(3)
        wait(server, lambda: items(server)[0]["notified"] == ["monitoring", "boss"])
        assert sorted(each.path for each in receiver.got[1:]) == ["/hook/boss", "/hook/monitoring"]


def test_a_channel_is_tried(
    serve: Callable[..., Watched],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from herder.cli.shell.main import build_app, run

    with Receiver(status(200, "ok")) as chat, Receiver(status(403, "invalid_token")) as closed:
        server = serve(
            channels=(
                Channel(name="ops", slack_file=address_file(tmp_path, chat), quiet=NIGHT, digest_s=3600.0),
                Channel(name="closed", url=closed.url),
            )
        )
        monkeypatch.setenv("HERDER_URL", server.running.url)
        monkeypatch.setenv("HERDER_TOKEN", server.running.token)

        def cli(*words: str) -> tuple[int, str]:
            code = run(build_app(), list(words))
            found = capsys.readouterr()
            return code, found.out + found.err

        code, table = cli("alert", "channels", "-o", "wide")
        assert code == 0
        assert "22:00-07:00 UTC, digest of 1h00m" in table
        assert "/hook" not in table, "an address of a chat is as good as a password"
        assert cli("alert", "test", "ops") == (0, "A test message was delivered to ops.\n")
        assert json.loads(chat.wait()[0].body)["text"] == "info: test of the notifications"
        code, said = cli("alert", "test", "closed")
        assert code == 4
        assert (
            "could not be delivered to closed. The receiver refused the message (HTTP status 403)"
            in " ".join(said.split())
        )
        assert cli("alert", "test", "none")[0] == 3
        assert kinds(server) == ["alert.channel_tested"]
