"""A client of a played OCM, on a time that tests set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from herder.remote.ocm.api import Ocm
from herder.remote.ocm.pools import MachinePool
from herder.remote.ocm.sso import RedHatLogin
from herder.testing.fakes import InProcessTransport
from herder.testing.ocm import CLIENT, OFFLINE_TOKEN, SECRET, PlayedOcm

#: A pool that classic clusters and HCP ones take.
POOL = MachinePool(name="batch", instance_type="m5.2xlarge", replicas=3)


class Clock:
    def __init__(self, ms: int = 1_795_000_000_000) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


class Lab:
    def __init__(self) -> None:
        self.clock = Clock()
        self.played = PlayedOcm(now_ms=self.clock.ms)
        self.state = self.played.state
        self.transport = InProcessTransport(self.played, self.clock.now_ms)
        self.waited: list[float] = []
        self.opened: list[Ocm | RedHatLogin] = []
        self.ocm = self.client()

    def login(self, **secrets: str) -> RedHatLogin:
        given = secrets or {"client_id": CLIENT, "client_secret": SECRET}
        made = RedHatLogin(self.clock, transport=self.transport, pause=self.waited.append, **given)
        self.opened.append(made)
        return made

    def client(self, login: RedHatLogin | None = None) -> Ocm:
        made = Ocm(
            login or self.login(),
            self.clock,
            calls_per_s=1_000,
            transport=self.transport,
            pause=self.waited.append,
        )
        self.opened.append(made)
        return made

    def jump(self, seconds: float) -> None:
        self.clock.ms += int(seconds * 1000)
        self.played.step(self.clock.ms)

    def writes(self) -> list[str]:
        return [each for each in self.played.asked if not each.startswith("get ")]

    def close(self) -> None:
        for each in self.opened:
            each.close()


def offline(lab: Lab) -> RedHatLogin:
    return lab.login(offline_token=OFFLINE_TOKEN)


def pool(**changed: Any) -> MachinePool:
    return replace(POOL, **changed)
