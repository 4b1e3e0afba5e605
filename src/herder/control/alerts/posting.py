"""Sends alerts and tests through the channels of recipients. Called by `telling.py` and by the test of a channel."""

import logging
from collections.abc import Sequence
from functools import partial

from herder.control.alerts.messages import heading_of, json_body, json_test, message_id, note_of, test_note
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import callback_secret
from herder.ledger.alerts.raising import Notice
from herder.model.work.alerts import Channel
from herder.notify.addresses import Allowed, BadTarget, checked
from herder.notify.files import FileError, on_file, small_text
from herder.notify.handoff import write_handoff
from herder.notify.mail import Mailer, mail_of
from herder.notify.notes import Note
from herder.notify.sender import HttpSender
from herder.notify.slack import slack_body
from herder.ports.callbacks import Answer, Message, Sender

#: With whose secret messages are signed: `herder callback secret` of that user shows it.
SIGNED_FOR = "admin"
_LOG = logging.getLogger(__name__)


class Poster:
    """Sends through one channel. Raises nothing: what goes wrong is in the answers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        rules = core.settings.callbacks
        self._allowed = Allowed(rules.allow)
        self._given = core.outbox.sender
        self._sender: Sender = self._given or HttpSender(rules.allow, rules.timeout_s)
        smtp = core.settings.alerts.smtp
        self._mailer = None if smtp is None else Mailer(smtp, core.calls)

    async def close(self) -> None:
        """A sender that was given is closed by whoever gave it."""
        if self._given is None:
            await self._sender.close()

    async def send(self, channel: Channel, notices: Sequence[Notice]) -> dict[str, Answer]:
        """By alert. People get one message of all of them, programs one of each."""
        answers: dict[str, Answer] = {}
        notes: list[Note] = []
        for notice in notices:
            name = notice.alert.id
            try:
                if channel.kind in ("url", "folder"):
                    answers[name] = await self._to_program(channel, notice)
                else:
                    notes.append(self._note(notice))
            except Exception as error:  # noqa: BLE001 - one message that cannot be made keeps no other from being sent
                answers[name] = _unwritten(name, channel, error)
        return answers | await self._to_people(channel, notes)

    async def test(self, channel: Channel) -> Answer:
        """A message that says that it is a test."""
        note = test_note(channel.name, self._core.clock.now_ms())
        if channel.kind in ("url", "folder"):
            return await self._machine(channel, note.id, json_test(note))
        return (await self._to_people(channel, [note]))[note.id]

    async def _to_program(self, channel: Channel, notice: Notice) -> Answer:
        body = json_body(self._core.ledger.alerts.policies, channel.name, notice)
        name = message_id(notice.alert.id, "resolved" if notice.resolved else "raised")
        return await self._machine(channel, name, body)

    def _note(self, notice: Notice) -> Note:
        return note_of(self._core.ledger.alerts.policies, notice, self._core.settings.server_url)

    async def _to_people(self, channel: Channel, notes: Sequence[Note]) -> dict[str, Answer]:
        """A message of several that cannot be made is sent as one of each."""
        if not notes:
            return {}
        try:
            answer = await self._people(channel, heading_of(notes), notes)
        except Exception as error:  # noqa: BLE001 - as in `send`
            if len(notes) == 1:
                return {notes[0].id: _unwritten(notes[0].id, channel, error)}
            one_by_one = [await self._to_people(channel, [note]) for note in notes]
            return {key: each for found in one_by_one for key, each in found.items()}
        return {note.id: answer for note in notes}

    async def _machine(self, channel: Channel, name: str, body: str) -> Answer:
        if channel.folder:
            folder = channel.folder
            return Answer(error=await write_handoff(self._core.calls, folder, f"{name}.json", body + "\n"))
        return await self._sent(f"{name}-{channel.name}", channel.url, body)

    async def _people(self, channel: Channel, heading: str, notes: Sequence[Note]) -> Answer:
        if channel.email:
            if self._mailer is None:
                return Answer(error="No mail server is set (`alerts: smtp`).", final=True)
            sent_at_s = self._core.clock.now_ms() // 1000
            message = mail_of(self._mailer.sender, channel.email, heading, notes, sent_at_s)
            return await self._mailer.send(message)
        body, file = slack_body(heading, notes), channel.slack_file
        try:
            url = await on_file(self._core.calls, f"file {file}", partial(small_text, file))
            checked(url, self._allowed)
        except FileError as error:
            return Answer(error=str(error))
        except BadTarget as error:
            return Answer(error=f"The address in {file} cannot be used. {error}")
        name = message_id(notes[0].id, notes[0].occasion)
        return await self._sent(f"{name}-{channel.name}", url, body)

    async def _sent(self, message_id: str, url: str, body: str) -> Answer:
        message = Message(
            id=message_id,
            url=url,
            body=body,
            secret=callback_secret(self._core.settings.secret, SIGNED_FOR),
            sent_at_s=self._core.clock.now_ms() // 1000,
        )
        return await self._sender.send(message)


def _unwritten(name: str, channel: Channel, error: Exception) -> Answer:
    """Its text may have the address of the channel, so only its kind is told."""
    kind = type(error).__name__
    _LOG.warning("The message about %s for channel %s cannot be made: %s.", name, channel.name, kind)
    return Answer(error=f"Its message cannot be written ({kind}).")
