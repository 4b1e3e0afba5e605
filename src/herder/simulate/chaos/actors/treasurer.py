"""Who sets the budgets of a chaos run: raises their limits now and then, and tries to lower them; at the end there is money for everything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from herder.simulate.chaos.faults.chance import Chance

#: Seconds between two decisions.
DECIDES_EVERY_S = 900.0
#: One raise, as a part of the first limit.
RAISE = 0.5
ENOUGH = "1000000"
Say = Callable[[str, str, str, dict[str, Any]], Awaitable[None]]


class Treasurer:
    def __init__(self, budgets: Mapping[str, dict[str, Any]], draw: Chance, say: Say) -> None:
        self._budgets, self._draw, self._say = dict(budgets), draw, say
        self._first = {name: float(each["limit"]) for name, each in budgets.items()}

    async def run(self) -> None:
        await self._apply(self._budgets)
        while self._budgets:
            await asyncio.sleep(DECIDES_EVERY_S)
            name = self._draw.choice(sorted(self._budgets))
            share = self._draw.choice((-1, 1, 1, 2))
            limit = float(self._budgets[name]["limit"]) + share * self._first[name] * RAISE
            await self._apply({name: {**self._budgets[name], "limit": f"{max(0.0, limit):.2f}"}})

    async def settle(self) -> None:
        """Money is there."""
        await self._apply({name: {**each, "limit": ENOUGH} for name, each in self._budgets.items()})

    async def _apply(self, budgets: dict[str, dict[str, Any]]) -> None:
        """A limit below what is spent or reserved is refused, and the next raise counts from it all the same."""
        if budgets:
            self._budgets |= budgets
            await self._say("set budgets", "root", "/apply", {"pools": [], "budgets": budgets, "ahead": True})
