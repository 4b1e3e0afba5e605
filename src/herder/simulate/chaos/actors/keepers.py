"""Users of a chaos run who have a secret each, give it new values, and name it in some jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from herder.simulate.chaos.actors.people import People
from herder.simulate.chaos.faults.dice import Dice

#: All values begin with this: by it they are found where they must not be. Of a length that base64 keeps apart from what follows.
MARK = "s3cret-value"
NAME, VARIABLE = "db", "DB_PASSWORD"
#: Share of jobs that name the secret of their user, and seconds between new values.
USED, CHANGED_EACH_S = 0.1, 1800.0

Say = Callable[[str, Any], Awaitable[Any]]


class Keepers:
    """`say`: makes a call and counts its answer; None: it was refused."""

    def __init__(self, people: People, dice: Dice, users: Sequence[str], say: Say) -> None:
        self._people, self._dice, self._users, self._say = people, dice, users, say
        self.values: dict[str, set[str]] = {}
        """By user: all that their secret ever was, also where the answer is still to come."""
        self._ready: set[str] = set()
        self._made = 0

    async def run(self) -> None:
        for user in self._users:
            body = {"name": NAME, "value": self._value(user)}
            made = self._people.call(user, "POST", "/secrets", body)
            if await self._say("create secret", made) is not None:
                self._ready.add(user)
        while True:
            await asyncio.sleep(CHANGED_EACH_S)
            user = self._dice.of("secrets changed").choice(self._users)
            set_anew = self._people.call(user, "POST", f"/secrets/{NAME}", {"value": self._value(user)})
            await self._say("set secret", set_anew)

    def uses(self, user: str) -> dict[str, Any]:
        """What a new job of this user says of secrets."""
        drawn = self._dice.of("secrets").random() < USED
        return {"secrets": [{"name": NAME, "env": VARIABLE}]} if drawn and user in self._ready else {}

    def _value(self, user: str) -> str:
        self._made += 1
        value = f"{MARK}-{user}-{self._made:05}"
        self.values.setdefault(user, set()).add(value)
        return value
