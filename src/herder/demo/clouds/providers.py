"""The three clouds of the demo: played providers with an address, and what its story does to them. Used by `scenes`, `machines` and `site`.

Each of them has its own words for the same: VMs that run, the script that they start with, capacity that is sold out, machines that are taken back.
"""

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from herder.testing.aws import Aws
from herder.testing.azure import Azure
from herder.testing.fakes.serving import Serving
from herder.testing.fakes.user_data import script_in
from herder.testing.gcp import Gcp

#: Seconds of a provider in a second of the demo.
SCALE = 10.0
#: How long before its end a machine is told of it.
NOTICE_S = 30.0 / SCALE


class PlayedCloud(ABC):
    """Whatever is asked or changed holds the lock of the address, at which the server asks meanwhile."""

    driver = ""
    title = ""

    def __init__(self, fake: Any, server: Serving) -> None:
        self.fake, self.server = fake, server

    @property
    def url(self) -> str:
        return self.server.url

    def running(self) -> dict[str, str]:
        """The start script of each machine that runs, by the machine."""
        with self.server.lock:
            self.fake.step(self.server.now_ms())
            return dict(self._running())

    def off(self, machine: str) -> None:
        """The machine has switched itself off."""
        with self.server.lock:
            self._off(machine)

    def sell_out(self, zones: tuple[str, ...]) -> None:
        """As spot."""
        with self.server.lock:
            self._sold_out().update((zone, True) for zone in zones)

    def left_over(self) -> list[str]:
        with self.server.lock:
            self.fake.step(self.server.now_ms())
            return list(self._left_over())

    @abstractmethod
    def _running(self) -> Iterator[tuple[str, str]]: ...

    @abstractmethod
    def _off(self, machine: str) -> None: ...

    @abstractmethod
    def _sold_out(self) -> set[tuple[str, bool]]: ...

    @abstractmethod
    def _left_over(self) -> Iterator[str]: ...


class Google(PlayedCloud):
    driver, title = "google", "Google Cloud"
    fake: Gcp

    def take_back_all(self) -> list[str]:
        """The spot VMs that have the notice now."""
        with self.server.lock:
            found = [vm for vm in self.fake.state.vms.values() if vm.spot and vm.status == "RUNNING"]
            for vm in found:
                self.fake.state.preempt(vm.zone, vm.name)
            return [vm.name for vm in found]

    def _running(self) -> Iterator[tuple[str, str]]:
        for vm in self.fake.state.vms.values():
            # A VM that is being preempted works until it ends.
            if vm.status in ("RUNNING", "STOPPING"):
                yield vm.name, vm.metadata["startup-script"]

    def _off(self, machine: str) -> None:
        for vm in self.fake.state.vms.values():
            if vm.name == machine and vm.status == "RUNNING":
                vm.status = "TERMINATED"

    def _sold_out(self) -> set[tuple[str, bool]]:
        return self.fake.state.sold_out

    def _left_over(self) -> Iterator[str]:
        yield from (f"VM {vm.name}" for vm in self.fake.state.vms.values())
        yield from (f"disk {disk.name}" for disk in self.fake.state.disks.values())


class Microsoft(PlayedCloud):
    driver, title = "azure", "Azure"
    fake: Azure

    def _running(self) -> Iterator[tuple[str, str]]:
        for vm in self.fake.state.vms.values():
            if vm.power == "running" and vm.provisioning != "Deleting":
                yield vm.name, script_in(vm.custom_data)

    def _off(self, machine: str) -> None:
        vm = self.fake.state.vms.get(machine.lower())
        if vm is not None and vm.power == "running":
            vm.power = "stopped"

    def _sold_out(self) -> set[tuple[str, bool]]:
        return self.fake.state.sold_out

    def _left_over(self) -> Iterator[str]:
        yield from (f"VM {vm.name}" for vm in self.fake.state.vms.values())
        yield from (f"{part.kind} {part.name}" for part in self.fake.state.parts.values())


class Amazon(PlayedCloud):
    driver, title = "aws", "AWS"
    fake: Aws

    def limit_spot(self, cores: int) -> None:
        with self.server.lock:
            self.fake.spot_cpus_limit = cores

    def _running(self) -> Iterator[tuple[str, str]]:
        for instance in self.fake.instances.values():
            if instance.state == "running":
                yield instance.id, script_in(base64.b64decode(instance.form["UserData"]).decode())

    def _off(self, machine: str) -> None:
        instance = self.fake.instances.get(machine)
        if instance is not None and instance.state == "running":
            instance.state = "stopped"

    def _sold_out(self) -> set[tuple[str, bool]]:
        return self.fake.sold_out

    def _left_over(self) -> Iterator[str]:
        """AWS shows an instance for an hour after its end."""
        rows = self.fake.instances.values()
        yield from (f"instance {each.id}" for each in rows if each.state != "terminated")
