"""People's own servers, to which messages about ended batches go: `ports.callbacks.Sender` for the servers of the world.

A message may be lost on its way, and so may the answer; then it comes again. What has arrived is kept, for the rules.
"""

import asyncio
from collections.abc import Callable

from herder.ports.callbacks import Answer, Message
from herder.simulate.chaos.faults.dice import Dice

#: What a message and its answer take.
WAY_S = 0.2
#: After that a sender does not wait any longer.
TIMEOUT_S = 10.0

#: A host that wants no messages any more.
GONE = "gone.example.org"
_GONE = Answer(status=410, error="The receiver wants no more messages (HTTP status 410).", final=True)
_LOST = Answer(error=f"The receiver did not answer within {TIMEOUT_S:g} s.")
_REFUSED = Answer(status=503, error="The receiver refused the message (HTTP status 503).")


class Receivers:
    """One for all servers of the world: they live longer than any of them."""

    def __init__(self, dice: Dice, trace: Callable[..., None]) -> None:
        self._dice, self._trace = dice, trace
        self.received: dict[str, list[Message]] = {}
        """By id, each time that it came."""
        self.answers: Callable[[Message], Answer | None] = lambda _message: None
        """Of a test: what the next messages are answered; None: that they were accepted."""

    async def send(self, message: Message) -> Answer:
        draw = self._dice.of("receivers")
        odds = self._dice.odds.people if self._dice.trouble else 0.0
        fate = draw.random() / odds if odds else 1.0
        await asyncio.sleep(WAY_S)
        if fate < 1 / 3:
            await asyncio.sleep(TIMEOUT_S)
            return _LOST
        said = _GONE if GONE in message.url else self.answers(message)
        if said is not None or fate < 2 / 3:
            return said or _REFUSED
        self.received.setdefault(message.id, []).append(message)
        self._trace("callback arrives", message.id)
        if fate < 1:
            await asyncio.sleep(TIMEOUT_S)
            return _LOST
        await asyncio.sleep(WAY_S)
        return Answer(status=204)

    async def close(self) -> None:
        """Nothing is open."""
