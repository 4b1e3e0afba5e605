"""Tells recipients of alerts by their channels. What cannot be delivered is tried again, and after some tries counts as told: then the next one of the chain has its turn.

Tries are counted for each channel, and stored: a receiver that is away takes none from one that waits for the morning, and a server that starts sends nothing again.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from herder.control.alerts.posting import Poster
from herder.control.kernel.core import Core
from herder.ledger.alerts.policies import Level
from herder.ledger.alerts.raising import Notice
from herder.model.work.alerts import Channel
from herder.model.work.callbacks import pause_ms
from herder.notify.quiet_hours import quiet_until_ms
from herder.ports.callbacks import Answer

#: Of one notice by one channel; about 40 minutes. Then it counts as told.
TRIES_MAX = 5
#: From this level on nothing waits for quiet hours or a digest.
URGENT = Level.CRITICAL
#: Row of `meta`.
META_KEY = "alerts/deliveries"

_Key = tuple[str, tuple[str, ...], bool]
"""Alert, recipients, and whether it is about its end."""


class Told(NamedTuple):
    """A notice that counts as told. `problems`: recipients that did not get it, and why."""

    notice: Notice
    problems: list[tuple[str, str]]


@dataclass(slots=True)
class _Delivery:
    """Of one notice by one channel, which was tried."""

    tries: int = 0
    next_ms: int = 0
    over: bool = False
    """It was delivered, or is not tried again because of `error`."""
    error: str = ""


class Teller:
    def __init__(self, core: Core, stored: str | None = None) -> None:
        """`stored`: the row META_KEY."""
        alerts = core.settings.alerts
        self._channels = {each.name: each for each in alerts.channels}
        self._deliveries = _read(stored)
        """By channel, of each notice that is not told yet."""
        self._digest_ms: dict[str, int] = {}
        """By channel: when its last message was sent."""
        self._post = Poster(core)

    async def close(self) -> None:
        await self._post.close()

    def text(self) -> str:
        """For the row META_KEY."""
        return json.dumps(
            [
                [alert, recipients, resolved, [[name, each.tries, each.next_ms, each.over, each.error] for name, each in by.items()]]
                for (alert, recipients, resolved), by in self._deliveries.items()
                if by
            ]
        )  # fmt: skip

    async def tell(self, notices: Sequence[Notice], now_ms: int) -> list[Told]:
        """What counts as told now. A recipient without a channel reads `herder alert list`."""
        open_ones = {_key(each): each for each in notices}
        for key in self._deliveries.keys() - open_ones.keys():  # acknowledged or resolved while it waited
            del self._deliveries[key]
        parcels: dict[str, list[Notice]] = {}
        for key, notice in open_ones.items():
            known = self._deliveries.setdefault(key, {})
            for channel in self._channels_of(notice):
                if known.get(channel.name, _Delivery()).next_ms > now_ms:
                    continue
                if not self._waits(channel, notice.alert.level, now_ms):
                    parcels.setdefault(channel.name, []).append(notice)
        for key, name, answer in await self._deliver(parcels, now_ms):
            self._note(self._deliveries[key].setdefault(name, _Delivery()), answer, now_ms)
        return [
            self._told(key, notice) for key, notice in open_ones.items() if not any(self._channels_of(notice))
        ]

    def _channels_of(self, notice: Notice) -> Iterator[Channel]:
        """By which it is still to be sent."""
        known = self._deliveries[_key(notice)]
        for name in notice.recipients:
            channel, delivery = self._channels.get(name), known.get(name)
            if channel is None or notice.alert.level < Level.of(channel.from_level):
                continue
            if delivery is None or not delivery.over:
                yield channel

    def _waits(self, channel: Channel, level: Level, now_ms: int) -> bool:
        if level >= URGENT:
            return False
        if channel.quiet is not None and quiet_until_ms(channel.quiet, now_ms) is not None:
            return True
        last_ms = self._digest_ms.get(channel.name)
        return last_ms is not None and now_ms - last_ms < channel.digest_s * 1000

    async def _deliver(self, parcels: dict[str, list[Notice]], now_ms: int) -> list[tuple[_Key, str, Answer]]:
        """All channels at once: one that hangs delays no other."""

        async def one(name: str, notices: list[Notice]) -> list[tuple[_Key, str, Answer]]:
            answers = await self._post.send(self._channels[name], notices)
            if any(not each.error for each in answers.values()):
                self._digest_ms[name] = now_ms
            return [(_key(each), name, answers[each.alert.id]) for each in notices]

        found = await asyncio.gather(*(one(name, notices) for name, notices in parcels.items()))
        return [each for some in found for each in some]

    def _note(self, delivery: _Delivery, answer: Answer, now_ms: int) -> None:
        delivery.tries += 1
        delivery.error = answer.error
        delivery.over = not answer.error or answer.final or delivery.tries >= TRIES_MAX
        delivery.next_ms = now_ms + pause_ms(delivery.tries)

    def _told(self, key: _Key, notice: Notice) -> Told:
        known = self._deliveries.pop(key)
        return Told(notice, [(name, each.error) for name, each in known.items() if each.error])


def _key(notice: Notice) -> _Key:
    return notice.alert.id, notice.recipients, notice.resolved


def _read(stored: str | None) -> dict[_Key, dict[str, _Delivery]]:
    return {
        (alert, tuple(recipients), resolved): {name: _Delivery(*rest) for name, *rest in by}
        for alert, recipients, resolved, by in json.loads(stored or "[]")
    }
