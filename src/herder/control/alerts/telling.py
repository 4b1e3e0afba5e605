"""Tells recipients of alerts by their channels. What cannot be delivered is tried again, and after some tries counts as told: then the next one of the chain has its turn."""

from dataclasses import dataclass, field

import msgspec

from herder.control.alerts.texts import alert_view
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import callback_secret
from herder.ledger.alerts.raising import Notice
from herder.model.work.alerts import Channel
from herder.model.work.callbacks import pause_ms
from herder.notify.handoff import write_handoff
from herder.notify.sender import HttpSender
from herder.ports.callbacks import Message, Sender

#: Of one notice; about 40 minutes. Then it counts as told.
TRIES_MAX = 5
#: With whose secret messages are signed: `herder callback secret` of that user shows it.
SIGNED_FOR = "admin"


@dataclass(slots=True)
class _Tries:
    count: int = 0
    next_ms: int = 0
    done: set[str] = field(default_factory=set)


class Teller:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._channels = {each.name: each for each in core.settings.alerts.channels}
        self._tries: dict[tuple[str, tuple[str, ...]], _Tries] = {}
        """By alert and recipients; in memory only: a server that starts begins anew."""
        rules = core.settings.callbacks
        self._given = core.outbox.sender
        self._sender: Sender = self._given or HttpSender(rules.allow, rules.timeout_s)

    async def close(self) -> None:
        """One that was given is closed by whoever gave it."""
        if self._given is None:
            await self._sender.close()

    async def tell(self, notice: Notice, now_ms: int) -> tuple[bool, list[tuple[str, str]]]:
        """Whether it counts as told, and what could not be delivered for good. A recipient without a channel reads `herder alert list`."""
        key = (notice.alert.id, notice.recipients)
        tries = self._tries.setdefault(key, _Tries())
        if now_ms < tries.next_ms:
            return False, []
        problems: list[tuple[str, str]] = []
        for name in notice.recipients:
            channel = self._channels.get(name)
            if channel is None or name in tries.done:
                continue
            problem = await self._send(notice, channel)
            if problem:
                problems.append((name, problem))
            else:
                tries.done.add(name)
        tries.count += 1
        if problems and tries.count < TRIES_MAX:
            tries.next_ms = now_ms + pause_ms(tries.count)
            return False, []
        del self._tries[key]
        return True, problems

    async def _send(self, notice: Notice, channel: Channel) -> str:
        """Why it could not be delivered, as a sentence; empty: it was."""
        core, alert = self._core, notice.alert
        try:
            view = alert_view(core.ledger.alerts.policies[alert.policy], alert)
        except (ArithmeticError, LookupError, ValueError) as error:
            return f"Its message cannot be written ({type(error).__name__})."
        body = msgspec.json.encode(
            {"escalated": notice.escalated, "recipient": channel.name, **msgspec.structs.asdict(view)}
        ).decode()
        if channel.folder:
            return await write_handoff(channel.folder, f"{alert.id}.json", body + "\n")
        message = Message(
            id=f"{alert.id}-{channel.name}",
            url=channel.url,
            body=body,
            secret=callback_secret(core.settings.secret, SIGNED_FOR),
            sent_at_s=core.clock.now_ms() // 1000,
        )
        return (await self._sender.send(message)).error
