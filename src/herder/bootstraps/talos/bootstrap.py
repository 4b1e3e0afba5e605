"""The bootstrap for Talos: `ports/bootstrap.py` over the client of `remote/talos`. Called by the loops, in the event loop.

It waits for no machine. A configuration is a secret: it goes into boot data or to the machine, and nowhere else.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from herder.bootstraps.talos.checks import checks
from herder.bootstraps.talos.health import STAGES, seen
from herder.bootstraps.talos.labels import own_labels
from herder.bootstraps.talos.settings import IN_PLACE, TalosSettings, arguments_in
from herder.bootstraps.talos.worker_config import Base, Differences, worker_config
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.repair import Rung
from herder.ports.bootstrap import Joining, Stage, SystemSeen, Target
from herder.ports.clock import Clock
from herder.remote.talos.client import TalosClient
from herder.remote.talos.methods import ADMIN, OPERATOR

_T = TypeVar("_T")
RUNGS = frozenset({Rung.RESTART_SERVICE, Rung.REBOOT})
LINES_MAX = 10_000
ADDRESSES_MAX = 4
HOSTNAME_MAX = 63


class TalosBootstrap:
    def __init__(
        self, name: str, settings: TalosSettings, base: Base, client: TalosClient, clock: Clock
    ) -> None:
        self._name = name
        self._settings = settings
        self._base = base
        self._client = client
        self._clock = clock
        own = (base.fingerprint, settings.made_of, settings.kubelet_args, settings.hostname)
        self._fingerprint = hashlib.sha256("\n".join(own).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        return self._name

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def version(self) -> str:
        return self._settings.version

    @property
    def rungs(self) -> frozenset[Rung]:
        return RUNGS | {Rung.UPGRADE} if self._in_place else RUNGS

    @property
    def _in_place(self) -> bool:
        return self._settings.upgrade == IN_PLACE

    # --- joining

    def boot_data(self, joining: Joining) -> BootData | None:
        if self._settings.delivery != "iso":
            return None
        meta = f"instance-id: {joining.worker}\nlocal-hostname: {self._hostname(joining)}\n"
        return BootData(user_data=self._config(joining), meta_data=meta)

    async def configure(self, joining: Joining, target: Target) -> bool:
        if self._settings.delivery == "iso":
            return True
        config = self._config(joining)
        for address in target.addresses[:ADDRESSES_MAX]:
            if await self._in_maintenance(address):
                return await self._apply(config, address)
            if await self._has_configuration(address):
                return True
        return False

    async def _apply(self, config: str, address: str) -> bool:
        try:
            await self._client.apply_in_maintenance(address, config)
        except OutcomeUnknown:
            return False  # the next call sees which it is
        return True

    async def _in_maintenance(self, address: str) -> bool:
        try:
            await self._client.version_in_maintenance(address)
        except DriverError:
            return False
        return True

    async def _has_configuration(self, address: str) -> bool:
        """Then it wants a client certificate, and has one of its cluster."""
        try:
            await self._client.version(address, via=address)
        except Unavailable:
            return False
        return True

    def _config(self, joining: Joining) -> str:
        differences = Differences(
            hostname=self._hostname(joining),
            labels=own_labels(joining.labels),
            taints=tuple(joining.taints),
            kubelet_args=arguments_in(self._settings.kubelet_args),
            install_image=self._settings.install_image,
        )
        return worker_config(self._base, differences)

    def _hostname(self, joining: Joining) -> str:
        found = self._settings.hostname
        for key, value in (("worker", joining.worker), ("pool", joining.pool), ("zone", joining.zone)):
            found = found.replace(f"{{{key}}}", str(value))
        if len(found) > HOSTNAME_MAX:
            raise InvalidRequest(
                f"The hostname {found} of worker {joining.worker} is longer than {HOSTNAME_MAX} characters. Shorten the setting hostname "
                "or the name of the pool."
            )
        return found

    # --- afterwards

    async def look(self, target: Target) -> SystemSeen:
        try:
            return await self._reached(target, self._look)
        except Unavailable:
            for address in target.addresses[:ADDRESSES_MAX]:
                if await self._in_maintenance(address):
                    text = "The machine has no configuration and waits for one."
                    return SystemSeen(stage=Stage.MAINTENANCE, ready=False, text=text)
            raise

    async def _look(self, address: str) -> SystemSeen:
        version = await self._client.version(address)
        state = await self._client.state(address)
        services = await self._client.services(address)
        wanted = self.version if self._in_place else ""
        return seen(version, state, services, self._clock.now_ms(), wanted)

    async def repair(self, target: Target, rung: Rung) -> None:
        if rung is Rung.RESTART_SERVICE:
            await self._reached(target, lambda address: self._client.restart_service(address, "kubelet"))
        elif rung is Rung.REBOOT:
            await self._reached(target, self._client.reboot)
        elif rung is Rung.UPGRADE and self._in_place:
            await self._reached(target, self._upgrade)
        else:
            raise InvalidRequest(
                f"Talos cannot carry out the rung {rung}: it restarts kubelet or reboots the machine. Use restart_service or reboot."
            )

    async def _upgrade(self, address: str) -> None:
        """Once: it may be asked again while the machine is at it, or has done it."""
        state = await self._client.state(address)
        upgrading = STAGES.get(state.stage) in (Stage.UPGRADING, Stage.BOOTING)
        if not upgrading and await self._client.version(address) != self.version:
            await self._client.upgrade(address, self._settings.install_image)

    async def shut_down(self, target: Target) -> None:
        try:
            await self._reached(target, self._client.shut_down)
        except OutcomeUnknown:
            raise
        except Unavailable as error:
            raise NotFound(str(error)) from None

    async def logs(self, target: Target, service: str, lines: int) -> str:
        lines = max(1, min(lines, LINES_MAX))
        return await self._reached(target, lambda address: self._client.logs(address, service, lines))

    async def _reached(self, target: Target, call: Callable[[str], Awaitable[_T]]) -> _T:
        """At the first address that answers; the next one only when the call certainly had no effect."""
        unreached: Unavailable | None = None
        for address in target.addresses[:ADDRESSES_MAX]:
            try:
                return await call(address)
            except OutcomeUnknown:
                raise
            except Unavailable as error:
                unreached = unreached or error
        if unreached is not None:
            raise unreached
        raise Unavailable(f"The address of worker {target.worker} is not known yet.")

    # --- for people

    async def check(self) -> Sequence[Check]:
        detail = f"Its fingerprint is {self._base.fingerprint}."
        base = Check(name="Base configuration", passed=True, detail=detail)
        role = ADMIN if self._in_place else OPERATOR
        return (base, *await checks(self._client, self._clock.now_ms(), role))

    async def close(self) -> None:
        await self._client.close()
