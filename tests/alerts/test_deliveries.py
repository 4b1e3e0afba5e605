"""Deliveries of a running server when channels are wrong: nothing of an address is told, one that hangs or fails takes nothing from others, and what was delivered is not sent again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from herder.control.alerts import posting
from herder.control.alerts.telling import META_KEY
from herder.ledger.alerts.documented import STORAGE, TOKEN_BUDGET
from herder.model.work.alerts import Channel, MailServer, QuietHours, Route
from herder.notify import files
from herder.store.rows.meta import meta_text
from tests.alerts.test_channels import At, ms, told
from tests.alerts.test_server import Watched, items, kinds, serve, used, wait
from tests.support.mail_server import MailBox
from tests.support.receiver import Receiver, status

__all__ = ["serve", "told", "used"]

NIGHT = QuietHours(from_minute=22 * 60, to_minute=7 * 60)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.control.alerts.telling.pause_ms", lambda tries: 0)


def undelivered(server: Watched) -> list[str]:
    return sorted(each["text"] for each in items(server, "/events?kind=alert.undelivered"))


@pytest.mark.parametrize(
    "address",
    [
        "hooks.example.org/services/T1/s3cret",
        "https://hooks.example.org:0/?t=s3cret",
        "https://10.0.0.1/s3cret",
    ],
)
def test_the_address_of_a_chat_is_told_to_nobody(
    serve: Callable[..., Watched], used: dict[str, int], at_once: None, tmp_path: Path, address: str
) -> None:
    file = tmp_path / "chat"
    file.write_text(address)
    server = serve(channels=(Channel(name="division_gm", slack_file=str(file)),))
    used[TOKEN_BUDGET.id] = 91
    (text,) = wait(server, lambda: undelivered(server))
    answer = server.http.post("/alerts/channels/test", json={"channel": "division_gm"})
    assert answer.status_code == 409
    for said in (text, answer.json()["detail"]):
        assert f"The address in {file} cannot be used. " in said
    assert "s3cret" not in text + answer.text
    assert "s3cret" not in server.http.get("/events").text


def test_a_file_that_hangs_delays_no_other_channel_for_long(
    serve: Callable[..., Watched],
    used: dict[str, int],
    at_once: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    goes_on, read = threading.Event(), posting.small_text

    def hang(path: str) -> str:
        goes_on.wait(30)
        return read(path)

    monkeypatch.setattr(posting, "small_text", hang)
    monkeypatch.setattr(files, "TIMEOUT_S", 0.1)
    try:
        with Receiver() as receiver:
            server = serve(
                channels=(
                    Channel(name="division_gm", slack_file=str(tmp_path / "chat")),
                    Channel(name="coo", url=receiver.url),
                )
            )
            used[TOKEN_BUDGET.id] = 91
            receiver.wait()
            (text,) = wait(server, lambda: undelivered(server))
        assert f"division_gm. The file {tmp_path / 'chat'} did not answer within 0.1 s." in text
        assert items(server)[0]["notified"] == ["division_gm", "coo"]
    finally:
        goes_on.set()


def test_a_message_that_cannot_be_made_ends_neither_the_loop_nor_the_others(
    serve: Callable[..., Watched], used: dict[str, int], at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one mail about several alerts: the others are sent by themselves."""
    make = posting.mail_of

    def wrong(*given: object) -> object:
        if any("Tier hot" in note.text for note in given[3]):  # type: ignore[attr-defined]
            raise IndexError("as some versions of the library do")
        return make(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(posting, "mail_of", wrong)
    with MailBox() as box:
        server = serve(
            channels=(Channel(name="ops", email=("a@x.org",)),),
            smtp=MailServer(host="127.0.0.1", port=box.port, sender="herder@x.org", security="none"),
            routes=(Route(subject="*", recipients=("ops",)),),
            chain=(),
        )
        used.update({STORAGE.id: 91, TOKEN_BUDGET.id: 91})
        wait(server, lambda: len(items(server)) == 2 and all(each["notified"] for each in items(server)))
        (mailed,) = box.wait()
    assert "token-budget-warning" in str(mailed["Subject"])
    assert undelivered(server) == [
        "The alert could not be delivered to ops. Its message cannot be written (IndexError)."
    ]


def test_a_receiver_that_is_away_takes_no_tries_from_one_in_quiet_hours(
    serve: Callable[..., Watched], used: dict[str, int], told: At, at_once: None
) -> None:
    with Receiver(status(500, "no")) as away, Receiver() as quiet:
        server = serve(
            channels=(Channel(name="away", url=away.url), Channel(name="quiet", url=quiet.url, quiet=NIGHT)),
            routes=(Route(subject="*", recipients=("away", "quiet")),),
        )
        used[STORAGE.id] = 81
        wait(server, lambda: len(away.got) == 5)
        quiet.answer = status(500, "not yet")
        told.ms = ms("2026-11-29T07:00")
        quiet.wait(2)
        quiet.answer = status(200)
        wait(server, lambda: items(server)[0]["notified"])
        assert len(away.got) == 5
        assert 3 <= len(quiet.got) <= 5
    assert undelivered(server) == [
        "The alert could not be delivered to away. The receiver refused the message (HTTP status 500): no."
    ]


def test_what_was_delivered_before_a_restart_is_not_sent_again(
    serve: Callable[..., Watched], used: dict[str, int], told: At, at_once: None
) -> None:
    with Receiver() as awake, Receiver(status(500, "no")) as away, Receiver() as quiet:
        server = serve(
            channels=(
                Channel(name="awake", url=awake.url),
                Channel(name="away", url=away.url),
                Channel(name="quiet", url=quiet.url, quiet=NIGHT),
            ),
            routes=(Route(subject="*", recipients=("awake", "away", "quiet")),),
        )
        used[STORAGE.id] = 81
        wait(server, lambda: len(away.got) == 5)
        used[TOKEN_BUDGET.id] = 91  # its notice is in a commit after that of the first
        wait(server, lambda: any(each["notified"] for each in items(server)))
        server.restart()
        told.ms = ms("2026-11-29T07:00")
        wait(server, lambda: all(each["notified"] for each in items(server)))
        for receiver, count in ((awake, 1), (away, 5), (quiet, 1)):
            got = [json.loads(each.body)["level"] for each in receiver.got]
            assert got.count("warning") == count
    assert kinds(server).count("alert.undelivered") == 2


def deliveries(server: Watched) -> str:
    """As they are stored: what is sent before is sent again."""

    async def read() -> str | None:
        return await server.running.core.read(partial(meta_text, key=META_KEY))

    return server.run(read()) or ""


def ends(receiver: Receiver) -> list[str]:
    return [json.loads(each.body)["state"] for each in receiver.got]


def test_who_was_told_is_told_once_that_it_is_resolved(
    serve: Callable[..., Watched], used: dict[str, int], told: At, tmp_path: Path
) -> None:
    """Also when the server restarts before; of a warning nobody is, unless the settings say so."""
    with Receiver() as awake, Receiver(status(500, "no")) as away, MailBox() as box:
        server = serve(
            channels=(
                Channel(name="awake", url=awake.url),
                Channel(name="away", url=away.url),
                Channel(name="ann", email=("ann@x.org",)),
            ),
            smtp=MailServer(host="127.0.0.1", port=box.port, sender="herder@x.org", security="none"),
            routes=(Route(subject="tier/*", recipients=("awake",)), Route(subject="*", recipients=("awake", "away", "ann"))),
            chain=(),
        )  # fmt: skip
        away.answer = status(200)
        used.update({STORAGE.id: 81, TOKEN_BUDGET.id: 91})
        wait(server, lambda: len(items(server)) == 2 and all(each["notified"] for each in items(server)))
        away.answer = status(500, "no")
        used.update({STORAGE.id: 10, TOKEN_BUDGET.id: 10})
        wait(server, lambda: ends(away)[-1:] == ["resolved"])
        raised, resolved = box.wait(2)
        wait(server, lambda: '"ann", 1, ' in deliveries(server))
        server.restart()
        away.answer = status(200)
        told.ms += 3_600_000
        wait(server, lambda: server.running.core.ledger.alerts.ended == {})
        server.restart()
        server.run(asyncio.sleep(0.2))  # some looks
        assert len(box.got) == 2
        assert ends(awake).count("resolved") == 1
        assert ends(away).count("resolved") == 2, "the try that failed, and one after the restart"
        assert sorted(json.loads(each.body)["level"] for each in awake.got) == [
            "critical",
            "critical",
            "warning",
        ]
        assert len({each.headers["webhook-id"] for each in awake.got}) == 3
    assert resolved["Subject"] == "[Herder] resolved: token-budget-warning of division monitoring"
    assert raised["Message-ID"] != resolved["Message-ID"]
    assert "Resolved (below). token-budget-warning, critical: " in " ".join(resolved.get_content().split())


def test_nobody_is_told_of_the_end_of_what_nobody_was_told_of(
    serve: Callable[..., Watched], used: dict[str, int], told: At
) -> None:
    """Of one that a higher one superseded, neither."""
    with Receiver() as receiver:
        server = serve(
            channels=(Channel(name="ops", url=receiver.url, quiet=NIGHT),),
            routes=(Route(subject="*", recipients=("ops",)),),
            tell_resolved="warning",
            chain=(),
        )
        used[STORAGE.id] = 81
        wait(server, lambda: items(server))
        used[TOKEN_BUDGET.id] = 91
        receiver.wait()
        used[TOKEN_BUDGET.id] = 101
        receiver.wait(2)
        wait(server, lambda: all(each["notified"] for each in items(server) if each["level"] != "warning"))
        used.update({STORAGE.id: 10, TOKEN_BUDGET.id: 10})
        receiver.wait(3)
        wait(server, lambda: server.running.core.ledger.alerts.ended == {})
        assert [json.loads(each.body)["level"] for each in receiver.got] == [
            "critical",
            "emergency",
            "emergency",
        ]
        assert ends(receiver) == ["active", "active", "resolved"]


def test_never_means_nobody(serve: Callable[..., Watched], used: dict[str, int]) -> None:
    with Receiver() as receiver:
        server = serve(channels=(Channel(name="coo", url=receiver.url),), tell_resolved="never", chain=())
        used[TOKEN_BUDGET.id] = 91
        wait(server, lambda: items(server) and items(server)[0]["notified"])
        used[TOKEN_BUDGET.id] = 10
        wait(server, lambda: not items(server))
        assert server.running.core.ledger.alerts.ended == {}
