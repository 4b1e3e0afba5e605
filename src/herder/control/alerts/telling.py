"""Tells recipients of alerts by their channels. What cannot be delivered is tried again, and after some tries counts as told: then the next one of the chain has its turn."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from herder.control.alerts.messages import heading_of, json_body, json_test, note_of, test_note
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import callback_secret
from herder.ledger.alerts.policies import Level
from herder.ledger.alerts.raising import Notice
from herder.model.work.alerts import Channel
from herder.model.work.callbacks import pause_ms
from herder.notify.handoff import write_handoff
from herder.notify.mail import Mailer, mail_of
from herder.notify.notes import Note
from herder.notify.quiet_hours import quiet_until_ms
from herder.notify.sender import HttpSender
from herder.notify.slack import slack_body
from herder.ports.callbacks import Answer, Message, Sender

#: Of one notice; about 40 minutes. Then it counts as told.
TRIES_MAX = 5
#: With whose secret messages are signed: `herder callback secret` of that user shows it.
SIGNED_FOR = "admin"
#: From this level on nothing waits for quiet hours or a digest.
URGENT = Level.CRITICAL
#: Of a file with an address.
_ADDRESS_BYTES_MAX = 4096


class Told(NamedTuple):
    """A notice that counts as told. `problems`: recipients that did not get it, and why."""

    notice: Notice
    problems: list[tuple[str, str]]


@dataclass(slots=True)
class _Tries:
    count: int = 0
    next_ms: int = 0
    done: set[str] = field(default_factory=set)
    given_up: list[tuple[str, str]] = field(default_factory=list)


class Teller:
    def __init__(self, core: Core) -> None:
        self._core = core
        alerts = core.settings.alerts
        self._channels = {each.name: each for each in alerts.channels}
        self._tries: dict[tuple[str, tuple[str, ...]], _Tries] = {}
        """By alert and recipients; in memory only: a server that starts begins anew."""
        self._digest_ms: dict[str, int] = {}
        """By channel: when its last message was sent."""
        self._post = Poster(core)

    async def close(self) -> None:
        await self._post.close()

    async def tell(self, notices: Sequence[Notice], now_ms: int) -> list[Told]:
        """What counts as told now. A recipient without a channel reads `herder alert list`."""
        open_ones = {(each.alert.id, each.recipients): each for each in notices}
        for key in self._tries.keys() - open_ones.keys():  # it was acknowledged or resolved while it waited
            del self._tries[key]
        pending = [
            (notice, tries)
            for key, notice in open_ones.items()
            if (tries := self._tries.setdefault(key, _Tries())).next_ms <= now_ms
        ]
        waiting: set[str] = set()
        parcels: dict[str, list[Notice]] = {}
        for notice, tries in pending:
            for channel in self._channels_of(notice, tries):
                if self._waits(channel, notice.alert.level, now_ms):
                    waiting.add(notice.alert.id)
                else:
                    parcels.setdefault(channel.name, []).append(notice)
        answers = await self._deliver(parcels, now_ms)
        told = [
            self._judged(notice, tries, answers, now_ms, notice.alert.id in waiting)
            for notice, tries in pending
        ]
        return [each for each in told if each is not None]

    def _channels_of(self, notice: Notice, tries: _Tries) -> list[Channel]:
        """Through which it is still to be sent."""
        given_up = {name for name, _ in tries.given_up}
        return [
            channel
            for name in notice.recipients
            if name not in tries.done and name not in given_up
            and (channel := self._channels.get(name)) is not None
            and notice.alert.level >= Level.of(channel.from_level)
        ]  # fmt: skip

    def _waits(self, channel: Channel, level: Level, now_ms: int) -> bool:
        if level >= URGENT:
            return False
        if channel.quiet is not None and quiet_until_ms(channel.quiet, now_ms) is not None:
            return True
        last_ms = self._digest_ms.get(channel.name)
        return last_ms is not None and now_ms - last_ms < channel.digest_s * 1000

    async def _deliver(self, parcels: dict[str, list[Notice]], now_ms: int) -> dict[tuple[str, str], Answer]:
        """By alert and recipient. All channels at once: one that hangs delays no other."""

        async def one(name: str, notices: list[Notice]) -> dict[tuple[str, str], Answer]:
            answers = await self._post.send(self._channels[name], notices)
            if any(not each.error for each in answers.values()):
                self._digest_ms[name] = now_ms
            return {(alert_id, name): answer for alert_id, answer in answers.items()}

        found = await asyncio.gather(*(one(name, notices) for name, notices in parcels.items()))
        return {key: answer for each in found for key, answer in each.items()}

    def _judged(
        self, notice: Notice, tries: _Tries, answers: dict[tuple[str, str], Answer], now_ms: int, waits: bool
    ) -> Told | None:
        """None: it does not count as told yet."""
        failed: list[tuple[str, str]] = []
        sent = {
            name: answer for name in notice.recipients if (answer := answers.get((notice.alert.id, name)))
        }
        for name, answer in sent.items():
            if not answer.error:
                tries.done.add(name)
            elif answer.final or tries.count + 1 >= TRIES_MAX:
                tries.given_up.append((name, answer.error))
            else:
                failed.append((name, answer.error))
        tries.count += bool(sent)
        if failed:
            tries.next_ms = now_ms + pause_ms(tries.count)
        if failed or waits:
            return None
        del self._tries[(notice.alert.id, notice.recipients)]
        return Told(notice, tries.given_up)


class Poster:
    """Sends through one channel. Raises nothing: what goes wrong is in the answers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        rules = core.settings.callbacks
        self._given = core.outbox.sender
        self._sender: Sender = self._given or HttpSender(rules.allow, rules.timeout_s)
        smtp = core.settings.alerts.smtp
        self._mailer = None if smtp is None else Mailer(smtp)

    async def close(self) -> None:
        """A sender that was given is closed by whoever gave it."""
        if self._given is None:
            await self._sender.close()
        if self._mailer is not None:
            self._mailer.close()

    async def send(self, channel: Channel, notices: Sequence[Notice]) -> dict[str, Answer]:
        """By alert. People get one message of all of them, programs one of each."""
        policies, answers = self._core.ledger.alerts.policies, {}
        notes: list[Note] = []
        for notice in notices:
            name = notice.alert.id
            try:
                if channel.kind in ("url", "folder"):
                    answers[name] = await self._machine(
                        channel, name, json_body(policies, channel.name, notice)
                    )
                else:
                    notes.append(note_of(policies, notice, self._core.settings.server_url))
            except (ArithmeticError, LookupError, ValueError) as error:
                answers[name] = Answer(error=f"Its message cannot be written ({type(error).__name__}).")
        if notes:
            answer = await self._people(channel, heading_of(notes), notes)
            answers.update({note.id: answer for note in notes})
        return answers

    async def test(self, channel: Channel) -> Answer:
        """A message that says that it is a test."""
        note = test_note(channel.name, self._core.clock.now_ms())
        if channel.kind in ("url", "folder"):
            return await self._machine(channel, note.id, json_test(note))
        return await self._people(channel, note.title, [note])

    async def _machine(self, channel: Channel, name: str, body: str) -> Answer:
        if channel.folder:
            return Answer(error=await write_handoff(channel.folder, f"{name}.json", body + "\n"))
        return await self._sent(f"{name}-{channel.name}", channel.url, body)

    async def _people(self, channel: Channel, heading: str, notes: Sequence[Note]) -> Answer:
        sent_at_s = self._core.clock.now_ms() // 1000
        if channel.email:
            if self._mailer is None:
                return Answer(error="No mail server is set (`alerts: smtp`).", final=True)
            return await self._mailer.send(
                mail_of(self._mailer.sender, channel.email, heading, notes, sent_at_s)
            )
        try:
            url = await asyncio.to_thread(_address_in, channel.slack_file)
        except (OSError, UnicodeDecodeError) as error:
            return Answer(error=f"The file {channel.slack_file} cannot be read: {error}.")
        return await self._sent(f"{notes[0].id}-{channel.name}", url, slack_body(heading, notes))

    async def _sent(self, message_id: str, url: str, body: str) -> Answer:
        message = Message(
            id=message_id,
            url=url,
            body=body,
            secret=callback_secret(self._core.settings.secret, SIGNED_FOR),
            sent_at_s=self._core.clock.now_ms() // 1000,
        )
        return await self._sender.send(message)


def _address_in(path: str) -> str:
    with Path(path).open(encoding="utf-8") as file:
        return file.read(_ADDRESS_BYTES_MAX).strip()
