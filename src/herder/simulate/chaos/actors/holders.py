"""Users of a chaos run who hold and release batches and jobs, retry the failed jobs of batches, and retry and cancel groups of them, at random times.

Their choices have dice of their own. When the faults stop, everything is released.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from herder.simulate.chaos.world import World

TICK_S = 20.0
#: Odds of each act in a tick, for one batch or job among the latest.
ODDS = {"hold batch": 0.15, "release batch": 0.25, "retry batch": 0.2, "hold job": 0.15, "release job": 0.25}
#: Share of batches of which only some jobs run at once, and how many at most.
LIMITED, PARALLEL_MOST = 0.3, 3

#: Share of batches whose jobs are in groups, of jobs in one, and of batches of which a group has a limit on failures, and a callback.
GROUPED, IN_GROUP, GROUP_LIMITED, GROUP_CALLS = 0.5, 0.8, 0.3, 0.4
GROUPS = ("a", "a/b", "a/c", "d")
CANCELS_GROUP, RETRIES_GROUP = 0.15, 0.15

Say = Callable[[str, str, str, dict[str, Any]], Coroutine[Any, Any, None]]


def limit_of(world: World) -> dict[str, int]:
    """What a new batch says of it."""
    draw = world.dice.of("arrays")
    return {"parallel_max": draw.randint(1, PARALLEL_MOST)} if draw.random() < LIMITED else {}


def groups_of(world: World, user: str, jobs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Puts jobs of a new batch into groups; answers what the batch says of these."""
    draw = world.dice.of("groups")
    if draw.random() >= GROUPED:
        return {}
    for job in jobs:
        if draw.random() < IN_GROUP:
            job["group"] = draw.choice(GROUPS)
    group: dict[str, Any] = {"cancel_after_failures": 2} if draw.random() < GROUP_LIMITED else {}
    if world.dice.of("callbacks of groups").random() < GROUP_CALLS:
        group["callback"] = f"https://{user}.example.org/group"
    return {"groups": [{"path": "a", **group}]} if group else {}


class Holders:
    """`say`: makes a call and counts its answer; `send`: goes on with one beside others. `batches` and `jobs`: the latest, batches with their users."""

    def __init__(
        self,
        world: World,
        say: Say,
        send: Callable[[Coroutine[Any, Any, None]], None],
        batches: Callable[[], Sequence[tuple[str, int]]],
        jobs: Callable[[], Sequence[int]],
    ) -> None:
        self._world, self._say, self._send = world, say, send
        self._batches, self._jobs = batches, jobs

    async def run(self) -> None:
        draw = self._world.dice.of("holders")
        while True:
            await asyncio.sleep(TICK_S)
            for what, odds in ODDS.items():
                verb, _, noun = what.partition(" ")
                if draw.random() >= odds:
                    continue
                if noun == "batch" and self._batches():
                    user, number = draw.choice(self._batches())
                    self._send(self._say(what, user, f"/batches/{number}/{verb}", {}))
                elif noun == "job" and self._jobs():
                    self._send(self._say(what, "root", f"/jobs/{draw.choice(self._jobs())}/{verb}", {}))
            self._of_group("cancel", "groups cancelled", CANCELS_GROUP)
            self._of_group("retry", "groups retried", RETRIES_GROUP)

    def _of_group(self, verb: str, dice: str, odds: float) -> None:
        draw = self._world.dice.of(dice)
        if self._batches() and draw.random() < odds:
            user, number = draw.choice(self._batches())
            path = f"/batches/{number}/groups/{draw.choice(GROUPS)}/{verb}"
            self._send(self._say(f"{verb} group", user, path, {}))

    async def release_all(self) -> None:
        server = self._world.server
        state = None if server is None else server.core.state
        if state is None:
            return
        held = [number for number, each in state.batches.items() if each.keeping and each.keeping.hold]
        for number in sorted(held):
            await self._say("release batch", "root", f"/batches/{number}/release", {})
        for job in sorted(state.held_jobs):
            await self._say("release job", "root", f"/jobs/{job}/release", {})
