"""What the world is made of and what goes wrong in it: pools, and the odds of each fault. A test changes what it is about.

`Dice` decides: first what a test has ordered for one of the next calls, else by the odds, as long as there is trouble.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from herder.model.fleet.pool import Template
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from tests.support.pools import pool_spec

SMALL = Template(
    name="small", allocatable=Resources(2000, 4096, 8192), price_pico_per_hour=PicoUsd(3_600_000), slots=6
)
LARGE = Template(
    name="large", allocatable=Resources(8000, 8192, 8192), price_pico_per_hour=PicoUsd(12_600_000), slots=12
)
TIMES = {"dead_after_s": 15.0, "boot_timeout_s": 60.0, "drain_grace_s": 20.0, "idle_timeout_s": 20.0}
POOLS = (
    pool_spec("std", driver="pretend", templates=(SMALL, LARGE), max_workers=6, **TIMES),  # type: ignore[arg-type]
    pool_spec(
        "brief",
        driver="pretend",
        templates=(SMALL,),
        max_workers=3,
        ttl_s=40.0,
        **TIMES,  # type: ignore[arg-type]
    ),
)


class Fault(StrEnum):
    """What can become of one call, whoever makes it. Not each is possible everywhere."""

    NONE = "none"
    REFUSED = "refused"
    """Answered with an error at once; nothing was done."""
    REQUEST_LOST = "request lost"
    """It never arrives, and the caller waits until its own time-out."""
    ANSWER_LOST = "answer lost"
    """It is done, and the caller never hears of it."""
    DOUBLED = "doubled"
    LATE = "late"
    """Done and answered, after a long while."""
    CUT_OFF = "cut off"
    """The connection breaks in the middle."""
    ACTS_LATE = "acts late"
    """The caller gives up, and then it is done all the same."""


CALL_FAULTS = (
    Fault.REFUSED,
    Fault.REQUEST_LOST,
    Fault.ANSWER_LOST,
    Fault.DOUBLED,
    Fault.LATE,
    Fault.ACTS_LATE,
)
NETWORK_FAULTS = (
    Fault.REFUSED,
    Fault.REQUEST_LOST,
    Fault.ANSWER_LOST,
    Fault.DOUBLED,
    Fault.LATE,
    Fault.CUT_OFF,
)


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Odds of a fault for each call, and of each misfortune per second."""

    calls: float = 0.15
    network: float = 0.08
    people: float = 0.05
    store_slow: float = 0.02
    store_fails: float = 0.001
    server_crash: float = 0.02
    server_stop: float = 0.01
    machine_lost: float = 0.02
    agent_killed: float = 0.02
    agent_stop: float = 0.01
    partition: float = 0.01
    clock_set: float = 0.005


CALM = Trouble(
    calls=0, network=0, people=0, store_slow=0, store_fails=0, server_crash=0, server_stop=0, machine_lost=0,
    agent_killed=0, agent_stop=0, partition=0, clock_set=0,
)  # fmt: skip


@dataclass(slots=True)
class Dice:
    """All chance of the world."""

    draw: random.Random
    odds: Trouble
    trouble: bool = True
    ordered: dict[str, deque[Fault]] = field(default_factory=dict)
    """By what is called (`create`, `commit`, `/exchange`, `POST /jobs` …): what becomes of the next ones."""
    met: list[tuple[str, Fault]] = field(default_factory=list)
    """Faults that have happened."""

    def order(self, what: str, *faults: Fault) -> None:
        self.ordered.setdefault(what, deque()).extend(faults)

    def fault(self, what: str, odds: float, possible: tuple[Fault, ...]) -> Fault:
        waiting = self.ordered.get(what)
        if waiting:
            found = waiting.popleft()
        elif self.trouble and odds and self.draw.random() < odds:
            found = self.draw.choice(possible)
        else:
            return Fault.NONE
        if found is not Fault.NONE:
            self.met.append((what, found))
        return found

    def happens(self, odds: float) -> bool:
        return self.trouble and odds > 0 and self.draw.random() < odds
